// What losses on hidden states cost: the squared difference, as they are and through a projection, that of embeddings,
// and the cosine distance.
#include "limbeck/losses/hidden_mse.hpp"

#include <vector>

#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/cosine.hpp"
#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_bench::floats, limbeck_bench::numbers;

// One layer of states of `samples` samples of `length` tokens, packed.
struct batch {
  index samples, tokens, width, teacher_width;
  limbeck::buffer<float> mine, theirs, gradient, value;
  std::vector<limbeck::sample_rows> rows{};

  batch(index n, index length, index student_width, index shown_width)
      : samples(n),
        tokens(n * length),
        width(student_width),
        teacher_width(shown_width),
        mine(numbers<float>(tokens * width, 1)),
        theirs(numbers<float>(tokens * teacher_width, 2)),
        gradient(mine.count()),
        value(samples) {
    for (index i = 0; i < samples; ++i) rows.push_back({i * length, length, length});
  }
  template <class T>
  limbeck::signals<T> seen(T* data, index columns) const {
    limbeck::signals<T> s;
    s.rows = view<const limbeck::sample_rows, 1>(rows.data(), samples);
    s.hidden = limbeck::per_layer<view<T, 2>>(1);
    s.hidden[0] = s.embeddings = view<T, 2>(data, tokens, columns);
    return s;
  }
};

template <class Loss, class Executor>
void run(benchmark::State& state, batch& data, limbeck_bench::work done, const Loss& loss, const Executor& on) {
  const auto student = data.seen(static_cast<const float*>(data.mine.data()), data.width);
  const auto teacher = data.seen(static_cast<const float*>(data.theirs.data()), data.teacher_width);
  limbeck::sink<float, limbeck::cpu> out{view<float, 1>(data.value.data(), data.samples)};
  out.gradient = data.seen(data.gradient.data(), data.width);
  done.read += floats(data.tokens * (data.width + data.teacher_width));
  done.updated += floats(data.tokens * data.width);
  done.elements = static_cast<double>(data.tokens * data.teacher_width);
  limbeck_bench::measure(state, done, on.threads, [&] { loss(on, student, teacher, limbeck::targets<float>{}, out); });
}

void hidden_mse(benchmark::State& state) {
  batch data(state.range(0), state.range(1), state.range(2), state.range(2));
  run(state, data, {}, limbeck::hidden_mse{}, limbeck::cpu_executor<>{static_cast<int>(state.range(3))});
}

void cosine_loss(benchmark::State& state) {
  batch data(state.range(0), state.range(1), state.range(2), state.range(2));
  run(state, data, {}, limbeck::cosine_loss{}, limbeck::cpu_executor<>{static_cast<int>(state.range(3))});
}

void embedding_mse(benchmark::State& state) {
  batch data(state.range(0), state.range(1), state.range(2), state.range(2));
  run(state, data, {}, limbeck::embedding_mse{}, limbeck::cpu_executor<>{static_cast<int>(state.range(3))});
}

/// Provider: of the matrix product. Three products: forward, to the state, to the weight.
template <class Provider>
void hidden_mse_projected(benchmark::State& state) {
  batch data(state.range(0), state.range(1), state.range(2), state.range(3));
  const auto weight = numbers<float>(data.teacher_width * data.width, 3), bias = numbers<float>(data.teacher_width, 4);
  limbeck::buffer<float> weight_gradient(weight.count()), bias_gradient(bias.count());
  const limbeck::linear_projection<float> projection{
      view<const float, 2>(weight.data(), data.teacher_width, data.width),
      view<const float, 1>(bias.data(), bias.count()),
      view<float, 2>(weight_gradient.data(), data.teacher_width, data.width),
      view<float, 1>(bias_gradient.data(), bias_gradient.count())};
  const limbeck_bench::work products{.read = floats(weight.count() + bias.count()),
                                     .updated = floats(weight.count() + bias.count()),
                                     .flops = 6 * static_cast<double>(data.tokens * data.width * data.teacher_width)};
  run(state, data, products, limbeck::hidden_mse{limbeck::uniform_mapping{}, projection},
      limbeck::cpu_executor<Provider>{static_cast<int>(state.range(4))});
}

BENCHMARK(hidden_mse)
    ->ArgNames({"samples", "length", "width", "threads"})
    ->Args({32, 128, 768, 1})
    ->Args({32, 128, 768, 2})
    ->Args({64, 20, 312, 1})
    ->UseRealTime();
BENCHMARK(cosine_loss)
    ->ArgNames({"samples", "length", "width", "threads"})
    ->Args({32, 128, 768, 1})
    ->Args({32, 128, 768, 2})
    ->Args({64, 20, 312, 1})
    ->UseRealTime();
BENCHMARK(embedding_mse)->ArgNames({"samples", "length", "width", "threads"})->Args({32, 128, 768, 2})->UseRealTime();
BENCHMARK_TEMPLATE(hidden_mse_projected, limbeck::eigen_provider)
    ->ArgNames({"samples", "length", "width", "teacher_width", "threads"})
    ->Args({32, 128, 312, 768, 1})
    ->Args({32, 128, 312, 768, 2})
    ->Args({64, 20, 312, 768, 1})
    ->UseRealTime();

}  // namespace
