// A student whose logits are x W, with its losses and their gradients sample by sample: what the tests of weights that
// look at gradients share.
#pragma once

#include <vector>

#include "limbeck/core/executors.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/soft_target.hpp"

namespace limbeck_test {

using limbeck::index;

/// A batch of samples, one row each, with labels and a teacher's logits.
template <class A>
struct linear_batch {
  index samples, inputs, classes;
  std::vector<A> x;        ///< [samples, inputs]
  std::vector<A> teacher;  ///< [samples, classes]
  std::vector<std::int32_t> labels;
  double temperature = 1;

  /// Cross-entropy (0) or the softened KL (1) of every sample, with the gradient of the logits.
  struct outcome {
    std::vector<A> value, dlogits;
  };
  [[nodiscard]] outcome loss(int which, const std::vector<A>& w) const {
    using limbeck::view;
    std::vector<A> z(teacher.size(), A(0));
    for (index i = 0; i < samples; ++i)
      for (index c = 0; c < classes; ++c)
        for (index k = 0; k < inputs; ++k)
          z[at(i, c)] += x[std::size_t(i * inputs + k)] * w[std::size_t(k * classes + c)];
    outcome got{std::vector<A>(static_cast<std::size_t>(samples)), std::vector<A>(z.size())};
    limbeck::sink<A, limbeck::cpu> out{view<A, 1>(got.value.data(), samples)};
    out.gradient.logits = view<A, 2>(got.dlogits.data(), samples, classes);
    const limbeck::signals<const A> student{view<const A, 2>(z.data(), samples, classes)},
        shown{view<const A, 2>(teacher.data(), samples, classes)};
    const limbeck::targets<A> given{.labels = view<const std::int32_t, 1>(labels.data(), samples)};
    if (which == 0)
      limbeck::cross_entropy{}(limbeck::cpu_executor<>{}, student, shown, given, out);
    else
      limbeck::soft_target_kl{.temperature = temperature}(limbeck::cpu_executor<>{}, student, shown, given, out);
    return got;
  }
  /// The gradient of the weighted sum of a loss by W.
  [[nodiscard]] std::vector<A> gradient(int which, const std::vector<A>& w, const std::vector<A>& weight) const {
    const outcome got = loss(which, w);
    std::vector<A> g(w.size(), A(0));
    for (index i = 0; i < samples; ++i)
      for (index k = 0; k < inputs; ++k)
        for (index c = 0; c < classes; ++c)
          g[std::size_t(k * classes + c)] +=
              weight[std::size_t(i)] * x[std::size_t(i * inputs + k)] * got.dlogits[at(i, c)];
    return g;
  }
  /// products [2, samples] of a direction with each sample's two gradients, exactly.
  [[nodiscard]] std::vector<A> products(const std::vector<A>& w, const std::vector<A>& direction) const {
    std::vector<A> out;
    for (const int which : {0, 1})
      for (index i = 0; i < samples; ++i) {
        std::vector<A> alone(static_cast<std::size_t>(samples), A(0));
        alone[std::size_t(i)] = 1;
        const auto g = gradient(which, w, alone);
        A sum = 0;
        for (std::size_t k = 0; k < g.size(); ++k) sum += g[k] * direction[k];
        out.push_back(sum);
      }
    return out;
  }

 private:
  [[nodiscard]] std::size_t at(index i, index c) const { return static_cast<std::size_t>(i * classes + c); }
};

}  // namespace limbeck_test
