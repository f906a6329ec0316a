// Layer normalisation, alone and in one sweep with a residual and dropout; forward as training and as inference do it,
// and backward with the gradients of gain and bias.
#include "limbeck/ops/layer_norm.hpp"

#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck_bench::matrix, limbeck_bench::measure;

constexpr double rate = 0.1, epsilon = 1e-12;
const limbeck::random_stream stream{.seed = 7};

/// What the passes read and write, of a batch of `tokens` rows.
struct norm_data {
  limbeck::cpu_executor<> on;
  matrix x, residual, gain, bias, normalised, spread, y, dy, dgain, dbias, dx, dresidual;

  explicit norm_data(const benchmark::State& state) : norm_data(state.range(0), state.range(1), state.range(2)) {}
  norm_data(index tokens, index width, index threads)
      : on{static_cast<int>(threads)},
        x(tokens, width),
        residual(tokens, width, 2),
        gain(1, width),
        bias(1, width),
        normalised(tokens, width),
        spread(1, tokens),
        y(tokens, width),
        dy(tokens, width, 3),
        dgain(1, width),
        dbias(1, width),
        dx(tokens, width),
        dresidual(tokens, width) {}
  [[nodiscard]] double parameter_bytes() const { return gain.bytes() + bias.bytes(); }
};

void layer_norm(benchmark::State& state) {
  norm_data d(state);
  measure(state, {.read = d.x.bytes() + d.parameter_bytes(), .written = 2 * d.y.bytes() + d.spread.bytes()},
          d.on.threads, [&] {
            limbeck::ops::layer_norm(d.on, epsilon, d.x.seen(), limbeck::read_only(d.gain.row()),
                                     limbeck::read_only(d.bias.row()), d.normalised.all(), d.spread.row(), d.y.all());
          });
}

void layer_norm_of_inference(benchmark::State& state) {
  norm_data d(state);
  measure(state, {.read = d.x.bytes() + d.parameter_bytes(), .written = d.y.bytes()}, d.on.threads, [&] {
    limbeck::ops::layer_norm(d.on, epsilon, d.x.seen(), limbeck::read_only(d.gain.row()),
                             limbeck::read_only(d.bias.row()), {}, {}, d.y.all());
  });
}

void layer_norm_backward(benchmark::State& state) {
  norm_data d(state);
  measure(state,
          {.read = d.normalised.bytes() + d.dy.bytes() + d.spread.bytes() + d.gain.bytes(),
           .written = d.dx.bytes(),
           .updated = d.parameter_bytes()},
          d.on.threads, [&] {
            limbeck::ops::layer_norm_backward(d.on, d.normalised.seen(), limbeck::read_only(d.spread.row()),
                                              limbeck::read_only(d.gain.row()), d.dy.seen(), d.dgain.row(),
                                              d.dbias.row(), d.dx.all());
          });
}

void residual_layer_norm(benchmark::State& state) {
  norm_data d(state);
  measure(
      state,
      {.read = d.x.bytes() + d.residual.bytes() + d.parameter_bytes(), .written = 2 * d.y.bytes() + d.spread.bytes()},
      d.on.threads, [&] {
        limbeck::ops::residual_layer_norm(d.on, rate, stream, epsilon, d.x.seen(), d.residual.seen(),
                                          limbeck::read_only(d.gain.row()), limbeck::read_only(d.bias.row()),
                                          d.normalised.all(), d.spread.row(), d.y.all());
      });
}

void residual_layer_norm_backward(benchmark::State& state) {
  norm_data d(state);
  measure(state,
          {.read = d.normalised.bytes() + d.dy.bytes() + d.spread.bytes() + d.gain.bytes(),
           .written = d.dx.bytes() + d.dresidual.bytes(),
           .updated = d.parameter_bytes()},
          d.on.threads, [&] {
            limbeck::ops::residual_layer_norm_backward(d.on, rate, stream, d.normalised.seen(),
                                                       limbeck::read_only(d.spread.row()),
                                                       limbeck::read_only(d.gain.row()), d.dy.seen(), d.dgain.row(),
                                                       d.dbias.row(), d.dresidual.all(), d.dx.all());
          });
}

BENCHMARK(layer_norm)->Apply(limbeck_bench::state_shapes);
BENCHMARK(layer_norm_of_inference)->Apply(limbeck_bench::state_shapes);
BENCHMARK(layer_norm_backward)->Apply(limbeck_bench::state_shapes);
BENCHMARK(residual_layer_norm)->Apply(limbeck_bench::state_shapes);
BENCHMARK(residual_layer_norm_backward)->Apply(limbeck_bench::state_shapes);

}  // namespace
