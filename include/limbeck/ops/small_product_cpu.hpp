// Products of matrices so small that a library's call would cost more than they do: those inside of an attention. And
// how their factors get to where they can be read in vectors, out of whatever they are stored as.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

/// The left factor of a small product: read element by element, so any strides will do.
template <class T>
struct left_factor {
  const T* data;
  index row, column;  ///< strides
};
/// The right factor, or the product: rows of whole vectors.
template <class T>
struct rows_of_vectors {
  T* data;
  index row;  ///< stride
};

/// Rows x Vectors of c = alpha a b, or c += alpha a b. The sums run over a's columns in their order.
template <int Rows, int Vectors, class V, class T>
LIMBECK_HD void product_tile(const left_factor<T>& a, const rows_of_vectors<const T>& b, const rows_of_vectors<T>& c,
                             index inner, T alpha, bool add) {
  V sum[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) sum[r][v] = V(T(0));
  for (index k = 0; k < inner; ++k) {
    V right[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) right[v] = load<V>(b.data + k * b.row + v * V::width);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const V left(a.data[r * a.row + k * a.column]);
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[r][v] = multiply_add(left, right[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      T* const at = c.data + r * c.row + v * V::width;
      const V here = V(alpha) * sum[r][v];
      store(at, add ? load<V>(static_cast<const T*>(at)) + here : here);
    }
}

/// `rows` rows of the product, Vectors vectors wide.
template <int Vectors, class V, class T>
LIMBECK_HD void product_strip(const left_factor<T>& a, const rows_of_vectors<const T>& b, const rows_of_vectors<T>& c,
                              index rows, index inner, T alpha, bool add) {
  constexpr int tall = 6, low = 2;
  index r = 0;
  for (; r + tall <= rows; r += tall)
    product_tile<tall, Vectors, V, T>({a.data + r * a.row, a.row, a.column}, b, {c.data + r * c.row, c.row}, inner,
                                      alpha, add);
  for (; r + low <= rows; r += low)
    product_tile<low, Vectors, V, T>({a.data + r * a.row, a.row, a.column}, b, {c.data + r * c.row, c.row}, inner,
                                     alpha, add);
  if (r < rows)
    product_tile<1, Vectors, V, T>({a.data + r * a.row, a.row, a.column}, b, {c.data + r * c.row, c.row}, inner, alpha,
                                   add);
}

struct small_product_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const left_factor<T>& a, const rows_of_vectors<const T>& b, const rows_of_vectors<T>& c,
                             index rows, index inner, index columns, T alpha, bool add) {
    using V = simd_of_bytes<T, Bytes>;
    index at = 0;
    for (; at + V::width < columns; at += 2 * V::width)
      product_strip<2, V, T>(a, {b.data + at, b.row}, {c.data + at, c.row}, rows, inner, alpha, add);
    if (at < columns) product_strip<1, V, T>(a, {b.data + at, b.row}, {c.data + at, c.row}, rows, inner, alpha, add);
  }
};

/// c = alpha a b, or c += alpha a b, for a [rows, inner], b [inner, columns], c [rows, columns]. Rows of b are read,
/// and rows of c written, to the end of a vector of any level. Each element is one sum in the order of `inner`,
/// whatever the sizes.
template <class T>
void small_product(const left_factor<T>& a, const rows_of_vectors<const T>& b, const rows_of_vectors<T>& c, index rows,
                   index inner, index columns, T alpha, bool add) {
  simd_dispatch<small_product_kernel>(a, b, c, rows, inner, columns, alpha, add);
}

/// Copies `count` elements, in vectors.
template <class V, class S, class T>
LIMBECK_HD void copy_row(const S* from, index count, T* to) {
  for (index c = 0; c < count; c += V::width) store_part(to + c, count - c, load_part<V>(from + c, count - c, T(0)));
}

/// to(r, 0 .. count) = from(r, 0 .. count) for some rows that lie at these distances.
struct copy_rows_kernel {
  template <int Bytes, class S, class T>
  LIMBECK_HD static void run(const S* from, index from_row, T* to, index to_row, index rows, index count) {
    for (index r = 0; r < rows; ++r) copy_row<simd_of_bytes<T, Bytes>>(from + r * from_row, count, to + r * to_row);
  }
};

/// across[j, r] = element j of row r, 0 behind the last row up to the end of a vector: a square of whole vectors at a
/// time. Of each row `width` elements are meant, and `reach` may be read.
struct across_kernel {
  template <int Bytes, class S, class T>
  LIMBECK_HD static void run(const S* from, index from_row, index rows, index width, index reach, T* across,
                             index across_row) {
    using V = simd_of_bytes<T, Bytes>;
    constexpr int side = V::width;
    for (index j = 0; j < width; j += side) {
      const bool inside = j + side <= reach;
      for (index c = 0; c < rows; c += side) {
        V square[side];
#pragma GCC unroll 16
        for (int r = 0; r < side; ++r)
          square[r] = c + r >= rows ? V(T(0))
                      : inside      ? load<V>(from + (c + r) * from_row + j)
                                    : load_part<V>(from + (c + r) * from_row + j, width - j, T(0));
        transpose(square);
#pragma GCC unroll 16
        for (int r = 0; r < side; ++r)
          if (j + r < width) store(across + (j + r) * across_row + c, square[r]);
      }
    }
  }
};

}  // namespace limbeck::ops::detail
