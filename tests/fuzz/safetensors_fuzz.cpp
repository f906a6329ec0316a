// Fuzzes the reader of safetensors files: the header, the places of the tensors, and the conversions of their elements.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "fuzz/memory_file.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/safetensors_writer.hpp"

namespace limbeck_test {
namespace {

/// Bytes that start with { are a header and, behind a byte 0, the data, which spares a fuzzer the length in front of
/// the header; others are the whole file.
std::string file_of(std::string_view bytes) {
  if (!bytes.starts_with('{')) return std::string(bytes);
  const std::string_view header = bytes.substr(0, bytes.find('\0'));
  return safetensors_bytes(header, bytes.substr(std::min(header.size() + 1, bytes.size())));
}

void check_places(const limbeck::safetensors_file& file, std::string_view bytes) {
  const auto& tensors = file.tensors();
  must(std::ranges::adjacent_find(tensors, std::ranges::greater_equal{}, &limbeck::tensor_entry::name) == tensors.end(),
       "tensors are sorted, and no name comes twice");
  for (const limbeck::tensor_entry& tensor : tensors) {
    std::uint64_t elements = 0;
    must(limbeck::multiply(tensor.shape, 1, elements) && elements == tensor.elements(), "a shape counts the elements");
    must(file.find(tensor.name) == &tensor, "a tensor is found by its name");
    const auto place = file.bytes(tensor);
    must(place.size() == elements * limbeck::size_of(tensor.type) && place.size() < bytes.size(), "bytes lie in it");
    (void)accepted([&] { return file.read<float>(tensor.name, tensor.shape); });
    (void)accepted([&] { return file.read<double>(tensor.name, tensor.shape); });
    (void)accepted([&] { return file.read<std::int32_t>(tensor.name, tensor.shape); });
    (void)accepted([&] { return file.read<std::int64_t>(tensor.name, tensor.shape); });
  }
}

/// The file as limbeck writes it, byte for byte what was read.
void check_written(const limbeck::safetensors_file& file) {
  std::vector<limbeck::tensor_record> records;
  for (const limbeck::tensor_entry& tensor : file.tensors())
    records.push_back({tensor.name, tensor.type, tensor.shape, file.bytes(tensor).data()});
  std::vector<const limbeck::tensor_record*> order;
  std::string data;
  for (const limbeck::tensor_record& record : records) {
    const auto place = file.bytes(file.at(record.name));
    data.append(reinterpret_cast<const char*>(place.data()), place.size());
    order.push_back(&record);
  }
  const std::string header = limbeck::detail::safetensors_header_text(order, file.metadata());
  const auto again = limbeck::read_safetensors_header("again", safetensors_bytes(header, data));
  must(again.metadata == file.metadata() && again.tensors.size() == file.tensors().size(),
       "all that was read is there");
  for (std::size_t i = 0; i < again.tensors.size(); ++i) {
    const limbeck::tensor_entry &now = again.tensors[i], &before = file.tensors()[i];
    must(now.name == before.name && now.type == before.type && now.shape == before.shape &&
             now.end - now.begin == before.end - before.begin,
         "a tensor that was written reads the same");
  }
}

void read_safetensors(std::string_view bytes) {
  const std::string whole = file_of(bytes);
  const memory_file kept(whole);
  const auto file = accepted([&] { return limbeck::safetensors_file(kept.path()); });
  if (!file) return;
  check_places(*file, whole);
  check_written(*file);
}

const bool safetensors_is_known = fuzzes("safetensors", read_safetensors);

}  // namespace
}  // namespace limbeck_test
