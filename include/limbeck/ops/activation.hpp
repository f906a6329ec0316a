// Activation functions as policies, and their use on matrices.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/sweep.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/activation_cuda.hpp"
#else
#include "limbeck/ops/activation_cpu.hpp"
#endif

namespace limbeck {

/// x * Phi(x), Phi by the error function (Hendrycks and Gimpel 2016, arXiv:1606.08415): BERT's.
struct gelu {
  template <class T>
  [[nodiscard]] LIMBECK_HD T value(const T& x) const {
    return T(0.5) * x * (T(1) + erf(x * T(0.70710678118654752)));
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD T slope(const T& x) const {
    return T(0.5) * (T(1) + erf(x * T(0.70710678118654752))) + x * T(0.39894228040143268) * exp(T(-0.5) * x * x);
  }
};

/// GELU by the tanh approximation (same paper, section 2): GPT-2's `gelu_new`.
struct gelu_tanh {
  template <class T>
  [[nodiscard]] LIMBECK_HD T value(const T& x) const {
    return T(0.5) * x * (T(1) + tanh(inner(x)));
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD T slope(const T& x) const {
    const T t = tanh(inner(x));
    const T by_inner = T(0.79788456080286536) * (T(1) + T(3 * 0.044715) * x * x);
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * by_inner;
  }

 private:
  template <class T>
  [[nodiscard]] LIMBECK_HD static T inner(const T& x) {
    return T(0.79788456080286536) * (x + T(0.044715) * x * x * x);
  }
};

struct relu {
  template <class T>
  [[nodiscard]] LIMBECK_HD T value(const T& x) const {
    return max(x, T(0));
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD T slope(const T& x) const {
    return where(x > T(0), T(1), T(0));
  }
};

struct hyperbolic_tangent {
  template <class T>
  [[nodiscard]] LIMBECK_HD T value(const T& x) const {
    return tanh(x);
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD T slope(const T& x) const {
    const T t = tanh(x);
    return T(1) - t * t;
  }
};

namespace ops {
namespace detail {

template <class Activation>
struct value_of {
  Activation activation;
  template <class V>
  LIMBECK_HD V operator()(const V& x) const {
    return activation.value(x);
  }
};
template <class Activation>
struct slope_times {
  Activation activation;
  template <class V>
  LIMBECK_HD V operator()(const V& x, const V& dy) const {
    return dy * activation.slope(x);
  }
};

}  // namespace detail

/// y = activation(x), element by element, for matrices of one shape whose rows have no gaps. y may be x.
/// Throws contract_error where the shapes differ.
template <launchable E, class Activation, class T, backend B = backend_of<E>>
void transform(const E& on, const Activation& activation, view<const T, 2, B> x, view<T, 2, B> y) {
  expects_one_shape("transform", x, y);
  detail::sweep(on, detail::value_of<Activation>{activation}, y, x);
}

/// before += bias for each row, after = activation(before), in one sweep; bias [columns] may be empty. after may be
/// before: then only the activation is left. Throws contract_error where the shapes do not fit.
template <launchable E, class Activation, class T, backend B = backend_of<E>>
void transform_biased(const E& on, const Activation& activation, view<const T, 1, B> bias, view<T, 2, B> before,
                      view<T, 2, B> after) {
  expects_one_shape("transform_biased", before, after);
  expects(bias.empty() || bias.extent(0) == before.extent(1), [&] {
    return message("transform_biased: bias ", shape_text(bias), " does not fit the rows of ", shape_text(before));
  });
  detail::transform_rows_biased(B{}, on, activation, bias, before, after);
}

/// dx = dy * activation'(x), element by element. dx may be dy. Throws contract_error where the shapes differ.
template <launchable E, class Activation, class T, backend B = backend_of<E>>
void transform_backward(const E& on, const Activation& activation, view<const T, 2, B> x, view<const T, 2, B> dy,
                        view<T, 2, B> dx) {
  expects_one_shape("transform_backward", x, dy);
  expects_one_shape("transform_backward", x, dx);
  detail::sweep(on, detail::slope_times<Activation>{activation}, dx, x, dy);
}

}  // namespace ops
}  // namespace limbeck
