// Tells a sample's own teacher vector from those of the batch's other samples.
#pragma once

#include "limbeck/losses/sample_vectors.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/info_nce_cuda.hpp"
#else
#include "limbeck/losses/info_nce_cpu.hpp"
#endif

namespace limbeck {

/// InfoNCE within the batch (van den Oord et al. 2018, arXiv:1807.03748): value[sample i] += -log softmax_j(cos(student
/// i, teacher j) / temperature) at j = i, divided by the count of `over`, over the batch's samples j. `symmetric`: the
/// mean of that and of the same with the models exchanged, as in CLIP (Radford et al. 2021, arXiv:2103.00020). A loss
/// of the batch: it does not come out the same when the batch is split. Samples of weight 0 and those without a token
/// are left out of the batch; a vector of zeros has cosines of 0 and no gradient. The widths must agree. Throws
/// contract_error where widths, samples or layers do not fit, or temperature <= 0.
struct info_nce {
  static constexpr signal_set reads = signal::hidden;
  static constexpr bool of_batch = true;
  sample_vectors of{};
  double temperature = 0.1;
  bool symmetric = false;
  divisor over = divisor::samples;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    expects(temperature > 0, [&] { return message("info_nce: temperature ", temperature, ", must be positive"); });
    detail::pick_own_of_batch(backend_of<E>{}, on, of.by,
                              detail::layers_of_vectors("info_nce", of, detail::equal_widths{}, student, teacher, out),
                              detail::contrast{1 / temperature, symmetric}, count_of(out.per, over), out);
  }
};

}  // namespace limbeck
