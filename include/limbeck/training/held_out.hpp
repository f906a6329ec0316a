// Samples of a training set that are held out of it, and batches of them without end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/data/batches.hpp"
#include "limbeck/training/samples.hpp"

namespace limbeck {

/// A set without the samples that are held out of it, and those; both in the order of the set.
struct divided_set {
  sample_set kept, held_out;
};

/// Holds out `share` of the labelled samples, to the nearest whole number, drawn by seed. Throws contract_error for a
/// share that leaves nothing on one side.
[[nodiscard]] inline divided_set hold_out(const sample_set& set, double share, std::uint64_t seed) {
  struct drawn {
    std::uint64_t draw;
    std::ptrdiff_t sample;
    [[nodiscard]] bool operator<(const drawn& b) const { return std::pair(draw, sample) < std::pair(b.draw, b.sample); }
  };
  const random_stream random{seed, ~std::uint64_t{0} - 1, 0};
  std::vector<drawn> labelled;
  for (std::ptrdiff_t i = 0; i < set.size(); ++i) {
    const random_words words = random.at(static_cast<std::uint32_t>(i));
    if (set.labelled(i)) labelled.push_back({std::uint64_t{words.word[0]} << 32 | words.word[1], i});
  }
  const double count = std::round(share * static_cast<double>(labelled.size()));
  expects(count >= 1 && count < static_cast<double>(labelled.size()), [&] {
    return message("meta-share: ", share, " of ", labelled.size(),
                   " labelled training samples, expected one at least, and not all");
  });
  std::nth_element(labelled.begin(), labelled.begin() + static_cast<std::ptrdiff_t>(count), labelled.end());
  std::vector<bool> out(set.tokens.size(), false);
  for (auto i = labelled.begin(); i < labelled.begin() + static_cast<std::ptrdiff_t>(count); ++i)
    out[static_cast<std::size_t>(i->sample)] = true;
  std::vector<std::ptrdiff_t> kept, held_out;
  for (std::ptrdiff_t i = 0; i < set.size(); ++i) (out[static_cast<std::size_t>(i)] ? held_out : kept).push_back(i);
  return {part_of(set, kept), part_of(set, held_out)};
}

/// Samples 0 .. samples - 1 over and over, shuffled anew each time, in batches of one size: batch n is a function of
/// seed and n. Where the samples end within a batch it goes on with the next time's.
class endless_batches {
 public:
  /// Batches have `batch_size` samples, or all where there are fewer. Throws contract_error for less than 1 of either.
  endless_batches(index samples, index batch_size, std::uint64_t seed)
      : samples_(samples), size_(std::min(samples, batch_size)), seed_(seed) {
    expects(samples >= 1 && batch_size >= 1,
            [&] { return message("endless_batches: batches of ", batch_size, " out of ", samples, " samples"); });
  }

  [[nodiscard]] index batch_size() const { return size_; }
  /// Valid until the next call.
  [[nodiscard]] std::span<const std::ptrdiff_t> operator()(std::uint64_t n) {
    const auto count = static_cast<std::uint64_t>(samples_);
    batch_.clear();
    for (std::uint64_t at = n * static_cast<std::uint64_t>(size_); batch_.size() < static_cast<std::size_t>(size_);
         ++at)
      batch_.push_back(order_of(at / count)[static_cast<std::size_t>(at % count)]);
    return batch_;
  }

 private:
  const std::vector<std::ptrdiff_t>& order_of(std::uint64_t time) {
    if (order_.empty() || time != time_) {
      order_.resize(static_cast<std::size_t>(samples_));
      std::iota(order_.begin(), order_.end(), std::ptrdiff_t{0});
      detail::shuffler(seed_, time)(order_);
      time_ = time;
    }
    return order_;
  }

  index samples_, size_;
  std::uint64_t seed_, time_ = 0;
  std::vector<std::ptrdiff_t> order_, batch_;
};

}  // namespace limbeck
