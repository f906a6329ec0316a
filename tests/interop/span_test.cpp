// Spans as views: matrices that fit, and the messages where they do not.
#include "limbeck/interop/span.hpp"

#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("a span is a vector, or rows of one length") {
  std::vector<float> memory(12);
  const std::span<const float> seen(memory);
  CHECK(vector_view(seen).extent(0) == 12);
  CHECK(matrix_view(seen, 4).extent(0) == 3);
  CHECK(&matrix_view(seen, 4)(2, 1) == &memory[9]);
  CHECK_THROWS_WITH(matrix_view(seen, 5), "matrix_view: 12 elements, not rows of 5");
}

TEST_CASE("rows a stride apart end inside of their span") {
  std::vector<float> memory(11);
  const std::span<float> seen(memory);
  CHECK(&matrix_view(seen, 3, 3, 4)(2, 2) == &memory[10]);  // the last row has no padding
  CHECK(matrix_view(seen, 0, 3, 4).count() == 0);
  CHECK_THROWS_WITH(matrix_view(seen, 3, 4, 4), "matrix_view: 3 rows of 4, 4 apart, in 11 elements");
  CHECK_THROWS_WITH(matrix_view(seen, 2, 4, 3), "matrix_view: 2 rows of 4 elements, 3 apart");
}

}  // namespace
}  // namespace limbeck
