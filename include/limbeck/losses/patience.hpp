// Compares the directions of first tokens' hidden states, layer by layer.
#pragma once

#include <utility>

#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/mappings/uniform.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/patience_cuda.hpp"
#else
#include "limbeck/losses/patience_cpu.hpp"
#endif

namespace limbeck {

/// What patience is divided by. All three are in use; with 6 layers of width 768 they differ by a factor of thousands.
enum class patience_scale {
  sum,           ///< nothing: the sum over samples and layer pairs, as in the paper
  samples,       ///< the caller's count of samples, as in TextBrewer
  mean_element,  ///< samples, layer pairs and width, as in the authors' code, where its weight is 10 to 1000
};

/// Patient knowledge distillation: value[sample] += the sum over layer pairs of |s / |s| - t / |t||^2, s and t being
/// the hidden states of the sample's first token, divided as `scale` says (Sun et al. 2019, arXiv:1908.09355, equation
/// 7). A state of zeros stays one and has no gradient. The widths must agree. Samples of weight 0, and those without a
/// token, are skipped. Throws contract_error where widths, samples or depths do not fit.
template <mapping_policy Map = uniform_mapping>
struct patience {
  static constexpr signal_set reads = signal::hidden;
  Map map;
  patience_scale scale;

  explicit constexpr patience(Map map = {}, patience_scale scale = patience_scale::sum)
      : map(std::move(map)), scale(scale) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    double pairs = 0;
    map(depths{student.hidden.size(), teacher.hidden.size()}, [&](layer_pair) { ++pairs; });
    detail::for_each_state_pair("patience", map, detail::equal_widths{}, student, teacher, out,
                                [&](auto mine, auto theirs, auto gradient, layer_pair p) {
                                  const double elements = scale == patience_scale::mean_element
                                                              ? pairs * static_cast<double>(mine.extent(1))
                                                              : 1;
                                  const double samples = scale == patience_scale::sum ? 1 : out.per.samples;
                                  detail::patience_layer(backend_of<E>{}, on, student.rows, teacher.rows, mine, theirs,
                                                         gradient, samples * elements / p.weight, out);
                                });
  }
};

}  // namespace limbeck
