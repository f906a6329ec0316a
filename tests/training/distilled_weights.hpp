// A few steps of a distillation by hand, wherever they run: to be compared between places.
#pragma once

#include <cstdint>
#include <vector>

#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/mappings/uniform.hpp"
#include "limbeck/training/adamw_formula.hpp"
#include "models/model_outcome.hpp"

namespace limbeck_test {

/// A student of 2 layers and width 8 with a projection of its own, and a teacher of 4 layers and width 12.
struct teacher_and_student {
  limbeck::bert_classifier teacher = limbeck::make_bert_classifier(
      {.vocabulary = 13, .positions = 12, .layers = 4, .width = 12, .heads = 2, .inner = 16, .epsilon = 1e-5}, 3);
  limbeck::bert_classifier student = limbeck::make_bert_classifier(
      {.vocabulary = 13, .positions = 12, .layers = 2, .width = 8, .heads = 2, .inner = 12, .epsilon = 1e-5}, 3);
  limbeck::parameter_table table = student.parameters();
  limbeck::slot projection = table.declare("projection", 12, 8);

  /// Weights of the student, and what it learns beside.
  [[nodiscard]] std::vector<float> student_weights() const {
    std::vector<float> weights = weights_of(student);
    for (index i = 0; i < projection.rows * projection.columns; ++i)
      weights.push_back(static_cast<float>(given_slope("projection", static_cast<std::size_t>(i)) / 3));
    return weights;
  }
};

/// Does steps one after another.
inline constexpr auto each_by_itself = [](int steps, const auto& work) {
  for (int step = 0; step < steps; ++step) work(static_cast<std::uint64_t>(step), nullptr);
};

/// The student's weights after `steps` steps in T: attention maps, hidden states and embeddings, soft targets and
/// labels; with dropout. optimise(gradient, weights) makes a step of them. do_all(steps, work) calls work(step,
/// step_from) for each, with the number of the step or where that lies.
template <class T, class Place, class Optimise, class DoAll = decltype(each_by_itself)>
std::vector<T> distilled_weights(Place& where, int steps, const Optimise& optimise,
                                 const DoAll& do_all = each_by_itself) {
  using B = typename Place::backend;
  using limbeck::view;
  const teacher_and_student models;
  const auto as = [](const std::vector<float>& numbers) { return std::vector<T>(numbers.begin(), numbers.end()); };
  const std::vector<T> shown_weights = as(weights_of(models.teacher));
  const std::vector<std::int32_t> classes{2, 0, 1};
  std::vector<T> weights = as(models.student_weights()), gradient(weights.size()), values(3);
  const view<T, 1, B> w(where.bring(weights), weights.size()), g(where.bring(gradient), gradient.size());
  const view<const T, 1, B> seen_w = w, shown_w(where.bring(shown_weights), shown_weights.size());
  const limbeck::targets<T, B> given{.labels = view<const std::int32_t, 1, B>(where.bring(classes), 3)};
  limbeck::sink<T, B> out{.value = view<T, 1, B>(where.bring(values), 3)};

  const limbeck::linear_projection<T, B> projection{.weight = models.projection.matrix(seen_w),
                                                    .weight_gradient = models.projection.matrix(g)};
  const limbeck::uniform_mapping map;
  const auto goal = 0.7 * limbeck::soft_target_kl{.temperature = 2} + 0.3 * limbeck::cross_entropy{} +
                    0.5 * limbeck::attention_mse{map} + limbeck::hidden_mse{map, projection} +
                    limbeck::embedding_mse{projection};
  const limbeck::normaliser per{.samples = 3, .rows = 3, .tokens = 7, .pairs = 21};
  limbeck::bert_classifier::pass<T, B> student(where.executor), teacher(where.executor);
  models.teacher.place(where.executor, packed.seen(), goal.reads, teacher);
  models.student.place(where.executor, packed.seen(), goal.reads, student);
  do_all(steps, [&](std::uint64_t step, const std::uint64_t* step_from) {
    limbeck::ops::fill(where.executor, T(0), g);
    const auto shown = models.teacher.run(where.executor, shown_w, limbeck::inference, teacher);
    const limbeck::pass_mode mode{
        .keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 3, .step = step, .step_from = step_from};
    const auto seen = models.student.run(where.executor, seen_w, mode, student);
    out.gradient = student.gradient;
    goal(where.executor, seen, shown, given, per, out);
    models.student.backward(where.executor, seen_w, student, g);
    optimise(view<const T, 1, B>(g), w);
  });
  where.bring_back();
  return weights;
}

inline constexpr double step_rate = 0.02, step_clip = 1;
/// A large epsilon: an update depends on rounding where the gradient is next to nothing.
inline constexpr limbeck::adamw_options step_options{.epsilon = 1e-2};

}  // namespace limbeck_test
