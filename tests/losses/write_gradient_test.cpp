// Gradients that are written instead of added to: equal to what is added to zeros, whatever lay there before.
#include "limbeck/losses/write_gradient.hpp"

#include <cmath>
#include <limits>
#include <type_traits>

#include "catch.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/margin_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"
#include "simd_levels.hpp"

namespace {

using limbeck_test::logit_case;

/// The loss, writing to a gradient of NaN.
template <class Loss>
struct written {
  Loss loss;
  limbeck::signal_set reads = loss.reads;

  template <limbeck::launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const limbeck::signals<const S>& student, const limbeck::signals<const U>& teacher,
                  const limbeck::targets<A>& given, const limbeck::sink<A, limbeck::cpu, G>& out) const {
    for (limbeck::index i = 0; i < out.gradient.logits.extent(0); ++i)
      for (limbeck::index c = 0; c < out.gradient.logits.extent(1); ++c)
        out.gradient.logits(i, c) = G(std::numeric_limits<float>::quiet_NaN());
    limbeck::write_gradient(loss, on, student, teacher, given, out);
  }
};

/// The loss, whose gradient takes the place of the logits.
template <class Loss>
struct in_the_place_of_logits {
  Loss loss;
  limbeck::signal_set reads = loss.reads;

  template <limbeck::launchable E, class S, class A>
  void operator()(const E& on, const limbeck::signals<const S>& student, const limbeck::signals<const S>& teacher,
                  const limbeck::targets<A>& given, const limbeck::sink<A, limbeck::cpu, S>& out) const {
    static_assert(limbeck::writes_in_place<Loss>);
    for (limbeck::index i = 0; i < out.gradient.logits.extent(0); ++i)
      for (limbeck::index c = 0; c < out.gradient.logits.extent(1); ++c)
        out.gradient.logits(i, c) = student.logits(i, c);
    limbeck::signals<const S> moved = student;
    moved.logits = limbeck::read_only(out.gradient.logits);
    limbeck::write_gradient(loss, on, moved, teacher, given, out);
  }
};

// A loss of a stranger that can only add.
struct sum_of_logits {
  static constexpr limbeck::signal_set reads = limbeck::signal::logits;

  template <limbeck::launchable E, class S, class U, class A, class G>
  void operator()(const E&, const limbeck::signals<const S>& student, const limbeck::signals<const U>&,
                  const limbeck::targets<A>&, const limbeck::sink<A, limbeck::cpu, G>& out) const {
    for (limbeck::index i = 0; i < student.logits.extent(0); ++i) out.gradient.logits(i, 0) += G(1.0F);
  }
};

template <class S, class G>
logit_case<float, S, S, G> case_of(limbeck::index classes, limbeck::index padding, bool masked) {
  const limbeck::index rows = 37, columns = classes + padding;
  const auto size = static_cast<std::size_t>(rows * columns);
  logit_case<float, S, S, G> c{rows, columns, limbeck_test::random_numbers<S>(size, -3, 3, 1),
                               limbeck_test::random_numbers<S>(size, -3, 3, 2)};
  c.valid_classes = classes;
  for (limbeck::index i = 0; i < rows; ++i) {
    c.labels.push_back(masked && i % 4 == 1 ? -100 : static_cast<std::int32_t>(i % classes));
    if (masked) c.row_weight.push_back(i % 3 == 0 ? 0.0F : 1.5F);
  }
  return c;
}

template <class C, class Loss>
void check(const C& c, const Loss& loss) {
  const auto want = c(loss), got = c(written<Loss>{loss});
  CHECK(got.value == want.value);
  limbeck::index wrong = 0;
  for (std::size_t i = 0; i < want.gradient.size(); ++i)
    wrong += !(static_cast<float>(got.gradient[i]) == static_cast<float>(want.gradient[i]));
  CHECK(wrong == 0);
}

template <class S, class G>
void check_all(const auto&... losses) {
  for (const limbeck::simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {1, 2, 3, 7, 16, 40, 150, 1100})
      for (const limbeck::index padding : {0, 3})
        for (const bool masked : {false, true}) {
          INFO(limbeck::name_of(level) << ", " << classes << " classes, padding " << padding << ", masked " << masked);
          const auto c = case_of<S, G>(classes, padding, masked);
          (check(c, losses), ...);
        }
  }
}

}  // namespace

TEST_CASE("losses on logits write the gradient that they would have added to zeros") {
  check_all<float, float>(limbeck::soft_target_kl{.temperature = 2}, limbeck::soft_target_reverse_kl{},
                          limbeck::cross_entropy{.label_smoothing = 0.1}, limbeck::logits_mse{}, limbeck::margin_mse{},
                          limbeck::dist_kd{.temperature = 2});
  check_all<float, limbeck::bfloat16>(limbeck::logits_mse{});
}

TEST_CASE("the first term of an objective writes the gradient and the others add") {
  const auto c = case_of<float, float>(20, 2, true);
  check(c, 0.7 * limbeck::soft_target_kl{.temperature = 2} + 0.3 * limbeck::cross_entropy{} + limbeck::logits_mse{});
  check(c, 0.0 * limbeck::soft_target_kl{} + 0.3 * limbeck::cross_entropy{});
  check(c, limbeck::term(sum_of_logits{}) + 0.3 * limbeck::cross_entropy{});
  check(c, 0.5 * limbeck::term(sum_of_logits{}));
}

TEST_CASE("the gradient of a loss that writes in place may lie where the logits of many classes lay") {
  using limbeck::classes_in_place;
  static_assert(classes_in_place >= limbeck::detail::few_classes<limbeck::simd_of_bytes<float, 64>>);
  const auto check_each = [](const auto& c, const auto&... losses) {
    const auto check_one = [&](const auto& loss) {
      const auto want = c(loss), got = c(in_the_place_of_logits<std::decay_t<decltype(loss)>>{loss});
      CHECK(got.value == want.value);
      limbeck::index wrong = 0;
      for (limbeck::index i = 0; i < c.rows; ++i)
        for (limbeck::index k = 0; k < c.valid_classes; ++k) {
          const auto at = static_cast<std::size_t>(i * c.columns + k);
          wrong += !(got.gradient[at] == want.gradient[at]);
        }
      CHECK(wrong == 0);
    };
    (check_one(losses), ...);
  };
  for (const limbeck::simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {classes_in_place, classes_in_place + 5, limbeck::index{30522}})
      for (const bool masked : {false, true}) {
        INFO(limbeck::name_of(level) << ", " << classes << " classes, masked " << masked);
        auto c = case_of<float, float>(classes, 3, masked);
        if (classes > classes_in_place)  // classes that are ruled out
          for (auto* logits : {&c.student, &c.teacher})
            for (const std::size_t k : {std::size_t{3}, static_cast<std::size_t>(classes - 1)})
              (*logits)[k] = -std::numeric_limits<float>::infinity();
        check_each(c, limbeck::soft_target_kl{.temperature = 2}, limbeck::soft_target<limbeck::jensen_shannon>{},
                   limbeck::soft_target<limbeck::total_variation>{}, limbeck::cross_entropy{.label_smoothing = 0.1},
                   limbeck::cross_entropy{}, limbeck::logits_mse{}, 0.5 * limbeck::soft_target_reverse_kl{});
      }
  }
  const auto long_rows = case_of<float, float>(100'003, 1, false);  // whose second sweep goes backwards
  check_each(long_rows, limbeck::soft_target_kl{.temperature = 2}, limbeck::soft_target<limbeck::total_variation>{});
  static_assert(!limbeck::writes_in_place<decltype(limbeck::soft_target_kl{} + limbeck::cross_entropy{})>);
}

TEST_CASE("a strided gradient is written in its own places alone") {
  const limbeck::index rows = 18;
  for (const limbeck::index classes : {3, 200}) {
    const auto size = static_cast<std::size_t>(rows * classes);
    const auto s = limbeck_test::random_numbers<float>(size, -3, 3, 1),
               t = limbeck_test::random_numbers<float>(size, -3, 3, 2);
    const limbeck::dimensions<2> extents{{rows, classes}}, strides{{2, 2 * rows}};
    const auto apart = [&](const std::vector<float>& from) {  // every other number, a column after the other
      std::vector<float> to(2 * size, 5.0F);
      for (std::size_t i = 0; i < size; ++i)
        to[2 * (i % std::size_t(classes) * std::size_t(rows) + i / std::size_t(classes))] = from[i];
      return to;
    };
    const std::vector<float> strided_s = apart(s), strided_t = apart(t);
    const auto check_strided = [&](const auto& loss) {
      const auto sums = logit_case<float>{rows, classes, s, t}(loss);
      std::vector<float> gradient(2 * size, 5.0F);
      limbeck::sink<float, limbeck::cpu> out;
      out.gradient.logits = limbeck::view<float, 2>(gradient.data(), extents, strides);
      const limbeck::signals<const float> student{limbeck::view<const float, 2>(strided_s.data(), extents, strides)},
          teacher{limbeck::view<const float, 2>(strided_t.data(), extents, strides)};
      limbeck::write_gradient(loss, limbeck::cpu_executor<>{2}, student, teacher, limbeck::targets<float>{}, out);
      limbeck::index wrong = 0;
      for (limbeck::index i = 0; i < rows; ++i)
        for (limbeck::index k = 0; k < classes; ++k) {
          wrong += !(out.gradient.logits(i, k) == sums.gradient[static_cast<std::size_t>(i * classes + k)]);
          wrong += gradient[static_cast<std::size_t>(2 * (k * rows + i) + 1)] != 5;
        }
      CHECK(wrong == 0);
    };
    check_strided(limbeck::soft_target_kl{});
    check_strided(limbeck::margin_mse{});
    check_strided(limbeck::dist_kd{});
  }
}
