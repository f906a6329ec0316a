// Divergences of softened class scores on the host. What a divergence needs to be compiled for is one short sweep; all
// else is shared.
#pragma once

#include <algorithm>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/compared.hpp"
#include "limbeck/losses/compared_rows_cpu.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

/// What the slopes of a block of compared rows are multiplied by.
template <class Layout, class V>
[[nodiscard]] LIMBECK_HD V gradient_factor(const row_groups<V>& groups, const compared_block<V>& here) {
  return groups[here.number].template factors<Layout>() * here.pair.inverse_temperature;
}

/// Adds up a divergence that knows the sum of its slopes over blocks of compared rows; with its gradient, if wanted.
struct value_and_gradient {
  template <int Bytes, class Compared, class D, class Gradient, class Groups, class V>
  LIMBECK_HD static void run(const Compared& rows, const D& divergence, const Gradient& gradient, bool wanted,
                             const Groups& groups, index first, index last, divergence_term<V>* sums) {
    const V slope_sum(D::slope_sum);
    const Gradient to = gradient;
    for (index b = first; b < last; ++b) {
      const auto here = rows[b];
      const V factor = gradient_factor<typename Compared::layout>(groups, here);
      V value(0);
      const index step = rows.backwards() ? -1 : 1;  // as from block to block, so that memory is read one way
      index k = step > 0 ? here.begin : here.end - 1;
      for (index left = here.end - here.begin; left > 0; --left, k += step) {
        const divergence_term<V> term = divergence(here[k]);
        value += term.value;
        if (!wanted) continue;
        if constexpr (D::slope_sum == 0)
          to.add(k, factor * term.slope);
        else
          to.add(k, factor * logit_slope(term.slope, here.student(k), slope_sum));
      }
      sums[here.number].value += value;
    }
  }
};

/// Adds up a divergence and its slopes over blocks of compared rows, and leaves the slopes with them.
template <class D>
struct value_and_slopes {
  template <int Bytes, class V, class A>
  LIMBECK_HD static void run(const compared_block<V>* blocks, index count, const void* divergence, A* slopes,
                             divergence_term<V>* sums) {
    const D d = *static_cast<const D*>(divergence);  // a copy, which no store can change
    for (index b = 0; b < count; ++b) {
      const compared_block<V> here = blocks[b];
      divergence_term<V> sum{V(0), V(0)};
      for (index k = here.begin; k < here.end; ++k) {
        const divergence_term<V> term = d(here[k]);
        sum += term;
        store(slopes + k * compared_block<V>::slope_step, term.slope);
      }
      sums[here.number] += sum;
    }
  }
};
/// value_and_slopes of a divergence that is known when the program runs: all round it is compiled once for all.
template <class V>
class any_divergence {
  using A = typename V::scalar;

 public:
  template <class D>
  LIMBECK_HD explicit any_divergence(const D& divergence)
      : divergence_(&divergence),
        sweep_(kernel_pointer<value_and_slopes<D>, sizeof(V), const compared_block<V>*, index, const void*, A*,
                              divergence_term<V>*>()) {}

  template <class Compared>
  LIMBECK_HD void operator()(Compared& rows, divergence_term<V>* sums) const {
    constexpr index most = row_groups<V>::most;
    compared_block<V> at_once[most];
    const compared_block<V>* first = at_once;
    const void* divergence = divergence_;
    A* slopes = rows.place_of_slopes();
    for (index b = 0; b < rows.blocks(); b += most) {
      index count = std::min(most, rows.blocks() - b);
      for (index i = 0; i < count; ++i) at_once[i] = rows[b + i];
      sweep_(first, count, divergence, slopes, sums);
    }
  }

 private:
  const void* divergence_;
  void (*sweep_)(const compared_block<V>*&, index&, const void*&, A*&, divergence_term<V>*&);
};

/// The gradients that kept slopes mean; sums: of the slopes.
struct gradient_of_slopes {
  template <int Bytes, class Compared, class Gradient, class Groups, class V>
  LIMBECK_HD static void run(const Compared& rows, const Gradient& gradient, const Groups& groups, index first,
                             index last, const divergence_term<V>* sums) {
    const Gradient to = gradient;
    for (index b = first; b < last; ++b) {
      const auto here = rows[b];
      const V factor = gradient_factor<typename Compared::layout>(groups, here);
      const V slope_sum = Compared::layout::summed(sums[here.number].slope);
      for (index k = here.begin; k < here.end; ++k)
        to.add(k, factor * logit_slope(here.slope(k), here.student(k), slope_sum));
    }
  }
};

/// D: a divergence that knows the sum of its slopes, or any_divergence.
struct soft_target_group {
  static constexpr bool takes_many = true;

  template <class Layout, class Rows, class V, class D, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, const D& divergence, const A& temperature,
                             A* const& room) {
    using compared_type = compared_rows<Layout, V>;
    compared_type compared(rows, groups, temperature, room);
    call_kernel<compare_rows, sizeof(V)>(compared);
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(
        rows, groups, room + compared_type::kept_room(rows.classes, groups.count), room,
        compared.backwards() ? -bytes_ahead : bytes_ahead);
    const bool wanted = !rows.gradients.empty();
    divergence_term<V> sums[compared_type::most_pairs];
    for (int g = 0; g < compared.pairs(); ++g) sums[g] = {V(0), V(0)};
    sweep(compared, divergence, gradient, wanted, groups, sums);
    if (wanted) gradient.finish();
    V values[compared_type::most_pairs];
    for (int g = 0; g < compared.pairs(); ++g) values[g] = Layout::summed(sums[g].value);
    add_values<Layout>(rows, groups, values);
  }

 private:
  template <class Compared, class D, class Gradient, class V>
  LIMBECK_HD static void sweep(Compared& rows, const D& divergence, const Gradient& gradient, bool wanted,
                               const row_groups<V>& groups, divergence_term<V>* sums) {
    const index count = rows.blocks();
    if constexpr (requires { D::slope_sum; }) {
      if (!rows.backwards())
        return call_kernel<value_and_gradient, sizeof(V)>(rows, divergence, gradient, wanted, groups, index(0), count,
                                                          sums);
      for (index b = count; b-- > 0;)
        call_kernel<value_and_gradient, sizeof(V)>(rows, divergence, gradient, wanted, groups, b, b + 1, sums);
    } else {
      divergence(rows, sums);
      if (wanted) call_kernel<gradient_of_slopes, sizeof(V)>(rows, gradient, groups, index(0), count, sums);
    }
  }
};

/// for_row_groups as a function of its own, which every divergence shares.
struct any_soft_target {
  template <int Bytes, class V, class A, class Rows>
  LIMBECK_HD static void run(const any_divergence<V>& divergence, A temperature, const Rows& rows, index begin,
                             index end, A* room) {
    for_row_groups<soft_target_group, V>(rows, begin, end, every_row{}, divergence, temperature, room);
  }
};

struct soft_target_kernel {
  template <int Bytes, class D, class A, class Rows>
  LIMBECK_HD static void run(const D& divergence, A temperature, const Rows& rows, index begin, index end, A* room) {
    using V = simd_of_bytes<A, Bytes>;
    if constexpr (requires { divergence.common_form(); }) {
      if (divergence.is_common()) return run<Bytes>(divergence.common_form(), temperature, rows, begin, end, room);
    }
    if constexpr (requires { D::slope_sum; })
      for_row_groups<soft_target_group, V>(rows, begin, end, every_row{}, divergence, temperature, room);
    else
      call_kernel<any_soft_target, Bytes>(any_divergence<V>(divergence), temperature, rows, begin, end, room);
  }
};

struct soft_target_scratch {};

template <class D, class A, class S, class U, class G>
[[nodiscard]] auto soft_target_work(const D& divergence, A temperature, const logit_rows<S, U, A, cpu, G>& rows) {
  return row_work{rows, [divergence, temperature](const auto& all, index begin, index end) {
                    A* room = thread_scratch<soft_target_scratch, A>(compared_room<A>(all.classes));
                    simd_dispatch<soft_target_kernel>(divergence, temperature, all, begin, end, room);
                  }};
}
template <class D, class A, class S, class U, class G>
void soft_target_rows(cpu, const auto& on, const D& divergence, A temperature,
                      const logit_rows<S, U, A, cpu, G>& rows) {
  carry_out(on, soft_target_work(divergence, temperature, rows));
}

}  // namespace limbeck::detail
