// How alike the layers of student and teacher came out, in a grid with the layers that the terms compare.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/recipes/report_chart.hpp"
#include "limbeck/recipes/report_page.hpp"
#include "limbeck/recipes/report_text.hpp"
#include "limbeck/recipes/run_story.hpp"

namespace limbeck::report {

/// The grid of a run's line `final`.
class layer_grid {
 public:
  explicit layer_grid(const json_value& layers) : tokens_(layers.required<double>("tokens")) {
    for (const json_value& row : layers.at("alikeness").elements()) rows_.push_back(row.as<std::vector<double>>());
    for (const auto& row : rows_)
      if (row.size() != rows_.front().size() || row.empty())
        layers.at("alikeness").refuse("has rows of different lengths, or empty ones");
    if (rows_.empty()) layers.at("alikeness").refuse("has no rows, expected one for each layer of the student");
    for (const auto& [term, pairs] : layers.at("pairs").members()) {
      std::set<std::pair<std::size_t, std::size_t>> own;
      for (const json_value& p : pairs.elements()) own.insert(pair_of(p));
      std::string& names = terms_[own];
      names += (names.empty() ? "" : ", ") + term;
    }
  }

  [[nodiscard]] std::string str() const {
    const double size = std::min({cell_most, (drawing::width - left - 6) / static_cast<double>(rows_.front().size()),
                                  420 / static_cast<double>(rows_.size())});
    drawing drawn("layers", "Alikeness of layers", top + size * static_cast<double>(rows_.size()) + 6);
    for (std::size_t m = 0; m < rows_.size(); ++m)
      for (std::size_t n = 0; n < rows_[m].size(); ++n) draw_cell(drawn, m, n, size);
    draw_numbers(drawn, size);
    std::vector<std::pair<std::string, std::string>> kinds;
    for (const auto& [pairs, names] : terms_) {
      const std::size_t number = kinds.size();
      for (const auto& [m, n] : pairs) {
        const double inset = 1.5 + 3 * static_cast<double>(number);
        if (2 * inset + 3 < size)
          drawn.box(left + size * static_cast<double>(n) + inset, top + size * static_cast<double>(m) + inset,
                    size - 2 * inset, size - 2 * inset, "frame " + colour(number + 1));
      }
      kinds.emplace_back(colour(number + 1), "compared by " + names);
    }
    return figure("Alikeness of layers (linear CKA)", drawn.str(), kinds.empty() ? "" : legend(kinds), numbers());
  }
  [[nodiscard]] double tokens() const { return tokens_; }

 private:
  static constexpr double left = 46, top = 40, cell_most = 52;

  [[nodiscard]] std::pair<std::size_t, std::size_t> pair_of(const json_value& p) const {
    const auto m = p.required<std::size_t>("student"), n = p.required<std::size_t>("teacher");
    if (m >= rows_.size() || n >= rows_.front().size()) p.refuse("pairs layers that the grid does not have");
    return {m, n};
  }
  void draw_cell(drawing& drawn, std::size_t m, std::size_t n, double size) const {
    const double value = rows_[m][n], x = left + size * static_cast<double>(n), y = top + size * static_cast<double>(m);
    drawn.box(x, y, size, size, "heat",
              "student layer " + std::to_string(m) + ", teacher layer " + std::to_string(n) + ": " + brief(value),
              " fill-opacity=\"" + fixed(0.04 + 0.96 * std::clamp(value, 0.0, 1.0), 3) + "\"");
    if (size < 18) return;
    const std::string words = size >= 38 ? fixed(value, 2) : fixed(100 * value, 0);
    drawn.text(x + size / 2, y + size / 2 + 4, words, value > 0.85 ? "full" : "pale");
  }
  void draw_numbers(drawing& drawn, double size) const {
    const std::size_t every = size >= 18 ? 1 : 4;
    for (std::size_t n = 0; n < rows_.front().size(); n += every)
      drawn.text(left + size * (static_cast<double>(n) + 0.5), top - 6, std::to_string(n), "mid");
    for (std::size_t m = 0; m < rows_.size(); m += every)
      drawn.text(left - 6, top + size * (static_cast<double>(m) + 0.5) + 4, std::to_string(m), "end");
    drawn.text(left + size * static_cast<double>(rows_.front().size()) / 2, 14, "teacher layer", "mid");
    drawn.turned_text(14, top + size * static_cast<double>(rows_.size()) / 2, "student layer");
  }
  [[nodiscard]] std::string numbers() const {
    std::vector<std::string> heads{"student layer"};
    for (std::size_t n = 0; n < rows_.front().size(); ++n) heads.push_back("teacher " + std::to_string(n));
    std::vector<std::vector<cell>> all;
    for (std::size_t m = 0; m < rows_.size(); ++m) {
      all.push_back({whole(static_cast<double>(m))});
      for (const double value : rows_[m]) all.back().push_back(number(value));
    }
    return table("layers", heads, all);
  }

  double tokens_;
  std::vector<std::vector<double>> rows_;
  std::map<std::set<std::pair<std::size_t, std::size_t>>, std::string> terms_;  // that compare these layers
};

[[nodiscard]] inline std::string layers_section(const run_story& run) {
  if (!run.final || !run.final->has("layers")) return "";
  const layer_grid grid(run.final->at("layers"));
  return section(
      "Layers",
      "Linear centred kernel alignment of the states after each layer, over " + grouped(grid.tokens()) +
          " tokens of dev: 1 where one is the other turned and scaled. Frames: the layers that terms compare. "
          "Layers count from 0.",
      grid.str());
}

}  // namespace limbeck::report
