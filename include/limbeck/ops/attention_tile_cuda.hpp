// What the kernels of attention on a device share: a block's tile of one head, its rows on chip, and the launch.
//
// A block has 16 rows of one head of one sample, four a warp. Of every 32 rows that these meet a lane has one: it takes
// its products with the warp's four rows. What comes of them goes through shared memory to the lanes, each of which
// then has some of the head's columns.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/ops/attention_shape.hpp"
#include "limbeck/ops/dropping.hpp"

namespace limbeck::ops::detail {

inline constexpr int rows_of_warp = 4, rows_of_tile = 16, rows_of_chunk = 32;
inline constexpr unsigned attention_threads = 128;
inline constexpr index widest_head_on_device = 128;

/// A head of a sample, and the first of the rows that a block has.
struct tile_of_head {
  sample_rows keys, queries;
  index sample, head, first;
};

template <class T>
struct staged_pair;

/// What all kernels of one call know.
template <class T>
struct attention_on_device {
  attention_shape shape;
  attention_rows<cuda> rows;
  attention_input<T, cuda> in;
  dropping<T> drop;
  int width;           ///< of a head; numbers that stay on chip are int, which takes one register
  index tiles, count;  ///< of a sample; in all

  attention_on_device(const attention_shape& shape, const attention_rows<cuda>& rows,
                      const attention_input<T, cuda>& in)
      : shape(shape),
        rows(rows),
        in(in),
        drop(shape.dropout, shape.random),
        width(static_cast<int>(in.q.extent(1) / shape.heads)),
        tiles((shape.longest + rows_of_tile - 1) / rows_of_tile),
        count(rows.keys.extent(0) * shape.heads * tiles) {
    expects(shape.longest > 0 || rows.keys.extent(0) == 0,
            "attention: on a device the shape has to say how long the longest sample is");
    expects(width <= widest_head_on_device, [&] {
      return message("attention: heads of ", width, " columns; on a device they may have ", widest_head_on_device);
    });
  }

  [[nodiscard]] launch_shape blocks() const;
  [[nodiscard]] __device__ tile_of_head tile(index b) const {
    const index head = b / tiles % shape.heads, sample = b / tiles / shape.heads;
    const sample_rows keys = rows.keys(sample);
    return {keys, rows.queries.empty() ? keys : rows.queries(sample), sample, head, b % tiles * rows_of_tile};
  }
  [[nodiscard]] __device__ staged_pair<T> keys(const tile_of_head& h, const view<const T, 2, cuda>& values) const;
  [[nodiscard]] __device__ staged_pair<T> queries(const tile_of_head& h, const view<const T, 2, cuda>& beside) const;
  [[nodiscard]] __device__ T scale() const { return T(1) / sqrt(static_cast<T>(width)); }
  [[nodiscard]] __device__ bool sees(const tile_of_head& h, index query, index key) const {
    return query < h.queries.length && key < visible_keys(h.keys, query, shape.causal);
  }
  /// What dropout multiplies a probability with.
  [[nodiscard]] __device__ T factor(const tile_of_head& h, index query, index key) const {
    if (drop.none()) return T(1);
    const std::uint32_t first = shape.first_word(h.queries.begin + query, h.head);
    const random_words four = drop.stream.at(first + static_cast<std::uint32_t>(key / 4));
    const std::uint32_t lower = key % 2 == 0 ? four.word[0] : four.word[1];
    const std::uint32_t upper = key % 2 == 0 ? four.word[2] : four.word[3];
    return (key % 4 < 2 ? lower : upper) < drop.threshold ? T(0) : drop.scale;  // no index: words stay in registers
  }
};

/// The shared memory of a block: rows of two matrices that stay, 32 rows of two matrices that change, and what a warp's
/// lanes tell each other.
template <class T>
struct attention_room {
  T *rows, *more_rows;    ///< [16, width]
  T *chunk, *more_chunk;  ///< [32, width + 1]: lanes read a column without meeting in one bank
  T *told, *more_told;    ///< of the warp: [32, 4]
  int width;

  static constexpr int of_warp = rows_of_chunk * rows_of_warp;
  [[nodiscard]] static std::size_t bytes(int width) {
    constexpr int warps = static_cast<int>(attention_threads / limbeck::detail::warp_size);
    return static_cast<std::size_t>(2 * rows_of_tile * width + 2 * rows_of_chunk * (width + 1) + 2 * warps * of_warp) *
           sizeof(T);
  }
  __device__ explicit attention_room(int width) : width(width) {
    rows = reinterpret_cast<T*>(limbeck::detail::dynamic_shared());
    more_rows = rows + rows_of_tile * width;
    chunk = more_rows + rows_of_tile * width;
    more_chunk = chunk + rows_of_chunk * (width + 1);
    told = more_chunk + rows_of_chunk * (width + 1) + 2 * warp() * of_warp;
    more_told = told + of_warp;
  }
  [[nodiscard]] __device__ static int warp() { return static_cast<int>(threadIdx.x / limbeck::detail::warp_size); }
  [[nodiscard]] __device__ static int lane() { return static_cast<int>(threadIdx.x % limbeck::detail::warp_size); }
  /// The number within the tile of the warp's row r.
  [[nodiscard]] __device__ static int row(int r) { return warp() * rows_of_warp + r; }
  [[nodiscard]] __device__ const T* own(const T* of_rows) const { return of_rows + row(0) * width; }
  [[nodiscard]] __device__ const T* met(const T* of_chunk) const { return of_chunk + lane() * (width + 1); }
};

/// to [count, step] = a head's columns of `valid` rows from `first` on, zeros in the rows behind them. By the whole
/// block.
template <class T>
__device__ void stage_head(const view<const T, 2, cuda>& of, index head, index first, index valid, int count, int width,
                           int step, T* to) {
  for (int i = static_cast<int>(threadIdx.x); i < count * width; i += static_cast<int>(attention_threads)) {
    const int r = i / width, c = i - r * width;
    to[r * step + c] = r < valid ? of(first + r, head * width + c) : T(0);
  }
}

/// One product for each of a warp's rows.
template <class T>
struct of_rows {
  T at[rows_of_warp];
};
/// The products of the warp's rows [4, width] with the row that this lane met.
template <class T>
[[nodiscard]] __device__ of_rows<T> products(const T* rows, const T* met, int width) {
  of_rows<T> sums{};
  for (int c = 0; c < width; ++c)
    for (int r = 0; r < rows_of_warp; ++r) sums.at[r] += rows[r * width + c] * met[c];
  return sums;
}
/// sum[r][part] += told[i][r] * chunk[i][lane + 32 part] for `count` rows i of a chunk: the warp's rows times those.
template <int Parts, class T>
__device__ void add_told(const T* told, const T* chunk, int count, int width, T (&sum)[rows_of_warp][Parts]) {
  const int lane = attention_room<T>::lane();
  for (int i = 0; i < count; ++i)
    for (int part = 0; part < Parts; ++part) {
      const int c = lane + part * rows_of_chunk;
      const T met = c < width ? chunk[i * (width + 1) + c] : T(0);
      for (int r = 0; r < rows_of_warp; ++r) sum[r][part] += told[i * rows_of_warp + r] * met;
    }
}
/// Row `row` of a head's columns of `to` = factor * what the lanes have of it.
template <int Parts, class T>
__device__ void hand_out(const view<T, 2, cuda>& to, index row, index head, int width, T factor, const T (&of)[Parts]) {
  for (int part = 0; part < Parts; ++part) {
    const int c = attention_room<T>::lane() + part * rows_of_chunk;
    if (c < width) to(row, head * width + c) = factor * of[part];
  }
}

template <class T>
struct kept_maps {
  square_blocks<T, cuda> scores, probabilities;
};

/// Two matrices [tokens, width], of whose rows of one sample a head's columns are wanted; the second may be empty.
template <class T>
struct staged_pair {
  view<const T, 2, cuda> first, second;
  index head, begin, end;  ///< the sample's rows

  /// The 16 rows from `row` on stay with the block; a barrier before.
  __device__ void stay(const attention_room<T>& room, index row) const {
    __syncthreads();  // the room may still be read
    stage(room, row, rows_of_tile, room.width, room.rows, room.more_rows);
  }
  /// The 32 rows from `row` on are the next ones that those meet; a barrier on both sides.
  __device__ void come(const attention_room<T>& room, index row) const {
    __syncthreads();
    stage(room, row, rows_of_chunk, room.width + 1, room.chunk, room.more_chunk);
    __syncthreads();
  }

 private:
  __device__ void stage(const attention_room<T>& room, index row, int count, int step, T* to, T* more) const {
    stage_head(first, head, begin + row, end - begin - row, count, room.width, step, to);
    if (!second.empty()) stage_head(second, head, begin + row, end - begin - row, count, room.width, step, more);
  }
};

template <class T>
__device__ staged_pair<T> attention_on_device<T>::keys(const tile_of_head& h,
                                                       const view<const T, 2, cuda>& values) const {
  return {in.k, values, h.head, h.keys.begin, h.keys.begin + h.keys.keys};
}
template <class T>
__device__ staged_pair<T> attention_on_device<T>::queries(const tile_of_head& h,
                                                          const view<const T, 2, cuda>& beside) const {
  return {in.q, beside, h.head, h.queries.begin, h.queries.begin + h.queries.length};
}

/// How many of the rows from `first` on are in a chunk.
[[nodiscard]] LIMBECK_HD int in_chunk(index first, index end) {
  return end - first < rows_of_chunk ? static_cast<int>(end - first) : rows_of_chunk;
}

/// Calls body(how many columns of a head a lane has, as a constant).
template <class Body>
void for_parts(int width, const Body& body) {
  if (width <= 32) return body(std::integral_constant<int, 1>{});
  if (width <= 64) return body(std::integral_constant<int, 2>{});
  body(std::integral_constant<int, 4>{});
}

template <class T>
launch_shape attention_on_device<T>::blocks() const {
  return {blocks_for(count), attention_threads, attention_room<T>::bytes(width)};
}

}  // namespace limbeck::ops::detail
