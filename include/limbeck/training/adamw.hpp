// AdamW: Adam with decoupled weight decay, as one sweep over flat buffers.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/models/parameter_table.hpp"

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

 private:
  template <class V, class T>
  LIMBECK_HD static V update(const adamw_step<T>& s, const V& gradient, V& m, V& v, const V& p) {
    const V g = gradient * V(s.gradient_scale);
    m = V(s.beta1) * m + V(s.share1) * g;
    v = V(s.beta2) * v + V(s.share2) * g * g;
    return p * V(s.keep) - V(s.rate) * (m * V(s.first_scale)) / (sqrt(v * V(s.second_scale)) + V(s.epsilon));
  }
};

/// Sums of squares of one chunk, in double: no overflow below 1e150, and few digits lost.
struct square_sum_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const T* x, index count, double& sum) {
    using V = simd_of_bytes<T, Bytes>;
    using D = simd<double, V::width>;
    D total(0.0);
    index i = 0;
    for (; i + D::width <= count; i += D::width) {
      const D here = load<D>(x + i);
      total += here * here;
    }
    sum = horizontal_sum(total);
    for (; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
};

struct norm_sums {};

}  // namespace detail

/// The L2 norm of a buffer, summed in double chunk by chunk: the same bits for every thread count.
template <class Provider, class T>
[[nodiscard]] double norm_of(const cpu_executor<Provider>& on, view<const T, 1> x) {
  constexpr index chunk_size = 1 << 14;
  const index chunks = (x.extent(0) + chunk_size - 1) / chunk_size;
  double* const sums = thread_scratch<detail::norm_sums, double>(chunks);
  parallel_for(on.threads, chunks, [&](index begin, index end) {
    for (index c = begin; c < end; ++c)
      simd_dispatch<detail::square_sum_kernel>(x.data() + c * chunk_size,
                                               std::min(chunk_size, x.extent(0) - c * chunk_size), sums[c]);
  });
  double total = 0;
  for (index c = 0; c < chunks; ++c) total += sums[c];
  return std::sqrt(total);
}

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
  [[nodiscard]] view<T, 1> first_moment() { return first_.all(); }
  [[nodiscard]] view<T, 1> second_moment() { return second_.all(); }
  /// For a resumed run: the moments are filled by the caller.
  void resume_at(index updates) { updates_ = updates; }

  /// One update of `weights` from `gradient` times `gradient_scale` (clipping) at learning rate `rate`.
  template <class Provider>
  void update(const cpu_executor<Provider>& on, double rate, double gradient_scale, view<const T, 1> gradient,
              view<T, 1> weights) {
    ++updates_;
    const double n = static_cast<double>(updates_);
    for (const run_of_parameters& r : runs_) {
      const detail::adamw_step<T> step{.beta1 = static_cast<T>(options_.beta1),
                                       .beta2 = static_cast<T>(options_.beta2),
                                       .share1 = static_cast<T>(1 - options_.beta1),
                                       .share2 = static_cast<T>(1 - options_.beta2),
                                       .epsilon = static_cast<T>(options_.epsilon),
                                       .rate = static_cast<T>(rate),
                                       .keep = static_cast<T>(r.decays ? 1 - rate * options_.weight_decay : 1),
                                       .first_scale = static_cast<T>(1 / (1 - std::pow(options_.beta1, n))),
                                       .second_scale = static_cast<T>(1 / (1 - std::pow(options_.beta2, n))),
                                       .gradient_scale = static_cast<T>(gradient_scale)};
      // In whole chunks: where a vector loop ends must not depend on the threads, for its rest may be rounded
      // otherwise.
      constexpr index chunk_size = 1 << 14;
      parallel_for(on.threads, (r.count + chunk_size - 1) / chunk_size, [&](index begin, index end) {
        const index at = r.offset + begin * chunk_size;
        simd_dispatch<detail::adamw_kernel>(step, std::min(end * chunk_size, r.count) - begin * chunk_size,
                                            gradient.data() + at, first_.data() + at, second_.data() + at,
                                            weights.data() + at);
      });
    }
  }

 private:
  struct run_of_parameters {
    index offset, count;
    bool decays;
  };
  void add_run(const parameter& p) {
    if (!runs_.empty() && runs_.back().decays == p.decays())
      runs_.back().count += p.count();
    else
      runs_.push_back({p.offset, p.count(), p.decays()});
  }

  adamw_options options_;
  buffer<T> first_, second_;
  std::vector<run_of_parameters> runs_;
  index updates_ = 0;
};

/// What gradients are multiplied by so that their norm is at most `limit`: at most 1; 1 where `limit` is 0.
[[nodiscard]] constexpr double clip_scale(double norm, double limit) {
  return limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1;
}

}  // namespace limbeck
