// Costs of pairs of layers, and a step of BERT-EMD from them: transport, loss, cost attention.
#include "limbeck/losses/layer_costs.hpp"

#include <utility>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/mappings/transport.hpp"
#include "losses/representation_case.hpp"

namespace {

using limbeck::explicit_mapping;
using limbeck::hidden_mse;
using limbeck_test::representation_case;

// Shows a loss's own arguments to the function under test: `then(on, student, teacher, given, out)`.
template <class Then>
struct with_arguments {
  static constexpr limbeck::signal_set reads = limbeck::signal::hidden;
  Then then;
  explicit with_arguments(Then t) : then(std::move(t)) {}
  void operator()(const auto& on, const auto& student, const auto& teacher, const auto& given, const auto& out) const {
    then(on, student, teacher, given, out);
  }
};

}  // namespace

TEST_CASE("layer_costs are the values of each pair, and transport weighs the gradients by its flow") {
  representation_case<> c{limbeck::signal::hidden, {{0, 3, 3}, {0, 1, 1}}, {}, {}};
  for (unsigned i = 0; i < 2; ++i) c.student.emplace_back(2, 1, 3, 4, 1 + i);
  for (unsigned i = 0; i < 3; ++i) c.teacher.emplace_back(2, 1, 3, 4, 11 + i);
  c.weight = {2, 0.5};
  c.per.tokens = 4;
  const auto of_pair = [](const explicit_mapping& map) { return hidden_mse{map}; };
  limbeck::layer_table costs;
  const auto got = c(
      with_arguments{[&](const auto& on, const auto& student, const auto& teacher, const auto& given, const auto& out) {
        costs = limbeck::layer_costs(on, {2, 3}, of_pair, student, teacher, given, out);
      }});
  CHECK(got.value == std::vector<double>{0, 0});  // the caller's sink stays as it is
  CHECK(got.gradient[0].data == std::vector<double>(24));
  for (std::size_t m = 0; m < 2; ++m)
    for (std::size_t n = 0; n < 3; ++n)
      CHECK(costs(m, n) == Approx(c(of_pair({{{m, n}}, true})).total()).epsilon(1e-15));

  const auto weights = limbeck::layer_weights::equal({2, 3});
  const auto plan = limbeck::optimal_transport(costs, weights);
  const auto step = c(hidden_mse{plan.mapping()});
  CHECK(step.total() == Approx(plan.cost).epsilon(1e-14));
  CHECK(plan.cost < c(hidden_mse{explicit_mapping{{{0, 2, 1. / 3}, {0, 1, 1. / 6}, {1, 1, 1. / 6}, {1, 0, 1. / 3}}}})
                        .total());  // another plan
  std::vector<double> gradient(24);
  for (const limbeck::layer_pair& p : plan.pairs)
    if (p.student == 0) {
      const auto one = c(of_pair({{p}, true})).gradient[0].data;
      for (std::size_t i = 0; i < 24; ++i) gradient[i] += one[i];
    }
  for (std::size_t i = 0; i < 24; ++i) CHECK(step.gradient[0].data[i] == Approx(gradient[i]).margin(1e-15));

  // A second step with the weights that follow: the sums hold.
  const auto next = limbeck::cost_attention(plan, costs, weights);
  double sum = 0;
  for (const double w : next.teacher) sum += w;
  CHECK(sum == Approx(1).epsilon(1e-15));
  CHECK(c(hidden_mse{limbeck::optimal_transport(costs, next).mapping()}).total() > 0);
}
