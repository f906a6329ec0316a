// Reads a safetensors file: tensors by name, converted to the type that is asked for.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/io/mapped_file.hpp"
#include "limbeck/io/safetensors_header.hpp"
#include "limbeck/io/tensor_entry.hpp"

namespace limbeck {

/// What tensors can be read as: float and double from any floating-point type of two bytes or more; integers of four
/// and eight bytes from the signed types, and from U8.
template <class T>
concept readable =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;

namespace detail {

/// Copies elements of type From to `out`; false where one is beyond T's range. The bytes need no alignment.
template <class From, class T>
[[nodiscard]] bool convert(std::span<const std::byte> bytes, T* out) {
  if constexpr (std::same_as<From, T>) {
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    return true;
  } else {
    bool fits = true;
    for (std::size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
      From x;
      std::memcpy(&x, bytes.data() + i * sizeof x, sizeof x);
      if constexpr (std::integral<T>) {
        fits = fits && std::in_range<T>(x);
        out[i] = static_cast<T>(x);
      } else {
        out[i] = static_cast<T>(x);
        if constexpr (sizeof(From) > sizeof(T)) fits = fits && (std::isinf(x) || !std::isinf(out[i]));
      }
    }
    return fits;
  }
}

enum class conversion { done, out_of_range, wrong_type };

template <readable T>
[[nodiscard]] conversion convert(dtype type, std::span<const std::byte> bytes, T* out) {
  const auto from = [&]<class From>(From) {
    return convert<From>(bytes, out) ? conversion::done : conversion::out_of_range;
  };
  if constexpr (std::floating_point<T>) {
    if (type == dtype::f32) return from(float{});
    if (type == dtype::f64) return from(double{});
    if (type == dtype::f16) return from(float16{});
    if (type == dtype::bf16) return from(bfloat16{});
  } else {
    if (type == dtype::i64) return from(std::int64_t{});
    if (type == dtype::i32) return from(std::int32_t{});
    if (type == dtype::i16) return from(std::int16_t{});
    if (type == dtype::i8) return from(std::int8_t{});
    if (type == dtype::u8) return from(std::uint8_t{});
  }
  return conversion::wrong_type;
}

}  // namespace detail

/// A safetensors file, mapped and wholly checked when it is opened: later calls read only what is there. Move-only.
class safetensors_file {
 public:
  /// Throws file_error with file, tensor and what was expected.
  explicit safetensors_file(const std::filesystem::path& file)
      : mapped_(file), header_(read_safetensors_header(file.string(), mapped_.text())) {}

  [[nodiscard]] const std::filesystem::path& path() const { return mapped_.path(); }
  /// Sorted by name.
  [[nodiscard]] const std::vector<tensor_entry>& tensors() const { return header_.tensors; }
  /// The texts under `__metadata__`.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

  /// Null where there is no such tensor.
  [[nodiscard]] const tensor_entry* find(std::string_view name) const {
    const auto at = std::ranges::lower_bound(header_.tensors, name, {}, &tensor_entry::name);
    return at == header_.tensors.end() || at->name != name ? nullptr : &*at;
  }
  /// Throws file_error where there is no such tensor.
  [[nodiscard]] const tensor_entry& at(std::string_view name) const {
    const tensor_entry* const found = find(name);
    if (found == nullptr) throw file_error(path().string(), detail::tensor_place(std::string(name)), "is missing");
    return *found;
  }
  /// The elements as the file has them, at any alignment; valid as long as this object.
  [[nodiscard]] std::span<const std::byte> bytes(const tensor_entry& tensor) const {
    return mapped_.bytes().subspan(header_.data_begin + tensor.begin, tensor.end - tensor.begin);
  }

  /// What mapped_file says of them.
  void read_ahead(std::span<const std::byte> part) const { mapped_.read_ahead(part); }
  void expect_any_order() const { mapped_.expect_any_order(); }

  /// Copies a tensor of that shape to `out`, row-major, which has room for all its elements. Throws file_error for a
  /// tensor that is missing, has another shape, a type that T cannot hold, or a number beyond T's range.
  template <readable T>
  void read(std::string_view name, const tensor_shape& expected, T* out) const {
    const tensor_entry& tensor = at(name);
    const auto refuse = [&](const std::string& problem) {
      throw file_error(path().string(), detail::tensor_place(tensor.name), problem);
    };
    if (tensor.shape != expected) refuse("has shape " + text_of(tensor.shape) + ", expected " + text_of(expected));
    const auto result = detail::convert(tensor.type, bytes(tensor), out);
    const std::string type(name_of(tensor.type));
    const std::string wanted = (std::floating_point<T> ? "float" : "int") + std::to_string(8 * sizeof(T));
    if (result == detail::conversion::wrong_type)
      refuse("has type " + type + ", expected " +
             (std::floating_point<T> ? "F32, F16, BF16 or F64" : "I64, I32, I16, I8 or U8"));
    if (result == detail::conversion::out_of_range)
      refuse("has a number of type " + type + " that is beyond the range of " + wanted);
  }
  /// The same into a vector of its own size.
  template <readable T>
  [[nodiscard]] std::vector<T> read(std::string_view name, const tensor_shape& expected) const {
    const tensor_entry& tensor = at(name);
    std::vector<T> out(tensor.shape == expected ? static_cast<std::size_t>(tensor.elements()) : 0);
    read(name, expected, out.data());
    return out;
  }

 private:
  mapped_file mapped_;
  safetensors_header header_;
};

}  // namespace limbeck
