// Rows picked from a table, and the gradient of the table.
#include "limbeck/ops/embedding.hpp"

#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error;

view<const std::int32_t, 1> seen(const std::vector<std::int32_t>& ids) {
  return view<const std::int32_t, 1>(ids.data(), ids.size());
}

TEST_CASE("gather_rows copies rows of the table, or adds them") {
  const matrix<> table(9, 5, 1);
  std::vector<std::int32_t> ids(300);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 7 % 9);
  for (const int threads : {1, 3}) {
    matrix<> y(300, 5, 2);
    const cpu_executor<> on{threads};
    ops::gather_rows(on, table.seen(), seen(ids), y.all());
    for (index i = 0; i < 300; ++i)
      CHECK(same_bits(row_block(y.seen(), i, 1), row_block(table.seen(), ids[static_cast<std::size_t>(i)], 1)));
    ops::gather_rows(on, table.seen(), seen(ids), y.all(), true);
    for (index i = 0; i < 300; ++i) CHECK(y(i, 3) == 2 * table(ids[static_cast<std::size_t>(i)], 3));
  }
}

TEST_CASE("the gradient of gather_rows agrees with central differences") {
  matrix<> table(6, 4, 1), y(8, 4);
  const matrix<> dy(8, 4, 2);
  const std::vector<std::int32_t> ids = {5, 0, 5, 2, 2, 5, 1, 0};
  matrix<> dtable(6, 4);
  const cpu_executor<> on;
  ops::scatter_rows(on, dy.seen(), seen(ids), dtable.all());
  CHECK(slope_error(table, dtable, [&] {
          ops::gather_rows(on, table.seen(), seen(ids), y.all());
          return inner_product(y.seen(), dy.seen());
        }) < 1e-7);
}

TEST_CASE("scatter_rows adds, and skips the rows of one id") {
  const matrix<> dy(4, 3, 2);
  const std::vector<std::int32_t> ids = {1, 0, 1, 2};
  matrix<> all(3, 3), skipped(3, 3);
  const cpu_executor<> on;
  ops::scatter_rows(on, dy.seen(), seen(ids), all.all());
  ops::scatter_rows(on, dy.seen(), seen(ids), skipped.all(), 1);
  CHECK(same_bits(row_block(skipped.seen(), 0, 1), row_block(all.seen(), 0, 1)));
  CHECK(same_bits(row_block(skipped.seen(), 1, 1), matrix<>(1, 3).seen()));
  CHECK(same_bits(row_block(skipped.seen(), 2, 1), row_block(all.seen(), 2, 1)));
  ops::scatter_rows(on, dy.seen(), seen(ids), all.all());
  CHECK(all(2, 1) == Approx(2 * dy(3, 1)));
}

TEST_CASE("rows that do not fit ids and table are an error that names the shapes") {
  const std::vector<std::int32_t> ids{0, 1, 2};
  matrix<> table(4, 5, 1), few(2, 5, 2), wide(3, 6, 3);
  const cpu_executor<> on;
  CHECK_THROWS_WITH(ops::gather_rows(on, table.seen(), seen(ids), few.all()),
                    "gather_rows: rows [2, 5] for 3 ids and a table [4, 5]");
  CHECK_THROWS_WITH(ops::gather_rows(on, table.seen(), seen(ids), wide.all()),
                    "gather_rows: rows [3, 6] for 3 ids and a table [4, 5]");
  CHECK_THROWS_WITH(ops::scatter_rows(on, wide.seen(), seen(ids), table.all()),
                    "scatter_rows: rows [3, 6] for 3 ids and a table [4, 5]");
}

TEST_CASE("an id that is not in the table is an error that names id, place and table") {
  const matrix<> table(6, 4, 1), dy(3, 4, 2);
  matrix<> y(3, 4), dtable(6, 4);
  const cpu_executor<> on;
  CHECK_THROWS_WITH(ops::gather_rows(on, table.seen(), seen({1, 6, 2}), y.all()),
                    "embedding: id 6 at place 1 is not in a table of 6 rows");
  CHECK_THROWS_WITH(ops::gather_rows(on, table.seen(), seen({1, 2, -1}), y.all()),
                    "embedding: id -1 at place 2 is not in a table of 6 rows");
  CHECK_THROWS_AS(ops::scatter_rows(on, dy.seen(), seen({6, 0, 0}), dtable.all()), contract_error);
  CHECK(same_bits(y.seen(), matrix<>(3, 4).seen()));
  CHECK(same_bits(dtable.seen(), matrix<>(6, 4).seen()));
}

}  // namespace
}  // namespace limbeck
