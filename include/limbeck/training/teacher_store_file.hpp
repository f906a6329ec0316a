// A teacher's file, opened: mapped, and wholly checked before anybody reads a number of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/training/teacher_store_format.hpp"

namespace limbeck::detail {

/// Tensors that the file does not have are null. Move-only.
class teacher_store_file {
 public:
  struct kept_state {
    state_tensor of;
    const tensor_entry* tensor;
  };

  /// Throws file_error for a file that is no store, of another version, damaged, or at odds with itself.
  explicit teacher_store_file(const std::filesystem::path& file) : file_(file) {
    const std::string version = text("limbeck_teacher_store");
    if (version != teacher_store_version)
      refuse("is a teacher store of version " + version + ", expected " + teacher_store_version +
             "; limbeck store makes it again");
    who = {text("model"), text("vocabulary"), text("task")};
    classes = number<index>("classes");
    temperature = number<double>("temperature");
    ids = read_all(file_.at("sample_ids"));
    samples = static_cast<index>(ids.size());
    look_for_logits();
    look_for_last_hidden();
    look_for_states();
    if (logits == nullptr && last_hidden == nullptr && states.empty())
      refuse("keeps nothing of the teacher, expected logits, last_hidden or states");
    checksum = text("checksum");
    if (hash_text(sum_) != checksum)
      refuse("is damaged: its data have the checksum " + hash_text(sum_) + ", expected " + checksum);
    if (kept_classes != nullptr) expects_rising_classes();
    file_.expect_any_order();
  }

  teacher_identity who;
  std::string checksum;
  index samples = 0, classes = 0;
  double temperature = 1;
  const tensor_entry *logits = nullptr, *kept_classes = nullptr, *log_rest = nullptr, *last_hidden = nullptr;
  std::vector<kept_state> states;
  std::size_t layers = 0;                              ///< of the teacher, where states are kept
  std::vector<std::int64_t> ids;                       ///< [samples]
  std::vector<std::int64_t> batch_begin, token_begin;  ///< both rise from 0 to the number of samples, of tokens

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[noreturn]] void refuse(const std::string& problem) const { throw file_error(path().string(), "", problem); }

  /// Rows `first` up to `last` of a tensor, as the file has them.
  [[nodiscard]] std::span<const std::byte> bytes_of(const tensor_entry& tensor, index first, index last) const {
    const std::size_t row = (tensor.shape.size() > 1 ? static_cast<std::size_t>(tensor.shape[1]) : 1) *
                            static_cast<std::size_t>(size_of(tensor.type));
    return file_.bytes(tensor).subspan(static_cast<std::size_t>(first) * row,
                                       static_cast<std::size_t>(last - first) * row);
  }
  void read_ahead(std::span<const std::byte> part) const { file_.read_ahead(part); }

 private:
  [[nodiscard]] std::string text(const char* key) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end())
      throw file_error(file_.path().string(), "metadata", std::string("has no ") + key + ", expected a teacher store");
    return found->second;
  }
  template <class T>
  [[nodiscard]] T number(const char* key) const {
    const std::string digits = text(key);
    const auto value = number_in<T>(digits);
    if (!value || !(*value > T(0)))
      throw file_error(file_.path().string(), "metadata", std::string("has the ") + key + " " + digits);
    return *value;
  }

  void count_in(const tensor_entry& tensor) { sum_ = fnv1a_of_words(file_.bytes(tensor), sum_); }
  [[noreturn]] void refuse(const tensor_entry& tensor, const std::string& expected) const {
    refuse("has " + tensor.name + " " + text_of(tensor.shape) + " of type " + std::string(name_of(tensor.type)) +
           ", expected " + expected);
  }
  /// The tensor of that name, shape and type; null where the file has none.
  [[nodiscard]] const tensor_entry* look_for(const char* name, dtype type, const tensor_shape& shape) {
    const tensor_entry* const found = file_.find(name);
    if (found == nullptr) return nullptr;
    if (found->type != type || found->shape != shape)
      refuse(*found, text_of(shape) + " of " + std::string(name_of(type)));
    count_in(*found);
    return found;
  }
  /// The same of a storage type, with so many rows.
  [[nodiscard]] const tensor_entry* look_for_numbers(const std::string& name, index rows, bool lossless = false) {
    const tensor_entry* const found = file_.find(name);
    if (found == nullptr) return nullptr;
    const bool half = found->type == dtype::f16 || found->type == dtype::bf16;
    if (found->shape.size() != 2 || found->shape[0] != rows || found->shape[1] < 1 ||
        (found->type != dtype::f32 && (lossless || !half)))
      refuse(*found, "[" + std::to_string(rows) + ", 1 or more] of F32" + (lossless ? "" : ", F16 or BF16"));
    count_in(*found);
    return found;
  }
  /// A tensor of whole numbers.
  [[nodiscard]] std::vector<std::int64_t> read_all(const tensor_entry& tensor) {
    if (tensor.type != dtype::i64 || tensor.shape.size() != 1) refuse(tensor, "[any number] of I64");
    count_in(tensor);
    return file_.read<std::int64_t>(tensor.name, tensor.shape);
  }
  [[nodiscard]] std::vector<std::int64_t> read_rising(const tensor_entry& tensor) {
    std::vector<std::int64_t> numbers = read_all(tensor);
    if (numbers.empty() || numbers.front() != 0 || !std::is_sorted(numbers.begin(), numbers.end()))
      refuse("has " + tensor.name + " that does not rise from 0");
    return numbers;
  }

  void look_for_logits() {
    logits = look_for_numbers("logits", samples);
    if (logits == nullptr) return;
    const index kept = logits->shape[1];
    kept_classes = look_for("kept_classes", dtype::i32, {samples, kept});
    log_rest = look_for("log_rest", dtype::f32, {samples});
    if ((kept_classes == nullptr) != (log_rest == nullptr))
      refuse("has one of kept_classes and log_rest, expected both");
    if (kept_classes != nullptr ? kept > classes : kept != classes)
      refuse("has " + std::to_string(kept) + " logits a sample of " + std::to_string(classes) + " classes");
  }
  void expects_rising_classes() const {
    const auto kept = static_cast<std::size_t>(kept_classes->shape[1]);
    std::vector<std::int32_t> row(kept);
    for (index i = 0; i < samples; ++i) {
      const std::span<const std::byte> bytes = bytes_of(*kept_classes, i, i + 1);
      std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<std::byte*>(row.data()));
      const bool rises = std::adjacent_find(row.begin(), row.end(), std::greater_equal<>()) == row.end();
      if (!rises || row.front() < 0 || row.back() >= classes)
        refuse("has kept_classes of sample " + std::to_string(i) + " that do not rise from 0 to below " +
               std::to_string(classes));
    }
  }
  void look_for_last_hidden() {
    last_hidden = look_for_numbers("last_hidden", samples, true);
    if (last_hidden == nullptr) return;
    batch_begin = read_rising(file_.at("batch_begin"));
    if (batch_begin.back() != samples)
      refuse("has batches of " + std::to_string(batch_begin.back()) + " samples, expected " + std::to_string(samples));
  }
  void look_for_states() {
    const tensor_entry* const begin = file_.find("token_begin");
    if (begin == nullptr) return;
    token_begin = read_rising(*begin);
    if (static_cast<index>(token_begin.size()) != samples + 1) refuse(*begin, "[samples + 1]");
    const auto depth = text("layers") == "0" ? index{0} : number<index>("layers");  // 0: embeddings alone
    if (depth > static_cast<index>(max_layers))
      refuse("is of a teacher of " + std::to_string(depth) + " layers, expected at most " + std::to_string(max_layers));
    layers = static_cast<std::size_t>(depth);
    for (state_tensor& of : state_tensors(layers))
      if (const tensor_entry* const found = look_for_numbers(of.name, token_begin.back()))
        states.push_back({std::move(of), found});
  }

  safetensors_file file_;
  std::uint64_t sum_ = fnv1a_start;
};

}  // namespace limbeck::detail
