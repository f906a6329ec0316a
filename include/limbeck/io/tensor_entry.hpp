// What a tensor in a file is: its name, element type, shape and place.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/core/view.hpp"
#include "limbeck/io/json.hpp"

namespace limbeck {

static_assert(std::endian::native == std::endian::little,
              "tensors in files are little-endian, and are copied as they are");

/// Element types of safetensors files, under the format's own names in lower case.
enum class dtype { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean, c64, f8_e5m2, f8_e4m3, f8_e8m0 };

namespace detail {

struct dtype_row {
  dtype type;
  std::string_view name;
  std::uint64_t bytes;  // of an element
};
inline constexpr dtype_row dtype_rows[] = {
    {dtype::f64, "F64", 8},         {dtype::f32, "F32", 4},         {dtype::f16, "F16", 2},
    {dtype::bf16, "BF16", 2},       {dtype::i64, "I64", 8},         {dtype::i32, "I32", 4},
    {dtype::i16, "I16", 2},         {dtype::i8, "I8", 1},           {dtype::u64, "U64", 8},
    {dtype::u32, "U32", 4},         {dtype::u16, "U16", 2},         {dtype::u8, "U8", 1},
    {dtype::boolean, "BOOL", 1},    {dtype::c64, "C64", 8},         {dtype::f8_e5m2, "F8_E5M2", 1},
    {dtype::f8_e4m3, "F8_E4M3", 1}, {dtype::f8_e8m0, "F8_E8M0", 1},
};
constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(dtype_rows); ++i)
    if (dtype_rows[i].type != static_cast<dtype>(i)) return false;
  return true;
}
static_assert(in_order());

/// How messages name a tensor.
inline std::string tensor_place(const std::string& name) { return "tensor " + shown(json(name)); }

}  // namespace detail

/// "F32", "BF16", ...
[[nodiscard]] constexpr std::string_view name_of(dtype type) {
  return detail::dtype_rows[static_cast<std::size_t>(type)].name;
}
/// Bytes of an element.
[[nodiscard]] constexpr std::uint64_t size_of(dtype type) {
  return detail::dtype_rows[static_cast<std::size_t>(type)].bytes;
}

/// Extents, row-major, as the file states them; none: a single number.
using tensor_shape = std::vector<index>;

/// "[2, 3]".
[[nodiscard]] inline std::string text_of(std::span<const index> shape) {
  std::string text = "[";
  for (const index extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

/// Puts extents[0] * extents[1] * ... * `factor` into `product`; false where that does not fit, or an extent is
/// negative.
[[nodiscard]] constexpr bool multiply(std::span<const index> extents, std::uint64_t factor, std::uint64_t& product) {
  product = factor;
  for (const index extent : extents)
    if (extent < 0 || __builtin_mul_overflow(product, static_cast<std::uint64_t>(extent), &product)) return false;
  return true;
}

/// One tensor of a file. Bytes begin to end (one past) of the file's data are its elements.
struct tensor_entry {
  std::string name;
  dtype type{};
  tensor_shape shape;
  std::uint64_t begin = 0, end = 0;

  [[nodiscard]] std::uint64_t elements() const { return (end - begin) / size_of(type); }
};

}  // namespace limbeck
