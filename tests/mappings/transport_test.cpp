// optimal_transport: its plan moves the weights, prices prove it the cheapest, and so does every other plan. Cost
// attention: by hand and in its limits.
#include "limbeck/mappings/transport.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/philox.hpp"

namespace limbeck {
namespace {

double random_number(std::uint64_t seed, std::size_t at) {
  return unit_interval(random_stream{seed, 0, 2}.at(static_cast<std::uint32_t>(at)).word[0]);
}
layer_table random_costs(depths d, std::uint64_t seed) {
  layer_table t(d);
  for (std::size_t i = 0; i < d.student * d.teacher; ++i) t(i / d.teacher, i % d.teacher) = random_number(seed, i);
  return t;
}

// What moves from and to each layer, and the prices: together they prove a plan the cheapest.
void check_plan(const layer_table& cost, const layer_weights& weights, const transport_plan& plan) {
  const depths d = cost.size();
  const auto share = [](const std::vector<double>& w, std::size_t i) {
    double sum = 0;
    for (const double x : w) sum += x;
    return w[i] / sum;
  };
  std::vector<double> from(d.student), to(d.teacher);
  double total = 0, size = 1;
  for (const double c : cost.entries()) size = std::max(size, std::abs(c));
  for (const layer_pair& p : plan.pairs) {
    CHECK(p.weight > 0);
    from[p.student] += p.weight;
    to[p.teacher] += p.weight;
    total += p.weight * cost(p.student, p.teacher);
    CHECK(std::abs(cost(p.student, p.teacher) - plan.student_price[p.student] - plan.teacher_price[p.teacher]) <
          1e-13 * size);
  }
  CHECK(plan.cost == Approx(total).epsilon(1e-14).margin(1e-300));
  double dual = 0, least = 0;
  for (std::size_t i = 0; i < d.student; ++i) {
    CHECK(std::abs(from[i] - share(weights.student, i)) < 4e-15);
    dual += share(weights.student, i) * plan.student_price[i];
    for (std::size_t j = 0; j < d.teacher; ++j)
      least = std::min(least, cost(i, j) - plan.student_price[i] - plan.teacher_price[j]);
  }
  for (std::size_t j = 0; j < d.teacher; ++j) {
    CHECK(std::abs(to[j] - share(weights.teacher, j)) < 4e-15);
    dual += share(weights.teacher, j) * plan.teacher_price[j];
  }
  CHECK(least > -1e-11 * size);  // rounding of prices along 127 pairs
  CHECK(std::abs(dual - total) < 1e-11 * size);
  CHECK(plan.pairs.size() < d.student + d.teacher);
}

// The cheapest way to move whole units, by trying all of them.
struct every_plan {
  const layer_table& cost;
  std::vector<int> from, to;
  double best = std::numeric_limits<double>::infinity();

  void fill(std::size_t cell, double so_far) {
    const depths d = cost.size();
    const std::size_t i = cell / d.teacher, j = cell % d.teacher;
    if (i == d.student) {
      if (std::all_of(to.begin(), to.end(), [](int x) { return x == 0; })) best = std::min(best, so_far);
      return;
    }
    const bool last = j + 1 == d.teacher;
    for (int units = last ? from[i] : 0; units <= std::min(from[i], to[j]); ++units) {
      from[i] -= units;
      to[j] -= units;
      fill(cell + 1, so_far + units * cost(i, j));
      from[i] += units;
      to[j] += units;
    }
  }
};

TEST_CASE("optimal_transport finds the cheapest of all plans of a few units") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    const depths d{1 + seed % 3, 1 + seed / 3 % 3};
    const layer_table cost = random_costs(d, seed);
    every_plan all{cost, std::vector<int>(d.student), std::vector<int>(d.teacher)};
    for (std::size_t unit = 0; unit < 6; ++unit) {  // layers without a unit are among them
      ++all.from[static_cast<std::size_t>(random_number(seed, 100 + unit) * static_cast<double>(d.student))];
      ++all.to[static_cast<std::size_t>(random_number(seed, 200 + unit) * static_cast<double>(d.teacher))];
    }
    const layer_weights weights{{all.from.begin(), all.from.end()}, {all.to.begin(), all.to.end()}};
    const transport_plan plan = optimal_transport(cost, weights);
    check_plan(cost, weights, plan);
    all.fill(0, 0);
    CHECK(plan.cost == Approx(all.best / 6).epsilon(1e-14));
  }
}

TEST_CASE("optimal_transport of up to 64 layers is proved by its prices") {
  for (const depths d : {depths{1, 1}, {1, 64}, {64, 1}, {4, 12}, {6, 24}, {12, 4}, {7, 11}, {64, 64}})
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      INFO("seed " << seed << ", " << d.student << " from " << d.teacher);
      const layer_table cost = random_costs(d, seed);
      layer_weights weights = layer_weights::equal(d);  // degenerate: parts of both sides are equal
      check_plan(cost, weights, optimal_transport(cost, weights));
      for (std::size_t i = 0; i < d.student; ++i) weights.student[i] = random_number(seed, 5000 + i);
      for (std::size_t j = 0; j < d.teacher; ++j) weights.teacher[j] = random_number(seed, 6000 + j) * 1e-3;
      check_plan(cost, weights, optimal_transport(cost, weights));
      for (std::size_t j = 1; j < d.teacher; j += 2) weights.teacher[j] = 0;
      for (std::size_t i = 0; i + 1 < d.student; i += 3) weights.student[i] = 0;
      check_plan(cost, weights, optimal_transport(cost, weights));
    }
}

TEST_CASE("optimal_transport takes equal, zero and negative costs, and costs of few values") {
  for (const depths d : {depths{3, 5}, {16, 16}, {6, 12}}) {
    const layer_weights weights = layer_weights::equal(d);
    layer_table cost(d);
    check_plan(cost, weights, optimal_transport(cost, weights));
    CHECK(optimal_transport(cost, weights).cost == 0);
    for (std::size_t i = 0; i < d.student; ++i)
      for (std::size_t j = 0; j < d.teacher; ++j) cost(i, j) = static_cast<double>((i * 7 + j * 3) % 3) - 1;
    check_plan(cost, weights, optimal_transport(cost, weights));
  }
  const layer_table same({3, 3}, {0, 1, 1, 1, 0, 1, 1, 1, 0});
  const auto plan = optimal_transport(same, layer_weights::equal({3, 3}));
  CHECK(plan.cost == 0);
  CHECK(pair_count(plan.mapping(), {3, 3}) == 3);
}

TEST_CASE("optimal_transport names what does not fit") {
  const layer_table cost({2, 2}, {1, 2, 3, 4});
  CHECK_THROWS_WITH(optimal_transport(cost, {{1, 1}, {1, 1, 1}}),
                    "optimal_transport: costs of 2 student layers and 2 teacher layers, 2 and 3 weights");
  CHECK_THROWS_WITH(optimal_transport(cost, {{1, -1}, {1, 1}}),
                    "optimal_transport: student layer 1 of 2 weighs -1.000000, expected 0 or more");
  CHECK_THROWS_WITH(optimal_transport(cost, {{1, 1}, {0, 0}}),
                    "optimal_transport: the weights of the teacher's layers sum to 0.000000");
  CHECK_THROWS_AS(optimal_transport(cost, {{1, 1}, {1, std::numeric_limits<double>::quiet_NaN()}}), contract_error);
  CHECK_THROWS_AS(optimal_transport(layer_table{}, {}), contract_error);
  layer_table broken = cost;
  broken(0, 1) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(optimal_transport(broken, layer_weights::equal({2, 2})),
                    "optimal_transport: student layer 0 and teacher layer 1 have inf, expected a finite number");
}

TEST_CASE("cost_attention gives cheap layers more weight, and leaves those that pay nothing out") {
  const layer_table cost({2, 2}, {1, 9, 9, 3});
  const layer_weights even = layer_weights::equal({2, 2});
  const auto next = cost_attention(optimal_transport(cost, even), cost, even);  // 1 and 3 for a unit of weight
  CHECK(next.student[0] == Approx(0.75).epsilon(1e-15));
  CHECK(next.student[1] == Approx(0.25).epsilon(1e-15));
  CHECK(next.teacher == next.student);

  const layer_table free_pair({2, 2}, {0, 9, 9, 3});
  const auto left = cost_attention(optimal_transport(free_pair, even), free_pair, even);
  CHECK(left.student == std::vector<double>{0, 1});
  const auto again = optimal_transport(free_pair, left);
  CHECK(again.pairs == std::vector<layer_pair>{{1, 1, 1}});
  CHECK(cost_attention(again, free_pair, left).student == left.student);

  const layer_table nothing({2, 2});
  const layer_weights uneven{{0.25, 0.75}, {0.5, 0.5}};
  CHECK(cost_attention(optimal_transport(nothing, uneven), nothing, uneven).student == uneven.student);
  const layer_table tiny({2, 2}, {5e-324, 1, 1, 5e-324});
  CHECK(cost_attention(optimal_transport(tiny, even), tiny, even).student == even.student);
}

TEST_CASE("mean_weights is halfway, and cost_attention and it name what does not fit") {
  const auto mean = mean_weights({{0, 1}, {1}}, {{1, 0}, {0.5}});
  CHECK(mean.student == std::vector<double>{0.5, 0.5});
  CHECK(mean.teacher == std::vector<double>{0.75});
  CHECK_THROWS_WITH(mean_weights({{0, 1}, {1}}, {{1}, {0.5}}), "mean_weights: weights of 2 layers and of 1");
  const layer_table cost({2, 2}, {1, 9, 9, -3});
  const layer_weights even = layer_weights::equal({2, 2});
  CHECK_THROWS_WITH(cost_attention(optimal_transport(cost, even), cost, even),
                    "cost_attention: student layer 1 and teacher layer 1 cost -3.000000, expected 0 or more");
  CHECK_THROWS_WITH(cost_attention(optimal_transport(cost, even), cost, {{1}, {1, 1}}),
                    "cost_attention: costs of 2 student layers and 2 teacher layers, 1 and 2 weights");
}

}  // namespace
}  // namespace limbeck
