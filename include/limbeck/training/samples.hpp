// Samples as a trainer reads them: tokens, labels, and which of them share a batch.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/core/targets.hpp"
#include "limbeck/data/batches.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/packed_tokens.hpp"
#include "limbeck/data/word_piece.hpp"
#include "limbeck/models/token_batch.hpp"

namespace limbeck {

/// The label of a sample that has none.
inline constexpr std::int32_t no_label = -100;

template <class T>
class sample_batch;

/// Tokenised samples in the order of their file.
struct sample_set {
  template <class T>
  using batch = sample_batch<T>;  ///< what packs some of them

  task_description task;
  std::vector<encoding> tokens;
  std::vector<std::int32_t> labels;  ///< of classes; no_label where only a teacher knows
  std::vector<double> scores;        ///< of a regression; NaN where only a teacher knows
  std::vector<std::ptrdiff_t> lengths;
  std::vector<std::ptrdiff_t> numbers{};  ///< of a part: which sample of the whole each is; empty: the whole

  [[nodiscard]] index size() const { return static_cast<index>(tokens.size()); }
  /// Whether the data, and not only a teacher, say what sample i is.
  [[nodiscard]] bool labelled(index i) const {
    const auto sample = static_cast<std::size_t>(i);
    return task.regression() ? !std::isnan(scores[sample]) : labels[sample] != no_label;
  }

  /// The number of sample i in the set that this one is a part of.
  [[nodiscard]] std::ptrdiff_t number(index i) const {
    return static_cast<std::size_t>(i) < numbers.size() ? numbers[static_cast<std::size_t>(i)] : i;
  }

  void add(const example& e, const word_piece& pieces, index max_length, bool labelled) {
    tokens.push_back(
        pieces.encode(e.text, e.pair ? std::optional<std::string_view>(*e.pair) : std::nullopt, max_length));
    lengths.push_back(tokens.back().length());
    labels.push_back(labelled && !task.regression() ? e.label : no_label);
    scores.push_back(labelled && task.regression() ? e.score : std::numeric_limits<double>::quiet_NaN());
  }
};

/// Some samples of a set, in that order.
[[nodiscard]] inline sample_set part_of(const sample_set& set, std::span<const std::ptrdiff_t> which) {
  sample_set out{set.task, {}, {}, {}, {}};
  for (const std::ptrdiff_t sample : which) {
    const auto i = static_cast<std::size_t>(sample);
    out.tokens.push_back(set.tokens[i]);
    out.labels.push_back(set.labels[i]);
    out.scores.push_back(set.scores[i]);
    out.lengths.push_back(set.lengths[i]);
    out.numbers.push_back(set.number(sample));
  }
  return out;
}
/// Samples begin .. end - 1 of a set. With share_of(set.size(), rank, ranks) what one of several processes evaluates:
/// no share is filled up, and logits of all ranks, one after the other, are those of the set, of which metrics are
/// taken.
[[nodiscard]] inline sample_set part_of(const sample_set& set, index begin, index end) {
  expects(begin >= 0 && begin <= end && end <= set.size(),
          [&] { return message("part_of: samples ", begin, " to ", end, " of ", set.size()); });
  std::vector<std::ptrdiff_t> which(static_cast<std::size_t>(end - begin));
  std::iota(which.begin(), which.end(), begin);
  return part_of(set, which);
}

/// A number that other tokens, labels or another order of samples change (FNV-1a).
[[nodiscard]] inline std::uint64_t fingerprint_of(const sample_set& set, std::uint64_t start = fnv1a_start) {
  std::uint64_t hash = start;
  const auto add = [&](std::uint64_t number) { hash = fnv1a(number, hash); };
  for (std::size_t i = 0; i < set.tokens.size(); ++i) {
    add(set.tokens[i].ids.size());
    for (const std::int32_t id : set.tokens[i].ids) add(static_cast<std::uint32_t>(id));
    for (const std::int32_t type : set.tokens[i].types) add(static_cast<std::uint32_t>(type));
    add(static_cast<std::uint32_t>(set.labels[i]));
    add(std::isnan(set.scores[i]) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(set.scores[i]));
  }
  return hash;
}

/// Tokenises a data set. Samples longer than `max_length` tokens are cut.
[[nodiscard]] inline sample_set make_samples(const dataset& from, const word_piece& pieces, index max_length) {
  sample_set out{from.task, {}, {}, {}, {}};
  for (const example& e : from.examples) out.add(e, pieces, max_length, true);
  return out;
}

/// One batch: its arrays, and views of them. Memory is used again from batch to batch.
template <class T>
class sample_batch {
 public:
  /// Packs the chosen samples, in every epoch alike. The views below look at this object. 32 samples of SST-2 take 15
  /// microseconds: nothing that a thread which packs ahead of the step could save.
  void fill(const sample_set& from, std::span<const std::ptrdiff_t> chosen, std::uint64_t = 0) {
    pack(from.tokens, chosen, packed_);
    rows_.clear();
    labels_.clear();
    scores_.clear();
    labelled_.clear();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto sample = static_cast<std::size_t>(chosen[i]);
      rows_.push_back({packed_.begin[i], packed_.length[i], packed_.length[i]});
      labels_.push_back(from.labels[sample]);
      scores_.push_back(static_cast<T>(from.scores[sample]));
      labelled_.push_back(from.labelled(chosen[i]) ? T(1) : T(0));
    }
  }

  [[nodiscard]] token_batch<> tokens() const {
    return {.ids = look_at(packed_.ids),
            .types = look_at(packed_.types),
            .positions = look_at(packed_.positions),
            .rows = look_at(rows_),
            .logit_tokens = {}};
  }
  [[nodiscard]] targets<T> given() const { return {.labels = look_at(labels_), .scores = look_at(scores_)}; }
  [[nodiscard]] view<const sample_rows, 1> rows() const { return look_at(rows_); }
  [[nodiscard]] index samples() const { return static_cast<index>(rows_.size()); }
  /// [samples]: 1 for a sample with a label, 0 for one without.
  [[nodiscard]] view<const T, 1> labelled() const { return look_at(labelled_); }

 private:
  template <class V>
  [[nodiscard]] static view<const V, 1> look_at(const std::vector<V>& v) {
    return view<const V, 1>(v.data(), v.size());
  }

  packed_tokens packed_;
  std::vector<sample_rows> rows_;
  std::vector<std::int32_t> labels_;
  std::vector<T> scores_, labelled_;
};

}  // namespace limbeck
