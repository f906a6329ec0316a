// Cross-entropy on a device, against the host: the cases that run on a device and, through the shim, without.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "losses/logit_case_cuda.hpp"

namespace limbeck_test {

/// Rows that are ignored, masked and weighed, of samples of one and of more rows, some columns behind the classes.
template <class A>
logit_case<A> labelled_rows(index classes) {
  logit_case<A> c = random_logits<A>(7, classes + 2, 6, 3);
  c.valid_classes = classes;
  c.row_sample = {0, 0, 1, 2, 2, 2, 3};
  c.row_weight = {1, A(0.5), 1, 0, 1, 2, 1};
  c.sample_weight = {1, 2, 1, A(0.25)};
  for (index r = 0; r < c.rows; ++r) c.labels.push_back(static_cast<std::int32_t>(r * 5 % classes));
  c.labels[2] = -100;
  c.labels[3] = 12345;  // of a row that does not count
  c.per.rows = 5;
  return c;
}

/// host(case, loss) is the host's outcome.
template <class A, class Host>
void check_cross_entropy(const Host& host, double tolerance) {
  const auto gap = [](const std::vector<A>& got, const std::vector<A>& want) {
    double worst = got.size() == want.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
      const double here = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
      worst = here <= worst ? worst : here;  // NaN is far
    }
    return worst;
  };
  for (const index classes : {2, 3, 33, 300, 9000})
    for (const double smoothing : {0.0, 0.1}) {
      INFO(classes << " classes, smoothing " << smoothing);
      const logit_case<A> c = labelled_rows<A>(classes);
      const limbeck::cross_entropy loss{.label_smoothing = smoothing};
      const auto want = host(c, loss);
      for (const device_layout as : {device_layout{}, device_layout{2, 3}}) {
        const auto got = on_device(c, loss, as);
        CHECK(gap(got.value, want.value) <= tolerance);
        CHECK(gap(got.gradient, want.gradient) <= tolerance);
      }
    }
}

/// A label that is no class: NaN for its sample, the others as ever, no gradient for its row.
inline void check_labels_outside() {
  logit_case<float> c = random_logits<float>(3, 5, 2, 4);
  c.labels = {1, 5, -1};
  const auto got = on_device(c, limbeck::cross_entropy{});
  CHECK(std::isfinite(got.value[0]));
  CHECK(std::isnan(got.value[1]));
  CHECK(std::isnan(got.value[2]));
  CHECK(std::all_of(got.gradient.begin() + 5, got.gradient.end(), [](float x) { return x == 0; }));
}

}  // namespace limbeck_test
