// The squared difference of attention maps on a device.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/losses/map_rows_cuda.hpp"
#include "limbeck/losses/row_output.hpp"
#include "limbeck/losses/squared_difference.hpp"

namespace limbeck::detail {

template <bool Zeroing, class A>
struct squared_row_pair {
  template <class S, class U, class G>
  __device__ A operator()(const S* s, const U* t, index visible, A factor, G* gradient) const {
    using formula = squared_difference<Zeroing>;
    const A floor = static_cast<A>(zeroing_floor);
    A sum = 0;
    for (index k = warp_team::lane(); k < visible; k += warp_team::size()) {
      const A mine = static_cast<A>(s[k]), d = formula::difference(mine, static_cast<A>(t[k]), floor);
      sum += d * d;
      if (gradient != nullptr)
        gradient[k] = static_cast<G>(static_cast<A>(gradient[k]) + formula::passed(mine, A(2) * factor * d, floor));
    }
    return sum;
  }
};

/// As on the host, for models of as many heads each.
template <class S, class U, class A, class G>
void attention_mse_layer(cuda, const cuda_executor& on, mask_mode mode, index compared,
                         view<const sample_rows, 1, cuda> rows, const pair_of_maps<S, U, G, cuda>& maps, double share,
                         row_output how, const sink<A, cuda, G>& out) {
  expects_heads_one_by_one("attention_mse", compared, maps);
  expects(how == row_output::add,
          "attention_mse: on a device gradients are added to; give zeros, not gradient_holds::anything");
  if (mode == mask_mode::tinybert_zeroing)
    add_up_map_rows(on, "attention_mse", mode, rows, maps, squared_row_pair<true, A>{}, share, out);
  else
    add_up_map_rows(on, "attention_mse", mode, rows, maps, squared_row_pair<false, A>{}, share, out);
}

}  // namespace limbeck::detail
