// Tests of limbeck/training/adamw.hpp.
#include "limbeck/training/adamw.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "simd_levels.hpp"
#include "training/sparse_gradient.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::same_bits, limbeck_test::sparse_gradient;

/// Weights and others of sizes that fill no vector, one of them beyond what one thread takes.
parameter_table some_parameters() {
  parameter_table table;
  (void)table.declare("first.weight", 37, 5);
  (void)table.declare("first.bias", 7, 0, initial::zero);
  (void)table.declare("norm.weight", 3, 0, initial::one);
  (void)table.declare("one.weight", 1, 1);
  (void)table.declare("large.weight", 201, 173);
  return table;
}

/// Algorithm 2 of Loshchilov and Hutter 2019, an element at a time, in double.
struct plain_adamw {
  adamw_options o;
  std::vector<double> m, v;
  int t = 0;

  explicit plain_adamw(index count, adamw_options options = {})
      : o(options), m(static_cast<std::size_t>(count)), v(static_cast<std::size_t>(count)) {}
  template <class T>
  void update(const parameter_table& table, double rate, const std::vector<double>& g, std::vector<T>& weights) {
    ++t;
    for (const parameter& p : table.entries())
      for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.count()); ++i) {
        m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i];
        v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
        const double first = m[i] / (1 - std::pow(o.beta1, t)), second = v[i] / (1 - std::pow(o.beta2, t));
        const double decay = p.columns > 0 ? o.weight_decay : 0;
        weights[i] -= static_cast<T>(rate * (first / (std::sqrt(second) + o.epsilon) + decay * weights[i]));
      }
  }
};

template <class T>
double gap_to_plain(int threads, double scale, adamw_options options, int steps) {
  const parameter_table table = some_parameters();
  matrix<T> weights(1, table.size(), 1);
  std::vector<double> want(weights.data(), weights.data() + weights.count());
  adamw<T> optimiser(table, options);
  plain_adamw plain(table.size(), options);
  for (int s = 0; s < steps; ++s) {
    const matrix<T> gradient(1, table.size(), static_cast<std::uint64_t>(s) + 2);
    const double rate = 0.01 / (1 + s);
    optimiser.update(cpu_executor<>{threads}, rate, scale, gradient.seen_flat(), weights.flat());
    std::vector<double> g;
    for (index i = 0; i < gradient.count(); ++i) g.push_back(scale * static_cast<double>(gradient.data()[i]));
    plain.update(table, rate, g, want);
  }
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    worst = std::max(worst, std::fabs(want[i] - static_cast<double>(weights.data()[i])));
  return worst;
}

TEMPLATE_TEST_CASE("adamw agrees with the paper's algorithm, an element at a time", "", float, double) {
  const double tolerance = std::is_same_v<TestType, double> ? 1e-14 : 2e-6;
  CHECK(gap_to_plain<TestType>(1, 1, {}, 7) <= tolerance);
  CHECK(gap_to_plain<TestType>(2, 0.25, {.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.3}, 7) <=
        tolerance);
}

TEST_CASE("the first update moves each parameter by the rate against the sign of its gradient") {
  parameter_table table;
  (void)table.declare("weight", 1, 3);
  matrix<> weights(1, 3), gradient(1, 3);
  gradient(0, 0) = 2;
  gradient(0, 1) = -1e-3;
  adamw<double> optimiser(table);
  optimiser.update(cpu_executor<>{}, 0.1, 1, gradient.seen_flat(), weights.flat());
  CHECK(weights(0, 0) == Approx(-0.1));
  CHECK(weights(0, 1) == Approx(0.1).epsilon(1e-4));
  CHECK(weights(0, 2) == 0);
  CHECK(optimiser.updates() == 1);
}

TEST_CASE("weights decay by rate times decay, biases and norms do not") {
  const parameter_table table = some_parameters();
  matrix<> weights(1, table.size()), gradient(1, table.size());
  weights.fill(1);
  adamw<double> optimiser(table, {.weight_decay = 0.5});
  optimiser.update(cpu_executor<>{}, 0.1, 1, gradient.seen_flat(), weights.flat());
  for (const parameter& p : table.entries())
    for (index i = 0; i < p.count(); ++i)
      REQUIRE(weights.data()[p.offset + i] == (p.name.ends_with("bias") || p.name.starts_with("norm") ? 1 : 0.95));
}

TEST_CASE("updates have the same bits for every number of threads, moments included") {
  const parameter_table table = some_parameters();
  const auto run = [&](int threads) {
    matrix<float> out(3, table.size());
    adamw<float> optimiser(table);
    for (std::uint64_t s = 0; s < 3; ++s)
      optimiser.update(cpu_executor<>{threads}, 0.01, 0.5, matrix<float>(1, table.size(), s + 1).seen_flat(),
                       view<float, 1>(out.data(), table.size()));
    std::copy_n(optimiser.first_moment().data(), table.size(), &out(1, 0));
    std::copy_n(optimiser.second_moment().data(), table.size(), &out(2, 0));
    return out;
  };
  const matrix<float> one = run(1);
  for (const int threads : {2, 3, 16}) CHECK(same_bits(one.seen(), run(threads).seen()));
}

TEST_CASE("an optimiser that is given moments and a count goes on as the one they came from") {
  const parameter_table table = some_parameters();
  const cpu_executor<> on;
  matrix<float> weights(1, table.size(), 1), again = weights;
  const auto gradient = [&](int s) { return matrix<float>(1, table.size(), static_cast<std::uint64_t>(s) + 9); };
  adamw<float> whole(table), first(table), second(table);
  for (int s = 0; s < 6; ++s) whole.update(on, 0.01, 1, gradient(s).seen_flat(), weights.flat());
  for (int s = 0; s < 3; ++s) first.update(on, 0.01, 1, gradient(s).seen_flat(), again.flat());
  std::copy_n(first.first_moment().data(), table.size(), second.first_moment().data());
  std::copy_n(first.second_moment().data(), table.size(), second.second_moment().data());
  second.resume_at(first.updates());
  for (int s = 3; s < 6; ++s) second.update(on, 0.01, 1, gradient(s).seen_flat(), again.flat());
  CHECK(same_bits(weights.seen(), again.seen()));
  CHECK(second.updates() == 6);
}

/// Weights and moments after a few updates, one behind the other; each update told what was touched, or not.
template <class T>
matrix<T> trained(bool told, int threads, const parameter_table& table, const slot& words,
                  const adamw_options& options = {}, double rate = 0.01) {
  matrix<T> out(3, table.size());
  const view<T, 1> weights(out.data(), table.size());
  std::copy_n(matrix<T>(1, table.size(), 3).data(), table.size(), out.data());
  weights(words.offset + 1) = T(-0.0);
  adamw<T> optimiser(table, options);
  for (std::uint64_t s = 0; s < 4; ++s) {
    sparse_gradient<T> gradient(words, table.size(), s + 1);
    optimiser.update(cpu_executor<>{threads}, rate / static_cast<double>(s + 1), 0.5, gradient.numbers.seen_flat(),
                     weights, told ? gradient.touched : touched_rows{});
  }
  std::copy_n(optimiser.first_moment().data(), table.size(), &out(1, 0));
  std::copy_n(optimiser.second_moment().data(), table.size(), &out(2, 0));
  return out;
}

/// Words of `width` numbers behind `before` others, and parameters behind them that fill no vector.
slot words_among_others(parameter_table& table, index before, index rows, index width) {
  if (before > 0) (void)table.declare("before.weight", before, 1);
  const slot words = table.declare("words.weight", rows, width);
  (void)table.declare("behind.weight", 3, 7);
  (void)table.declare("behind.bias", 5, 0, initial::zero);
  return words;
}

TEMPLATE_TEST_CASE("rows that were not touched have the bits of an update that reads their gradient of 0", "", float,
                   double) {
  struct shape {
    index before, rows, width;
  };
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const shape& s : {shape{0, 1200, 48}, shape{0, 700, 37}, shape{13, 500, 312}, shape{5, 4000, 3}}) {
      parameter_table table;
      const slot words = words_among_others(table, s.before, s.rows, s.width);
      INFO(name_of(level) << ", rows of " << s.width);
      const matrix<TestType> whole = trained<TestType>(false, 1, table, words);
      for (const int threads : {1, 2, 3, 16})
        CHECK(same_bits(whole.seen(), trained<TestType>(true, threads, table, words).seen()));
    }
  }
}

TEST_CASE("what is left out has the same bits without decay, with a decay of 1 and where moments get lost") {
  parameter_table table;
  const slot words = words_among_others(table, 3, 300, 20);
  const auto check = [&](const adamw_options& options, double rate) {
    CHECK(same_bits(trained<float>(false, 1, table, words, options, rate).seen(),
                    trained<float>(true, 2, table, words, options, rate).seen()));
  };
  check({.weight_decay = 0}, 0.01);
  check({.weight_decay = 0.01}, 1e-9);  // 1 - rate * decay is 1
  check({.weight_decay = 1}, 1);        // and here 0, or less
  check({.weight_decay = 3}, 1);
  check({.weight_decay = 0.01}, 0);
  check({.weight_decay = 0.01}, -0.01);
  check({.beta1 = 0, .beta2 = 0}, 0.01);
  check({.beta1 = 1e-30, .beta2 = 1e-30}, 0.01);  // moments are 0 again behind the next update
}

TEST_CASE("an epsilon of 0 makes NaN of a weight without gradient and moments, told or not") {
  parameter_table table;
  const slot words = words_among_others(table, 0, 300, 20);
  const matrix<float> whole = trained<float>(false, 1, table, words, {.epsilon = 0}),
                      told = trained<float>(true, 1, table, words, {.epsilon = 0});
  index lost = 0;
  for (index i = 0; i < whole.count(); ++i) {
    REQUIRE(std::isnan(whole.data()[i]) == std::isnan(told.data()[i]));
    REQUIRE((std::isnan(whole.data()[i]) || whole.data()[i] == told.data()[i]));
    lost += std::isnan(whole.data()[i]) ? 1 : 0;
  }
  CHECK(lost >= 60 * 20);
}

TEST_CASE("an update does not read the gradient of rows that were not touched") {
  parameter_table table;
  const slot words = words_among_others(table, 0, 1000, 48);
  const cpu_executor<> on{2};
  matrix<float> weights(1, table.size(), 1), again = weights;
  adamw<float> one(table), other(table);
  for (std::uint64_t s = 0; s < 3; ++s) {
    sparse_gradient<float> gradient(words, table.size(), s + 1);
    one.update(on, 0.01, 1, gradient.numbers.seen_flat(), weights.flat(), gradient.touched);
    gradient.spoil();
    other.update(on, 0.01, 1, gradient.numbers.seen_flat(), again.flat(), gradient.touched);
  }
  CHECK(same_bits(weights.seen(), again.seen()));
  for (index i = 0; i < weights.count(); ++i) REQUIRE(std::isfinite(again.data()[i]));
}

/// Weights that are 0 at first, and updates of them that are told what was touched, or not.
struct words_and_optimiser {
  parameter_table table;
  slot words = words_among_others(table, 0, 200, 24);
  matrix<float> state{3, table.size()};  // weights, moments
  adamw<float> optimiser{table};

  void update(const slot& rows, std::uint64_t seed, bool tell) {
    const sparse_gradient<float> gradient(rows, table.size(), seed);
    optimiser.update(cpu_executor<>{}, 0.01, 1, gradient.numbers.seen_flat(),
                     view<float, 1>(state.data(), table.size()), tell ? gradient.touched : touched_rows{});
  }
  const matrix<float>& end() {
    std::copy_n(optimiser.first_moment().data(), table.size(), &state(1, 0));
    std::copy_n(optimiser.second_moment().data(), table.size(), &state(2, 0));
    return state;
  }
};

TEST_CASE("moments of updates that were told nothing, or another table, count") {
  const auto run = [](bool told) {
    words_and_optimiser r;
    r.update(r.words, 1, told);
    r.update(r.words, 2, false);
    r.update(r.words, 3, told);
    r.update({0, 100, 24}, 4, told);
    r.update(r.words, 5, told);
    return r.end();
  };
  CHECK(same_bits(run(false).seen(), run(true).seen()));
}

TEST_CASE("moments that a caller fills in count, be it with -0") {
  const auto run = [](bool told) {
    words_and_optimiser r;
    r.update(r.words, 1, told);
    r.optimiser.first_moment()(199 * 24) = 0.5F;
    r.optimiser.first_moment()(197 * 24) = -0.0F;
    r.update(r.words, 2, told);
    r.optimiser.second_moment()(198 * 24 + 23) = 0.5F;
    r.update(r.words, 3, told);
    return r.end();
  };
  CHECK(same_bits(run(false).seen(), run(true).seen()));
}

TEST_CASE("a table beyond the parameters is refused with both ends") {
  parameter_table table;
  (void)table.declare("words.weight", 10, 4);
  matrix<float> weights(1, table.size());
  adamw<float> optimiser(table);
  CHECK_THROWS_WITH(
      optimiser.update(cpu_executor<>{}, 0.1, 1, weights.seen_flat(), weights.flat(), touched_rows(slot{4, 10, 4})),
      "adamw: the table that was touched ends at 44, the parameters at 40");
}

}  // namespace
}  // namespace limbeck
