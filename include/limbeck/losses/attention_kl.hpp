// Compares the distributions over keys that mapped layers attend with.
#pragma once

#include <utility>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/map_pairs.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/row_divergence.hpp"
#include "limbeck/mappings/uniform.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/attention_kl_cuda.hpp"
#else
#include "limbeck/losses/attention_kl_cpu.hpp"
#endif

namespace limbeck {

struct attention_kl_options {
  attention_map of = attention_map::scores;
  row_divergence measure = row_divergence::kl;
  head_match heads = head_match::same;
  divisor over = divisor::tokens;
};

/// value[sample] += the sum over layer pairs and query rows of the mean over heads of KL(teacher || student), in nats,
/// of the distributions over the keys that the row sees (Sun et al. 2020, arXiv:2004.02984, section 3.4; Wang et al.
/// 2020, arXiv:2002.10957, section 3.1), divided by the count of `over`. From scores, by a softmax of its own, with the
/// gradient to the scores: digits are kept where the two nearly agree. Or from probabilities, taken as they are, with
/// the gradient to those, -p_t / p. Rows behind a sample's keys do not count; samples of weight 0 are skipped, garbage
/// and all. Allocates nothing after the first call of a size. Throws contract_error where heads, samples, masks or
/// depths do not fit.
template <mapping_policy Map = uniform_mapping>
struct attention_kl {
  Map map;
  attention_kl_options options;
  signal_set reads;

  explicit constexpr attention_kl(Map map = {}, attention_kl_options options = {})
      : map(std::move(map)), options(options), reads(detail::signal_of(options.of)) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::for_each_map_pair("attention_kl", map, options.of, options.heads, student, teacher, out,
                              [&](const auto& maps, index compared, layer_pair p) {
                                detail::attention_kl_layer(
                                    backend_of<E>{}, on, options.of, options.measure, compared, student.rows, maps,
                                    p.weight / (count_of(out.per, options.over) * static_cast<double>(compared)), out);
                              });
  }
};

}  // namespace limbeck
