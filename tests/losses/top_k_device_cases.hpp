// Soft targets of which a teacher kept some classes on a device, against the host: the cases that run on a device and,
// through the shim, without.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "limbeck/losses/top_k.hpp"
#include "losses/logit_device_cases.hpp"
#include "losses/top_k_of.hpp"

namespace limbeck_test {

/// What a teacher kept of the rows of a case, [rows, k], found by sorting all of each row.
template <class A>
struct kept_classes_of {
  std::vector<std::int32_t> classes;
  std::vector<A> logits, log_rest;

  kept_classes_of(const logit_case<A>& c, index k, double temperature) {
    for (index r = 0; r < c.rows; ++r) {
      const A* const row = c.teacher.data() + r * c.columns;
      std::vector<std::int32_t> order(static_cast<std::size_t>(c.valid_classes));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
      double rest = 0;
      for (auto i = order.begin() + k; i != order.end(); ++i)
        rest += std::exp(static_cast<double>(row[*i]) / temperature);
      log_rest.push_back(static_cast<A>(std::log(rest)));
      std::sort(order.begin(), order.begin() + k);
      for (index j = 0; j < k; ++j) {
        classes.push_back(order[static_cast<std::size_t>(j)]);
        logits.push_back(row[classes.back()]);
      }
    }
  }
};

/// A loss on a device that is shown kept classes in place of whole rows.
template <class A, class Loss>
struct shown_kept {
  kept_classes_of<A> kept;
  Loss loss;

  void operator()(const limbeck::cuda_executor& on, const limbeck::signals<const A, limbeck::cuda>& student,
                  const limbeck::signals<const A, limbeck::cuda>& teacher,
                  const limbeck::targets<A, limbeck::cuda>& given, const limbeck::sink<A, limbeck::cuda>& out,
                  limbeck::gradient_holds before = limbeck::gradient_holds::a_sum) const {
    using limbeck::view, limbeck::cuda;
    const index rows = student.logits.extent(0), k = static_cast<index>(kept.classes.size()) / rows;
    device_copy<std::int32_t> classes(on, kept.classes);
    device_copy<A> logits(on, kept.logits), log_rest(on, kept.log_rest);
    limbeck::signals<const A, cuda> shown{.logits = view<const A, 2, cuda>(logits.all().data(), rows, k)};
    shown.row_sample = teacher.row_sample;
    shown.kept_classes = view<const std::int32_t, 2, cuda>(classes.all().data(), rows, k);
    shown.log_rest = view<const A, 1, cuda>(log_rest.all().data(), rows);
    loss(on, student, shown, given, out, before);
  }
};

template <class D, class A, class Host>
void check_top_k_of(const logit_case<A>& c, index k, const Host& host, double tolerance) {
  using limbeck::top_k_mode;
  for (const top_k_mode mode :
       {top_k_mode::tail_bucket, top_k_mode::renormalised_teacher, top_k_mode::renormalised_both}) {
    INFO(c.valid_classes << " classes, " << k << " kept, mode " << static_cast<int>(mode));
    const limbeck::top_k_soft_target<D> loss{.temperature = 2, .mode = mode};
    const shown_kept<A, limbeck::top_k_soft_target<D>> shown{{c, k, 2}, loss};
    const auto want = host(c, top_k_of<limbeck::top_k_soft_target<D>>{k, loss});
    for (const device_layout as : {device_layout{}, device_layout{2, 3}}) {
      const auto got = on_device(c, shown, as);
      CHECK(furthest(got.value, want.value) <= tolerance);
      CHECK(furthest(got.gradient, want.gradient) <= tolerance);
    }
    const auto written = on_device(c, shown, {}, {}, limbeck::gradient_holds::anything);
    CHECK(furthest(written.gradient, want.gradient) <= tolerance);
  }
}

/// Divergences with a known sum of slopes and without one, finite where one side rules a class out.
template <class A, class Host>
void check_top_k(const Host& host, double tolerance) {
  for (const index classes : {3, 33, 300, 9000})
    for (const index k : {index{1}, index{2}, std::min<index>(classes - 1, 50)}) {
      const logit_case<A> c = labelled_rows<A>(classes);
      check_top_k_of<limbeck::forward_kl>(c, k, host, tolerance);
      check_top_k_of<limbeck::jensen_shannon>(c, k, host, tolerance);
    }
  logit_case<A> impossible = labelled_rows<A>(33);  // for the student, in a row that counts: kept by the teacher or not
  impossible.student[2] = impossible.student[3] = -std::numeric_limits<A>::infinity();
  check_top_k_of<limbeck::jensen_shannon>(impossible, 5, host, tolerance);
}

/// Kept classes that fall, or are none: NaN for the sample, the others as ever, no gradient for the row.
inline void check_top_k_that_does_not_rise() {
  logit_case<float> c = random_logits<float>(3, 5, 2, 4);
  c.valid_classes = 5;
  kept_classes_of<float> kept(c, 2, 1);
  std::swap(kept.classes[2], kept.classes[3]);
  kept.classes[5] = 5;
  const auto got = on_device(c, shown_kept<float, limbeck::top_k_kl>{kept, {}});
  CHECK(std::isfinite(got.value[0]));
  CHECK(std::isnan(got.value[1]));
  CHECK(std::isnan(got.value[2]));
  CHECK(std::all_of(got.gradient.begin() + 5, got.gradient.end(), [](float x) { return x == 0; }));
}

}  // namespace limbeck_test
