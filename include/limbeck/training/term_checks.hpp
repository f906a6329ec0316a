// Whether terms make sense for the models and the task.
#pragma once

#include "limbeck/core/error.hpp"
#include "limbeck/losses/relation_heads.hpp"
#include "limbeck/training/term_context.hpp"
#include "limbeck/training/term_kinds.hpp"
#include "limbeck/training/term_losses.hpp"

namespace limbeck::detail {

[[nodiscard]] inline bool reads_teacher(const known_term& t) {
  return t.kind().reads_teacher() || t.samples().weighs();
}

/// Throws contract_error, showing the text of a term, where it does not fit the models or the task.
struct term_check {
  const term_context& context;

  void operator()(const known_term& t) const {
    expects(context.teacher || !reads_teacher(t), [&] { return message("loss: ", t.text(), " needs a teacher"); });
    check_task(t);
    const auto checked = [](const auto& divergence) {
      if constexpr (requires { divergence.check(); }) divergence.check();
      return true;
    };
    (void)t.shown([&] { return with_divergence(t, checked, false); });
    if (t.kind().of_layers()) check_layers(t);
    check_heads(t);
    if (t.kind().subject == term_subject::vectors) check_vectors(t);
    if (context.top_k_temperature) check_top_k(t, *context.top_k_temperature);
    const bool widths_agree = !context.teacher || context.student.width == context.teacher->width;
    expects(widths_agree || (t.name() != "patience" && t.name() != "info_nce"), [&] {
      return message("loss: ", t.text(), ": the widths must agree, student ", context.student.width, ", teacher ",
                     context.teacher->width);
    });
  }

 private:
  void check_task(const known_term& t) const {
    const bool of_classes = t.kind().subject == term_subject::classes || t.kind().subject == term_subject::labels;
    expects(!(of_classes && context.regression), [&] {
      return message("loss: ", t.text(),
                     " compares classes, the task is a regression; take logits_mse and "
                     "regression_mse");
    });
    expects(t.kind().subject != term_subject::scores || context.regression,
            [&] { return message("loss: ", t.text(), " compares scores, the task has classes; take cross_entropy"); });
    const bool weighs_samples = t.samples().weighs() || t.samples().shared();
    expects(!weighs_samples || context.of_logits == divisor::samples, [&] {
      return message("loss: ", t.text(), ": samples are weighed by what the teacher makes of each, not of each token");
    });
    expects(!t.samples().weighs() || !context.regression, [&] {
      return message("loss: ", t.text(),
                     ": samples are weighed by what the teacher makes of classes, the task is a "
                     "regression");
    });
  }
  void check_layers(const known_term& t) const {
    t.shown([&] {
      t.mapping()(
          depths{static_cast<std::size_t>(context.student.layers), static_cast<std::size_t>(context.teacher->layers)},
          [](layer_pair) {});
    });
  }
  void check_heads(const known_term& t) const {
    if (t.kind().subject != term_subject::maps && t.kind().subject != term_subject::relations) return;
    const auto &student = context.student, &teacher = *context.teacher;
    const bool may_differ = t.name() == "minilm_relations" || (t.kind().find("heads") && t.word("heads") == "mean");
    expects(student.heads == teacher.heads || may_differ, [&] {
      return message("loss: ", t.text(), ": ", student.heads, " heads of the student, ", teacher.heads,
                     " of the teacher");
    });
    if (t.name() != "minilm_relations") return;
    t.shown([&] {
      detail::expects_widths("heads", detail::relation_heads{t.whole("heads")}, student.width, teacher.width);
    });
    expects(t.number("queries") + t.number("keys") + t.number("values") > 0, [&] {
      return message("loss: ", t.text(), ": nothing is compared where queries, keys and values weigh 0");
    });
  }
  void check_vectors(const known_term& t) const {
    const auto expects_layer = [&](const char* key, const char* whose, index layers) {
      expects(t.layer(key) < layers, [&] {
        return message("loss: ", t.text(), ": ", key, "=", t.layer(key), ", the ", whose, " has ", layers,
                       " layers, from 0");
      });
    };
    expects_layer("student_layer", "student", context.student.layers);
    expects_layer("teacher_layer", "teacher", context.teacher->layers);
  }
  void check_top_k(const known_term& t, double kept) const {
    expects(t.samples().by == sample_weighting::rule::all, [&] {
      return message("loss: ", t.text(), ": samples are weighed by all classes, the teacher's likeliest are kept");
    });
    if (t.kind().subject != term_subject::classes && t.kind().subject != term_subject::outputs) return;
    expects(t.name() == "soft_target_kl", [&] {
      return message("loss: ", t.text(), " reads all classes, the teacher's likeliest are kept; take soft_target_kl");
    });
    const any_schedule temperature = t.schedule("temperature");
    expects(temperature.kind == schedule_kind::constant && temperature.from == kept, [&] {
      return message("loss: ", t.text(), ": temperature ", t.word("temperature"),
                     ", the teacher's likeliest classes are kept for temperature ", kept);
    });
  }
};

}  // namespace limbeck::detail
