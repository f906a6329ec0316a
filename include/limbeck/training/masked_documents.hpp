// Samples of a masked language model as a trainer reads them: masked anew in every epoch, or always alike.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/core/targets.hpp"
#include "limbeck/data/documents.hpp"
#include "limbeck/data/masking.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/models/token_batch.hpp"
#include "limbeck/training/sample_weighting.hpp"
#include "limbeck/training/step_counts.hpp"

namespace limbeck {

template <class T>
class masked_batch;

/// Whether a sample is masked anew in every epoch, or in each as in the first.
enum class masks { dynamic, fixed };

/// Samples cut from documents, with what masks them.
class masked_documents {
 public:
  template <class T>
  using batch = masked_batch<T>;  ///< what packs some of them

  std::vector<std::ptrdiff_t> lengths;  ///< [samples], in tokens

  /// Leaves out samples without an ordinary token, of which nothing could be guessed. Throws contract_error where none
  /// is left.
  masked_documents(const token_rows& samples, masker how, std::uint64_t seed, masks when)
      : how_(std::move(how)), seed_(seed), when_(when) {
    for (index i = 0; i < samples.size(); ++i) {
      const auto ids = samples[i];
      const auto ordinary = std::ranges::count_if(ids, [&](std::int32_t id) { return how_.is_ordinary(id); });
      if (ordinary == 0) continue;
      tokens_.ids.insert(tokens_.ids.end(), ids.begin(), ids.end());
      tokens_.end_row();
      lengths.push_back(static_cast<std::ptrdiff_t>(ids.size()));
      guessed_.push_back(how_.guessed(ordinary));
    }
    expects(size() > 0, "masked_documents: no sample has a token to guess");
  }

  [[nodiscard]] index size() const { return tokens_.size(); }
  [[nodiscard]] const token_rows& tokens() const { return tokens_; }
  /// How many tokens of sample i are to be guessed, in every epoch as many.
  [[nodiscard]] index guessed(index i) const { return guessed_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const masker& how() const { return how_; }
  /// The random numbers that mask a sample.
  [[nodiscard]] random_stream stream(index sample, std::uint64_t epoch) const {
    constexpr std::uint32_t site = 0x2001;
    return {seed_, (when_ == masks::dynamic ? epoch << 32 : 0) | static_cast<std::uint32_t>(sample), site};
  }

 private:
  token_rows tokens_;
  std::vector<index> guessed_;
  masker how_;
  std::uint64_t seed_;
  masks when_;
};

/// The counts over one optimiser step that its terms are divided by; rows are the tokens that are guessed.
[[nodiscard]] inline normaliser counts_of_step(std::span<const std::span<const std::ptrdiff_t>> micro_batches,
                                               const masked_documents& set, index classes) {
  normaliser n = detail::count_samples(micro_batches, set.lengths, [&](std::ptrdiff_t i) { return set.guessed(i); });
  n.elements = n.rows * static_cast<double>(classes);
  return n;
}

/// A number that other tokens or another order of samples change (FNV-1a).
[[nodiscard]] inline std::uint64_t fingerprint_of(const masked_documents& set, std::uint64_t start = fnv1a_start) {
  std::uint64_t hash = start;
  for (const std::ptrdiff_t begin : set.tokens().begin) hash = fnv1a(static_cast<std::uint64_t>(begin), hash);
  for (const std::int32_t id : set.tokens().ids) hash = fnv1a(static_cast<std::uint32_t>(id), hash);
  return hash;
}

/// A term cannot weigh these samples by the teacher's word on them, for it has one on each token. Throws contract_error
/// where it should.
template <launchable E, class T>
[[nodiscard]] std::vector<T> weights_of_samples(const E&, const sample_weighting& weighting, view<const T, 2>,
                                                const masked_documents&) {
  expects(!weighting.weighs(), "loss: samples of a masked language model count alike, expected samples=all");
  return {};
}

/// One batch: its arrays, and views of them. Memory is used again from batch to batch.
template <class T>
class masked_batch {
 public:
  /// Packs the chosen samples, masked as in that epoch. The views below look at this object.
  void fill(const masked_documents& from, std::span<const std::ptrdiff_t> chosen, std::uint64_t epoch = 0) {
    ids_.clear();
    rows_.clear();
    guessed_.clear();
    labels_.clear();
    for (const std::ptrdiff_t sample : chosen) {
      const auto tokens = from.tokens()[sample];
      const std::size_t begin = ids_.size();
      ids_.insert(ids_.end(), tokens.begin(), tokens.end());
      const auto length = static_cast<index>(tokens.size());
      rows_.push_back({static_cast<index>(begin), length, length});
      from.how()(std::span(ids_).subspan(begin), from.stream(sample, epoch), memory_,
                 [&](std::size_t place, std::int32_t id) {
                   guessed_.push_back(static_cast<std::int32_t>(begin + place));
                   labels_.push_back(id);
                 });
    }
  }

  /// Logits are wanted of the tokens that are to be guessed.
  [[nodiscard]] token_batch<> tokens() const {
    return {
        .ids = look_at(ids_), .types = {}, .positions = {}, .rows = look_at(rows_), .logit_tokens = look_at(guessed_)};
  }
  /// Labels: the ids that the guessed tokens had, [rows].
  [[nodiscard]] targets<T> given() const { return {.labels = look_at(labels_)}; }
  [[nodiscard]] view<const sample_rows, 1> rows() const { return look_at(rows_); }
  [[nodiscard]] index samples() const { return static_cast<index>(rows_.size()); }
  /// Empty: the data know every row's label.
  [[nodiscard]] view<const T, 1> labelled() const { return {}; }

 private:
  template <class V>
  [[nodiscard]] static view<const V, 1> look_at(const std::vector<V>& v) {
    return view<const V, 1>(v.data(), v.size());
  }

  masker::memory memory_;
  std::vector<std::int32_t> ids_, guessed_, labels_;
  std::vector<sample_rows> rows_;
};

}  // namespace limbeck
