// Mappings by name: each name gives its mapping, and what is no name is refused with all that are.
#include "limbeck/mappings/any_mapping.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

static_assert(mapping_policy<any_mapping>);
static_assert(limbeck_test::pairs<4>(any_mapping{last_mapping{}}, {4, 12}) == limbeck_test::in_order(8, 9, 10, 11));
static_assert(limbeck_test::pairs<4>(any_mapping{}, {4, 12}) == limbeck_test::in_order(2, 5, 8, 11));

std::vector<layer_pair> shown_by(const mapping_policy auto& map, depths d) {
  std::vector<layer_pair> found;
  map(d, [&](layer_pair p) { found.push_back(p); });
  return found;
}

TEST_CASE("parse_mapping knows each mapping by its name") {
  const auto check = [](const std::string& text, const mapping_policy auto& map) {
    INFO(text);
    CHECK(shown_by(parse_mapping(text), {5, 12}) == shown_by(map, {5, 12}));
  };
  check("uniform", uniform_mapping{});
  check("first", first_mapping{});
  check("last", last_mapping{});
  check("both_ends", both_ends_mapping{});
  check("pkd_skip", pkd_skip_mapping{});
  check("pkd_last", pkd_last_mapping{});
  check("block", block_mapping{});
  check("all_layers", all_layers_mapping{});
  check("reverse", reverse_mapping{});
  check("dwt_remap", dwt_remap_mapping{});
  check("top", top_mapping{});
  check("top:3", top_mapping{.teacher = 3});
  check("random:7", random_mapping{.seed = 7});
  check("random:18446744073709551615:without_last",
        random_mapping{.seed = 18446744073709551615ULL, .without_last = true});
  check("explicit:0-1:1-3:2-3:3-4:4-11", explicit_mapping{{{0, 1}, {1, 3}, {2, 3}, {3, 4}, {4, 11}}});
}

TEST_CASE("parse_mapping shows what it cannot read, and what it could") {
  CHECK_THROWS_WITH(parse_mapping("middle"),
                    "mapping: middle: expected uniform, first, last, both_ends, pkd_skip, pkd_last, block, all_layers, "
                    "reverse, dwt_remap, top, top:20, random:7, random:7:without_last, random:7:per_epoch or "
                    "explicit:0-1:1-3");
  CHECK_THROWS_WITH(parse_mapping("explicit:0-1:1"),
                    "mapping: explicit:0-1:1: expected pairs of layers such as explicit:0-1:1-3");
  CHECK_THROWS_WITH(parse_mapping("explicit:"), "mapping: explicit:: names no pair of layers");
  CHECK_THROWS_WITH(parse_mapping("top:last"), "mapping: top:last: expected a teacher layer such as top:20");
  for (const char* text : {"random", "Uniform", "", "uniform:"})
    CHECK_THROWS_WITH(parse_mapping(text), Catch::Matchers::Contains("expected uniform, first"));
  for (const char* text : {"random:", "random:-1", "random:x", "random:7:", "random:7:last", "random:7:without_last:",
                           "random:7:per_epoch:without_last", "random:18446744073709551616", "random: 7"})
    CHECK_THROWS_WITH(parse_mapping(text), "mapping: " + std::string(text) +
                                               ": expected a seed such as random:7, random:7:without_last, "
                                               "random:7:per_epoch or both words");
}

TEST_CASE("a random mapping is drawn anew in each epoch where the text says so, and only there") {
  constexpr depths models{.student = 2, .teacher = 12};
  const any_mapping fixed = parse_mapping("random:7"), moving = parse_mapping("random:7:per_epoch"),
                    shorter = parse_mapping("random:7:without_last:per_epoch");
  CHECK_FALSE(fixed.per_epoch);
  for (std::uint64_t epoch = 0; epoch < 9; ++epoch) {
    CHECK(shown_by(drawn_in(moving, epoch), models) == shown_by(random_mapping{7, epoch}, models));
    CHECK(shown_by(drawn_in(shorter, epoch), models) == shown_by(random_mapping{7, epoch, true}, models));
    CHECK(shown_by(drawn_in(fixed, epoch), models) == shown_by(random_mapping{7}, models));
    CHECK(shown_by(drawn_in(parse_mapping("last"), epoch), models) == shown_by(last_mapping{}, models));
  }
  CHECK(shown_by(drawn_in(moving, 0), models) != shown_by(drawn_in(moving, 1), models));
}

TEST_CASE("any_mapping refuses what the mapping in it refuses") {
  CHECK_THROWS_WITH(parse_mapping("last")(depths{6, 4}, [](layer_pair) {}),
                    "last_mapping: the student needs 1 to as many layers as the teacher, student 6, teacher 4");
}

}  // namespace
}  // namespace limbeck
