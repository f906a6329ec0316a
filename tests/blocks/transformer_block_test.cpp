// A transformer layer and its halves: gradients against central differences, and what a pass may reuse.
#include "limbeck/blocks/transformer_block.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error;

constexpr index width = 6, heads = 2, inner = 9;

/// The parameters of a layer, one behind the other in one buffer.
template <class Block, class T>
typename Block::template parameters<T> look_at(view<T, 1> flat) {
  index at = 0;
  const auto two = [&](index rows, index columns) {
    at += rows * columns;
    return view<T, 2>(flat.data() + at - rows * columns, rows, columns);
  };
  const auto one = [&](index count) {
    at += count;
    return view<T, 1>(flat.data() + at - count, count);
  };
  typename Block::template parameters<T> p;
  p.attention = {two(3 * width, width), two(width, width), one(3 * width), one(width)};
  p.attention_norm = {one(width), one(width)};
  p.forward_net = {two(inner, width), two(width, inner), one(inner), one(width)};
  p.output_norm = {one(width), one(width)};
  return p;
}
constexpr index parameter_count = 4 * width * width + 2 * width * inner + 9 * width + inner;

template <class Placement, class Mask, class Activation>
void check_gradients(double dropout, const std::vector<sample_rows>& rows, index tokens, bool gaps,
                     bool exchanged = false) {
  using block = transformer_block<Placement, Mask, Activation>;
  const block layer{{width, heads, exchanged}, {width, inner}, {width, 1e-3}, {width, 1e-3}};
  const batch_layout<> batch{view<const sample_rows, 1>(rows.data(), rows.size()), tokens, 4, gaps};
  const pass_mode mode{.keeps = true, .dropout = dropout, .attention_dropout = dropout, .seed = 1, .step = 2};
  matrix<> x(tokens, width, 1), weights(1, parameter_count, 2), y(tokens, width);
  matrix<> gradient(1, parameter_count);
  matrix<> dy(tokens, width, 3);
  const matrix<> dq(tokens, width, 4), dk(tokens, width, 5), dv(tokens, width, 6);
  if (gaps)
    for (index c = 0; c < width; ++c) dy(tokens - 1, c) = 0;  // the last token is nobody's
  const cpu_executor<> on{2};
  arena memory;
  const auto k = layer.template keep<double>(memory, batch);
  const auto value = [&] {
    layer.forward(on, look_at<block>(weights.seen_flat()), batch, mode, 6, x.seen(), k, {}, memory, y.all());
    double sum = inner_product(y.seen(), dy.seen());
    for (const sample_rows& s : rows) {
      const auto of_sample = [&](index which, const matrix<>& d) {
        return inner_product(row_block(k.attention.third(which), s.begin, s.length),
                             row_block(d.seen(), s.begin, s.length));
      };
      sum += of_sample(0, dq) + of_sample(1, dk) + of_sample(2, dv);
    }
    return sum;
  };
  (void)value();
  matrix<> dx = dy;
  // queries, keys and values of tokens that belong to nobody are wanted by nobody
  matrix<> q = dq, key = dk, v = dv;
  if (gaps)
    for (matrix<>* m : {&q, &key, &v}) std::fill_n(&(*m)(tokens - 1, 0), width, 0.0);
  attention_wishes<double> wanted;
  wanted.queries = q.seen();
  wanted.keys = key.seen();
  wanted.values = v.seen();
  layer.backward(on, look_at<block>(weights.seen_flat()), batch, mode, 6, x.seen(), k, wanted,
                 look_at<block>(gradient.flat()), memory, dx.all());
  CHECK(slope_error(x, dx, value) < 1e-7);
  CHECK(slope_error(weights, gradient, value) < 1e-7);
}

TEST_CASE("the gradients of a post-norm layer agree with central differences") {
  for (const double dropout : {0.0, 0.3}) {
    check_gradients<post_norm, bidirectional_mask, gelu>(dropout, {{0, 4, 4}, {4, 1, 1}, {5, 2, 2}}, 7, false);
    check_gradients<post_norm, bidirectional_mask, gelu>(dropout, {{0, 4, 4}, {4, 1, 1}}, 6, true);
    check_gradients<post_norm, bidirectional_mask, gelu>(dropout, {{0, 4, 4}, {4, 1, 1}}, 6, true, true);
  }
}
TEST_CASE("the gradients of a pre-norm, causal layer agree with central differences") {
  for (const double dropout : {0.0, 0.3}) {
    check_gradients<pre_norm, causal_mask, gelu_tanh>(dropout, {{0, 4, 4}, {4, 1, 1}, {5, 2, 2}}, 7, false);
    check_gradients<pre_norm, causal_mask, gelu_tanh>(dropout, {{0, 4, 4}, {4, 1, 1}}, 6, true);
  }
}

TEST_CASE("exchanged queries and keys have the transposed scores, each in its own place of the signals") {
  const self_attention<> plain{width, heads}, exchanged{width, heads, true};
  const std::vector<sample_rows> rows = {{0, 3, 3}, {3, 2, 2}};
  const batch_layout<> batch{view<const sample_rows, 1>(rows.data(), rows.size()), 5, 3};
  const std::vector<block> at = {{0, 3}, {heads * 9, 2}};
  const matrix<> x(5, width, 1), weights(1, parameter_count, 2);
  const auto p = look_at<transformer_block<>>(weights.seen_flat()).attention;
  matrix<> maps(2, heads * 13), y(5, width);
  arena memory;
  const auto run = [&](const self_attention<>& layer, index which) {
    attention_maps<double> kept;
    kept.scores = {&maps(which, 0), heads, view<const block, 1>(at.data(), at.size())};
    const auto k = layer.keep<double>(memory, batch);
    layer.forward(cpu_executor<>{}, p, batch, pass_mode{}, 0, x.seen(), k, kept, y.all());
    return k;
  };
  const auto a = run(plain, 0), b = run(exchanged, 1);
  CHECK(largest_gap(a.third(0), b.third(1)) == 0);
  CHECK(largest_gap(a.third(1), b.third(0)) == 0);
  CHECK(largest_gap(a.third(2), b.third(2)) == 0);
  for (const block& s : at)
    for (index head = 0; head < heads; ++head) {
      const index first = s.offset + head * s.side * s.side;
      const view<const double, 2> one(&maps(0, first), s.side, s.side), other(&maps(1, first), s.side, s.side);
      CHECK(largest_gap(one, transposed(other)) < 1e-14);
    }
}

/// A layer that answers for each sample's first token alone: what a whole layer gives there, and its gradients.
template <class Placement, class Mask>
void check_first_tokens(double dropout, bool exchanged = false) {
  using block = transformer_block<Placement, Mask>;
  const block layer{{width, heads, exchanged}, {width, inner}, {width, 1e-3}, {width, 1e-3}};
  const std::vector<sample_rows> rows = {{0, 4, 4}, {4, 0, 0}, {4, 1, 1}, {6, 3, 2}};  // token 5 is nobody's
  const std::vector<sample_rows> queries = {{0, 1, 1}, {1, 0, 0}, {1, 1, 1}, {2, 1, 1}};
  const std::vector<std::int32_t> tokens = {0, 4, 6};
  batch_layout<> batch{view<const sample_rows, 1>(rows.data(), rows.size()), 9, 4, true};
  const batch_layout<> whole = batch;
  batch.queries = view<const sample_rows, 1>(queries.data(), queries.size());
  batch.query_tokens = view<const std::int32_t, 1>(tokens.data(), tokens.size());
  const pass_mode mode{.keeps = true, .dropout = dropout, .attention_dropout = dropout, .seed = 1, .step = 2};
  matrix<> x(9, width, 1), weights(1, parameter_count, 2), y(3, width), all(9, width), gradient(1, parameter_count);
  const matrix<> dy(3, width, 3);
  const cpu_executor<> on{2};
  arena memory;
  const auto p = look_at<block>(weights.seen_flat());
  const auto k = layer.template keep<double>(memory, batch);
  const auto value = [&] {
    layer.forward(on, p, batch, mode, 6, x.seen(), k, {}, memory, y.all());
    return inner_product(y.seen(), dy.seen());
  };
  (void)value();
  if (dropout == 0) {
    layer.forward(on, p, whole, mode, 6, x.seen(), layer.template keep<double>(memory, whole), {}, memory, all.all());
    for (index i = 0; i < 3; ++i)
      CHECK(largest_gap(row_block(y.seen(), i, 1), row_block(all.seen(), tokens[static_cast<std::size_t>(i)], 1)) <
            1e-13);
  }
  matrix<> dx(9, width, 4);  // only the rows of dy mean anything
  ops::copy(on, dy.seen(), row_block(dx.all(), 0, 3));
  layer.backward(on, p, batch, mode, 6, x.seen(), k, {}, look_at<block>(gradient.flat()), memory, dx.all());
  CHECK(slope_error(x, dx, value) < 1e-7);
  CHECK(slope_error(weights, gradient, value) < 1e-7);
}

TEST_CASE("a layer may answer for first tokens alone: the same rows, and gradients as central differences have them") {
  for (const double dropout : {0.0, 0.3}) {
    check_first_tokens<post_norm, bidirectional_mask>(dropout);
    check_first_tokens<post_norm, bidirectional_mask>(dropout, true);
    check_first_tokens<pre_norm, bidirectional_mask>(dropout);
    check_first_tokens<pre_norm, causal_mask>(dropout);
  }
}

TEST_CASE("feed_forward may write where it reads") {
  const feed_forward<> net{width, inner};
  const matrix<> w1(inner, width, 1), w2(width, inner, 2), b1(1, inner, 3), b2(1, width, 4);
  const feed_forward<>::parameters<const double> p{w1.seen(), w2.seen(), b1.seen_flat(), b2.seen_flat()};
  matrix<> x(5, width, 5), y(5, width), want(5, width);
  arena memory;
  const auto k = net.keep<double>(memory, 5);
  net.forward(cpu_executor<>{}, p, x.seen(), k, y.all());
  for (index r = 0; r < 5; ++r)
    for (index o = 0; o < width; ++o) {
      want(r, o) = b2(0, o);
      for (index h = 0; h < inner; ++h) {
        double before = b1(0, h);
        for (index c = 0; c < width; ++c) before += w1(h, c) * x(r, c);
        want(r, o) += w2(o, h) * gelu{}.value(before);
      }
    }
  CHECK(largest_gap(y.seen(), want.seen()) < 1e-14);
  net.forward(cpu_executor<>{}, p, x.seen(), k, x.all());
  CHECK(same_bits(x.seen(), y.seen()));
}

TEST_CASE("a layer gives its sublayers streams of their own, and a step masks of its own") {
  using block = transformer_block<>;
  const block layer{{width, heads}, {width, inner}, {width, 1e-3}, {width, 1e-3}};
  static_assert(block::sites == 3);
  const std::vector<sample_rows> rows = {{0, 4, 4}};
  const batch_layout<> batch{view<const sample_rows, 1>(rows.data(), 1), 4, 4, false};
  const matrix<> x(4, width, 1), weights(1, parameter_count, 2);
  arena memory;
  const auto run = [&](double dropout, double attention_dropout, std::uint64_t step, std::uint32_t site) {
    matrix<> y(4, width);
    const auto k = layer.keep<double>(memory, batch);
    layer.forward(cpu_executor<>{}, look_at<block>(weights.seen_flat()), batch,
                  {.dropout = dropout, .attention_dropout = attention_dropout, .seed = 1, .step = step}, site, x.seen(),
                  k, {}, memory, y.all());
    return y;
  };
  CHECK(same_bits(run(0, 0, 1, 0).all(), run(0, 0, 2, 3).all()));
  CHECK(same_bits(run(0.5, 0.5, 1, 0).all(), run(0.5, 0.5, 1, 0).all()));
  CHECK_FALSE(same_bits(run(0.5, 0, 1, 0).all(), run(0.5, 0, 2, 0).all()));
  CHECK_FALSE(same_bits(run(0, 0.5, 1, 0).all(), run(0, 0.5, 2, 0).all()));
  CHECK_FALSE(same_bits(run(0.5, 0, 1, 0).all(), run(0.5, 0, 1, 3).all()));
}

}  // namespace
}  // namespace limbeck
