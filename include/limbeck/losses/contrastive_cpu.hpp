// A batch's unit vectors beside entries of a bank on the host.
#pragma once

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/directions_cpu.hpp"
#include "limbeck/losses/info_nce_cpu.hpp"
#include "limbeck/losses/sample_vectors_cpu.hpp"
#include "limbeck/losses/told_apart.hpp"

namespace limbeck::detail {

/// An entry of a bank beside a unit vector: its length, and the cosine, 0 where it is all zeros.
template <class A>
struct bank_entry {
  A length = 0, cosine = 0;
};
struct bank_entry_kernel {
  template <int Bytes, class A, class T>
  LIMBECK_HD static void run(const A* unit, const T* entry, index width, bank_entry<A>& found) {
    using V = simd_of_bytes<A, Bytes>;
    const row_products<V> of = row_products<V>::of(unit, entry, width);
    found.length = sqrt(horizontal_sum(of.of_teacher));
    found.cosine = horizontal_sum(of.of_both) / (found.length == A(0) ? A(1) : found.length);
  }
};

/// The value of the batch's i-th vector, without its factor; adds its gradient.
template <class A, class T>
[[nodiscard]] A tell_sample(const vector_batch<A>& batch, const unit_vectors<A>& unit, const told_apart<T, cpu>& from,
                            index i) {
  const index width = batch.student_width, sample = batch.sample[i];
  const A* const own = unit.own + i * width;
  A* const slope = unit.slope + i * width;
  const auto add = [&](const auto* vector, A length, A cosine, A sign) {
    const auto term = from.of_cosine(cosine, sign);
    if (length != A(0) && batch.gradient != nullptr)
      add_multiple(vector, width, batch.factor[i] * term.slope / length, slope);
    return static_cast<double>(term.value);
  };
  const A* const shown = unit.shown + i * width;
  double sum = add(shown, A(1), dot(own, shown, width), A(-1));
  for (index k = 0; k < from.negatives.extent(1); ++k) {
    const T* const other = &from.bank(from.negatives(sample, k), 0);
    bank_entry<A> entry;
    simd_dispatch<bank_entry_kernel>(own, other, width, entry);
    sum += add(other, entry.length, entry.cosine, A(1));
  }
  if (batch.gradient != nullptr) through_unit(own, unit.length[i], slope, width, batch.slope(i));
  return static_cast<A>(sum);
}

template <class Provider, class S, class U, class A, class G, class T>
void tell_from_bank(cpu, const cpu_executor<Provider>& on, token_pooling by, const vector_layers<S, U, G, cpu>& of,
                    const told_apart<T, cpu>& from, double count, const sink<A, cpu, G>& out) {
  with_vectors(by, of, count, out, [&](const vector_batch<A>& batch) {
    const unit_vectors<A> unit(batch, 0);
    parallel_for(on.threads, batch.count, index{1}, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        const A sum = tell_sample(batch, unit, from, i);
        if (!out.value.empty()) out.value(batch.sample[i]) += batch.factor[i] * sum;
      }
    });
  });
}

}  // namespace limbeck::detail
