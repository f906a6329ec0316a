// Layer normalisation on the host.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/ops/dropout_cpu.hpp"
#include "limbeck/ops/element_formulas.hpp"
#include "limbeck/ops/norm_input.hpp"

namespace limbeck::ops::detail {

/// The sum over a row of f(x[c]...).
template <class V, class F, class T, class... X>
LIMBECK_HD T row_sum(const F& f, index width, const T* x, const X*... more) {
  V sum(T(0));
  index c = 0;
  for (; c + V::width <= width; c += V::width) sum += f(load<V>(x + c), load<V>(more + c)...);
  if (c < width) {
    const V rest = f(load_part<V>(x + c, width - c, T(0)), load_part<V>(more + c, width - c, T(0))...);
    sum += where(first_lanes<V>(width - c), rest, V(T(0)));
  }
  return horizontal_sum(sum);
}

template <class T>
struct squared_distance {
  T from;
  template <class V>
  LIMBECK_HD V operator()(const V& x) const {
    return (x - V(from)) * (x - V(from));
  }
};
struct product_of_two {
  template <class V>
  LIMBECK_HD V operator()(const V& a, const V& b) const {
    return a * b;
  }
};
struct product_of_three {
  template <class V>
  LIMBECK_HD V operator()(const V& a, const V& b, const V& c) const {
    return a * b * c;
  }
};

struct layer_norm_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const norm_input<T, cpu>& in, index begin, index end, const T epsilon, const T* gain,
                             const T* bias, const view<T, 2>& normalised, const view<T, 1>& spread,
                             const view<T, 2>& y) {
    using V = simd_of_bytes<T, Bytes>;
    const index width = in.x.extent(1);
    for (index r = begin; r < end; ++r) {
      const T* x = in.x.data() + r * in.x.stride(0);
      T* const out = y.data() + r * y.stride(0);
      if (!in.residual.empty()) {
        dropout_row<Bytes>(in.drop, in.drop.row_start(r, width), width, x,
                           in.residual.data() + r * in.residual.stride(0), out);
        x = out;
      }
      one_row<V>(epsilon, width, x, gain, bias,
                 normalised.empty() ? nullptr : normalised.data() + r * normalised.stride(0),
                 spread.empty() ? nullptr : spread.data() + r, out);
    }
  }

 private:
  template <class V, class T>
  LIMBECK_HD static void one_row(T epsilon, index width, const T* x, const T* gain, const T* bias, T* normalised,
                                 T* spread, T* y) {
    const T mean = row_sum<V>(itself{}, width, x) / static_cast<T>(width);
    const T variance = row_sum<V>(squared_distance<T>{mean}, width, x) / static_cast<T>(width);
    const T factor = T(1) / sqrt(variance + epsilon);
    if (spread != nullptr) *spread = factor;
    for (index c = 0; c < width; c += V::width) {
      const index here = width - c;
      const V n = (load_part<V>(x + c, here, T(0)) - V(mean)) * V(factor);
      if (normalised != nullptr) store_part(normalised + c, here, n);
      store_part(y + c, here, n * load_part<V>(gain + c, here, T(0)) + load_part<V>(bias + c, here, T(0)));
    }
  }
};

struct layer_norm_backward_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const view<const T, 2>& normalised, index begin, index end, const T* spread, const T* gain,
                             const view<const T, 2>& dy, const view<T, 2>& dx, const dropping<T>& drop,
                             const view<T, 2>& branch) {
    const index width = dy.extent(1);
    for (index r = begin; r < end; ++r) {
      T* const out = dx.data() + r * dx.stride(0);
      one_row<simd_of_bytes<T, Bytes>>(width, normalised.data() + r * normalised.stride(0), spread[r], gain,
                                       dy.data() + r * dy.stride(0), out);
      if (!branch.empty())
        dropout_row<Bytes, T>(drop, drop.row_start(r, width), width, out, nullptr,
                              branch.data() + r * branch.stride(0));
    }
  }

 private:
  template <class V, class T>
  LIMBECK_HD static void one_row(index width, const T* n, T spread, const T* gain, const T* g, T* out) {
    const T mean = row_sum<V>(product_of_two{}, width, g, gain) / static_cast<T>(width);
    const T along = row_sum<V>(product_of_three{}, width, g, gain, n) / static_cast<T>(width);
    for (index c = 0; c < width; c += V::width) {
      const index here = width - c;
      const V through = load_part<V>(g + c, here, T(0)) * load_part<V>(gain + c, here, T(0));
      store_part(out + c, here, (through - V(mean) - load_part<V>(n + c, here, T(0)) * V(along)) * V(spread));
    }
  }
};

/// dgain[c] += sum over rows of dy n, dbias[c] += sum over rows of dy, in the order of the rows.
struct layer_norm_parameter_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const view<const T, 2>& normalised, const view<const T, 2>& dy, T* dgain, T* dbias) {
    using V = simd_of_bytes<T, Bytes>;
    const index width = dy.extent(1), rows = dy.extent(0);
    const T *n = normalised.data(), *g = dy.data();
    index c = 0;
    for (; c + V::width <= width; c += V::width) {
      V gain = load<V>(dgain + c), bias = load<V>(dbias + c);
      for (index r = 0; r < rows; ++r) {
        const V here = load<V>(g + r * dy.stride(0) + c);
        gain += here * load<V>(n + r * normalised.stride(0) + c);
        bias += here;
      }
      store(dgain + c, gain);
      store(dbias + c, bias);
    }
    for (; c < width; ++c)
      for (index r = 0; r < rows; ++r) {
        dgain[c] += g[r * dy.stride(0) + c] * n[r * normalised.stride(0) + c];
        dbias[c] += g[r * dy.stride(0) + c];
      }
  }
};

inline constexpr index norm_elements_a_thread = 1 << 14;

template <class Provider, class T>
void layer_norm_rows(cpu, const cpu_executor<Provider>& on, const norm_input<T, cpu>& in, T epsilon,
                     view<const T, 1> gain, view<const T, 1> bias, view<T, 2> normalised, view<T, 1> spread,
                     view<T, 2> y) {
  parallel_for(on.threads, y.extent(0), norm_elements_a_thread / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    simd_dispatch<layer_norm_kernel>(in, begin, end, epsilon, gain.data(), bias.data(), normalised, spread, y);
  });
}

template <class Provider, class T>
void layer_norm_rows_backward(cpu, const cpu_executor<Provider>& on, view<const T, 2> normalised,
                              view<const T, 1> spread, view<const T, 1> gain, view<const T, 2> dy, view<T, 2> dx,
                              const dropping<T>& drop, view<T, 2> branch) {
  parallel_for(on.threads, dy.extent(0), norm_elements_a_thread / (dy.extent(1) + 1) + 1, [&](index begin, index end) {
    simd_dispatch<layer_norm_backward_kernel>(normalised, begin, end, spread.data(), gain.data(), dy, dx, drop, branch);
  });
}

template <class Provider, class T>
void layer_norm_parameters(cpu, const cpu_executor<Provider>& on, view<const T, 2> normalised, view<const T, 2> dy,
                           view<T, 1> dgain, view<T, 1> dbias) {
  parallel_for(on.threads, dy.extent(1), index{64}, [&](index begin, index end) {
    const index count = end - begin;
    simd_dispatch<layer_norm_parameter_kernel>(column_block(normalised, begin, count), column_block(dy, begin, count),
                                               dgain.data() + begin, dbias.data() + begin);
  });
}

}  // namespace limbeck::ops::detail
