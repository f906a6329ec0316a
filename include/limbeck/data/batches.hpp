// Which samples form which batch: alike in length, and in an order that seed and epoch alone decide.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"

namespace limbeck {

/// Batches of sample numbers, each sample in exactly one of them.
class batch_order {
 public:
  batch_order() = default;
  /// `samples` in the order of use; batch i is samples[begin[i]] .. samples[begin[i + 1] - 1].
  batch_order(std::vector<std::ptrdiff_t> samples, std::vector<std::ptrdiff_t> begin)
      : samples_(std::move(samples)), begin_(std::move(begin)) {}

  [[nodiscard]] std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(begin_.size()) - 1; }
  [[nodiscard]] std::span<const std::ptrdiff_t> operator[](std::ptrdiff_t batch) const {
    const auto b = static_cast<std::size_t>(batch);
    return std::span(samples_).subspan(static_cast<std::size_t>(begin_[b]),
                                       static_cast<std::size_t>(begin_[b + 1] - begin_[b]));
  }
  /// All samples, batch after batch.
  [[nodiscard]] const std::vector<std::ptrdiff_t>& samples() const { return samples_; }

  /// Puts results that came batch after batch, `values`: [samples * width], back into the order of the samples.
  template <class T>
  [[nodiscard]] std::vector<T> restored(std::span<const T> values, std::ptrdiff_t width = 1) const {
    expects(static_cast<std::ptrdiff_t>(values.size()) == width * static_cast<std::ptrdiff_t>(samples_.size()), [&] {
      return message("batch_order: ", values.size(), " values, expected ", samples_.size(), " times ", width);
    });
    std::vector<T> result(values.size());
    for (std::size_t i = 0; i < samples_.size(); ++i)
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i) * width, width, result.begin() + samples_[i] * width);
    return result;
  }

 private:
  std::vector<std::ptrdiff_t> samples_{};
  std::vector<std::ptrdiff_t> begin_{0};
};

struct batch_options {
  std::ptrdiff_t batch_size = 32;  ///< samples
  std::uint64_t seed = 0;
  std::ptrdiff_t window = 32;  ///< batches among which samples are sorted by length; 1: no sorting
};

namespace detail {

/// Random numbers by counting (splitmix64: Steele et al. 2014, "Fast splittable pseudorandom number generators", with
/// the epoch mixed into the start). Same on every platform, which the standard library's shuffle is not.
class shuffler {
 public:
  shuffler(std::uint64_t seed, std::uint64_t epoch) : state_(mix(mix(seed) + epoch)) {}

  /// Fisher and Yates, from the back.
  template <class T>
  void operator()(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[static_cast<std::size_t>(below(i))]);
  }

 private:
  static constexpr std::uint64_t step = 0x9E3779B97F4A7C15u;
  [[nodiscard]] static constexpr std::uint64_t mix(std::uint64_t x) {
    x += step;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  /// Uniform in 0 .. count - 1; numbers that would favour some are thrown away.
  [[nodiscard]] std::uint64_t below(std::uint64_t count) {
    const std::uint64_t surplus = (0 - count) % count;  // 2^64 modulo count
    for (;;) {
      const std::uint64_t drawn = mix(state_);
      state_ += step;
      if (drawn >= surplus) return drawn % count;
    }
  }
  std::uint64_t state_;
};

[[nodiscard]] inline std::vector<std::ptrdiff_t> counted(std::size_t count) {
  std::vector<std::ptrdiff_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::ptrdiff_t{0});
  return numbers;
}

inline void expects_batches(std::span<const std::ptrdiff_t> lengths, std::ptrdiff_t batch_size) {
  expects(batch_size >= 1, [&] { return message("batch_size: must be positive, not ", batch_size); });
  for (const std::ptrdiff_t length : lengths)
    expects(length >= 0, [&] { return message("batches: a sample of length ", length); });
}

[[nodiscard]] inline std::vector<std::ptrdiff_t> batch_begins(std::ptrdiff_t samples, std::ptrdiff_t batch_size) {
  std::vector<std::ptrdiff_t> begin;
  begin.reserve(static_cast<std::size_t>(samples / batch_size) + 2);
  for (std::ptrdiff_t at = 0; at < samples; at += batch_size) begin.push_back(at);
  begin.push_back(samples);
  return begin;
}

}  // namespace detail

/// One epoch of training: shuffles, sorts by length within windows, cuts into batches, shuffles the batches. A pure
/// function of lengths, options and epoch, so a resumed run asks again and skips what it has seen. Each sample comes
/// once; one batch may be short. A window is at most a quarter of the epoch, so that a small set does not meet the same
/// batches in every epoch. `lengths`: [samples], in tokens. Throws contract_error for a batch_size or window below 1.
[[nodiscard]] inline batch_order training_batches(std::span<const std::ptrdiff_t> lengths, const batch_options& options,
                                                  std::uint64_t epoch) {
  detail::expects_batches(lengths, options.batch_size);
  expects(options.window >= 1, [&] { return message("window: must be positive, not ", options.window); });
  const auto samples = static_cast<std::ptrdiff_t>(lengths.size());
  std::vector<std::ptrdiff_t> order = detail::counted(lengths.size());
  detail::shuffler shuffle(options.seed, epoch);
  shuffle(order);

  const std::vector<std::ptrdiff_t> begin = detail::batch_begins(samples, options.batch_size);
  const auto batches = static_cast<std::ptrdiff_t>(begin.size()) - 1;
  const std::ptrdiff_t window = std::clamp(batches / 4, std::ptrdiff_t{1}, options.window);
  for (std::ptrdiff_t b = 0; window > 1 && b < batches; b += window) {
    const auto at = [&](std::ptrdiff_t batch) {
      return order.begin() + begin[static_cast<std::size_t>(std::min(batch, batches))];
    };
    std::stable_sort(at(b), at(b + window), [&](std::ptrdiff_t i, std::ptrdiff_t j) {
      return lengths[static_cast<std::size_t>(i)] < lengths[static_cast<std::size_t>(j)];
    });
  }

  std::vector<std::ptrdiff_t> turns = detail::counted(static_cast<std::size_t>(batches));
  shuffle(turns);
  std::vector<std::ptrdiff_t> samples_in_turn, begin_in_turn{0};
  samples_in_turn.reserve(order.size());
  for (const std::ptrdiff_t b : turns) {
    const auto i = static_cast<std::size_t>(b);
    samples_in_turn.insert(samples_in_turn.end(), order.begin() + begin[i], order.begin() + begin[i + 1]);
    begin_in_turn.push_back(static_cast<std::ptrdiff_t>(samples_in_turn.size()));
  }
  return {std::move(samples_in_turn), std::move(begin_in_turn)};
}

/// What a batch that is only looked at may hold; a sample of more tokens is a batch of its own. Between 512 and 16,384
/// tokens an encoder of 6 layers and width 384 took the same time a token (within 7 %), and memory as the tokens.
struct batch_limits {
  std::ptrdiff_t tokens = 2048;
  std::ptrdiff_t samples = std::numeric_limits<std::ptrdiff_t>::max();
};

/// Every sample once for an evaluation or a teacher, the longest first: what runs out of memory does so at once, and
/// samples of a batch are alike in length. batch_order::restored puts the results back into the order of the samples.
/// Throws contract_error for a limit below 1.
[[nodiscard]] inline batch_order evaluation_batches(std::span<const std::ptrdiff_t> lengths,
                                                    const batch_limits& most = {}) {
  detail::expects_batches(lengths, most.samples);
  expects(most.tokens >= 1, [&] { return message("batch_limits: tokens must be positive, not ", most.tokens); });
  const auto length = [&](std::ptrdiff_t i) { return lengths[static_cast<std::size_t>(i)]; };
  std::vector<std::ptrdiff_t> order = detail::counted(lengths.size());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::ptrdiff_t i, std::ptrdiff_t j) { return length(i) > length(j); });
  std::vector<std::ptrdiff_t> begin;
  std::ptrdiff_t at = 0, tokens = 0;
  for (const std::ptrdiff_t i : order) {
    if (begin.empty() || tokens > most.tokens - length(i) || at - begin.back() == most.samples) {
      begin.push_back(at);
      tokens = 0;
    }
    tokens += length(i);
    ++at;
  }
  begin.push_back(at);
  return {std::move(order), std::move(begin)};
}

}  // namespace limbeck
