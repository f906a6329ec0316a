// uniform_mapping and reverse_mapping: exact tables.
#include "limbeck/mappings/uniform.hpp"

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::pairs;

static_assert(mapping_policy<uniform_mapping> && mapping_policy<reverse_mapping>);
static_assert(pairs<4>(uniform_mapping{}, {4, 12}) == in_order(2, 5, 8, 11));
static_assert(pairs<5>(uniform_mapping{}, {5, 12}) == in_order(2, 4, 7, 9, 11));
static_assert(pairs<6>(uniform_mapping{}, {6, 4}) == in_order(0, 1, 1, 2, 3, 3), "a deeper student");
static_assert(pairs<6>(uniform_mapping{}, {6, 12}) == in_order(1, 3, 5, 7, 9, 11));
static_assert(pairs<3>(uniform_mapping{}, {3, 3}) == in_order(0, 1, 2));
static_assert(pairs<1>(uniform_mapping{}, {1, 12}) == in_order(11));
static_assert(pairs<2>(uniform_mapping{}, {2, 1}) == in_order(0, 0));
static_assert(pair_count(uniform_mapping{}, {5, 12}) == 5);
static_assert(pairs<4>(reverse_mapping{}, {4, 12}) == in_order(11, 8, 5, 2));
static_assert(pairs<5>(reverse_mapping{}, {5, 12}) == in_order(11, 9, 7, 4, 2));
static_assert(pairs<6>(reverse_mapping{}, {6, 4}) == in_order(3, 3, 2, 1, 1, 0));

TEST_CASE("uniform_mapping ends at the teacher's last layer, and never goes back") {
  for (std::size_t student = 1; student <= 13; ++student)
    for (std::size_t teacher = 1; teacher <= 13; ++teacher) {
      std::size_t before = 0, shown = 0;
      uniform_mapping{}(depths{student, teacher}, [&](layer_pair p) {
        CHECK(p.student == shown++);
        CHECK(p.teacher >= before);
        CHECK(p.teacher < teacher);
        CHECK(p.weight == 1);
        before = p.teacher;
      });
      CHECK(shown == student);
      CHECK(before == teacher - 1);
    }
}

TEST_CASE("uniform_mapping and reverse_mapping name both depths where one is zero") {
  int shown = 0;
  const auto visit = [&](layer_pair) { ++shown; };
  CHECK_THROWS_WITH(uniform_mapping{}(depths{0, 12}, visit),
                    "uniform_mapping: needs a layer on both sides, student 0, teacher 12");
  CHECK_THROWS_WITH(uniform_mapping{}(depths{4, 0}, visit),
                    "uniform_mapping: needs a layer on both sides, student 4, teacher 0");
  CHECK_THROWS_WITH(reverse_mapping{}(depths{4, 0}, visit),
                    "reverse_mapping: needs a layer on both sides, student 4, teacher 0");
  CHECK_THROWS_AS(uniform_mapping{}(depths{4, 0}, visit), contract_error);
  CHECK(shown == 0);
}

}  // namespace
}  // namespace limbeck
