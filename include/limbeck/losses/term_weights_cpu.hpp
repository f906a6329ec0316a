// A term weighted by an uncertainty that is learned, on the host.
#pragma once

#include <cmath>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/reweighted.hpp"

namespace limbeck::detail {

struct uncertainty_scratch {};

/// exp(-s) / 2 * the term + s / 2 * samples / count; the slope by s, the logarithm of a variance, is added to `slope`.
template <class E, class Term, class T, class S, class U, class A, class G>
void add_uncertain(cpu, const E& on, const Term& term, view<const T, 1> log_variance, view<T, 1> slope,
                   const signals<const S>& student, const signals<const U>& teacher, const targets<A>& given,
                   const sink<A, cpu, G>& out) {
  const index samples = samples_of(student, out);
  const view<A, 1> values(thread_scratch<uncertainty_scratch, A>(samples), samples);
  const auto s = static_cast<double>(log_variance(0));
  sink<A, cpu, G> here = out;
  here.value = values;
  here.scale *= std::exp(-s) / 2;
  for (index i = 0; i < samples; ++i) values(i) = 0;
  term(on, student, teacher, given, here);
  double sum = 0;
  for (index i = 0; i < samples; ++i) {
    const double weight = out.weight.empty() ? 1 : static_cast<double>(out.weight(i));
    const double share = out.scale * weight / (2 * out.per.samples);
    if (!out.value.empty()) out.value(i) += values(i) + static_cast<A>(share * s);
    sum += share - static_cast<double>(values(i));
  }
  if (!slope.empty()) slope(0) += static_cast<T>(sum);
}

}  // namespace limbeck::detail
