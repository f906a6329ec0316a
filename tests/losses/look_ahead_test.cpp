// RW-KD: products of gradients without gradients, shares, and the meta-learner.
#include "limbeck/losses/look_ahead.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/linear_student.hpp"
#include "losses/logit_case.hpp"

namespace limbeck {
namespace {

using limbeck_test::linear_batch;
using limbeck_test::random_numbers;

linear_batch<double> random_batch(index samples, unsigned seed) {
  linear_batch<double> b{samples,
                         4,
                         3,
                         random_numbers<double>(std::size_t(samples * 4), -1, 1, seed),
                         random_numbers<double>(std::size_t(samples * 3), -2, 2, seed + 1),
                         {},
                         2};
  for (index i = 0; i < samples; ++i) b.labels.push_back(static_cast<std::int32_t>((i * 7 + seed) % 3));
  return b;
}
// The losses of a batch as the model's forward pass would leave them.
struct forward_pass {
  const linear_batch<double>& batch;
  std::vector<double>& w;
  void operator()(const view<double, 2>& losses) const {
    for (int which : {0, 1}) {
      const auto value = batch.loss(which, w).value;
      for (index i = 0; i < losses.extent(1); ++i) losses(which, i) = value[std::size_t(i)];
    }
  }
};

}  // namespace

TEST_CASE("sample_gradient_products: two forward passes give every sample's product, and leave the parameters alone") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const auto batch = random_batch(6, seed);
    auto w = random_numbers<double>(12, -1, 1, seed + 50);
    const auto kept = w, direction = random_numbers<double>(12, -1, 1, seed + 70);
    const auto want = batch.products(w, direction);
    std::vector<double> got(12);
    const view<double, 1> parameters(w.data(), 12);
    sample_gradient_products(parameters, view<const double, 1>(direction.data(), 12), forward_pass{batch, w},
                             view<double, 2>(got.data(), 2, 6));
    INFO("seed " << seed);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(got[i] == Approx(want[i]).epsilon(1e-8).margin(1e-9));
    CHECK(std::memcmp(w.data(), kept.data(), sizeof(double) * w.size()) == 0);

    const auto fails = [](const view<double, 2>&) { throw std::runtime_error("no memory"); };
    CHECK_THROWS(sample_gradient_products(parameters, view<const double, 1>(direction.data(), 12), fails,
                                          view<double, 2>(got.data(), 2, 6)));
    CHECK(std::memcmp(w.data(), kept.data(), sizeof(double) * w.size()) == 0);
  }
}

TEST_CASE("sample_gradient_products: many parameters do not make the step long") {
  // A loss of 10,000 parameters of size 1 that is straight for a hundredth along the direction and no further.
  const index count = 10000;
  std::vector<float> w(static_cast<std::size_t>(count), 1), direction(w.size());
  for (index i = 0; i < count; ++i) direction[static_cast<std::size_t>(i)] = i % 2 == 0 ? 0.3F : -0.3F;
  double length = 0;
  for (const float d : direction) length += static_cast<double>(d) * static_cast<double>(d);
  length = std::sqrt(length);
  const auto loss = [&](const view<float, 2>& losses) {
    double along = 0;
    for (std::size_t i = 0; i < w.size(); ++i) along += static_cast<double>(direction[i]) * static_cast<double>(w[i]);
    losses(0, 0) = static_cast<float>(std::sin(100 * along / length));
  };
  std::vector<float> product(1);
  sample_gradient_products(view<float, 1>(w.data(), count), view<const float, 1>(direction.data(), count), loss,
                           view<float, 2>(product.data(), 1, 1));
  CHECK(product[0] == Approx(100 * length).epsilon(1e-2));
  const double third = std::cbrt(std::numeric_limits<double>::epsilon()) / 3;
  CHECK(central_step<double>(4, 3, 100) == Approx(third / 4));
  CHECK(central_step<double>(4, 300, 100) == Approx(30 * third / 4));
  CHECK(central_step<double>(0, 3, 100) == 0);
}

TEST_CASE("sample_gradient_products: a direction of 0 gives 0, and sizes are checked") {
  std::vector<double> w(3, 1), direction(3, 0), got(4, 7);
  const auto never = [](const view<double, 2>&) { throw std::runtime_error("called"); };
  sample_gradient_products(view<double, 1>(w.data(), 3), view<const double, 1>(direction.data(), 3), never,
                           view<double, 2>(got.data(), 2, 2));
  CHECK(got == std::vector<double>(4, 0));
  CHECK_THROWS_WITH(sample_gradient_products(view<double, 1>(w.data(), 3), view<const double, 1>(direction.data(), 2),
                                             never, view<double, 2>(got.data(), 2, 2)),
                    "sample_gradient_products: a direction of 2 numbers for 3 parameters");
}

TEST_CASE("look_ahead_shares: the better aligned term wins, two that do harm share alike") {
  const std::vector<double> products{3, -1, -2, 1, 1, 4, -5, 0};
  std::vector<double> share(4), scaled(4);
  look_ahead_shares(view<const double, 2>(products.data(), 2, 4), view<double, 1>(share.data(), 4));
  CHECK(share[0] == 0.25);
  CHECK(share[1] == Approx(1).margin(1e-8));
  CHECK(share[2] == 0.5);
  CHECK(share[3] == Approx(0).margin(1e-7));
  look_ahead_shares(view<const double, 2>(products.data(), 2, 4), view<double, 1>(scaled.data(), 4),
                    {.learning_rate = 0.5, .beta = 2, .least = 1e-8});
  CHECK(scaled == share);
}

TEST_CASE("look_ahead_shares: wrong labels are listened to less than right ones") {
  // Labels that x decides and a teacher that knows them: what a wrong label would do to a validation batch is harm.
  auto train = random_batch(40, 5), validation = random_batch(40, 6);
  for (auto* b : {&train, &validation})
    for (index i = 0; i < 40; ++i) {
      const double* x = &b->x[std::size_t(i * 4)];
      b->labels[std::size_t(i)] = x[0] > x[1] && x[0] > x[2] ? 0 : x[1] > x[2] ? 1 : 2;
      for (int c = 0; c < 3; ++c) b->teacher[std::size_t(i * 3 + c)] = 4 * x[c];
    }
  for (std::size_t i = 0; i < 10; ++i) train.labels[i] = (train.labels[i] + 1) % 3;
  const std::vector<double> w(12, 0), mean(40, 1.0 / 40);
  auto direction = validation.gradient(0, w, mean);
  const auto of_teacher = validation.gradient(1, w, mean);
  for (std::size_t k = 0; k < 12; ++k) direction[k] += of_teacher[k];
  const auto products = train.products(w, direction);
  std::vector<double> share(40);
  look_ahead_shares(view<const double, 2>(products.data(), 2, 40), view<double, 1>(share.data(), 40));
  double wrong = 0, right = 0;
  for (std::size_t i = 0; i < 40; ++i) (i < 10 ? wrong : right) += (1 - share[i]) / (i < 10 ? 10 : 30);
  CHECK(wrong < 0.2);
  CHECK(right > 0.3);
}

TEST_CASE("meta_weight_network: gradients are slopes of shares, with and without a hidden layer") {
  limbeck_test::check_gradients("meta_weight_network", [](limbeck_test::draws& random) {
    const index hidden = random.between(0, 5), samples = random.between(1, 5);
    std::vector<double> at = random.numbers(meta_weight_network<double>::size(hidden), 0.1, 1);
    const auto losses = random.numbers(2 * samples, 0, 2), d_share = random.numbers(samples, -1, 1);
    for (index h = 0; h < hidden; ++h)  // a unit is on, or off, for all samples: nowhere at its kink
      for (const index k : {2 * h, 2 * h + 1, 2 * hidden + h}) at[std::size_t(k)] *= h % 2 == 0 ? 1 : -1;
    const auto loss = [=](const std::vector<double>& x, std::vector<double>* gradient) {
      const auto of = [](const std::vector<double>& v) { return view<const double, 1>(v.data(), v.size()); };
      const meta_weight_network<double> network{of(x), hidden};
      const view<const double, 2> seen(losses.data(), 2, samples);
      if (gradient != nullptr) {
        gradient->assign(x.size(), 0);
        network.add_gradient(seen, of(d_share), view<double, 1>(gradient->data(), x.size()));
      }
      std::vector<double> share(d_share.size());
      network.shares(seen, view<double, 1>(share.data(), share.size()));
      return std::inner_product(share.begin(), share.end(), d_share.begin(), 0.0);
    };
    return limbeck_test::gradient_case{at, loss};
  });
}

TEST_CASE("meta_weight_network refuses parameters that are no network") {
  const std::vector<double> short_of(4, 0), losses(2, 0);
  std::vector<double> share(1);
  CHECK_THROWS_WITH((meta_weight_network<double>{view<const double, 1>(short_of.data(), 4)}.shares(
                        view<const double, 2>(losses.data(), 2, 1), view<double, 1>(share.data(), 1))),
                    "meta_weight_network: 4 parameters, expected 3; losses [2, 1] for 1 samples");
}

}  // namespace limbeck
