// Tests of limbeck/core/random_choice.hpp.
#include "limbeck/core/random_choice.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("a choice is rising, without repetition, and a function of its stream alone") {
  random_choice choice, other;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<std::uint32_t> chosen = choice({seed, 1, 2}, 30, 7);
    REQUIRE(chosen.size() == 7);
    for (std::size_t i = 1; i < 7; ++i) CHECK(chosen[i - 1] < chosen[i]);
    CHECK(chosen.back() < 30);
    (void)other({seed, 2, 2}, 9, 3);
    CHECK(other({seed, 1, 2}, 30, 7) == chosen);
  }
  CHECK(choice({0, 1, 2}, 30, 7) != other({1, 1, 2}, 30, 7));
  CHECK(choice({0, 0, 0}, 4, 4) == std::vector<std::uint32_t>{0, 1, 2, 3});
  CHECK(choice({0, 0, 0}, 4, 0).empty());
  CHECK(choice({0, 0, 0}, 0, 0).empty());
  CHECK_THROWS_WITH(choice({0, 0, 0}, 4, 5), "random_choice: 5 of 4 numbers");
}

TEST_CASE("every set of so many numbers comes as often as another") {
  random_choice choice;
  std::map<std::vector<std::uint32_t>, double> times;
  constexpr double draws = 6000;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) ++times[choice({seed, 0, 0}, 4, 2)];
  REQUIRE(times.size() == 6);
  double chi_squared = 0;
  for (const auto& [set, count] : times) chi_squared += (count - draws / 6) * (count - draws / 6) / (draws / 6);
  CHECK(chi_squared < 20.5);  // 5 degrees of freedom: beyond it in 1 of 1000 cases
}

TEST_CASE("below() reaches every number and no other") {
  CHECK(below(3, 0) == 0);
  CHECK(below(3, 0x55555556U) == 1);
  CHECK(below(3, ~0U) == 2);
  CHECK(below(1, ~0U) == 0);
}

}  // namespace
}  // namespace limbeck
