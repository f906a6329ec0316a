// Matrix products of bfloat16 with float32 sums, by oneDNN.
//
// oneDNN compiles a product for its sizes, and a batch has another number of tokens every time. So rows go in blocks of
// a few sizes, each of which is compiled once, and so do the summands where it is them that are tokens.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/onednn.hpp"
#include "limbeck/backend/scratch.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {
namespace detail {

[[nodiscard]] inline const dnnl::engine& onednn_engine() {
  static const dnnl::engine processor(dnnl::engine::kind::cpu, 0);
  return processor;
}
[[nodiscard]] inline const dnnl::stream& onednn_stream() {
  thread_local const dnnl::stream here(onednn_engine());
  return here;
}
inline void onednn_run(const dnnl::primitive& what, std::initializer_list<dnnl_exec_arg_t> on) {
  if (dnnl_primitive_execute(what.get(), onednn_stream().get(), static_cast<int>(on.size()), on.begin()) !=
      dnnl_success)
    throw std::runtime_error("oneDNN could not run what it has compiled");
}

/// A matrix whose place is told before each use.
class onednn_operand {
 public:
  onednn_operand() = default;
  explicit onednn_operand(const dnnl::memory::desc& d) : memory_(d, onednn_engine(), DNNL_MEMORY_NONE) {}
  [[nodiscard]] dnnl_memory_t at(const void* place) const {
    (void)dnnl_memory_set_data_handle(memory_.get(), const_cast<void*>(place));
    return memory_.get();
  }

 private:
  dnnl::memory memory_;
};

/// What code is compiled for, but for the number of rows.
struct bf16_sizes {
  index inner, columns;
  std::array<index, 2> left, right;  ///< strides of the float32 matrices
  index result;                      ///< stride of the rows of c
  bool adds;                         ///< c += ab instead of c = ab

  friend bool operator==(const bf16_sizes&, const bf16_sizes&) = default;
  struct hash {
    std::size_t operator()(const bf16_sizes& s) const {
      std::uint64_t sum = fnv1a_start;
      for (const index x : {s.inner, s.columns, s.left[0], s.left[1], s.right[0], s.right[1], s.result, index{s.adds}})
        sum = fnv1a(static_cast<std::uint64_t>(x), sum);
      return sum;
    }
  };
};

/// The product of any number of rows with a right factor of one size. Of one thread.
class bf16_product {
  using desc = dnnl::memory::desc;
  using dims = dnnl::memory::dims;
  using type = dnnl::memory::data_type;

 public:
  /// Throws dnnl::error where oneDNN has no code of its own for it: it would be slower than float32.
  explicit bf16_product(const bf16_sizes& sizes) : sizes_(sizes) {
    const auto first =
        describe(largest_block, desc(dims{sizes.inner, sizes.columns}, type::bf16, dnnl::memory::format_tag::any));
    if (std::string_view(first.impl_info_str()).find("brg") == std::string_view::npos)
      throw dnnl::error(dnnl_unimplemented, "no bfloat16 products on this processor");
    packed_desc_ = first.weights_desc();
    packed_ = onednn_operand(packed_desc_);
    const desc right = plain(sizes.inner, sizes.columns, sizes.right);
    right_ = onednn_operand(right);
    pack_ = reorder(right, packed_desc_, false);
  }

  /// Throws dnnl::error, before anything is written, where some number of rows cannot be compiled.
  void operator()(const float* a, const float* b, float* c, index rows) {
    for (index row = 0; row < rows; row += next_block(rows - row)) (void)block_of(next_block(rows - row));
    std::byte* const packed = thread_scratch<packed_place, std::byte>(static_cast<index>(packed_desc_.get_size()));
    onednn_run(pack_, {{DNNL_ARG_FROM, right_.at(b)}, {DNNL_ARG_TO, packed_.at(packed)}});
    for (index row = 0; row < rows; row += next_block(rows - row))
      multiply(block_of(next_block(rows - row)), a + row * sizes_.left[0], packed, c + row * sizes_.result);
  }

 private:
  static constexpr index largest_block = 128;
  struct packed_place {};
  struct left_place {};
  struct dense_place {};
  struct work_place {};

  /// The code for a number of rows: `narrow` makes their bfloat16 copy, row after row; `place` takes a result, made row
  /// after row too, to where c has gaps between rows.
  struct block {
    index rows, narrow_bytes, dense_bytes, work_bytes;
    dnnl::reorder narrow, place;
    dnnl::matmul multiply;
    onednn_operand left, narrowed, dense, result, work;
  };

  /// 128, 64, 32 and 16 rows, and what is left of them.
  static index next_block(index rows) {
    index size = largest_block;
    while (size > rows && size > 16) size /= 2;
    return std::min(size, rows);
  }
  static desc plain(index rows, index columns, std::array<index, 2> strides, type of = type::f32) {
    return desc(dims{rows, columns}, of, dims{strides[0], strides[1]});
  }
  [[nodiscard]] desc narrowed_desc(index rows) const {
    return plain(rows, sizes_.inner, {sizes_.inner, 1}, type::bf16);
  }
  [[nodiscard]] desc dense_desc(index rows) const { return plain(rows, sizes_.columns, {sizes_.columns, 1}); }
  [[nodiscard]] bool has_gaps() const { return sizes_.result != sizes_.columns; }

  /// With what is done to the place of the result: replaced or added to.
  [[nodiscard]] static dnnl::primitive_attr attributes(bool adds) {
    dnnl::primitive_attr how;
    if (adds) {
      dnnl::post_ops after;
      after.append_sum(1.0F);
      how.set_post_ops(after);
    }
    return how;
  }

  [[nodiscard]] static dnnl::reorder reorder(const desc& from, const desc& to, bool adds) {
    return {dnnl::reorder::primitive_desc(onednn_engine(), from, onednn_engine(), to, attributes(adds))};
  }
  [[nodiscard]] dnnl::matmul::primitive_desc describe(index rows, const desc& right) const {
    dnnl::primitive_attr how = attributes(sizes_.adds && !has_gaps());
    how.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
    return {onednn_engine(), narrowed_desc(rows), right, dense_desc(rows), how};
#else
    return {dnnl::matmul::desc(narrowed_desc(rows), right, dense_desc(rows)), how, onednn_engine()};
#endif
  }

  const block& block_of(index rows) {
    const auto known = std::find_if(blocks_.begin(), blocks_.end(), [&](const block& b) { return b.rows == rows; });
    if (known != blocks_.end()) return *known;
    const desc left = plain(rows, sizes_.inner, sizes_.left), narrowed = narrowed_desc(rows), dense = dense_desc(rows),
               result = plain(rows, sizes_.columns, {sizes_.result, 1});
    const auto described = describe(rows, packed_desc_);
    return blocks_.emplace_back(block{.rows = rows,
                                      .narrow_bytes = static_cast<index>(narrowed.get_size()),
                                      .dense_bytes = static_cast<index>(dense.get_size()),
                                      .work_bytes = static_cast<index>(described.scratchpad_desc().get_size()),
                                      .narrow = reorder(left, narrowed, false),
                                      .place = has_gaps() ? reorder(dense, result, sizes_.adds) : dnnl::reorder(),
                                      .multiply = dnnl::matmul(described),
                                      .left = onednn_operand(left),
                                      .narrowed = onednn_operand(narrowed),
                                      .dense = onednn_operand(dense),
                                      .result = onednn_operand(result),
                                      .work = onednn_operand(described.scratchpad_desc())});
  }

  void multiply(const block& with, const float* a, const std::byte* packed, float* c) const {
    std::byte* const narrowed = thread_scratch<left_place, std::byte>(with.narrow_bytes);
    std::byte* const work = thread_scratch<work_place, std::byte>(with.work_bytes);
    void* const dense = has_gaps() ? thread_scratch<dense_place, std::byte>(with.dense_bytes) : static_cast<void*>(c);
    onednn_run(with.narrow, {{DNNL_ARG_FROM, with.left.at(a)}, {DNNL_ARG_TO, with.narrowed.at(narrowed)}});
    onednn_run(with.multiply, {{DNNL_ARG_SRC, with.narrowed.at(narrowed)},
                               {DNNL_ARG_WEIGHTS, packed_.at(packed)},
                               {DNNL_ARG_DST, with.dense.at(dense)},
                               {DNNL_ARG_SCRATCHPAD, with.work.at(work)}});
    if (has_gaps()) onednn_run(with.place, {{DNNL_ARG_FROM, with.dense.at(dense)}, {DNNL_ARG_TO, with.result.at(c)}});
  }

  bf16_sizes sizes_;
  desc packed_desc_;
  onednn_operand right_, packed_;
  dnnl::reorder pack_;
  std::vector<block> blocks_;
};

/// False, with nothing written, where oneDNN has no quick product of bfloat16 for these sizes.
[[nodiscard]] inline bool multiply_bf16(view<const float, 2> a, view<const float, 2> b, view<float, 2> c, bool adds) {
  constexpr std::size_t most = 512;
  thread_local std::unordered_map<bf16_sizes, std::unique_ptr<bf16_product>, bf16_sizes::hash> known;
  if (known.size() >= most) known.clear();
  const bf16_sizes sizes{.inner = a.extent(1),
                         .columns = c.extent(1),
                         .left = {a.stride(0), a.stride(1)},
                         .right = {b.stride(0), b.stride(1)},
                         .result = c.stride(0),
                         .adds = adds};
  const auto [at, fresh] = known.try_emplace(sizes);
  try {
    if (fresh) at->second = std::make_unique<bf16_product>(sizes);
    if (at->second == nullptr) return false;
    (*at->second)(a.data(), b.data(), c.data(), c.extent(0));
    return true;
  } catch (const dnnl::error&) {
    at->second.reset();
    return false;
  }
}

}  // namespace detail

/// Factors are rounded to bfloat16, sums are float32 (component `onednn`); everything between products stays float32.
/// Small products, double, and all of them on a processor without instructions for bfloat16, are onednn_provider's.
struct onednn_bf16_provider {
  template <class T>
    requires std::same_as<T, float> || std::same_as<T, double>
  static void multiply(T alpha, view<const T, 2> a, view<const T, 2> b, T beta, view<T, 2> c) {
    if constexpr (std::same_as<T, float>)
      if (alpha == 1 && (beta == 0 || beta == 1) && worth_it(a, c)) {
        const detail::one_openmp_thread alone;
        return multiply_slices(a, b, beta == 1, c);
      }
    onednn_provider::multiply(alpha, a, b, beta, c);
  }

 private:
  /// Rounding, packing and calls take longer than a smaller product.
  static bool worth_it(view<const float, 2> a, view<float, 2> c) {
    constexpr index least = 16;
    return std::min({c.extent(0), c.extent(1), a.extent(1)}) >= least && c.stride(1) == 1;
  }

  /// A row-major `a` has features inside, whose number is always the same; a column-major one has tokens there.
  static void multiply_slices(view<const float, 2> a, view<const float, 2> b, bool adds, view<float, 2> c) {
    constexpr index longest = 512, grain = 16;
    const index inner = a.extent(1);
    for (index k = 0; k < inner;) {
      const index left = inner - k;
      const index count = a.stride(1) == 1 ? left : left < grain ? left : std::min(longest, left / grain * grain);
      const view<const float, 2> here = column_block(a, k, count), there = row_block(b, k, count);
      if (count < grain || !detail::multiply_bf16(here, there, c, adds))
        onednn_provider::multiply(1.0F, here, there, adds ? 1.0F : 0.0F, c);
      adds = true;
      k += count;
    }
  }
};

/// How many times faster than float32's the products of bfloat16 are on this processor: the quickest of a few of the
/// size of a small BERT's, on the calling thread; takes some 50 ms. 0 where the processor has no instructions for them.
[[nodiscard]] inline double bf16_speedup() {
  constexpr index rows = 512, width = 768;
  const buffer<float> a(rows * width), b(width * width);
  buffer<float> c(rows * width);
  const view<const float, 2> left(a.data(), rows, width), right(b.data(), width, width);
  const view<float, 2> result(c.data(), rows, width);
  {
    const detail::one_openmp_thread alone;
    if (!detail::multiply_bf16(left, right, result, false)) return 0;
  }
  const auto seconds = [&](auto provider) {
    const auto start = std::chrono::steady_clock::now();
    provider.multiply(1.0F, left, right, 0.0F, result);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double narrow = seconds(onednn_bf16_provider{}), wide = seconds(onednn_provider{});
  for (int again = 0; again < 4; ++again) {
    narrow = std::min(narrow, seconds(onednn_bf16_provider{}));
    wide = std::min(wide, seconds(onednn_provider{}));
  }
  return wide / narrow;
}

}  // namespace limbeck
