// The directions of first tokens compared on the host.
#pragma once

#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/directions_cpu.hpp"
#include "limbeck/losses/representation.hpp"

namespace limbeck::detail {

template <class Provider, class S, class U, class A, class G>
void patience_layer(cpu, const cpu_executor<Provider>& on, view<const sample_rows, 1> rows,
                    view<const sample_rows, 1> teacher_rows, view<const S, 2> student, view<const U, 2> teacher,
                    view<G, 2> gradient, double count, const sink<A, cpu, G>& out) {
  constexpr index worth_a_thread = 1 << 14;  // elements
  const index width = student.extent(1);
  parallel_for(on.threads, rows.extent(0), worth_a_thread / width + 1, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const A factor = factor_of(out, count / 2, i);
      if (factor == A(0) || rows(i).keys == 0) continue;
      const index at = rows(i).begin;
      const A half_square = compare_directions(&student(at, 0), &teacher(teacher_rows(i).begin, 0), width, factor,
                                               gradient.empty() ? static_cast<G*>(nullptr) : &gradient(at, 0))
                                .half_square;
      if (!out.value.empty()) out.value(i) += factor * half_square;
    }
  });
}

}  // namespace limbeck::detail
