// Writes what a teacher said of samples to a file, for every student to read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/training/teacher_store_format.hpp"

namespace limbeck {

/// What is to be kept; an empty view is not. Looks at memory of the caller's.
struct teacher_outputs {
  view<const float, 2> logits{};               ///< [samples, classes], or [samples, k] of those that keep_top_k() chose
  index classes = 0;                           ///< of the teacher
  view<const std::int32_t, 2> kept_classes{};  ///< [samples, k]; empty: all classes, in order
  view<const float, 1> log_rest{};             ///< [samples], beside kept_classes
  double temperature = 1;                      ///< of log_rest
  view<const float, 2> last_hidden{};          ///< [samples, width]: what the head reads
  view<const std::int64_t, 1> batch_begin{};   ///< [batches + 1], beside last_hidden: samples that it read at once
  /// Embeddings, hidden, queries, keys and values of any layers, with the rows [samples] at which they lie. Per-layer
  /// signals have as many entries as the teacher has layers; empty ones are not kept.
  signals<const float> states{};
};

namespace detail {

/// Checks what is to be kept and shows it as the tensors of a file.
class teacher_records {
 public:
  teacher_records(std::span<const std::int64_t> ids, const teacher_outputs& said, dtype storage)
      : said_(said), storage_(storage) {
    sizes_.samples = static_cast<index>(ids.size());
    expects(storage == dtype::f32 || storage == dtype::f16 || storage == dtype::bf16,
            [&] { return message("teacher store: cannot keep numbers as ", name_of(storage)); });
    expects(sizes_.samples > 0 && said.classes > 0,
            [&] { return message("teacher store: ", sizes_.samples, " samples of ", said.classes, " classes"); });
    all_.push_back({"sample_ids", dtype::i64, {sizes_.samples}, ids.data()});
    add_logits();
    add_last_hidden();
    add_states();
    expects(all_.size() > 1, "teacher store: nothing is to be kept");
  }

  [[nodiscard]] const std::vector<tensor_record>& tensors() const { return all_; }
  [[nodiscard]] const teacher_store_sizes& sizes() const { return sizes_; }
  [[nodiscard]] std::size_t layers() const { return layers_; }

  /// Of the bytes that the file will have.
  [[nodiscard]] std::uint64_t checksum() const {
    std::uint64_t sum = fnv1a_start;
    const auto add = [&](std::span<const std::byte> bytes) { sum = fnv1a_of_words(bytes, sum); };
    for (const tensor_record& tensor : all_) {
      std::uint64_t elements = 0;
      (void)multiply(tensor.shape, 1, elements);
      const auto count = static_cast<std::size_t>(elements);
      const float* const* const numbers = std::get_if<const float*>(&tensor.data);
      if (tensor.type == dtype::f16)  // a number too large for it is the file writer's to refuse
        (void)each_converted<float16>(*numbers, count, add);
      else if (tensor.type == dtype::bf16)
        (void)each_converted<bfloat16>(*numbers, count, add);
      else
        std::visit([&](const auto* data) { add(std::as_bytes(std::span(data, count))); }, tensor.data);
    }
    return sum;
  }

 private:
  void add_logits() {
    const auto& logits = said_.logits;
    if (logits.empty()) return;
    sizes_.logits = logits.extent(1);
    sizes_.top_k = !said_.kept_classes.empty();
    expects(logits.extent(0) == sizes_.samples && sizes_.logits > 0 && (sizes_.top_k || sizes_.logits == said_.classes),
            [&] {
              return message("teacher store: logits ", shape_text(logits), " of ", said_.classes, " classes for ",
                             sizes_.samples, " samples");
            });
    const tensor_shape shape{sizes_.samples, sizes_.logits};
    all_.push_back({"logits", storage_, shape, without_gaps(logits)});
    if (!sizes_.top_k) return;
    expects_same_shape("teacher store", "kept classes", logits, said_.kept_classes);
    expects(said_.log_rest.extent(0) == sizes_.samples, [&] {
      return message("teacher store: ", said_.log_rest.extent(0), " rests for ", sizes_.samples, " samples");
    });
    expects(said_.temperature > 0,
            [&] { return message("teacher store: temperature ", said_.temperature, ", must be positive"); });
    expects(said_.kept_classes.contiguous() && said_.log_rest.contiguous(),
            "teacher store: kept classes and rests must lie without gaps");
    all_.push_back({"kept_classes", dtype::i32, shape, said_.kept_classes.data()});
    all_.push_back({"log_rest", dtype::f32, {sizes_.samples}, said_.log_rest.data()});
  }
  void add_last_hidden() {
    const auto& hidden = said_.last_hidden;
    if (hidden.empty()) return;
    const auto& begin = said_.batch_begin;
    sizes_.last_hidden = hidden.extent(1);
    sizes_.batches = begin.extent(0) - 1;
    expects(hidden.extent(0) == sizes_.samples && sizes_.batches > 0 && begin.contiguous() && begin(0) == 0 &&
                begin(sizes_.batches) == sizes_.samples && std::is_sorted(begin.data(), begin.data() + begin.extent(0)),
            [&] {
              return message("teacher store: last hidden states ", shape_text(hidden), " in ", sizes_.batches,
                             " batches for ", sizes_.samples, " samples");
            });
    all_.push_back({"last_hidden", dtype::f32, {sizes_.samples, sizes_.last_hidden}, without_gaps(hidden)});
    all_.push_back({"batch_begin", dtype::i64, {begin.extent(0)}, begin.data()});
  }
  void add_states() {
    const signals<const float>& states = said_.states;
    layers_ = std::max({states.hidden.size(), states.queries.size(), states.keys.size(), states.values.size()});
    for (const state_tensor& t : state_tensors(layers_)) {
      const view<const float, 2> state = state_of(states, t.what, t.layer);
      if (state.empty()) continue;
      if (begin_.empty()) add_rows(state.extent(0));
      expects(state.extent(0) == tokens_ && state.extent(1) > 0,
              [&] { return message("teacher store: ", t.name, " ", shape_text(state), " for ", tokens_, " tokens"); });
      sizes_.states += state.extent(1);
      all_.push_back({t.name, storage_, {sizes_.tokens, state.extent(1)}, packed(state)});
    }
  }
  /// Where each sample's tokens lie in the file: one behind the other.
  void add_rows(index tokens) {
    tokens_ = tokens;
    const auto& rows = said_.states.rows;
    expects(rows.extent(0) == sizes_.samples, [&] {
      return message("teacher store: states of ", rows.extent(0), " samples, expected ", sizes_.samples);
    });
    begin_.push_back(0);
    for (index i = 0; i < rows.extent(0); ++i) {
      const sample_rows& row = rows(i);
      expects(row.begin >= 0 && row.length >= 0 && row.begin + row.length <= tokens && row.keys == row.length, [&] {
        return message("teacher store: sample ", i, " has rows ", row.begin, " to ", row.begin + row.length, " and ",
                       row.keys, " keys of ", tokens, " tokens");
      });
      in_file_order_ = in_file_order_ && row.begin == begin_.back();
      begin_.push_back(begin_.back() + row.length);
    }
    sizes_.tokens = begin_.back();
    all_.push_back({"token_begin", dtype::i64, {sizes_.samples + 1}, begin_.data()});
  }

  [[nodiscard]] const float* without_gaps(const view<const float, 2>& from) {
    if (from.contiguous()) return from.data();
    std::vector<float>& to = copies_.emplace_back();
    append(from, 0, from.extent(0), to);
    return to.data();
  }
  /// The tokens of samples alone, in the file's order.
  [[nodiscard]] const float* packed(const view<const float, 2>& from) {
    if (in_file_order_) return without_gaps(from);
    std::vector<float>& to = copies_.emplace_back();
    for (index i = 0; i < said_.states.rows.extent(0); ++i)
      append(from, said_.states.rows(i).begin, said_.states.rows(i).length, to);
    return to.data();
  }
  static void append(const view<const float, 2>& from, index first, index rows, std::vector<float>& to) {
    for (index r = first; r < first + rows; ++r)
      for (index c = 0; c < from.extent(1); ++c) to.push_back(from(r, c));
  }

  const teacher_outputs& said_;
  dtype storage_;
  teacher_store_sizes sizes_;
  std::vector<tensor_record> all_;
  std::deque<std::vector<float>> copies_;  // a deque: records look at them
  std::vector<std::int64_t> begin_;
  std::size_t layers_ = 0;
  index tokens_ = 0;
  bool in_file_order_ = true;
};

}  // namespace detail

/// Writes a store through atomic_file: whole or not at all. `ids`: sample_id() of each. Copies only what lies with
/// gaps. Throws contract_error for shapes that do not fit, more bytes than options.limit, another storage type, or a
/// number that it cannot hold; file_error where the system refuses.
inline void write_teacher_store(const std::filesystem::path& file, const teacher_identity& who,
                                std::span<const std::int64_t> ids, const teacher_outputs& said,
                                const teacher_store_options& options = {}) {
  const detail::teacher_records records(ids, said, options.storage);
  expects_room(records.sizes(), options);
  char temperature[32];
  std::snprintf(temperature, sizeof temperature, "%.17g", said.temperature);
  write_safetensors(file, records.tensors(),
                    {{"limbeck_teacher_store", teacher_store_version},
                     {"model", who.model},
                     {"vocabulary", who.vocabulary},
                     {"task", who.task},
                     {"classes", std::to_string(said.classes)},
                     {"layers", std::to_string(records.layers())},
                     {"temperature", temperature},
                     {"checksum", hash_text(records.checksum())}});
}

}  // namespace limbeck
