// top_mapping: exact tables, and what it refuses.
#include "limbeck/mappings/top.hpp"

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::pairs;

static_assert(mapping_policy<top_mapping>);
static_assert(pairs<1>(top_mapping{}, {4, 12})[0] == layer_pair{3, 11});
static_assert(pairs<1>(top_mapping{.teacher = 20}, {6, 24})[0] == layer_pair{5, 20});
static_assert(pairs<1>(top_mapping{}, {12, 1})[0] == layer_pair{11, 0}, "a deeper student is legal");

TEST_CASE("top_mapping refuses a model without layers and a teacher without the layer that is named") {
  int shown = 0;
  const auto visit = [&](layer_pair) { ++shown; };
  CHECK_THROWS_WITH(top_mapping{}(depths{2, 0}, visit),
                    "top_mapping: needs a layer on both sides, student 2, teacher 0");
  CHECK_THROWS_WITH(top_mapping{.teacher = 24}(depths{6, 24}, visit),
                    "top_mapping: teacher layer 24 of 24 layers (they count from 0)");
  CHECK(shown == 0);
}

}  // namespace
}  // namespace limbeck
