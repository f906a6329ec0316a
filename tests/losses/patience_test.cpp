// Patient knowledge distillation: values, gradients, scalings, layouts.
#include "limbeck/losses/patience.hpp"

#include <cmath>

#include "catch.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/representation_case.hpp"

namespace limbeck {
namespace {

using limbeck_test::grid;
using limbeck_test::representation_case;

static_assert(loss_policy<patience<>, cpu_executor<>>);
static_assert(loss_policy<patience<>, cpu_executor<>, bfloat16, float, float>);
static_assert(patience{}.reads == signal::hidden);

template <class A = double>
representation_case<A> patience_case_of(index samples, index width, std::size_t layers, unsigned seed) {
  representation_case<A> c{signal::hidden, {}, {}, {}};
  for (index i = 0; i < samples; ++i) c.sizes.push_back({0, 1 + i % 3, 1 + i % 3});
  for (unsigned layer = 0; layer < layers; ++layer) {
    c.student.emplace_back(samples, 1, 3, width, seed + 2 * layer);
    c.teacher.emplace_back(samples, 1, 3, width, seed + 2 * layer + 1);
  }
  return c;
}

// The first token's vector, brought to length 1.
std::vector<double> patience_unit(const grid& g, index sample) {
  double square = 0;
  for (index i = 0; i < g.columns; ++i) square += g(sample, 0, 0, i) * g(sample, 0, 0, i);
  std::vector<double> unit;
  for (index i = 0; i < g.columns; ++i) unit.push_back(square == 0 ? 0 : g(sample, 0, 0, i) / std::sqrt(square));
  return unit;
}
double patience_written_out(const grid& s, const grid& t, index sample) {
  const auto mine = patience_unit(s, sample), theirs = patience_unit(t, sample);
  double sum = 0;
  for (std::size_t i = 0; i < mine.size(); ++i) sum += (mine[i] - theirs[i]) * (mine[i] - theirs[i]);
  return sum;
}

}  // namespace

TEST_CASE("patience of one first token agrees with a calculation by hand, and other tokens do not count") {
  auto c = patience_case_of(1, 2, 1, 1);
  c.sizes = {{0, 3, 3}};
  c.student[0].data = {3, 4, 9, 9, 9, 9};
  c.teacher[0].data = {1, 0, 1, 2, 3, 4};
  const auto got = c(patience{});
  CHECK(got.value[0] == Approx(0.16 + 0.64));
  CHECK(got.gradient[0].data[0] == Approx(-2 * (1 - 0.6 * 0.6) / 5));
  CHECK(got.gradient[0].data[1] == Approx(2 * 0.6 * 0.8 / 5));
  for (std::size_t i = 2; i < 6; ++i) CHECK(got.gradient[0].data[i] == 0);
}

TEST_CASE("patience is the squared difference of unit vectors, summed over pairs of layers and scaled as asked") {
  auto c = patience_case_of(4, 7, 3, 1);
  const explicit_mapping map{{{0, 1, 1}, {1, 1, 0.5}, {2, 0, 2}}};
  const auto summed = c(patience{map});
  for (index i = 0; i < 4; ++i) {
    double want = 0;
    for (const layer_pair& p : map.pairs)
      want += p.weight * patience_written_out(c.student[p.student], c.teacher[p.teacher], i);
    CHECK(summed.value[static_cast<std::size_t>(i)] == Approx(want).epsilon(1e-13));
  }
  c.per.samples = 4;
  const auto mean = c(patience{map, patience_scale::samples}),
             of_elements = c(patience{map, patience_scale::mean_element});
  CHECK(mean.total() == Approx(summed.total() / 4));
  CHECK(of_elements.total() == Approx(summed.total() / (4 * 3 * 7)));
  CHECK(of_elements.gradient[1](2, 0, 0, 3) == Approx(summed.gradient[1](2, 0, 0, 3) / (4 * 3 * 7)));
  CHECK(c(patience{map}).value == summed.value);
}

TEST_CASE("the gradient of patience is the slope of its value") {
  limbeck_test::check_gradients("patience", [](limbeck_test::draws& random) {
    const index width = random.between(2, 20);
    const auto layers = std::size_t(random.between(1, 3)), teacher_layers = std::size_t(random.between(1, 3));
    const auto c = random_layers(random, signal::hidden, width, width, layers, teacher_layers);
    const auto scale = static_cast<patience_scale>(random.between(0, 2));
    return gradient_of(c, patience{draw_mapping(random, layers, teacher_layers), scale});
  });
}

TEST_CASE("patience skips samples of weight 0 and without tokens, garbage and all, and reads nothing else") {
  auto c = patience_case_of<float>(4, 9, 1, 3);
  const auto all = c(patience{});
  c.weight = {2, 0, 1, 1};
  c.sizes[3] = {0, 0, 0};
  c.student[0](1, 0, 0, 2) = std::nan("");
  for (index i = 0; i < 4; ++i)
    c.teacher[0](i, 0, 1, 5) = c.student[0](i, 0, 1, 5) = std::nan("");  // of a second token
  c.place = {.before = 2, .wider = 1};
  c.teacher_place = {.after = 1, .padded = true};
  for (const int threads : {1, 2}) {
    const auto got = c(patience{}, threads);
    CHECK(got.value == std::vector<float>{2 * all.value[0], 0, all.value[2], 0});
    CHECK(got.gradient[0](0, 0, 0, 8) == 2 * all.gradient[0](0, 0, 0, 8));
    CHECK(got.gradient[0](1, 0, 0, 8) == 0);
    CHECK(got.gradient[0](2, 0, 0, 8) == all.gradient[0](2, 0, 0, 8));
    CHECK(got.untouched);
  }
}

TEST_CASE("patience leaves a vector of zeros as it is, without a gradient") {
  auto c = patience_case_of(3, 4, 1, 5);
  for (const index sample : {0, 2})
    for (index i = 0; i < 4; ++i) c.student[0](sample, 0, 0, i) = 0;
  for (const index sample : {1, 2})
    for (index i = 0; i < 4; ++i) c.teacher[0](sample, 0, 0, i) = 0;
  const auto got = c(patience{});
  CHECK(got.value == std::vector<double>{1, 1, 0});
  CHECK(got.gradient[0].data == std::vector<double>(got.gradient[0].data.size(), 0));
}

TEST_CASE("patience has the same bits for any number of threads") {
  const auto c = patience_case_of<float>(300, 130, 2, 5);
  const auto one = c(patience{}, 1), two = c(patience{}, 2);
  CHECK(two.value == one.value);
  for (const std::size_t layer : {0U, 1U}) CHECK(two.gradient[layer].data == one.gradient[layer].data);
}

TEST_CASE("patience says what does not fit, before it does anything") {
  auto c = patience_case_of(2, 3, 1, 1);
  c.teacher[0] = grid(2, 1, 3, 5, 2);
  CHECK_THROWS_WITH(c(patience{}), "patience: the student is 3 wide, the teacher 5; the widths must agree");
  c.weight = {1, 1, 1};
  CHECK_THROWS_WITH(c(patience{}), "patience: 2 samples of the student, 3 of the weights");
}

}  // namespace limbeck
