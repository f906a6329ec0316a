// DIST against Pearson's correlation written out in long double, and central differences.
#include "limbeck/losses/dist_kd.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "losses/textbook.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

namespace textbook = limbeck_test::textbook;
using limbeck_test::logit_case;
using limbeck_test::random_logits;
using textbook::real;

static_assert(loss_policy<dist_kd, cpu_executor<>>);

using number_rows = std::vector<std::vector<real>>;

template <class A>
number_rows distributions(const std::vector<A>& logits, index rows, index classes, real temperature) {
  number_rows all;
  for (index r = 0; r < rows; ++r) {
    auto row = textbook::log_softmax(textbook::row_of(logits, r, classes), temperature);
    for (real& x : row) x = std::exp(x);
    all.push_back(row);
  }
  return all;
}
number_rows transposed(const number_rows& m) {
  number_rows out(m[0].size(), std::vector<real>(m.size()));
  for (std::size_t i = 0; i < m.size(); ++i)
    for (std::size_t j = 0; j < m[0].size(); ++j) out[j][i] = m[i][j];
  return out;
}
real pearson(std::vector<real> a, std::vector<real> b, real epsilon) {
  const auto centre = [](std::vector<real>& x) {
    real mean = 0;
    for (const real v : x) mean += v / static_cast<real>(x.size());
    for (real& v : x) v -= mean;
  };
  centre(a);
  centre(b);
  real ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return aa == 0 || bb == 0 ? 0 : ab / (std::sqrt(aa) * std::sqrt(bb) + epsilon);
}
real mean_distance(const number_rows& a, const number_rows& b, real epsilon) {
  real sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (1 - pearson(a[i], b[i], epsilon)) / static_cast<real>(a.size());
  return sum;
}
// The sum over the rows.
template <class A>
real written_out(const logit_case<A>& c, const dist_kd& loss) {
  const number_rows q = distributions(c.student, c.rows, c.columns, loss.temperature);
  const number_rows p = distributions(c.teacher, c.rows, c.columns, loss.temperature);
  return loss.temperature * loss.temperature * static_cast<real>(c.rows) *
         (loss.beta * mean_distance(q, p, loss.epsilon) +
          loss.gamma * mean_distance(transposed(q), transposed(p), loss.epsilon));
}

}  // namespace

TEST_CASE("dist_kd is Pearson's correlation of rows and columns, at every level and number of threads") {
  const dist_kd loss{.temperature = 2, .beta = 1.5, .gamma = 0.5};
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const auto& [rows, classes] : {std::pair<index, index>{4, 3}, {2, 17}, {31, 40}, {9, 200}}) {
      INFO(rows << " rows, " << classes << " classes, " << name_of(level));
      const auto c = random_logits<double>(rows, classes, 3, 3);
      CHECK(c(loss).total() == Approx(static_cast<double>(written_out(c, loss))).epsilon(1e-11));
      const auto narrow = random_logits<float>(rows, classes, 3, 3);
      CHECK(narrow(loss).total() == Approx(static_cast<double>(written_out(narrow, loss))).epsilon(2e-5));
      const auto one = narrow(loss, 1), three = narrow(loss, 3);
      CHECK(one.value == three.value);
      CHECK(one.gradient == three.gradient);
    }
  }
}

TEST_CASE("the gradient of dist_kd is the slope of its value") {
  limbeck_test::check_gradients("dist_kd", [](limbeck_test::draws& random) {
    // What two classes, or two rows, are correlated by is 1 or -1, and jumps: there are more, or one row.
    limbeck_test::logit_case<double> c;
    const auto rows_that_count = [&] {
      index count = 0;
      for (index r = 0; r < c.rows; ++r) count += std::isfinite(c.student[std::size_t(r * c.columns)]);
      return count;
    };
    do {
      const index rows = draw_rows(random);
      c = random_rows(random, rows, 1 + draw_classes(random));
    } while (rows_that_count() == 2);
    return gradient_of(c, dist_kd{.temperature = random.number(1, 4),
                                  .beta = random.number(0, 2),
                                  .gamma = random.number(0, 2),
                                  .t_squared = random.once_in(2)});
  });
}

TEST_CASE("dist_kd keeps its digits where the rows nearly agree") {
  auto c = random_logits<float>(12, 20, 3, 3);
  for (std::size_t i = 0; i < c.student.size(); ++i)
    c.student[i] = c.teacher[i] + 1e-3F * static_cast<float>(std::sin(static_cast<double>(i)));
  const dist_kd loss{.epsilon = 0};
  CHECK(c(loss).total() == Approx(static_cast<double>(written_out(c, loss))).epsilon(2e-3));
}

TEST_CASE("dist_kd of one row has columns that do not vary: their distance is 1, without a gradient") {
  const auto c = random_logits<double>(1, 6, 3, 5);
  const auto both = c(dist_kd{}), rows_alone = c(dist_kd{.gamma = 0});
  CHECK(both.value[0] == Approx(rows_alone.value[0] + 1).epsilon(1e-12));
  CHECK(both.gradient == rows_alone.gradient);
}

TEST_CASE("dist_kd leaves out rows without weight, whatever stands there") {
  auto c = random_logits<float>(5, 7, 3, 5);
  auto fewer = c;
  fewer.rows = 4;
  fewer.student.erase(fewer.student.begin() + 7, fewer.student.begin() + 14);
  fewer.teacher.erase(fewer.teacher.begin() + 7, fewer.teacher.begin() + 14);
  for (std::size_t i = 7; i < 14; ++i) c.student[i] = std::numeric_limits<float>::quiet_NaN();
  c.row_weight = {1, 0, 1, 1, 1};
  auto got = c(dist_kd{});
  const auto want = fewer(dist_kd{});
  for (std::size_t i = 7; i < 14; ++i) CHECK(got.gradient[i] == 0);
  got.gradient.erase(got.gradient.begin() + 7, got.gradient.begin() + 14);
  CHECK(got.gradient == want.gradient);
  CHECK(got.value[1] == 0);
  CHECK(got.total() == want.total());
  CHECK_THROWS_WITH(c(dist_kd{.temperature = 0}), Catch::Matchers::Contains("dist_kd: temperature 0"));
}

}  // namespace limbeck
