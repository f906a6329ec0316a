// Views: what they see, what they are made of, and the messages about their shapes.
#include "limbeck/core/view.hpp"

#include <array>
#include <type_traits>

#include "catch.hpp"

namespace limbeck {
namespace {

static_assert(std::is_convertible_v<view<float, 2>, view<const float, 2>>);
static_assert(!std::is_convertible_v<view<const float, 2>, view<float, 2>>, "const is never dropped");
static_assert(!std::is_convertible_v<view<float, 2, cpu>, view<float, 2, cuda>>, "places are types");
static_assert(!std::is_convertible_v<view<float, 2>, view<double, 2>>);
static_assert(std::is_trivially_copyable_v<view<float, 3>>);
static_assert(!std::is_constructible_v<view<float, 2>, float*, int>, "a matrix has two extents");

std::array<int, 12> twelve() {
  std::array<int, 12> a{};
  for (int i = 0; i < 12; ++i) a[static_cast<std::size_t>(i)] = i;
  return a;
}

TEST_CASE("a view made from extents is row-major") {
  auto a = twelve();
  const view<int, 3> v(a.data(), 2, 3, 2);
  CHECK(v.stride(0) == 6);
  CHECK(v.stride(1) == 2);
  CHECK(v.stride(2) == 1);
  CHECK(v.count() == 12);
  CHECK(v.contiguous());
  CHECK(v(1, 2, 0) == 10);
  CHECK(v(0, 1, 1) == 3);
}

TEST_CASE("a default view is empty and counts nothing") {
  const view<int, 2> none;
  CHECK(none.empty());
  CHECK(none.count() == 0);
  CHECK(none.extent(0) == 0);
  CHECK(none.contiguous());
}

TEST_CASE("a view of no rows is not an empty view") {
  int one = 0;
  const view<int, 2> v(&one, 0, 5);
  CHECK_FALSE(v.empty());
  CHECK(v.count() == 0);
}

TEST_CASE("a view takes any strides, negative ones too") {
  auto a = twelve();
  const view<int, 1> backwards(a.data() + 11, {{12}}, {{-1}});
  CHECK(backwards(0) == 11);
  CHECK(backwards(11) == 0);
  CHECK_FALSE(backwards.contiguous());
  const view<int, 2> same_row(a.data(), {{3, 4}}, {{0, 1}});
  CHECK(same_row(2, 3) == 3);
  CHECK_FALSE(same_row.contiguous());
}

TEST_CASE("a transposed view exchanges rows and columns and moves nothing") {
  auto a = twelve();
  const view<int, 2> v(a.data(), 3, 4);
  const view<int, 2> t = transposed(v);
  CHECK(t.extent(0) == 4);
  CHECK(t.extent(1) == 3);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c) CHECK(&t(c, r) == &v(r, c));
  CHECK_FALSE(t.contiguous());
  CHECK(transposed(t).contiguous());
}

TEST_CASE("blocks of rows and columns are windows onto the matrix") {
  auto a = twelve();
  const view<int, 2> v(a.data(), 3, 4);
  const view<int, 2> rows = row_block(v, 1, 2), columns = column_block(v, 2, 2);
  CHECK(rows.extent(0) == 2);
  CHECK(rows.extent(1) == 4);
  CHECK(rows(0, 0) == 4);
  CHECK(rows.contiguous());
  CHECK(columns.extent(0) == 3);
  CHECK(columns.extent(1) == 2);
  CHECK(columns(2, 1) == 11);
  CHECK_FALSE(columns.contiguous());
  CHECK(column_block(row_block(v, 1, 1), 1, 2).contiguous());  // one row has no gap between rows
  CHECK(row_block(transposed(v), 1, 2)(1, 2) == v(2, 2));
  columns(0, 0) = 100;
  CHECK(a[2] == 100);
}

TEST_CASE("a dimension of one element may have any stride in a contiguous view") {
  auto a = twelve();
  CHECK(view<int, 2>(a.data(), {{1, 4}}, {{99, 1}}).contiguous());
  CHECK(view<int, 2>(a.data(), {{4, 1}}, {{1, 99}}).contiguous());
  CHECK_FALSE(view<int, 2>(a.data(), {{4, 1}}, {{2, 1}}).contiguous());
}

TEST_CASE("adding const keeps the window") {
  auto a = twelve();
  const view<int, 2> v = transposed(view<int, 2>(a.data(), 3, 4));
  const view<const int, 2> c = v;
  CHECK(c.data() == v.data());
  CHECK(c.extent(0) == 4);
  CHECK(c.stride(0) == 1);
  CHECK(c.stride(1) == 4);
  static_assert(std::is_same_v<decltype(read_only(v)), view<const int, 2>>);
  CHECK(&read_only(v)(3, 2) == &v(3, 2));
}

TEST_CASE("views work in constant expressions") {
  static constexpr int numbers[] = {1, 2, 3, 4, 5, 6};
  constexpr view<const int, 2> v(numbers, 2, 3);
  static_assert(v(1, 0) == 4 && transposed(v)(0, 1) == 4 && v.count() == 6 && v.contiguous());
  SUCCEED();
}

TEST_CASE("shapes are written in brackets") {
  float x = 0;
  CHECK(shape_text(view<float, 2>(&x, 8, 10)) == "[8, 10]");
  CHECK(shape_text(view<float, 1>(&x, 3)) == "[3]");
  CHECK(shape_text(view<float, 3>()) == "[0, 0, 0]");
}

TEST_CASE("shapes that differ are an error with both shapes") {
  float x = 0;
  double y = 0;
  const view<float, 2> student(&x, 8, 10);
  CHECK_NOTHROW(expects_same_shape("soft_target", "logits", student, view<const double, 2>(&y, 8, 10)));
  CHECK_THROWS_WITH(expects_same_shape("soft_target", "logits", student, view<const double, 2>(&y, 8, 12)),
                    "soft_target logits: student [8, 10], teacher [8, 12]");
  CHECK_THROWS_AS(expects_same_shape("soft_target", "logits", student, view<float, 2>(&x, 7, 10)), contract_error);
}

}  // namespace
}  // namespace limbeck
