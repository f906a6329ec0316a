// Compares attention maps of mapped layers.
#pragma once

#include <utility>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/map_pairs.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/row_output.hpp"
#include "limbeck/mappings/uniform.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/attention_mse_cuda.hpp"
#else
#include "limbeck/losses/attention_mse_cpu.hpp"
#endif

namespace limbeck {

struct attention_mse_options {
  attention_map of = attention_map::scores;
  mask_mode mask = mask_mode::exact;
  divisor over = divisor::pairs;
  head_match heads = head_match::same;
  /// What lies in the gradients of the layers that are mapped. With `anything` the whole maps of all samples are
  /// written there, zeros where nothing counts, and not read: for the first term that has such a gradient, in buffers
  /// of your own. Its factor must never be 0: such a term is not called. On the host.
  gradient_holds maps = gradient_holds::a_sum;
};

/// value[sample] += the sum over layer pairs, query rows and the keys they see of the mean over heads of the squared
/// difference of two maps (Jiao et al. 2020, arXiv:1909.10351, equation 7), divided by the count of `over`. Maps before
/// the softmax (scores) or after (probabilities). Where the models have different numbers of heads, `heads` says what
/// then. Allocates nothing after the first call of a size. Throws contract_error where heads, samples, masks or depths
/// do not fit.
template <mapping_policy Map = uniform_mapping>
struct attention_mse {
  Map map;
  attention_mse_options options;
  signal_set reads;

  explicit constexpr attention_mse(Map map = {}, attention_mse_options options = {})
      : map(std::move(map)), options(options), reads(detail::signal_of(options.of)) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::layer_outputs outputs(options.maps);
    detail::for_each_map_pair("attention_mse", map, options.of, options.heads, student, teacher, out,
                              [&](const auto& maps, index compared, layer_pair p) {
                                detail::attention_mse_layer(
                                    backend_of<E>{}, on, options.mask, compared, student.rows, maps,
                                    p.weight / (count_of(out.per, options.over) * static_cast<double>(compared)),
                                    outputs.next(p.student, maps.gradient_bytes()), out);
                              });
  }
};

}  // namespace limbeck
