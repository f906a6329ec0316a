// Divergences of softened class scores on a device: one kernel for all of them, a block for each row.
//
// A row whose logits fit into the shared memory of a block, or of a cluster of up to eight, is read once. A longer one
// is read twice, for the sums and for
// value and gradient; once more where the two rows nearly agree, and once more for a divergence that does not know the
// sum of its slopes.
#pragma once

#include "limbeck/losses/compared_rows_cuda.hpp"

namespace limbeck::detail {

/// The divergence of two rows, and its gradient: `scale` times its slopes in the student's logits over the temperature.
template <class Team, class D, class Pair, class Rows, class A>
__device__ A divergence_on_device(Team team, const D& divergence, const Pair& pair, const Rows& rows, index row,
                                  A scale) {
  const bool wanted = !rows.gradients.empty();
  divergence_term<A> mine{0, 0};
  if constexpr (requires { D::slope_sum; }) {
    constexpr A slope_sum = static_cast<A>(D::slope_sum);
    pair.for_fours_of_both([&](index first, index here, const four<A>& z, const four<A>& zt) {
      four<A> slopes{};
      for (int i = 0; i < 4; ++i) {
        if (i >= here) continue;
        const compared<A> at = pair.at(z.at[i], zt.at[i]);
        const divergence_term<A> term = divergence(at);
        mine.value += term.value;
        slopes.at[i] = scale * logit_slope(term.slope, at.student, slope_sum);
      }
      if (wanted) add_to_gradient(rows, row, first, here, slopes);
    });
    return team.joined(mine.value, summed_up{});
  } else {
    pair.for_fours_of_both([&](index, index here, const four<A>& z, const four<A>& zt) {
      for (int i = 0; i < 4; ++i)
        if (i < here) mine += divergence(pair.at(z.at[i], zt.at[i]));
    });
    mine = team.joined(mine, summed_up{});
    if (!wanted) return mine.value;
    pair.for_fours_of_both([&](index first, index here, const four<A>& z, const four<A>& zt) {
      four<A> slopes{};
      for (int i = 0; i < 4; ++i) {
        if (i >= here) continue;
        const compared<A> at = pair.at(z.at[i], zt.at[i]);
        slopes.at[i] = scale * logit_slope(divergence(at).slope, at.student, mine.slope);
      }
      add_to_gradient(rows, row, first, here, slopes);
    });
    return mine.value;
  }
}

template <class D, class A>
struct soft_target_row {
  static constexpr bool spreads_rows = true;
  D divergence;
  A temperature;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    return divergence_on_device(team, divergence, pair_of_logits<Team>(rows, row, temperature, room), rows, row,
                                factor / temperature);
  }
};

template <class D, class A, class S, class U, class G>
void soft_target_rows(cuda, const cuda_executor& on, const D& divergence, A temperature,
                      const logit_rows<S, U, A, cuda, G>& rows) {
  launch_rows(on, "soft_target", soft_target_row<D, A>{divergence, temperature}, rows, pair_bytes<S, U>{});
}

}  // namespace limbeck::detail
