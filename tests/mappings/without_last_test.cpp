// The mappings of patient distillation: exact tables, and what they refuse.
#include "limbeck/mappings/without_last.hpp"

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::pairs;

static_assert(mapping_policy<pkd_skip_mapping> && mapping_policy<pkd_last_mapping>);
static_assert(pairs<5>(pkd_skip_mapping{}, {6, 12}) == in_order(1, 3, 5, 7, 9));
static_assert(pairs<5>(pkd_last_mapping{}, {6, 12}) == in_order(6, 7, 8, 9, 10));
static_assert(pairs<4>(pkd_skip_mapping{}, {5, 12}) == in_order(2, 4, 7, 9));
static_assert(pairs<1>(pkd_last_mapping{}, {2, 2}) == in_order(0));
static_assert(pairs<5>(pkd_skip_mapping{}, {6, 4}) == in_order(0, 1, 1, 2, 3), "a deeper student");

TEST_CASE("pkd_skip_mapping and pkd_last_mapping name both depths where these do not suit") {
  int shown = 0;
  const auto visit = [&](layer_pair) { ++shown; };
  CHECK_THROWS_WITH(pkd_skip_mapping{}(depths{1, 12}, visit),
                    "without_last_layer: needs a student of two layers or more, student 1, teacher 12");
  CHECK_THROWS_WITH(pkd_last_mapping{}(depths{6, 4}, visit),
                    "last_mapping: the student needs 1 to as many layers as the teacher, student 6, teacher 4");
  CHECK_THROWS_AS(pkd_skip_mapping{}(depths{0, 12}, visit), contract_error);
  CHECK(shown == 0);
}

}  // namespace
}  // namespace limbeck
