// Philox4x32-10: the words of the paper's reference implementation, and streams that do not meet.
#include "limbeck/core/philox.hpp"

#include <cstdint>
#include <set>

#include "catch.hpp"

namespace limbeck {
namespace {

constexpr bool equal(const random_words& a, const random_words& b) {
  return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2] && a.word[3] == b.word[3];
}

// Random123, kat_vectors, philox4x32 10.
static_assert(equal(philox({{0, 0, 0, 0}}, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
static_assert(equal(philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffffffffffff),
                    {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
static_assert(equal(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822),
                    {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));

static_assert(unit_interval(0) > 0 && unit_interval(0xffffffff) < 1);

TEST_CASE("streams of another seed, step or site give other words") {
  std::set<std::uint32_t> first_words;
  int streams = 0;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32})
    for (const std::uint64_t step : {0ULL, 1ULL, 1ULL << 32})
      for (const std::uint32_t site : {0U, 1U, 0x1000U}) {
        ++streams;
        first_words.insert(random_stream{seed, step, site}.at(0).word[0]);
      }
  CHECK(static_cast<int>(first_words.size()) == streams);
}

TEST_CASE("a stream gives the same words whenever it is asked") {
  const random_stream a{7, 8, 9};
  CHECK(equal(a.at(5), random_stream{7, 8, 9}.at(5)));
  CHECK_FALSE(equal(a.at(5), a.at(6)));
}

TEST_CASE("words are spread evenly over the unit interval") {
  const random_stream random{3, 1, 4};
  double sum = 0, squares = 0;
  const int count = 40000;
  for (int i = 0; i < count / 4; ++i)
    for (const std::uint32_t word : random.at(static_cast<std::uint32_t>(i)).word) {
      const double u = unit_interval(word);
      sum += u;
      squares += u * u;
    }
  CHECK(sum / count == Approx(0.5).margin(0.006));  // four standard deviations
  CHECK(squares / count == Approx(1.0 / 3).margin(0.006));
}

}  // namespace
}  // namespace limbeck
