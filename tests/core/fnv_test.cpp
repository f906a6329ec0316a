// FNV-1a against the test vectors of its authors.
#include "limbeck/core/fnv.hpp"

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

}  // namespace
}  // namespace limbeck
