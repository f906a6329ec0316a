// Layer normalisation against plain loops in double.
#include "limbeck/ops/layer_norm.hpp"

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error;

template <class T>
matrix<> plain(const matrix<T>& x, const matrix<T>& gain, const matrix<T>& bias, double epsilon) {
  matrix<> y(x.rows(), x.columns());
  const auto width = static_cast<double>(x.columns());
  for (index r = 0; r < x.rows(); ++r) {
    double mean = 0, variance = 0;
    for (index c = 0; c < x.columns(); ++c) mean += static_cast<double>(x(r, c)) / width;
    for (index c = 0; c < x.columns(); ++c) variance += std::pow(static_cast<double>(x(r, c)) - mean, 2) / width;
    for (index c = 0; c < x.columns(); ++c)
      y(r, c) =
          static_cast<double>(gain(0, c)) * (static_cast<double>(x(r, c)) - mean) / std::sqrt(variance + epsilon) +
          static_cast<double>(bias(0, c));
  }
  return y;
}

TEST_CASE("layer_norm gives what the formula gives, for widths that vectors do not divide") {
  const cpu_executor<> on{2};
  for (const index width : {1, 2, 3, 7, 16, 33, 768}) {
    const matrix<> x(5, width, 1, 3), gain(1, width, 2), bias(1, width, 3);
    matrix<> y(5, width), normalised(5, width), spread(1, 5);
    ops::layer_norm(on, 1e-5, x.seen(), gain.seen_flat(), bias.seen_flat(), normalised.all(), spread.flat(), y.all());
    CHECK(largest_gap(y.seen(), plain(x, gain, bias, 1e-5).seen()) < 1e-12);
    for (index r = 0; r < 5; ++r)
      for (index c = 0; c < width; ++c)
        CHECK(y(r, c) == Approx(normalised(r, c) * gain(0, c) + bias(0, c)).margin(1e-14));

    const matrix<float> xf(x), gf(gain), bf(bias);
    matrix<float> yf(5, width);
    ops::layer_norm(on, 1e-5, xf.seen(), gf.seen_flat(), bf.seen_flat(), {}, {}, yf.all());
    CHECK(largest_gap(yf.seen(), plain(xf, gf, bf, 1e-5).seen()) < 1e-5);
  }
}

TEST_CASE("layer_norm works in place and on columns of a wider matrix") {
  const matrix<> wide(6, 20, 1), gain(1, 9, 2), bias(1, 9, 3);
  matrix<> packed(6, 9), in_place = wide;
  for (index r = 0; r < 6; ++r)
    for (index c = 0; c < 9; ++c) packed(r, c) = wide(r, 5 + c);
  const cpu_executor<> on;
  const view<double, 2> part = column_block(in_place.all(), 5, 9);
  ops::layer_norm(on, 1e-12, read_only(part), gain.seen_flat(), bias.seen_flat(), {}, {}, part);
  CHECK(largest_gap(part, plain(packed, gain, bias, 1e-12).seen()) < 1e-13);
  CHECK(same_bits(column_block(in_place.seen(), 0, 5), column_block(wide.seen(), 0, 5)));
  CHECK(same_bits(column_block(in_place.seen(), 14, 6), column_block(wide.seen(), 14, 6)));
}

TEST_CASE("layer_norm of equal numbers gives the bias") {
  matrix<float> x(2, 40), gain(1, 40, 2), bias(1, 40, 3), y(2, 40);
  x.fill(3.25F);
  ops::layer_norm(cpu_executor<>{}, 1e-12, x.seen(), gain.seen_flat(), bias.seen_flat(), {}, {}, y.all());
  CHECK(same_bits(row_block(y.seen(), 1, 1), bias.seen()));
}

TEST_CASE("layer_norm keeps the digits of a small spread round a large mean") {
  matrix<float> x(1, 64), gain(1, 64), bias(1, 64), y(1, 64);
  gain.fill(1);
  for (index c = 0; c < 64; ++c) x(0, c) = 4096.0F + (c % 2 == 0 ? 0.25F : -0.25F);
  ops::layer_norm(cpu_executor<>{}, 1e-12, x.seen(), gain.seen_flat(), bias.seen_flat(), {}, {}, y.all());
  CHECK(y(0, 0) == Approx(1).epsilon(1e-5));
  CHECK(y(0, 1) == Approx(-1).epsilon(1e-5));
}

TEST_CASE("the gradients of layer_norm agree with central differences") {
  const cpu_executor<> on{2};
  for (const index width : {2, 5, 18}) {
    matrix<> x(4, width, 1), gain(1, width, 2), bias(1, width, 3), y(4, width), normalised(4, width), spread(1, 4);
    const matrix<> dy(4, width, 4);
    matrix<> dx(4, width), dgain(1, width), dbias(1, width);
    const auto value = [&] {
      ops::layer_norm(on, 0.1, x.seen(), gain.seen_flat(), bias.seen_flat(), normalised.all(), spread.flat(), y.all());
      return inner_product(y.seen(), dy.seen());
    };
    (void)value();
    ops::layer_norm_backward(on, normalised.seen(), spread.seen_flat(), gain.seen_flat(), dy.seen(), dgain.flat(),
                             dbias.flat(), dx.all());
    CHECK(slope_error(x, dx, value) < 1e-7);
    CHECK(slope_error(gain, dgain, value) < 1e-7);
    CHECK(slope_error(bias, dbias, value) < 1e-7);

    // in place, added to, and without the parameters
    matrix<> same = dy;
    ops::layer_norm_backward(on, normalised.seen(), spread.seen_flat(), gain.seen_flat(), same.seen(), {}, {},
                             same.all());
    CHECK(same_bits(same.seen(), dx.seen()));
    matrix<> twice = dgain;
    ops::layer_norm_backward(on, normalised.seen(), spread.seen_flat(), gain.seen_flat(), dy.seen(), twice.flat(),
                             dbias.flat(), dx.all());
    CHECK(twice(0, 1) == Approx(2 * dgain(0, 1)));
  }
}

TEST_CASE("layer_norm has the same bits for every number of threads") {
  const index rows = 200, width = 384;
  const matrix<float> x(rows, width, 1), gain(1, width, 2), bias(1, width, 3), dy(rows, width, 4);
  const auto run = [&](int threads) {
    matrix<float> out(2 * rows + 2, width), normalised(rows, width), spread(1, rows), dgain(1, width), dbias(1, width);
    const cpu_executor<> on{threads};
    ops::layer_norm(on, 1e-12, x.seen(), gain.seen_flat(), bias.seen_flat(), normalised.all(), spread.flat(),
                    row_block(out.all(), 0, rows));
    ops::layer_norm_backward(on, normalised.seen(), spread.seen_flat(), gain.seen_flat(), dy.seen(), dgain.flat(),
                             dbias.flat(), row_block(out.all(), rows, rows));
    std::copy_n(dgain.data(), width, &out(2 * rows, 0));
    std::copy_n(dbias.data(), width, &out(2 * rows + 1, 0));
    return out;
  };
  const matrix<float> one = run(1);
  for (const int threads : {2, 3, 7}) CHECK(same_bits(one.seen(), run(threads).seen()));
}

TEST_CASE("layer_norm names a gain that does not fit") {
  const matrix<> x(2, 5, 1), gain(1, 4), bias(1, 5);
  matrix<> y(2, 5);
  CHECK_THROWS_WITH(
      ops::layer_norm(cpu_executor<>{}, 1e-12, x.seen(), gain.seen_flat(), bias.seen_flat(), {}, {}, y.all()),
      "layer_norm: gain [4] and bias [5] for rows of 5");
}

TEST_CASE("residual_layer_norm is layer_norm of the residual and what dropout leaves, and so is its gradient") {
  const random_stream stream{3, 4, 5};
  const index rows = 40, width = 37;
  const matrix<> x(rows, width, 1), residual(rows, width, 2), gain(1, width, 3), bias(1, width, 4), dy(rows, width, 5);
  for (const double rate : {0.0, 0.3})
    for (const int threads : {1, 3}) {
      const cpu_executor<> on{threads};
      matrix<> sum = x, want(rows, width), normalised(rows, width), spread(1, rows);
      ops::dropout(on, rate, stream, sum.all());
      ops::add(on, residual.seen(), sum.all());
      ops::layer_norm(on, 1e-5, sum.seen(), gain.seen_flat(), bias.seen_flat(), normalised.all(), spread.flat(),
                      want.all());
      matrix<> y = x, kept(rows, width), kept_spread(1, rows);
      ops::residual_layer_norm(on, rate, stream, 1e-5, y.seen(), residual.seen(), gain.seen_flat(), bias.seen_flat(),
                               kept.all(), kept_spread.flat(), y.all());
      CHECK(same_bits(y.seen(), want.seen()));
      CHECK(same_bits(kept.seen(), normalised.seen()));
      CHECK(same_bits(kept_spread.seen(), spread.seen()));

      matrix<> dwant = dy, dgain(1, width), dbias(1, width), dropped_want(rows, width);
      ops::layer_norm_backward(on, kept.seen(), kept_spread.seen_flat(), gain.seen_flat(), dwant.seen(), dgain.flat(),
                               dbias.flat(), dwant.all());
      ops::dropout(on, rate, stream, dwant.seen(), dropped_want.all());
      matrix<> d = dy, dx(rows, width), dgain_too(1, width), dbias_too(1, width);
      ops::residual_layer_norm_backward(on, rate, stream, kept.seen(), kept_spread.seen_flat(), gain.seen_flat(),
                                        d.seen(), dgain_too.flat(), dbias_too.flat(), d.all(), dx.all());
      CHECK(same_bits(d.seen(), dwant.seen()));
      CHECK(same_bits(dx.seen(), dropped_want.seen()));
      CHECK(same_bits(dgain_too.seen(), dgain.seen()));
      CHECK(same_bits(dbias_too.seen(), dbias.seen()));
    }
}

}  // namespace
}  // namespace limbeck
