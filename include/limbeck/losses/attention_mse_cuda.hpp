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
  __device__ A operator()(const pair_of_map_rows<A, S, U, G>& rows) const {
    using formula = squared_difference<Zeroing>;
    const A floor = static_cast<A>(zeroing_floor);
    A sum = 0;
    for (index k = warp_team::lane(); k < rows.visible; k += warp_team::size()) {
      const A mine = rows.student[k], d = formula::difference(mine, rows.teacher[k], floor);
      sum += d * d;
      if (rows.gradient != nullptr) rows.gradient->add(k, formula::passed(mine, A(2) * rows.factor * d, floor));
    }
    return sum;
  }
};

template <class S, class U, class A, class G>
void attention_mse_layer(cuda, const cuda_executor& on, mask_mode mode, index compared,
                         view<const sample_rows, 1, cuda> rows, const pair_of_maps<S, U, G, cuda>& maps, double share,
                         row_output how, const sink<A, cuda, G>& out) {
  expects(how == row_output::add,
          "attention_mse: on a device gradients are added to; give zeros, not gradient_holds::anything");
  const auto add_up = [&](const auto& compare) {
    add_up_map_rows(on, "attention_mse", mode, compared, rows, maps, compare, share, out);
  };
  if (mode == mask_mode::tinybert_zeroing)
    add_up(squared_row_pair<true, A>{});
  else
    add_up(squared_row_pair<false, A>{});
}

}  // namespace limbeck::detail
