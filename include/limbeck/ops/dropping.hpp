// What a dropout drops: a function of a random stream and of the place.
#pragma once

#include <algorithm>
#include <cstdint>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

/// Words below this are dropped. Throws contract_error unless 0 <= rate < 1.
[[nodiscard]] inline std::uint32_t drop_below(double rate) {
  expects(rate >= 0 && rate < 1, "dropout: the rate must be at least 0 and below 1");
  return static_cast<std::uint32_t>(std::min(rate * 0x1p32, 0x1p32 - 1));
}

/// What a dropout multiplies with: 0 where a word is below `threshold`, `scale` elsewhere. None for a rate of 0.
template <class T>
struct dropping {
  std::uint32_t threshold = 0;
  T scale = 1;
  random_stream stream{};

  /// Throws contract_error unless 0 <= rate < 1.
  explicit dropping(double rate = 0, const random_stream& stream = {})
      : threshold(drop_below(rate)), scale(static_cast<T>(1 / (1 - rate))), stream(stream) {}
  [[nodiscard]] LIMBECK_HD bool none() const { return threshold == 0; }
  /// Where the words of row `row` of a matrix of so many columns start.
  [[nodiscard]] LIMBECK_HD static std::uint32_t row_start(index row, index columns) {
    return static_cast<std::uint32_t>(row) * static_cast<std::uint32_t>((columns + 3) / 4);
  }
};

}  // namespace limbeck::ops::detail
