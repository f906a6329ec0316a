// How alike the hidden states of a student's and a teacher's layers are, whatever their widths.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/mappings/layer_table.hpp"

namespace limbeck {
namespace detail {

/// The inner products of the states of some tokens, less their mean over tokens, divided by their norm: a vector of
/// tokens * tokens numbers and of length 1; zeros where all states are equal.
template <class T>
[[nodiscard]] std::vector<double> unit_gram(view<const T, 2> states, const std::vector<index>& tokens) {
  const std::size_t count = tokens.size();
  const auto width = static_cast<std::size_t>(states.extent(1));
  std::vector<double> centred(count * width), gram(count * count);
  for (std::size_t c = 0; c < width; ++c) {
    double mean = 0;
    for (const index t : tokens) mean += static_cast<double>(states(t, static_cast<index>(c)));
    mean /= static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i)
      centred[i * width + c] = static_cast<double>(states(tokens[i], static_cast<index>(c))) - mean;
  }
  double squares = 0;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k <= i; ++k) {
      double product = 0;
      for (std::size_t c = 0; c < width; ++c) product += centred[i * width + c] * centred[k * width + c];
      gram[i * count + k] = gram[k * count + i] = product;
      squares += (i == k ? 1 : 2) * product * product;
    }
  for (double& x : gram) x = squares > 0 ? x / std::sqrt(squares) : 0;
  return gram;
}

/// The rows of the first `most` valid tokens of the samples, in both models.
struct token_sample {
  std::vector<index> student, teacher;
};
[[nodiscard]] inline token_sample first_tokens(view<const sample_rows, 1> student, view<const sample_rows, 1> teacher,
                                               index most) {
  token_sample found;
  for (index i = 0; i < student.extent(0); ++i)
    for (index r = 0; r < student(i).keys && static_cast<index>(found.student.size()) < most; ++r) {
      found.student.push_back(student(i).begin + r);
      found.teacher.push_back(teacher(i).begin + r);
    }
  return found;
}

}  // namespace detail

/// Linear centred kernel alignment of each pair of layers (Kornblith et al. 2019, arXiv:1905.00414, equation 3), 0 to
/// 1, over the first `most_tokens` valid tokens: |Y'X|^2 / (|X'X| |Y'Y|) for centred states X, Y [tokens, width]. For
/// monotone_mapping(), once before training: tokens^2 * (widths + pairs of layers) operations, in double; allocates.
/// Throws contract_error where the samples differ, fewer than two tokens are valid, or a layer was not kept.
template <class S, class U>
[[nodiscard]] layer_table layer_alikeness(const signals<const S>& student, const signals<const U>& teacher,
                                          index most_tokens = 256) {
  const index samples = student.rows.extent(0);
  expects(samples == teacher.rows.extent(0), [&] {
    return message("layer_alikeness: ", samples, " samples of the student, ", teacher.rows.extent(0),
                   " of the teacher");
  });
  for (index i = 0; i < samples; ++i)
    expects(student.rows(i).keys == teacher.rows(i).keys, [&] {
      return message("layer_alikeness: sample ", i, " has ", student.rows(i).keys, " keys in the student, ",
                     teacher.rows(i).keys, " in the teacher");
    });
  const auto tokens = detail::first_tokens(student.rows, teacher.rows, most_tokens);
  expects(tokens.student.size() > 1,
          [&] { return message("layer_alikeness: needs two tokens or more, there are ", tokens.student.size()); });
  const auto grams_of = [](const auto& states, const std::vector<index>& rows, const char* who) {
    std::vector<std::vector<double>> grams;
    for (std::size_t layer = 0; layer < states.size(); ++layer) {
      expects(!states[layer].empty(),
              [&] { return message("layer_alikeness: the ", who, "'s pass kept no states of layer ", layer); });
      grams.push_back(detail::unit_gram(states[layer], rows));
    }
    return grams;
  };
  layer_table alike(depths{student.hidden.size(), teacher.hidden.size()});
  const auto mine = grams_of(student.hidden, tokens.student, "student"),
             theirs = grams_of(teacher.hidden, tokens.teacher, "teacher");
  for (std::size_t m = 0; m < mine.size(); ++m)
    for (std::size_t n = 0; n < theirs.size(); ++n)
      for (std::size_t i = 0; i < mine[m].size(); ++i) alike(m, n) += mine[m][i] * theirs[n][i];
  return alike;
}

}  // namespace limbeck
