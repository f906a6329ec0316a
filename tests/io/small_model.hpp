// A small encoder of random weights, with its config, for tests of model folders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model_config.hpp"

namespace limbeck_test {

/// Sizes that differ from each other, so that an exchange shows.
inline limbeck::model_config small_config(limbeck::model_family family = limbeck::model_family::bert) {
  limbeck::model_config config;
  config.family = family;
  config.sizes = {.vocabulary = 11, .positions = 7, .types = 2, .layers = 3, .width = 8, .heads = 2, .inner = 12};
  if (family == limbeck::model_family::distilbert) config.sizes.types = 0;
  config.classes = 3;
  config.labels = {"entailment", "neutral", "contradiction"};
  return config;
}

template <class T = float>
struct small_model {
  limbeck::model_config config;
  limbeck::bert_classifier model;
  limbeck::buffer<T> weights;

  explicit small_model(limbeck::model_config c = small_config(), std::uint64_t seed = 1)
      : config(std::move(c)), model(make_classifier(config)), weights(model.parameters().size()) {
    initialise(model.parameters(), seed, weights.all(), 0.3);
    for (limbeck::index i = 0; i < weights.count(); ++i)  // biases and gains too
      weights.data()[i] += T(i % 13) / T(100);
  }
  [[nodiscard]] const limbeck::parameter_table& table() const { return model.parameters(); }
  [[nodiscard]] limbeck::view<const T, 1> all() const { return weights.all(); }
  /// The values of one parameter.
  [[nodiscard]] std::vector<T> values(const std::string& name) const {
    const auto* const p = table().find(name);
    return {weights.data() + p->offset, weights.data() + p->offset + p->count()};
  }
};

template <class T>
bool same_bits(const limbeck::buffer<T>& a, const limbeck::buffer<T>& b) {
  return a.count() == b.count() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.count()) * sizeof(T)) == 0;
}

}  // namespace limbeck_test
