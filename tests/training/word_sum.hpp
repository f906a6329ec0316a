// The smallest model that a distiller and an evaluation can run: logits are sums of a row of weights for each token.
#pragma once

#include <string>
#include <vector>

#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/token_batch.hpp"

namespace limbeck_test {

/// logits[sample, class] = the sum over the sample's tokens of weights[token * classes + class].
class word_sum {
 public:
  word_sum(limbeck::index words, limbeck::index classes) : words_(words), head_{classes} {}

  std::vector<limbeck::pass_mode>* modes = nullptr;  ///< receives that of every pass

  template <class T, limbeck::backend B = limbeck::cpu>
  struct pass {
    pass() = default;
    template <class E>
    explicit pass(const E&) {}

    limbeck::token_batch<> batch;
    std::vector<T> logits, slopes;
    limbeck::signals<T> gradient;
  };
  struct head_of {
    limbeck::index count;
    [[nodiscard]] limbeck::index classes() const { return count; }
  };
  [[nodiscard]] const head_of& head() const { return head_; }
  [[nodiscard]] limbeck::index size() const { return words_ * head_.count; }

  template <class E, class T>
  limbeck::signals<const T> forward(const E&, limbeck::view<const T, 1> weights, const limbeck::token_batch<>& batch,
                                    limbeck::signal_set, const limbeck::pass_mode& mode, pass<T>& p) const {
    const limbeck::index samples = batch.rows.extent(0), classes = head_.count;
    p.batch = batch;
    if (modes != nullptr) modes->push_back(mode);
    p.logits.assign(static_cast<std::size_t>(samples * classes), T(0));
    p.slopes = p.logits;
    each_weight(p, [&](std::size_t logit, limbeck::index weight) { p.logits[logit] += weights(weight); });
    limbeck::signals<const T> seen;
    seen.logits = limbeck::view<const T, 2>(p.logits.data(), samples, classes);
    seen.rows = batch.rows;
    p.gradient = {};
    if (mode.keeps) p.gradient.logits = limbeck::view<T, 2>(p.slopes.data(), samples, classes);
    return seen;
  }
  template <class E, class T>
  void backward(const E&, limbeck::view<const T, 1>, pass<T>& p, limbeck::view<T, 1> gradient) const {
    each_weight(p, [&](std::size_t logit, limbeck::index weight) { gradient(weight) += p.slopes[logit]; });
  }

 private:
  template <class T, class Visit>
  void each_weight(const pass<T>& p, Visit&& visit) const {
    for (limbeck::index i = 0; i < p.batch.rows.extent(0); ++i)
      for (limbeck::index t = p.batch.rows(i).begin; t < p.batch.rows(i).begin + p.batch.rows(i).length; ++t)
        for (limbeck::index c = 0; c < head_.count; ++c)
          visit(static_cast<std::size_t>(i * head_.count + c), p.batch.ids(t) * head_.count + c);
  }

  limbeck::index words_;
  head_of head_;
};

}  // namespace limbeck_test
