// A loss whose gradient of the logits is written, not added to, wherever that saves a pass over memory.
#pragma once

#include "limbeck/losses/loss_policy.hpp"

namespace limbeck {

/// A loss that can write the gradient of the logits.
template <class L, class E, class S, class U, class A, class G>
concept writes_gradient =
    requires(const L& loss, const E& on, const signals<const S>& student, const signals<const U>& teacher,
             const targets<A>& given,
             const sink<A, cpu, G>& out) { loss(on, student, teacher, given, out, gradient_holds::anything); };

/// Whether write_gradient() of the loss reads each of the student's logits for the last time before it writes there, so
/// that the gradient may take the place of the logits, rows having at least `classes_in_place`. Losses that do so say
/// `static constexpr bool in_place = true`. Not of sums, whose second term reads the logits again.
template <class L>
inline constexpr bool writes_in_place = requires { requires L::in_place; };
inline constexpr index classes_in_place = 512;  ///< fewer are taken many rows at a time
/// Whether the gradient of rows of so many classes may.
template <class L>
[[nodiscard]] constexpr bool takes_place_of_logits(index classes) {
  return writes_in_place<L> && classes >= classes_in_place;
}

/// Calls the loss for a gradient of the logits that holds anything; all of it is written. A loss that can only add
/// finds zeros there. The other gradients are added to as ever. For one micro-batch of a caller's own: a model's pass
/// hands out gradients of zeros.
template <class L, executor E, class S, class U, class A, class G>
void write_gradient(const L& loss, const E& on, const signals<const S>& student, const signals<const U>& teacher,
                    const targets<A>& given, const sink<A, cpu, G>& out) {
  if constexpr (writes_gradient<L, E, S, U, A, G>) {
    loss(on, student, teacher, given, out, gradient_holds::anything);
  } else {
    const view<G, 2>& gradient = out.gradient.logits;
    for (index i = 0; i < gradient.extent(0); ++i)
      for (index c = 0; c < gradient.extent(1); ++c) gradient(i, c) = G(0.0F);
    loss(on, student, teacher, given, out);
  }
}

}  // namespace limbeck
