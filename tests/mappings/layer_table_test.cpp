// layer_table: a number for each pair of layers, and what does not fit.
#include "limbeck/mappings/layer_table.hpp"

#include <limits>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("layer_table holds a row for each student layer") {
  const layer_table given({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(given(0, 2) == 3);
  CHECK(given(1, 0) == 4);
  layer_table zeros({2, 3});
  zeros(1, 2) = 7;
  CHECK(zeros.entries() == std::vector<double>{0, 0, 0, 0, 0, 7});
}

TEST_CASE("layer_table says what does not fit") {
  CHECK_THROWS_WITH(layer_table({0, 3}), "layer_table: needs 1 to 64 layers on both sides, student 0, teacher 3");
  CHECK_THROWS_WITH(layer_table({2, 65}), "layer_table: needs 1 to 64 layers on both sides, student 2, teacher 65");
  CHECK_THROWS_WITH(layer_table({2, 2}, {1, 2, 3}), "layer_table: 3 numbers for 2 student layers and 2 teacher layers");
  CHECK_THROWS_WITH(layer_table({2, 2}, {1, 2, std::numeric_limits<double>::infinity(), 3}),
                    "layer_table: student layer 1 and teacher layer 0 have inf, expected a finite number");
}

}  // namespace
}  // namespace limbeck
