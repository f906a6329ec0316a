// Dot products of a batch against late interaction: against plain loops and central differences, with masked tokens,
// skipped queries and a term of labels.
#include "limbeck/losses/in_batch.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/gradient_sweep.hpp"

namespace limbeck {
namespace {

using limbeck_test::infinity, limbeck_test::matrix, limbeck_test::undefined;

struct in_batch_retrieval {
  matrix<> queries, passages;             // of the student
  matrix<> query_tokens, passage_tokens;  // of the teacher
  std::vector<sample_rows> query_rows, passage_rows;
  std::vector<std::uint8_t> passage_mask{};
  std::vector<std::int32_t> labels{};
  std::vector<double> row_weight{}, value{};
  double temperature = 0.5;
  matrix<> dqueries, dpassages;

  in_batch_retrieval(index query_count, index passage_count, unsigned seed)
      : queries(query_count, 3, seed),
        passages(passage_count, 3, seed + 1),
        query_tokens(3 * query_count, 4, seed + 2),
        passage_tokens(4 * passage_count, 4, seed + 3),
        dqueries(query_count, 3),
        dpassages(passage_count, 3) {
    for (index i = 0; i < query_count; ++i) query_rows.push_back({3 * i, 1 + (i + seed) % 3, 0});
    for (index i = 0; i < passage_count; ++i) passage_rows.push_back({4 * i, 1 + (i + seed) % 4, 0});
    const auto clear_behind = [](matrix<>& tokens, const std::vector<sample_rows>& rows, index room) {
      for (const sample_rows& s : rows)
        for (index t = s.begin + s.length; t < s.begin + room; ++t) tokens(t, 0) = undefined;  // padding
    };
    clear_behind(query_tokens, query_rows, 3);
    clear_behind(passage_tokens, passage_rows, 4);
  }
  template <class T>
  static view<const T, 1> seen(const std::vector<T>& v) {
    return v.empty() ? view<const T, 1>() : view<const T, 1>(v.data(), v.size());
  }
  [[nodiscard]] late_interaction<double> teacher() const {
    return {{query_tokens.seen(), seen(query_rows)},
            {passage_tokens.seen(), seen(passage_rows), seen(passage_mask)},
            temperature};
  }
  template <class Loss>
  double operator()(const Loss& loss, bool gradients = true, index missing_room = 0) {
    const text_vectors<const double> student{queries.seen(), passages.seen()};
    std::vector<double> room(static_cast<std::size_t>(in_batch_room(student) - missing_room), undefined);
    value.assign(static_cast<std::size_t>(queries.rows()), 0);
    dqueries.fill(0);
    dpassages.fill(0);
    sink<double, cpu> out{view<double, 1>(value.data(), value.size())};
    out.per.rows = static_cast<double>(queries.rows());
    out.scale = 1.5;
    const text_vectors<double> gradient{dqueries.all(), dpassages.all()};
    in_batch_maxsim(loss, cpu_executor<>{2}, student, teacher(), targets<double>{seen(labels), {}, seen(row_weight)},
                    out, gradients ? gradient : text_vectors<double>{}, view<double, 1>(room.data(), room.size()));
    double sum = 0;
    for (const double v : value) sum += v;
    return sum;
  }
  // KL(softmax of the teacher's scores || softmax of dot products) of one query
  [[nodiscard]] double plain(index q) const {
    std::vector<double> t, s;
    double t_sum = 0, s_sum = 0;
    for (index p = 0; p < passages.rows(); ++p) {
      double score = 0, dot = 0;
      const sample_rows& a = query_rows[static_cast<std::size_t>(q)];
      const sample_rows& b = passage_rows[static_cast<std::size_t>(p)];
      for (index i = a.begin; i < a.begin + a.length; ++i) {
        double best = -infinity;
        for (index j = b.begin; j < b.begin + b.length; ++j) {
          if (!passage_mask.empty() && passage_mask[static_cast<std::size_t>(j)] == 0) continue;
          double product = 0;
          for (index k = 0; k < 4; ++k) product += query_tokens(i, k) * passage_tokens(j, k);
          best = std::max(best, product);
        }
        score += best;
      }
      for (index k = 0; k < 3; ++k) dot += queries(q, k) * passages(p, k);
      t.push_back(std::exp(score / temperature));
      s.push_back(std::exp(dot));
      t_sum += t.back();
      s_sum += s.back();
    }
    double sum = 0;
    for (std::size_t p = 0; p < t.size(); ++p)
      if (t[p] > 0) sum += t[p] / t_sum * std::log(t[p] / t_sum / (s[p] / s_sum));
    return sum;
  }
};

// By the student's vectors. Only the teacher's scores have a maximum in them.
limbeck_test::gradient_case gradient_of(in_batch_retrieval r, const limbeck_test::erased_loss& loss) {
  const auto joined = [](const matrix<>& queries, const matrix<>& passages) {
    std::vector<double> all(queries.data(), queries.data() + queries.count());
    all.insert(all.end(), passages.data(), passages.data() + passages.count());
    return all;
  };
  return {joined(r.queries, r.passages), [=](const std::vector<double>& x, std::vector<double>* gradient) mutable {
            std::copy_n(x.begin(), r.queries.count(), r.queries.data());
            std::copy_n(x.begin() + r.queries.count(), r.passages.count(), r.passages.data());
            const double value = r(loss, gradient != nullptr);
            if (gradient != nullptr) *gradient = joined(r.dqueries, r.dpassages);
            return value;
          }};
}
// Every second seed masks some tokens of passages.
in_batch_retrieval masked_retrieval(index queries, index passages, unsigned seed) {
  in_batch_retrieval r(queries, passages, seed);
  for (index t = 0; t < r.passage_tokens.rows() && seed % 2 == 0; ++t) {
    r.passage_mask.push_back(t % 4 == 0 || (t + seed) % 3 != 0);  // the first of each counts
    if (r.passage_mask.back() == 0) r.passage_tokens(t, 1) = undefined;
  }
  return r;
}

}  // namespace

TEST_CASE("in_batch_maxsim agrees with plain loops, padding and masked tokens apart") {
  for (unsigned seed = 1; seed <= 25; ++seed) {
    in_batch_retrieval r = masked_retrieval(1 + seed % 4, 1 + seed * 3 % 5, seed);
    INFO("seed " << seed << ", " << r.queries.rows() << " queries, " << r.passages.rows() << " passages");
    (void)r(soft_target_kl{});
    for (index q = 0; q < r.queries.rows(); ++q)
      CHECK(r.value[static_cast<std::size_t>(q)] ==
            Approx(1.5 * r.plain(q) / static_cast<double>(r.queries.rows())).epsilon(1e-10).margin(1e-14));
  }
}

TEST_CASE("the gradients of in_batch_maxsim are slopes of its value, with and without labels") {
  limbeck_test::check_gradients("in_batch_maxsim", [](limbeck_test::draws& random) {
    const index queries = random.between(1, 5), passages = random.between(1, 9);
    in_batch_retrieval r = masked_retrieval(queries, passages, random.seed() % 1000);
    for (index q = 0; q < queries; ++q) r.labels.push_back(static_cast<std::int32_t>(random.between(0, passages - 1)));
    r.row_weight = draw_weights(random, queries);
    for (index q = 0; q < queries && !r.row_weight.empty(); ++q)
      if (r.row_weight[std::size_t(q)] == 0) r.queries(q, 0) = undefined;
    return gradient_of(r, 1.0 * soft_target_kl{} + random.number(0, 1) * cross_entropy{});
  });
}

TEST_CASE("in_batch_maxsim skips queries of weight 0 or without tokens, and passages without tokens have no share") {
  in_batch_retrieval r(4, 3, 9);
  r.row_weight = {1, 0, 1, 2};
  r.query_tokens(r.query_rows[1].begin, 0) = undefined;
  r.queries(1, 0) = undefined;
  r.query_rows[2].length = 0;
  r.queries(2, 1) = undefined;
  r.passage_rows[0].length = 0;
  (void)r(soft_target_kl{});
  CHECK(r.value[0] == Approx(1.5 / 4 * r.plain(0)).epsilon(1e-10));
  CHECK(r.value[1] == 0);
  CHECK(r.value[2] == 0);
  CHECK(r.value[3] == Approx(1.5 / 4 * 2 * r.plain(3)).epsilon(1e-10));
  for (index k = 0; k < 3; ++k) {
    CHECK(r.dqueries(1, k) == 0);
    CHECK(r.dqueries(2, k) == 0);
    CHECK(std::isfinite(r.dpassages(0, k)));
  }
  for (sample_rows& s : r.passage_rows) s.length = 0;
  CHECK(r(soft_target_kl{}) == 0);  // nothing to compare
}

TEST_CASE("in_batch_maxsim refuses what does not fit") {
  using Catch::Matchers::Contains;
  in_batch_retrieval r(3, 4, 1);
  CHECK_THROWS_WITH(r(soft_target_kl{}, true, 1), Contains("a workspace of") && Contains("are needed"));
  r.temperature = 0;
  CHECK_THROWS_WITH(r(soft_target_kl{}), Contains("temperature 0"));
  r.temperature = 1;
  r.labels = {1, 2};
  CHECK_THROWS_WITH(r(soft_target_kl{}), Contains("2 labels for 3 queries"));
  r.labels.clear();
  r.row_weight = {1};
  CHECK_THROWS_WITH(r(soft_target_kl{}), Contains("1 row weights for 3 queries"));
  r.row_weight.clear();
  r.passage_rows.pop_back();
  CHECK_THROWS_WITH(r(soft_target_kl{}), Contains("3 queries and 4 passages, the teacher 3 and 3"));
}

}  // namespace limbeck
