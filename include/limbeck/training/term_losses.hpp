// The losses that terms spell, wherever they run.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/attention_kl.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cosine.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/info_nce.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/patience.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/relational.hpp"
#include "limbeck/losses/relations.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/standardised_mse.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/training/samples.hpp"
#include "limbeck/training/term_context.hpp"
#include "limbeck/training/term_kinds.hpp"
#include "limbeck/training/term_schedules.hpp"

namespace limbeck::detail {

/// Of a term that is known and that nothing was written for.
[[noreturn]] inline void no_loss(const known_term& t) { throw contract_error("loss: " + t.text() + ": has no loss"); }

/// use(divergence) of a term that compares softened class scores; `otherwise` for any other term.
template <class Result, class Use>
[[nodiscard]] Result with_divergence(const known_term& t, const Use& use, Result otherwise) {
  const std::string& name = t.name();
  if (name == "soft_target_kl") return use(forward_kl{});
  if (name == "soft_target_reverse_kl") return use(reverse_kl{});
  if (name == "soft_cross_entropy") return use(soft_label_cross_entropy{});
  if (name == "jensen_shannon") return use(jensen_shannon{.beta = t.number("beta")});
  if (name == "scaled_jensen_shannon") return use(scaled_jensen_shannon{.beta = t.number("beta")});
  if (name == "skew_kl") return use(skew_kl{.skew = t.number("skew")});
  if (name == "skew_reverse_kl") return use(skew_reverse_kl{.skew = t.number("skew")});
  if (name == "total_variation") return use(total_variation{});
  if (name == "squared_hellinger") return use(squared_hellinger{});
  if (name == "alpha_beta") return use(alpha_beta{.alpha = t.number("alpha"), .beta = t.number("beta")});
  return otherwise;
}

/// Of a term on class scores or labels. Every sample has a teacher's opinion, not every one a label: the two are
/// counted apart.
template <class E, class T>
[[nodiscard]] any_loss<E, T> logits_loss(const known_term& t, const term_context& context) {
  const std::string& name = t.name();
  if (name == "soft_target_kl" && context.top_k_temperature)
    return top_k_kl{
        .temperature = *context.top_k_temperature, .t_squared = t.flag("t_squared"), .over = context.of_logits};
  const auto divergent = [&](const auto& divergence) {
    return std::optional<any_loss<E, T>>(
        softened<E, T>(t, soft_target<std::decay_t<decltype(divergence)>>{
                              .t_squared = t.flag("t_squared"), .over = context.of_logits, .divergence = divergence}));
  };
  if (auto loss = with_divergence(t, divergent, std::optional<any_loss<E, T>>())) return *loss;
  if (name == "decoupled_kd")
    return softened<E, T>(
        t, decoupled_kd{.alpha = t.number("alpha"), .beta = t.number("beta"), .t_squared = t.flag("t_squared")});
  if (name == "normalised_kd") return softened<E, T>(t, normalised_kd{.gamma = t.number("gamma")});
  if (name == "dist_kd")
    return softened<E, T>(t, dist_kd{.beta = t.number("beta"),
                                     .gamma = t.number("gamma"),
                                     .t_squared = t.flag("t_squared"),
                                     .over = context.of_logits});
  if (name == "logits_mse") return softened<E, T>(t, logits_mse{.over = divisor::elements});
  if (name == "standardised_logits_mse") return standardised_logits_mse{.over = divisor::elements};
  if (name == "annealing_kd")
    return annealing_kd{.most_temperature = t.number("most_temperature"), .over = divisor::elements};
  if (name == "regression_mse") return regression_mse{.over = divisor::rows};
  if (name == "cross_entropy")
    return cross_entropy{
        .label_smoothing = t.number("label_smoothing"), .ignore_index = no_label, .over = divisor::rows};
  no_loss(t);
}

/// Of a term on attention maps.
template <class E, class T>
[[nodiscard]] any_loss<E, T> attention_loss(const known_term& t) {
  const any_mapping map = t.mapping();
  const attention_map of = t.word("of") == "scores" ? attention_map::scores : attention_map::probabilities;
  const head_match heads = t.word("heads") == "mean" ? head_match::mean : head_match::same;
  if (t.name() == "attention_mse") return mapped<E, T>(attention_mse<any_mapping>(map, {.of = of, .heads = heads}));
  if (t.name() != "attention_kl") no_loss(t);
  const row_divergence measure = t.word("measure") == "kl" ? row_divergence::kl : row_divergence::cross_entropy;
  return mapped<E, T>(attention_kl<any_mapping>(map, {.of = of, .measure = measure, .heads = heads}));
}

/// Of a term on relations of tokens.
template <class E, class T>
[[nodiscard]] any_loss<E, T> relation_term(const known_term& t, const term_context& context) {
  if (t.name() == "value_relation")
    return mapped<E, T>(value_relation<any_mapping>(t.mapping(), {.heads = context.student.heads}));
  if (t.name() != "minilm_relations") no_loss(t);
  return mapped<E, T>(minilm_relations<any_mapping>(
      t.mapping(),
      {.heads = t.whole("heads"),
       .weights = {.queries = t.number("queries"), .keys = t.number("keys"), .values = t.number("values")}}));
}

/// Of a term that compares one vector of each sample with those of the others.
template <class E, class T>
[[nodiscard]] any_loss<E, T> vector_loss(const known_term& t) {
  const sample_vectors of{
      t.word("pooling") == "first_token" ? token_pooling::first_token : token_pooling::mean_of_tokens,
      t.layer("student_layer"), t.layer("teacher_layer")};
  if (t.name() == "relational_distance") return relational_distance{.of = of, .delta = t.number("delta")};
  if (t.name() == "relational_angle") return relational_angle{.of = of, .delta = t.number("delta")};
  if (t.name() != "info_nce") no_loss(t);
  return softened<E, T>(t, info_nce{.of = of, .symmetric = t.flag("symmetric")});
}

/// Of a term on hidden states. with(make) is make(projection) with the one that the term learns, or none.
template <class E, class T, class With>
[[nodiscard]] any_loss<E, T> state_loss(const known_term& t, const With& with) {
  if (t.name() == "embedding_mse") return with([](const auto& p) -> any_loss<E, T> { return embedding_mse{p}; });
  const any_mapping map = t.mapping();
  if (t.name() == "patience")
    return mapped<E, T>(patience<any_mapping>(map, t.word("scale") == "sum"       ? patience_scale::sum
                                                   : t.word("scale") == "samples" ? patience_scale::samples
                                                                                  : patience_scale::mean_element));
  if (t.name() == "cosine_loss") return with([&](const auto& p) { return mapped<E, T>(cosine_loss{map, p}); });
  if (t.name() == "alp_kd") {
    const bool first = t.word("tokens") == "first";
    const alp_kd_options options{.scale = t.number("scale"),
                                 .attention_grad = t.flag("attention_grad"),
                                 .tokens = first ? token_choice::first : token_choice::every,
                                 .over = first ? divisor::samples : divisor::tokens};
    return with([&](const auto& p) { return mapped<E, T>(alp_kd{t.mapping(), p, options}); });
  }
  if (t.name() != "hidden_mse") no_loss(t);
  return with([&](const auto& p) { return mapped<E, T>(hidden_mse{map, p}); });
}

}  // namespace limbeck::detail
