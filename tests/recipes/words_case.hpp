// Three hundred words with vectors: what the tests of words that stand in place of others share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/small_vocabulary.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/data/word_piece.hpp"
#include "limbeck/models/transformer.hpp"

namespace limbeck_test {

using limbeck::index;

/// A vocabulary of w0 to w299, x2y, marks, continuations and special pieces, with a vector for each.
struct words_case {
  limbeck::word_piece pieces;
  index width = 7;
  std::vector<float> numbers;

  words_case()
      : pieces(small_vocabulary(text_of_pieces())), numbers(static_cast<std::size_t>(pieces.pieces().size() * width)) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = static_cast<float>(
          limbeck::unit_interval(limbeck::random_stream{3, 0, 0}.at(static_cast<std::uint32_t>(i)).word[0]) - 0.5);
  }
  static std::string text_of_pieces() {
    std::string text = ". , ##ing ##ed [unused1] ##3 x2y";
    for (int i = 0; i < 300; ++i) text += " w" + std::to_string(i);
    return text;
  }
  [[nodiscard]] limbeck::view<const float, 2> vectors() const {
    return limbeck::view<const float, 2>(numbers.data(), pieces.pieces().size(), width);
  }
  /// Of a small model that reads these words.
  [[nodiscard]] limbeck::transformer_sizes sizes() const {
    return {.vocabulary = pieces.pieces().size(),
            .positions = 14,
            .types = 2,
            .layers = 2,
            .width = 8,
            .heads = 2,
            .inner = 16};
  }
  [[nodiscard]] std::int32_t id(const std::string& piece) const { return pieces.pieces().find(piece).value(); }
  [[nodiscard]] double cosine(const std::vector<double>& a, std::int32_t b) const {
    double ab = 0, aa = 0, bb = 0;
    for (index c = 0; c < width; ++c) {
      const auto x = a[static_cast<std::size_t>(c)], y = static_cast<double>(vectors()(b, c));
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return ab / std::sqrt(aa * bb);
  }
  /// By looking at every piece, in double.
  [[nodiscard]] std::vector<std::int32_t> nearest_by_force(const std::vector<std::string>& spelled,
                                                           std::size_t most) const {
    std::vector<double> mean(static_cast<std::size_t>(width));
    for (const std::string& piece : spelled)
      for (index c = 0; c < width; ++c)
        mean[static_cast<std::size_t>(c)] += static_cast<double>(vectors()(id(piece), c));
    std::vector<std::pair<double, std::int32_t>> all;
    for (std::int32_t other = 0; other < pieces.pieces().size(); ++other) {
      const std::string text(pieces.pieces().piece(other));
      if (text.find_first_of("#[.,") == std::string::npos && !(spelled.size() == 1 && spelled[0] == text))
        all.emplace_back(-cosine(mean, other), other);
    }
    std::sort(all.begin(), all.end());
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < most; ++i) ids.push_back(all[i].second);
    return ids;
  }
};

}  // namespace limbeck_test
