// Rows of numbers added to rows that are stored as something else, on the host.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/sequence_layout.hpp"

namespace limbeck::detail {

/// Enough numbers for whole vectors of any level.
[[nodiscard]] constexpr index whole_vectors(index count) { return (count + 15) / 16 * 16; }

/// to(r, 0 .. ends(r)) += factor * from(r, 0 .. ends(r)). Up to `reach` elements of each row may be read, of `to`
/// written as they were.
struct add_rows_kernel {
  template <int Bytes, class S, class T, class A, class Ends>
  LIMBECK_HD static void run(const S* from, index from_row, T* to, index to_row, index rows, index reach,
                             const A factor, const Ends& ends) {
    using V = simd_of_bytes<A, Bytes>;
    for (index r = 0; r < rows; ++r) {
      const S* const x = from + r * from_row;
      T* const y = to + r * to_row;
      const index end = ends(r);
      for (index c = 0; c < end; c += V::width) {
        const index count = end - c;
        if (c + V::width <= reach)
          store(y + c, multiply_add(V(factor), where(first_lanes<V>(count), load<V>(x + c), V(A(0))),
                                    load<V>(static_cast<const T*>(y + c))));
        else
          store_part(y + c, count,
                     multiply_add(V(factor), load_part<V>(x + c, count, A(0)),
                                  load_part<V>(static_cast<const T*>(y + c), count, A(0))));
      }
    }
  }
};
/// All rows end alike.
struct same_end {
  index end;
  [[nodiscard]] LIMBECK_HD index operator()(index) const { return end; }
};
/// A row ends behind the last key that it sees.
struct visible_end {
  sample_rows of;
  index first;
  bool causal;
  [[nodiscard]] LIMBECK_HD index operator()(index row) const { return visible_keys(of, first + row, causal); }
};

}  // namespace limbeck::detail
