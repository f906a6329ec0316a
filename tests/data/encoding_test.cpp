// [CLS] a [SEP] b [SEP] within a length.
#include "limbeck/data/encoding.hpp"

#include <cstdint>
#include <vector>

#include "catch.hpp"

using limbeck::encoding;
using limbeck::kept_tokens;
using limbeck::longest_first;

namespace {

constexpr limbeck::frame_pieces marks{.classify = 2, .separator = 3};

}  // namespace

static_assert(longest_first(4, 4, 8) == kept_tokens{4, 4});
static_assert(longest_first(3, 9, 8) == kept_tokens{3, 5});
static_assert(longest_first(9, 3, 8) == kept_tokens{5, 3});
static_assert(longest_first(9, 9, 7) == kept_tokens{3, 4});
static_assert(longest_first(9, 8, 7) == kept_tokens{4, 3});
static_assert(longest_first(9, 0, 7) == kept_tokens{7, 0});
static_assert(longest_first(9, 9, 0) == kept_tokens{0, 0});

TEST_CASE("frame puts one text between [CLS] and [SEP] and cuts its end") {
  const std::vector<std::int32_t> text{10, 11, 12};
  CHECK(frame(marks, text, std::nullopt, 8) == encoding{{2, 10, 11, 12, 3}, {0, 0, 0, 0, 0}});
  CHECK(frame(marks, text, std::nullopt, 4) == encoding{{2, 10, 11, 3}, {0, 0, 0, 0}});
  CHECK(frame(marks, text, std::nullopt, 2) == encoding{{2, 3}, {0, 0}});
}

TEST_CASE("frame gives the second half and its [SEP] type 1") {
  const std::vector<std::int32_t> a{10, 11}, b{20};
  CHECK(frame(marks, a, b, 8) == encoding{{2, 10, 11, 3, 20, 3}, {0, 0, 0, 0, 1, 1}});
  CHECK(frame(marks, a, std::vector<std::int32_t>{}, 8) == encoding{{2, 10, 11, 3, 3}, {0, 0, 0, 0, 1}});
}

TEST_CASE("frame refuses a length that the special pieces fill or exceed") {
  const std::vector<std::int32_t> a{10}, b{20};
  CHECK_THROWS_WITH(frame(marks, a, std::nullopt, 1), "max_length: 1, but a text needs at least 2");
  CHECK_THROWS_WITH(frame(marks, a, b, 2), "max_length: 2, but a pair needs at least 3");
  CHECK_THROWS_AS(frame(marks, a, b, -5), limbeck::contract_error);
}
