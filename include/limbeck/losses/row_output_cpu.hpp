// Rows of gradients on the host: added to, or written without being read.
#pragma once

#include <algorithm>
#include <cstdint>

#include "limbeck/backend/simd.hpp"
#include "limbeck/losses/row_output.hpp"

namespace limbeck::detail {

/// A row of a gradient, vector by vector.
template <class V, class G>
class output_row {
 public:
  LIMBECK_HD output_row(G* row, row_output how)
      : row_(row),
        adds_(how == row_output::add),
        past_caches_(how == row_output::write_past_caches && reinterpret_cast<std::uintptr_t>(row) % 16 == 0) {}

  LIMBECK_HD void put(index i, const V& slope) const {
    if (adds_)
      store(row_ + i, load<V>(static_cast<const G*>(row_ + i)) + slope);
    else if (past_caches_)
      store_past_caches(row_ + i, slope);
    else
      store(row_ + i, slope);
  }
  /// `count` lanes from element i on.
  LIMBECK_HD void put_part(index i, index count, const V& slope) const {
    store_part(row_ + i, count, adds_ ? load_part<V>(static_cast<const G*>(row_ + i), count, 0) + slope : slope);
  }
  LIMBECK_HD void put(index i, typename V::scalar slope) const {
    row_[i] = static_cast<G>(adds_ ? static_cast<typename V::scalar>(row_[i]) + slope : slope);
  }

 private:
  G* row_;
  bool adds_, past_caches_;
};

/// Zeros, past caches but for the ends.
struct clear_past_caches {
  template <int Bytes, class G>
  LIMBECK_HD static void run(G* from, G* const end) {
    using V = simd_of_bytes<float, Bytes>;
    for (; from != end && reinterpret_cast<std::uintptr_t>(from) % sizeof(V) != 0; ++from) *from = G(0.0F);
    for (; end - from >= V::width; from += V::width) store_past_caches(from, V(0.0F));
    for (; from != end; ++from) *from = G(0.0F);
  }
};

/// Zeros where a gradient is written and nothing counts.
template <class G>
void clear_run(G* from, index count, row_output how) {
  G* end = from + count;
  if (how == row_output::write_past_caches)
    simd_dispatch<clear_past_caches>(from, end);
  else
    std::fill(from, end, G(0.0F));
}

struct add_to_row_kernel {
  template <int Bytes, class A, class G>
  LIMBECK_HD static void run(const A* from, index classes, const A by, const row_output how, G* to) {
    using V = simd_of_bytes<A, Bytes>;
    const output_row<V, G> row(to, how);
    index c = 0;
    for (; c + V::width <= classes; c += V::width) row.put(c, V(by) * load<V>(from + c));
    for (; c < classes; ++c) row.put(c, by * from[c]);
  }
};
/// The gradient of a row of logits += by * from, class by class, or = where the rows are fresh.
template <class Rows, class A>
void add_to_row(const Rows& rows, index row, A by, const A* from) {
  const auto& to = rows.gradients;
  if (to.stride(1) == 1) {
    const row_output how = rows.fresh ? row_output::write : row_output::add;
    simd_dispatch<add_to_row_kernel>(from, rows.classes, by, how, to.data() + row * to.stride(0));
    return;
  }
  for (index c = 0; c < rows.classes; ++c) {
    auto& place = to(row, c);
    place = static_cast<typename Rows::gradient_type>((rows.fresh ? A(0) : static_cast<A>(place)) + by * from[c]);
  }
}

}  // namespace limbeck::detail
