// Losses on rows of logits on a device, against the host: the cases that run on a device and, through the shim,
// without.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/margin_mse.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/standardised_mse.hpp"
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

/// max |got - want| / max(1, |want|); infinite where they have different lengths.
template <class A>
double furthest(const std::vector<A>& got, const std::vector<A>& want) {
  double worst = got.size() == want.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    const auto wish = static_cast<double>(want[i]);
    const double here = std::abs(static_cast<double>(got[i]) - wish) / std::max(1.0, std::abs(wish));
    worst = here <= worst ? worst : here;  // NaN is far
  }
  return worst;
}

/// Value and gradient in several layouts; host(case, loss) is the host's outcome.
template <class A, class Loss, class Host>
void check_rows(const logit_case<A>& c, const Loss& loss, const Host& host, double tolerance) {
  const auto want = host(c, loss);
  for (const device_layout as : {device_layout{}, device_layout{2, 3}}) {
    const auto got = on_device(c, loss, as);
    CHECK(furthest(got.value, want.value) <= tolerance);
    CHECK(furthest(got.gradient, want.gradient) <= tolerance);
  }
}

template <class A, class Host>
void check_cross_entropy(const Host& host, double tolerance) {
  for (const index classes : {2, 3, 33, 300, 9000})
    for (const double smoothing : {0.0, 0.1}) {
      INFO(classes << " classes, smoothing " << smoothing);
      check_rows(labelled_rows<A>(classes), limbeck::cross_entropy{.label_smoothing = smoothing}, host, tolerance);
    }
}

template <class A, class Host>
void check_squared_logits(const Host& host, double tolerance) {
  for (const index classes : {1, 2, 33, 300}) {
    logit_case<A> c = labelled_rows<A>(classes);
    c.per.elements = 70 * static_cast<double>(classes);
    if (classes > 1) c.student[1] = c.teacher[1] = -std::numeric_limits<A>::infinity();
    INFO(classes << " classes");
    check_rows(c, limbeck::logits_mse{.temperature = 2, .teacher_scale = 0.5}, host, tolerance);
    check_rows(c, limbeck::annealing_kd{.most_temperature = 5}, host, tolerance);
  }
  logit_case<A> regressor = labelled_rows<A>(1);
  regressor.scores = random_numbers<A>(7, -1, 1, 8);
  check_rows(regressor, limbeck::regression_mse{}, host, tolerance);
}

template <class A, class Host>
void check_label_apart(const Host& host, double tolerance) {
  for (const index classes : {2, 3, 33, 300, 9000}) {
    INFO(classes << " classes");
    const logit_case<A> c = labelled_rows<A>(classes);
    check_rows(c, limbeck::decoupled_kd{.temperature = 2, .alpha = 0.5, .beta = 3}, host, tolerance);
    check_rows(c, limbeck::normalised_kd{.temperature = 2}, host, tolerance);
  }
}

/// With labels and without, candidates that are ruled out among the others or in the relevant one's place.
template <class A, class Host>
void check_margins(const Host& host, double tolerance) {
  for (const index classes : {2, 3, 33, 300, 9000}) {
    INFO(classes << " candidates");
    logit_case<A> c = labelled_rows<A>(classes);
    c.teacher[1] = -std::numeric_limits<A>::infinity();                                        // of another
    c.teacher[static_cast<std::size_t>(4 * c.columns)] = -std::numeric_limits<A>::infinity();  // of the first
    check_rows(c, limbeck::margin_mse{}, host, tolerance);
    c.labels = {};
    check_rows(c, limbeck::margin_mse{}, host, tolerance);
  }
}

template <class A, class Host>
void check_standardised(const Host& host, double tolerance) {
  for (const index classes : {2, 3, 33, 300}) {
    INFO(classes << " classes");
    logit_case<A> c = labelled_rows<A>(classes);
    for (index k = 0; k < classes; ++k) c.student[static_cast<std::size_t>(k)] = 1;  // a row of equal logits
    c.per.elements = 10;
    check_rows(c, limbeck::standardised_logits_mse{}, host, tolerance);
  }
}

/// Rows that do not count hold garbage; one row agrees with the teacher's, one does not vary.
template <class A, class Host>
void check_correlations(const Host& host, double tolerance) {
  for (const index classes : {2, 3, 33, 300, 2000}) {
    INFO(classes << " classes");
    logit_case<A> c = labelled_rows<A>(classes);
    const auto row = [&](std::vector<A>& logits, index r) { return logits.begin() + r * c.columns; };
    std::fill_n(row(c.student, 3), classes, std::numeric_limits<A>::quiet_NaN());  // of weight 0
    std::copy_n(row(c.teacher, 1), classes, row(c.student, 1));
    std::fill_n(row(c.student, 5), classes, A(1));
    check_rows(c, limbeck::dist_kd{.temperature = 2, .beta = 0.5, .gamma = 3}, host, tolerance);
    c.gradient_wanted = false;
    check_rows(c, limbeck::dist_kd{}, host, tolerance);
  }
}

/// A gradient that holds anything is written, zeros where nothing counts.
template <class Loss>
void check_written(const Loss& loss) {
  const logit_case<double> c = labelled_rows<double>(33);
  const auto added = on_device(c, loss);
  const auto written = on_device(c, loss, {}, {}, limbeck::gradient_holds::anything);
  CHECK(furthest(written.value, added.value) == 0);
  CHECK(furthest(written.gradient, added.gradient) == 0);
}

/// A label that is no class: NaN for its sample, the others as ever, no gradient for its row.
inline void check_labels_outside() {
  logit_case<float> c = random_logits<float>(3, 5, 2, 4);
  c.labels = {1, 5, -1};
  const auto got = on_device(c, limbeck::cross_entropy{});
  const auto apart = on_device(c, limbeck::decoupled_kd{});
  CHECK(std::isnan(apart.value[1]));
  CHECK(std::isnan(apart.value[2]));
  CHECK(std::all_of(apart.gradient.begin() + 5, apart.gradient.end(), [](float x) { return x == 0; }));
  CHECK(std::isfinite(got.value[0]));
  CHECK(std::isnan(got.value[1]));
  CHECK(std::isnan(got.value[2]));
  CHECK(std::all_of(got.gradient.begin() + 5, got.gradient.end(), [](float x) { return x == 0; }));
}

}  // namespace limbeck_test
