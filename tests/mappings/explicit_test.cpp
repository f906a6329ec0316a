// explicit_mapping: pairs as given, and errors that name layer and depth.
#include "limbeck/mappings/explicit.hpp"

#include <array>

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::pairs;

static_assert(mapping_policy<explicit_mapping>);
static_assert(pairs<2>(explicit_mapping{{{0, 3}, {1, 11}}}, {2, 12}) == in_order(3, 11));
// One student layer may learn from several, in any order, with weights.
static_assert(pairs<3>(explicit_mapping{{{1, 5}, {0, 2, 0.25}, {0, 3, 0.75}}}, {2, 12}) ==
              std::array<layer_pair, 3>{{{1, 5, 1}, {0, 2, 0.25}, {0, 3, 0.75}}});
static_assert(pairs<1>(explicit_mapping{{{1, 5}}, true}, {4, 12}) == std::array<layer_pair, 1>{{{1, 5, 1}}});

TEST_CASE("explicit_mapping names the layer and the depth of a pair out of range, before any pair is shown") {
  int shown = 0;
  const auto visit = [&](layer_pair) { ++shown; };
  CHECK_THROWS_WITH((explicit_mapping{{{0, 3}, {1, 12}}}(depths{2, 12}, visit)),
                    "explicit_mapping: teacher layer 12 of 12 layers (they count from 0)");
  CHECK_THROWS_WITH((explicit_mapping{{{0, 3}, {1, 4}, {2, 5}}}(depths{2, 12}, visit)),
                    "explicit_mapping: student layer 2 of 2 layers (they count from 0)");
  CHECK_THROWS_AS((explicit_mapping{{{0, 3}, {1, 12}}}(depths{2, 12}, visit)), contract_error);
  CHECK(shown == 0);
}

TEST_CASE("explicit_mapping names a student layer that has no teacher, unless partial says that it is meant") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_WITH((explicit_mapping{{{0, 3}, {2, 4}}}(depths{3, 12}, visit)),
                    "explicit_mapping: student layer 1 of 3 has no teacher layer");
  CHECK_NOTHROW((explicit_mapping{{{0, 3}, {2, 4}}, true}(depths{3, 12}, visit)));
  CHECK_THROWS_WITH((explicit_mapping{{{0, 13}}, true}(depths{3, 12}, visit)),
                    "explicit_mapping: teacher layer 13 of 12 layers (they count from 0)");
}

}  // namespace
}  // namespace limbeck
