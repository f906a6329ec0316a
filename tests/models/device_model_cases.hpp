// Models on a device against the host: the cases that run on a device and, through the shim, without.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "device_memory.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/models/placed_batch_cuda.hpp"
#include "models/model_outcome.hpp"

namespace limbeck_test {

/// The rows of a matrix on a device.
template <class T>
std::vector<double> numbers_of(const limbeck::cuda_executor& on, const view<T, 2, limbeck::cuda>& m) {
  std::vector<std::remove_const_t<T>> row(static_cast<std::size_t>(m.extent(1)));
  std::vector<double> all;
  for (index r = 0; r < m.extent(0); ++r) {
    copy(on, view<T, 1, limbeck::cuda>(m.data() + r * m.stride(0), m.extent(1)),
         view<std::remove_const_t<T>, 1>(row.data(), row.size()));
    wait(on);
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

/// In float, `runs` times over one placed batch: the last is what counts.
inline model_outcome outcome_on_device(const model_case& c, int runs = 1) {
  model_outcome out;
  with_model(c.kind, [&](const auto& model) {
    limbeck::cuda_context context;
    const limbeck::cuda_executor on{.context = &context};
    const std::vector<float> numbers = weights_of(model);
    device_copy<float> weights(on, numbers), gradient(on, std::vector<float>(numbers.size(), 0.0F));
    const view<const float, 1, limbeck::cuda> seen_weights = weights.all();
    typename std::remove_cvref_t<decltype(model)>::template pass<float, limbeck::cuda> pass(on);
    model.place(on, c.batch.seen(), c.reads, pass);
    for (int run = 0; run < runs; ++run) (void)model.run(on, seen_weights, c.mode, pass);
    if (c.mode.keeps) {
      for_each_signal(pass.gradient, pass.batch.maps.elements, [&](const std::string& name, const auto& m) {
        std::vector<float> slopes(static_cast<std::size_t>(m.count()));
        for (std::size_t i = 0; i < slopes.size(); ++i) slopes[i] = static_cast<float>(given_slope(name, i));
        copy(on, view<const float, 2>(slopes.data(), m.extent(0), m.extent(1)), m);
        wait(on);
      });
      model.backward(on, seen_weights, pass, gradient.all());
    }
    out = written_down(model, c, pass, view<float, 2, limbeck::cuda>(gradient.all().data(), 1, numbers.size()),
                       [&](const auto& m) { return numbers_of(on, m); });
  });
  return out;
}

/// The distance of `got` from `want`, against the largest number there.
inline double distance(const std::vector<double>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return INFINITY;
  double furthest = 0, largest = 1;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double gap = std::abs(got[i] - want[i]);
    furthest = gap <= furthest ? furthest : gap;  // NaN is far
    largest = std::max(largest, std::abs(want[i]));
  }
  return furthest / largest;
}

/// Every signal and the gradient of the parameters are those of the host.
inline void check_model(const model_case& c, const model_outcome& want, int runs = 1) {
  const model_outcome got = outcome_on_device(c, runs);
  REQUIRE(got.signals.size() == want.signals.size());
  for (const auto& [name, numbers] : want.signals) {
    INFO(name);
    REQUIRE(got.signals.contains(name));
    CHECK(distance(got.signals.at(name), numbers) <= 2e-5);
  }
  CHECK(distance(got.gradient, want.gradient) <= 2e-5);
}

/// Calls check(case) for every kind of model, with every signal and with logits alone, in training; of some also for
/// samples with gaps between and none of whose tokens is there, and not in training.
template <class Check>
void for_model_cases(const Check& check) {
  const limbeck::pass_mode training{.keeps = true, .dropout = 0.2, .attention_dropout = 0.1, .seed = 3, .step = 5};
  const owned_batch gaps{.ids = {0, 3, 4, 0, 5, 0, 6, 7, 8},
                         .types = {0, 0, 1, 0, 1, 0, 0, 0, 1},
                         .rows = {{1, 2, 2}, {4, 1, 1}, {5, 0, 0}, {6, 3, 2}}};
  for (const model_kind kind :
       {model_kind::classifier, model_kind::distilbert, model_kind::shared, model_kind::masked, model_kind::causal})
    for (const bool every : {true, false}) {
      const limbeck::signal_set reads = every ? limbeck::signal::all : limbeck::signal::logits;
      INFO("model " << static_cast<int>(kind) << (every ? ", every signal" : ", logits"));
      check(model_case{.kind = kind, .reads = reads, .mode = training});
      if (kind != model_kind::classifier && kind != model_kind::masked) continue;
      check(model_case{.kind = kind, .reads = reads, .mode = limbeck::inference});
      check(model_case{.kind = kind, .batch = gaps, .reads = reads});
    }
  const owned_batch chosen{.ids = packed.ids, .rows = packed.rows, .logit_tokens = {1, 4, 5}};
  for (const model_kind kind : {model_kind::masked, model_kind::causal}) {
    INFO("logits of chosen tokens, model " << static_cast<int>(kind));
    check(model_case{.kind = kind, .batch = chosen, .reads = limbeck::signal::logits});
  }
}

}  // namespace limbeck_test
