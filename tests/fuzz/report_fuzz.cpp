// Fuzzes the report of a run: whatever its record says, the page is whole, and texts in it stay texts.
#include <cstddef>
#include <string>
#include <string_view>

#include "fuzz/fuzz_target.hpp"
#include "limbeck/recipes/report_run.hpp"

namespace limbeck_test {
namespace {

std::string page_of(std::string_view record) {
  limbeck::report::story_reader reader("a run");
  limbeck::detail::visit_run_lines(record, "run.jsonl",
                                   [&](std::string_view, const limbeck::json_value& line) { reader.add(line); });
  return limbeck::report::run_page(reader.take());
}

std::size_t count(const std::string& page, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = page.find(what); at != std::string::npos; at = page.find(what, at + 1)) ++found;
  return found;
}

void draw_report(std::string_view bytes) {
  const auto page = accepted([&] { return page_of(bytes); });
  if (!page) return;
  must(page->ends_with("</html>\n"), "the page has its end");
  must(count(*page, "<script") == 1 && count(*page, "</script") == 1, "one script, of data");
  must(count(*page, "<svg") == count(*page, "</svg>"), "every drawing has its end");
  must(count(*page, "=\"nan") == 0 && count(*page, "=\"-nan") == 0, "places in drawings are numbers");
}

const bool report_is_known = fuzzes("report", draw_report);

}  // namespace
}  // namespace limbeck_test
