// The contract of determinism, for every loss that works row by row: values and gradients of the logits have the same
// bits for any number of threads, any split of the batch and any place of a row in it, at every SIMD level.
#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/margin_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::logit_case;
using limbeck_test::random_numbers;

constexpr index rows_a_sample = 3;

/// A caller's own divergence, without a slope_sum: half the L1 distance.
struct half_distance {
  template <class T>
  LIMBECK_HD divergence_term<T> operator()(const compared<T>& c) const {
    const T sign = sign_of(c.log_ratio);
    return {sign * c.gap() / T(2), sign * c.student / T(2)};
  }
};

/// Rows of all kinds, three a sample: far from the teacher and near it, masked, without a label, ruled-out classes.
template <class A, class S = A, class U = S, class G = A>
logit_case<A, S, U, G> mixed_rows(index rows, index classes) {
  const auto size = static_cast<std::size_t>(rows * classes);
  logit_case<A, S, U, G> c{rows, classes, random_numbers<S>(size, -4, 4, 1), random_numbers<U>(size, -4, 4, 2)};
  c.scores = random_numbers<A>(static_cast<std::size_t>(rows), -1, 1, 3);
  for (index i = 0; i < rows; ++i) {
    const auto first = static_cast<std::size_t>(i * classes);
    if (i % 4 == 1)  // nearly the teacher's
      for (std::size_t at = first; at < first + static_cast<std::size_t>(classes); ++at)
        c.student[at] = static_cast<S>(static_cast<double>(c.teacher[at]) + 1e-2 * static_cast<double>(c.student[at]));
    if (i % 7 == 2 && classes > 2) {
      c.student[first + 1] = static_cast<S>(-std::numeric_limits<float>::infinity());
      c.teacher[first + 1] = static_cast<U>(-std::numeric_limits<float>::infinity());
    }
    c.labels.push_back(i % 5 == 3 ? -100 : static_cast<std::int32_t>(i % classes == 1 ? 0 : i % classes));
    c.row_weight.push_back(i % 6 == 4 ? A(0) : A(1) + A(i % 3));
    c.row_sample.push_back(static_cast<std::int32_t>(i / rows_a_sample));
    if (i % rows_a_sample == 0) c.sample_weight.push_back(i % 2 == 0 ? A(1) : A(0.3));
  }
  c.per = {.samples = 5, .rows = 11, .tokens = 11, .pairs = 3, .elements = 97};
  c.scale = 0.7;
  return c;
}

/// Samples first .. end - 1 of a batch, and nothing else of it.
template <class A, class S, class U, class G>
logit_case<A, S, U, G> samples_of(const logit_case<A, S, U, G>& c, index first, index end) {
  const index begin = first * rows_a_sample, stop = std::min(end * rows_a_sample, c.rows);
  const auto part = [](const auto& all, index from, index to) {
    return std::remove_cvref_t<decltype(all)>(all.begin() + from, all.begin() + to);
  };
  logit_case<A, S, U, G> out = c;
  out.rows = stop - begin;
  out.student = part(c.student, begin * c.columns, stop * c.columns);
  out.teacher = part(c.teacher, begin * c.columns, stop * c.columns);
  out.labels = part(c.labels, begin, stop);
  out.scores = part(c.scores, begin, stop);
  out.row_weight = part(c.row_weight, begin, stop);
  out.row_sample = part(c.row_sample, begin, stop);
  for (auto& sample : out.row_sample) sample -= static_cast<std::int32_t>(first);
  out.sample_weight = part(c.sample_weight, first, end);
  return out;
}

template <class T>
void append(std::vector<T>& all, const std::vector<T>& more) {
  all.insert(all.end(), more.begin(), more.end());
}
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// The loss in chunks of `samples` samples.
template <class C, class Loss>
typename C::outcome in_chunks(const C& c, const Loss& loss, index samples, int threads) {
  typename C::outcome all;
  for (index first = 0; first < c.samples(); first += samples) {
    const auto got = samples_of(c, first, std::min(first + samples, c.samples()))(loss, threads);
    append(all.value, got.value);
    append(all.gradient, got.gradient);
  }
  return all;
}

template <class C, class Loss>
void check_bits(const char* name, const C& c, const Loss& loss) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    const auto whole = c(loss);
    REQUIRE(whole.total() > 0);
    for (const int threads : {1, 2, 3, 16})
      for (const index chunk : {index{1}, index{2}, index{7}, index{64}, c.samples()}) {
        INFO(name << ", " << c.columns << " classes, " << name_of(level) << ", " << threads << " threads, chunks of "
                  << chunk << " samples");
        const auto got = in_chunks(c, loss, chunk, threads);
        CHECK(same_bits(got.value, whole.value));
        CHECK(same_bits(got.gradient, whole.gradient));
      }
  }
}

template <class C>
void check_every_loss(const C& c) {
  check_bits("forward KL", c, soft_target_kl{.temperature = 2});
  check_bits("reverse KL", c, soft_target_reverse_kl{.temperature = 2});
  check_bits("soft labels", c, soft_target<soft_label_cross_entropy>{.temperature = 3});
  check_bits("Jensen-Shannon", c, soft_target<jensen_shannon>{.temperature = 2, .divergence = {.beta = 0.3}});
  check_bits("own divergence", c, soft_target<half_distance>{});
  check_bits("cross entropy", c, cross_entropy{});
  check_bits("smoothed labels", c, cross_entropy{.label_smoothing = 0.1});
  check_bits("decoupled", c, decoupled_kd{});
  check_bits("normalised", c, normalised_kd{.temperature = 2});
  check_bits("logits", c, logits_mse{.temperature = 2});
  check_bits("margins", c, margin_mse{});
}

TEST_CASE("every row-wise loss has the same bits for any threads, split and chunk, of few classes and many") {
  for (const index classes : {2, 3, 5, 16, 63, 64, 65, 130, 1000}) check_every_loss(mixed_rows<float>(101, classes));
  for (const index classes : {2, 3, 65, 300}) check_every_loss(mixed_rows<double>(101, classes));
}

TEST_CASE("row-wise losses have the same bits for any threads, split and chunk where storage is narrow") {
  for (const index classes : {3, 70, 300}) {
    const auto c = mixed_rows<float, bfloat16, float16, bfloat16>(50, classes);
    check_bits("forward KL", c, soft_target_kl{.temperature = 2});
    check_bits("smoothed labels", c, cross_entropy{.label_smoothing = 0.1});
    check_bits("logits", c, logits_mse{});
  }
}

TEST_CASE("row-wise losses have the same bits for any threads in a large batch") {
  for (const index classes : {2, 3, 40}) {
    const auto c = mixed_rows<float>(30000, classes);
    const auto check = [&](const auto& loss) {
      const auto whole = c(loss), chunks = in_chunks(c, loss, 4321, 2);
      CHECK(same_bits(chunks.value, whole.value));
      CHECK(same_bits(chunks.gradient, whole.gradient));
      for (const int threads : {2, 5}) {
        const auto got = c(loss, threads);
        CHECK(same_bits(got.value, whole.value));
        CHECK(same_bits(got.gradient, whole.gradient));
      }
    };
    check(soft_target_kl{.temperature = 2});
    check(soft_target_reverse_kl{});
    check(cross_entropy{.label_smoothing = 0.1});
    check(logits_mse{});
  }
}

TEST_CASE("regression_mse, objectives and losses without a type have the same bits for any threads, split and chunk") {
  auto c = mixed_rows<float>(101, 1);
  check_bits("regression", c, regression_mse{});
  const auto goal = 0.9 * soft_target_kl{.temperature = 2} + 0.1 * cross_entropy{};
  for (const index classes : {3, 130}) {
    check_bits("objective", mixed_rows<float>(101, classes), goal);
    check_bits("any_loss", mixed_rows<float>(101, classes), any_loss<cpu_executor<>, float>(goal));
  }
}

}  // namespace
}  // namespace limbeck
