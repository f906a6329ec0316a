// Contrastive losses on vectors of samples: within the batch, and against a bank.
#include "limbeck/losses/contrastive.hpp"

#include <cmath>

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/placed_bank.hpp"
#include "losses/vector_case.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::representation_case;
using limbeck_test::vector_batch_case;
using limbeck_test::vectors_that_count;
using contrastive_vectors = std::vector<std::vector<long double>>;

static_assert(loss_policy<info_nce, cpu_executor<>>);
static_assert(loss_policy<contrastive_nce<bfloat16>, cpu_executor<>, bfloat16, float, float>);
static_assert(info_nce::of_batch && info_nce{}.reads == signal::hidden);

// -log softmax_j(cos(a_i, b_j) / temperature) at j = i
long double own_pick(const contrastive_vectors& a, const contrastive_vectors& b, std::size_t i,
                     long double temperature) {
  long double sum = 0;
  for (const auto& other : b)
    sum += std::exp((limbeck_test::cosine(a[i], other) - limbeck_test::cosine(a[i], b[i])) / temperature);
  return std::log(sum);
}
template <class A>
void check_info_nce(const representation_case<A>& c, const info_nce& loss, double tolerance) {
  const auto s = vectors_that_count(c, c.student[0]), t = vectors_that_count(c, c.teacher[0]);
  const auto got = c(loss);
  std::size_t live = 0;
  for (std::size_t i = 0; i < c.sizes.size(); ++i) {
    const double weight = c.weight.empty() ? 1 : static_cast<double>(c.weight[i]);
    if (weight == 0) {
      CHECK(got.value[i] == 0);
      continue;
    }
    long double want = own_pick(s, t, live, loss.temperature);
    if (loss.symmetric) want = (want + own_pick(t, s, live, loss.temperature)) / 2;
    CHECK(static_cast<double>(got.value[i]) == Approx(weight * static_cast<double>(want)).epsilon(tolerance));
    ++live;
  }
}

struct owned_bank : limbeck_test::placed_bank<double> {
  using placed_bank::placed_bank;

  [[nodiscard]] contrastive_nce<double> operator()(double temperature) const {
    limbeck_test::host_place here;
    return in(here, temperature);
  }
  [[nodiscard]] std::vector<long double> entry(std::int32_t number) const {
    const auto first = numbers.begin() + number * width;
    return {first, first + width};
  }
};
long double softplus(long double u) { return std::log(1 + std::exp(u)); }

}  // namespace

TEST_CASE("info_nce of two orthogonal vectors agrees with a calculation by hand") {
  auto c = vector_batch_case(2, 2, 2, 1);
  c.student[0].data = {2, 0, 0, 3};
  c.teacher[0].data = {5, 0, 0, 1};
  c.per.samples = 2;
  const auto got = c(info_nce{.temperature = 0.5});
  for (const double v : got.value) CHECK(v == Approx(std::log(1 + std::exp(-2.0)) / 2));
  const double other = std::exp(-2.0) / (1 + std::exp(-2.0));
  CHECK(got.gradient[0].data[0] == Approx(0).margin(1e-15));
  CHECK(got.gradient[0].data[1] == Approx(other / 0.5 / 2 / 2));  // over temperature, samples and length
}

TEST_CASE("info_nce agrees with the textbook at every level, one-sided and symmetric, with and without weights") {
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const bool symmetric : {false, true})
      for (const auto& [samples, width] : {std::pair<index, index>{2, 3}, {5, 17}, {9, 40}}) {
        const info_nce loss{.temperature = 0.2, .symmetric = symmetric};
        auto c = vector_batch_case(samples, width, width, static_cast<unsigned>(width));
        check_info_nce(c, loss, 1e-12);
        check_info_nce(vector_batch_case<float>(samples, width, width, 3), loss, 2e-5);
        c.weight.assign(static_cast<std::size_t>(samples), 0.5);
        c.weight[1] = 0;
        c.student[0](1, 0, 0, 1) = c.teacher[0](1, 0, 0, 2) = std::nan("");
        check_info_nce(c, loss, 1e-12);
      }
  }
}

TEST_CASE("info_nce keeps its digits where a sample is told from all others with certainty") {
  auto c = vector_batch_case<float>(3, 3, 3, 1);
  c.student[0].data = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  c.teacher[0].data = c.student[0].data;
  const info_nce loss{.temperature = 0.04};  // exp(-25)
  check_info_nce(c, loss, 1e-5);
  CHECK(c(loss).gradient[0].data[1] == Approx(std::exp(-25.0) / 0.04).epsilon(1e-5));
}

TEST_CASE("the gradients of contrastive losses are slopes of their values") {
  limbeck_test::check_gradients("info_nce", [](limbeck_test::draws& random) {
    const info_nce loss{.of = {static_cast<token_pooling>(random.between(0, 1))},
                        .temperature = random.number(0.1, 1),
                        .symmetric = random.once_in(2)};
    return gradient_of(random_vectors(random, true), loss);
  });
  limbeck_test::check_gradients("contrastive_nce", [](limbeck_test::draws& random) {
    const auto c = random_vectors(random, true);
    const index negatives = random.between(1, 9);
    const owned_bank bank(index(c.sizes.size()), negatives, c.student[0].columns, random.seed());
    const double temperature = random.number(0.1, 1);
    return gradient_of(c, {}, [=](const auto&) { return bank(temperature); });
  });
}

TEST_CASE("contrastive losses of one sample, and of vectors of zeros") {
  auto one = vector_batch_case(1, 3, 3, 1);
  const auto alone = one(info_nce{.symmetric = true});
  CHECK(alone.value[0] == 0);
  CHECK(alone.gradient[0].data == std::vector<double>(3, 0));
  auto c = vector_batch_case(3, 3, 3, 1);
  std::fill_n(c.student[0].data.begin(), 3, 0.0);
  const auto got = c(info_nce{});
  CHECK(got.value[0] == Approx(std::log(3.0)));
  for (std::size_t i = 0; i < 3; ++i) CHECK(got.gradient[0].data[i] == 0);
  CHECK(got.gradient[0].data[3] != 0);
}

TEST_CASE("contrastive_nce agrees with the textbook, whatever weights say") {
  auto c = vector_batch_case(4, 19, 19, 5);
  const owned_bank bank(4, 6, 19, 8);
  c.weight = {1, 0, 2, 1};
  c.student[0](1, 0, 0, 3) = std::nan("");
  const auto got = c(bank(0.3));
  const auto s = vectors_that_count(c, c.student[0]), t = vectors_that_count(c, c.teacher[0]);
  const long double offset = std::log(6 / 50.0L);
  std::size_t live = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i == 1) continue;
    long double want = softplus(-(limbeck_test::cosine(s[live], t[live]) / 0.3L - offset));
    for (std::size_t k = 0; k < 6; ++k)
      want += softplus(limbeck_test::cosine(s[live], bank.entry(bank.entries[6 * i + k])) / 0.3L - offset);
    CHECK(got.value[i] == Approx(c.weight[i] * static_cast<double>(want)).epsilon(1e-12));
    ++live;
  }
  CHECK(got.value[1] == 0);
  for (index i = 0; i < 19; ++i) CHECK(got.gradient[0](1, 0, 0, i) == 0);
}

TEST_CASE("contrastive losses have the same bits for any number of threads, and read nothing around a batch") {
  auto c = vector_batch_case<float>(40, 130, 130, 1);
  const auto one = c(info_nce{.symmetric = true}, 1), three = c(info_nce{.symmetric = true}, 3);
  CHECK(three.value == one.value);
  CHECK(three.gradient[0].data == one.gradient[0].data);
  const owned_bank bank(40, 20, 130, 4);
  const auto alone = c(bank(0.1), 1), threaded = c(bank(0.1), 3);
  CHECK(threaded.value == alone.value);
  CHECK(threaded.gradient[0].data == alone.gradient[0].data);
  c.place = {.before = 2, .after = 1, .wider = 3};
  c.teacher_place = {.before = 1, .wider = 2};
  const auto placed = c(info_nce{.symmetric = true});
  CHECK(placed.value == one.value);
  CHECK(placed.gradient[0].data == one.gradient[0].data);
  CHECK(placed.untouched);
}

TEST_CASE("contrastive losses say what does not fit, before they do anything") {
  auto c = vector_batch_case(2, 3, 4, 1);
  CHECK_THROWS_WITH(c(info_nce{}), "info_nce: the student is 3 wide, the teacher 4; the widths must agree");
  CHECK_THROWS_WITH(c(info_nce{.temperature = 0}), "info_nce: temperature 0.000000, must be positive");
  c = vector_batch_case(2, 3, 3, 1);
  const auto refused = [&](auto&& change) {
    auto loss = owned_bank(2, 2, 3, 1);
    auto made = loss(0.1);
    change(made);
    c(made);
  };
  CHECK_THROWS_WITH(refused([](auto& l) { l.temperature = -1; }),
                    "contrastive_nce: temperature -1.000000, must be positive");
  CHECK_THROWS_WITH(refused([](auto& l) { l.data_size = 0; }), "contrastive_nce: data_size 0, must be 1 or more");
  CHECK_THROWS_WITH(refused([](auto& l) { l.negatives = {}; }), "contrastive_nce: negatives [0, 0] for 2 samples");
  CHECK_THROWS_WITH(refused([](auto& l) { l.bank = view<const double, 2>(l.bank.data(), 10, 3); }),
                    "contrastive_nce: sample 0 has negative 10 of a bank of 10");
  CHECK_THROWS_WITH(refused([](auto& l) { l.bank = view<const double, 2>(l.bank.data(), 11, 2); }),
                    "contrastive_nce: the bank is 2 wide, the student 3");
}

}  // namespace limbeck
