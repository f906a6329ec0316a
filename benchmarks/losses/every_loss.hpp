// Every loss by name, with its type forgotten, for the programs that go through all of them.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/losses.hpp"
#include "losses/batch.hpp"
#include "provider.hpp"

namespace limbeck_bench {

using executor = limbeck::cpu_executor<provider>;

/// A loss on batches of one kind. prepare() makes what it needs beside the batch, which must live on, and a call.
template <class S, class U, class A>
struct named_loss {
  std::string name;
  std::function<std::function<void(const executor&)>(batch<S, U, A>&)> prepare;
  bool reads_teacher = true;                             ///< all of it
  std::function<double(const batch<S, U, A>&)> flops{};  ///< empty: they are not what it takes its time for
};
template <class S, class U, class A>
using named_losses = std::vector<named_loss<S, U, A>>;

/// How a loss is called: it adds to its gradient, or writes that of the logits.
struct adding {
  template <class Loss, class Batch>
  static void call(const Loss& loss, const executor& on, Batch& b) {
    loss(on, b.student, b.teacher, b.given, b.out);
  }
};
struct writing {
  template <class Loss, class Batch>
  static void call(const Loss& loss, const executor& on, Batch& b) {
    limbeck::write_gradient(loss, on, b.student, b.teacher, b.given, b.out);
  }
};

/// One that needs nothing else.
template <class S, class U, class A, class Calls = adding, class Loss>
[[nodiscard]] named_loss<S, U, A> plain(std::string name, const Loss& loss, bool reads_teacher = true) {
  return {std::move(name),
          [loss](batch<S, U, A>& b) { return [loss, &b](const executor& on) { Calls::call(loss, on, b); }; },
          reads_teacher,
          {}};
}

/// The same, whose operations are `each` for a number of a student's state and whatever it is compared with: as many
/// samples, raised to a power.
template <class S, class U, class A>
[[nodiscard]] named_loss<S, U, A> counted(named_loss<S, U, A> loss, double each, double samples_to_the) {
  loss.flops = [=](const batch<S, U, A>& b) {
    return each * static_cast<double>(b.mine.count()) * std::pow(static_cast<double>(b.rows.size()), samples_to_the);
  };
  return loss;
}

/// The divergences.
template <class S, class U, class A, class Calls = adding>
[[nodiscard]] named_losses<S, U, A> divergence_losses() {
  named_losses<S, U, A> all;
  const auto add = [&](const char* name, const auto& divergence) {
    all.push_back(plain<S, U, A, Calls>(name, limbeck::soft_target<std::remove_cvref_t<decltype(divergence)>>{
                                                  .temperature = 2, .divergence = divergence}));
  };
  add("forward_kl", limbeck::forward_kl{});
  add("soft_label_cross_entropy", limbeck::soft_label_cross_entropy{});
  add("reverse_kl", limbeck::reverse_kl{});
  add("jensen_shannon", limbeck::jensen_shannon{});
  add("scaled_jensen_shannon", limbeck::scaled_jensen_shannon{});
  add("skew_kl", limbeck::skew_kl{});
  add("skew_reverse_kl", limbeck::skew_reverse_kl{});
  add("total_variation", limbeck::total_variation{});
  add("squared_hellinger", limbeck::squared_hellinger{});
  add("alpha_beta", limbeck::alpha_beta{.alpha = 0.3, .beta = 0.6});
  return all;
}

/// A teacher that kept 32 classes of each row, or half of them if that is fewer.
template <class S, class U, class A, class Calls = adding>
[[nodiscard]] named_loss<S, U, A> top_k_loss() {
  struct kept {
    limbeck::buffer<std::int32_t> classes;
    limbeck::buffer<U> logits;
  };
  const auto prepare = [](batch<S, U, A>& b) {
    const index rows = b.teacher.logits.extent(0), all = b.teacher.logits.extent(1);
    const index k = std::min<index>(32, (all + 1) / 2);
    const auto held =
        std::make_shared<kept>(kept{limbeck::buffer<std::int32_t>(rows * k), limbeck::buffer<U>(rows * k)});
    b.log_rest = limbeck::buffer<U>(rows);
    const view<std::int32_t, 2> classes(held->classes.data(), rows, k);
    const view<U, 2> logits(held->logits.data(), rows, k);
    limbeck::keep_top_k(executor{}, b.teacher.logits, 2, classes, logits, b.log_rest.all());
    b.teacher.logits = limbeck::read_only(logits);
    b.teacher.kept_classes = limbeck::read_only(classes);
    b.teacher.log_rest = std::as_const(b.log_rest).all();
    return [held, &b](const executor& on) { Calls::call(limbeck::top_k_kl{.temperature = 2}, on, b); };
  };
  return {"top_k_kl", prepare, false, {}};
}

/// The other losses on logits.
template <class S, class U, class A, class Calls = adding>
[[nodiscard]] named_losses<S, U, A> logit_losses() {
  return {plain<S, U, A, Calls>("cross_entropy", limbeck::cross_entropy{.label_smoothing = 0.1}, false),
          plain<S, U, A, Calls>("cross_entropy_and_kl",
                                0.5 * limbeck::cross_entropy{} + 0.5 * limbeck::soft_target_kl{.temperature = 2}),
          top_k_loss<S, U, A, Calls>(),
          plain<S, U, A, Calls>("logits_mse", limbeck::logits_mse{}),
          plain<S, U, A, Calls>("standardised_logits_mse", limbeck::standardised_logits_mse{}),
          plain<S, U, A, Calls>("decoupled_kd", limbeck::decoupled_kd{}),
          plain<S, U, A, Calls>("normalised_kd", limbeck::normalised_kd{.temperature = 2}),
          plain<S, U, A, Calls>("dist_kd", limbeck::dist_kd{.temperature = 2}),
          plain<S, U, A, Calls>("margin_mse", limbeck::margin_mse{})};
}

/// Losses on hidden states of every token.
template <class S, class U, class A>
[[nodiscard]] named_losses<S, U, A> state_losses() {
  return {plain<S, U, A>("hidden_mse", limbeck::hidden_mse{}),
          plain<S, U, A>("embedding_mse", limbeck::embedding_mse{}),
          plain<S, U, A>("cosine_loss", limbeck::cosine_loss{})};
}

/// A student that is stored as its sums are, for the projection's gradients.
template <class U, class A>
[[nodiscard]] named_loss<A, U, A> projected_loss() {
  struct held {
    limbeck::buffer<A> weight, gradient;
  };
  return {
      "hidden_mse_projected",
      [](batch<A, U, A>& b) {
        const index width = b.student.hidden[0].extent(1), teacher_width = b.teacher.hidden[0].extent(1);
        const auto room = std::make_shared<held>(
            held{centred<A>(width * teacher_width, 0.1, 3), limbeck::buffer<A>(width * teacher_width)});
        const limbeck::hidden_mse loss{
            limbeck::uniform_mapping{},
            limbeck::linear_projection<A>{.weight = view<const A, 2>(room->weight.data(), teacher_width, width),
                                          .weight_gradient = view<A, 2>(room->gradient.data(), teacher_width, width)}};
        return [room, loss, &b](const executor& on) { loss(on, b.student, b.teacher, b.given, b.out); };
      },
      true, [](const batch<A, U, A>& b) {  // forward, to the state, to the weight
        return 6 * static_cast<double>(b.mine.count()) * static_cast<double>(b.teacher.hidden[0].extent(1));
      }};
}

inline constexpr index negatives_each = 64;

/// Each sample's own teacher vector against others'.
template <class S, class U, class A>
[[nodiscard]] named_loss<S, U, A> nce_loss() {
  return {"contrastive_nce",
          [](batch<S, U, A>& b) {
            constexpr index count = negatives_each;
            const index samples = b.student.rows.extent(0);
            const auto others = std::make_shared<limbeck::buffer<std::int32_t>>(samples * count);
            for (index i = 0; i < samples; ++i)
              for (index k = 0; k < count; ++k)
                others->data()[i * count + k] = static_cast<std::int32_t>((i + 1 + 7 * k) % samples);
            const limbeck::contrastive_nce<U> loss{
                .bank = b.teacher.hidden[0],
                .negatives = view<const std::int32_t, 2>(others->data(), samples, count),
                .data_size = 4 * samples,
                .temperature = 0.5};
            return [others, loss, &b](const executor& on) { loss(on, b.student, b.teacher, b.given, b.out); };
          },
          true,
          {}};
}

/// Losses on one vector a sample: samples of one token.
template <class S, class U, class A>
[[nodiscard]] named_losses<S, U, A> vector_losses() {
  return {
      plain<S, U, A>("patience", limbeck::patience{}),
      counted(plain<S, U, A>("relational_distance", limbeck::relational_distance{}), 6, 1),  // 2 distances, a slope
      counted(plain<S, U, A>("relational_angle", limbeck::relational_angle{}), 6, 1),  // the same; angles not counted
      counted(plain<S, U, A>("info_nce", limbeck::info_nce{}), 4, 1),                  // a product, a slope
      counted(nce_loss<S, U, A>(), 6.0 * negatives_each, 0)};                          // a product, a length, a slope
}

/// Losses on relations of the tokens of a sample, 12 heads.
template <class S, class U, class A>
[[nodiscard]] named_losses<S, U, A> relation_losses() {
  named_losses<S, U, A> all{
      plain<S, U, A>("minilm_relations", limbeck::minilm_relations{limbeck::top_mapping{}, {.heads = 12}}),
      plain<S, U, A>("value_relation", limbeck::value_relation{limbeck::top_mapping{}, {.heads = 12}})};
  for (const double relations : {3.0, 1.0})
    all[relations == 3 ? 0 : 1].flops = [relations](const batch<S, U, A>& b) {  // both models' products, two slopes
      const double pairs =
          static_cast<double>(b.rows.size()) * static_cast<double>(b.rows[0].length * b.rows[0].length);
      const auto width = [](const auto& of) { return static_cast<double>(of.values[0].extent(1)); };
      return relations * pairs * (6 * width(b.student) + 2 * width(b.teacher));
    };
  return all;
}

/// Losses on maps of attention.
template <class S, class U, class A>
[[nodiscard]] named_losses<S, U, A> map_losses() {
  return {plain<S, U, A>("attention_mse", limbeck::attention_mse{}),
          plain<S, U, A>("attention_kl", limbeck::attention_kl{})};
}

}  // namespace limbeck_bench
