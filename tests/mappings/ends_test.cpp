// Mappings to the teacher's first, last and outer layers: exact tables, and what they refuse.
#include "limbeck/mappings/ends.hpp"

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::pairs;

static_assert(mapping_policy<first_mapping> && mapping_policy<last_mapping>);
static_assert(mapping_policy<both_ends_mapping> && mapping_policy<dwt_remap_mapping>);
static_assert(pairs<4>(first_mapping{}, {4, 12}) == in_order(0, 1, 2, 3));
static_assert(pairs<4>(last_mapping{}, {4, 12}) == in_order(8, 9, 10, 11));
static_assert(pairs<1>(first_mapping{}, {1, 12}) == in_order(0));
static_assert(pairs<1>(last_mapping{}, {1, 12}) == in_order(11));
static_assert(pairs<3>(first_mapping{}, {3, 3}) == in_order(0, 1, 2));
static_assert(pairs<3>(last_mapping{}, {3, 3}) == in_order(0, 1, 2));
static_assert(pairs<4>(both_ends_mapping{}, {4, 12}) == in_order(0, 1, 10, 11));
static_assert(pairs<5>(both_ends_mapping{}, {5, 12}) == in_order(0, 1, 2, 10, 11));
static_assert(pairs<1>(both_ends_mapping{}, {1, 12}) == in_order(0));
static_assert(pairs<3>(both_ends_mapping{}, {3, 3}) == in_order(0, 1, 2));
static_assert(pairs<6>(dwt_remap_mapping{}, {6, 4}) == in_order(0, 1, 2, 3, 3, 3));
static_assert(pairs<2>(dwt_remap_mapping{}, {2, 4}) == in_order(0, 1));

TEST_CASE("first_mapping and last_mapping refuse a deeper student and name both depths") {
  int shown = 0;
  const auto visit = [&](layer_pair) { ++shown; };
  CHECK_THROWS_WITH(first_mapping{}(depths{6, 4}, visit),
                    "first_mapping: the student needs 1 to as many layers as the teacher, student 6, teacher 4");
  CHECK_THROWS_WITH(last_mapping{}(depths{6, 4}, visit),
                    "last_mapping: the student needs 1 to as many layers as the teacher, student 6, teacher 4");
  CHECK_THROWS_AS(last_mapping{}(depths{6, 4}, visit), contract_error);
  CHECK(shown == 0);
}

TEST_CASE("both_ends_mapping refuses a deeper student, dwt_remap_mapping a model without layers, naming both depths") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_WITH(both_ends_mapping{}(depths{6, 4}, visit),
                    "both_ends_mapping: the student needs 1 to as many layers as the teacher, student 6, teacher 4");
  CHECK_THROWS_WITH(dwt_remap_mapping{}(depths{6, 0}, visit),
                    "dwt_remap_mapping: needs a layer on both sides, student 6, teacher 0");
}

TEST_CASE("first_mapping and last_mapping refuse a student without layers") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_AS(first_mapping{}(depths{0, 4}, visit), contract_error);
  CHECK_THROWS_AS(last_mapping{}(depths{0, 0}, visit), contract_error);
}

}  // namespace
}  // namespace limbeck
