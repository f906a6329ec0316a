// Tests of limbeck/training/adamw.hpp.
#include "limbeck/training/adamw.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::same_bits;

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

TEST_CASE("norm_of is the L2 norm with the same bits for every number of threads") {
  for (const index count : {index{1}, index{3}, index{16}, index{100003}}) {
    const matrix<float> x(1, count, 4, 3);
    long double sum = 0;
    for (index i = 0; i < count; ++i)
      sum += static_cast<long double>(x.data()[i]) * static_cast<long double>(x.data()[i]);
    const double one = norm_of(cpu_executor<>{1}, x.seen_flat());
    CHECK(one == Approx(static_cast<double>(std::sqrt(sum))).epsilon(1e-14));
    for (const int threads : {2, 3, 16}) CHECK(norm_of(cpu_executor<>{threads}, x.seen_flat()) == one);
  }
  CHECK(norm_of(cpu_executor<>{}, view<const double, 1>(nullptr, 0)) == 0);
}

TEST_CASE("clip_scale shortens what is longer than the limit and leaves the rest") {
  CHECK(clip_scale(4, 1) == Approx(0.25).epsilon(1e-6));
  CHECK(4 * clip_scale(4, 1) <= 1);
  CHECK(clip_scale(0.5, 1) == 1);
  CHECK(clip_scale(0, 1) == 1);
  CHECK(clip_scale(1e9, 0) == 1);  // no limit
}

}  // namespace
}  // namespace limbeck
