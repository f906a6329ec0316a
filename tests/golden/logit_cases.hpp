// Runs the worked cases of losses on logits, in the one place that a test has (golden_place.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "golden/golden_place.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/margin_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"
#include "losses/top_k_of.hpp"
#if defined(LIMBECK_CUDA_SHIM)
#include "losses/top_k_device_cases.hpp"
#endif

namespace limbeck_test {

using limbeck::divisor;

#if !defined(LIMBECK_CUDA_SHIM)
/// A loss that sees its logits as the result of a last linear map, which changes nothing: two rows at one time.
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
#endif

template <class A>
struct reduced_case {
  logit_case<A> batch;
  divisor over = divisor::none;
  std::vector<std::ptrdiff_t> shape;

  template <class Loss>
  loss_outcome operator()(const Loss& loss) const {
    loss_outcome dense = outcome_of(loss);
#if !defined(LIMBECK_CUDA_SHIM)
    const auto is_finite = [](A x) { return std::isfinite(x); };
    if constexpr (!limbeck::is_batch_loss<Loss>)  // 0 times infinity is no number
      if (std::all_of(batch.student.begin(), batch.student.end(), is_finite))
        dense.other_paths.push_back(outcome_of(through_a_linear_map<Loss>{loss}));
#endif
    return dense;
  }

 private:
  template <class Loss>
  loss_outcome outcome_of(const Loss& loss) const {
    const auto got = at_golden_place(batch, loss);
    return {static_cast<double>(got.total()), {{"student", tensor(shape, got.gradient)}}};
  }
};

/// The counts and row weights that a reduction means. A row is valid where the mask says so and its label is not
/// ignored.
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

/// made(c): the divergence with the case's parameters.
template <class Made>
struct softened {
  Made made;

  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    return batch(limbeck::soft_target<decltype(made(c))>{.temperature = c.param("T"),
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
  return runs_loss(name, softened<Made>{made});
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

/// A mean over the rows, whatever the file calls it.
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

/// Both terms are means over the rows that have a label.
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
    auto batch = batch_of<A>(c, c.text("reduction"));
    const auto mode = c.text("mode") == "tail_bucket"   ? limbeck::top_k_mode::tail_bucket
                      : c.text("mode") == "renorm_both" ? limbeck::top_k_mode::renormalised_both
                                                        : limbeck::top_k_mode::renormalised_teacher;
    const auto k = static_cast<index>(c.param("k"));
    const limbeck::top_k_kl loss{.temperature = c.param("T"), .t_squared = false, .over = batch.over, .mode = mode};
#if defined(LIMBECK_CUDA_SHIM)
    batch.batch.valid_classes = batch.batch.columns;
    return batch(shown_kept<A, limbeck::top_k_kl>{{batch.batch, k, loss.temperature}, loss});
#else
    return batch(top_k_of<limbeck::top_k_kl>{k, loss});
#endif
  }
};

struct squared {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto batch = batch_of<A>(c, c.text("reduction"));
    return batch(limbeck::logits_mse{.temperature = c.param("T"), .over = batch.over});
  }
};

/// What a mean over the queries divides by.
inline double ranking_queries(const loss_case& c, index queries) {
  const std::string reduction = c.text("reduction");
  if (reduction == "sum") return 1;
  if (reduction == "mean" || reduction == "batchmean") return static_cast<double>(queries);
  throw std::runtime_error("loss case " + c.name() + ": reduction " + reduction + " is not known");
}

/// One relevant passage a query and one other.
struct ranking_margins {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto beside = [&](const char* first, const char* second) {
      const auto a = c.input(first).as<A>(), b = c.input(second).as<A>();
      std::vector<A> both;
      for (std::size_t i = 0; i < a.size(); ++i) both.insert(both.end(), {a[i], b.at(i)});
      return both;
    };
    const auto shape = c.input("student_pos").shape;
    logit_case<A> batch;
    batch.student = beside("student_pos", "student_neg");
    batch.teacher = beside("teacher_pos", "teacher_neg");
    batch.rows = static_cast<index>(batch.student.size() / 2);
    batch.columns = 2;
    batch.per.rows = ranking_queries(c, batch.rows);
    const auto got = at_golden_place(batch, limbeck::margin_mse{});
    std::vector<A> relevant, other;
    for (std::size_t i = 0; i < got.gradient.size(); ++i) (i % 2 == 0 ? relevant : other).push_back(got.gradient[i]);
    return {static_cast<double>(got.total()),
            {{"student_pos", tensor(shape, relevant)}, {"student_neg", tensor(shape, other)}}};
  }
};

/// Linear heads of both models, in slices of two rows.
struct through_linear_maps {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    using B = golden_backend;
    using limbeck::view;
    golden_place where;
    const auto numbers = [&](const char* key) { return c.input(key).as<A>(); };
    const auto hidden = numbers("student_hidden"), weight = numbers("student_weight");
    const auto teacher_hidden = numbers("teacher_hidden"), teacher_weight = numbers("teacher_weight");
    const index rows = c.input("student_hidden").rows(), classes = c.input("student_weight").rows();
    const auto head = [&]<class T>(std::vector<T>& h, std::vector<T>& w) {
      return limbeck::linear_head<T, B>{view<T, 2, B>(where.bring(h), rows, static_cast<index>(h.size()) / rows),
                                        view<T, 2, B>(where.bring(w), classes, static_cast<index>(w.size()) / classes)};
    };
    const auto seen = [&](const std::vector<A>& h, const std::vector<A>& w) {
      return limbeck::linear_head<const A, B>{
          view<const A, 2, B>(where.bring(h), rows, static_cast<index>(h.size()) / rows),
          view<const A, 2, B>(where.bring(w), classes, static_cast<index>(w.size()) / classes)};
    };
    const auto student = seen(hidden, weight), teacher = seen(teacher_hidden, teacher_weight);
    std::vector<A> value(static_cast<std::size_t>(rows)), dhidden(hidden.size()), dweight(weight.size());
    std::vector<A> room(static_cast<std::size_t>(2 * limbeck::fused_linear_room(student, teacher)));
    limbeck::fused_linear(
        limbeck::soft_target_kl{.temperature = c.param("T"), .t_squared = c.param("t_squared", false)}, where.executor,
        student, teacher, limbeck::targets<A, B>{},
        limbeck::sink<A, B>{.value = view<A, 1, B>(where.bring(value), rows),
                            .per = {.rows = static_cast<double>(rows)}},
        head(dhidden, dweight), view<A, 1, B>(where.bring(room), room.size()));
    where.bring_back();
    double sum = 0;
    for (const A v : value) sum += static_cast<double>(v);
    return {sum,
            {{"student_hidden", tensor(c.input("student_hidden").shape, dhidden)},
             {"student_weight", tensor(c.input("student_weight").shape, dweight)}}};
  }
};

[[maybe_unused]] inline const bool logit_losses_known =
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
    runs_loss("dist", correlated{}) && runs_loss("annealing_kd", annealed{}) && runs_loss("dkd", decoupled{}) &&
    runs_loss("nkd", normalised{}) && runs_loss("cross_entropy", hard_label{}) &&
    runs_loss("kd_combined", combined{}) && runs_loss("dwt", weak_teacher{}) && runs_loss("logits_mse", squared{}) &&
    runs_loss("topk_sparse_kl", of_few_classes{}) && runs_loss("margin_mse", ranking_margins{}) &&
    runs_loss("fused_linear_kl", through_linear_maps{});

}  // namespace limbeck_test
