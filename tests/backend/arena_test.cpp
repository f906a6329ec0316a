// The arena: pieces are aligned and apart, and a second pass of a size allocates nothing.
#include "limbeck/backend/arena.hpp"

#include <cstdint>

#include "catch.hpp"
#include "counted_allocations.hpp"
#include "limbeck/backend/scratch.hpp"

namespace limbeck {
namespace {

using limbeck_test::allocations;

bool aligned(const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 64 == 0; }

// A pass of several megabytes, more than the first block holds.
void one_pass(arena& memory) {
  for (int layer = 0; layer < 6; ++layer) {
    (void)memory.matrix<float>(300, 301);
    const auto mark = memory.here();
    (void)memory.vector<double>(200000);
    memory.rewind(mark);
  }
}

TEST_CASE("an arena allocates nothing after the first pass of a size") {
  arena memory;
  one_pass(memory);
  memory.reset();
  const long before = allocations;
  for (int pass = 0; pass < 3; ++pass) {
    one_pass(memory);
    memory.reset();
  }
  CHECK(allocations == before);
}

TEST_CASE("an arena allocates nothing for a pass smaller than an earlier one") {
  arena memory;
  one_pass(memory);
  memory.reset();
  const long before = allocations;
  const index held = memory.capacity();
  (void)memory.matrix<float>(10, 10);
  memory.reset();
  one_pass(memory);
  CHECK(allocations == before);
  CHECK(memory.capacity() == held);
}

TEST_CASE("pieces of an arena are aligned to 64 bytes and do not overlap") {
  arena memory;
  char* const a = memory.take<char>(1);
  double* const b = memory.take<double>(9);
  float* const c = memory.take<float>(1 << 20);  // a block of its own
  std::int32_t* const d = memory.take<std::int32_t>(3);
  CHECK(aligned(a));
  CHECK(aligned(b));
  CHECK(aligned(c));
  CHECK(aligned(d));
  *a = 'x';
  std::fill_n(b, 9, 1.5);
  std::fill_n(c, 1 << 20, 2.5F);
  std::fill_n(d, 3, 7);
  CHECK(*a == 'x');
  CHECK((b[0] == 1.5 && b[8] == 1.5));
  CHECK((c[0] == 2.5F && c[(1 << 20) - 1] == 2.5F));
  CHECK(d[2] == 7);
}

TEST_CASE("pieces stay where they are while the arena grows") {
  arena memory;
  const auto first = memory.matrix<double>(10, 10);
  first(3, 4) = 5;
  for (int i = 0; i < 20; ++i) std::fill_n(memory.take<double>(100000), 100000, -1.0);
  CHECK(first(3, 4) == 5);
}

TEST_CASE("an arena that is rewound gives the same place again") {
  arena memory;
  (void)memory.take<float>(10);
  const auto mark = memory.here();
  float* const a = memory.take<float>(100);
  (void)memory.take<float>(1 << 20);  // reaches into another block
  memory.rewind(mark);
  CHECK(memory.take<float>(100) == a);
}

TEST_CASE("an arena gives matrices of the shape asked for, and pieces of no elements") {
  arena memory;
  const view<float, 2> m = memory.matrix<float>(3, 5);
  CHECK(m.extent(0) == 3);
  CHECK(m.extent(1) == 5);
  CHECK(m.contiguous());
  const view<float, 2> none = memory.matrix<float>(0, 5);
  CHECK_FALSE(none.empty());
  CHECK(none.count() == 0);
  CHECK(memory.vector<double>(7).extent(0) == 7);
}

TEST_CASE("a buffer is aligned, holds zeros at first, and copies only where it is told to") {
  static_assert(!std::is_copy_constructible_v<buffer<float>> && std::is_nothrow_move_constructible_v<buffer<float>>);
  buffer<float> a(37);
  CHECK(aligned(a.data()));
  CHECK(std::all_of(a.data(), a.data() + 37, [](float x) { return x == 0.0F; }));
  a.fill(3);
  buffer<float> b = copy_of(a);
  b.data()[0] = 4;
  CHECK(a.data()[0] == 3);
  CHECK(b.data()[36] == 3);
  const float* const at = b.data();
  const buffer<float> c = std::move(b);
  CHECK(c.data() == at);
  CHECK(c.all().extent(0) == 37);
}

TEST_CASE("a buffer of no elements is empty, and one of a negative count is refused") {
  CHECK(buffer<double>(0).all().empty());
  CHECK(buffer<double>().count() == 0);
  CHECK(copy_of(buffer<double>(0)).count() == 0);
  CHECK_THROWS_WITH(buffer<double>(-1), "buffer: the count is negative");
}

struct purpose {};
struct other_purpose {};

TEST_CASE("thread_scratch allocates only to grow, and purposes do not share memory") {
  float* const a = thread_scratch<purpose, float>(1000);
  const long before = allocations;
  CHECK(aligned(a));
  CHECK(thread_scratch<purpose, float>(10) == a);
  CHECK(thread_scratch<purpose, float>(1000) == a);
  CHECK(allocations == before);
  CHECK(thread_scratch<other_purpose, float>(10) != a);
}

}  // namespace
}  // namespace limbeck
