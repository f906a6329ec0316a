// Dropout: the rate, the scale, and a mask that is a function of stream and place.
#include "limbeck/ops/dropout.hpp"

#include "catch.hpp"
#include "central_difference.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::same_bits;

constexpr random_stream stream{11, 3, 5};

matrix<> dropped(double rate, const random_stream& random, int threads = 1, index rows = 97, index columns = 103) {
  matrix<> x(rows, columns);
  x.fill(1);
  ops::dropout(cpu_executor<>{threads}, rate, random, x.all());
  return x;
}

TEST_CASE("dropout drops at the rate asked for and scales what stays") {
  for (const double rate : {0.1, 0.5, 0.9}) {
    const matrix<> x = dropped(rate, stream);
    index zeros = 0;
    for (index i = 0; i < x.count(); ++i) {
      CHECK((x.data()[i] == 0 || x.data()[i] == 1 / (1 - rate)));
      zeros += x.data()[i] == 0 ? 1 : 0;
    }
    const auto count = static_cast<double>(x.count());
    const double deviation = std::sqrt(rate * (1 - rate) / count);
    CHECK(std::abs(static_cast<double>(zeros) / count - rate) < 4 * deviation);
  }
}

TEST_CASE("dropout of rate 0 changes nothing") {
  matrix<> x(9, 7, 1);
  const matrix<> before = x;
  ops::dropout(cpu_executor<>{}, 0.0, stream, x.all());
  CHECK(same_bits(x.seen(), before.seen()));
}

TEST_CASE("dropout repeats its mask for one stream, on any number of threads") {
  const matrix<> x = dropped(0.3, stream);
  for (const int threads : {1, 2, 3, 7}) CHECK(same_bits(x.seen(), dropped(0.3, stream, threads, 97, 103).seen()));
  matrix<> gradient(97, 103, 9);
  const matrix<> before = gradient;
  ops::dropout(cpu_executor<>{}, 0.3, stream, gradient.all());
  for (index i = 0; i < x.count(); ++i) CHECK(gradient.data()[i] == Approx(before.data()[i] * x.data()[i]));
}

TEST_CASE("dropout of an element follows its own word of the stream, at every level") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const index columns : {1, 3, 4, 31, 32, 33, 103}) {
      const matrix<> x = dropped(0.3, stream, 1, 5, columns);
      for (index r = 0; r < 5; ++r)
        for (index c = 0; c < columns; ++c) {
          const auto place = static_cast<std::uint32_t>(r * ((columns + 3) / 4) + c / 4);
          CHECK((x(r, c) == 0) == (stream.at(place).word[c % 4] < 0.3 * 0x1p32));
        }
    }
  }
}

TEST_CASE("dropout has another mask at another step, site or seed") {
  const matrix<> x = dropped(0.5, stream);
  for (const random_stream other : {random_stream{11, 4, 5}, random_stream{11, 3, 6}, random_stream{12, 3, 5}}) {
    const matrix<> y = dropped(0.5, other);
    index same = 0;
    for (index i = 0; i < x.count(); ++i) same += x.data()[i] == y.data()[i] ? 1 : 0;
    CHECK(std::abs(static_cast<double>(same) / static_cast<double>(x.count()) - 0.5) < 0.025);  // as two coins agree
  }
}

TEST_CASE("the mask of a row of dropout depends on neither the rows behind it nor on gaps between rows") {
  const matrix<> x = dropped(0.4, stream, 1, 20, 13), fewer = dropped(0.4, stream, 1, 7, 13);
  CHECK(same_bits(row_block(x.seen(), 0, 7), fewer.seen()));
  matrix<> wide(20, 30);
  wide.fill(1);
  ops::dropout(cpu_executor<>{}, 0.4, stream, column_block(wide.all(), 10, 13));
  CHECK(same_bits(column_block(wide.seen(), 10, 13), x.seen()));
  CHECK(wide(3, 9) == 1);
  CHECK(wide(3, 23) == 1);
}

TEST_CASE("dropout drops instead of multiplying: what was dropped is 0 even if it was NaN") {
  matrix<> x(20, 13);
  x.fill(std::nan(""));
  ops::dropout(cpu_executor<>{}, 0.5, stream, x.all());
  const matrix<> mask = dropped(0.5, stream, 1, 20, 13);
  for (index i = 0; i < x.count(); ++i) CHECK(std::isnan(x.data()[i]) == (mask.data()[i] != 0));
}

TEST_CASE("dropout refuses rates below 0, of 1 and above") {
  matrix<> x(2, 2);
  for (const double rate : {-0.1, 1.0, std::nan("")})
    CHECK_THROWS_WITH(ops::dropout(cpu_executor<>{}, rate, stream, x.all()),
                      "dropout: the rate must be at least 0 and below 1");
}

TEST_CASE("add_dropped adds what dropout leaves to a residual, in place of either") {
  const matrix<> x(9, 35, 1), residual(9, 35, 2);
  const cpu_executor<> on{2};
  for (const double rate : {0.0, 0.4}) {
    matrix<> kept(9, 35), over_x = x, over_residual = residual;
    ops::dropout(on, rate, stream, x.seen(), kept.all());
    ops::add_dropped(on, rate, stream, over_x.seen(), residual.seen(), over_x.all());
    ops::add_dropped(on, rate, stream, x.seen(), over_residual.seen(), over_residual.all());
    for (index i = 0; i < x.count(); ++i) CHECK(over_x.data()[i] == residual.data()[i] + kept.data()[i]);
    CHECK(same_bits(over_x.seen(), over_residual.seen()));
  }
}

}  // namespace
}  // namespace limbeck
