// Text and numbers as an HTML page shows them, whatever stands in the files they come from.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/data/utf8.hpp"
#include "limbeck/io/json.hpp"

namespace limbeck::report {

/// The text as HTML and SVG show it, in elements and in quoted attributes. Broken bytes, control characters and those
/// that turn the direction of writing become U+FFFD.
[[nodiscard]] inline std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    char32_t c = limbeck::detail::decode_utf8(text, at);
    const bool hidden = c < ' ' || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
                        (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    if (hidden && c != '\n' && c != '\t') c = limbeck::detail::replacement_character;
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: limbeck::detail::append_utf8(out, c);
    }
  }
  return out;
}

/// JSON for a script element that holds data: ASCII alone, and nothing in it can end the element or begin another.
[[nodiscard]] inline std::string script_json(const json& data) {
  std::string out;
  for (const char c : data.dump(-1, ' ', true, json::error_handler_t::replace)) {
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else
      out += c;
  }
  return out;
}

/// The shortest text that reads back as the same number.
[[nodiscard]] inline std::string exact(double x) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), x).ptr;
  return {text.data(), end};
}

/// So many digits behind the point.
[[nodiscard]] inline std::string fixed(double x, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, x);
  return text.data();
}

/// A number for people, about four digits: 0.8977, 5e-5, 12.3k, 22.71M; a dash where there is none.
[[nodiscard]] inline std::string brief(double x) {
  if (!std::isfinite(x)) return "–";
  const double size = std::abs(x);
  if (x == 0) return "0";
  if (size >= 1e12 || size < 1e-3) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2e", x);
    std::string all = text.data(), power = all.substr(all.find('e') + 1), front = all.substr(0, all.find('e'));
    while (front.back() == '0') front.pop_back();
    if (front.back() == '.') front.pop_back();
    return front + "e" + std::to_string(std::stoi(power));
  }
  constexpr std::array<std::pair<double, const char*>, 4> scales{{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}, {0, ""}}};
  const auto scale = std::ranges::find_if(scales, [&](const auto& s) { return size >= s.first; });
  const double shown = scale->first == 0 ? x : x / (scale->first == 1e4 ? 1e3 : scale->first);
  const int digits =
      std::abs(shown) >= 1000 ? 0 : std::clamp(3 - static_cast<int>(std::floor(std::log10(std::abs(shown)))), 0, 6);
  std::string text = fixed(shown, digits);
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return text + scale->second;
}

/// A whole number with thin spaces between thousands.
[[nodiscard]] inline std::string grouped(double x) {
  std::string digits = fixed(x, 0), out;
  const std::size_t sign = digits.front() == '-' ? 1 : 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += "\u202F";
    out += digits[i];
  }
  return out;
}

/// A ratio for people: 5.2 times, 23 times.
[[nodiscard]] inline std::string times(double x) { return fixed(x, x < 9.95 ? 1 : 0) + " times"; }

/// One cell of a table: a text, or a number as it is shown and as it is.
struct cell {
  std::string text;  ///< escaped
  std::optional<double> value{};
};
[[nodiscard]] inline cell words(std::string_view text) { return {escaped(text)}; }
[[nodiscard]] inline cell number(double x) { return std::isfinite(x) ? cell{brief(x), x} : cell{"–"}; }
[[nodiscard]] inline cell whole(double x) { return {grouped(x), x}; }
[[nodiscard]] inline cell number(const std::optional<double>& x) { return x ? number(*x) : cell{"–"}; }

/// A table; the first cell of a row heads it. `name` goes into its attribute data-name, for programs.
[[nodiscard]] inline std::string table(std::string_view name, const std::vector<std::string>& heads,
                                       const std::vector<std::vector<cell>>& rows) {
  std::string out = "<div class=\"scroll\"><table data-name=\"" + escaped(name) + "\"><thead><tr>";
  for (std::size_t c = 0; c < heads.size(); ++c) {
    const bool of_words = !rows.empty() && c < rows.front().size() && !rows.front()[c].value;
    out += std::string("<th scope=\"col\"") + (of_words ? " class=\"text\">" : ">") + escaped(heads[c]) + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string kind = c == 0 ? "th scope=\"row\"" : "td";
      out += "<" + kind;
      out += row[c].value ? " data-value=\"" + exact(*row[c].value) + "\"" : " class=\"text\"";
      out += ">" + row[c].text + (c == 0 ? "</th>" : "</td>");
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

}  // namespace limbeck::report
