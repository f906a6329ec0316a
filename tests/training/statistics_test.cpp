// Tests of limbeck/training/statistics.hpp.
#include "limbeck/training/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/philox.hpp"

namespace limbeck {
namespace {

using Catch::Matchers::Contains;

/// Independent normal numbers, two from each position of a stream.
std::vector<double> normal_sample(std::uint32_t number, std::size_t count) {
  std::vector<double> sample;
  const random_stream stream{.seed = 5};
  for (std::uint32_t i = 0; sample.size() < count; ++i) {
    const random_words words = stream.at(number * 64 + i);
    const double radius = std::sqrt(-2 * std::log(unit_interval(words.word[0])));
    sample.push_back(radius * std::cos(2 * std::numbers::pi * unit_interval(words.word[1])));
  }
  return sample;
}

/// P(T > t) by Simpson's rule over the density, of which the mirrored half is 1 / 2.
double tail_by_integration(double t, double freedom) {
  const double front =
      std::exp(std::lgamma((freedom + 1) / 2) - std::lgamma(freedom / 2)) / std::sqrt(freedom * std::numbers::pi);
  const auto density = [&](double x) { return front * std::pow(1 + x * x / freedom, -(freedom + 1) / 2); };
  constexpr int steps = 20000;
  double sum = density(0) + density(t);
  for (int i = 1; i < steps; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(t * i / steps);
  return 0.5 - sum * t / steps / 3;
}

TEST_CASE("student_t_quantile agrees with the published table") {
  struct row {
    double freedom, p80, p90, p975, p995;
  };
  // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, and for 0.8 Fisher and Yates, table III
  for (const row& r :
       {row{1, 1.376, 3.078, 12.706, 63.657}, row{2, 1.061, 1.886, 4.303, 9.925}, row{3, 0.978, 1.638, 3.182, 5.841},
        row{4, 0.941, 1.533, 2.776, 4.604}, row{5, 0.920, 1.476, 2.571, 4.032}, row{9, 0.883, 1.383, 2.262, 3.250},
        row{30, 0.854, 1.310, 2.042, 2.750}, row{100, 0.845, 1.290, 1.984, 2.626},
        row{1e7, 0.842, 1.282, 1.960, 2.576}}) {
    CAPTURE(r.freedom);
    CHECK(std::abs(student_t_quantile(0.8, r.freedom) - r.p80) < 5.1e-4);
    CHECK(std::abs(student_t_quantile(0.9, r.freedom) - r.p90) < 5.1e-4);
    CHECK(std::abs(student_t_quantile(0.975, r.freedom) - r.p975) < 5.1e-4);
    CHECK(std::abs(student_t_quantile(0.995, r.freedom) - r.p995) < 5.1e-4);
    CHECK(student_t_quantile(0.025, r.freedom) == Approx(-student_t_quantile(0.975, r.freedom)).epsilon(1e-12));
  }
}

TEST_CASE("student_t_quantile agrees with the closed forms of one, two and four degrees of freedom") {
  for (const double p : {0.5001, 0.6, 0.8, 0.95, 0.975, 0.999, 0.999999}) {
    CAPTURE(p);
    CHECK(student_t_quantile(p, 1) == Approx(std::tan(std::numbers::pi * (p - 0.5))).epsilon(1e-9));
    const double a = 4 * p * (1 - p);
    CHECK(student_t_quantile(p, 2) == Approx(2 * (p - 0.5) * std::sqrt(2 / a)).epsilon(1e-9));
    const double q = std::cos(std::acos(std::sqrt(a)) / 3) / std::sqrt(a);  // Shaw 2006, section 3.1
    CHECK(student_t_quantile(p, 4) == Approx(2 * std::sqrt(q - 1)).epsilon(1e-7));
  }
  CHECK(student_t_quantile(0.5, 3) == Approx(0).margin(1e-12));
}

TEST_CASE("student_t_tail is the integral of the density, of degrees of freedom that are not whole, too") {
  for (const double freedom : {0.8, 1.5, 3.7, 11.2, 250.5})
    for (const double t : {0.0, 0.1, 0.9, 2.5, 7.0}) {
      CAPTURE(freedom, t);
      CHECK(student_t_tail(t, freedom) == Approx(tail_by_integration(t, freedom)).margin(1e-10));
    }
}

TEST_CASE("an estimate of a sample worked by hand") {
  const estimate e = estimate_mean(std::vector<double>{2, 4, 4, 6, 9});  // squares 9 + 1 + 1 + 1 + 16 = 28
  CHECK(e.count == 5);
  CHECK(e.mean == 5);
  CHECK(e.deviation == Approx(std::sqrt(7.0)));
  CHECK(e.error == Approx(std::sqrt(1.4)));
  CHECK(e.freedom == 4);
  CHECK(e.confidence().low == Approx(5 - 2.776445 * std::sqrt(1.4)).epsilon(1e-6));
  CHECK(e.confidence().high == Approx(5 + 2.776445 * std::sqrt(1.4)).epsilon(1e-6));
  CHECK(e.detectable() == Approx((2.776445 + 0.940965) * std::sqrt(1.4)).epsilon(1e-6));
}

TEST_CASE("of fewer than two numbers no error is known") {
  CHECK(estimate_mean({}).count == 0);
  CHECK(std::isnan(estimate_mean({}).mean));
  const estimate one = estimate_mean(std::vector<double>{3});
  CHECK(one.mean == 3);
  CHECK_FALSE(one.knows_error());
  CHECK(std::isnan(one.confidence().low));
  CHECK(std::isnan(one.detectable()));
  const std::vector<estimate> both{one, estimate_mean(std::vector<double>{1, 2})};
  CHECK(mean_of_means(both).mean == 2.25);
  CHECK_FALSE(mean_of_means(both).knows_error());
}

TEST_CASE("numbers that are all the same, but for rounding, say nothing of the error, nor does a mean with such") {
  const estimate same = estimate_mean(std::vector<double>{2, 2, 2}),
                 other = estimate_mean(std::vector<double>{1, 2, 3});
  CHECK(same.deviation == 0);
  CHECK_FALSE(same.knows_error());
  CHECK(std::isnan(same.detectable()));
  CHECK_FALSE(estimate_mean(std::vector<double>{0.9 - 0.8, 0.4 - 0.3, 0.6 - 0.5}).knows_error());
  CHECK(estimate_mean(std::vector<double>{0.9, 0.9 + 1e-6}).knows_error());
  const estimate both = mean_of_means(std::vector<estimate>{same, other});
  CHECK(both.mean == 2);
  CHECK_FALSE(both.knows_error());
}

TEST_CASE("a mean of means has the error and the degrees of freedom of Welch and Satterthwaite") {
  // variances of the means 4 / 4 = 1 and 12 / 3 = 4: error sqrt(5) / 2, freedom 25 / (1 / 3 + 16 / 2)
  const std::vector<estimate> means{{.count = 4, .mean = 1, .deviation = 2, .error = 1, .freedom = 3},
                                    {.count = 3, .mean = 4, .deviation = std::sqrt(12.0), .error = 2, .freedom = 2}};
  const estimate e = mean_of_means(means);
  CHECK(e.count == 7);
  CHECK(e.mean == 2.5);
  CHECK(e.error == Approx(std::sqrt(5.0) / 2));
  CHECK(e.freedom == Approx(3.0));
  // equal errors add their degrees of freedom
  const estimate same = mean_of_means(std::vector<estimate>(4, means[0]));
  CHECK(same.error == Approx(0.5));
  CHECK(same.freedom == Approx(12.0));
}

TEST_CASE("95 of 100 intervals hold the true mean, and a detectable difference is detected 4 times in 5") {
  constexpr std::uint32_t samples = 8000;
  constexpr std::size_t runs = 5;
  // what could be detected where the deviation is known to be 1
  const double difference =
      estimate{.count = runs, .mean = 0, .deviation = 1, .error = 1 / std::sqrt(5.0), .freedom = 4}.detectable();
  int held = 0, seen = 0;
  for (std::uint32_t i = 0; i < samples; ++i) {
    const estimate e = estimate_mean(normal_sample(i, runs));
    held += e.confidence().holds(0) ? 1 : 0;
    seen += e.confidence().holds(-difference) ? 0 : 1;
  }
  CHECK(std::abs(held - 0.95 * samples) < 4 * std::sqrt(0.95 * 0.05 * samples));
  CHECK(seen > 0.77 * samples);
  CHECK(seen < 0.86 * samples);
}

TEST_CASE("what is no probability and no degree of freedom is refused") {
  CHECK_THROWS_WITH(student_t_quantile(1, 3), Contains("probability") && Contains("1.0"));
  CHECK_THROWS_WITH(student_t_quantile(0, 3), Contains("probability"));
  CHECK_THROWS_WITH(student_t_quantile(0.9, 0), Contains("degrees of freedom"));
  CHECK_THROWS_AS(student_t_tail(-1, 3), contract_error);
}

}  // namespace
}  // namespace limbeck
