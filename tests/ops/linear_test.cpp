// The affine map of rows and its gradients.
#include "limbeck/ops/linear.hpp"

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error;

TEST_CASE("linear is the product with the transposed weight, and the bias") {
  for (const int threads : {1, 3})
    for (const index rows : {1, 5, 700}) {
      const matrix<> x(rows, 7, 1), w(19, 7, 2), b(1, 19, 3);
      matrix<> y(rows, 19), want(rows, 19), plain(rows, 19);
      ops::linear(cpu_executor<>{threads}, x.seen(), w.seen(), b.seen_flat(), y.all());
      ops::linear(cpu_executor<>{threads}, x.seen(), w.seen(), {}, plain.all());
      for (index r = 0; r < rows; ++r)
        for (index o = 0; o < 19; ++o) {
          for (index i = 0; i < 7; ++i) want(r, o) += x(r, i) * w(o, i);
          CHECK(std::abs(plain(r, o) - want(r, o)) < 1e-14);
          want(r, o) += b(0, o);
        }
      CHECK(largest_gap(y.seen(), want.seen()) < 1e-14);
    }
}

TEST_CASE("linear takes and gives columns of wider matrices") {
  const matrix<> wide(5, 21, 1), w(4, 7, 2), b(1, 4, 3);
  matrix<> packed(5, 7), y(5, 12), want(5, 4);
  for (index r = 0; r < 5; ++r)
    for (index c = 0; c < 7; ++c) packed(r, c) = wide(r, 7 + c);
  const cpu_executor<> on;
  ops::linear(on, packed.seen(), w.seen(), b.seen_flat(), want.all());
  ops::linear(on, column_block(wide.seen(), 7, 7), w.seen(), b.seen_flat(), column_block(y.all(), 4, 4));
  CHECK(largest_gap(column_block(y.seen(), 4, 4), want.seen()) < 1e-15);
  CHECK(largest_gap(column_block(y.seen(), 0, 4), matrix<>(5, 4).seen()) == 0);
  CHECK(largest_gap(column_block(y.seen(), 8, 4), matrix<>(5, 4).seen()) == 0);
}

TEST_CASE("linear takes a weight that is stored the other way round") {
  const matrix<> x(5, 7, 1), w(4, 7, 2);
  matrix<> stored(7, 4), y(5, 4), want(5, 4);
  for (index o = 0; o < 4; ++o)
    for (index i = 0; i < 7; ++i) stored(i, o) = w(o, i);
  const cpu_executor<> on;
  ops::linear(on, x.seen(), w.seen(), {}, want.all());
  ops::linear(on, x.seen(), transposed(stored.seen()), {}, y.all());
  CHECK(largest_gap(y.seen(), want.seen()) < 1e-15);

  const matrix<> dy(5, 4, 3);
  matrix<> dw(4, 7), dstored(7, 4), dx(5, 7), dx_stored(5, 7);
  ops::linear_backward(on, x.seen(), w.seen(), dy.seen(), dw.all(), {}, dx.all());
  ops::linear_backward(on, x.seen(), transposed(stored.seen()), dy.seen(), transposed(dstored.all()), {},
                       dx_stored.all());
  CHECK(largest_gap(transposed(dstored.seen()), dw.seen()) < 1e-15);
  CHECK(largest_gap(dx_stored.seen(), dx.seen()) < 1e-15);
}

TEST_CASE("the gradients of linear agree with central differences") {
  matrix<> x(6, 5, 1), w(9, 5, 2), b(1, 9, 3), y(6, 9);
  const matrix<> dy(6, 9, 4);
  matrix<> dx(6, 5), dw(9, 5), db(1, 9);
  const cpu_executor<> on{2};
  ops::linear_backward(on, x.seen(), w.seen(), dy.seen(), dw.all(), db.flat(), dx.all());
  const auto value = [&] {
    ops::linear(on, x.seen(), w.seen(), b.seen_flat(), y.all());
    return inner_product(y.seen(), dy.seen());
  };
  CHECK(slope_error(x, dx, value) < 1e-7);
  CHECK(slope_error(w, dw, value) < 1e-7);
  CHECK(slope_error(b, db, value) < 1e-7);
}

TEST_CASE("linear_backward adds to the parameters, and to dx only if told so") {
  const matrix<> x(6, 5, 1), w(9, 5, 2), dy(6, 9, 4);
  matrix<> dx(6, 5, 5), dw(9, 5), db(1, 9), again(6, 5);
  const matrix<> before = dx;
  const cpu_executor<> on;
  ops::linear_backward(on, x.seen(), w.seen(), dy.seen(), dw.all(), db.flat(), dx.all(), true);
  const matrix<> dw_once = dw, db_once = db;
  ops::linear_backward(on, x.seen(), w.seen(), dy.seen(), dw.all(), db.flat(), again.all());
  for (index i = 0; i < dx.count(); ++i)
    CHECK(dx.data()[i] == Approx(before.data()[i] + again.data()[i]).margin(1e-14));
  for (index i = 0; i < dw.count(); ++i) CHECK(dw.data()[i] == Approx(2 * dw_once.data()[i]).margin(1e-14));
  for (index i = 0; i < db.count(); ++i) CHECK(db.data()[i] == Approx(2 * db_once.data()[i]).margin(1e-14));
  CHECK_NOTHROW(ops::linear_backward(on, x.seen(), w.seen(), dy.seen(), {}, {}, view<double, 2>{}));
}

TEST_CASE("the gradient of a bias has the same bits for every number of threads") {
  const matrix<float> dy(900, 133, 1);
  matrix<float> one(1, 133);
  ops::detail::add_column_sums(cpu{}, cpu_executor<>{1}, dy.seen(), one.flat());
  for (const int threads : {2, 3, 7}) {
    matrix<float> many(1, 133);
    ops::detail::add_column_sums(cpu{}, cpu_executor<>{threads}, dy.seen(), many.flat());
    CHECK(same_bits(one.all(), many.all()));
  }
}

TEST_CASE("linear names shapes that do not fit") {
  const matrix<> x(6, 5, 1), w(9, 5, 2), b(1, 8);
  matrix<> y(6, 9), narrow(6, 8);
  const cpu_executor<> on;
  CHECK_THROWS_WITH(ops::linear(on, x.seen(), w.seen(), b.seen_flat(), y.all()),
                    "linear: bias [8] does not fit the result [6, 9]");
  CHECK_THROWS_WITH(ops::linear(on, x.seen(), w.seen(), {}, narrow.all()),
                    "matmul: [6, 5] times [5, 9] does not give [6, 8]");
}

}  // namespace
}  // namespace limbeck
