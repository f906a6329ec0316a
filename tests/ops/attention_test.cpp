// Attention against plain loops in double: packed, padded on either side, causal, with dropout, with kept maps.
#include "limbeck/ops/attention.hpp"

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error;
using ops::attention_shape;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

view<const sample_rows, 1> seen(const std::vector<sample_rows>& rows) {
  return view<const sample_rows, 1>(rows.data(), rows.size());
}

/// What attention() reads and writes, with q, k and v as thirds of the columns of one matrix, as models have them.
struct workplace {
  index tokens, width, heads;
  std::vector<sample_rows> rows;
  std::vector<block> at{};
  matrix<> qkv, context, log_sum, scores, probabilities, dscores, dprobabilities, dcontext, dqkv;

  workplace(index token_count, index head_count, index head_width, std::vector<sample_rows> samples)
      : tokens(token_count),
        width(head_count * head_width),
        heads(head_count),
        rows(std::move(samples)),
        qkv(tokens, 3 * width, 1, 1.5),
        context(tokens, width),
        log_sum(tokens, heads),
        scores(1, map_count()),
        probabilities(1, map_count()),
        dscores(1, map_count(), 5),
        dprobabilities(1, map_count(), 6),
        dcontext(tokens, width, 7),
        dqkv(tokens, 3 * width) {}

  index map_count() {
    index offset = 0;
    at.clear();
    for (const sample_rows& s : rows) {
      at.push_back({offset, s.length + 1});  // the stored side may be larger than the sample
      offset += heads * (s.length + 1) * (s.length + 1);
    }
    return offset;
  }
  template <class T>
  square_blocks<T> maps(T* data, bool causal) const {
    return {data, heads, view<const block, 1>(at.data(), at.size()), causal};
  }
  view<double, 2> third(matrix<>& of, index which) const { return column_block(of.all(), which * width, width); }
  /// The sample that token t belongs to; null where there is none.
  const sample_rows* sample_of(index t) const {
    for (const sample_rows& s : rows)
      if (t >= s.begin && t < s.begin + s.length) return &s;
    return nullptr;
  }
  bool taken(index t) const { return sample_of(t) != nullptr; }

  void forward(const attention_shape& shape, int threads = 1, bool keeps = true) {
    ops::attention(cpu_executor<>{threads}, shape, seen(rows), read_only(third(qkv, 0)), read_only(third(qkv, 1)),
                   read_only(third(qkv, 2)), context.all(), log_sum.all(),
                   keeps ? maps(scores.data(), shape.causal) : square_blocks<double>{},
                   keeps ? maps(probabilities.data(), shape.causal) : square_blocks<double>{});
  }
  void maps_alone(const attention_shape& shape, bool both) {
    ops::attention(cpu_executor<>{}, shape, seen(rows), read_only(third(qkv, 0)), read_only(third(qkv, 1)),
                   view<const double, 2>{}, view<double, 2>{}, view<double, 2>{}, maps(scores.data(), shape.causal),
                   both ? maps(probabilities.data(), shape.causal) : square_blocks<double>{});
  }
  void backward(const attention_shape& shape, int threads = 1, bool wants_maps = true) {
    const matrix<>&ds = dscores, &dp = dprobabilities;
    ops::attention_backward(cpu_executor<>{threads}, shape, seen(rows), read_only(third(qkv, 0)),
                            read_only(third(qkv, 1)), read_only(third(qkv, 2)), log_sum.seen(), dcontext.seen(),
                            wants_maps ? maps(ds.data(), shape.causal) : square_blocks<const double>{},
                            wants_maps ? maps(dp.data(), shape.causal) : square_blocks<const double>{}, third(dqkv, 0),
                            third(dqkv, 1), third(dqkv, 2));
  }
  /// What the backward pass takes the gradient of: every visible entry, weighted.
  double value(const attention_shape& shape, bool wants_maps = true) {
    forward(shape);
    double sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const sample_rows& s = rows[i];
      sum += inner_product(row_block(context.seen(), s.begin, s.length), row_block(dcontext.seen(), s.begin, s.length));
      for (index h = 0; h < heads && wants_maps; ++h)
        for (index r = 0; r < s.length; ++r)
          for (index c = 0; c < visible_keys(s, r, shape.causal); ++c) {
            const auto sample = static_cast<index>(i);
            sum += maps(scores.data(), false).map(sample, h)(r, c) * maps(dscores.data(), false).map(sample, h)(r, c);
            sum += maps(probabilities.data(), false).map(sample, h)(r, c) *
                   maps(dprobabilities.data(), false).map(sample, h)(r, c);
          }
    }
    return sum;
  }
};

/// Plain loops, no dropout; NaN where nothing is computed.
struct plain_attention {
  matrix<> context, scores, probabilities;
};
plain_attention plain(workplace& w, bool causal) {
  plain_attention out{matrix<>(w.tokens, w.width), matrix<>(1, w.map_count()), matrix<>(1, w.map_count())};
  const index d = w.width / w.heads;
  out.context.fill(nan);
  out.scores.fill(nan);
  out.probabilities.fill(nan);
  for (std::size_t i = 0; i < w.rows.size(); ++i)
    for (index h = 0; h < w.heads; ++h)
      for (index r = 0; r < w.rows[i].length; ++r) {
        const sample_rows s = w.rows[i];
        const auto sample = static_cast<index>(i);
        const index visible = visible_keys(s, r, causal);
        std::vector<double> p(static_cast<std::size_t>(visible));
        double sum = 0;
        for (index c = 0; c < visible; ++c) {
          double dot = 0;
          for (index j = 0; j < d; ++j) dot += w.qkv(s.begin + r, h * d + j) * w.qkv(s.begin + c, w.width + h * d + j);
          const double score = dot / std::sqrt(static_cast<double>(d));
          w.maps(out.scores.data(), causal).map(sample, h)(r, c) = score;
          sum += p[static_cast<std::size_t>(c)] = std::exp(score);
        }
        for (index j = 0; j < d; ++j) out.context(s.begin + r, h * d + j) = 0;
        for (index c = 0; c < visible; ++c) {
          const double probability = p[static_cast<std::size_t>(c)] / sum;
          w.maps(out.probabilities.data(), causal).map(sample, h)(r, c) = probability;
          for (index j = 0; j < d; ++j)
            out.context(s.begin + r, h * d + j) += probability * w.qkv(s.begin + c, 2 * w.width + h * d + j);
        }
      }
  return out;
}

/// Equal wherever `want` says something, and untouched (NaN) elsewhere.
void check_equal(const matrix<>& got, const matrix<>& want) {
  double worst = 0;
  bool untouched = true;
  for (index i = 0; i < want.count(); ++i)
    if (std::isnan(want.data()[i]))
      untouched = untouched && std::isnan(got.data()[i]);
    else if (!(std::abs(got.data()[i] - want.data()[i]) <= worst))
      worst = std::abs(got.data()[i] - want.data()[i]);
  CHECK(worst < 1e-13);
  CHECK(untouched);
}

struct named_layout {
  const char* name;
  index tokens;
  std::vector<sample_rows> rows;
};
std::vector<named_layout> layouts() {
  return {{"packed", 9, {{0, 4, 4}, {4, 2, 2}, {6, 3, 3}}},
          {"padded on the right", 15, {{0, 4, 4}, {5, 2, 2}, {10, 3, 3}}},
          {"padded on the left", 15, {{1, 4, 4}, {8, 2, 2}, {12, 3, 3}}},
          {"a single token", 1, {{0, 1, 1}}},
          {"samples of length 1 and 0", 4, {{0, 1, 1}, {1, 0, 0}, {1, 2, 2}, {3, 1, 1}}},
          {"padded rows that take part", 10, {{0, 5, 3}, {5, 5, 1}}},
          {"rows without a key", 9, {{0, 4, 4}, {4, 3, 0}, {7, 2, 2}}}};
}

TEST_CASE("attention gives what plain loops give, in every layout, causal or not") {
  for (const auto& layout : layouts())
    for (const bool causal : {false, true})
      for (const int threads : {1, 3}) {
        INFO(layout.name << (causal ? ", causal" : "") << ", threads " << threads);
        workplace w(layout.tokens, 2, 3, layout.rows);
        for (matrix<>* m : {&w.context, &w.log_sum, &w.scores, &w.probabilities}) m->fill(nan);
        for (index t = 0; t < w.tokens; ++t)  // garbage between the samples
          for (index c = 0; c < 3 * w.width && !w.taken(t); ++c) w.qkv(t, c) = nan;
        const attention_shape shape{.heads = 2, .causal = causal};
        w.forward(shape, threads);
        const plain_attention want = plain(w, causal);
        check_equal(w.context, want.context);
        check_equal(w.scores, want.scores);
        check_equal(w.probabilities, want.probabilities);

        matrix<> kept = w.context;
        w.forward(shape, threads, false);  // without maps: the same bits
        for (index t = 0; t < w.tokens; ++t)
          if (w.taken(t)) CHECK(same_bits(row_block(kept.all(), t, 1), row_block(w.context.all(), t, 1)));
      }
}

TEST_CASE("the gradients of attention agree with central differences, in every layout, causal or not") {
  for (const auto& layout : layouts())
    for (const bool causal : {false, true})
      for (const double dropout : {0.0, 0.3}) {
        INFO(layout.name << (causal ? ", causal" : "") << ", dropout " << dropout);
        workplace w(layout.tokens, 2, 3, layout.rows);
        const attention_shape shape{
            .heads = 2, .causal = causal, .dropout = dropout, .random = {1, 2, 3}, .longest = 5};
        for (const bool wants_maps : {false, true}) {
          (void)w.value(shape);
          w.dqkv.fill(0);
          w.backward(shape, 2, wants_maps);
          CHECK(slope_error(w.qkv, w.dqkv, [&] { return w.value(shape, wants_maps); }) < 1e-7);
        }
      }
}

/// The rows of `of` that belong to each sample's first `most` tokens, one behind the other.
matrix<> first_rows(const view<const double, 2>& of, const std::vector<sample_rows>& rows, index most) {
  std::vector<index> tokens;
  for (const sample_rows& s : rows)
    for (index r = 0; r < std::min(most, s.length); ++r) tokens.push_back(s.begin + r);
  matrix<> out(static_cast<index>(tokens.size()), of.extent(1));
  for (index i = 0; i < out.rows(); ++i)
    std::copy_n(&of(tokens[static_cast<std::size_t>(i)], 0), out.columns(), &out(i, 0));
  return out;
}

TEST_CASE("attention for the first queries of each sample gives their rows, and what they pass back") {
  for (const auto& layout : layouts())
    for (const bool causal : {false, true})
      for (const index most : {1, 2}) {
        INFO(layout.name << (causal ? ", causal" : "") << ", " << most << " queries a sample");
        workplace w(layout.tokens, 2, 3, layout.rows);
        std::vector<sample_rows> queries;
        index count = 0;
        for (const sample_rows& s : w.rows) {
          queries.push_back({count, std::min(most, s.length), 0});
          count += queries.back().length;
        }
        for (index t = 0; t < w.tokens; ++t)  // nothing comes back to the other rows
          if (const sample_rows* s = w.sample_of(t); s == nullptr || t - s->begin >= most)
            std::fill_n(&w.dcontext(t, 0), w.width, 0.0);
        const attention_shape shape{.heads = 2, .causal = causal};
        w.forward(shape, 1, false);
        w.backward(shape, 1, false);

        const matrix<> q = first_rows(read_only(w.third(w.qkv, 0)), w.rows, most);
        const matrix<> dcontext = first_rows(w.dcontext.seen(), w.rows, most);
        matrix<> context(count, w.width), log_sum(count, 2), dq(count, w.width), dkv(w.tokens, 2 * w.width);
        const cpu_executor<> on{2};
        ops::attention(on, shape, seen(w.rows), q.seen(), read_only(w.third(w.qkv, 1)), read_only(w.third(w.qkv, 2)),
                       context.all(), log_sum.all(), square_blocks<double>{}, square_blocks<double>{}, seen(queries));
        CHECK(same_bits(context.seen(), first_rows(w.context.seen(), w.rows, most).seen()));
        CHECK(same_bits(log_sum.seen(), first_rows(w.log_sum.seen(), w.rows, most).seen()));
        ops::attention_backward(
            on, shape, seen(w.rows), q.seen(), read_only(w.third(w.qkv, 1)), read_only(w.third(w.qkv, 2)),
            log_sum.seen(), dcontext.seen(), square_blocks<const double>{}, square_blocks<const double>{}, dq.all(),
            column_block(dkv.all(), 0, w.width), column_block(dkv.all(), w.width, w.width), seen(queries));
        CHECK(same_bits(dq.seen(), first_rows(read_only(w.third(w.dqkv, 0)), w.rows, most).seen()));
        CHECK(largest_gap(dkv.seen(), read_only(column_block(w.dqkv.all(), w.width, 2 * w.width))) < 1e-14);
      }
}

TEST_CASE("attention lets no NaN of a padding row into values or gradients") {
  for (const auto& layout : layouts()) {
    INFO(layout.name);
    workplace clean(layout.tokens, 2, 3, layout.rows), dirty(layout.tokens, 2, 3, layout.rows);
    for (index t = 0; t < dirty.tokens; ++t)
      if (!dirty.taken(t))
        for (matrix<>* m : {&dirty.qkv, &dirty.dcontext, &dirty.log_sum}) std::fill_n(&(*m)(t, 0), m->columns(), nan);
    const plain_attention visible = plain(dirty, true);
    for (index i = 0; i < dirty.dscores.count(); ++i)  // nor one of an entry that no row looks at
      if (std::isnan(visible.scores.data()[i])) dirty.dscores.data()[i] = dirty.dprobabilities.data()[i] = nan;
    const attention_shape shape{.heads = 2, .causal = true};
    clean.forward(shape);
    clean.backward(shape);
    dirty.forward(shape);
    dirty.backward(shape);
    for (index t = 0; t < clean.tokens; ++t)
      if (clean.taken(t)) {
        CHECK(same_bits(row_block(clean.context.all(), t, 1), row_block(dirty.context.all(), t, 1)));
        CHECK(same_bits(row_block(clean.dqkv.all(), t, 1), row_block(dirty.dqkv.all(), t, 1)));
      } else {
        CHECK(same_bits(row_block(dirty.dqkv.all(), t, 1), matrix<>(1, 3 * clean.width).all()));  // not written
      }
  }
}

TEST_CASE("attention over samples longer than its block of rows agrees with plain loops and central differences") {
  for (const bool causal : {false, true}) {
    workplace w(150, 1, 4, {{0, 64, 64}, {64, 65, 65}, {129, 21, 21}});
    for (matrix<>* m : {&w.context, &w.log_sum, &w.scores, &w.probabilities}) m->fill(nan);
    const attention_shape shape{.heads = 1, .causal = causal, .longest = 65};
    w.forward(shape, 2);
    const plain_attention want = plain(w, causal);
    check_equal(w.context, want.context);
    check_equal(w.scores, want.scores);
    check_equal(w.probabilities, want.probabilities);
    w.backward(shape, 2);
    CHECK(slope_error(
              w.qkv, w.dqkv, [&] { return w.value(shape); }, 61) < 1e-7);
  }
  workplace w(140, 1, 4, {{0, 140, 140}});
  const attention_shape shape{.heads = 1, .dropout = 0.2, .random = {1, 2, 3}, .longest = 140};
  w.forward(shape);
  w.backward(shape);
  CHECK(slope_error(
            w.qkv, w.dqkv, [&] { return w.value(shape); }, 61) < 1e-7);
}

TEST_CASE("attention has the same bits for every number of threads, and again") {
  workplace one(300, 4, 8, {{0, 100, 100}, {100, 37, 37}, {137, 163, 163}});
  const attention_shape shape{.heads = 4, .dropout = 0.1, .random = {5, 6, 7}, .longest = 163};
  one.forward(shape, 1);
  one.backward(shape, 1);
  for (const int threads : {1, 2, 3, 7}) {
    workplace many(300, 4, 8, one.rows);
    many.forward(shape, threads);
    many.backward(shape, threads);
    CHECK(same_bits(one.context.all(), many.context.all()));
    CHECK(same_bits(one.dqkv.all(), many.dqkv.all()));
    CHECK(same_bits(one.probabilities.all(), many.probabilities.all()));
  }
}

/// The probabilities after dropout of one sample of `length` rows, [length, length] a head: values are unit vectors.
matrix<> dropped(index length, index heads, const attention_shape& shape) {
  workplace w(length, heads, length, {{0, length, length}});
  for (index t = 0; t < length; ++t)
    for (index c = 0; c < w.width; ++c) {
      w.qkv(t, c) = 0;  // every score is 0, every probability 1 / length
      w.qkv(t, 2 * w.width + c) = c % length == t ? 1 : 0;
    }
  w.forward(shape);
  return std::move(w.context);
}

TEST_CASE("dropout of attention drops probabilities at its rate, and scales the others") {
  const index length = 41, heads = 3;
  const attention_shape shape{.heads = heads, .dropout = 0.3, .random = {1, 2, 3}, .longest = length};
  const matrix<> p = dropped(length, heads, shape);
  index zeros = 0;
  for (index i = 0; i < p.count(); ++i) {
    if (p.data()[i] == 0)
      ++zeros;
    else
      CHECK(p.data()[i] == Approx(1 / 0.7 / 41));
  }
  const auto count = static_cast<double>(p.count());
  CHECK(std::abs(static_cast<double>(zeros) / count - 0.3) < 4 * std::sqrt(0.21 / count));

  // no row of any head has the mask of another
  std::set<std::vector<bool>> masks;
  for (index r = 0; r < length; ++r)
    for (index h = 0; h < heads; ++h) {
      std::vector<bool> mask;
      for (index c = 0; c < length; ++c) mask.push_back(p(r, h * length + c) == 0);
      masks.insert(mask);
    }
  CHECK(static_cast<index>(masks.size()) == length * heads);

  attention_shape later = shape;
  later.random.step = 9;
  CHECK(same_bits(p.seen(), dropped(length, heads, shape).seen()));
  CHECK_FALSE(same_bits(p.seen(), dropped(length, heads, later).seen()));
}

TEST_CASE("kept probabilities are those before dropout") {
  workplace w(7, 2, 3, {{0, 4, 4}, {4, 3, 3}});
  w.probabilities.fill(nan);
  w.forward({.heads = 2, .dropout = 0.5, .random = {1, 2, 3}, .longest = 4});
  check_equal(w.probabilities, plain(w, false).probabilities);
}

TEST_CASE("without values attention gives the maps alone, bit for bit") {
  workplace torn(9, 2, 5, {{0, 4, 4}});
  CHECK_THROWS_WITH(ops::attention(cpu_executor<>{}, {.heads = 2}, seen(torn.rows), read_only(torn.third(torn.qkv, 0)),
                                   read_only(torn.third(torn.qkv, 1)), view<const double, 2>{}, torn.context.all(),
                                   view<double, 2>{}, square_blocks<double>{}, square_blocks<double>{}),
                    "attention: values, context and log_sum are all there, or none is");
  for (const bool causal : {false, true}) {
    workplace whole(9, 2, 5, {{0, 4, 4}, {5, 4, 3}}), maps = whole;
    const attention_shape shape{.heads = 2, .causal = causal};
    whole.forward(shape);
    maps.context.fill(nan);
    maps.maps_alone(shape, true);
    CHECK(same_bits(maps.scores.all(), whole.scores.all()));
    CHECK(same_bits(maps.probabilities.all(), whole.probabilities.all()));
    workplace scores = whole;
    scores.scores.fill(0);
    scores.probabilities.fill(0);
    whole.probabilities.fill(0);
    scores.maps_alone(shape, false);
    CHECK(same_bits(scores.scores.all(), whole.scores.all()));
    CHECK(same_bits(scores.probabilities.all(), whole.probabilities.all()));
  }
}

TEST_CASE("attention in float agrees with double") {
  workplace w(90, 2, 8, {{0, 70, 70}, {70, 20, 20}});
  const matrix<float> qkv(w.qkv), dcontext(w.dcontext);
  matrix<float> context(90, 16), log_sum(90, 2), dqkv(90, 48);
  const attention_shape shape{.heads = 2, .dropout = 0.1, .random = {1, 2, 3}, .longest = 70};
  const auto third = [&](const auto& of, index which) { return column_block(of, which * 16, index{16}); };
  const cpu_executor<> on{2};
  ops::attention(on, shape, seen(w.rows), third(qkv.seen(), 0), third(qkv.seen(), 1), third(qkv.seen(), 2),
                 context.all(), log_sum.all(), square_blocks<float>{}, square_blocks<float>{});
  ops::attention_backward(on, shape, seen(w.rows), third(qkv.seen(), 0), third(qkv.seen(), 1), third(qkv.seen(), 2),
                          log_sum.seen(), dcontext.seen(), square_blocks<const float>{}, square_blocks<const float>{},
                          third(dqkv.all(), 0), third(dqkv.all(), 1), third(dqkv.all(), 2));
  w.forward(shape);
  w.backward(shape, 1, false);
  CHECK(largest_gap(context.seen(), w.context.seen()) < 1e-5);
  CHECK(largest_gap(dqkv.seen(), w.dqkv.seen()) < 1e-5);
}

TEST_CASE("attention of huge scores is finite") {
  workplace w(6, 1, 4, {{0, 6, 6}});
  for (index i = 0; i < w.qkv.count(); ++i) w.qkv.data()[i] *= 1e4;
  const attention_shape shape{.heads = 1};
  w.forward(shape);
  w.backward(shape);
  for (index i = 0; i < w.context.count(); ++i) CHECK(std::isfinite(w.context.data()[i]));
  for (index i = 0; i < w.dqkv.count(); ++i) CHECK(std::isfinite(w.dqkv.data()[i]));
}

TEST_CASE("attention names heads that do not divide the width") {
  workplace w(4, 2, 3, {{0, 4, 4}});
  CHECK_THROWS_WITH(w.forward({.heads = 4}), "attention: 4 heads do not divide a width of 6");
  CHECK_THROWS_WITH(w.backward({.heads = 0}), "attention: 0 heads do not divide a width of 6");
}

}  // namespace
}  // namespace limbeck
