// What a teacher said of samples, kept in a file: computed once, read by every student.
//
// A safetensors file, so that anything reads it: `sample_ids` [samples] I64; `logits` [samples, classes] of the storage
// type; or, of the k likeliest classes, `logits` and `kept_classes` [samples, k] I32 and `log_rest` [samples] F32. Its
// metadata name version, teacher, vocabulary, task, classes, temperature (of log_rest) and the checksum of the data.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/training/samples.hpp"

namespace limbeck {

/// Who said it, and in what terms.
struct teacher_identity {
  std::string model;       ///< a hash of configuration and weights
  std::string vocabulary;  ///< a hash of the pieces in their order
  std::string task;        ///< with its labels, whose order is that of the logits
};

/// A hash as a store's metadata show it.
[[nodiscard]] inline std::string hash_text(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

/// A sample's number by what the teacher saw of it: other tokens have another. Labels do not count.
[[nodiscard]] inline std::int64_t sample_id(const encoding& tokens) {
  std::uint64_t hash = fnv1a(std::uint64_t{tokens.ids.size()}, fnv1a_start);
  for (const std::int32_t id : tokens.ids) hash = fnv1a(std::uint64_t{static_cast<std::uint32_t>(id)}, hash);
  for (const std::int32_t type : tokens.types) hash = fnv1a(std::uint64_t{static_cast<std::uint32_t>(type)}, hash);
  return std::bit_cast<std::int64_t>(hash);
}

/// What is to be kept: of all classes, or of those that keep_top_k() chose. Looks at memory of the caller's.
struct teacher_outputs {
  view<const float, 2> logits{};               ///< [samples, classes or k]
  index classes = 0;                           ///< of the teacher
  view<const std::int32_t, 2> kept_classes{};  ///< [samples, k]; empty: all classes, in order
  view<const float, 1> log_rest{};             ///< [samples], beside kept_classes
  double temperature = 1;                      ///< of log_rest
};

struct teacher_store_options {
  dtype storage = dtype::f32;                                       ///< of logits: f32, f16 or bf16
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();  ///< bytes that it may take
};

/// The bytes that a store of so many samples takes, its header apart. `kept`: classes a row, all or k of them.
[[nodiscard]] constexpr std::uint64_t teacher_store_bytes(index samples, index kept, bool top_k, dtype storage) {
  const std::uint64_t number = storage == dtype::f32 ? 4 : 2;
  const std::uint64_t a_sample = sizeof(std::int64_t) + static_cast<std::uint64_t>(kept) * (number + (top_k ? 4 : 0)) +
                                 (top_k ? sizeof(float) : 0);
  return static_cast<std::uint64_t>(samples) * a_sample;
}

/// Throws contract_error where a store would take more than it may: before a teacher has worked for it.
inline void expects_room(index samples, index kept, bool top_k, const teacher_store_options& options) {
  const std::uint64_t bytes = teacher_store_bytes(samples, kept, top_k, options.storage);
  expects(bytes <= options.limit, [&] {
    return message("teacher store: ", samples, " samples of ", kept, " logits take ", bytes, " bytes, at most ",
                   options.limit, " are allowed");
  });
}

namespace detail {

/// A matrix in a file's type, without gaps.
inline std::vector<std::byte> stored_bytes(const view<const float, 2>& numbers, dtype type) {
  std::vector<std::byte> bytes;
  const auto append = [&](auto x) {
    const auto raw = std::bit_cast<std::array<std::byte, sizeof x>>(x);
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  };
  for (index r = 0; r < numbers.extent(0); ++r)
    for (index c = 0; c < numbers.extent(1); ++c) {
      const float x = numbers(r, c);
      if (type == dtype::f32)
        append(x);
      else if (type == dtype::f16)
        append(static_cast<float16>(x));
      else
        append(static_cast<bfloat16>(x));
    }
  return bytes;
}

inline std::uint64_t checksum_of(std::span<const std::byte> bytes, std::uint64_t start) {
  return fnv1a(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), start);
}

}  // namespace detail

/// Writes a store through atomic_file: whole or not at all. `ids`: sample_id() of each. Throws contract_error for
/// shapes that do not fit, more bytes than options.limit, or another storage type; file_error where the system refuses.
inline void write_teacher_store(const std::filesystem::path& file, const teacher_identity& who,
                                std::span<const std::int64_t> ids, const teacher_outputs& said,
                                const teacher_store_options& options = {}) {
  const index samples = said.logits.extent(0), kept = said.logits.extent(1);
  const bool top_k = !said.kept_classes.empty();
  expects(options.storage == dtype::f32 || options.storage == dtype::f16 || options.storage == dtype::bf16,
          [&] { return message("teacher store: cannot keep logits as ", name_of(options.storage)); });
  expects(static_cast<index>(ids.size()) == samples && samples > 0 && kept > 0 && (top_k || kept == said.classes), [&] {
    return message("teacher store: logits ", shape_text(said.logits), " of ", said.classes, " classes for ", ids.size(),
                   " samples");
  });
  if (top_k) {
    expects_same_shape("teacher store", "kept classes", said.logits, said.kept_classes);
    expects(said.log_rest.extent(0) == samples,
            [&] { return message("teacher store: ", said.log_rest.extent(0), " rests for ", samples, " samples"); });
  }
  expects_room(samples, kept, top_k, options);

  const std::vector<std::byte> logits = detail::stored_bytes(said.logits, options.storage);
  std::vector<std::int32_t> classes;
  std::vector<float> rest;
  std::uint64_t sum = detail::checksum_of(std::as_bytes(ids), fnv1a_start);
  sum = detail::checksum_of(logits, sum);
  std::vector<tensor_record> tensors{{"sample_ids", dtype::i64, {samples}, ids.data()},
                                     {"logits", options.storage, {samples, kept}, logits.data()}};
  if (top_k) {
    for (index r = 0; r < samples; ++r) {
      rest.push_back(said.log_rest(r));
      for (index j = 0; j < kept; ++j) classes.push_back(said.kept_classes(r, j));
    }
    sum = detail::checksum_of(std::as_bytes(std::span(classes)), sum);
    sum = detail::checksum_of(std::as_bytes(std::span(rest)), sum);
    tensors.push_back({"kept_classes", dtype::i32, {samples, kept}, classes.data()});
    tensors.push_back({"log_rest", dtype::f32, {samples}, rest.data()});
  }
  char temperature[32];
  std::snprintf(temperature, sizeof temperature, "%.17g", said.temperature);
  write_safetensors(file, tensors,
                    {{"limbeck_teacher_store", "1"},
                     {"model", who.model},
                     {"vocabulary", who.vocabulary},
                     {"task", who.task},
                     {"classes", std::to_string(said.classes)},
                     {"temperature", temperature},
                     {"checksum", hash_text(sum)}});
}

/// What a store says of a batch, with its memory.
struct kept_batch {
  std::vector<float> logits, log_rest;
  std::vector<std::int32_t> kept_classes;
  index samples = 0, kept = 0;

  /// Logits [samples, classes], or those of kept_classes [samples, k] with log_rest, as a loss reads a teacher.
  [[nodiscard]] signals<const float> seen() const {
    signals<const float> s{.logits = view<const float, 2>(logits.data(), samples, kept)};
    if (!kept_classes.empty()) {
      s.kept_classes = view<const std::int32_t, 2>(kept_classes.data(), samples, kept);
      s.log_rest = view<const float, 1>(log_rest.data(), samples);
    }
    return s;
  }
};

/// A store that was opened: mapped, and wholly checked. Rows are found by what the samples are, so another order, a
/// part of them, or new labels do no harm. Move-only.
class teacher_store {
 public:
  /// Throws file_error for a file that is no store, of another version, damaged, or at odds with itself.
  explicit teacher_store(const std::filesystem::path& file) : file_(file) {
    const std::string version = text("limbeck_teacher_store");
    if (version != "1") refuse("is a teacher store of version " + version + ", expected 1");
    who_ = {text("model"), text("vocabulary"), text("task")};
    classes_ = number<index>("classes");
    temperature_ = number<double>("temperature");
    const tensor_entry& logits = file_.at("logits");
    if (logits.shape.size() != 2 ||
        (logits.type != dtype::f32 && logits.type != dtype::f16 && logits.type != dtype::bf16))
      refuse("has logits " + text_of(logits.shape) + " of type " + std::string(name_of(logits.type)) +
             ", expected [samples, classes] of F32, F16 or BF16");
    samples_ = logits.shape[0];
    kept_ = logits.shape[1];
    top_k_ = file_.find("kept_classes") != nullptr;
    if (top_k_ ? kept_ > classes_ : kept_ != classes_)
      refuse("has " + std::to_string(kept_) + " logits a sample of " + std::to_string(classes_) + " classes");
    ids_ = file_.read<std::int64_t>("sample_ids", {samples_});
    check_sum();
    for (index i = 0; i < samples_; ++i) row_of_.emplace(ids_[static_cast<std::size_t>(i)], i);
  }

  [[nodiscard]] const teacher_identity& identity() const { return who_; }
  [[nodiscard]] index samples() const { return samples_; }
  [[nodiscard]] index classes() const { return classes_; }
  [[nodiscard]] bool is_top_k() const { return top_k_; }
  /// Of the classes that a row keeps, and of what it says about the others.
  [[nodiscard]] index kept() const { return kept_; }
  [[nodiscard]] double temperature() const { return temperature_; }

  /// Throws file_error, naming what differs, where the store is another teacher's.
  void expects_identity(const teacher_identity& wanted) const {
    const auto same = [&](const char* what, const std::string& have, const std::string& want) {
      if (have != want) refuse("was made with another " + std::string(what) + ": " + have + ", expected " + want);
    };
    same("task", who_.task, wanted.task);
    same("vocabulary", who_.vocabulary, wanted.vocabulary);
    same("teacher", who_.model, wanted.model);
  }

  /// The rows of a set's samples. Throws file_error naming the first that the store does not have.
  [[nodiscard]] std::vector<index> rows_of(const sample_set& set) const {
    std::vector<index> rows;
    for (std::size_t i = 0; i < set.tokens.size(); ++i) {
      const std::int64_t id = sample_id(set.tokens[i]);
      const auto found = row_of_.find(id);
      if (i < ids_.size() && ids_[i] == id)
        rows.push_back(static_cast<index>(i));  // of samples that come twice each has its own
      else if (found != row_of_.end())
        rows.push_back(found->second);
      else
        refuse("has no sample of the tokens of sample " + std::to_string(i) + " of " + std::to_string(set.size()));
    }
    return rows;
  }

  /// Copies rows to `out`, whose memory is used again from batch to batch.
  void gather(std::span<const index> rows, kept_batch& out) const {
    out.samples = static_cast<index>(rows.size());
    out.kept = kept_;
    const auto count = rows.size() * static_cast<std::size_t>(kept_);
    out.logits.resize(count);
    copy_rows("logits", rows, static_cast<std::size_t>(kept_), out.logits.data());
    if (!top_k_) return;
    out.kept_classes.resize(count);
    out.log_rest.resize(rows.size());
    copy_rows("kept_classes", rows, static_cast<std::size_t>(kept_), out.kept_classes.data());
    copy_rows("log_rest", rows, 1, out.log_rest.data());
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const { throw file_error(file_.path().string(), "", problem); }
  [[nodiscard]] std::string text(const char* key) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end())
      throw file_error(file_.path().string(), "metadata", std::string("has no ") + key + ", expected a teacher store");
    return found->second;
  }
  template <class T>
  [[nodiscard]] T number(const char* key) const {
    const std::string digits = text(key);
    T value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || !(value > T(0)))
      throw file_error(file_.path().string(), "metadata", std::string("has the ") + key + " " + digits);
    return value;
  }
  void check_sum() const {
    std::uint64_t sum = detail::checksum_of(file_.bytes(file_.at("sample_ids")), fnv1a_start);
    sum = detail::checksum_of(file_.bytes(file_.at("logits")), sum);
    if (top_k_) {
      const auto expected = [&](const char* name, dtype type, const tensor_shape& shape) {
        const tensor_entry& tensor = file_.at(name);
        if (tensor.type != type || tensor.shape != shape)
          refuse(std::string("has ") + name + " " + text_of(tensor.shape) + ", expected " + text_of(shape));
        sum = detail::checksum_of(file_.bytes(tensor), sum);
      };
      expected("kept_classes", dtype::i32, {samples_, kept_});
      expected("log_rest", dtype::f32, {samples_});
    }
    if (hash_text(sum) != text("checksum"))
      refuse("is damaged: its data have the checksum " + hash_text(sum) + ", expected " + text("checksum"));
  }
  template <class T>
  void copy_rows(const char* name, std::span<const index> rows, std::size_t columns, T* out) const {
    const tensor_entry& tensor = file_.at(name);
    const std::span<const std::byte> all = file_.bytes(tensor);
    const std::size_t bytes = columns * size_of(tensor.type);
    for (const index row : rows) {
      (void)detail::convert(tensor.type, all.subspan(static_cast<std::size_t>(row) * bytes, bytes), out);
      out += columns;
    }
  }

  safetensors_file file_;
  teacher_identity who_;
  index samples_ = 0, kept_ = 0, classes_ = 0;
  double temperature_ = 1;
  bool top_k_ = false;
  std::vector<std::int64_t> ids_;
  std::unordered_map<std::int64_t, index> row_of_;  ///< the first of equals
};

}  // namespace limbeck
