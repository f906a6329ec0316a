// The divergence of attention maps on a device: a warp for each row of a map.
#pragma once

#include <limits>

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/compared_rows_cuda.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/map_rows_cuda.hpp"
#include "limbeck/losses/row_divergence.hpp"

namespace limbeck::detail {

/// Of scores, by a softmax of its own. The divergence is one whose slopes sum to 0.
template <class D, class A>
struct softened_row_pair {
  D divergence;

  template <class S, class U, class G>
  __device__ A operator()(const pair_of_map_rows<A, S, U, G>& rows) const {
    static_assert(D::slope_sum == 0);
    const device_pair<warp_team, A, row_of_heads<A, const S>, row_of_heads<A, const U>> pair(rows.student, rows.teacher,
                                                                                             rows.visible, A(1));
    A sum = 0;
    pair.for_fours_of_both([&](index first, index here, const four<A>& z, const four<A>& zt) {
      for (int i = 0; i < 4; ++i) {
        if (i >= here) continue;
        const divergence_term<A> term = divergence(pair.at(z.at[i], zt.at[i]));
        sum += term.value;
        if (rows.gradient != nullptr) rows.gradient->add(first + i, rows.factor * term.slope);
      }
    });
    return sum;
  }
};

/// Of rows that are probabilities already.
template <class A>
struct probability_row_pair {
  row_divergence measure;
  A smallest = std::numeric_limits<A>::min();

  template <class S, class U, class G>
  __device__ A operator()(const pair_of_map_rows<A, S, U, G>& rows) const {
    A sum = 0;
    for (index k = warp_team::lane(); k < rows.visible; k += warp_team::size()) {
      const divergence_term<A> term = probability_term(measure, rows.student[k], rows.teacher[k], smallest);
      sum += term.value;
      if (rows.gradient != nullptr) rows.gradient->add(k, -rows.factor * term.slope);
    }
    return sum;
  }
};

template <class S, class U, class A, class G>
void attention_kl_layer(cuda, const cuda_executor& on, attention_map of, row_divergence measure, index compared,
                        view<const sample_rows, 1, cuda> rows, const pair_of_maps<S, U, G, cuda>& maps, double share,
                        const sink<A, cuda, G>& out) {
  const auto add_up = [&](const auto& compare) {
    add_up_map_rows(on, "attention_kl", mask_mode::exact, compared, rows, maps, compare, share, out);
  };
  if (of == attention_map::probabilities)
    add_up(probability_row_pair<A>{measure});
  else if (measure == row_divergence::kl)
    add_up(softened_row_pair<forward_kl, A>{});
  else
    add_up(softened_row_pair<soft_label_cross_entropy, A>{});
}

}  // namespace limbeck::detail
