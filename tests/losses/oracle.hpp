// The float64 reference of the losses on class scores: formulas over whole arrays, as papers write them. It shares no
// code with the kernels. A reducer is assigned alone before it enters an expression: inside one, xtensor's lazy ones
// read past the end.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

#include "central_difference.hpp"

namespace limbeck_test::oracle {

using array = xt::xarray<double>;  // [rows, classes], or [rows]

template <class T>
array of(const std::vector<T>& numbers, std::size_t rows, std::size_t columns) {
  array a = xt::zeros<double>({rows, columns});
  for (std::size_t i = 0; i < rows * columns; ++i) a.flat(i) = static_cast<double>(numbers[i]);
  return a;
}

inline array sum_of_rows(const array& a) {
  array sum = xt::sum(a, {1});
  return sum;
}
// [rows, 1], to be combined with [rows, classes]
inline array column(array per_row) {
  per_row.reshape({per_row.size(), std::size_t{1}});
  return per_row;
}

inline array log_softmax(const array& logits, double temperature = 1) {
  const array top = xt::amax(logits, {1});
  const array softened = (logits - column(top)) / temperature;
  const array log_sum = xt::log(sum_of_rows(xt::exp(softened)));
  return softened - column(log_sum);
}

inline array forward_kl(const array& student, const array& teacher, double temperature) {
  const array log_q = log_softmax(student, temperature), log_p = log_softmax(teacher, temperature);
  return sum_of_rows(xt::exp(log_p) * (log_p - log_q));
}
inline array forward_kl_gradient(const array& student, const array& teacher, double temperature) {
  const array log_q = log_softmax(student, temperature), log_p = log_softmax(teacher, temperature);
  return (xt::exp(log_q) - xt::exp(log_p)) / temperature;
}

inline array reverse_kl(const array& student, const array& teacher, double temperature) {
  return forward_kl(teacher, student, temperature);
}
inline array reverse_kl_gradient(const array& student, const array& teacher, double temperature) {
  const array log_q = log_softmax(student, temperature), log_p = log_softmax(teacher, temperature);
  const array divergence = reverse_kl(student, teacher, temperature);
  return xt::exp(log_q) * (log_q - log_p - column(divergence)) / temperature;
}

inline array soft_label_cross_entropy(const array& student, const array& teacher, double temperature) {
  return -sum_of_rows(xt::exp(log_softmax(teacher, temperature)) * log_softmax(student, temperature));
}

// [rows, classes]: 1 - smoothing at the label, smoothing / classes everywhere
inline array smoothed(const std::vector<std::int32_t>& labels, std::size_t classes, double smoothing) {
  array target = xt::ones<double>({labels.size(), classes}) * (smoothing / static_cast<double>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) target(i, static_cast<std::size_t>(labels[i])) += 1 - smoothing;
  return target;
}
inline array cross_entropy(const array& logits, const array& target) {
  return -sum_of_rows(target * log_softmax(logits));
}
inline array cross_entropy_gradient(const array& logits, const array& target) {
  return xt::exp(log_softmax(logits)) - target;
}

/// The largest |got - want|; NaN where one is NaN, infinity where there are more or fewer.
template <class T>
double distance(const std::vector<T>& got, const array& want) {
  if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = worse(worst, std::abs(static_cast<double>(got[i]) - want.flat(i)));
  return worst;
}
/// The same, relative to the largest |want|.
template <class T>
double relative_distance(const std::vector<T>& got, const array& want) {
  double largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) largest = std::max(largest, std::abs(want.flat(i)));
  return distance(got, want) / largest;
}

}  // namespace limbeck_test::oracle
