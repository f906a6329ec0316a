// Tests of limbeck/recipes/report_text.hpp.
#include "limbeck/recipes/report_text.hpp"

#include <limits>
#include <string>

#include "catch.hpp"

namespace limbeck::report {
namespace {

TEST_CASE("text from files can neither open nor close an element or attribute") {
  CHECK(escaped("a < b & c > d") == "a &lt; b &amp; c &gt; d");
  CHECK(escaped("\"><script>alert('x')</script>") == "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
  CHECK(escaped("Straße 漢字 \xF0\x9F\x99\x82") == "Straße 漢字 \xF0\x9F\x99\x82");
  CHECK(escaped("two\nlines\tand") == "two\nlines\tand");
}

TEST_CASE("broken bytes, control characters and turned writing become the replacement character") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(escaped("a\xFF\xC0z") == "a" + mark + mark + "z");
  CHECK(escaped(std::string("a\0b\x1B[31m\x7F", 9)) == "a" + mark + "b" + mark + "[31m" + mark);
  CHECK(escaped("evil\u202Egpj.exe") == "evil" + mark + "gpj.exe");
}

TEST_CASE("data in a script element cannot end it, and reads back as it was") {
  const json data{{"</script><script>alert(1)</script>", "<!--<script>"}, {"path", "a\u2028b\"\\ ü"}, {"x", 0.1}};
  const std::string text = script_json(data);
  for (const char c : text) CHECK((c >= ' ' && c <= '~' && c != '<' && c != '>'));
  CHECK(json::parse(text) == data);
}

TEST_CASE("numbers for people have four digits and never more than they need") {
  CHECK(brief(0.89768) == "0.8977");
  CHECK(brief(0.5) == "0.5");
  CHECK(brief(5e-5) == "5e-5");
  CHECK(brief(-1.234567e-7) == "-1.23e-7");
  CHECK(brief(22713986) == "22.71M");
  CHECK(brief(12345) == "12.35k");
  CHECK(brief(9999) == "9999");
  CHECK(brief(1234.5) == "1234");
  CHECK(brief(-3.14159) == "-3.142");
  CHECK(brief(0) == "0");
  CHECK(brief(100) == "100");
  CHECK(brief(1e15) == "1e15");
  CHECK(brief(std::numeric_limits<double>::quiet_NaN()) == "–");
  CHECK(brief(std::numeric_limits<double>::infinity()) == "–");
  CHECK(grouped(22713986) == "22\u202F713\u202F986");
  CHECK(grouped(-1234) == "-1\u202F234");
  CHECK(grouped(999) == "999");
  CHECK(times(1.96) == "2.0 times");
  CHECK(times(23.4) == "23 times");
}

TEST_CASE("a table shows numbers briefly and holds all of their digits") {
  const std::string html = table("a \"name\"", {"<what>", "x"},
                                 {{words("1 < 2"), number(0.1 + 0.2)}, {words("none"), number(std::nan(""))}});
  CHECK(html.find("data-name=\"a &quot;name&quot;\"") != std::string::npos);
  CHECK(html.find("&lt;what&gt;") != std::string::npos);
  CHECK(html.find("1 &lt; 2") != std::string::npos);
  CHECK(html.find("<td data-value=\"0.30000000000000004\">0.3</td>") != std::string::npos);
  CHECK(html.find("<td class=\"text\">–</td>") != std::string::npos);
}

}  // namespace
}  // namespace limbeck::report
