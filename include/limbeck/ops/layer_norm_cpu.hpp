// Layer normalisation on the host.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck::ops::detail {

/// The sum over a row of f(x[c]...).
template <class V, class F, class T, class... X>
LIMBECK_HD T row_sum(const F& f, index width, const T* x, const X*... more) {
  V sum(0);
  index c = 0;
  for (; c + V::width <= width; c += V::width) sum += f(load<V>(x + c), load<V>(more + c)...);
  T total = horizontal_sum(sum);
  for (; c < width; ++c) total += f(x[c], more[c]...);
  return total;
}

struct itself {
  template <class V>
  LIMBECK_HD V operator()(const V& x) const {
    return x;
  }
};
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
  LIMBECK_HD static void run(const T epsilon, const view<const T, 2>& x, const T* gain, const T* bias,
                             const view<T, 2>& normalised, const view<T, 1>& spread, const view<T, 2>& y) {
    using V = simd_of_bytes<T, Bytes>;
    for (index r = 0; r < x.extent(0); ++r)
      one_row<V>(epsilon, x.extent(1), x.data() + r * x.stride(0), gain, bias,
                 normalised.empty() ? nullptr : normalised.data() + r * normalised.stride(0),
                 spread.empty() ? nullptr : spread.data() + r, y.data() + r * y.stride(0));
  }

 private:
  template <class V, class T>
  LIMBECK_HD static void one_row(T epsilon, index width, const T* x, const T* gain, const T* bias, T* normalised,
                                 T* spread, T* y) {
    const T mean = row_sum<V>(itself{}, width, x) / static_cast<T>(width);
    const T variance = row_sum<V>(squared_distance<T>{mean}, width, x) / static_cast<T>(width);
    const T factor = T(1) / sqrt(variance + epsilon);
    if (spread != nullptr) *spread = factor;
    index c = 0;
    for (; c + V::width <= width; c += V::width) {
      const V n = (load<V>(x + c) - V(mean)) * V(factor);
      if (normalised != nullptr) store(normalised + c, n);
      store(y + c, n * load<V>(gain + c) + load<V>(bias + c));
    }
    for (; c < width; ++c) {
      const T n = (x[c] - mean) * factor;
      if (normalised != nullptr) normalised[c] = n;
      y[c] = n * gain[c] + bias[c];
    }
  }
};

struct layer_norm_backward_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const view<const T, 2>& normalised, const T* spread, const T* gain,
                             const view<const T, 2>& dy, const view<T, 2>& dx) {
    using V = simd_of_bytes<T, Bytes>;
    const index width = dy.extent(1);
    for (index r = 0; r < dy.extent(0); ++r) {
      const T *n = normalised.data() + r * normalised.stride(0), *g = dy.data() + r * dy.stride(0);
      T* const out = dx.data() + r * dx.stride(0);
      const T mean = row_sum<V>(product_of_two{}, width, g, gain) / static_cast<T>(width);
      const T along = row_sum<V>(product_of_three{}, width, g, gain, n) / static_cast<T>(width);
      index c = 0;
      for (; c + V::width <= width; c += V::width)
        store(out + c, (load<V>(g + c) * load<V>(gain + c) - V(mean) - load<V>(n + c) * V(along)) * V(spread[r]));
      for (; c < width; ++c) out[c] = (g[c] * gain[c] - mean - n[c] * along) * spread[r];
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
void layer_norm_rows(cpu, const cpu_executor<Provider>& on, T epsilon, view<const T, 2> x, view<const T, 1> gain,
                     view<const T, 1> bias, view<T, 2> normalised, view<T, 1> spread, view<T, 2> y) {
  parallel_for(on.threads, x.extent(0), norm_elements_a_thread / (x.extent(1) + 1) + 1, [&](index begin, index end) {
    const index count = end - begin;
    simd_dispatch<layer_norm_kernel>(epsilon, row_block(x, begin, count), gain.data(), bias.data(),
                                     normalised.empty() ? normalised : row_block(normalised, begin, count),
                                     spread.empty() ? spread : view<T, 1>(spread.data() + begin, count),
                                     row_block(y, begin, count));
  });
}

template <class Provider, class T>
void layer_norm_rows_backward(cpu, const cpu_executor<Provider>& on, view<const T, 2> normalised,
                              view<const T, 1> spread, view<const T, 1> gain, view<const T, 2> dy, view<T, 2> dx) {
  parallel_for(on.threads, dy.extent(0), norm_elements_a_thread / (dy.extent(1) + 1) + 1, [&](index begin, index end) {
    const index count = end - begin;
    simd_dispatch<layer_norm_backward_kernel>(row_block(normalised, begin, count), spread.data() + begin, gain.data(),
                                              row_block(dy, begin, count), row_block(dx, begin, count));
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
