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
// In slices of two rows.
struct through_linear_maps {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    using limbeck::view;
    const auto numbers = [&](const char* key) { return c.input(key).as<A>(); };
    const auto hidden = numbers("student_hidden"), weight = numbers("student_weight");
    const auto teacher_hidden = numbers("teacher_hidden"), teacher_weight = numbers("teacher_weight");
    const index rows = c.input("student_hidden").rows(), classes = c.input("student_weight").rows();
    const auto head = [&](const std::vector<A>& h, const std::vector<A>& w) {
      return limbeck::linear_head<const A>{view<const A, 2>(h.data(), rows, static_cast<index>(h.size()) / rows),
                                           view<const A, 2>(w.data(), classes, static_cast<index>(w.size()) / classes)};
    };
    const auto student = head(hidden, weight), teacher = head(teacher_hidden, teacher_weight);
    std::vector<A> value(static_cast<std::size_t>(rows)), dhidden(hidden.size()), dweight(weight.size());
    std::vector<A> room(static_cast<std::size_t>(2 * limbeck::fused_linear_room(student, teacher)));
    limbeck::fused_linear(
        limbeck::soft_target_kl{.temperature = c.param("T"), .t_squared = c.param("t_squared", false)},
        limbeck::cpu_executor<>{}, student, teacher, limbeck::targets<A>{},
        limbeck::sink<A, limbeck::cpu>{.value = view<A, 1>(value.data(), rows),
                                       .per = {.rows = static_cast<double>(rows)}},
        limbeck::linear_head<A>{view<A, 2>(dhidden.data(), rows, student.hidden.extent(1)),
                                view<A, 2>(dweight.data(), classes, student.weight.extent(1))},
        view<A, 1>(room.data(), room.size()));
    double sum = 0;
    for (const A v : value) sum += static_cast<double>(v);
    return {sum,
            {{"student_hidden", tensor(c.input("student_hidden").shape, dhidden)},
             {"student_weight", tensor(c.input("student_weight").shape, dweight)}}};
  }
};

const bool known = limbeck_test::runs_loss("fused_linear_kl", through_linear_maps{}) &&
                   limbeck_test::runs_loss("annealing_phi", annealed_scale{});

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
