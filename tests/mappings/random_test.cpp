// random_mapping: in order, without repetition, every set as likely, the same for the same seed and epoch.
#include "limbeck/mappings/random.hpp"

#include <cstdlib>
#include <map>
#include <vector>

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::pairs;

static_assert(mapping_policy<random_mapping>);
static_assert(pairs<3>(random_mapping{}, {3, 3}) == in_order(0, 1, 2));
static_assert(pairs<3>(random_mapping{.without_last = true}, {3, 4}) == in_order(0, 1, 2));
// What a seed gives is part of the contract: runs are resumed by later versions.
static_assert(pairs<4>(random_mapping{.seed = 7}, {4, 12}) == in_order(3, 4, 10, 11));
static_assert(pairs<4>(random_mapping{.seed = 7, .epoch = 1}, {4, 12}) == in_order(3, 5, 7, 8));

std::vector<std::size_t> drawn(const random_mapping& map, depths d) {
  std::vector<std::size_t> layers;
  map(d, [&](layer_pair p) {
    CHECK(p.student == layers.size());
    CHECK(p.weight == 1);
    layers.push_back(p.teacher);
  });
  return layers;
}

TEST_CASE("random_mapping draws rising layers, and the last one only if it may") {
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (const bool without_last : {false, true}) {
      const auto layers = drawn({.seed = seed, .epoch = seed / 3, .without_last = without_last}, {4, 6});
      REQUIRE(layers.size() == 4);
      for (std::size_t m = 1; m < 4; ++m) CHECK(layers[m] > layers[m - 1]);
      CHECK(layers.back() < (without_last ? 5 : 6));
    }
}

TEST_CASE("random_mapping draws every set of layers equally often, over seeds and over epochs") {
  constexpr std::uint64_t draws = 6000;  // of 6 sets: 1000 each, 29 is a standard deviation
  for (const bool over_epochs : {false, true}) {
    std::map<std::vector<std::size_t>, int> times;
    for (std::uint64_t i = 0; i < draws; ++i)
      ++times[drawn({.seed = over_epochs ? 5 : i, .epoch = over_epochs ? i : 0}, {2, 4})];
    CHECK(times.size() == 6);
    for (const auto& [layers, count] : times) CHECK(std::abs(count - 1000) < 5 * 29);
  }
}

TEST_CASE("random_mapping names both depths where there are too few layers to draw from") {
  int shown = 0;
  const auto visit = [&](layer_pair) { ++shown; };
  CHECK_THROWS_WITH(random_mapping{}(depths{6, 4}, visit),
                    "random_mapping: the student needs 1 to as many layers as are drawn from, student 6, teacher 4");
  CHECK_THROWS_WITH((random_mapping{.without_last = true}(depths{4, 4}, visit)),
                    "random_mapping: the student needs 1 to as many layers as are drawn from, student 4, teacher 4 "
                    "without its last layer");
  CHECK_THROWS_AS((random_mapping{.without_last = true}(depths{1, 0}, visit)), contract_error);
  CHECK_THROWS_AS(random_mapping{}(depths{0, 4}, visit), contract_error);
  CHECK(shown == 0);
}

}  // namespace
}  // namespace limbeck
