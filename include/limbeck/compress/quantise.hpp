// Matrices as whole numbers of a few bits and back, a scale for each row: activations, mostly.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "limbeck/compress/straight_through.hpp"

namespace limbeck {

/// Which numbers the codes cover: those between the least and the largest, codes 0 .. 2^bits - 1; or those as large as
/// the largest in size, codes 1 - 2^(bits - 1) .. 2^(bits - 1) - 1, and 0 is kept.
enum class code_range { min_max, symmetric };

struct quantisation {
  int bits = 8;  ///< 2 to 16
  code_range range = code_range::min_max;
  granularity by = granularity::row;
  double clip = unclipped;  ///< numbers beyond it count as it; they have no gradient
  double epsilon = 0;       ///< is added to the range of min_max; TernaryBERT's code has 1e-8
};

namespace detail {

/// What a group's codes stand for: offset + step * code.
struct code_scale {
  double step = 0, offset = 0, range = 0, levels = 0, clip = 0;

  /// Of a number, rounded to the nearest, ties to even. NaN of a NaN.
  [[nodiscard]] double code(double x) const {
    const double above = clipped(x, clip) - offset;
    return range == 0 ? above * 0 : std::nearbyint(above / range * levels);
  }
  [[nodiscard]] double number(double code) const { return offset + step * code; }
};

[[nodiscard]] inline double levels_of(const quantisation& q) {
  return static_cast<double>((1 << (q.range == code_range::symmetric ? q.bits - 1 : q.bits)) - 1);
}

/// NaN is no least and no largest.
template <class T>
[[nodiscard]] code_scale code_scale_of(const view<const T, 2>& x, const quantisation& q) {
  double least = unclipped, most = -unclipped;
  for_numbers(x, [&](double v) {
    least = std::min(least, clipped(v, q.clip));
    most = std::max(most, clipped(v, q.clip));
  });
  if (!(least <= most)) return {0, 0, 0, levels_of(q), q.clip};  // no number
  const bool symmetric = q.range == code_range::symmetric;
  const double range = symmetric ? std::max(-least, most) : most - least + q.epsilon;
  return {range / levels_of(q), symmetric ? 0 : least, range, levels_of(q), q.clip};
}

inline void expects_quantisation(const char* what, const quantisation& q) {
  expects(q.bits >= 2 && q.bits <= 16, [&] { return message(what, ": ", q.bits, " bits, must be 2 to 16"); });
  expects_clip(what, q.clip);
  expects(q.epsilon >= 0, [&] { return message(what, ": epsilon ", q.epsilon, ", must not be negative"); });
}

}  // namespace detail

/// out = what is left of x once it was codes: offset + step * round((x - offset) / step), a step and an offset a group
/// (TernaryBERT, Zhang et al. 2020, arXiv:2009.12812, section 3.1). Ties go to the even code. x, out: [rows, columns],
/// out may be x. Equal numbers are kept as they are; a NaN stays where it is, an infinity makes its group NaN.
/// Gradient: straight_through(), with the same clip. Throws contract_error where the shapes differ or an option is out
/// of range.
template <class Provider, class T>
void fake_quantise(const cpu_executor<Provider>& on, const view<const T, 2>& x, const view<T, 2>& out,
                   const quantisation& options = {}) {
  expects_one_shape("fake_quantise", x, out);
  detail::expects_quantisation("fake_quantise", options);
  detail::for_groups(on.threads, x, options.by, [&](index group, const view<const T, 2>& rows) {
    const detail::code_scale scale = detail::code_scale_of(rows, options);
    const index first = group * rows.extent(0);
    for (index r = 0; r < rows.extent(0); ++r)
      for (index c = 0; c < rows.extent(1); ++c)
        out(first + r, c) = static_cast<T>(scale.number(scale.code(static_cast<double>(rows(r, c)))));
  });
}

/// The codes themselves, to be kept: x is about offset[group] + step[group] * codes. x, codes: [rows, columns]; step,
/// offset: [rows], or [1] for a whole tensor. Throws contract_error where shapes do not fit, the codes do not fit their
/// type, an option is out of range or a number is not finite.
template <class Provider, class T, std::integral Code>
void quantise(const cpu_executor<Provider>& on, const view<const T, 2>& x, const view<Code, 2>& codes,
              const view<double, 1>& step, const view<double, 1>& offset, const quantisation& options = {}) {
  expects_one_shape("quantise", x, codes);
  detail::expects_quantisation("quantise", options);
  const double most = detail::levels_of(options), least = options.range == code_range::symmetric ? -most : 0;
  expects(most <= static_cast<double>(std::numeric_limits<Code>::max()) &&
              least >= static_cast<double>(std::numeric_limits<Code>::lowest()),
          [&] {
            return message("quantise: codes of ", least, " to ", most, ", their type ends at ",
                           +std::numeric_limits<Code>::lowest(), " and ", +std::numeric_limits<Code>::max());
          });
  const index groups = scale_count(x, options.by);
  expects(step.extent(0) == groups && offset.extent(0) == groups, [&] {
    return message("quantise: ", step.extent(0), " steps and ", offset.extent(0), " offsets for ", groups, " groups");
  });
  detail::for_numbers(x, [&](double v) {
    expects(std::isfinite(v), [&] { return message("quantise: ", v, " among the numbers, all must be finite"); });
  });
  detail::for_groups(on.threads, x, options.by, [&](index group, const view<const T, 2>& rows) {
    const detail::code_scale scale = detail::code_scale_of(rows, options);
    step(group) = scale.step;
    offset(group) = scale.offset;
    const index first = group * rows.extent(0);
    for (index r = 0; r < rows.extent(0); ++r)
      for (index c = 0; c < rows.extent(1); ++c)
        codes(first + r, c) = static_cast<Code>(scale.code(static_cast<double>(rows(r, c))));
  });
}

/// out = offset + step * codes: what fake_quantise() gives at once. Throws contract_error where shapes do not fit.
template <class Provider, class Code, class T>
void dequantise(const cpu_executor<Provider>& on, const view<const Code, 2>& codes, const view<const double, 1>& step,
                const view<const double, 1>& offset, const view<T, 2>& out, granularity by = granularity::row) {
  expects_one_shape("dequantise", codes, out);
  const index groups = scale_count(codes, by);
  expects(step.extent(0) == groups && offset.extent(0) == groups, [&] {
    return message("dequantise: ", step.extent(0), " steps and ", offset.extent(0), " offsets for ", groups, " groups");
  });
  detail::for_groups(on.threads, codes, by, [&](index group, const view<const Code, 2>& rows) {
    const detail::code_scale scale{step(group), offset(group), 0, 0, 0};
    const index first = group * rows.extent(0);
    for (index r = 0; r < rows.extent(0); ++r)
      for (index c = 0; c < rows.extent(1); ++c)
        out(first + r, c) = static_cast<T>(scale.number(static_cast<double>(rows(r, c))));
  });
}

}  // namespace limbeck
