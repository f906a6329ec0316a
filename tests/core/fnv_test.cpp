// FNV-1a against the test vectors of its authors.
#include "limbeck/core/fnv.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

static_assert(fnv1a("") == 0xCBF29CE484222325u);
static_assert(fnv1a("a") == 0xAF63DC4C8601EC8Cu);
static_assert(fnv1a("foobar") == 0x85944171F73967E8u);

TEST_CASE("a hash continues from that of the beginning, and a number counts as its bytes") {
  CHECK(fnv1a("bar", fnv1a("foo")) == fnv1a("foobar"));
  CHECK(fnv1a(0x6261, fnv1a_start) == fnv1a(std::string_view("ab\0\0\0\0\0\0", 8)));
}

TEST_CASE("a hash of words is that of numbers, then of the bytes that are left") {
  const std::string text = "0123456789abcdefXYZ";
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  CHECK(fnv1a_of_words(bytes.first(0)) == fnv1a_start);
  CHECK(fnv1a_of_words(bytes.first(3)) == fnv1a("012"));
  const std::uint64_t step = (fnv1a_start ^ 0x3736353433323130u) * 0x100000001B3u;
  CHECK(fnv1a_of_words(bytes.first(8)) == (step ^ step >> 32));
  CHECK(fnv1a_of_words(bytes) == fnv1a("XYZ", fnv1a_of_words(bytes.first(16))));
  CHECK(fnv1a_of_words(bytes) == fnv1a_of_words(bytes.subspan(8), fnv1a_of_words(bytes.first(8))));
}

TEST_CASE("a hash of words shows numbers that lost their signs, however many") {
  std::vector<float> numbers(4096);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 0.25F + static_cast<float>(i);
  const std::uint64_t whole = fnv1a_of_words(std::as_bytes(std::span(numbers)));
  std::vector<float> other = numbers;
  other[1] = -other[1];
  other[7] = -other[7];
  CHECK(fnv1a_of_words(std::as_bytes(std::span(other))) != whole);
  for (std::size_t i = 1; i < numbers.size(); i += 2) numbers[i] = -numbers[i];
  CHECK(fnv1a_of_words(std::as_bytes(std::span(numbers))) != whole);
}

TEST_CASE("a hash of words shows each flipped bit") {
  std::vector<std::byte> bytes(21, std::byte{0x5A});
  const std::uint64_t whole = fnv1a_of_words(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] ^= std::byte(1 << bit);
      CHECK(fnv1a_of_words(bytes) != whole);
      bytes[i] ^= std::byte(1 << bit);
    }
}

}  // namespace
}  // namespace limbeck
