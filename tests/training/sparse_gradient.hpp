// A gradient most rows of whose table are 0, and who knows it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "central_difference.hpp"
#include "limbeck/models/touched_rows.hpp"

namespace limbeck_test {

/// `count` random numbers, but 0 in the rows of `table` that were not touched: about nine of ten, others for another
/// seed; of the last fifth of the rows, all.
template <class T>
struct sparse_gradient {
  limbeck::touched_rows touched;
  matrix<T> numbers;

  sparse_gradient(const limbeck::slot& table, limbeck::index count, std::uint64_t seed)
      : touched(table), numbers(1, count, seed) {
    touched.clear(limbeck::cpu_executor<>{}, limbeck::view<T, 1>(nullptr, 0));
    std::vector<std::int32_t> rows;
    for (limbeck::index row = 0; row < table.rows * 4 / 5; ++row)
      if (limbeck::random_stream{seed, 1, 7}.at(static_cast<std::uint32_t>(row)).word[0] % 10 == 0)
        rows.push_back(static_cast<std::int32_t>(row));
    touched.mark(limbeck::view<const std::int32_t, 1>(rows.data(), rows.size()));
    fill_untouched(T(0));
  }
  /// What reads rows that were not touched gets NaN from now on.
  void spoil() { fill_untouched(std::numeric_limits<T>::quiet_NaN()); }

 private:
  void fill_untouched(T value) {
    const limbeck::view<T, 2> table = touched.table().matrix(numbers.flat());
    for (limbeck::index row = 0; row < table.extent(0); ++row)
      if (!touched(row)) std::fill_n(&table(row, 0), table.extent(1), value);
  }
};

}  // namespace limbeck_test
