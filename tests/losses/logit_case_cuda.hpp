// Runs a logit_case on a device: what the tests of CUDA kernels share, those with a device and those without.
#pragma once

#include "device_memory.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

/// The outcome of `loss` on the device, where gradients hold `before`; the gradient is empty if something beside it was
/// written to.
template <class A, class S, class U, class G, class Loss>
typename logit_case<A, S, U, G>::outcome on_device(const logit_case<A, S, U, G>& c, const Loss& loss,
                                                   device_layout as = {}, limbeck::cuda_executor on = {},
                                                   limbeck::gradient_holds before = limbeck::gradient_holds::a_sum) {
  using limbeck::cuda, limbeck::view;
  const auto samples = static_cast<std::size_t>(c.samples());
  device_matrix<S> student(on, c.student, c.rows, c.columns, as);
  device_matrix<U> teacher(on, c.teacher, c.rows, c.teacher_columns > 0 ? c.teacher_columns : c.columns, as);
  device_matrix<G> gradient(on,
                            std::vector<G>(c.student.size(), G(A(before == limbeck::gradient_holds::a_sum ? 0 : 77))),
                            c.rows, c.columns, as);
  device_copy<A> value(on, std::vector<A>(samples, A(0)));
  device_copy<A> row_weight(on, c.row_weight), scores(on, c.scores), sample_weight(on, c.sample_weight);
  device_copy<std::int32_t> row_sample(on, c.row_sample), labels(on, c.labels);

  const limbeck::signals<const S, cuda> s{student.all(), row_sample.all(), c.valid_classes};
  const limbeck::signals<const U, cuda> t{teacher.all(), row_sample.all(), c.valid_classes};
  const limbeck::targets<A, cuda> given{labels.all(), scores.all(), row_weight.all()};
  limbeck::sink<A, cuda, G> out{value.all()};
  if (c.gradient_wanted) out.gradient.logits = gradient.all();
  out.weight = sample_weight.all();
  out.per = c.per;
  out.scale = c.scale;
  out.progress = c.progress;
  if constexpr (requires { loss(on, s, t, given, out, before); })
    loss(on, s, t, given, out, before);
  else
    loss(on, s, t, given, out);
  return {value.back(on), c.gradient_wanted ? gradient.back(on).value_or(std::vector<G>{}) : std::vector<G>{}};
}

}  // namespace limbeck_test
