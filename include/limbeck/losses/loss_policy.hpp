// What a loss is: a copyable object that compares two models' signals and adds to a sink.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/core/targets.hpp"

namespace limbeck {

/// What sums are divided by: the caller's counts over the whole optimiser step, all micro-batches and processes; never
/// a count that a loss made, so every split gives the same gradient. 1: no division.
struct normaliser {
  double samples = 1;
  double rows = 1;      ///< of logits, those that count
  double tokens = 1;    ///< sum of lengths
  double pairs = 1;     ///< of a query and a key it sees, for one head
  double elements = 1;  ///< whatever else the caller wants to divide by
};

/// Which of the counts divides a loss.
enum class divisor { none, samples, rows, tokens, pairs, elements };

/// The count that `over` names.
[[nodiscard]] constexpr double count_of(const normaliser& per, divisor over) {
  switch (over) {
    case divisor::none: return 1;
    case divisor::samples: return per.samples;
    case divisor::rows: return per.rows;
    case divisor::tokens: return per.tokens;
    case divisor::pairs: return per.pairs;
    case divisor::elements: return per.elements;
  }
  return 1;
}

/// Where a loss puts its results. A loss only ever adds, so terms compose by being called in turn. A: what values and
/// sums are computed in; G: how gradients are stored.
template <class A, backend B, class G = A>
struct sink {
  view<A, 1, B> value{};         ///< [samples]  += scale * weight * loss; empty: not wanted
  signals<G, B> gradient{};      ///< += d(sum of values)/d(student); an empty member is not wanted
  view<const A, 1, B> weight{};  ///< [samples], from a re-weighting policy; empty: 1 for each
  double scale = 1;
  normaliser per{};
  double progress = 0;      ///< the share of the run that is done, 0 to 1, for schedules
  std::uint64_t epoch = 0;  ///< that is under way, from 0, for what is drawn anew in each
};

/// What lies in a gradient when a loss is called. With `anything` the loss writes all of it, also where nothing counts,
/// and reads none of it. Losses on class scores take it as a last argument, for the gradient of the logits, and some on
/// maps and states as an option, on the host.
enum class gradient_holds { a_sum, anything };

/// Says what it reads, so that the forward pass keeps that and no more.
template <class L>
concept some_loss = std::copyable<L> && requires(const L& loss) {
  { loss.reads } -> std::convertible_to<signal_set>;
};

/// A loss that runs on executor E, for a student that stores S and a teacher that stores U.
template <class L, class E, class S = float, class U = S, class A = float>
concept loss_policy = some_loss<L> && executor<E> &&
                      requires(const L& loss, const E& on, const signals<const S, backend_of<E>>& student,
                               const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                               const sink<A, backend_of<E>>& out) {
                        { loss(on, student, teacher, given, out) } -> std::same_as<void>;
                      };

}  // namespace limbeck
