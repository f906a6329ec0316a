// remap_mapping: exact tables.
#include "limbeck/mappings/remap.hpp"

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::pairs;

static_assert(mapping_policy<remap_mapping>);
static_assert(pairs<6>(remap_mapping{}, {6, 4}) == in_order(0, 1, 2, 3, 3, 3), "case layer_maps, dwt_remap");
static_assert(pairs<6>(remap_mapping{}, {6, 1}) == in_order(0, 0, 0, 0, 0, 0));
static_assert(pairs<6>(remap_mapping{}, {6, 12}) == in_order(1, 3, 5, 7, 9, 11));
static_assert(pairs<3>(remap_mapping{}, {3, 12}) == in_order(3, 7, 11));
static_assert(pairs<4>(remap_mapping{}, {4, 4}) == in_order(0, 1, 2, 3));

TEST_CASE("remap_mapping refuses a model without layers") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_WITH(remap_mapping{}(depths{2, 0}, visit), Catch::Contains("student 2, teacher 0"));
  CHECK_THROWS_WITH(remap_mapping{}(depths{0, 2}, visit), Catch::Contains("student 0, teacher 2"));
}

}  // namespace
}  // namespace limbeck
