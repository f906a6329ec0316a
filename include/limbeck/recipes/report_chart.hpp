// A chart as SVG: axes, and what is drawn between them. Colours are classes of the page's style.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/recipes/report_axis.hpp"
#include "limbeck/recipes/report_series.hpp"
#include "limbeck/recipes/report_text.hpp"

namespace limbeck::report {

/// Places in a drawing: one digit behind the point is more than a screen shows.
[[nodiscard]] inline std::string place(double x) {
  std::string text = fixed(x, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}
/// About how wide a text of the page's small letters is.
[[nodiscard]] inline double width_of(std::string_view text) {
  const auto letters =
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return 6.9 * static_cast<double>(letters);
}
/// The text, cut where it would be wider than `room`.
[[nodiscard]] inline std::string fitted(std::string text, double room) {
  if (width_of(text) <= room) return text;
  while (!text.empty() && width_of(text) + 7 > room) {
    while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    text.pop_back();
  }
  return text + "…";
}
/// The classes that colour the n-th of several things: the ninth as the first, but paler.
[[nodiscard]] inline std::string colour(std::size_t n) {
  return "c" + std::to_string(n % 8) + (n / 8 % 2 == 1 ? " pale-again" : "");
}

/// A drawing that is put together element by element. `name` goes into its attribute data-name, `title` is read aloud.
class drawing {
 public:
  static constexpr double width = 340;

  drawing(std::string_view name, std::string_view title, double height) : height_(height) {
    out_ = "<svg data-name=\"" + escaped(name) + "\" viewBox=\"0 0 " + place(width) + " " + place(height) +
           "\" role=\"img\" aria-label=\"" + escaped(title) + "\">";
  }
  [[nodiscard]] double height() const { return height_; }

  /// Escaped already where it comes from elsewhere.
  void add(const std::string& element) { out_ += element + "\n"; }
  void line(double x1, double y1, double x2, double y2, std::string_view kind) {
    add("<line class=\"" + std::string(kind) + "\" x1=\"" + place(x1) + "\" y1=\"" + place(y1) + "\" x2=\"" +
        place(x2) + "\" y2=\"" + place(y2) + "\"/>");
  }
  /// `about`: what is shown while the pointer rests on it.
  void box(double x, double y, double w, double h, std::string_view kind, std::string_view about = "",
           const std::string& more = "") {
    add("<rect class=\"" + std::string(kind) + "\" x=\"" + place(x) + "\" y=\"" + place(y) + "\" width=\"" +
        place(std::max(w, 0.0)) + "\" height=\"" + place(std::max(h, 0.0)) + "\"" + more + closing("rect", about));
  }
  void dot(double x, double y, double radius, std::string_view kind, std::string_view about) {
    add("<circle class=\"" + std::string(kind) + "\" cx=\"" + place(x) + "\" cy=\"" + place(y) + "\" r=\"" +
        place(radius) + "\"" + closing("circle", about));
  }
  void text(double x, double y, std::string_view words, std::string_view kind) {
    add("<text class=\"" + std::string(kind) + "\" x=\"" + place(x) + "\" y=\"" + place(y) + "\">" + escaped(words) +
        "</text>");
  }
  void turned_text(double x, double y, std::string_view words) {
    add("<text class=\"mid\" transform=\"translate(" + place(x) + " " + place(y) + ") rotate(-90)\">" + escaped(words) +
        "</text>");
  }
  [[nodiscard]] std::string str() const { return out_ + "</svg>"; }

 private:
  static std::string closing(std::string_view element, std::string_view about) {
    if (about.empty()) return "/>";
    return "><title>" + escaped(about) + "</title></" + std::string(element) + ">";
  }
  double height_;
  std::string out_;
};

/// What stands at the axes of a chart.
struct chart_labels {
  std::string x, y;
};

/// A drawing with axes.
class chart : public drawing {
 public:
  chart(std::string_view name, std::string_view title, axis x, axis y, const chart_labels& labels, double height = 190)
      : drawing(name, title, height), x_(std::move(x)), y_(std::move(y)) {
    double widest = 0;
    for (const tick& t : y_.ticks) widest = std::max(widest, width_of(t.text));
    left_ = labels.y.empty() ? 10 : 24 + widest;
    bottom_ = height - 34;
    for (const tick& t : y_.ticks) {
      line(left_, at_y(t.at), right, at_y(t.at), "grid");
      text(left_ - 5, at_y(t.at) + 3.5, t.text, "end");
    }
    for (const tick& t : x_.ticks) {
      line(at_x(t.at), bottom_, at_x(t.at), bottom_ + 3, "axis");
      const double half = width_of(t.text) / 2;
      text(std::clamp(at_x(t.at), half, width - half), bottom_ + 14, t.text, "mid");
    }
    line(left_, bottom_, right, bottom_, "axis");
    text((left_ + right) / 2, height - 5, labels.x, "mid");
    if (!labels.y.empty()) turned_text(10, (top + bottom_) / 2, labels.y + (y_.powers ? " (by powers)" : ""));
  }

  [[nodiscard]] double at_x(double x) const { return left_ + x_.share(x) * (right - left_); }
  [[nodiscard]] double at_y(double y) const { return bottom_ - std::clamp(y_.share(y), -0.02, 1.02) * (bottom_ - top); }
  [[nodiscard]] double left() const { return left_; }

  /// The means as a line, and around it what the steps of each stretch cover. Gaps where there is no number.
  void course(const std::vector<stretch>& all, std::string_view kind) {
    for (std::size_t begin = 0; begin < all.size();) {
      std::size_t end = begin;
      while (end < all.size() && !std::isnan(all[end].mean)) ++end;
      if (end > begin) piece(all, begin, end, kind);
      begin = end + 1;
    }
  }
  /// A value and what it may be instead.
  void estimate(double x, double y, double low, double high, std::string_view kind, std::string_view about) {
    if (low <= high) line(at_x(x), at_y(low), at_x(x), at_y(high), std::string("range ") + std::string(kind));
    dot(at_x(x), at_y(y), 3.5, std::string("dot ") + std::string(kind), about);
  }
  /// The same, with the values along the x axis.
  void across(double x, double y, double low, double high, std::string_view kind, std::string_view about) {
    if (low <= high) line(at_x(low), at_y(y), at_x(high), at_y(y), std::string("range ") + std::string(kind));
    dot(at_x(x), at_y(y), 3.5, std::string("dot ") + std::string(kind), about);
  }
  /// A mark over the whole height.
  void mark(double x) { line(at_x(x), top, at_x(x), bottom_, "mark"); }
  /// A line from side to side, and a band around it.
  void level(double y, double low, double high, std::string_view kind) {
    if (low <= high)
      box(left_, at_y(high), right - left_, at_y(low) - at_y(high), std::string("band ") + std::string(kind));
    line(left_, at_y(y), right, at_y(y), std::string("course dashed ") + std::string(kind));
  }

 private:
  static constexpr double right = width - 10, top = 10;

  void piece(const std::vector<stretch>& all, std::size_t begin, std::size_t end, std::string_view kind) {
    const auto middle = [&](std::size_t i) { return at_x((all[i].first + all[i].last) / 2); };
    if (end == begin + 1) return dot(middle(begin), at_y(all[begin].mean), 2, "dot " + std::string(kind), "");
    std::string upper, lower, line;
    bool wide = false;
    for (std::size_t i = begin; i < end; ++i) {
      const std::string x = place(middle(i)) + ",";
      wide = wide || all[i].lowest < all[i].highest;
      line += x + place(at_y(all[i].mean)) + " ";
      upper += x + place(at_y(all[i].highest)) + " ";
      lower = x + place(at_y(all[i].lowest)) + " " + lower;
    }
    if (wide) add("<polygon class=\"band " + std::string(kind) + "\" points=\"" + upper + lower + "\"/>");
    add("<polyline class=\"course " + std::string(kind) + "\" points=\"" + line + "\"/>");
  }

  axis x_, y_;
  double left_, bottom_;
};

}  // namespace limbeck::report
