// per_layer: a value a layer, held in place.
#include "limbeck/core/per_layer.hpp"

#include <string>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("per_layer holds as many values as asked for") {
  CHECK(per_layer<int>{}.empty());
  per_layer<int> three(3);
  CHECK(three.size() == 3);
  CHECK_FALSE(three.empty());
  CHECK(three[2] == 0);
  three[0] = 5;
  three[2] = 7;
  int sum = 0, count = 0;
  for (const int x : three) {
    sum += x;
    ++count;
  }
  CHECK(sum == 12);
  CHECK(count == 3);
}

TEST_CASE("per_layer copies its values") {
  per_layer<int> a(2);
  a[1] = 4;
  per_layer<int> b = a;
  b[1] = 9;
  CHECK(a[1] == 4);
}

TEST_CASE("per_layer takes no more than max_layers") {
  CHECK(per_layer<char>(max_layers).size() == 64);
  CHECK_THROWS_WITH(per_layer<char>(max_layers + 1), "per_layer: more layers than limbeck::max_layers");
  CHECK_THROWS_AS(per_layer<char>(max_layers + 1), contract_error);
}

}  // namespace
}  // namespace limbeck
