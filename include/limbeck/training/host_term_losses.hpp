// The losses that terms spell and that run on the host alone.
#pragma once

#include <optional>

#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/contrastive.hpp"
#include "limbeck/losses/relational.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/training/term_context.hpp"
#include "limbeck/training/term_schedules.hpp"

namespace limbeck::detail {

/// Of a term that compares one vector of each sample with those of the others.
template <class E, class T>
[[nodiscard]] std::optional<any_loss<E, T>> vector_loss(const known_term& t) {
  const sample_vectors of{
      t.word("pooling") == "first_token" ? token_pooling::first_token : token_pooling::mean_of_tokens,
      t.layer("student_layer"), t.layer("teacher_layer")};
  if (t.name() == "relational_distance") return relational_distance{.of = of, .delta = t.number("delta")};
  if (t.name() == "relational_angle") return relational_angle{.of = of, .delta = t.number("delta")};
  if (t.name() == "info_nce") return softened<E, T>(t, info_nce{.of = of, .symmetric = t.flag("symmetric")});
  return std::nullopt;
}

/// Of a term that runs on the host alone; nothing for another. with(make) is make(projection) with the one that the
/// term learns, or none.
template <class E, class T, class With>
[[nodiscard]] std::optional<any_loss<E, T>> host_loss(const known_term& t, const With& with) {
  if (t.name() == "alp_kd") {
    const bool first = t.word("tokens") == "first";
    const alp_kd_options options{.scale = t.number("scale"),
                                 .attention_grad = t.flag("attention_grad"),
                                 .tokens = first ? token_choice::first : token_choice::every,
                                 .over = first ? divisor::samples : divisor::tokens};
    return with([&](const auto& p) { return mapped<E, T>(alp_kd{t.mapping(), p, options}); });
  }
  if (t.kind().subject == term_subject::vectors) return vector_loss<E, T>(t);
  return std::nullopt;
}

}  // namespace limbeck::detail
