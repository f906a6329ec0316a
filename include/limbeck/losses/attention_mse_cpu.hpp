// The squared difference of attention maps on the host.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/losses/representation.hpp"

namespace limbeck::detail {

/// One pair of layers; `share` is what each squared difference counts before the sample's own factor.
template <class Provider, class S, class U, class A, class G>
void attention_mse_layer(cpu, const cpu_executor<Provider>& on, mask_mode mode, view<const sample_rows, 1> rows,
                         const square_blocks<const S, cpu>& student, const square_blocks<const U, cpu>& teacher,
                         const square_blocks<G, cpu>& gradient, double share, const sink<A, cpu, G>& out) {
  parallel_for(on.threads, rows.extent(0), index{1}, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const A factor = factor_of(out, 1 / share, i);
      if (factor == A(0)) continue;
      const index queries = mode == mask_mode::exact ? rows(i).keys : rows(i).length;
      A sum = 0;
      for (index h = 0; h < student.heads; ++h)
        for (index r = 0; r < queries; ++r)
          sum += squared_error(mode, &student.map(i, h)(r, 0), &teacher.map(i, h)(r, 0),
                               visible_keys(rows(i), r, student.causal), factor,
                               gradient.empty() ? static_cast<G*>(nullptr) : &gradient.map(i, h)(r, 0));
      if (!out.value.empty()) out.value(i) += factor * sum;
    }
  });
}

}  // namespace limbeck::detail
