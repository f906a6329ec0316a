// Late interaction by hand, against plain loops and central differences: packed, padded, masked, empty texts.
#include "limbeck/ops/maxsim.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error, limbeck_test::undefined;

/// Texts with their vectors and, where not empty, their mask.
struct texts {
  matrix<> vectors;
  std::vector<sample_rows> rows;
  std::vector<std::uint8_t> mask{};

  [[nodiscard]] ops::token_vectors<const double> seen() const {
    return {vectors.seen(), view<const sample_rows, 1>(rows.data(), rows.size()),
            view<const std::uint8_t, 1>(mask.data(), mask.size())};
  }
};
/// Of `count` texts, 0 to 4 tokens each with a token of nobody in between; some masked where `masked`.
texts random_texts(index count, index width, unsigned seed, bool masked) {
  std::vector<sample_rows> rows;
  index tokens = 0;
  for (index i = 0; i < count; ++i) {
    const index length = (static_cast<index>(seed) + 3 * i) % 5;
    rows.push_back({tokens, length, length});
    tokens += length + 1;
  }
  texts made{matrix<>(tokens, width, seed), rows};
  for (index i = 0; i < tokens && masked; ++i) made.mask.push_back((static_cast<index>(seed) + i) % 3 != 0);
  for (const sample_rows& s : rows)
    for (index k = 0; k < width; ++k) made.vectors(s.begin + s.length, k) = undefined;
  for (std::size_t i = 0; i < made.mask.size(); ++i)
    if (made.mask[i] == 0) made.vectors(static_cast<index>(i), 0) = undefined;
  return made;
}
double plain_score(const texts& queries, const texts& passages, const sample_rows& q, const sample_rows& p) {
  double sum = 0;
  bool any = false;
  for (index i = q.begin; i < q.begin + q.length; ++i) {
    if (!queries.mask.empty() && queries.mask[static_cast<std::size_t>(i)] == 0) continue;
    double best = -std::numeric_limits<double>::infinity();
    for (index j = p.begin; j < p.begin + p.length; ++j) {
      if (!passages.mask.empty() && passages.mask[static_cast<std::size_t>(j)] == 0) continue;
      double dot = 0;
      for (index k = 0; k < queries.vectors.columns(); ++k) dot += queries.vectors(i, k) * passages.vectors(j, k);
      best = std::max(best, dot);
      any = true;
    }
    sum += best;
  }
  return any ? sum : -std::numeric_limits<double>::infinity();
}

TEST_CASE("maxsim by hand, and its gradient goes to the first of equal tokens") {
  texts query{matrix<>(2, 1), {{0, 2, 2}}}, passages{matrix<>(5, 1), {{0, 3, 3}, {3, 2, 2}}};
  query.vectors(0, 0) = 1;
  query.vectors(1, 0) = -2;
  const double numbers[] = {3, -1, 3, 0.5, 0.5};
  for (index i = 0; i < 5; ++i) passages.vectors(i, 0) = numbers[i];
  matrix<> scores(1, 2), dscores(1, 2), dquery(2, 1), dpassages(5, 1);
  matrix<std::int32_t> best(2, 2);
  ops::maxsim(cpu_executor<>{}, query.seen(), passages.seen(), scores.all(), best.all());
  CHECK(scores(0, 0) == 5);     // 3 and -2 * -1
  CHECK(scores(0, 1) == -0.5);  // 0.5 and -2 * 0.5
  const std::int32_t want[] = {0, 3, 1, 3};
  for (index i = 0; i < 4; ++i) CHECK(best.data()[i] == want[i]);
  dscores(0, 0) = 10;
  dscores(0, 1) = 100;
  ops::maxsim_backward(cpu_executor<>{}, query.seen(), passages.seen(), best.seen(), dscores.seen(), dquery.all(),
                       dpassages.all());
  CHECK(dquery(0, 0) == 10 * 3 + 100 * 0.5);
  CHECK(dquery(1, 0) == 10 * -1 + 100 * 0.5);
  const double slopes[] = {10, -20, 0, -100, 0};
  for (index i = 0; i < 5; ++i) CHECK(dpassages(i, 0) == slopes[i]);
}

TEST_CASE("maxsim agrees with plain loops and central differences") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    const bool masked = seed % 3 == 0;
    texts queries = random_texts(1 + seed % 4, 2 + seed % 3, seed, masked);
    texts passages = random_texts(1 + seed % 5, 2 + seed % 3, seed + 100, masked);
    const index count = std::ssize(queries.rows), of = std::ssize(passages.rows);
    INFO("seed " << seed << ", " << count << " queries, " << of << " passages");
    matrix<> scores(count, of), threads(count, of), dscores(count, of, seed);
    matrix<std::int32_t> best(queries.vectors.rows(), of);
    const cpu_executor<> on{2};
    ops::maxsim(on, queries.seen(), passages.seen(), scores.all(), best.all());
    ops::maxsim(cpu_executor<>{3}, queries.seen(), passages.seen(), threads.all());
    CHECK(same_bits(scores.seen(), threads.seen()));
    for (index q = 0; q < count; ++q)
      for (index p = 0; p < of; ++p) {
        const double want = plain_score(queries, passages, queries.rows[static_cast<std::size_t>(q)],
                                        passages.rows[static_cast<std::size_t>(p)]);
        CHECK((scores(q, p) == want || std::fabs(scores(q, p) - want) < 1e-13));
      }
    matrix<> dqueries(queries.vectors.rows(), queries.vectors.columns()),
        dpassages(passages.vectors.rows(), queries.vectors.columns());
    ops::maxsim_backward(on, queries.seen(), passages.seen(), best.seen(), dscores.seen(), dqueries.all(),
                         dpassages.all());
    const auto value = [&] {
      matrix<> now(count, of);
      ops::maxsim(on, queries.seen(), passages.seen(), now.all());
      double sum = 0;
      for (index i = 0; i < now.count(); ++i)
        if (std::isfinite(now.data()[i])) sum += dscores.data()[i] * now.data()[i];
      return sum;
    };
    // a maximum has corners, but none this near for these seeds
    CHECK(slope_error(queries.vectors.flat(), dqueries.seen_flat(), value, 1, 1e-5) < 1e-7);
    CHECK(slope_error(passages.vectors.flat(), dpassages.seen_flat(), value, 1, 1e-5) < 1e-7);
  }
}

TEST_CASE("maxsim shows a NaN of a token that counts, and refuses what does not fit") {
  texts query{matrix<>(2, 3, 1), {{0, 2, 2}}}, passages{matrix<>(4, 3, 2), {{0, 2, 2}, {2, 2, 2}}};
  const texts narrow{matrix<>(4, 2, 2), {{0, 2, 2}, {2, 2, 2}}}, outside{matrix<>(2, 3, 1), {{1, 2, 2}}};
  texts masked = passages;
  masked.mask = {1, 1};
  matrix<> scores(1, 2), other(2, 2);
  matrix<std::int32_t> best(3, 2);
  passages.vectors(1, 1) = undefined;
  const cpu_executor<> on;
  ops::maxsim(on, query.seen(), passages.seen(), scores.all());
  CHECK(std::isnan(scores(0, 0)));
  CHECK(std::isfinite(scores(0, 1)));
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(ops::maxsim(on, query.seen(), narrow.seen(), scores.all()),
                    Contains("queries [2, 3], of passages [4, 2]"));
  CHECK_THROWS_WITH(ops::maxsim(on, query.seen(), passages.seen(), other.all()),
                    Contains("scores [2, 2] for 1 queries and 2 passages"));
  CHECK_THROWS_WITH(ops::maxsim(on, outside.seen(), passages.seen(), scores.all()), Contains("tokens 1 to 3 of 2"));
  CHECK_THROWS_WITH(ops::maxsim(on, query.seen(), masked.seen(), scores.all()), Contains("a mask of 2 for 4 tokens"));
  CHECK_THROWS_WITH(ops::maxsim(on, query.seen(), passages.seen(), scores.all(), best.all()),
                    Contains("best tokens [3, 2] for 2 tokens and 2 passages"));
  CHECK_THROWS_WITH(ops::maxsim_backward(on, query.seen(), passages.seen(), view<const std::int32_t, 2>(),
                                         scores.seen(), view<double, 2>(), view<double, 2>()),
                    Contains("were not kept"));
}

}  // namespace
}  // namespace limbeck
