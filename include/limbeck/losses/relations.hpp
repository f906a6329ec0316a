// Compares how the tokens of a sample relate to one another in mapped layers: by their queries, keys or values.
#pragma once

#include <array>
#include <string>

#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/relation_heads.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/mappings/top.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/relations_cuda.hpp"
#else
#include "limbeck/losses/relations_cpu.hpp"
#endif

namespace limbeck {

/// A relation of weight 0 is left out, and its signal is not read.
struct relation_weights {
  double queries = 1, keys = 1, values = 1;
};

struct minilm_relations_options {
  index heads = 48;  ///< relation heads: how a model's width is cut anew, whatever its own heads
  relation_weights weights{};
  bool causal = false;  ///< a row relates only to tokens up to its own
  divisor over = divisor::tokens;
};

struct value_relation_options {
  index heads = 12;  ///< those of both models
  bool causal = false;
  divisor over = divisor::tokens;
};

namespace detail {

/// The signals that a relation is made of, in the order of relation_weights.
template <class T, backend B>
[[nodiscard]] const per_layer<view<T, 2, B>>& related(const signals<T, B>& of, int which) {
  return which == 0 ? of.queries : which == 1 ? of.keys : of.values;
}

template <class E, class Map, class S, class U, class A, class G>
void relation_loss(const char* loss, const E& on, const Map& map, const minilm_relations_options& options,
                   const signals<const S, backend_of<E>>& student, const signals<const U, backend_of<E>>& teacher,
                   const sink<A, backend_of<E>, G>& out) {
  using place = backend_of<E>;
  expects_same_samples(loss, student, teacher, out);
  const std::array<double, 3> weights{options.weights.queries, options.weights.keys, options.weights.values};
  const auto for_each_pair = [&](const auto& visit) {
    for (int which = 0; which < 3; ++which) {
      if (weights[static_cast<std::size_t>(which)] == 0) continue;
      const auto& mine = related(student, which);
      const auto& theirs = related(teacher, which);
      const auto& gradient = related(out.gradient, which);
      map(depths{mine.size(), theirs.size()}, [&](layer_pair p) {
        const pair_of_vectors<S, U, G, place> x{layer_of(loss, "student", mine, p.student),
                                                layer_of(loss, "teacher", theirs, p.teacher),
                                                gradient.empty() ? view<G, 2, place>{} : gradient[p.student]};
        visit(x, p.weight * weights[static_cast<std::size_t>(which)]);
      });
    }
  };
  for_each_pair([&](const auto& x, double) {
    expects_states(loss, relation_heads{options.heads}, x.student, x.teacher, x.gradient);
  });
  for_each_pair([&](const auto& x, double weight) {
    relation_layer(place{}, on, options.heads, options.causal, student.rows, teacher.rows, x,
                   weight / (count_of(out.per, options.over) * static_cast<double>(options.heads)), out);
  });
}

}  // namespace detail

/// value[sample] += the sum over layer pairs, over relations (of queries, keys and values, each with its weight) and
/// over tokens of the mean over relation heads of KL(teacher || student), in nats, of the rows of
/// softmax(x x' / sqrt(width of a head)), divided by the count of `over` (Wang et al. 2021, arXiv:2012.15828, section
/// 3.1). Widths and numbers of attention heads may differ: both widths are cut into `heads`, 48 in the paper for
/// students of BERT-base, 64 for those of BERT-large. Only valid tokens are computed; samples of weight 0 are skipped,
/// garbage and all. Allocates nothing after the first call of a size; no length x length memory is needed. Throws
/// contract_error where heads, samples or depths do not fit.
template <mapping_policy Map = top_mapping>
struct minilm_relations {
  Map map;
  minilm_relations_options options;
  signal_set reads;

  explicit constexpr minilm_relations(Map map = {}, minilm_relations_options options = {})
      : map(std::move(map)), options(options), reads(signals_of(options.weights)) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::relation_loss("minilm_relations", on, map, options, student, teacher, out);
  }

 private:
  static constexpr signal_set signals_of(const relation_weights& weights) {
    return (weights.queries != 0 ? signal::queries : signal::none) | (weights.keys != 0 ? signal::keys : signal::none) |
           (weights.values != 0 ? signal::values : signal::none);
  }
};

/// The relation of values alone, by the heads of the models, which must have the same number of them (Wang et al. 2020,
/// arXiv:2002.10957, section 3.2). MiniLM adds attention_kl of the last layers to it.
template <mapping_policy Map = top_mapping>
struct value_relation {
  static constexpr signal_set reads = signal::values;
  Map map;
  value_relation_options options;

  explicit constexpr value_relation(Map map = {}, value_relation_options options = {})
      : map(std::move(map)), options(options) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    const minilm_relations_options all{.heads = options.heads,
                                       .weights = {.queries = 0, .keys = 0, .values = 1},
                                       .causal = options.causal,
                                       .over = options.over};
    detail::relation_loss("value_relation", on, map, all, student, teacher, out);
  }
};

}  // namespace limbeck
