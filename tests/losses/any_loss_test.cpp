// A loss whose type is forgotten does what it did before.
#include "limbeck/losses/any_loss.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"

namespace {

namespace signal = limbeck::signal;
using limbeck::cross_entropy;
using limbeck::soft_target_kl;
using limbeck_test::logit_case;
using loss_on_cpu = limbeck::any_loss<limbeck::cpu_executor<>, double>;

static_assert(limbeck::some_loss<loss_on_cpu>);
static_assert(limbeck::loss_policy<loss_on_cpu, limbeck::cpu_executor<>, double, double, double>);
static_assert(!limbeck::loss_policy<loss_on_cpu, limbeck::cpu_executor<>, float, float, float>, "its types are fixed");
static_assert(!std::is_constructible_v<loss_on_cpu, int>, "what is no loss is refused");

/// Remembers what it was called with.
struct witness {
  limbeck::signal_set reads = signal::hidden | signal::queries;
  std::vector<double>* scales = nullptr;

  template <limbeck::launchable E>
  void operator()(const E&, const limbeck::signals<const double>&, const limbeck::signals<const double>&,
                  const limbeck::targets<double>&, const limbeck::sink<double, limbeck::cpu>& out) const {
    scales->push_back(out.scale);
  }
};

}  // namespace

TEST_CASE("any_loss gives the bits of the loss it holds") {
  logit_case<double> c{2, 3, {1, 2, 3, 0, -1, 0.5}, {0, 0, 1, 1, 1, -1}};
  c.labels = {2, 0};
  const auto goal = 0.9 * soft_target_kl{.temperature = 2} + 0.1 * cross_entropy{};
  const loss_on_cpu held = goal;
  CHECK(held.reads == signal::logits);
  CHECK(c(held).value == c(goal).value);
  CHECK(c(held).gradient == c(goal).gradient);
}

TEST_CASE("any_loss is a word of the algebra, keeps what its loss reads, and copies share it") {
  std::vector<double> scales;
  loss_on_cpu held = witness{.scales = &scales};
  CHECK(held.reads == (signal::hidden | signal::queries));
  const auto goal = 0.5 * held + 3 * (2 * held) + soft_target_kl{};
  CHECK(goal.reads == (signal::hidden | signal::queries | signal::logits));
  held = cross_entropy{};
  const logit_case<double> c{1, 2, {1, 2}, {1, 2}};
  CHECK(c(goal).total() == 0);
  CHECK(scales == std::vector<double>{0.5, 6});
}

TEST_CASE("any_loss holds a list of terms that is put together at run time") {
  logit_case<double> c{1, 2, {1, 2}, {2, 1}};
  c.labels = {0};
  std::vector<loss_on_cpu> terms;
  for (const std::string name : {"soft", "hard"}) {
    if (name == "soft") terms.emplace_back(2 * soft_target_kl{});
    if (name == "hard") terms.emplace_back(cross_entropy{});
  }
  CHECK(c(terms[0]).total() == Approx(2 * c(soft_target_kl{}).total()).epsilon(1e-15));
  CHECK(c(terms[1]).total() == c(cross_entropy{}).total());
}

TEST_CASE("any_loss passes the errors of its loss on") {
  logit_case<double> c{1, 2, {1, 2}, {2, 1}};
  c.labels = {2};
  CHECK_THROWS_AS(c(loss_on_cpu(cross_entropy{})), limbeck::contract_error);
}
