// Vectors multiplied, compared and added on the host: one by one, and one with all rows of a matrix.
#pragma once

#include <algorithm>

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// to += factor * from, element by element.
struct add_multiple_kernel {
  template <int Bytes, class A, class S, class G>
  LIMBECK_HD static void run(const S* from, index count, const A factor, G* to) {
    using V = simd_of_bytes<A, Bytes>;
    const V all(factor);
    index i = 0;
    for (; i + V::width <= count; i += V::width)
      store(to + i, multiply_add(all, load<V>(from + i), load<V>(static_cast<const G*>(to + i))));
    for (; i < count; ++i) to[i] = static_cast<G>(static_cast<A>(to[i]) + factor * static_cast<A>(from[i]));
  }
};
template <class A, class S, class G>
void add_multiple(const S* from, index count, A factor, G* to) {
  simd_dispatch<add_multiple_kernel>(from, count, factor, to);
}

struct divide_kernel {
  template <int Bytes, class A>
  LIMBECK_HD static void run(A* x, index count, const A divisor) {
    using V = simd_of_bytes<A, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width) store(x + i, load<V>(static_cast<const A*>(x + i)) / V(divisor));
    for (; i < count; ++i) x[i] /= divisor;
  }
};
/// Every element of x divided.
template <class A>
void divide(A* x, index count, A divisor) {
  simd_dispatch<divide_kernel>(x, count, divisor);
}

struct dot_kernel {
  template <int Bytes, class A>
  LIMBECK_HD static void run(const A* a, const A* b, index count, A& product) {
    using V = simd_of_bytes<A, Bytes>;
    V even(0), odd(0);
    index i = 0;
    for (; i + 2 * V::width <= count; i += 2 * V::width) {
      even = multiply_add(load<V>(a + i), load<V>(b + i), even);
      odd = multiply_add(load<V>(a + i + V::width), load<V>(b + i + V::width), odd);
    }
    for (; i < count; i += V::width)
      even = multiply_add(load_part<V>(a + i, count - i, 0), load_part<V>(b + i, count - i, 0), even);
    product = horizontal_sum(even + odd);
  }
};
template <class A>
[[nodiscard]] A dot(const A* a, const A* b, index count) {
  A product = 0;
  simd_dispatch<dot_kernel>(a, b, count, product);
  return product;
}

/// Rows of a matrix that are worked on while the vector beside them is read once; the last one stands in for those
/// behind the end.
template <class A>
struct rows_at_once {
  static constexpr int most = 4;
  const A* row[most];

  LIMBECK_HD rows_at_once(const A* rows, index first, index count, index width) {
    for (int r = 0; r < most; ++r) row[r] = rows + std::min(first + r, count - 1) * width;
  }
};

struct dot_of {
  template <class V>
  LIMBECK_HD static V add(const V& sum, const V& own, const V& row) {
    return multiply_add(own, row, sum);
  }
};
struct squared_distance_of {
  template <class V>
  LIMBECK_HD static V add(const V& sum, const V& own, const V& row) {
    const V d = own - row;
    return multiply_add(d, d, sum);
  }
};
/// to[j] = the sum over the elements of what Measure makes of the vector's and row j's.
template <class Measure>
struct measure_rows_kernel {
  template <int Bytes, class A>
  LIMBECK_HD static void run(const A* own, const A* rows, index count, index width, A* to) {
    using V = simd_of_bytes<A, Bytes>;
    constexpr int most = rows_at_once<A>::most;
    for (index first = 0; first < count; first += most) {
      const rows_at_once<A> at(rows, first, count, width);
      V sum[most] = {V(0), V(0), V(0), V(0)};
      index c = 0;
      for (; c + V::width <= width; c += V::width) {
        const V mine = load<V>(own + c);
#pragma GCC unroll 4
        for (int r = 0; r < most; ++r) sum[r] = Measure::add(sum[r], mine, load<V>(at.row[r] + c));
      }
      for (int r = 0; r < most && c < width; ++r)
        sum[r] = Measure::add(sum[r], load_part<V>(own + c, width - c, 0), load_part<V>(at.row[r] + c, width - c, 0));
      for (int r = 0; r < most && first + r < count; ++r) to[first + r] = horizontal_sum(sum[r]);
    }
  }
};

struct row_itself {
  template <class T>
  LIMBECK_HD static T of(const T&, const T& row) {
    return row;
  }
};
struct away_from_row {
  template <class T>
  LIMBECK_HD static T of(const T& own, const T& row) {
    return own - row;
  }
};
/// to += the sum over the rows of factor[j] * (what Direction makes of the vector and row j).
template <class Direction>
struct combine_rows_kernel {
  template <int Bytes, class A>
  LIMBECK_HD static void run(const A* own, const A* rows, index count, index width, const A* factor, A* to) {
    using V = simd_of_bytes<A, Bytes>;
    constexpr int most = rows_at_once<A>::most;
    for (index first = 0; first < count; first += most) {
      const rows_at_once<A> at(rows, first, count, width);
      A by[most];
      for (int r = 0; r < most; ++r) by[r] = first + r < count ? factor[first + r] : A(0);
      index c = 0;
      for (; c + V::width <= width; c += V::width) {
        const V mine = load<V>(own + c);
        V sum = load<V>(static_cast<const A*>(to + c));
#pragma GCC unroll 4
        for (int r = 0; r < most; ++r) sum = multiply_add(V(by[r]), Direction::of(mine, load<V>(at.row[r] + c)), sum);
        store(to + c, sum);
      }
      for (; c < width; ++c)
        for (int r = 0; r < most; ++r) to[c] += by[r] * Direction::of(own[c], at.row[r][c]);
    }
  }
};

}  // namespace limbeck::detail
