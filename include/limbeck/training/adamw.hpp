// AdamW: Adam with decoupled weight decay, as one sweep over flat buffers that leaves out what cannot change.
#pragma once

#include <algorithm>
#include <cmath>
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

namespace limbeck {

/// What AdamW is told (Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2).
struct adamw_options {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.01;  ///< of weights; never of biases and norms
};

namespace detail {

/// The numbers of one update. share1 and share2 are 1 - beta, rounded once: 1 - float(0.999) is off by 1e-5 of itself.
template <class T>
struct adamw_step {
  T beta1, beta2, share1, share2, epsilon, rate, keep, first_scale, second_scale, gradient_scale;
};

struct adamw_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const adamw_step<T>& s, index count, const T* g, T* m, T* v, T* p) {
    using V = simd_of_bytes<T, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width) {
      V first = load<V>(m + i), second = load<V>(v + i);
      const V next = update(s, load<V>(g + i), first, second, load<V>(p + i));
      store(m + i, first);
      store(v + i, second);
      store(p + i, next);
    }
    for (; i < count; ++i) p[i] = update(s, g[i], m[i], v[i], p[i]);
  }

  /// Whether all that an update does to a parameter without gradient and moments is to multiply it by `keep`: the
  /// formula takes 0 from it, and not 0 / 0 where epsilon is 0.
  template <class T>
  [[nodiscard]] static bool only_decays(const adamw_step<T>& s) {
    T m = 0, v = 0;
    const T left = update(s, T(0), m, v, T(-0.0));
    return left == 0 && std::signbit(left);  // -0 less 0 is -0
  }

 private:
  template <class V, class T>
  LIMBECK_HD static V update(const adamw_step<T>& s, const V& gradient, V& m, V& v, const V& p) {
    const V g = gradient * V(s.gradient_scale);
    m = V(s.beta1) * m + V(s.share1) * g;
    v = V(s.beta2) * v + V(s.share2) * g * g;
    return p * V(s.keep) - V(s.rate) * (m * V(s.first_scale)) / (sqrt(v * V(s.second_scale)) + V(s.epsilon));
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
class adamw {
 public:
  explicit adamw(const parameter_table& table, adamw_options options = {})
      : options_(options), first_(table.size()), second_(table.size()) {
    for (const parameter& p : table.entries()) add_run(p);
  }

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
    for (const run_of_parameters& r : runs_) {
      const detail::adamw_step<T> step = step_of(r, rate, gradient_scale);
      const bool may_rest = detail::adamw_kernel::only_decays(step);
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

 private:
  /// Of a row of the table: it has no moments and no gradient; moments alone; a gradient.
  enum class row_state : std::uint8_t { at_rest, moving, touched };
  struct run_of_parameters {
    index offset, count;
    bool decays;
  };

  [[nodiscard]] detail::adamw_step<T> step_of(const run_of_parameters& r, double rate, double gradient_scale) const {
    const double n = static_cast<double>(updates_);
    return {.beta1 = static_cast<T>(options_.beta1),
            .beta2 = static_cast<T>(options_.beta2),
            .share1 = static_cast<T>(1 - options_.beta1),
            .share2 = static_cast<T>(1 - options_.beta2),
            .epsilon = static_cast<T>(options_.epsilon),
            .rate = static_cast<T>(rate),
            .keep = static_cast<T>(r.decays ? 1 - rate * options_.weight_decay : 1),
            .first_scale = static_cast<T>(1 / (1 - std::pow(options_.beta1, n))),
            .second_scale = static_cast<T>(1 / (1 - std::pow(options_.beta2, n))),
            .gradient_scale = static_cast<T>(gradient_scale)};
  }
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
  void add_run(const parameter& p) {
    if (!runs_.empty() && runs_.back().decays == p.decays())
      runs_.back().count += p.count();
    else
      runs_.push_back({p.offset, p.count(), p.decays()});
  }

  adamw_options options_;
  buffer<T> first_, second_;
  std::vector<run_of_parameters> runs_;
  slot table_{};                     ///< in which rows were left out last
  std::vector<std::uint8_t> moved_;  ///< of its rows: whether their moments may be other than 0
  index updates_ = 0;
};

}  // namespace limbeck
