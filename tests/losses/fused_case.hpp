// A loss behind a linear map that it is fused with, wherever it runs: to be compared between places.
#pragma once

#include <cstdint>
#include <vector>

#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

/// Hidden states of 11 rows of 4 samples, or of as many samples, some of weight 0; the last two rows of the weights are
/// padding.
template <class T>
struct fused_case {
  static constexpr index rows = 11, width = 5, teacher_width = 7;
  index classes;
  bool rows_are_samples;
  std::vector<T> hidden, weight, bias, teacher_hidden, teacher_weight;
  std::vector<std::int32_t> labels, row_sample;
  std::vector<T> row_weight, sample_weight;

  explicit fused_case(index classes, bool rows_are_samples = false)
      : classes(classes), rows_are_samples(rows_are_samples) {
    const auto drawn = [](index count, unsigned seed) {
      return random_numbers<T>(static_cast<std::size_t>(count), -1, 1, seed);
    };
    hidden = drawn(rows * width, 1);
    weight = drawn(padded() * width, 2);
    bias = drawn(padded(), 3);
    teacher_hidden = drawn(rows * teacher_width, 4);
    teacher_weight = drawn(padded() * teacher_width, 5);
    for (index i = 0; i < rows; ++i) {
      labels.push_back(static_cast<std::int32_t>((4 * i + 1) % classes));
      row_weight.push_back(i % 4 == 1 ? T(0) : T(1) + T(i) / T(8));
      if (!rows_are_samples) row_sample.push_back(static_cast<std::int32_t>(i / 3));
    }
    for (index s = 0; s < samples(); ++s) sample_weight.push_back(T(s % 3 + 1) / T(2));
  }
  [[nodiscard]] index padded() const { return classes + 2; }
  [[nodiscard]] index samples() const { return rows_are_samples ? rows : 4; }
};

template <class T>
struct fused_outcome {
  std::vector<T> value, hidden, weight, bias;
};

/// With room for `slice` rows at a time.
template <class T, class Place, class Loss>
fused_outcome<T> fused_in(Place& where, const fused_case<T>& c, const Loss& loss, index slice) {
  using B = typename Place::backend;
  using limbeck::view;
  const auto matrix = [&](const std::vector<T>& numbers, index rows, index columns) {
    return view<const T, 2, B>(where.bring(numbers), rows, columns);
  };
  const auto numbers = [&](const auto& v) {
    using number = typename std::remove_cvref_t<decltype(v)>::value_type;
    return v.empty() ? view<const number, 1, B>() : view<const number, 1, B>(where.bring(v), v.size());
  };
  const limbeck::linear_head<const T, B> student{matrix(c.hidden, c.rows, c.width),
                                                 matrix(c.weight, c.padded(), c.width), numbers(c.bias),
                                                 numbers(c.row_sample), c.classes},
      teacher{matrix(c.teacher_hidden, c.rows, c.teacher_width), matrix(c.teacher_weight, c.padded(), c.teacher_width)};
  const limbeck::targets<T, B> given{numbers(c.labels), {}, numbers(c.row_weight)};
  fused_outcome<T> got{std::vector<T>(static_cast<std::size_t>(c.samples())), std::vector<T>(c.hidden.size()),
                       std::vector<T>(c.weight.size()), std::vector<T>(c.bias.size())};
  const index room = slice * fused_linear_room(loss, student, teacher);
  std::vector<T> workspace(static_cast<std::size_t>(room));
  const limbeck::sink<T, B> out{.value = view<T, 1, B>(where.bring(got.value), got.value.size()),
                                .weight = numbers(c.sample_weight),
                                .scale = 0.5,
                                .per = {.samples = 4, .rows = 8}};
  const limbeck::linear_head<T, B> gradient{view<T, 2, B>(where.bring(got.hidden), c.rows, c.width),
                                            view<T, 2, B>(where.bring(got.weight), c.padded(), c.width),
                                            view<T, 1, B>(where.bring(got.bias), got.bias.size())};
  fused_linear(loss, where.executor, student, teacher, given, out, gradient,
               view<T, 1, B>(where.bring(workspace), workspace.size()));
  where.bring_back();
  return got;
}

/// A sum, whose second term adds to the gradient, and a divergence whose gradient may take the place of the logits.
inline auto fused_sum() {
  return 0.6 * limbeck::soft_target<limbeck::jensen_shannon>{.temperature = 2} + 0.4 * limbeck::cross_entropy{};
}
inline limbeck::soft_target_kl fused_divergence() { return {.temperature = 2}; }

}  // namespace limbeck_test
