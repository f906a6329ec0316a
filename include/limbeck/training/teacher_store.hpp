// What a teacher said of samples, read from a file: computed once, used by every student.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/training/kept_batch.hpp"
#include "limbeck/training/samples.hpp"
#include "limbeck/training/teacher_store_file.hpp"

namespace limbeck {

/// A store that was opened. Rows are found by what the samples are, so another order, a part of them, or new labels do
/// no harm. Move-only.
class teacher_store {
 public:
  static constexpr index no_row = -1;

  /// Throws file_error for a file that is no store, of another version, damaged, or at odds with itself.
  explicit teacher_store(const std::filesystem::path& file) : file_(file), next_(file_.ids.size()) {
    for (index i = samples(); i-- > 0;) {
      const auto [first, fresh] = first_row_.try_emplace(file_.ids[static_cast<std::size_t>(i)], i);
      next_[static_cast<std::size_t>(i)] = first->second;
      first->second = i;
    }
  }

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] const teacher_identity& identity() const { return file_.who; }
  /// Of all that it keeps.
  [[nodiscard]] const std::string& checksum() const { return file_.checksum; }
  [[nodiscard]] index samples() const { return file_.samples; }
  [[nodiscard]] index classes() const { return file_.classes; }
  /// The signals that gather() gives.
  [[nodiscard]] signal_set holds() const {
    signal_set all = file_.logits != nullptr ? signal::logits : signal::none;
    for (const auto& state : file_.states) all = all | state.of.what;
    return all;
  }
  [[nodiscard]] bool is_top_k() const { return file_.kept_classes != nullptr; }
  /// Of the classes that a row of logits keeps, and of what it says about the others. 0: no logits are kept.
  [[nodiscard]] index kept() const { return file_.logits == nullptr ? 0 : file_.logits->shape[1]; }
  [[nodiscard]] double temperature() const { return file_.temperature; }
  /// Numbers of a sample that the head reads; 0: they are not kept.
  [[nodiscard]] index last_hidden_width() const {
    return file_.last_hidden == nullptr ? 0 : file_.last_hidden->shape[1];
  }
  /// Where the samples begin that the head read at once, and where the last of them end.
  [[nodiscard]] std::span<const std::int64_t> batch_begin() const { return file_.batch_begin; }

  /// Throws file_error, naming what differs, where the store is another teacher's.
  void expects_identity(const teacher_identity& wanted) const {
    const auto same = [&](const char* what, const std::string& have, const std::string& want) {
      if (have != want) file_.refuse("was made with another " + std::string(what) + ": " + have + ", expected " + want);
    };
    same("task", file_.who.task, wanted.task);
    same("vocabulary", file_.who.vocabulary, wanted.vocabulary);
    same("teacher", file_.who.model, wanted.model);
  }
  /// Throws file_error where log_rest is of another temperature. Logits serve any.
  void expects_temperature(double wanted) const {
    if (is_top_k() && temperature() != wanted)
      file_.refuse(message("was made for temperature ", temperature(), ", expected ", wanted));
  }

  /// The rows of a set's samples, no_row for those that the store does not have. Samples that come several times have
  /// their rows in turn.
  [[nodiscard]] std::vector<index> find_rows(const sample_set& set) const {
    std::vector<index> rows;
    auto at = first_row_;
    for (const encoding& tokens : set.tokens) {
      const auto found = at.find(sample_id(tokens));
      rows.push_back(found == at.end() ? no_row : found->second);
      if (found != at.end()) found->second = next_[static_cast<std::size_t>(found->second)];
    }
    return rows;
  }
  /// The rows of a set's samples. Throws file_error naming the first that the store does not have.
  [[nodiscard]] std::vector<index> rows_of(const sample_set& set) const {
    std::vector<index> rows = find_rows(set);
    const auto missing = std::find(rows.begin(), rows.end(), no_row);
    if (missing != rows.end())
      file_.refuse(message("has no sample of the tokens of sample ", missing - rows.begin(), " of ", set.size()));
    return rows;
  }

  /// Copies the signals of rows to `out`, those that are wanted and kept.
  void gather(std::span<const index> rows, kept_batch& out, signal_set wanted = signal::all) const {
    expects_rows(rows);
    out.samples = static_cast<index>(rows.size());
    out.kept = kept();
    const auto logits = [&](const tensor_entry* t) { return has(wanted, signal::logits) ? t : nullptr; };
    copy_rows(logits(file_.logits), rows, out.logits);
    copy_rows(logits(file_.kept_classes), rows, out.kept_classes);
    copy_rows(logits(file_.log_rest), rows, out.log_rest);
    out.rows.clear();
    out.tokens = 0;
    out.layers = file_.layers;
    for (const index row : rows) {
      const index length = file_.states.empty() ? 0 : end_of_tokens(row) - begin_of_tokens(row);
      out.rows.push_back({out.tokens, length, length});
      out.tokens += length;
    }
    out.states.resize(file_.states.size());
    std::size_t copied = 0;
    for (const kept_state& state : file_.states)
      if (has(state.of.what, wanted)) copy_state(state, rows, out.tokens, out.states[copied++]);
    out.states.resize(copied);
  }
  /// Copies what the head reads of the samples from `first` to `out` [samples, width], which has no gaps.
  void gather_last_hidden(index first, const view<float, 2>& out) const {
    const bool kept = file_.last_hidden != nullptr && out.extent(1) == last_hidden_width() && out.contiguous();
    expects(kept && first >= 0 && first + out.extent(0) <= samples(), [&] {
      return message("teacher store: last hidden states [", samples(), ", ", last_hidden_width(), "], wanted are ",
                     shape_text(out), " from row ", first);
    });
    (void)copy(file_.bytes_of(*file_.last_hidden, first, first + out.extent(0)), dtype::f32, out.data());
  }

  /// Asks the system to have in memory what gather() is going to be asked for. Changes no result.
  void prefetch(std::span<const index> rows, signal_set wanted = signal::all) const {
    expects_rows(rows);
    std::vector<index> rising(rows.begin(), rows.end());
    std::sort(rising.begin(), rising.end());
    for (const tensor_entry* tensor : {file_.logits, file_.kept_classes, file_.log_rest})
      if (tensor != nullptr && has(wanted, signal::logits))
        ask_for(rising, [&](index row) { return file_.bytes_of(*tensor, row, row + 1); });
    for (const kept_state& state : file_.states)
      if (has(state.of.what, wanted)) ask_for(rising, [&](index row) { return bytes_of(state, row); });
  }
  /// The same of all that gather_last_hidden() gives.
  void prefetch_last_hidden() const {
    if (file_.last_hidden != nullptr) file_.read_ahead(file_.bytes_of(*file_.last_hidden, 0, samples()));
  }

 private:
  using kept_state = detail::teacher_store_file::kept_state;

  void expects_rows(std::span<const index> rows) const {
    for (const index row : rows)
      expects(row >= 0 && row < samples(),
              [&] { return message("teacher store: row ", row, " is wanted of ", samples()); });
  }
  [[nodiscard]] index begin_of_tokens(index row) const { return file_.token_begin[static_cast<std::size_t>(row)]; }
  [[nodiscard]] index end_of_tokens(index row) const { return begin_of_tokens(row + 1); }
  [[nodiscard]] std::span<const std::byte> bytes_of(const kept_state& state, index row) const {
    return file_.bytes_of(*state.tensor, begin_of_tokens(row), end_of_tokens(row));
  }

  /// Returns where the next part goes.
  template <class T>
  static T* copy(std::span<const std::byte> bytes, dtype type, T* out) {
    (void)detail::convert(type, bytes, out);
    return out + bytes.size() / size_of(type);
  }
  template <class T>
  void copy_rows(const tensor_entry* tensor, std::span<const index> rows, std::vector<T>& out) const {
    out.clear();
    if (tensor == nullptr) return;
    out.resize(rows.size() * static_cast<std::size_t>(tensor->shape.size() > 1 ? tensor->shape[1] : 1));
    T* next = out.data();
    for (const index row : rows) next = copy(file_.bytes_of(*tensor, row, row + 1), tensor->type, next);
  }
  void copy_state(const kept_state& from, std::span<const index> rows, index tokens, kept_batch::state& to) const {
    to.what = from.of.what;
    to.layer = from.of.layer;
    to.width = from.tensor->shape[1];
    to.numbers.resize(static_cast<std::size_t>(tokens * to.width));
    float* next = to.numbers.data();
    for (const index row : rows) next = copy(bytes_of(from, row), from.tensor->type, next);
  }
  /// Asks for the bytes of rising rows, at once for those that lie near one another.
  template <class Bytes>
  void ask_for(const std::vector<index>& rising, const Bytes& bytes) const {
    constexpr std::ptrdiff_t near = 1 << 12;
    std::span<const std::byte> part;
    for (const index row : rising) {
      const std::span<const std::byte> next = bytes(row);
      if (!part.empty() && next.data() - (part.data() + part.size()) < near) {
        part = {part.data(), next.data() + next.size()};
        continue;
      }
      file_.read_ahead(part);
      part = next;
    }
    file_.read_ahead(part);
  }

  detail::teacher_store_file file_;
  std::unordered_map<std::int64_t, index> first_row_;  ///< of equal samples
  std::vector<index> next_;                            ///< the next row of an equal sample, or the row itself
};

}  // namespace limbeck
