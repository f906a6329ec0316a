// A loss that shows its term a teacher of whole rows as one that kept the k likeliest classes.
#pragma once

#include <cstdint>
#include <vector>

#include "limbeck/core/executors.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/losses/write_gradient.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

template <class Loss>
struct top_k_of {
  static constexpr limbeck::signal_set reads = limbeck::signal::logits;
  index k;
  Loss loss;

  template <limbeck::executor E, class S, class U, class A, class G>
  void operator()(const E& on, const limbeck::signals<const S>& student, const limbeck::signals<const U>& teacher,
                  const limbeck::targets<A>& given, const limbeck::sink<A, limbeck::cpu, G>& out,
                  limbeck::gradient_holds before = limbeck::gradient_holds::a_sum) const {
    using limbeck::view;
    const index rows = teacher.logits.extent(0);
    std::vector<std::int32_t> classes(static_cast<std::size_t>(rows * k));
    std::vector<U> kept(classes.size()), rest(static_cast<std::size_t>(rows));
    keep_top_k(on, teacher.logits, loss.temperature, view<std::int32_t, 2>(classes.data(), rows, k),
               view<U, 2>(kept.data(), rows, k), view<U, 1>(rest.data(), rows), teacher.valid_classes);
    limbeck::signals<const U> shown = teacher;
    shown.valid_classes = 0;
    shown.logits = view<const U, 2>(kept.data(), rows, k);
    shown.kept_classes = view<const std::int32_t, 2>(classes.data(), rows, k);
    shown.log_rest = view<const U, 1>(rest.data(), rows);
    loss(on, student, shown, given, out, before);
  }
};

}  // namespace limbeck_test
