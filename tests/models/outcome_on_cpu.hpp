// Runs a model_case on the host.
#pragma once

#include "limbeck/backend/eigen.hpp"
#include "models/model_outcome.hpp"

namespace limbeck_test {

inline model_outcome outcome_on_cpu(const model_case& c) {
  model_outcome out;
  with_model(c.kind, [&](const auto& model) {
    const limbeck::cpu_executor<> on;
    const std::vector<float> rounded = weights_of(model);
    const std::vector<double> weights(rounded.begin(), rounded.end());
    std::vector<double> gradient(weights.size(), 0.0);
    const view<const double, 1> seen_weights(weights.data(), weights.size());
    const view<double, 1> slopes(gradient.data(), gradient.size());
    typename std::remove_cvref_t<decltype(model)>::template pass<double> pass;
    (void)model.forward(on, seen_weights, c.batch.seen(), c.reads, c.mode, pass);
    if (c.mode.keeps) {
      for_each_signal(pass.gradient, pass.batch.maps.elements, [&](const std::string& name, const auto& numbers) {
        for (index i = 0; i < numbers.count(); ++i) numbers.data()[i] = given_slope(name, static_cast<std::size_t>(i));
      });
      model.backward(on, seen_weights, pass, slopes);
    }
    out = written_down(model, c, pass, view<double, 2>(gradient.data(), 1, gradient.size()), [](const auto& numbers) {
      std::vector<double> read;
      for (index r = 0; r < numbers.extent(0); ++r)
        for (index k = 0; k < numbers.extent(1); ++k) read.push_back(numbers(r, k));
      return read;
    });
  });
  return out;
}

}  // namespace limbeck_test
