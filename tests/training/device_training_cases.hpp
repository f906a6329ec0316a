// AdamW, norms and whole steps on a device: the cases that run on a device and, through the shim, without.
#pragma once

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "device_memory.hpp"
#include "limbeck/backend/cuda_graph.hpp"
#include "limbeck/models/placed_batch_cuda.hpp"
#include "limbeck/training/adamw_cuda.hpp"
#include "limbeck/training/gradient_norm_cuda.hpp"
#include "losses/logit_case.hpp"
#include "training/distilled_weights.hpp"

namespace limbeck_test {

/// The norm of `gradient`, on the device.
template <class T>
class device_norm {
 public:
  explicit device_norm(const limbeck::cuda_executor& on) : number_(on, {0.0}) {}
  [[nodiscard]] limbeck::gradient_clip<limbeck::cuda> clip(const limbeck::cuda_executor& on,
                                                           view<const T, 1, limbeck::cuda> gradient, double limit) {
    norm_of(on, gradient, number_.all());
    return {number_.all(), limit};
  }
  [[nodiscard]] double value(const limbeck::cuda_executor& on) { return number_.back(on)[0]; }

 private:
  device_copy<double> number_;
};

template <class T>
void check_norm() {
  limbeck::cuda_context context;
  const limbeck::cuda_executor on{.context = &context};
  for (const std::size_t count : {1U, 33U, 16384U, 40000U}) {
    const auto x = random_numbers<T>(count, -3, 3, 5);
    double sum = 0;
    for (const T number : x) sum += static_cast<double>(number) * static_cast<double>(number);
    device_copy<T> there(on, x);
    device_norm<T> norm(on);
    CHECK(norm.clip(on, there.all(), 1).limit == 1);
    CHECK(std::abs(norm.value(on) - std::sqrt(sum)) <= 1e-12 * std::sqrt(sum));
  }
}

/// Against the formula, an element at a time, in double: parameters that decay and do not, of sizes that fill no four.
template <class T>
void check_adamw(double tolerance) {
  limbeck::parameter_table table;
  for (const auto& [name, rows, columns, fresh] : {std::tuple{"a", 7, 5, limbeck::initial::normal},
                                                   {"b", 7, 0, limbeck::initial::zero},
                                                   {"c", 3, 0, limbeck::initial::one},
                                                   {"d", 1, 1, limbeck::initial::normal},
                                                   {"e", 21, 67, limbeck::initial::normal},
                                                   {"f", 2, 0, limbeck::initial::zero}})
    (void)table.declare(name, rows, columns, fresh);
  const auto count = static_cast<std::size_t>(table.size());
  limbeck::cuda_context context;
  const limbeck::cuda_executor on{.context = &context};
  const auto first = random_numbers<T>(count, -1, 1, 1);
  device_copy<T> weights(on, first);
  limbeck::adamw<T, limbeck::cuda> optimiser(on, table, {.weight_decay = 0.3});
  device_norm<T> norm(on);
  std::vector<double> want(first.begin(), first.end()), m(count), v(count);
  for (int t = 1; t <= 4; ++t) {
    const auto gradient = random_numbers<T>(count, -1, 1, static_cast<unsigned>(t) + 1);
    device_copy<T> g(on, gradient);
    const double rate = 0.1 / t, limit = t % 2 == 0 ? 2.0 : 0.0;
    optimiser.update(on, rate, norm.clip(on, g.all(), limit), g.all(), weights.all());
    const double scale = limbeck::clip_scale(norm.value(on), limit);
    for (const limbeck::parameter& p : table.entries())
      for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.count()); ++i) {
        const double slope = scale * static_cast<double>(gradient[i]);
        m[i] = 0.9 * m[i] + 0.1 * slope;
        v[i] = 0.999 * v[i] + 0.001 * slope * slope;
        const double along = m[i] / (1 - std::pow(0.9, t)), size = std::sqrt(v[i] / (1 - std::pow(0.999, t)));
        want[i] -= rate * (along / (size + 1e-8) + (p.columns > 0 ? 0.3 * want[i] : 0));
      }
  }
  const auto got = weights.back(on);
  double furthest = 0;
  for (std::size_t i = 0; i < count; ++i) furthest = worse(furthest, std::abs(static_cast<double>(got[i]) - want[i]));
  CHECK(furthest <= tolerance);
  CHECK(optimiser.updates() == 4);
}

/// Weights as distilled_weights() finds them on a device.
inline std::vector<float> distilled_on_device(int steps, bool as_graph) {
  device_place device;
  const limbeck::cuda_executor on = device.executor;
  limbeck::adamw<float, limbeck::cuda> optimiser(on, teacher_and_student().table, step_options);
  device_norm<float> norm(on);
  std::vector<std::uint64_t> numbers;
  for (int step = 0; step < steps; ++step) numbers.push_back(static_cast<std::uint64_t>(step));
  device_copy<std::uint64_t> number(on, {0});
  const auto optimise = [&](view<const float, 1, limbeck::cuda> gradient, view<float, 1, limbeck::cuda> weights) {
    optimiser.run(on, norm.clip(on, gradient, step_clip), gradient, weights);
  };
  const auto one_by_one = [&](int count, const auto& work) {
    for (int step = 0; step < count; ++step) {
      optimiser.prepare(on, step_rate);
      work(numbers[static_cast<std::size_t>(step)], nullptr);
    }
  };
  const auto recorded = [&](int count, const auto& work) {
    one_by_one(1, work);  // takes the memory
    const limbeck::cuda_graph graph(on, [&] { work(0, number.all().data()); });
    for (int step = 1; step < count; ++step) {
      copy(on, view<const std::uint64_t, 1>(&numbers[static_cast<std::size_t>(step)], 1), number.all());
      optimiser.prepare(on, step_rate);
      graph.run(on);
    }
    wait(on);
  };
  return as_graph ? distilled_weights<float>(device, steps, optimise, recorded)
                  : distilled_weights<float>(device, steps, optimise, one_by_one);
}

/// A step that is recorded once is the step that is done by itself, to the bit: nothing in it waits for the device,
/// takes memory or depends on the host but for what is sent before it.
inline void check_recorded_steps() { CHECK(distilled_on_device(4, true) == distilled_on_device(4, false)); }

/// Steps of a distillation in float end where the host's in double do; `want`: distilled_on_cpu(4).
inline void check_distillation(const std::vector<double>& want) {
  const auto got = distilled_on_device(4, false);
  REQUIRE(got.size() == want.size());
  const auto first = teacher_and_student().student_weights();
  double furthest = 0, moved = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    furthest = worse(furthest, std::abs(static_cast<double>(got[i]) - want[i]));
    moved = std::max(moved, std::abs(want[i] - static_cast<double>(first[i])));
  }
  CHECK(furthest <= 2e-5);
  CHECK(moved > 0.02);
}

}  // namespace limbeck_test
