// The cases that the soft-target kernels of a device are held to, on a device and without one.
#pragma once

#include "catch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case_cuda.hpp"
#include "losses/soft_target_reference.hpp"

namespace limbeck_test {

/// Seven rows of five samples, of which one has no row and one only masked rows; NaN wherever nobody may look: in
/// masked rows and in the columns behind the classes, of which student and teacher have different numbers.
template <class A, class S>
logit_case<A, S> rows_of_samples(index classes) {
  const auto nan = static_cast<S>(std::numeric_limits<float>::quiet_NaN());
  logit_case<A, S> c;
  c.rows = 7;
  c.columns = classes + 3;
  c.teacher_columns = classes + 1;
  c.valid_classes = classes;
  c.student = random_numbers<S>(static_cast<std::size_t>(c.rows * c.columns), -4, 4, 1);
  c.teacher = random_numbers<S>(static_cast<std::size_t>(c.rows * c.teacher_columns), -4, 4, 2);
  c.row_sample = {0, 0, 0, 2, 3, 4, 4};
  c.row_weight = {A(1), A(0), A(0.5), A(0), A(1), A(2), A(1)};
  c.sample_weight = {A(0.5), A(1), A(1), A(0), A(1)};  // masks row 4
  c.scale = 0.25;
  c.per.rows = 5;
  const auto spoil = [&](std::vector<S>& logits, index columns) {
    for (index r = 0; r < c.rows; ++r)
      for (index i = 0; i < columns; ++i)
        if (r == 1 || r == 3 || r == 4 || i >= classes) logits[static_cast<std::size_t>(r * columns + i)] = nan;
  };
  spoil(c.student, c.columns);
  spoil(c.teacher, c.teacher_columns);
  return c;
}

/// Logits that differ by about `difference`: the divergence is about its square.
template <class A>
logit_case<A> near_equal_rows(index classes, double difference) {
  logit_case<A> c;
  c.rows = 4;
  c.columns = classes;
  const auto size = static_cast<std::size_t>(c.rows * c.columns);
  c.teacher = random_numbers<A>(size, -4, 4, 3);
  const auto apart = random_numbers<A>(size, -difference, difference, 4);
  for (std::size_t i = 0; i < size; ++i) c.student.push_back(c.teacher[i] + apart[i]);
  return c;
}

/// |got - want| <= tolerance * max(floor, largest |want|).
template <class Got, class Want>
void check_near(const std::string& what, const std::vector<Got>& got, const std::vector<Want>& want, double tolerance,
                double floor = 1) {
  INFO(what);
  REQUIRE(got.size() == want.size());
  double size = floor, worst = 0;
  for (const Want x : want) size = std::max(size, std::abs(static_cast<double>(x)));
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    worst = error <= worst ? worst : error;  // NaN is the worst
  }
  CHECK(worst <= tolerance * size);
}

/// Against the host's kernels, `host(case, loss)`, and against the textbook; in the layout given.
template <class D, class A, class S, class Host>
void check_against_host(const logit_case<A, S>& c, double temperature, kl_direction direction, double tolerance,
                        const Host& host, device_layout as = {}, double floor = 1) {
  const limbeck::soft_target<D> loss{
      .temperature = temperature, .t_squared = false, .over = limbeck::divisor::none, .divergence = {}};
  INFO(c.columns << " columns, " << c.valid_classes << " valid, step " << as.column_step << ", temperature "
                 << temperature << (direction == kl_direction::forward ? ", forward" : ", reverse") << ", " << sizeof(A)
                 << " bytes");
  const auto got = on_device(c, loss, as);
  const auto want = host(c, loss);
  const auto reference = kl_reference(c, temperature, direction);
  check_near("value, host", got.value, want.value, tolerance, floor);
  check_near("gradient, host", got.gradient, want.gradient, tolerance, floor);
  check_near("value, textbook", got.value, reference.value, tolerance, floor);
  check_near("gradient, textbook", got.gradient, reference.gradient, tolerance, floor);
}

template <class A, class Host>
void check_both_directions(const logit_case<A>& c, double temperature, double tolerance, const Host& host,
                           device_layout as = {}, double floor = 1) {
  check_against_host<limbeck::forward_kl>(c, temperature, kl_direction::forward, tolerance, host, as, floor);
  check_against_host<limbeck::reverse_kl>(c, temperature, kl_direction::reverse, tolerance, host, as, floor);
}

/// From one class, to a warp's and a block's worth, to more than a block keeps on chip.
inline std::vector<index> numbers_of_classes(index most) {
  std::vector<index> numbers;
  for (const index n : {1, 2, 3, 31, 32, 33, 257, 1000, 6000, 128256})
    if (n <= most) numbers.push_back(n);
  return numbers;
}

}  // namespace limbeck_test
