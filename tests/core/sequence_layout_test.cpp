// Where samples and their maps lie, and what a row may look at.
#include "limbeck/core/sequence_layout.hpp"

#include <type_traits>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

constexpr sample_rows packed{10, 4, 4}, zeroing{10, 4, 2}, keyless{10, 4, 0};

// An encoder's row sees every key.
static_assert(visible_keys(packed, 0, false) == 4 && visible_keys(packed, 3, false) == 4);
static_assert(visible_keys(zeroing, 0, false) == 2 && visible_keys(zeroing, 3, false) == 2);
// A decoder's row sees itself and what came before, and never a key that is none.
static_assert(visible_keys(packed, 0, true) == 1 && visible_keys(packed, 2, true) == 3 &&
              visible_keys(packed, 3, true) == 4);
static_assert(visible_keys(zeroing, 0, true) == 1 && visible_keys(zeroing, 1, true) == 2 &&
              visible_keys(zeroing, 3, true) == 2);
static_assert(visible_keys(keyless, 0, true) == 0 && visible_keys(keyless, 2, false) == 0);

TEST_CASE("square_blocks finds the map of a head of a sample") {
  std::vector<int> data(2 * 9 + 2 * 4);  // 2 heads; samples of 3 and 2 rows
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<int>(i);
  const block at[] = {{0, 3}, {18, 2}};
  const square_blocks<int> maps{data.data(), 2, view<const block, 1>(at, 2)};
  CHECK(maps.map(0, 0).extent(0) == 3);
  CHECK(maps.map(0, 1)(0, 0) == 9);
  CHECK(maps.map(1, 0).extent(1) == 2);
  CHECK(maps.map(1, 0)(0, 0) == 18);
  CHECK(maps.map(1, 1)(1, 0) == 18 + 4 + 2);
}

TEST_CASE("square_blocks adds const and keeps the rest") {
  int data[4] = {1, 2, 3, 4};
  const block at[] = {{0, 2}};
  const square_blocks<int> maps{data, 1, view<const block, 1>(at, 1), true};
  const square_blocks<const int> seen = maps;
  CHECK(seen.data == data);
  CHECK(seen.heads == 1);
  CHECK(seen.causal);
  CHECK(seen.map(0, 0)(1, 1) == 4);
  static_assert(!std::is_convertible_v<square_blocks<const int>, square_blocks<int>>);
  CHECK(square_blocks<int>{}.empty());
  CHECK_FALSE(seen.empty());
}

}  // namespace
}  // namespace limbeck
