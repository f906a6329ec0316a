// Some numbers out of many, drawn by lot: a pure function of the stream.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"

namespace limbeck {

/// A whole number from 0 to `count` - 1 from a random word; count >= 1. Favours none by more than count / 2^32.
[[nodiscard]] constexpr std::uint32_t below(std::uint32_t count, std::uint32_t word) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(word) * count) >> 32);
}

/// Chooses `count` of the numbers 0 .. from - 1, every set of so many as likely as another: those with the smallest
/// first words of `stream`. Keeps its memory from call to call.
class random_choice {
 public:
  /// Rising; valid until the next call. Throws contract_error where there are not so many.
  [[nodiscard]] const std::vector<std::uint32_t>& operator()(const random_stream& stream, std::size_t from,
                                                             std::size_t count) {
    expects(count <= from && from <= UINT32_MAX,
            [&] { return message("random_choice: ", count, " of ", from, " numbers"); });
    lots_.clear();
    for (std::uint32_t n = 0; n < from; ++n) lots_.emplace_back(stream.at(n).word[0], n);
    const auto end = lots_.begin() + static_cast<std::ptrdiff_t>(count);
    if (count < from) std::nth_element(lots_.begin(), end, lots_.end());
    chosen_.clear();
    for (auto lot = lots_.begin(); lot != end; ++lot) chosen_.push_back(lot->second);
    std::sort(chosen_.begin(), chosen_.end());
    return chosen_;
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> lots_;  // the word, the number
  std::vector<std::uint32_t> chosen_;
};

}  // namespace limbeck
