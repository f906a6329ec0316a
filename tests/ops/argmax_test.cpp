// Where the largest number of a row stands.
#include "limbeck/ops/argmax.hpp"

#include <limits>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"

namespace limbeck {
namespace {

TEST_CASE("argmax names the first of the largest numbers of each row, for any number of threads") {
  constexpr float none = -std::numeric_limits<float>::infinity();
  const std::vector<float> numbers{1,    3, 3,  9,  none, none,
                                   none, 9, -2, -1, -3,   9};  // the last column is not the view's
  const view<const float, 2> rows(numbers.data(), {{3, 3}}, {{4, 1}});
  for (const int threads : {1, 3}) {
    std::vector<std::int32_t> best(3, -1);
    ops::argmax(cpu_executor<>{threads}, rows, view<std::int32_t, 1>(best.data(), 3));
    CHECK(best == std::vector<std::int32_t>{1, 0, 1});
  }
}

TEST_CASE("argmax refuses rows without a column and places that are too few") {
  std::vector<float> numbers(6);
  std::vector<std::int32_t> best(3);
  const cpu_executor<> on{1};
  CHECK_THROWS_WITH(ops::argmax(on, view<const float, 2>(numbers.data(), 3, 2), view<std::int32_t, 1>(best.data(), 2)),
                    "argmax: 2 places for rows of [3, 2]");
  CHECK_THROWS_AS(ops::argmax(on, view<const float, 2>(numbers.data(), 3, 0), view<std::int32_t, 1>(best.data(), 3)),
                  contract_error);
}

}  // namespace
}  // namespace limbeck
