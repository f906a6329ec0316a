// A pass of a small model, forward and backward, written down: to be compared between places.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "central_difference.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model.hpp"
#include "models/owned_batch.hpp"

namespace limbeck_test {

enum class model_kind { classifier, distilbert, shared, masked, causal };

struct model_case {
  model_kind kind = model_kind::classifier;
  owned_batch batch = packed;
  limbeck::signal_set reads = limbeck::signal::all;
  limbeck::pass_mode mode{.keeps = true};
};

/// Signals by name and, of a pass that keeps, the gradient of the parameters.
struct model_outcome {
  std::map<std::string, std::vector<double>> signals;
  std::vector<double> gradient;
};

/// Calls use(model) with a model of the kind: 2 layers, or 4 that look at 2; width 8.
template <class Use>
void with_model(model_kind kind, const Use& use) {
  limbeck::transformer_sizes sizes{
      .vocabulary = 13, .positions = 12, .layers = 2, .width = 8, .heads = 2, .inner = 12, .epsilon = 1e-5};
  switch (kind) {
    case model_kind::classifier: return use(make_bert_classifier(sizes, 3));
    case model_kind::distilbert: return use(make_distilbert_classifier(sizes, 1));
    case model_kind::masked: return use(make_bert_masked_language_model(sizes));
    case model_kind::causal: return use(make_gpt2_language_model(sizes));
    case model_kind::shared:
      sizes.layers = 4;
      sizes.layer_sources = {{0, false}, {1, false}, {1, true}, {0, true}};
      return use(make_bert_classifier(sizes, 3));
  }
}

/// Weights of a model, biases and gains shifted so that none is 0 or 1.
template <class Model>
std::vector<float> weights_of(const Model& model) {
  std::vector<float> weights(static_cast<std::size_t>(model.parameters().size()));
  initialise(model.parameters(), 7, view<float, 1>(weights.data(), weights.size()), 0.3);
  const matrix<> shift(1, model.parameters().size(), 8, 0.2);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] += static_cast<float>(shift.data()[i]);
  return weights;
}

/// Calls one(name, numbers) for every signal; maps lie in a row.
template <class T, limbeck::backend B, class F>
void for_each_signal(const limbeck::signals<T, B>& s, index map_elements, const F& one) {
  const auto layers = [&](const char* name, const auto& all) {
    for (std::size_t l = 0; l < all.size(); ++l) {
      const std::string here = name + std::to_string(l);
      if constexpr (requires { all[l].heads; })
        one(here, view<T, 2, B>(all[l].data, 1, map_elements));
      else
        one(here, all[l]);
    }
  };
  if (!s.logits.empty()) one("logits", s.logits);
  if (!s.embeddings.empty()) one("embeddings", s.embeddings);
  layers("hidden", s.hidden);
  layers("queries", s.queries);
  layers("keys", s.keys);
  layers("values", s.values);
  layers("scores", s.scores);
  layers("probabilities", s.probabilities);
}

/// The slope that a test gives element i of a signal.
inline double given_slope(const std::string& name, std::size_t i) {
  return std::sin(0.37 * static_cast<double>(i + 1) + static_cast<double>(name.front()));
}

/// Sets what no row of a map sees to 0: nobody has written there.
template <class Model>
void blank_unseen(const Model& model, const model_case& c, bool causal, std::vector<double>& maps) {
  std::size_t at = 0;
  for (const limbeck::sample_rows& s : c.batch.rows)
    for (index h = 0; h < model.backbone().sizes().heads; ++h)
      for (index row = 0; row < s.length; ++row)
        for (index column = 0; column < s.length; ++column, ++at)
          if (column >= visible_keys(s, row, causal)) maps[at] = 0;
}

/// What is left in the signals of a pass and in `gradient` [parameters], read by back(view) -> std::vector<double>.
template <class Model, class Pass, class Gradient, class Back>
model_outcome written_down(const Model& model, const model_case& c, const Pass& pass, const Gradient& gradient,
                           const Back& back) {
  model_outcome out;
  for_each_signal(pass.seen, pass.batch.maps.elements, [&](const std::string& name, const auto& numbers) {
    std::vector<double>& here = out.signals[name] = back(numbers);
    if (name.starts_with("scores") || name.starts_with("probabilities"))
      blank_unseen(model, c, c.kind == model_kind::causal, here);
  });
  if (c.mode.keeps) out.gradient = back(gradient);
  return out;
}

}  // namespace limbeck_test
