// Runs every worked case of a loss through the public headers and holds the results to the file's tolerances.
//
// LIMBECK_LOSS_CASES names another file. A case whose loss no runner is registered for fails, unless
// LIMBECK_KNOWN_ONLY=1. The cases of losses on logits are run here; others register theirs (loss_case.hpp).
#include <algorithm>
#include <cmath>

#include "catch.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"
#include "losses/top_k_of.hpp"

namespace {

using limbeck::divisor;
using limbeck::index;
using limbeck_test::logit_case;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

// --- From the words of the file to ours
// -------------------------------------------------------------------------------

// A loss that sees its logits as the result of a last linear map, which changes nothing: two rows at one time.
template <class Loss>
struct through_a_linear_map {
  static constexpr limbeck::signal_set reads = limbeck::signal::logits;
  Loss loss;

  template <limbeck::executor E, class A>
  void operator()(const E& on, const limbeck::signals<const A>& student, const limbeck::signals<const A>& teacher,
                  const limbeck::targets<A>& given, const limbeck::sink<A, limbeck::cpu>& out) const {
    const index classes = student.logits.extent(1);
    std::vector<A> same(static_cast<std::size_t>(classes * classes), A(0));
    for (index c = 0; c < classes; ++c) same[static_cast<std::size_t>(c * classes + c)] = 1;
    const limbeck::linear_head<const A> head{student.logits,
                                             limbeck::view<const A, 2>(same.data(), classes, classes),
                                             {},
                                             student.row_sample,
                                             student.valid_classes};
    std::vector<A> room(static_cast<std::size_t>(2 * limbeck::fused_linear_room(head)));
    limbeck::sink<A, limbeck::cpu> values = out;
    values.gradient = {};
    limbeck::fused_linear(loss, on, head, teacher, given, values, limbeck::linear_head<A>{out.gradient.logits},
                          limbeck::view<A, 1>(room.data(), room.size()));
  }
};

template <class A>
struct reduced_case {
  logit_case<A> batch;
  divisor over = divisor::none;
  std::vector<std::ptrdiff_t> shape;

  template <class Loss>
  loss_outcome operator()(const Loss& loss) const {
    loss_outcome dense = outcome_of(loss);
    const auto is_finite = [](A x) { return std::isfinite(x); };
    if constexpr (!limbeck::is_batch_loss<Loss>)  // 0 times infinity is no number
      if (std::all_of(batch.student.begin(), batch.student.end(), is_finite))
        dense.other_paths.push_back(outcome_of(through_a_linear_map<Loss>{loss}));
    return dense;
  }

 private:
  template <class Loss>
  loss_outcome outcome_of(const Loss& loss) const {
    const auto got = batch(loss);
    return {static_cast<double>(got.total()), {{"student", tensor(shape, got.gradient)}}};
  }
};

// The counts and row weights that a reduction means. A row is valid where the mask says so and its label is not
// ignored.
template <class A>
reduced_case<A> batch_of(const loss_case& c, const std::string& reduction) {
  const tensor student = c.input("student");
  reduced_case<A> made;
  made.shape = student.shape;
  auto& batch = made.batch;
  batch.rows = student.rows();
  batch.columns = student.columns();
  batch.student = student.as<A>();
  batch.teacher = c.has_input("teacher") ? c.input("teacher").as<A>() : batch.student;
  const auto rows = static_cast<std::size_t>(batch.rows);
  std::vector<bool> valid(rows, true);
  if (c.has_input("labels")) {
    batch.labels = c.input("labels").as<std::int32_t>();
    for (std::size_t i = 0; i < rows; ++i) valid[i] = batch.labels[i] != c.param("ignore_index", -100);
  }
  if (c.has_input("mask")) {
    const tensor mask = c.input("mask");
    for (std::size_t i = 0; i < rows; ++i) valid[i] = valid[i] && mask.data[i] != 0;
  }
  for (std::size_t i = 0; i < rows; ++i) batch.row_weight.push_back(valid[i] ? A(1) : A(0));

  const std::size_t sequences = student.shape.size() > 2 ? static_cast<std::size_t>(student.shape[0]) : rows;
  const std::size_t length = rows / sequences;
  const auto at_least_one = [](auto count) { return std::max<double>(1, static_cast<double>(count)); };
  if (reduction == "batchmean") {
    made.over = divisor::rows;
    batch.per.rows = static_cast<double>(batch.rows);
  } else if (reduction == "mean_valid") {
    made.over = divisor::rows;
    batch.per.rows = at_least_one(std::count(valid.begin(), valid.end(), true));
  } else if (reduction == "token_sum_batch_mean") {
    made.over = divisor::samples;
    batch.per.samples = static_cast<double>(sequences);
  } else if (reduction == "mean_elements") {
    made.over = divisor::elements;
    batch.per.elements = static_cast<double>(batch.rows * batch.columns);
  } else if (reduction == "sequence_mean") {
    made.over = divisor::samples;
    int counted = 0;
    for (std::size_t b = 0; b < sequences; ++b) {
      const auto first = valid.begin() + static_cast<std::ptrdiff_t>(b * length);
      const auto tokens = std::count(first, first + static_cast<std::ptrdiff_t>(length), true);
      counted += tokens > 0;
      for (std::size_t i = b * length; i < (b + 1) * length; ++i)
        if (valid[i]) batch.row_weight[i] = static_cast<A>(1 / static_cast<double>(tokens));
    }
    batch.per.samples = at_least_one(counted);
  } else {
    throw std::runtime_error("loss case " + c.name() + ": reduction " + reduction + " is not known");
  }
  return made;
}

// made(c): the divergence with the case's parameters.
template <class Made>
struct softened {
  Made made;

  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    return batch(limbeck::soft_target{.temperature = c.param("T"),
                                      .t_squared = c.param("t_squared", false),
                                      .over = batch.over,
                                      .divergence = made(c)});
  }
};
template <class Divergence>
auto plain(const loss_case&) {
  return Divergence{};
}
template <class Made>
bool runs_softened(const std::string& name, Made made) {
  return limbeck_test::runs_loss(name, softened<Made>{made});
}

struct hard_label {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    return batch(limbeck::cross_entropy{.label_smoothing = c.param("label_smoothing"),
                                        .ignore_index = c.param("ignore_index", -100),
                                        .over = batch.over});
  }
};

struct combined {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    const double alpha = c.param("alpha");
    return batch(alpha *
                     limbeck::soft_target_kl{
                         .temperature = c.param("T"), .t_squared = true, .over = batch.over, .divergence = {}} +
                 (1 - alpha) * limbeck::cross_entropy{.label_smoothing = 0, .ignore_index = -100, .over = batch.over});
  }
};

struct decoupled {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    return batch(limbeck::decoupled_kd{
        .temperature = c.param("T"), .alpha = c.param("alpha"), .beta = c.param("beta"), .over = batch.over});
  }
};

struct normalised {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    const limbeck::normalised_kd loss{.temperature = c.param("lambda"), .gamma = c.param("gamma"), .over = batch.over};
    if (!c.param("include_ce", false)) return batch(loss);
    return batch(1.0 * loss + 1.0 * limbeck::cross_entropy{.over = batch.over});
  }
};

// A mean over the rows, whatever the file calls it.
struct correlated {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, "batchmean");
    return batch(limbeck::dist_kd{.temperature = c.param("T"),
                                  .beta = c.param("beta"),
                                  .gamma = c.param("gamma"),
                                  .epsilon = c.param("eps"),
                                  .over = batch.over});
  }
};

struct annealed_scale {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    tensor scales = c.input("T");
    for (double& x : scales.data) x = limbeck::annealing_scale(x, c.param("T_max"));
    return {{}, {}, {{"phi", scales}}};
  }
};
struct annealed {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    auto batch = batch_of<A>(c, c.text("reduction"));
    const double most = c.param("T_max");
    // of the run's equal parts that which has the temperature
    batch.batch.progress = (most - c.param("T") + 0.5) / most;
    return batch(limbeck::annealing_kd{.most_temperature = most, .over = batch.over});
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

// Both terms are means over the rows that have a label.
struct weak_teacher {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, "mean_valid");
    return batch(c.param("alpha_hard") * limbeck::cross_entropy{.label_smoothing = 0,
                                                                .ignore_index = c.param("ignore_index", -100),
                                                                .over = batch.over} +
                 c.param("alpha_soft") * limbeck::soft_target_kl{.temperature = c.param("T"),
                                                                 .t_squared = c.param("t_squared", false),
                                                                 .over = batch.over,
                                                                 .divergence = {}});
  }
};

struct of_few_classes {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    const auto mode = c.text("mode") == "tail_bucket"   ? limbeck::top_k_mode::tail_bucket
                      : c.text("mode") == "renorm_both" ? limbeck::top_k_mode::renormalised_both
                                                        : limbeck::top_k_mode::renormalised_teacher;
    return batch(limbeck_test::top_k_of<limbeck::top_k_kl>{
        static_cast<index>(c.param("k")),
        {.temperature = c.param("T"), .t_squared = false, .over = batch.over, .mode = mode}});
  }
};

struct squared {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    return batch(limbeck::logits_mse{.temperature = c.param("T"), .over = batch.over});
  }
};

const bool known =
    runs_softened("kl_forward", plain<limbeck::forward_kl>) &&
    runs_softened("kl_reverse", plain<limbeck::reverse_kl>) &&
    runs_softened("soft_cross_entropy", plain<limbeck::soft_label_cross_entropy>) &&
    runs_softened("js", [](const loss_case& c) { return limbeck::jensen_shannon{.beta = c.param("beta")}; }) &&
    runs_softened("skew_kl", [](const loss_case& c) { return limbeck::skew_kl{.skew = c.param("alpha")}; }) &&
    runs_softened("skew_reverse_kl",
                  [](const loss_case& c) { return limbeck::skew_reverse_kl{.skew = c.param("alpha")}; }) &&
    runs_softened("total_variation", plain<limbeck::total_variation>) &&
    runs_softened(
        "alpha_beta_divergence",
        [](const loss_case& c) { return limbeck::alpha_beta{.alpha = c.param("alpha"), .beta = c.param("beta")}; }) &&
    limbeck_test::runs_loss("fused_linear_kl", through_linear_maps{}) &&
    limbeck_test::runs_loss("dist", correlated{}) && limbeck_test::runs_loss("annealing_phi", annealed_scale{}) &&
    limbeck_test::runs_loss("annealing_kd", annealed{}) && limbeck_test::runs_loss("dkd", decoupled{}) &&
    limbeck_test::runs_loss("nkd", normalised{}) && limbeck_test::runs_loss("cross_entropy", hard_label{}) &&
    limbeck_test::runs_loss("kd_combined", combined{}) && limbeck_test::runs_loss("dwt", weak_teacher{}) &&
    limbeck_test::runs_loss("logits_mse", squared{}) && limbeck_test::runs_loss("topk_sparse_kl", of_few_classes{});

// --- Comparing
// --------------------------------------------------------------------------------------------------------

double largest(const std::vector<double>& numbers) {
  double size = 0;
  for (const double x : numbers) size = std::max(size, std::abs(x));
  return size;
}

// As the file's `conventions` say: relative to 1 at least, or, where the name says _f32_, to the number itself.
void check_close(const loss_case& c, const std::string& what, const tensor& got, const tensor& want, double tolerance) {
  INFO(c.name() << ": " << what);
  REQUIRE(got.data.size() == want.data.size());
  const double size = largest(want.data);
  const double allowed = tolerance * (c.name().find("_f32_") == std::string::npos ? std::max(1.0, size) : size);
  for (std::size_t i = 0; i < want.data.size(); ++i) {
    INFO("entry " << i << ": " << got.data[i] << ", wanted " << want.data[i] << " within " << allowed);
    CHECK((got.data[i] == want.data[i] || std::abs(got.data[i] - want.data[i]) <= allowed));
  }
}

void check_case(const loss_case& c, const loss_outcome& got, double tolerance) {
  if (got.compared) return;
  if (c.json.has("value")) {
    REQUIRE(got.value.has_value());
    check_close(c, "value", tensor({}, std::vector<double>{*got.value}),
                tensor({}, std::vector<double>{c.json.required<double>("value")}), tolerance);
  }
  const auto each = [&](const char* kind, const std::map<std::string, tensor>& made) {
    if (!c.json.has(kind)) return;
    for (const auto& [name, want] : c.json.at(kind).members()) {
      INFO(c.name() << " has no " << kind << " " << name);
      REQUIRE(made.count(name) == 1);
      check_close(c, std::string(kind) + " " + name, made.at(name), tensor(want), tolerance);
    }
  };
  each("grads", got.grads);
  each("outputs", got.outputs);
  for (const loss_outcome& other : got.other_paths) check_case(c, other, tolerance);
}

// Runs the cases that can be run; returns how many.
int run_cases(bool in_double) {
  int count = 0;
  for (const loss_case& c : limbeck_test::loss_cases()) {
    const auto runner = limbeck_test::loss_runners().find(c.loss());
    if (runner == limbeck_test::loss_runners().end()) continue;
    const auto& run = in_double ? runner->second.in_double : runner->second.in_float;
    const auto stated = [&](const char* key, double otherwise) {
      return c.json.has("tol") ? c.json.at("tol").optional(key, otherwise) : otherwise;
    };
    check_case(c, run(c), in_double ? stated("f64_rel", 1e-10) : stated("f32_rel", 2e-5));
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("loss_cases: every case of the file is known", "[golden]") {
  if (limbeck_test::known_cases_only()) LIMBECK_SKIP("LIMBECK_KNOWN_ONLY=1: cases of unknown losses are passed over");
  for (const loss_case& c : limbeck_test::loss_cases()) {
    INFO(c.name() << ": nothing runs " << c.loss());
    CHECK(limbeck_test::loss_runners().count(c.loss()) == 1);
  }
}

TEST_CASE("loss_cases: values and gradients in double", "[golden]") { CHECK(run_cases(true) > 0); }

TEST_CASE("loss_cases: values and gradients in float", "[golden]") { CHECK(run_cases(false) > 0); }
