// Bugs of other distillation code in losses on attention maps and hidden states: ours beside the naive form that fails.
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "losses/representation_case.hpp"

namespace {

namespace signal = limbeck::signal;
using Catch::Matchers::Contains;
using limbeck::attention_mse;
using limbeck::hidden_mse;
using limbeck::linear_projection;
using limbeck::mask_mode;
using limbeck::no_projection;
using limbeck::uniform_mapping;
using limbeck_test::grid;
using limbeck_test::matrix;
using limbeck_test::placement;
using limbeck_test::representation_case;
using limbeck_test::undefined;

// One sample of `keys` valid tokens in `length` stored ones, `width` wide.
representation_case<> one_sample(limbeck::index keys, limbeck::index length, limbeck::index width, unsigned seed) {
  representation_case<> c{
      signal::hidden, {{0, keys, keys}}, {{1, 1, length, width, seed}}, {{1, 1, length, width, seed + 1}}};
  c.place = c.teacher_place = {.padded = true};
  return c;
}

// The loss by the book: every pair of numbers, one after the other.
double plain_mean_square(const grid& student, const grid& teacher, const std::vector<bool>& counts) {
  double sum = 0, tokens = 0;
  for (limbeck::index r = 0; r < student.rows; ++r) {
    if (!counts[static_cast<std::size_t>(r)]) continue;
    ++tokens;
    for (limbeck::index c = 0; c < student.columns; ++c)
      sum += (student(0, 0, r, c) - teacher(0, 0, r, c)) * (student(0, 0, r, c) - teacher(0, 0, r, c));
  }
  return sum / (tokens * static_cast<double>(student.columns));
}

}  // namespace

TEST_CASE("bug_03b, hidden states: micro-batches have the gradient of the whole batch", "[bugs]") {
  representation_case<> whole{signal::hidden, {{0, 1, 1}, {0, 3, 3}}, {{2, 1, 3, 2, 1}}, {{2, 1, 3, 2, 2}}};
  whole.per.tokens = 4;
  const auto want = whole(hidden_mse{});
  auto part = whole;
  part.sizes = {{0, 1, 1}};
  CHECK(part(hidden_mse{}).gradient[0](0, 0, 0, 1) == want.gradient[0](0, 0, 0, 1));
  part.per.tokens = 1;  // each divides by its own count
  const double naive = part(hidden_mse{}).gradient[0](0, 0, 0, 1);
  CHECK(naive == Approx(4 * want.gradient[0](0, 0, 0, 1)));
}

TEST_CASE("bug_10a, hidden states: NaN in padded rows does not leak", "[bugs]") {
  auto padded = one_sample(2, 5, 3, 1);  // representation_case writes NaN to the other three rows
  const auto got = padded(hidden_mse{});
  padded.place = padded.teacher_place = {};
  const auto alone = padded(hidden_mse{});
  CHECK(got.value == alone.value);
  CHECK(got.gradient[0].data == alone.gradient[0].data);
  CHECK(got.untouched);
  const double naive = 0 * undefined;  // a mask that is multiplied with
  CHECK(std::isnan(naive + got.value[0]));
}

TEST_CASE("bug_10a, projections: NaN in a sample that does not count does not reach them", "[bugs]") {
  representation_case<> c{signal::hidden, {{0, 1, 1}, {0, 1, 1}}, {{2, 1, 1, 2}}, {{2, 1, 1, 3, 1}}};
  c.student[0].data = {1, 2, undefined, undefined};
  c.weight = {1, 0};
  const matrix<> weight(3, 2, 1);
  matrix<> gradient(3, 2), bias_gradient(1, 3);
  const auto got = c(hidden_mse{uniform_mapping{},
                                linear_projection<double>{weight.seen(), {}, gradient.all(), bias_gradient.flat()}});
  CHECK(got.value[1] == 0);
  CHECK(got.gradient[0](1, 0, 0, 0) == 0);
  for (limbeck::index i = 0; i < 3; ++i) {
    CHECK(gradient(i, 1) == 2 * gradient(i, 0));  // the outer product with (1, 2)
    CHECK(std::isfinite(gradient(i, 0)));
    CHECK(gradient(i, 0) != 0);
    CHECK(bias_gradient(0, i) == gradient(i, 0));
  }
  const double naive = gradient(0, 0) + 0.0 * c.student[0].data[2];  // one product over all rows
  CHECK(std::isnan(naive));
}

TEST_CASE("bug_10c: padding is not averaged into hidden states, and more of it changes no bit", "[bugs]") {
  representation_case<> c{signal::hidden, {{0, 1, 1}}, {{1, 1, 4, 1}}, {{1, 1, 4, 1}}};
  c.student[0].data = {1, 0, 0, 0};
  c.place = c.teacher_place = {.padded = true};
  const auto mean = [&](mask_mode mode) {
    c.mask = mode;
    c.per = limbeck::counts_of(limbeck::view<const limbeck::sample_rows, 1>(c.sizes.data(), 1), false, mode);
    return c(hidden_mse{uniform_mapping{}, no_projection{}, {.mask = mode}});
  };
  CHECK(mean(mask_mode::exact).total() == 1.0);
  CHECK(mean(mask_mode::exact).gradient[0].data == std::vector<double>{2, 0, 0, 0});
  const double naive = plain_mean_square(c.student[0], c.teacher[0], {true, true, true, true});
  CHECK(naive == 0.25);
  c.sizes[0] = {0, 4, 1};  // released TinyBERT keeps padded rows, and says so
  CHECK(mean(mask_mode::exact).total() == 1.0);
  CHECK(mean(mask_mode::tinybert_zeroing).total() == naive);

  c.sizes[0] = {0, 1, 1};
  c.student[0] = c.teacher[0] = grid(1, 1, 9, 1);
  c.student[0].data[0] = 1;
  CHECK(mean(mask_mode::exact).total() == 1.0);
}

TEST_CASE("bug_10c, projections and maps: five more pads change no bit", "[bugs]") {
  const matrix<> weight(7, 6, 1), bias(1, 7, 2);
  for (const limbeck::signal_set kind : {signal::hidden, signal::scores}) {
    std::vector<double> value, gradient;
    std::vector<matrix<>> learned;
    for (const limbeck::index pads : {0, 3, 8}) {
      const limbeck::index heads = kind == signal::scores ? 2 : 1, length = 4 + pads;
      const auto width = [&](limbeck::index of_states) { return kind == signal::scores ? length : of_states; };
      const grid s(1, 2, 4, 6, 1), t(1, 2, 4, 7, 2);
      representation_case<> c{kind, {{0, 4, 4}}, {{1, heads, length, width(6)}}, {{1, heads, length, width(7)}}};
      for (limbeck::index h = 0; h < heads; ++h)
        for (limbeck::index r = 0; r < 4; ++r) {
          for (limbeck::index i = 0; i < std::min<limbeck::index>(6, width(6)); ++i)
            c.student[0](0, h, r, i) = s(0, h, r, i);
          for (limbeck::index i = 0; i < std::min<limbeck::index>(7, width(7)); ++i)
            c.teacher[0](0, h, r, i) = t(0, h, r, i);
        }
      c.place = c.teacher_place = {.padded = true};
      c.per = limbeck::counts_of(limbeck::view<const limbeck::sample_rows, 1>(c.sizes.data(), 1));
      matrix<> weight_gradient(7, 6);
      const linear_projection<double> p{weight.seen(), bias.seen_flat(), weight_gradient.all(), {}};
      const auto got = kind == signal::scores ? c(attention_mse{}) : c(hidden_mse{uniform_mapping{}, p});
      std::vector<double> of_rows;
      c.for_each(got.gradient[0], [&](auto... at) { of_rows.push_back(got.gradient[0](at...)); });
      if (learned.empty()) {
        value = got.value;
        gradient = of_rows;
        learned.push_back(weight_gradient);
        continue;
      }
      CHECK(got.value == value);
      CHECK(of_rows == gradient);
      CHECK(limbeck_test::same_bits(weight_gradient.seen(), learned[0].seen()));
      CHECK(got.untouched);
    }
  }
}

TEST_CASE("bug_11c, hidden states: a sample without tokens changes nothing beside a normal one", "[bugs]") {
  representation_case<> c{signal::hidden, {{0, 2, 2}}, {{1, 1, 2, 3, 1}}, {{1, 1, 2, 3, 2}}};
  const auto alone = c(hidden_mse{});
  c.sizes = {{0, 0, 0}, {0, 2, 2}};
  for (grid* side : {&c.student[0], &c.teacher[0]}) {
    side->samples = 2;
    side->data.insert(side->data.begin(), 6, undefined);
  }
  const auto got = c(hidden_mse{});
  CHECK(got.value == std::vector<double>{0, alone.value[0]});
  c.sizes = {{0, 0, 0}, {0, 0, 0}};
  CHECK(c(hidden_mse{}).total() == 0);
  const double naive = 0.0 / 0.0;  // the mean over no token
  CHECK(std::isnan(naive));
}

TEST_CASE("bug_13c, hidden states: equal maps and states are exactly 0, without a sign", "[bugs]") {
  for (const limbeck::signal_set kind : {signal::hidden, signal::scores}) {
    representation_case<float> c{kind, {{0, 3, 3}}, {{1, 1, 3, 3, 1}}, {{1, 1, 3, 3, 1}}};
    for (double& x : c.student[0].data) x += 4096;
    c.teacher = c.student;
    const auto got = kind == signal::hidden ? c(hidden_mse{}) : c(attention_mse{});
    CHECK(got.value[0] == 0);
    CHECK(!std::signbit(got.value[0]));
    for (const double g : got.gradient[0].data) CHECK((g == 0 && !std::signbit(g)));
  }
  const float s = 4096.1F;
  const float squares = s * s - 2 * s * (s + 0.25F) + (s + 0.25F) * (s + 0.25F);  // s^2 - 2 s t + t^2
  CHECK(std::abs(squares - 0.0625F) > 0.01F);
  representation_case<float> c{signal::hidden, {{0, 1, 1}}, {{1, 1, 1, 1}}, {{1, 1, 1, 1}}};
  c.student[0].data = {static_cast<double>(s)};
  c.teacher[0].data = {static_cast<double>(s + 0.25F)};
  CHECK(c(hidden_mse{}).value[0] == 0.0625F);
}

TEST_CASE("bug_15, hidden states: packed, padded, projected by the identity, in pieces and in threads are one loss",
          "[bugs]") {
  representation_case<> c{signal::hidden, {}, {{40, 1, 20, 8, 1}}, {{40, 1, 20, 8, 2}}};
  for (limbeck::index i = 0; i < 40; ++i) c.sizes.push_back({0, 20 - i % 7, 20 - i % 7});
  matrix<> identity(8, 8), learned(8, 8);
  for (limbeck::index i = 0; i < 8; ++i) identity(i, i) = 1;
  const hidden_mse projected{uniform_mapping{}, linear_projection<double>{identity.seen(), {}, learned.all(), {}}};
  const auto want = c(hidden_mse{});
  const auto check = [&](const auto& got) {
    for (std::size_t i = 0; i < 40; ++i) CHECK(got.value[i] == Approx(want.value[i]).epsilon(1e-12));
    for (std::size_t i = 0; i < want.gradient[0].data.size(); ++i)
      CHECK(std::abs(got.gradient[0].data[i] - want.gradient[0].data[i]) < 1e-12);
  };
  check(c(projected));
  check(c(hidden_mse{}, 3));
  check(c(projected, 3));
  c.place = {.before = 1, .padded = true};
  check(c(hidden_mse{}));
  check(c(projected));
  c.teacher = c.student;
  for (const auto& got : {c(hidden_mse{}), c(projected)}) {
    CHECK(got.total() == 0);
    CHECK(got.gradient[0].data == std::vector<double>(got.gradient[0].data.size(), 0));
  }
}

TEST_CASE("bug_19a: attention maps of 12 and of 16 heads are refused with both numbers", "[bugs]") {
  representation_case<> c{signal::scores, {{0, 2, 2}}, {{1, 12, 2, 2, 1}}, {{1, 16, 2, 2, 2}}};
  CHECK_THROWS_WITH(c(attention_mse{}), Contains("12") && Contains("16") && Contains("heads"));
  CHECK_THROWS_AS(c(attention_mse{}), limbeck::contract_error);
  // naive: the first 12 heads of each, that is a quarter of the teacher unseen
  double naive = 0;
  for (std::size_t i = 0; i < c.student[0].data.size(); ++i) {
    const double d = c.student[0].data[i] - c.teacher[0].data[i];
    naive += d * d / 12;
  }
  c.teacher[0].heads = 12;
  c.teacher[0].data.resize(12 * 4);
  CHECK(c(attention_mse{}).total() == Approx(naive));
}

TEST_CASE("bug_19b: the teacher's rows keep their width under a projection", "[bugs]") {
  representation_case<> c{signal::hidden, {{0, 3, 3}}, {{1, 1, 3, 2, 1}}, {{1, 1, 3, 4}}};
  for (std::size_t i = 0; i < 12; ++i) c.teacher[0].data[i] = static_cast<double>(i);
  const matrix<> nothing(4, 2);
  matrix<> learned(4, 2);
  const auto got = c(hidden_mse{uniform_mapping{}, linear_projection<double>{nothing.seen(), {}, learned.all(), {}}});
  CHECK(got.total() == Approx(506.0 / 4));  // three rows of four: the squares of 0 to 11
  for (limbeck::index i = 0; i < 4; ++i) {
    double slope = 0;
    for (limbeck::index r = 0; r < 3; ++r) slope -= 2 * c.teacher[0](0, 0, r, i) * c.student[0](0, 0, r, 0) / 4;
    CHECK(learned(i, 0) == Approx(slope));
  }
  double naive = 0;  // rows of two: the squares of 0 to 5
  for (int i = 0; i < 6; ++i) naive += i * i / 4.0;
  CHECK(naive == Approx(55.0 / 4));
}

TEST_CASE("bug_19c: widths that differ are refused, and a projection is suggested", "[bugs]") {
  const representation_case<> c{signal::hidden, {{0, 1, 1}}, {{1, 1, 1, 2, 1}}, {{1, 1, 1, 4, 2}}};
  CHECK_THROWS_WITH(c(hidden_mse{}), Contains("2") && Contains("4") && Contains("linear_projection"));
  CHECK_THROWS_AS(c(hidden_mse{}), limbeck::contract_error);
  grid cut(1, 1, 1, 2);  // naive: the teacher's first two columns, without a word
  for (limbeck::index i = 0; i < 2; ++i) cut(0, 0, 0, i) = c.teacher[0](0, 0, 0, i);
  auto narrow = c;
  narrow.teacher[0] = cut;
  CHECK(narrow(hidden_mse{}).total() == Approx(plain_mean_square(c.student[0], c.teacher[0], {true})));
}
