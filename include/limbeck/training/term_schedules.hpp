// Losses whose settings move with the run as a term says.
#pragma once

#include <utility>

#include "limbeck/core/error.hpp"
#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/schedule.hpp"
#include "limbeck/losses/scheduled.hpp"
#include "limbeck/training/term_kinds.hpp"

namespace limbeck::detail {

/// A loss whose temperature is the term's.
template <class E, class T, class Loss>
[[nodiscard]] any_loss<E, T> softened(const known_term& t, Loss loss) {
  return scheduled_temperature<any_schedule, Loss>(t.schedule("temperature"), std::move(loss));
}
/// A loss on layers, whose mapping each epoch may draw anew.
template <class E, class T, class Loss>
[[nodiscard]] any_loss<E, T> mapped(Loss loss) {
  if (loss.map.per_epoch) return redrawn<Loss>(std::move(loss));
  return loss;
}

}  // namespace limbeck::detail
