// Bias and activation function in one sweep over a matrix on a device.
#pragma once

#include "limbeck/backend/cuda_fours.hpp"

namespace limbeck::ops::detail {

struct biased_fours {
  template <class Activation, class T>
  __device__ void operator()(index r, index c, index here, const Activation& activation,
                             const view<const T, 1, cuda>& bias, const view<T, 2, cuda>& before,
                             const view<T, 2, cuda>& after) const {
    four<T> x = load_four(static_cast<const T*>(row_at(before, r, c)), here);
    if (!bias.empty()) {
      const four<T> more = load_four(bias.data() + c, here);
      for (int i = 0; i < 4; ++i) x.at[i] += more.at[i];
    }
    if (before.data() != after.data()) store_four(row_at(before, r, c), here, x);
    for (int i = 0; i < 4; ++i) x.at[i] = activation.value(x.at[i]);
    store_four(row_at(after, r, c), here, x);
  }
};

template <class Activation, class T>
void transform_rows_biased(cuda, const cuda_executor& on, const Activation& activation, view<const T, 1, cuda> bias,
                           view<T, 2, cuda> before, view<T, 2, cuda> after) {
  for_fours(on, "transform_biased", before.extent(0), before.extent(1), biased_fours{}, activation, bias, before,
            after);
}

}  // namespace limbeck::ops::detail
