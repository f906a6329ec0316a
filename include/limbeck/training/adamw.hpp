// AdamW: Adam with decoupled weight decay, as one sweep over flat buffers that leaves out what cannot change.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/touched_rows.hpp"
#include "limbeck/training/adamw_formula.hpp"
#include "limbeck/training/clipping.hpp"

namespace limbeck {

namespace detail {

struct adamw_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const adamw_step<T>& s, index count, const T* g, T* m, T* v, T* p) {
    using V = simd_of_bytes<T, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width) {
      V first = load<V>(m + i), second = load<V>(v + i);
      const V next = s.update(load<V>(g + i), first, second, load<V>(p + i));
      store(m + i, first);
      store(v + i, second);
      store(p + i, next);
    }
    for (; i < count; ++i) p[i] = s.update(g[i], m[i], v[i], p[i]);
  }
};

/// x *= factor.
struct decay_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(T factor, index count, T* x) {
    using V = simd_of_bytes<T, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width) store(x + i, load<V>(x + i) * V(factor));
    for (; i < count; ++i) x[i] *= factor;
  }
};

/// A gradient of 0 that stays in the nearest cache.
template <class T>
alignas(64) inline constexpr T no_gradient[512]{};

}  // namespace detail

/// The moments of AdamW for the parameters of one table.
template <class T>
class adamw<T, cpu> {
 public:
  explicit adamw(const parameter_table& table, adamw_options options = {})
      : options_(options), first_(table.size()), second_(table.size()), runs_(detail::runs_of(table)) {}

  template <class Provider>
  adamw(const cpu_executor<Provider>&, const parameter_table& table, adamw_options options = {})
      : adamw(table, options) {}

  [[nodiscard]] const adamw_options& options() const { return options_; }
  [[nodiscard]] index updates() const { return updates_; }
  [[nodiscard]] view<const T, 1> first_moment() const { return first_.all(); }
  [[nodiscard]] view<const T, 1> second_moment() const { return second_.all(); }
  /// To be filled before the next update; behind it a view must be asked for anew.
  [[nodiscard]] view<T, 1> first_moment() { return moments_change(first_); }
  [[nodiscard]] view<T, 1> second_moment() { return moments_change(second_); }
  /// For a resumed run: the moments are filled by the caller.
  void resume_at(index updates) { updates_ = updates; }

  /// One update of `weights` from `gradient` times `gradient_scale` (clipping) at learning rate `rate`. The gradient of
  /// rows that were not touched must be 0 and is not read; the bits are those of an update that reads it.
  template <class Provider>
  void update(const cpu_executor<Provider>& on, double rate, double gradient_scale, view<const T, 1> gradient,
              view<T, 1> weights, const touched_rows& touched = {}) {
    ++updates_;
    look_for_moments(touched.table());
    for (const detail::parameter_run& r : runs_) {
      const auto step = detail::adamw_step<T>::of(options_, updates_, rate, r.decays, gradient_scale);
      const bool may_rest = step.only_decays();
      const auto state = [&](index row) {
        if (touched(row)) return row_state::touched;
        return may_rest && moved_[static_cast<std::size_t>(row)] == 0 ? row_state::at_rest : row_state::moving;
      };
      touched.sweep(on, r.offset, r.offset + r.count, state, [&](index begin, index end, row_state of_rows) {
        if (of_rows == row_state::touched) update_piece(step, begin, end - begin, gradient.data() + begin, weights);
        if (of_rows == row_state::moving) move_on(step, begin, end, weights);
        if (of_rows == row_state::at_rest && step.keep != 1)
          simd_dispatch<detail::decay_kernel>(step.keep, end - begin, weights.data() + begin);
      });
    }
    for (std::size_t row = 0; row < moved_.size(); ++row)
      if (touched(static_cast<index>(row))) moved_[row] = 1;
  }
  /// The same, clipped by what is known of the gradient's norm.
  template <class Provider>
  void update(const cpu_executor<Provider>& on, double rate, const gradient_clip<cpu>& clip, view<const T, 1> gradient,
              view<T, 1> weights, const touched_rows& touched = {}) {
    update(on, rate, clip.scale(), gradient, weights, touched);
  }

 private:
  /// Of a row of the table: it has no moments and no gradient; moments alone; a gradient.
  enum class row_state : std::uint8_t { at_rest, moving, touched };

  void update_piece(const detail::adamw_step<T>& step, index begin, index count, const T* gradient,
                    view<T, 1> weights) {
    simd_dispatch<detail::adamw_kernel>(step, count, gradient, first_.data() + begin, second_.data() + begin,
                                        weights.data() + begin);
  }
  /// An update with a gradient of 0.
  void move_on(const detail::adamw_step<T>& step, index begin, index end, view<T, 1> weights) {
    constexpr index most = std::size(detail::no_gradient<T>);
    for (; begin < end; begin += most)
      update_piece(step, begin, std::min(most, end - begin), detail::no_gradient<T>, weights);
  }

  [[nodiscard]] view<T, 1> moments_change(buffer<T>& moments) {
    table_ = {};
    return moments.all();
  }
  /// Which rows of the table have moments. Known from update to update, as long as both look at one table.
  void look_for_moments(const slot& table) {
    if (table == table_) return;
    const index end = table.offset + table.rows * table.columns;
    expects(end <= first_.count(), [&] {
      return message("adamw: the table that was touched ends at ", end, ", the parameters at ", first_.count());
    });
    table_ = table;
    moved_.resize(static_cast<std::size_t>(table.rows));
    const auto all_0 = [&](const T* x) {
      return std::all_of(x, x + table.columns, [](T value) { return value == 0 && !std::signbit(value); });
    };
    for (index row = 0; row < table.rows; ++row) {
      const index at = table.offset + row * table.columns;
      moved_[static_cast<std::size_t>(row)] = all_0(first_.data() + at) && all_0(second_.data() + at) ? 0 : 1;
    }
  }
  adamw_options options_;
  buffer<T> first_, second_;
  std::vector<detail::parameter_run> runs_;
  slot table_{};                     ///< in which rows were left out last
  std::vector<std::uint8_t> moved_;  ///< of its rows: whether their moments may be other than 0
  index updates_ = 0;
};

}  // namespace limbeck
