// Writes tensors to a safetensors file, which is replaced as a whole or not at all.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/tensor_entry.hpp"

namespace limbeck {

/// A tensor to write, of that type in the file. `data` looks at elements, row-major, that somebody else owns:
/// floating-point numbers for f64, f32, f16 and bf16; integers for the same integer type; bytes for any type, copied as
/// they are.
struct tensor_record {
  std::string name;
  dtype type = dtype::f32;
  tensor_shape shape;
  std::variant<const float*, const double*, const std::int64_t*, const std::int32_t*, const std::byte*> data;
};

namespace detail {

/// Shows elements of type From as To, a buffer at a time. False, and no more of them, where a number becomes infinite
/// that was not.
template <class To, class From, class Visit>
[[nodiscard]] bool each_converted(const From* data, std::size_t count, const Visit& visit) {
  std::vector<To> buffer(std::min<std::size_t>(count, 1 << 14));
  while (count > 0) {
    const std::size_t now = std::min(count, buffer.size());
    for (std::size_t i = 0; i < now; ++i) {
      buffer[i] = static_cast<To>(data[i]);
      if (std::isinf(static_cast<double>(buffer[i])) && !std::isinf(data[i])) return false;
    }
    visit(std::as_bytes(std::span(buffer).first(now)));
    data += now;
    count -= now;
  }
  return true;
}

/// Throws contract_error where the elements cannot be stored as the tensor's type.
template <class T>
void write_elements(atomic_file& out, const tensor_record& tensor, const T* data, std::size_t count) {
  const auto refuse = [&](const std::string& problem) {
    throw contract_error("write_safetensors: " + tensor_place(tensor.name) + " " + problem + " as " +
                         std::string(name_of(tensor.type)));
  };
  const bool as_they_are = std::same_as<T, std::byte> || (std::same_as<T, float> && tensor.type == dtype::f32) ||
                           (std::same_as<T, double> && tensor.type == dtype::f64) ||
                           (std::same_as<T, std::int64_t> && tensor.type == dtype::i64) ||
                           (std::same_as<T, std::int32_t> && tensor.type == dtype::i32);
  if (data == nullptr && count > 0) refuse("has no elements to write");
  if (as_they_are) {
    out.write(std::as_bytes(std::span(data, std::same_as<T, std::byte> ? count * size_of(tensor.type) : count)));
  } else if constexpr (std::floating_point<T>) {
    const auto write = [&](std::span<const std::byte> bytes) { out.write(bytes); };
    bool fits = true;
    if (tensor.type == dtype::f32)
      fits = each_converted<float>(data, count, write);
    else if (tensor.type == dtype::f64)
      fits = each_converted<double>(data, count, write);
    else if (tensor.type == dtype::f16)
      fits = each_converted<float16>(data, count, write);
    else if (tensor.type == dtype::bf16)
      fits = each_converted<bfloat16>(data, count, write);
    else
      refuse("holds floating-point numbers, which cannot be written");
    if (!fits) refuse("has a number that is infinite");
  } else {
    refuse("holds integers, which cannot be written");
  }
}

/// The header's text, padded so that the data behind it start at a multiple of 8 bytes.
inline std::string safetensors_header_text(const std::vector<const tensor_record*>& order,
                                           const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t at = 0;
  for (const tensor_record* tensor : order) {
    std::uint64_t size = 0;
    expects(multiply(tensor->shape, size_of(tensor->type), size) && !__builtin_add_overflow(at, size, &size), [&] {
      return message("write_safetensors: ", tensor_place(tensor->name), " has the impossible shape ",
                     text_of(tensor->shape));
    });
    header[tensor->name] = {{"dtype", name_of(tensor->type)}, {"shape", tensor->shape}, {"data_offsets", {at, size}}};
    at = size;
  }
  try {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const nlohmann::json::exception&) {
    throw contract_error("write_safetensors: a name or a text of the metadata is not UTF-8");
  }
}

}  // namespace detail

/// Writes `file` through atomic_file. Tensors lie in the given order, those of larger elements first, so that each is
/// aligned to its elements. Transformers reads only files whose metadata say which framework's layout they have. Throws
/// contract_error for names that come twice, shapes without a size and elements that the type cannot hold, file_error
/// where the system refuses; the old file is whole then.
inline void write_safetensors(const std::filesystem::path& file, std::span<const tensor_record> tensors,
                              const std::map<std::string, std::string>& metadata = {{"format", "pt"}}) {
  std::vector<const tensor_record*> order;
  std::unordered_set<std::string_view> names{"__metadata__"};
  for (const tensor_record& tensor : tensors) {
    expects(names.insert(tensor.name).second, [&] {
      return message("write_safetensors: ", detail::tensor_place(tensor.name), " is a name that is taken");
    });
    order.push_back(&tensor);
  }
  std::ranges::stable_sort(order, std::ranges::greater{}, [](const tensor_record* t) { return size_of(t->type); });
  const std::string header = detail::safetensors_header_text(order, metadata);
  const std::uint64_t length = header.size();

  atomic_file out(file);
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const tensor_record* tensor : order) {
    std::uint64_t count = 0;
    (void)multiply(tensor->shape, 1, count);
    std::visit([&](const auto* data) { detail::write_elements(out, *tensor, data, static_cast<std::size_t>(count)); },
               tensor->data);
  }
  out.commit();
}

}  // namespace limbeck
