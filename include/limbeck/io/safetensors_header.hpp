// The header of a safetensors file: read event by event, and wholly checked before anybody uses a number of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/tensor_entry.hpp"

namespace limbeck {

/// Tensors sorted by name, and the free texts of the file.
struct safetensors_header {
  std::vector<tensor_entry> tensors;
  std::map<std::string, std::string> metadata;
  std::size_t data_begin = 0;  ///< of the file, where the tensors' bytes start
};

namespace detail {

/// Turns the events of the JSON parser into entries, without building the JSON: memory stays in proportion to the text,
/// and nothing but `{name: {dtype, shape, data_offsets}, "__metadata__": {key: text}}` gets through.
class safetensors_events : public nlohmann::json_sax<json> {
 public:
  safetensors_events(const std::string& file, std::string_view text) : file_(file), text_(text) {}
  safetensors_header header;

  bool null() override { misplaced("null"); }
  bool boolean(bool) override { misplaced("true or false"); }
  bool number_integer(number_integer_t value) override { misplaced(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { misplaced(text.substr(0, 40)); }
  bool binary(binary_t&) override { misplaced("binary data"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (level_ == level::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<index>::max())) misplaced(std::to_string(value));
      if (tensor_.shape.size() == most_extents) refuse("has more than " + std::to_string(most_extents) + " extents");
      tensor_.shape.push_back(static_cast<index>(value));
    } else if (level_ == level::offsets && offsets_ < 2) {
      (offsets_++ == 0 ? tensor_.begin : tensor_.end) = value;
    } else {
      misplaced(std::to_string(value));
    }
    return true;
  }
  bool string(string_t& value) override {
    if (level_ == level::metadata) {
      if (!header.metadata.emplace(key_, std::move(value)).second)
        refuse("has the key " + shown(json(key_)) + " twice");
    } else if (level_ == level::tensor && key_ == "dtype") {
      tensor_.type = known_type(value);
    } else {
      misplaced("the text " + shown(json(value)));
    }
    return true;
  }
  bool start_object(std::size_t) override {
    if (level_ == level::outside) {
      level_ = level::names;
    } else if (level_ == level::names && tensor_.name == "__metadata__") {
      if (std::exchange(has_metadata_, true)) refuse("is there twice");
      level_ = level::metadata;
    } else if (level_ == level::names) {
      level_ = level::tensor;
    } else {
      misplaced("an object");
    }
    return true;
  }
  bool key(string_t& key) override {
    if (level_ == level::names) {
      tensor_ = {};
      tensor_.name = std::move(key);
      has_type_ = has_shape_ = has_offsets_ = false;
      return true;
    }
    key_ = std::move(key);
    if (level_ == level::metadata) return true;
    bool* const seen = key_ == "dtype"          ? &has_type_
                       : key_ == "shape"        ? &has_shape_
                       : key_ == "data_offsets" ? &has_offsets_
                                                : nullptr;
    if (seen == nullptr) refuse("has the key " + shown(json(key_)) + ", expected dtype, shape and data_offsets alone");
    if (std::exchange(*seen, true)) refuse("has " + key_ + " twice");
    return true;
  }
  bool end_object() override {
    if (level_ == level::tensor) {
      if (!has_type_ || !has_shape_ || !has_offsets_)
        refuse(std::string("has no ") + (!has_type_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets"));
      header.tensors.push_back(std::move(tensor_));
    }
    level_ = level_ == level::names ? level::outside : level::names;
    return true;
  }
  bool start_array(std::size_t) override {
    if (level_ != level::tensor || (key_ != "shape" && key_ != "data_offsets")) misplaced("an array");
    level_ = key_ == "shape" ? level::shape : level::offsets;
    offsets_ = 0;
    return true;
  }
  bool end_array() override {
    if (level_ == level::offsets && offsets_ != 2) refuse("has data_offsets of one number or none, expected two");
    level_ = level::tensor;
    return true;
  }
  bool parse_error(std::size_t end, const std::string&, const nlohmann::detail::exception& error) override {
    throw file_error(file_, "header, " + text_place(text_, end), json_complaint(error.what()));
  }

 private:
  enum class level { outside, names, metadata, tensor, shape, offsets };
  static constexpr std::size_t most_extents = 32;

  [[noreturn]] void refuse(const std::string& problem) const {
    throw file_error(file_, tensor_place(tensor_.name), problem);
  }
  [[noreturn]] void misplaced(const std::string& found) const {
    if (level_ == level::outside) throw file_error(file_, "header", "is " + found + ", expected an object");
    const char* const expected = level_ == level::names      ? "an object"
                                 : level_ == level::metadata ? "a text"
                                 : level_ == level::shape    ? "numbers from 0 to 2^63 - 1"
                                 : level_ == level::offsets  ? "two numbers from 0 to 2^64 - 1"
                                 : key_ == "dtype"           ? "the text of a type"
                                                             : "an array of numbers";
    const std::string what = level_ == level::names      ? ""
                             : level_ == level::metadata ? shown(json(key_)) + " "
                                                         : key_ + " ";
    refuse(what + "holds " + found + ", expected " + expected);
  }
  [[nodiscard]] dtype known_type(const std::string& name) const {
    for (const dtype_row& row : dtype_rows)
      if (row.name == name) return row.type;
    refuse("has the unknown dtype " + shown(json(name)) +
           ", expected F32, F16, BF16, F64, I64 or another of the format's");
  }

  const std::string& file_;
  std::string_view text_;
  level level_ = level::outside;
  tensor_entry tensor_;
  std::string key_;
  bool has_type_ = false, has_shape_ = false, has_offsets_ = false, has_metadata_ = false;
  int offsets_ = 0;
};

/// Whether each entry's bytes are those that its type and shape need, and together all `size` bytes, each once.
inline void check_places(const std::string& file, const std::vector<tensor_entry>& tensors, std::uint64_t size) {
  std::vector<const tensor_entry*> order;
  for (const tensor_entry& tensor : tensors) {
    const auto refuse = [&](const std::string& problem) {
      throw file_error(file, tensor_place(tensor.name),
                       std::string(name_of(tensor.type)) + " " + text_of(tensor.shape) + " with data_offsets [" +
                           std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + "] " + problem);
    };
    std::uint64_t needed = 0;
    if (tensor.begin > tensor.end) refuse("runs backwards, expected begin <= end");
    if (tensor.end > size) refuse("goes past the end, expected at most " + std::to_string(size));
    if (!multiply(tensor.shape, size_of(tensor.type), needed))
      refuse("is larger than any file, expected its bytes here");
    if (needed != tensor.end - tensor.begin) refuse("has bytes for another shape, expected " + std::to_string(needed));
    order.push_back(&tensor);
  }
  std::ranges::sort(order, {}, [](const tensor_entry* tensor) { return std::pair(tensor->begin, tensor->end); });
  std::uint64_t at = 0;
  for (const tensor_entry* tensor : order) {
    if (tensor->begin != at)
      throw file_error(file, tensor_place(tensor->name),
                       "begins at byte " + std::to_string(tensor->begin) + " of the data, expected " +
                           std::to_string(at) + (tensor->begin < at ? ": tensors overlap" : ": bytes belong to none"));
    at = tensor->end;
  }
  if (at != size)
    throw file_error(file, "",
                     "has " + std::to_string(size) + " bytes of data, expected the tensors' " + std::to_string(at));
}

}  // namespace detail

/// Reads and checks the header of a file with these bytes. Allocates in proportion to the header's text, never by a
/// number in it. Throws file_error with tensor, what was found and what was expected.
inline safetensors_header read_safetensors_header(const std::string& file, std::string_view bytes) {
  constexpr std::uint64_t most = 100'000'000;  // the format's own limit
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length)
    throw file_error(file, "", "has " + std::to_string(bytes.size()) + " bytes, expected a safetensors file");
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > std::min<std::uint64_t>(bytes.size() - sizeof length, most))
    throw file_error(file, "header",
                     "is said to have " + std::to_string(length) + " bytes, expected at most " +
                         std::to_string(std::min<std::uint64_t>(bytes.size() - sizeof length, most)));
  const std::string_view text = bytes.substr(sizeof length, static_cast<std::size_t>(length));
  if (!text.starts_with('{')) throw file_error(file, "header", "does not start with {, expected a safetensors file");

  detail::safetensors_events events(file, text);
  json::sax_parse(text.begin(), text.end(), &events);
  safetensors_header header = std::move(events.header);
  header.data_begin = sizeof length + text.size();
  std::ranges::sort(header.tensors, {}, &tensor_entry::name);
  const auto twice = std::ranges::adjacent_find(header.tensors, {}, &tensor_entry::name);
  if (twice != header.tensors.end()) throw file_error(file, detail::tensor_place(twice->name), "is there twice");
  detail::check_places(file, header.tensors, bytes.size() - header.data_begin);
  return header;
}

}  // namespace limbeck
