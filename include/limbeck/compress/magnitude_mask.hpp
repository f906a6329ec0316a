// Which weights of a matrix are kept: the largest in size.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// How many of `count` weights a share of them is, 0 to 1, to the nearest. Throws contract_error where it is none.
[[nodiscard]] inline index kept_count(index count, double share) {
  expects(share >= 0 && share <= 1, [&] { return message("kept_count: a share of ", share, ", must be 0 to 1"); });
  return static_cast<index>(std::llround(share * static_cast<double>(count)));
}

/// mask = 1 for the `keep` weights that are largest in size, 0 for the others (LadaBERT, Mao et al. 2020,
/// arXiv:2004.04124, section 3.2). Of equal sizes the first in the order of rows stays; a NaN is larger than any
/// number. weight, mask: [rows, columns]. Allocates a few numbers a weight. Throws contract_error where the shapes
/// differ or there are fewer than `keep` weights.
template <class T>
void magnitude_mask(const view<const T, 2>& weight, index keep, const view<std::uint8_t, 2>& mask) {
  expects_one_shape("magnitude_mask", weight, mask);
  expects(keep >= 0 && keep <= weight.count(),
          [&] { return message("magnitude_mask: ", keep, " to keep of ", weight.count(), " weights"); });
  struct sized {
    double size;
    index at;
  };
  std::vector<sized> all;
  all.reserve(static_cast<std::size_t>(weight.count()));
  for (index r = 0; r < weight.extent(0); ++r)
    for (index c = 0; c < weight.extent(1); ++c) {
      const auto w = static_cast<double>(weight(r, c));
      all.push_back({w == w ? std::abs(w) : std::numeric_limits<double>::infinity(), r * weight.extent(1) + c});
      mask(r, c) = 0;
    }
  const auto first_out = all.begin() + keep;
  if (first_out != all.end())
    std::nth_element(all.begin(), first_out, all.end(),
                     [](const sized& a, const sized& b) { return a.size != b.size ? a.size > b.size : a.at < b.at; });
  for (auto kept = all.begin(); kept != first_out; ++kept)
    mask(kept->at / weight.extent(1), kept->at % weight.extent(1)) = 1;
}

/// 0 wherever the mask is: of weights, and of their gradients, so that what was dropped stays dropped. values, mask:
/// [rows, columns]. Throws contract_error where the shapes differ.
template <class Provider, class T>
void apply_mask(const cpu_executor<Provider>& on, const view<const std::uint8_t, 2>& mask, const view<T, 2>& values) {
  expects_one_shape("apply_mask", mask, values);
  parallel_for(on.threads, mask.extent(0), index{1 << 14} / (mask.extent(1) + 1) + 1, [&](index first, index last) {
    for (index r = first; r < last; ++r)
      for (index c = 0; c < mask.extent(1); ++c)
        if (mask(r, c) == 0) values(r, c) = T(0.0F);
  });
}

}  // namespace limbeck
