// Raw pointers as views: strides, and the messages where extents cannot be.
#include "limbeck/interop/pointer.hpp"

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("rows of a raw matrix lie side by side, or a stride apart") {
  float memory[24] = {};
  CHECK(matrix_view(memory, 3, 8).contiguous());
  const view<float, 2> padded = matrix_view(memory, 3, 5, 8);
  CHECK(&padded(2, 4) == memory + 20);
  const double* none = nullptr;
  CHECK(matrix_view(none, 0, 8).count() == 0);
  CHECK(&vector_view(memory, 24)(23) == memory + 23);
}

TEST_CASE("a null pointer, overlapping rows and negative extents are refused with their numbers") {
  float memory[4] = {};
  const float* null = nullptr;
  CHECK_THROWS_WITH(matrix_view(null, 8, 10), "matrix_view: a null pointer to [8, 10]");
  CHECK_THROWS_WITH(vector_view(null, 8), "vector_view: a null pointer to 8 elements");
  CHECK_THROWS_WITH(vector_view(memory, -1), "vector_view: -1 elements");
  CHECK_THROWS_WITH(matrix_view(memory, 2, 3, 2), "matrix_view: 2 rows of 3 elements, 2 apart");
  CHECK_THROWS_WITH(matrix_view(memory, -2, 3), "matrix_view: -2 rows of 3 elements, 3 apart");
}

}  // namespace
}  // namespace limbeck
