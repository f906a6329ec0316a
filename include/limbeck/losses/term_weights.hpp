// Weights of whole terms that are learned while training.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include "limbeck/losses/loss_policy.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/term_weights_cuda.hpp"
#else
#include "limbeck/losses/term_weights_cpu.hpp"
#endif

namespace limbeck {

/// The sum of terms weighted by an uncertainty that each learns (Kendall et al. 2018, arXiv:1705.07115, equation 7):
/// value = sum over terms k of exp(-s_k) / 2 * term k + s_k / 2 * samples / count, s the logarithms of variances. Looks
/// at memory of the caller's, best a piece of the student's flat buffers, so that the optimiser sees it: log_variance
/// [terms], 0 to begin with; gradient [terms], added to, empty: not wanted. `count` is the caller's `per.samples`, so
/// that every split of a step gives the same gradient. Samples of weight 0 add nothing. On a device it takes room for
/// two numbers a sample from the device's pool. Throws contract_error where the sizes are not the number of terms.
template <class T, backend B, some_loss... Terms>
struct uncertainty_weighted {
  view<const T, 1, B> log_variance;
  view<T, 1, B> gradient;
  std::tuple<Terms...> terms;
  signal_set reads = signal::none;

  explicit constexpr uncertainty_weighted(view<const T, 1, B> log_variance, view<T, 1, B> gradient, Terms... all)
      : log_variance(log_variance),
        gradient(gradient),
        terms(std::move(all)...),
        reads((signal::none | ... | all.reads)) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, B>& student, const signals<const U, B>& teacher,
                  const targets<A, B>& given, const sink<A, B, G>& out) const {
    constexpr auto count = static_cast<index>(sizeof...(Terms));
    expects(log_variance.extent(0) == count && (gradient.empty() || gradient.extent(0) == count), [&] {
      return message("uncertainty_weighted: ", log_variance.extent(0), " variances and ", gradient.extent(0),
                     " gradients of ", count, " terms");
    });
    index k = 0;
    const auto add = [&](const auto& term) {
      const view<T, 1, B> slope = gradient.empty() ? view<T, 1, B>{} : view<T, 1, B>(gradient.data() + k, 1);
      detail::add_uncertain(B{}, on, term, view<const T, 1, B>(log_variance.data() + k, 1), slope, student, teacher,
                            given, out);
      ++k;
    };
    std::apply([&](const auto&... term) { (add(term), ...); }, terms);
  }
};

/// GradNorm (Chen et al. 2018, arXiv:1711.02257, algorithm 1): moves the weights of terms, all [terms], so that terms
/// which have learned less pull harder. norms: of each weighted term's gradient with respect to weights that all share,
/// |w_k grad L_k|; losses and first_losses: L_k now and at the first step, not weighted. w_k -= rate * sign(norm -
/// target) * norm / w_k, target = mean norm * (rate of learning of k / their mean)^strength; kept above 0 and scaled to
/// sum to the number of terms. Throws contract_error where sizes differ or a first loss or weight is not positive.
template <class T>
void grad_norm_update(const view<const T, 1>& norms, const view<const T, 1>& losses,
                      const view<const T, 1>& first_losses, double strength, double rate, const view<T, 1>& weights) {
  const index terms = weights.extent(0);
  expects(norms.extent(0) == terms && losses.extent(0) == terms && first_losses.extent(0) == terms, [&] {
    return message("grad_norm_update: ", norms.extent(0), " norms, ", losses.extent(0), " losses and ",
                   first_losses.extent(0), " first losses of ", terms, " weights");
  });
  double mean_norm = 0, mean_left = 0;  // of what is left to learn
  for (index k = 0; k < terms; ++k) {
    expects(first_losses(k) > T(0) && weights(k) > T(0), [&] {
      return message("grad_norm_update: term ", k, " has the first loss ", first_losses(k), " and the weight ",
                     weights(k), ", expected positive ones");
    });
    mean_norm += static_cast<double>(norms(k)) / static_cast<double>(terms);
    mean_left += static_cast<double>(losses(k)) / static_cast<double>(first_losses(k)) / static_cast<double>(terms);
  }
  double sum = 0;
  for (index k = 0; k < terms; ++k) {
    const double left = static_cast<double>(losses(k)) / static_cast<double>(first_losses(k));
    const double target = mean_norm * (mean_left > 0 ? std::pow(left / mean_left, strength) : 1);
    const auto norm = static_cast<double>(norms(k)), weight = static_cast<double>(weights(k));
    const double sign = static_cast<double>((norm > target) - (norm < target));
    weights(k) = static_cast<T>(std::max(weight - rate * sign * norm / weight, 1e-6));
    sum += static_cast<double>(weights(k));
  }
  for (index k = 0; k < terms; ++k)
    weights(k) = static_cast<T>(static_cast<double>(weights(k)) * static_cast<double>(terms) / sum);
}

}  // namespace limbeck
