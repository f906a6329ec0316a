// States against the mixture of layers they choose: values, gradients through the choice and without, layouts.
#include "limbeck/losses/alp_kd.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/representation_case.hpp"

namespace {

namespace signal = limbeck::signal;
using limbeck::alp_kd;
using limbeck::alp_kd_options;
using limbeck::index;
using limbeck_test::grid;
using limbeck_test::placement;
using limbeck_test::representation_case;
using limbeck_test::undefined;

using alp_projection = limbeck::linear_projection<double>;
static_assert(limbeck::loss_policy<alp_kd<>, limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<alp_kd<>, limbeck::cpu_executor<>, limbeck::bfloat16, float, float>);
static_assert(limbeck::loss_policy<alp_kd<limbeck::block_mapping, alp_projection>, limbeck::cpu_executor<>, double>);
static_assert(alp_kd{}.reads == signal::hidden);

template <class A = double, class U = A>
representation_case<A, U> alp_case(std::size_t student_layers, std::size_t teacher_layers, index width,
                                   index teacher_width, unsigned seed = 1) {
  representation_case<A, U> c{signal::hidden, {{0, 3, 3}, {0, 1, 1}, {0, 2, 2}}, {}, {}};
  for (unsigned i = 0; i < student_layers; ++i) c.student.emplace_back(3, 1, 3, width, seed * 100 + i);
  for (unsigned i = 0; i < teacher_layers; ++i) c.teacher.emplace_back(3, 1, 3, teacher_width, seed * 100 + 50 + i);
  return c;
}

// One token as papers write it: the squared distance to the mixture, and its gradient.
struct token_reference {
  double value = 0;
  std::vector<double> gradient;
};
token_reference alp_token(const std::vector<double>& state, const std::vector<std::vector<double>>& layers,
                          const std::vector<double>& prior, double scale, bool attention_grad) {
  const std::size_t width = state.size(), count = layers.size();
  std::vector<double> weight(count), mixture(width), error(width);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double product = 0;
    for (std::size_t c = 0; c < width; ++c) product += state[c] * layers[i][c];
    sum += weight[i] = prior[i] * std::exp(scale * product);
  }
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t c = 0; c < width; ++c) mixture[c] += weight[i] / sum * layers[i][c];
  token_reference out{0, std::vector<double>(width)};
  for (std::size_t c = 0; c < width; ++c) {
    error[c] = state[c] - mixture[c];
    out.value += error[c] * error[c] / static_cast<double>(width);
  }
  for (std::size_t c = 0; c < width; ++c) {
    double slope = error[c];
    if (attention_grad)  // d mixture[k] / d state[c] = scale * covariance of layers[k], layers[c] under the weights
      for (std::size_t k = 0; k < width; ++k) {
        double covariance = 0;
        for (std::size_t i = 0; i < count; ++i)
          covariance += weight[i] / sum * (layers[i][k] - mixture[k]) * layers[i][c];
        slope -= error[k] * scale * covariance;
      }
    out.gradient[c] = 2 * slope / static_cast<double>(width);
  }
  return out;
}

std::vector<double> alp_row(const grid& layer, index sample, index row) {
  std::vector<double> out;
  for (index c = 0; c < layer.columns; ++c) out.push_back(layer(sample, 0, row, c));
  return out;
}

template <class Map>
void check_alp(const representation_case<>& c, const Map& map, const alp_kd_options& options) {
  const auto got = c(alp_kd{map, limbeck::no_projection{}, options});
  std::vector<double> value(c.sizes.size());
  double worst = 0;
  for (std::size_t m = 0; m < c.student.size(); ++m)
    for (std::size_t b = 0; b < c.sizes.size(); ++b)
      for (index r = 0; r < c.sizes[b].keys; ++r) {
        const auto sample = static_cast<index>(b);
        const bool counts = r == 0 || options.tokens == limbeck::token_choice::every;
        std::vector<std::vector<double>> layers;
        std::vector<double> prior;
        map({c.student.size(), c.teacher.size()}, [&](limbeck::layer_pair p) {
          if (p.student != m) return;
          layers.push_back(alp_row(c.teacher[p.teacher], sample, r));
          prior.push_back(p.weight);
        });
        const auto want =
            alp_token(alp_row(c.student[m], sample, r), layers, prior, options.scale, options.attention_grad);
        if (counts) value[b] += want.value;
        for (std::size_t k = 0; k < want.gradient.size(); ++k)
          worst = std::max(
              worst, std::abs(got.gradient[m](sample, 0, r, static_cast<index>(k)) - (counts ? want.gradient[k] : 0)));
      }
  for (std::size_t b = 0; b < value.size(); ++b) CHECK(got.value[b] == Approx(value[b]).epsilon(1e-12));
  CHECK(worst < 1e-12);
  CHECK(got.untouched);
}

}  // namespace

TEST_CASE("alp_kd of one token and two layers agrees with a calculation by hand") {
  representation_case<> c{signal::hidden, {{0, 1, 1}}, {{1, 1, 1, 2}}, {{1, 1, 1, 2}, {1, 1, 1, 2}}};
  c.student[0].data = {0, 3};  // products with the layers: 0 and 0, so both weigh a half
  c.teacher[0].data = {2, 0};
  c.teacher[1].data = {-4, 0};
  const auto got = c(alp_kd{limbeck::all_layers_mapping{}, limbeck::no_projection{}, {.attention_grad = false}});
  CHECK(got.value[0] == Approx((1 + 9) / 2.0).epsilon(1e-15));  // the mixture is (-1, 0)
  CHECK(got.gradient[0].data == std::vector<double>{1, 3});
  // Through the weights: the variance of (2, -4) is 9, so the first number's slope is 1 - 9.
  const auto through = c(alp_kd{});
  CHECK(through.gradient[0](0, 0, 0, 0) == Approx(-8).epsilon(1e-14));
  CHECK(through.gradient[0](0, 0, 0, 1) == Approx(3).epsilon(1e-14));
}

TEST_CASE("alp_kd agrees with the reference for first and every token, all layers and blocks, with priors") {
  for (const auto tokens : {limbeck::token_choice::first, limbeck::token_choice::every})
    for (const bool attention_grad : {false, true}) {
      const auto c = alp_case(2, 5, 4, 4);
      const alp_kd_options options{.scale = 0.7, .attention_grad = attention_grad, .tokens = tokens};
      check_alp(c, limbeck::all_layers_mapping{}, options);
      check_alp(c, limbeck::block_mapping{}, options);
      check_alp(c, limbeck::explicit_mapping{{{0, 1, 0.2}, {1, 4}, {0, 3, 3}, {1, 0, 1e-3}}}, options);
    }
}

TEST_CASE("the gradient of alp_kd is the slope of its value through the choice, for projections too") {
  limbeck_test::check_gradients("alp_kd", [](limbeck_test::draws& random) {
    const alp_kd_options options{.scale = random.number(0.2, 1),
                                 .tokens = random.pick({limbeck::token_choice::first, limbeck::token_choice::every})};
    return gradient_of_states(random, limbeck::mask_mode::exact, [=](const auto& map, const auto& p) {
      return alp_kd{map, p, options};
    });
  });
}

TEST_CASE("alp_kd of one layer, or of layers that are the same, is the mean squared error") {
  const alp_kd every{limbeck::all_layers_mapping{}, limbeck::no_projection{}, {.tokens = limbeck::token_choice::every}};
  auto c = alp_case(2, 1, 4, 4);
  const limbeck::hidden_mse plain{
      limbeck::dwt_remap_mapping{}, limbeck::no_projection{}, {.over = limbeck::divisor::none}};
  const auto check_same = [&] {
    const auto got = c(every), want = c(plain);
    for (std::size_t b = 0; b < 3; ++b) CHECK(got.value[b] == Approx(want.value[b]).epsilon(1e-13));
    for (const std::size_t m : {0U, 1U})
      for (std::size_t i = 0; i < c.student[m].data.size(); ++i)
        CHECK(std::abs(got.gradient[m].data[i] - want.gradient[m].data[i]) < 1e-13);
  };
  check_same();
  c.teacher.push_back(c.teacher[0]);
  c.teacher.push_back(c.teacher[0]);
  check_same();
}

TEST_CASE("alp_kd finds rows anywhere, skips samples of weight 0 with their garbage, and adds the rest") {
  const alp_kd loss{limbeck::all_layers_mapping{}, limbeck::no_projection{}, {.tokens = limbeck::token_choice::every}};
  const auto packed = alp_case(2, 3, 4, 4)(loss);
  auto c = alp_case(2, 3, 4, 4);
  c.place = {.before = 1, .after = 2, .wider = 3};
  c.teacher_place = {.before = 2, .padded = true};
  CHECK(c(loss).value == packed.value);
  CHECK(c(loss).gradient[1].data == packed.gradient[1].data);
  CHECK(c(loss).untouched);
  CHECK(c(loss, 3).gradient[0].data == packed.gradient[0].data);

  c.weight = {0.5, 1, 0};
  for (limbeck::index k = 0; k < 4; ++k) c.student[0](2, 0, 1, k) = c.teacher[1](2, 0, 0, k) = undefined;
  c.per.samples = 4;
  c.scale = 8;
  c.start = 3;
  const auto got = c(loss);
  CHECK(got.value[0] == Approx(3 + packed.value[0]).epsilon(1e-14));
  CHECK(got.value[1] == Approx(3 + 2 * packed.value[1]).epsilon(1e-14));
  CHECK(got.value[2] == 3);
  CHECK(got.gradient[0](0, 0, 2, 1) == Approx(3 + packed.gradient[0](0, 0, 2, 1)).epsilon(1e-14));
  CHECK(got.gradient[0](2, 0, 1, 1) == 3);
}

TEST_CASE("alp_kd keeps its digits where the products are huge, and of nothing it is nothing") {
  auto c = alp_case(1, 3, 4, 4);
  for (double& x : c.teacher[1].data) x *= 1e100;
  c.student[0] = c.teacher[1];
  for (double& x : c.student[0].data) x *= 1e-90;
  const auto got = c(alp_kd{});  // one layer is chosen without doubt
  CHECK(std::isfinite(got.gradient[0](0, 0, 0, 0)));
  c.sizes = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
  CHECK(c(alp_kd{}).total() == 0);
}

TEST_CASE("alp_kd reads a bfloat16 teacher and a float student near the reference") {
  auto c = alp_case<float, limbeck::bfloat16>(1, 3, 16, 16);
  for (grid& layer : c.teacher)
    for (double& x : layer.data) x = static_cast<double>(static_cast<float>(static_cast<limbeck::bfloat16>(x)));
  for (double& x : c.student[0].data) x = static_cast<double>(static_cast<float>(x));
  auto exact = alp_case(1, 3, 16, 16);
  exact.student = c.student;
  exact.teacher = c.teacher;
  const auto got = c(alp_kd{});
  const auto want = exact(alp_kd{});
  for (std::size_t b = 0; b < 3; ++b) CHECK(static_cast<double>(got.value[b]) == Approx(want.value[b]).epsilon(1e-6));
  for (std::size_t i = 0; i < want.gradient[0].data.size(); ++i)
    CHECK(std::abs(got.gradient[0].data[i] - want.gradient[0].data[i]) < 1e-5);
}

TEST_CASE("alp_kd says what does not fit, before it does anything") {
  auto c = alp_case(2, 3, 3, 4);
  CHECK_THROWS_WITH(c(alp_kd{}), "alp_kd: the student is 3 wide, the teacher 4; give it a linear_projection");
  c = alp_case(2, 3, 4, 4);
  CHECK_THROWS_WITH(c(alp_kd{limbeck::explicit_mapping{{{0, 1}, {1, 3}}}}),
                    "explicit_mapping: teacher layer 3 of 3 layers (they count from 0)");
  CHECK_THROWS_WITH(c(alp_kd{limbeck::explicit_mapping{{{0, 1}, {1, 2, -1}}}}),
                    "alp_kd: student layer 1 looks at teacher layer 2 with weight -1.000000, expected positive ones "
                    "for at most 64 layers");
  c.weight = {1, 1};
  CHECK_THROWS_WITH(c(alp_kd{}), "alp_kd: 3 samples of the student, 2 of the weights");
}
