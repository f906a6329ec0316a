// Rows of a table of 30,522 entries, picked and added to, and the gradient of that table.
#include "limbeck/ops/embedding.hpp"

#include <cstdint>
#include <vector>

#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck_bench::matrix, limbeck_bench::measure;

constexpr index entries = 30522;

/// No number twice before all had their turn.
struct numbered_rows {
  std::vector<std::int32_t> ids{};

  explicit numbered_rows(index count) {
    for (index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(i * 7919 % entries));
  }
  [[nodiscard]] limbeck::view<const std::int32_t, 1> seen() const {
    return limbeck::view<const std::int32_t, 1>(ids.data(), ids.size());
  }
  [[nodiscard]] double bytes() const { return 4 * static_cast<double>(ids.size()); }
};

void gather_rows(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix table(entries, state.range(1));
  const numbered_rows picked(state.range(0));
  matrix y(state.range(0), table.columns);
  measure(state, {.read = y.bytes() + picked.bytes(), .written = y.bytes()}, on.threads,
          [&] { limbeck::ops::gather_rows(on, table.seen(), picked.seen(), y.all()); });
}

void gather_and_add_rows(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix table(entries, state.range(1));
  const numbered_rows picked(state.range(0));
  matrix y(state.range(0), table.columns);
  measure(state, {.read = y.bytes() + picked.bytes(), .updated = y.bytes()}, on.threads,
          [&] { limbeck::ops::gather_rows(on, table.seen(), picked.seen(), y.all(), true); });
}

void scatter_rows(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix dy(state.range(0), state.range(1));
  const numbered_rows picked(dy.rows);
  matrix dtable(entries, dy.columns);
  measure(state, {.read = dy.bytes() + picked.bytes(), .updated = dy.bytes()}, on.threads,
          [&] { limbeck::ops::scatter_rows(on, dy.seen(), picked.seen(), dtable.all()); });
}

BENCHMARK(gather_rows)->Apply(limbeck_bench::state_shapes);
BENCHMARK(gather_and_add_rows)->Apply(limbeck_bench::state_shapes);
BENCHMARK(scatter_rows)->Apply(limbeck_bench::state_shapes);

}  // namespace
