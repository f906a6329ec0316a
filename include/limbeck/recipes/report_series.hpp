// Numbers over the steps of a run, and how thousands of them are drawn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace limbeck::report {

/// A number a step; NaN where the step has none.
struct series {
  std::string name;
  std::vector<double> values;
};

/// What some steps after each other come to.
struct stretch {
  double first, last;            ///< steps
  double mean, lowest, highest;  ///< of those steps that have the number; NaN where none has
};

/// The steps in `most` stretches at most, all of one length but the last; a step is a stretch of its own where there
/// are no more. `steps` and `values` are as many.
[[nodiscard]] inline std::vector<stretch> in_stretches(const std::vector<std::int64_t>& steps,
                                                       const std::vector<double>& values, std::size_t most = 160) {
  std::vector<stretch> out;
  const std::size_t length = std::max<std::size_t>(1, (values.size() + most - 1) / most);
  for (std::size_t begin = 0; begin < values.size(); begin += length) {
    const std::size_t end = std::min(begin + length, values.size());
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    stretch s{static_cast<double>(steps[begin]), static_cast<double>(steps[end - 1]), 0, none, none};
    double count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (std::isnan(values[i])) continue;
      ++count;
      s.mean += values[i];
      s.lowest = std::fmin(s.lowest, values[i]);
      s.highest = std::fmax(s.highest, values[i]);
    }
    s.mean = count > 0 ? s.mean / count : none;
    out.push_back(s);
  }
  return out;
}

}  // namespace limbeck::report
