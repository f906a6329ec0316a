// Answers of layers' heads against the mixture of answers they choose: values, gradients to states, heads and choice.
#include "limbeck/losses/universal_kd.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/representation_case.hpp"

namespace {

namespace signal = limbeck::signal;
using limbeck::universal_kd;
using limbeck_test::matrix;
using limbeck_test::representation_case;
using limbeck_test::undefined;

static_assert(limbeck::loss_policy<universal_kd<double>, limbeck::cpu_executor<>, double, double, double>);
static_assert(universal_kd<float>::reads == signal::hidden);

// Three samples of up to three tokens.
representation_case<> universal_case(std::size_t student_layers, std::size_t teacher_layers, limbeck::index width,
                                     limbeck::index teacher_width, unsigned seed = 1) {
  representation_case<> c{signal::hidden, {{0, 3, 3}, {0, 1, 1}, {0, 2, 2}}, {}, {}};
  for (unsigned i = 0; i < student_layers; ++i) c.student.emplace_back(3, 1, 3, width, seed * 100 + i);
  for (unsigned i = 0; i < teacher_layers; ++i) c.teacher.emplace_back(3, 1, 3, teacher_width, seed * 100 + 50 + i);
  return c;
}

// A head for each layer, which own what they look at.
struct owned_heads {
  std::vector<matrix<>> weight, bias, weight_gradient, bias_gradient;

  owned_heads(std::size_t layers, limbeck::index classes, limbeck::index width, std::uint64_t seed) {
    for (std::size_t i = 0; i < layers; ++i) {
      weight.emplace_back(classes, width, seed + i);
      bias.emplace_back(1, classes, seed + i + 100);
      weight_gradient.emplace_back(classes, width);
      bias_gradient.emplace_back(1, classes);
    }
  }
  std::vector<limbeck::linear_projection<double>> learned() {
    std::vector<limbeck::linear_projection<double>> heads;
    for (std::size_t i = 0; i < weight.size(); ++i)
      heads.push_back({weight[i].seen(), bias[i].seen_flat(), weight_gradient[i].all(), bias_gradient[i].flat()});
    return heads;
  }
  [[nodiscard]] std::vector<limbeck::linear_projection<double>> fixed() const {
    std::vector<limbeck::linear_projection<double>> heads;
    for (std::size_t i = 0; i < weight.size(); ++i) heads.push_back({weight[i].seen(), bias[i].seen_flat(), {}, {}});
    return heads;
  }
};

std::vector<double> softmax_of(const std::vector<double>& z, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const double x : z) {
    p.push_back(std::exp(x / temperature));
    sum += p.back();
  }
  for (double& x : p) x /= sum;
  return p;
}
std::vector<double> first_state(const limbeck_test::grid& layer, limbeck::index sample) {
  std::vector<double> out;
  for (limbeck::index c = 0; c < layer.columns; ++c) out.push_back(layer(sample, 0, 0, c));
  return out;
}
double product_of(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST_CASE("universal_kd without heads is the divergence from the mixture that each sample chooses") {
  const auto c = universal_case(2, 3, 4, 4);
  universal_kd<double> loss;
  loss.options = {.temperature = 2, .t_squared = true, .scale = 0.5};
  const auto got = c(loss);
  for (limbeck::index b = 0; b < 3; ++b) {
    double value = 0;
    for (std::size_t m = 0; m < 2; ++m) {
      const auto z = first_state(c.student[m], b);
      std::vector<double> products, mixture(4);
      for (const auto& layer : c.teacher) products.push_back(0.5 * product_of(z, first_state(layer, b)));
      const auto weight = softmax_of(products, 1);
      for (std::size_t n = 0; n < 3; ++n)
        for (std::size_t k = 0; k < 4; ++k) mixture[k] += weight[n] * first_state(c.teacher[n], b)[k];
      const auto p = softmax_of(mixture, 2), q = softmax_of(z, 2);
      for (std::size_t k = 0; k < 4; ++k) {
        value += 4 * p[k] * std::log(p[k] / q[k]);
        CHECK(got.gradient[m](b, 0, 0, static_cast<limbeck::index>(k)) == Approx(2 * (q[k] - p[k])).margin(1e-14));
        CHECK(got.gradient[m](b, 0, 2, static_cast<limbeck::index>(k)) == 0);  // not a first token
      }
    }
    CHECK(got.value[static_cast<std::size_t>(b)] == Approx(value).epsilon(1e-12));
  }
  CHECK(got.untouched);
}

TEST_CASE("the gradient of universal_kd is the slope of its value through the choice, for states and heads") {
  limbeck_test::check_gradients("universal_kd", [](limbeck_test::draws& random) {
    const bool has_heads = random.once_in(2);
    const limbeck::index width = random.between(2, 6), teacher_width = has_heads ? random.between(2, 6) : width;
    const limbeck::index classes = random.between(2, 5);
    const auto layers = std::size_t(random.between(1, 2)), teacher_layers = std::size_t(random.between(1, 4));
    const auto c = random_layers(random, signal::hidden, width, teacher_width, layers, teacher_layers);
    const owned_heads theirs(has_heads ? teacher_layers : 0, classes, teacher_width, random.seed());
    universal_kd<double> loss;
    loss.options = {.temperature = random.number(0.5, 3),
                    .t_squared = random.once_in(2),
                    .scale = random.number(0.2, 1),
                    .attention_grad = true};
    limbeck_test::learned_maps mine;
    while (has_heads && mine.size() < layers) mine.emplace_back(random, classes, width, true);
    return gradient_of(c, mine, [=](const auto& heads) {
      auto seen = loss;
      seen.student_heads = heads;
      seen.teacher_heads = theirs.fixed();
      return seen;
    });
  });
}

TEST_CASE("universal_kd with heads learns the student's and leaves the teacher's as they are") {
  auto c = universal_case(2, 3, 4, 5);
  owned_heads mine(2, 3, 4, 1), theirs(3, 3, 5, 11);
  universal_kd<double> loss{.student_heads = mine.learned(), .teacher_heads = theirs.fixed()};
  loss.options.attention_grad = true;
  const auto got = c(loss);
  loss.student_heads = mine.fixed();
  CHECK(c(loss).value == got.value);
  CHECK(got.untouched);
  // The teacher's heads are not learned, even if they have room for gradients.
  loss.teacher_heads = theirs.learned();
  (void)c(loss);
  for (const auto& gradient : theirs.weight_gradient)
    CHECK(limbeck_test::largest_gap(gradient.seen(), matrix<>(3, 5).seen()) == 0);
}

TEST_CASE("universal_kd skips samples of weight 0 with their garbage, and adds the rest wherever it lies") {
  universal_kd<double> loss;
  loss.options.attention_grad = true;
  const auto packed = universal_case(2, 3, 4, 4)(loss);
  auto c = universal_case(2, 3, 4, 4);
  c.place = {.before = 1, .after = 2, .wider = 3};
  c.teacher_place = {.before = 2, .padded = true};
  c.weight = {0.5, 1, 0};
  for (limbeck::index k = 0; k < 4; ++k) c.student[0](2, 0, 0, k) = c.teacher[1](2, 0, 0, k) = undefined;
  c.per.samples = 4;
  c.scale = 8;
  c.start = 3;
  const auto got = c(loss);
  CHECK(got.value[0] == Approx(3 + packed.value[0]).epsilon(1e-14));
  CHECK(got.value[1] == Approx(3 + 2 * packed.value[1]).epsilon(1e-14));
  CHECK(got.value[2] == 3);
  CHECK(got.gradient[0](1, 0, 0, 1) == Approx(3 + 2 * packed.gradient[0](1, 0, 0, 1)).epsilon(1e-14));
  CHECK(got.gradient[0](2, 0, 0, 1) == 3);
  CHECK(got.untouched);
  CHECK(c(loss, 3).gradient[1].data == got.gradient[1].data);
  c.weight = {0, 0, 0};
  CHECK(c(loss).value == std::vector<double>{3, 3, 3});
}

TEST_CASE("universal_kd says what does not fit, before it does anything") {
  auto c = universal_case(2, 3, 4, 5);
  CHECK_THROWS_WITH(c(universal_kd<double>{}),
                    "universal_kd: student layer 0 and teacher layer 0: 5 classes, 4 elsewhere");
  owned_heads mine(2, 3, 4, 1), theirs(3, 3, 5, 11), narrow(2, 3, 3, 1);
  universal_kd<double> loss{.student_heads = narrow.learned(), .teacher_heads = theirs.fixed()};
  CHECK_THROWS_WITH(c(loss),
                    "universal_kd: the head of student layer 0 is [3, 3], its bias [3], its states are 4 wide");
  loss.student_heads = theirs.fixed();
  CHECK_THROWS_WITH(c(loss), "universal_kd: 3 heads for the 2 layers of the student");
  loss.student_heads = mine.learned();
  loss.options.temperature = 0;
  CHECK_THROWS_WITH(c(loss), "universal_kd: temperature 0.000000, must be positive");
  const universal_kd<double, limbeck::explicit_mapping> mapped{.map = {{{0, 1}, {1, 3}}}};
  CHECK_THROWS_WITH(c(mapped), "explicit_mapping: teacher layer 3 of 3 layers (they count from 0)");
}
