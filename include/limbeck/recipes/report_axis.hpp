// The axes of a chart: what range they show, and where their ticks are.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "limbeck/recipes/report_text.hpp"

namespace limbeck::report {

struct tick {
  double at;
  std::string text;
};

/// A range of numbers, straight or by powers of ten.
struct axis {
  double low = 0, high = 1;
  bool powers = false;
  std::vector<tick> ticks{};

  /// 0 at the low end, 1 at the high one.
  [[nodiscard]] double share(double x) const {
    return powers ? std::log(std::max(x, low) / low) / std::log(high / low) : (x - low) / (high - low);
  }
};

/// What axes show at most: their lengths are numbers, too.
inline constexpr double largest = 1e150;

/// 1, 2 or 5 times a power of ten: the least that is at least `size`, which is positive.
[[nodiscard]] inline double round_step(double size) {
  const double power = std::pow(10, std::floor(std::log10(size)));
  for (const double times : {1.0, 2.0, 5.0})
    if (times * power >= size * (1 - 1e-9)) return times * power;
  return 10 * power;
}

/// As many digits for every tick as the distance of two asks for.
[[nodiscard]] inline std::string tick_text(double at, double step) {
  const double largest = std::max(std::abs(at), step);
  if (std::abs(at) < step * 1e-6) return "0";
  if (largest >= 1e4 || largest < 1e-3) return brief(at);
  return fixed(at, std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 6));
}

/// A straight axis with a tick at each multiple of `step`.
[[nodiscard]] inline axis ticked_axis(double low, double high, double step) {
  axis out{low, high};
  for (double n = std::ceil(low / step - 1e-9); n * step <= high + step * 1e-9; ++n)
    out.ticks.push_back({n * step, tick_text(n * step, step)});
  return out;
}

/// An axis from `low` to `high`, with `ticks` ticks or so; wider where the two are one, or nearly. `rounded`: its ends
/// are ticks.
[[nodiscard]] inline axis straight_axis(double low, double high, int ticks = 4, bool rounded = false) {
  low = std::clamp(low, -largest, largest);
  high = std::clamp(high, -largest, largest);
  const double size = std::max(std::abs(low), std::abs(high));
  if (!(high - low > 1e-9 * size)) {
    const double around = size == 0 ? 1 : size * 0.1;
    low -= around;
    high += around;
  }
  const double step = round_step((high - low) / ticks);
  if (!rounded) return ticked_axis(low, high, step);
  return ticked_axis(std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, step);
}
[[nodiscard]] inline axis rounded_axis(double low, double high, int ticks = 4) {
  return straight_axis(low, high, ticks, true);
}

/// An axis by powers of ten over positive numbers, at most twelve, with ticks at 1, 2 and 5 where few powers are shown.
[[nodiscard]] inline axis power_axis(double low, double high) {
  high = std::min(high, largest);
  low = std::max(low, high * 1e-12);
  axis out{low, high, true};
  const double powers = std::log10(high / low);
  for (double power = std::floor(std::log10(low)); power <= std::ceil(std::log10(high)); ++power) {
    if (powers > 5 && std::fmod(std::abs(power), std::ceil(powers / 4)) != 0) continue;
    for (const double times : {1.0, 2.0, 5.0}) {
      const double at = times * std::pow(10, power);
      if (times > 1 && powers > 2.2) break;
      if (at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9)) out.ticks.push_back({at, brief(at)});
    }
  }
  return out;
}

/// Whole numbers from 1 to `count`, each in the middle of as much room.
[[nodiscard]] inline axis counting_axis(std::size_t count, std::size_t ticks = 8) {
  axis out{0.5, static_cast<double>(count) + 0.5};
  const auto step = static_cast<std::size_t>(
      count <= ticks ? 1 : std::max(1.0, round_step(static_cast<double>(count) / static_cast<double>(ticks))));
  for (std::size_t n = step; n <= count; n += step) out.ticks.push_back({static_cast<double>(n), std::to_string(n)});
  return out;
}

}  // namespace limbeck::report
