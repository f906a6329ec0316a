// Attention on a device against plain loops in double: the cases that run on a device and, through the shim, without.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "limbeck/ops/attention.hpp"
#include "ops/device_ops_cases.hpp"

namespace limbeck_test {

using limbeck::sample_rows;
using limbeck::ops::attention_shape;

/// Samples in a batch, their queries where these lie elsewhere, and what is asked of an attention.
struct attention_case {
  index tokens = 0, heads = 1, width = 1;  ///< width: of a head
  std::vector<sample_rows> rows{}, queries{};
  attention_shape shape{};
  bool keeps_maps = false;

  [[nodiscard]] const sample_rows& queries_of(std::size_t sample) const {
    return queries.empty() ? rows[sample] : queries[sample];
  }
  [[nodiscard]] index query_tokens() const {
    index end = queries.empty() ? tokens : 0;
    for (const sample_rows& q : queries) end = std::max(end, q.begin + q.length);
    return end;
  }
  [[nodiscard]] double dropped(index token, index head, index key) const {
    const auto word =
        shape.random.at(shape.first_word(token, head) + static_cast<std::uint32_t>(key / 4)).word[key % 4];
    return static_cast<double>(word) < std::floor(shape.dropout * 0x1p32) ? 0 : 1 / (1 - shape.dropout);
  }
};

/// All that attention() and attention_backward() read and write, in double.
struct plain_attention {
  std::vector<limbeck::block> at{};
  plain_matrix q, k, v, dcontext, dscores, dprobabilities;
  plain_matrix context, log_sum, scores, probabilities, dq, dk, dv;

  explicit plain_attention(const attention_case& c)
      : q(c.query_tokens(), c.heads * c.width, 21),
        k(c.tokens, c.heads * c.width, 22),
        v(c.tokens, c.heads * c.width, 23),
        dcontext(c.query_tokens(), c.heads * c.width, 24),
        dscores(1, map_count(c), 25),
        dprobabilities(1, map_count(c), 26),
        context(none(q)),
        log_sum(none(c.query_tokens(), c.heads)),
        scores(none(1, map_count(c))),
        probabilities(none(1, map_count(c))),
        dq(none(q)),
        dk(none(k)),
        dv(none(k)) {
    for (std::size_t s = 0; s < c.rows.size(); ++s)
      for (index head = 0; head < c.heads; ++head)
        for (index i = 0; i < c.queries_of(s).length; ++i) run(c, s, head, i);
  }

 private:
  static plain_matrix none(index rows, index columns) {
    return {rows, columns, [](index, index) { return 0.0; }};
  }
  static plain_matrix none(const plain_matrix& like) { return none(like.rows, like.columns); }
  index map_count(const attention_case& c) {
    index offset = 0;
    at.clear();
    for (const sample_rows& s : c.rows) {
      at.push_back({offset, s.length + 1});  // the stored side may be larger than the sample
      offset += c.heads * (s.length + 1) * (s.length + 1);
    }
    return offset;
  }
  static double& place(plain_matrix& m, index r, index c) {
    return m.data[static_cast<std::size_t>(r * m.columns + c)];
  }

  void run(const attention_case& c, std::size_t s, index head, index i) {
    const sample_rows &keys = c.rows[s], &queries = c.queries_of(s);
    const index token = queries.begin + i, seen = limbeck::visible_keys(keys, i, c.shape.causal),
                first = head * c.width;
    const index map = at[s].offset + (head * at[s].side + i) * at[s].side;
    const auto dot = [&](const plain_matrix& a, index row, const plain_matrix& b, index key) {
      double sum = 0;
      for (index x = 0; x < c.width; ++x) sum += a(row, first + x) * b(keys.begin + key, first + x);
      return sum;
    };
    const double scale = 1 / std::sqrt(static_cast<double>(c.width));
    double sum = 0, through = 0;
    std::vector<double> score, p, dp;
    for (index j = 0; j < seen; ++j) sum += std::exp(score.emplace_back(scale * dot(q, token, k, j)));
    place(log_sum, token, head) = std::log(sum);
    for (index j = 0; j < seen; ++j) {
      const auto key = static_cast<std::size_t>(j);
      p.push_back(std::exp(score[key]) / sum);
      dp.push_back(c.dropped(token, head, j) * dot(dcontext, token, v, j) +
                   (c.keeps_maps ? dprobabilities(0, map + j) : 0));
      through += p[key] * dp[key];
      place(scores, 0, map + j) = score[key];
      place(probabilities, 0, map + j) = p[key];
    }
    for (index j = 0; j < seen; ++j) {
      const auto key = static_cast<std::size_t>(j);
      const double kept = c.dropped(token, head, j) * p[key];
      const double d = scale * (p[key] * (dp[key] - through) + (c.keeps_maps ? dscores(0, map + j) : 0));
      for (index x = first; x < first + c.width; ++x) {
        place(context, token, x) += kept * v(keys.begin + j, x);
        place(dq, token, x) += d * k(keys.begin + j, x);
        place(dk, keys.begin + j, x) += d * q(token, x);
        place(dv, keys.begin + j, x) += kept * dcontext(token, x);
      }
    }
  }
};

template <class T>
void check_attention(attention_case c) {
  namespace ops = limbeck::ops;
  using limbeck::view;
  c.shape.heads = c.heads;
  for (const sample_rows& s : c.rows) c.shape.longest = std::max(c.shape.longest, s.length);
  INFO(c.rows.size() << " samples, " << c.heads << " heads of " << c.width << (c.shape.causal ? ", causal" : ""));
  const cuda_executor on;
  plain_attention want(c);
  const auto zeros = [](const plain_matrix& m) {
    return plain_matrix(m.rows, m.columns, [](index, index) { return 0.0; });
  };
  const device_layout as{1, 3};
  on_device_as<T> q(want.q, as), k(want.k, as), v(want.v, as), dcontext(want.dcontext, as), context(zeros(want.q), as);
  on_device_as<T> log_sum(zeros(want.log_sum), as), scores(zeros(want.scores), {}),
      probabilities(zeros(want.scores), {});
  on_device_as<T> dscores(want.dscores, {}), dprobabilities(want.dprobabilities, {});
  on_device_as<T> dq(zeros(want.q), as), dk(zeros(want.k), as), dv(zeros(want.k), as);
  device_copy<sample_rows> rows(on, c.rows), queries(on, c.queries);
  device_copy<limbeck::block> at(on, want.at);
  const view<const sample_rows, 1, cuda> seen = rows.all(), asking = queries.all();
  const auto maps = [&](on_device_as<T>& of) {
    return c.keeps_maps ? limbeck::square_blocks<T, cuda>{of.all().data(), c.heads, at.all(), c.shape.causal}
                        : limbeck::square_blocks<T, cuda>{};
  };
  const double tolerance = 10 * device_tolerance<T>;
  ops::attention(on, c.shape, seen, q.seen(), k.seen(), v.seen(), context.all(), log_sum.all(), maps(scores),
                 maps(probabilities), asking);
  context.check(want.context, tolerance);
  log_sum.check(want.log_sum, tolerance);
  if (c.keeps_maps) {
    scores.check(want.scores, tolerance);
    probabilities.check(want.probabilities, tolerance);
  }
  ops::attention_backward(on, c.shape, seen, q.seen(), k.seen(), v.seen(), log_sum.seen(), dcontext.seen(),
                          limbeck::square_blocks<const T, cuda>(maps(dscores)),
                          limbeck::square_blocks<const T, cuda>(maps(dprobabilities)), dq.all(), dk.all(), dv.all(),
                          asking);
  dq.check(want.dq, tolerance);
  dk.check(want.dk, tolerance);
  dv.check(want.dv, tolerance);
}

/// Packed and padded samples of any length, one without a token.
template <class T>
void check_attentions() {
  attention_case c{.tokens = 64, .heads = 2, .width = 5, .rows = {{0, 17, 17}, {20, 1, 1}, {21, 0, 0}, {22, 40, 40}}};
  check_attention<T>(c);
  c.keeps_maps = true;
  c.shape.dropout = 0.25;
  c.shape.random = {3, 4, 5};
  check_attention<T>(c);
  c.shape.causal = true;
  check_attention<T>(c);
}

/// Rows that are queries only, and queries that lie elsewhere.
template <class T>
void check_attentions_of_some_rows() {
  check_attention<T>({.tokens = 40, .heads = 1, .width = 8, .rows = {{0, 20, 13}, {20, 20, 20}}});
  check_attention<T>(
      {.tokens = 40, .heads = 3, .width = 4, .rows = {{0, 20, 20}, {20, 20, 20}}, .queries = {{1, 1, 20}, {2, 3, 20}}});
}

}  // namespace limbeck_test
