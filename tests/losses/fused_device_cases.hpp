// Losses fused with the last linear map on a device, against the host: the cases that run on a device and, through the
// shim, without.
#pragma once

#include <algorithm>
#include <cmath>

#include "catch.hpp"
#include "device_memory.hpp"
#include "losses/fused_case.hpp"

namespace limbeck_test {

template <class T>
void check_fused_outcome(const fused_outcome<T>& got, const fused_outcome<T>& want, double tolerance) {
  const auto gap = [](const std::vector<T>& a, const std::vector<T>& b) {
    double furthest = a.size() == b.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      const double here = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      furthest = here <= furthest ? furthest : here;  // NaN is far
    }
    return furthest;
  };
  CHECK(gap(got.value, want.value) <= tolerance);
  CHECK(gap(got.hidden, want.hidden) <= tolerance);
  CHECK(gap(got.weight, want.weight) <= tolerance);
  CHECK(gap(got.bias, want.bias) <= tolerance);
}

/// host(case, sum or not) is the host's outcome.
template <class T, class Host>
void check_fused_linear(const Host& host, double tolerance) {
  for (const index classes : {3, 9, 600})
    for (const bool rows_are_samples : {false, true}) {
      const fused_case<T> c(classes, rows_are_samples);
      const fused_outcome<T> of_sum = host(c, true), of_one = host(c, false);
      for (const index slice : {1, 4, 20}) {
        INFO(classes << " classes, " << slice << " rows at a time");
        device_place one, another;
        check_fused_outcome(fused_in(one, c, fused_sum(), slice), of_sum, tolerance);
        check_fused_outcome(fused_in(another, c, fused_divergence(), slice), of_one, tolerance);
      }
    }
}

}  // namespace limbeck_test
