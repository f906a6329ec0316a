// Compares the directions of first tokens' hidden states, layer by layer.
#pragma once

#include <utility>

#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/directions_cpu.hpp"
#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck {

/// What patience is divided by. All three are in use; with 6 layers of width 768 they differ by a factor of thousands.
enum class patience_scale {
  sum,           ///< nothing: the sum over samples and layer pairs, as in the paper
  samples,       ///< the caller's count of samples, as in TextBrewer
  mean_element,  ///< samples, layer pairs and width, as in the authors' code, where its weight is 10 to 1000
};

namespace detail {

template <class Provider, class S, class U, class A, class G>
void patience_layer(const cpu_executor<Provider>& on, view<const sample_rows, 1> rows,
                    view<const sample_rows, 1> teacher_rows, view<const S, 2> student, view<const U, 2> teacher,
                    view<G, 2> gradient, double count, const sink<A, cpu, G>& out) {
  constexpr index worth_a_thread = 1 << 14;  // elements
  const index width = student.extent(1);
  parallel_for(on.threads, rows.extent(0), worth_a_thread / width + 1, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const A factor = factor_of(out, count / 2, i);
      if (factor == A(0) || rows(i).keys == 0) continue;
      const index at = rows(i).begin;
      const A half_square = compare_directions(&student(at, 0), &teacher(teacher_rows(i).begin, 0), width, factor,
                                               gradient.empty() ? static_cast<G*>(nullptr) : &gradient(at, 0))
                                .half_square;
      if (!out.value.empty()) out.value(i) += factor * half_square;
    }
  });
}

}  // namespace detail

/// Patient knowledge distillation: value[sample] += the sum over layer pairs of |s / |s| - t / |t||^2, s and t being
/// the hidden states of the sample's first token, divided as `scale` says (Sun et al. 2019, arXiv:1908.09355, equation
/// 7). A state of zeros stays one and has no gradient. The widths must agree. Samples of weight 0, and those without a
/// token, are skipped. On the host. Throws contract_error where widths, samples or depths do not fit.
template <mapping_policy Map = uniform_mapping>
struct patience {
  static constexpr signal_set reads = signal::hidden;
  Map map;
  patience_scale scale;

  explicit constexpr patience(Map map = {}, patience_scale scale = patience_scale::sum)
      : map(std::move(map)), scale(scale) {}

  template <class Provider, class S, class U, class A, class G>
  void operator()(const cpu_executor<Provider>& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>&, const sink<A, cpu, G>& out) const {
    double pairs = 0;
    map(depths{student.hidden.size(), teacher.hidden.size()}, [&](layer_pair) { ++pairs; });
    detail::for_each_state_pair("patience", map, detail::equal_widths{}, student, teacher, out,
                                [&](auto mine, auto theirs, auto gradient, layer_pair p) {
                                  const double elements = scale == patience_scale::mean_element
                                                              ? pairs * static_cast<double>(mine.extent(1))
                                                              : 1;
                                  const double samples = scale == patience_scale::sum ? 1 : out.per.samples;
                                  detail::patience_layer(on, student.rows, teacher.rows, mine, theirs, gradient,
                                                         samples * elements / p.weight, out);
                                });
  }
};

}  // namespace limbeck
