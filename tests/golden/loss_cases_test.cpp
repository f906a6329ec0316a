// Runs every worked case of a loss through the public headers and holds the results to the file's tolerances.
//
// LIMBECK_LOSS_CASES names another file. A case whose loss no runner is registered for fails, unless
// LIMBECK_KNOWN_ONLY=1. The cases of losses on logits are run here; others register theirs (loss_case.hpp).
#include "golden/check_loss_cases.hpp"
#include "golden/logit_cases.hpp"
#include "limbeck/backend/eigen.hpp"

namespace {

using limbeck::index;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

struct annealed_scale {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    tensor scales = c.input("T");
    for (double& x : scales.data) x = limbeck::annealing_scale(x, c.param("T_max"));
    return {{}, {}, {{"phi", scales}}};
  }
};
const bool known = limbeck_test::runs_loss("annealing_phi", annealed_scale{});

}  // namespace

TEST_CASE("loss_cases: every case of the file is known", "[golden]") {
  if (limbeck_test::known_cases_only()) LIMBECK_SKIP("LIMBECK_KNOWN_ONLY=1: cases of unknown losses are passed over");
  for (const loss_case& c : limbeck_test::loss_cases()) {
    INFO(c.name() << ": nothing runs " << c.loss());
    CHECK(limbeck_test::loss_runners().count(c.loss()) == 1);
  }
}

TEST_CASE("loss_cases: values and gradients in double", "[golden]") { CHECK(limbeck_test::run_cases(true) > 0); }

TEST_CASE("loss_cases: values and gradients in float", "[golden]") { CHECK(limbeck_test::run_cases(false) > 0); }
