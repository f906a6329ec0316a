// Tests of limbeck/losses/scheduled.hpp.
#include "limbeck/losses/scheduled.hpp"

#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "losses/logit_case.hpp"

namespace {

using limbeck::any_mapping, limbeck::layer_pair, limbeck::random_mapping, limbeck::soft_target_kl;
using limbeck_test::logit_case;

/// Notes which teacher layers its mapping shows, of 8.
template <class Map>
struct scheduled_witness {
  limbeck::signal_set reads = limbeck::signal::none;
  Map map;
  std::vector<std::size_t>* seen;

  template <class E, class T>
  void operator()(const E&, const limbeck::signals<const T>&, const limbeck::signals<const T>&,
                  const limbeck::targets<T>&, const limbeck::sink<T, limbeck::cpu>&) const {
    map(limbeck::depths{2, 8}, [&](layer_pair p) { seen->push_back(p.teacher); });
  }
};

template <class Map>
std::vector<std::size_t> layers_seen_in(const Map& map, std::uint64_t epoch) {
  std::vector<std::size_t> seen;
  const limbeck::redrawn loss(scheduled_witness<Map>{.map = map, .seen = &seen});
  limbeck::sink<double, limbeck::cpu> out;
  out.epoch = epoch;
  loss(limbeck::cpu_executor<>{}, limbeck::signals<const double>{}, limbeck::signals<const double>{},
       limbeck::targets<double>{}, out);
  return seen;
}
std::vector<std::size_t> layers_drawn(const random_mapping& map) {
  std::vector<std::size_t> layers;
  map(limbeck::depths{2, 8}, [&](layer_pair p) { layers.push_back(p.teacher); });
  return layers;
}

TEST_CASE("a temperature on a schedule gives the bits of that temperature, its square included") {
  logit_case<double> c{2, 3, {1, 2, 3, 0, -1, 0.5}, {0, 0, 1, 1, 1, -1}};
  const limbeck::scheduled_temperature loss(limbeck::linear_decay{4, 1}, soft_target_kl{});
  CHECK(loss.reads == limbeck::signal::logits);
  for (const double progress : {0.0, 0.5, 1.0}) {
    c.progress = progress;
    const soft_target_kl fixed{.temperature = 4 - 3 * progress};
    CHECK(c(loss).value == c(fixed).value);
    CHECK(c(loss).gradient == c(fixed).gradient);
  }
}

TEST_CASE("a loss that is redrawn sees the layers of the epoch, and draws them again in another order of epochs") {
  for (const std::uint64_t epoch : {0U, 3U, 1U, 3U, 2U}) {
    const std::vector<std::size_t> wanted = layers_drawn({.seed = 11, .epoch = epoch});
    CHECK(layers_seen_in(random_mapping{.seed = 11}, epoch) == wanted);
    CHECK(layers_seen_in(limbeck::parse_mapping("random:11:per_epoch"), epoch) == wanted);
    CHECK(layers_seen_in(limbeck::parse_mapping("random:11"), epoch) == layers_drawn({.seed = 11}));
  }
}

}  // namespace
