// What tests of whole models share: an objective over every signal that is read, and a model with its weights.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model.hpp"
#include "models/owned_batch.hpp"

namespace limbeck_test {

using limbeck::signal_set;

inline constexpr signal_set every_signal = limbeck::signal::all;

/// The sum of f x^2 / 2 over every entry x of every signal that belongs to a sample, f another number for each; adds
/// f x to `gradient` unless that is null. The order is that of the samples, so packed and padded batches agree.
template <class T>
double objective(const owned_batch& batch, const limbeck::signals<const T>& seen, limbeck::signals<T>* gradient) {
  double sum = 0;
  int entry = 0;
  const auto one = [&](T x, T* d) {
    const double f = std::sin(0.37 * ++entry);
    sum += f * static_cast<double>(x) * static_cast<double>(x) / 2;
    if (d != nullptr) *d += static_cast<T>(f) * x;
  };
  const auto matrix_rows = [&](const view<const T, 2>& x, const view<T, 2>* d, index first, index count) {
    for (index r = first; r < first + count; ++r)
      for (index c = 0; c < x.extent(1); ++c) one(x(r, c), d == nullptr ? nullptr : &(*d)(r, c));
  };
  if (!seen.logits.empty()) {
    if (seen.row_sample.empty() || !batch.logit_tokens.empty())  // a row a sample, or a token that was asked for
      matrix_rows(seen.logits, gradient == nullptr ? nullptr : &gradient->logits, 0, seen.logits.extent(0));
    else
      for (index i = 0; i < seen.rows.extent(0); ++i)
        matrix_rows(seen.logits, gradient == nullptr ? nullptr : &gradient->logits, seen.rows(i).begin,
                    seen.rows(i).length);
  }
  for (index i = 0; i < seen.rows.extent(0); ++i) {
    const limbeck::sample_rows s = seen.rows(i);
    if (!seen.embeddings.empty())
      matrix_rows(seen.embeddings, gradient == nullptr ? nullptr : &gradient->embeddings, s.begin, s.length);
    const auto layers = [&](const auto& x, auto* d) {
      for (std::size_t l = 0; l < x.size(); ++l)
        matrix_rows(x[l], d == nullptr ? nullptr : &(*d)[l], s.begin, s.length);
    };
    layers(seen.hidden, gradient == nullptr ? nullptr : &gradient->hidden);
    layers(seen.queries, gradient == nullptr ? nullptr : &gradient->queries);
    layers(seen.keys, gradient == nullptr ? nullptr : &gradient->keys);
    layers(seen.values, gradient == nullptr ? nullptr : &gradient->values);
    const auto maps = [&](const auto& x, auto* d) {
      for (std::size_t l = 0; l < x.size(); ++l)
        for (index h = 0; h < x[l].heads; ++h)
          for (index r = 0; r < s.length; ++r)
            for (index c = 0; c < visible_keys(s, r, x[l].causal); ++c)
              one(x[l].map(i, h)(r, c), d == nullptr ? nullptr : &(*d)[l].map(i, h)(r, c));
    };
    maps(seen.scores, gradient == nullptr ? nullptr : &gradient->scores);
    maps(seen.probabilities, gradient == nullptr ? nullptr : &gradient->probabilities);
  }
  return sum;
}

/// A model with weights drawn at random, and one pass.
template <class Model, class T = double>
struct trial {
  Model model;
  matrix<T> weights, gradient;
  typename Model::template pass<T> pass{};
  limbeck::cpu_executor<> on{};

  explicit trial(Model m, double deviation = 0.3)
      : model(std::move(m)), weights(1, model.parameters().size()), gradient(1, model.parameters().size()) {
    initialise(model.parameters(), 7, weights.flat(), deviation);
    const matrix<> shift(1, weights.count(), 8, 0.2);  // else biases are 0 and gains 1
    for (index i = 0; i < weights.count(); ++i) weights.data()[i] += static_cast<T>(shift.data()[i]);
  }
  limbeck::signals<const T> forward(const owned_batch& batch, signal_set reads, const limbeck::pass_mode& mode) {
    return model.forward(on, weights.seen_flat(), batch.seen(), reads, mode, pass);
  }
  double value(const owned_batch& batch, signal_set reads, const limbeck::pass_mode& mode) {
    return objective<T>(batch, forward(batch, reads, mode), nullptr);
  }
  /// The value; the gradient starts from 0.
  double differentiate(const owned_batch& batch, signal_set reads, limbeck::pass_mode mode = {}) {
    mode.keeps = true;
    gradient.fill(0);
    const double v = objective<T>(batch, forward(batch, reads, mode), &pass.gradient);
    model.backward(on, weights.seen_flat(), pass, gradient.flat());
    return v;
  }
  /// The largest slope_error() of any parameter, at `places` or so elements of each.
  double error(const owned_batch& batch, signal_set reads, limbeck::pass_mode mode = {}, index places = 9) {
    (void)differentiate(batch, reads, mode);
    double worst = 0;
    for (const limbeck::parameter& p : model.parameters().entries()) {
      const double e = slope_error(
          view<double, 1>(weights.data() + p.offset, p.count()),
          view<const double, 1>(gradient.data() + p.offset, p.count()), [&] { return value(batch, reads, mode); },
          1 + p.count() / places, 1e-4);
      worst = worse(worst, e);
    }
    return worst;
  }
};

}  // namespace limbeck_test
