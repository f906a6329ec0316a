// Operations on a device against plain loops in double: the cases that run on a device and, through the shim, without.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "device_memory.hpp"
#include "limbeck/ops/activated_linear.hpp"
#include "limbeck/ops/activation.hpp"
#include "limbeck/ops/argmax.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/layer_norm.hpp"
#include "limbeck/ops/linear.hpp"
#include "limbeck/ops/matmul.hpp"
#include "limbeck/ops/maxsim.hpp"

namespace limbeck_test {

using limbeck::cuda;
using limbeck::cuda_executor;
using limbeck::random_stream;

/// A matrix in double, as it was before or as it has to be afterwards.
struct plain_matrix {
  index rows = 0, columns = 0;
  std::vector<double> data;

  /// Numbers between -2 and 2, which a float holds; the same ones for the same seed.
  plain_matrix(index rows, index columns, unsigned seed)
      : rows(rows), columns(columns), data(static_cast<std::size_t>(rows * columns)) {
    unsigned state = seed * 2654435769U + 1;
    for (double& x : data) {
      state = state * 1664525U + 1013904223U;
      x = static_cast<double>(state >> 16) / 16384.0 - 2;
    }
  }
  template <std::invocable<index, index> F>
  plain_matrix(index rows, index columns, const F& f) : rows(rows), columns(columns) {
    for (index r = 0; r < rows; ++r)
      for (index c = 0; c < columns; ++c) data.push_back(f(r, c));
  }
  double operator()(index r, index c) const { return data[static_cast<std::size_t>(r * columns + c)]; }
};

/// The same on a device, in rows that may lie apart.
template <class T>
class on_device_as {
 public:
  on_device_as(const plain_matrix& m, device_layout as)
      : rows_(m.rows),
        columns_(m.columns),
        memory_({}, std::vector<T>(m.data.begin(), m.data.end()), rows_, columns_, as) {}

  [[nodiscard]] limbeck::view<T, 2, cuda> all() { return memory_.all(); }
  [[nodiscard]] limbeck::view<const T, 2, cuda> seen() { return memory_.all(); }
  [[nodiscard]] limbeck::view<T, 1, cuda> flat() { return limbeck::view<T, 1, cuda>(memory_.all().data(), columns_); }
  [[nodiscard]] limbeck::view<const T, 1, cuda> seen_flat() { return flat(); }
  [[nodiscard]] std::optional<std::vector<T>> back() { return memory_.back({}); }
  /// Every number is what it should be, and nothing beside was written to.
  void check(const plain_matrix& want, double tolerance) {
    const auto got = back();
    REQUIRE(got.has_value());
    double furthest = 0;
    for (std::size_t i = 0; i < got->size(); ++i) {
      const double gap =
          std::abs(static_cast<double>((*got)[i]) - want.data[i]) / std::max(1.0, std::abs(want.data[i]));
      furthest = gap <= furthest ? furthest : gap;  // NaN is far
    }
    CHECK(furthest <= tolerance);
  }

 private:
  index rows_, columns_;
  device_matrix<T> memory_;
};

template <class T>
inline constexpr double device_tolerance = std::is_same_v<T, float> ? 4e-6 : 1e-13;

/// Calls body(rows, columns, layout) for shapes that fours do and do not divide, with and without gaps behind rows.
template <class Body>
void for_device_shapes(const Body& body) {
  for (const auto& [rows, columns] : {std::pair<index, index>{1, 1}, {5, 7}, {2, 132}, {70, 33}})
    for (const index gap : {0, 3}) {
      INFO("[" << rows << ", " << columns << "], " << gap << " behind each row");
      body(rows, columns, device_layout{1, gap});
    }
}

template <class T>
void check_elementwise() {
  namespace ops = limbeck::ops;
  const cuda_executor on;
  for_device_shapes([&](index rows, index columns, device_layout as) {
    const plain_matrix x(rows, columns, 1), y(rows, columns, 2);
    on_device_as<T> from(x, as), to(y, as);
    ops::add(on, from.seen(), to.all());
    to.check({rows, columns, [&](index r, index c) { return x(r, c) + y(r, c); }}, 0);
    ops::copy(on, from.seen(), to.all());
    to.check(x, 0);
    ops::fill(on, T(2.5), to.all());
    to.check({rows, columns, [](index, index) { return 2.5; }}, 0);
  });
}

/// Of numbers of which many are equal, the largest in the first column, the last one, or anywhere.
template <class T>
void check_argmax() {
  for (const index columns : {1, 2, 31, 33, 700})
    for (const device_layout as : {device_layout{}, device_layout{1, 3}}) {
      INFO(columns << " columns");
      const plain_matrix x(5, columns, [&](index r, index c) {
        return (r == 0 && c == 0) || (r == 1 && c == columns - 1) ? 9 : static_cast<double>(c * (r + 7) % 11);
      });
      on_device_as<T> from(x, as);
      device_copy<std::int32_t> best({}, std::vector<std::int32_t>(5, -1));
      limbeck::ops::argmax(cuda_executor{}, from.seen(), best.all());
      const std::vector<std::int32_t> got = best.back({});
      for (index r = 0; r < 5; ++r) {
        const auto row = x.data.begin() + r * columns;
        CHECK(got[static_cast<std::size_t>(r)] == std::max_element(row, row + columns) - row);
      }
    }
}

template <class T, class Activation>
void check_activation(const Activation& activation) {
  namespace ops = limbeck::ops;
  const cuda_executor on;
  for_device_shapes([&](index rows, index columns, device_layout as) {
    const plain_matrix x(rows, columns, 3), dy(rows, columns, 4), bias(1, columns, 5);
    on_device_as<T> before(x, as), after(dy, as), slope(dy, as), plus(bias, {});
    const auto value = [&](double at) { return activation.value(at); };
    ops::transform(on, activation, before.seen(), after.all());
    after.check({rows, columns, [&](index r, index c) { return value(x(r, c)); }}, device_tolerance<T>);
    ops::transform_backward(on, activation, before.seen(), slope.seen(), slope.all());
    slope.check({rows, columns, [&](index r, index c) { return dy(r, c) * activation.slope(x(r, c)); }},
                device_tolerance<T>);
    ops::transform_biased(on, activation, plus.seen_flat(), before.all(), after.all());
    const plain_matrix sum(rows, columns, [&](index r, index c) { return x(r, c) + bias(0, c); });
    before.check(sum, device_tolerance<T>);
    after.check({rows, columns, [&](index r, index c) { return value(sum(r, c)); }}, device_tolerance<T>);
    ops::transform_biased(on, activation, {}, before.all(), before.all());
    before.check({rows, columns, [&](index r, index c) { return value(sum(r, c)); }}, device_tolerance<T>);
  });
}

/// What dropout leaves of x at a place: by the words that the stream has there.
inline double dropped_at(const random_stream& stream, double rate, double x, index r, index c, index columns) {
  const auto place = static_cast<std::uint32_t>(r * ((columns + 3) / 4) + c / 4);
  const bool drops = static_cast<double>(stream.at(place).word[c % 4]) < std::floor(rate * 0x1p32);
  return drops ? 0 : x / (1 - rate);
}

template <class T>
void check_dropout() {
  namespace ops = limbeck::ops;
  const cuda_executor on;
  const random_stream stream{7, 11, 13};
  for (const double rate : {0.0, 0.25})
    for_device_shapes([&](index rows, index columns, device_layout as) {
      const plain_matrix x(rows, columns, 6), residual(rows, columns, 7);
      const plain_matrix want(rows, columns,
                              [&](index r, index c) { return dropped_at(stream, rate, x(r, c), r, c, columns); });
      on_device_as<T> from(x, as), under(residual, as), to(residual, as);
      ops::dropout(on, rate, stream, from.seen(), to.all());
      to.check(want, device_tolerance<T>);
      ops::add_dropped(on, rate, stream, from.seen(), under.seen(), to.all());
      to.check({rows, columns, [&](index r, index c) { return residual(r, c) + want(r, c); }}, device_tolerance<T>);
      ops::dropout(on, rate, stream, from.all());
      from.check(want, device_tolerance<T>);
    });
}

template <class T>
void check_bias() {
  const cuda_executor on;
  for_device_shapes([&](index rows, index columns, device_layout as) {
    const plain_matrix y(rows, columns, 8), bias(1, columns, 9);
    on_device_as<T> to(y, as), plus(bias, {}), sums(bias, {});
    limbeck::ops::detail::add_column_sums(cuda{}, on, to.seen(), sums.flat());
    sums.check({1, columns,
                [&](index, index c) {
                  double sum = bias(0, c);
                  for (index r = 0; r < rows; ++r) sum += y(r, c);
                  return sum;
                }},
               device_tolerance<T>);
    limbeck::ops::detail::add_to_rows(cuda{}, on, plus.seen_flat(), to.all());
    to.check({rows, columns, [&](index r, index c) { return y(r, c) + bias(0, c); }}, device_tolerance<T>);
  });
}

/// alpha a b + beta before.
inline plain_matrix product_of(const plain_matrix& a, const plain_matrix& b, double alpha, double beta,
                               const plain_matrix& before) {
  return {a.rows, b.columns, [&](index r, index c) {
            double sum = 0;
            for (index i = 0; i < a.columns; ++i) sum += a(r, i) * b(i, c);
            return alpha * sum + (beta == 0 ? 0 : beta * before(r, c));
          }};
}
inline plain_matrix turned(const plain_matrix& m) {
  return {m.columns, m.rows, [&](index r, index c) { return m(c, r); }};
}

/// Products of every form: factors and result by rows and by columns, with gaps, one row or column, nothing to sum.
template <class T>
void check_matmul(const cuda_executor& on) {
  namespace ops = limbeck::ops;
  const double tolerance = 50 * device_tolerance<T>;
  for (const auto& [rows, inner, columns] :
       {std::array<index, 3>{1, 1, 1}, {5, 7, 3}, {1, 9, 6}, {8, 1, 5}, {33, 64, 1}})
    for (const unsigned form : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U})
      for (const index gap : {0, 3}) {
        INFO("[" << rows << ", " << inner << "] by [" << inner << ", " << columns << "], form " << form << ", gap "
                 << gap);
        const plain_matrix a(rows, inner, 20), b(inner, columns, 21), c(rows, columns, 22);
        const auto stored = [&](const plain_matrix& m, unsigned bit) {
          return on_device_as<T>((form & bit) != 0 ? turned(m) : m, {1, gap});
        };
        on_device_as<T> left = stored(a, 1), right = stored(b, 2), out = stored(c, 4);
        const auto seen = [&](auto& of, unsigned bit) { return (form & bit) != 0 ? transposed(of.seen()) : of.seen(); };
        const auto to = (form & 4) != 0 ? transposed(out.all()) : out.all();
        const auto as_stored = [&](const plain_matrix& m) { return (form & 4) != 0 ? turned(m) : m; };
        ops::matmul(on, seen(left, 1), seen(right, 2), to, T(0.5), T(-2));
        const plain_matrix first = product_of(a, b, 0.5, -2, c);
        out.check(as_stored(first), tolerance);
        ops::matmul(on, seen(left, 1), seen(right, 2), to);
        out.check(as_stored(product_of(a, b, 1, 0, c)), tolerance);
      }
  const plain_matrix c(3, 4, 23), none(3, 0, [](index, index) { return 0.0; });
  on_device_as<T> out(c, {}), nothing(plain_matrix(3, 1, 1), {});
  const limbeck::view<const T, 2, cuda> left(nothing.all().data(), 3, 0), right(nothing.all().data(), 0, 4);
  ops::matmul(on, left, right, out.all(), T(1), T(3));
  out.check({3, 4, [&](index r, index k) { return 3 * c(r, k); }}, tolerance);
  ops::matmul(on, left, right, out.all());
  out.check({3, 4, [](index, index) { return 0.0; }}, 0);
}

template <class T>
void check_linear(const cuda_executor& on) {
  namespace ops = limbeck::ops;
  const double tolerance = 50 * device_tolerance<T>;
  for_device_shapes([&](index rows, index out, device_layout as) {
    const index in = 6;
    const plain_matrix x(rows, in, 30), weight(out, in, 31), bias(1, out, 32), dy(rows, out, 33);
    on_device_as<T> from(x, as), by(weight, as), plus(bias, {}), y(dy, as), slope(dy, as);
    on_device_as<T> dx(x, as), dweight(weight, as), dbias(bias, {});
    ops::linear(on, from.seen(), by.seen(), plus.seen_flat(), y.all());
    const plain_matrix product = product_of(x, turned(weight), 1, 0, x);
    y.check({rows, out, [&](index r, index c) { return product(r, c) + bias(0, c); }}, tolerance);
    ops::linear(on, from.seen(), by.seen(), {}, y.all());
    y.check(product, tolerance);
    ops::linear_backward(on, from.seen(), by.seen(), slope.seen(), dweight.all(), dbias.flat(), dx.all(), true);
    dx.check(product_of(dy, weight, 1, 1, x), tolerance);
    dweight.check(product_of(turned(dy), x, 1, 1, weight), tolerance);
    const plain_matrix ones(1, rows, [](index, index) { return 1.0; });
    dbias.check(product_of(ones, dy, 1, 1, bias), tolerance);
  });
}

/// Widths that the library of products takes with an activation, and others.
template <class T, class Activation>
void check_activated_linear(const cuda_executor& on, const Activation& activation) {
  namespace ops = limbeck::ops;
  const double tolerance = 50 * device_tolerance<T>;
  for (const index out : {8, 13, 40})
    for (const device_layout as : {device_layout{}, device_layout{1, 3}, device_layout{1, 8}}) {
      INFO(out << " columns");
      constexpr index rows = 5, in = 6;
      const plain_matrix x(rows, in, 30), weight(out, in, 31), bias(1, out, 32), none(rows, out, 33);
      on_device_as<T> from(x, as), by(weight, as), plus(bias, {}), before(none, as), after(none, as), alone(none, as);
      ops::activated_linear(on, activation, from.seen(), by.seen(), plus.seen_flat(), before.all(), after.all());
      const plain_matrix product = product_of(x, turned(weight), 1, 0, x);
      const plain_matrix sum(rows, out, [&](index r, index c) { return product(r, c) + bias(0, c); });
      before.check(sum, tolerance);
      after.check({rows, out, [&](index r, index c) { return activation.value(sum(r, c)); }}, tolerance);
      ops::activated_linear(on, activation, from.seen(), by.seen(), {}, alone.all(), alone.all());
      alone.check({rows, out, [&](index r, index c) { return activation.value(product(r, c)); }}, tolerance);

      const plain_matrix dy(rows, in, 35), back(in, out, 36), theirs(1, out, 37);
      on_device_as<T> slope(dy, as), through(back, as), sums(theirs, {}), kept(sum, as);
      const plain_matrix unbent = product_of(dy, back, 1, 0, sum);
      const plain_matrix want(rows, out, [&](index r, index c) { return unbent(r, c) * activation.slope(sum(r, c)); });
      ops::activated_linear_backward(on, activation, slope.seen(), through.seen(), kept.seen(), sums.flat(),
                                     after.all());
      after.check(want, 4 * tolerance);
      const plain_matrix ones(1, rows, [](index, index) { return 1.0; });
      sums.check(product_of(ones, want, 1, 1, theirs), 10 * tolerance);
      ops::activated_linear_backward(on, activation, slope.seen(), through.seen(), kept.seen(), {}, alone.all());
      alone.check(want, 4 * tolerance);
    }
}

/// Texts one behind the other with a token of nobody in between; some of their tokens do not count.
struct plain_texts {
  std::vector<limbeck::sample_rows> rows;
  std::vector<std::uint8_t> mask;
  plain_matrix vectors;

  plain_texts(const std::vector<index>& lengths, index width, unsigned seed) : vectors(0, width, seed) {
    index tokens = 0;
    for (const index length : lengths) {
      rows.push_back({tokens, length, length});
      tokens += length + 1;
    }
    vectors = plain_matrix(tokens, width, seed);
    for (index i = 0; i < tokens; ++i) mask.push_back((i + static_cast<index>(seed)) % 3 != 0);
  }
  [[nodiscard]] bool counts(index token) const { return mask[static_cast<std::size_t>(token)] != 0; }
};
/// For each token of a query and each passage the token that is best, -1 for none.
inline plain_matrix best_tokens(const plain_texts& queries, const plain_texts& passages) {
  plain_matrix best(queries.vectors.rows, static_cast<index>(passages.rows.size()), [](index, index) { return -2.0; });
  for (const limbeck::sample_rows& q : queries.rows)
    for (index i = q.begin; i < q.begin + q.length; ++i)
      for (std::size_t p = 0; p < passages.rows.size(); ++p) {
        double found = -1, top = 0;
        for (index j = passages.rows[p].begin; j < passages.rows[p].begin + passages.rows[p].length; ++j) {
          double product = 0;
          for (index k = 0; k < queries.vectors.columns; ++k) product += queries.vectors(i, k) * passages.vectors(j, k);
          if (!queries.counts(i) || !passages.counts(j) || (found >= 0 && product <= top)) continue;
          found = static_cast<double>(j);
          top = product;
        }
        best.data[static_cast<std::size_t>(i * best.columns) + p] = found;
      }
  return best;
}

/// Scores, the tokens they come from, and what flows back; texts without a token, and more tokens than a warp has
/// lanes.
template <class T>
void check_maxsim() {
  namespace ops = limbeck::ops;
  constexpr index width = 6;
  constexpr double none = -1e300;  // a score of -infinity
  const cuda_executor on;
  const plain_texts queries({2, 0, 5, 9}, width, 40), passages({40, 1, 0, 7, 70}, width, 41);
  const auto count = [](const plain_texts& t) { return static_cast<index>(t.rows.size()); };
  const plain_matrix best = best_tokens(queries, passages), dscores(count(queries), count(passages), 42);
  plain_matrix scores(count(queries), count(passages), [](index, index) { return 0.0; });
  plain_matrix dqueries(queries.vectors.rows, width, 43), dpassages(passages.vectors.rows, width, 44);
  on_device_as<T> of_queries(queries.vectors, {}), of_passages(passages.vectors, {}), into_queries(dqueries, {}),
      into_passages(dpassages, {}), got(scores, {}), slopes(dscores, {});
  for (index q = 0; q < scores.rows; ++q)
    for (index p = 0; p < scores.columns; ++p) {
      bool any = false;
      double& score = scores.data[static_cast<std::size_t>(q * scores.columns + p)];
      const limbeck::sample_rows& text = queries.rows[static_cast<std::size_t>(q)];
      for (index i = text.begin; i < text.begin + text.length; ++i) {
        const auto j = static_cast<index>(best(i, p));
        for (index k = 0; k < width && j >= 0; ++k) {
          score += queries.vectors(i, k) * passages.vectors(j, k);
          dqueries.data[static_cast<std::size_t>(i * width + k)] += dscores(q, p) * passages.vectors(j, k);
          dpassages.data[static_cast<std::size_t>(j * width + k)] += dscores(q, p) * queries.vectors(i, k);
        }
        any = any || j >= 0;
      }
      if (!any) score = none;
    }
  device_copy<limbeck::sample_rows> query_rows(on, queries.rows), passage_rows(on, passages.rows);
  device_copy<std::uint8_t> query_mask(on, queries.mask), passage_mask(on, passages.mask);
  device_copy<std::int32_t> tokens(on, std::vector<std::int32_t>(best.data.size(), -2));
  const ops::token_vectors<const T, cuda> seen{of_queries.seen(), read_only(query_rows.all()),
                                               read_only(query_mask.all())},
      shown{of_passages.seen(), read_only(passage_rows.all()), read_only(passage_mask.all())};
  const limbeck::view<std::int32_t, 2, cuda> found(tokens.all().data(), best.rows, best.columns);
  ops::maxsim(on, seen, shown, got.all(), found);
  const std::vector<std::int32_t> told = tokens.back(on);
  for (std::size_t i = 0; i < told.size(); ++i) CHECK(told[i] == best.data[i]);
  const auto values = got.back();
  REQUIRE(values.has_value());
  for (std::size_t i = 0; i < values->size(); ++i)
    if (scores.data[i] == none)
      CHECK((*values)[i] == -std::numeric_limits<T>::infinity());
    else
      CHECK(static_cast<double>((*values)[i]) == Approx(scores.data[i]).epsilon(1e-5));
  ops::maxsim_backward(on, seen, shown, read_only(found), slopes.seen(), into_queries.all(), into_passages.all());
  into_queries.check(dqueries, 50 * device_tolerance<T>);
  into_passages.check(dpassages, 50 * device_tolerance<T>);
}

/// Numbers of rows of a table, most of them among the first few.
inline std::vector<std::int32_t> numbers_of_rows(index count, index entries) {
  std::vector<std::int32_t> ids;
  for (index i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int32_t>(i % 3 == 0 ? i * 7 % entries : i % std::min<index>(entries, 3)));
  return ids;
}

template <class T>
void check_embedding() {
  namespace ops = limbeck::ops;
  const cuda_executor on;
  for (const index entries : {1, 2, 5, 40})
    for_device_shapes([&, entries = entries](index rows, index columns, device_layout as) {
      const plain_matrix table(entries, columns, 15), y(rows, columns, 16);
      auto ids = numbers_of_rows(rows, entries);
      device_copy<std::int32_t> numbers(on, ids);
      const limbeck::view<const std::int32_t, 1, cuda> named = numbers.all();
      const auto id = [&](index r) { return ids[static_cast<std::size_t>(r)]; };
      on_device_as<T> from(table, as), to(y, as), gradient(table, as);
      ops::gather_rows(on, from.seen(), named, to.all());
      to.check({rows, columns, [&](index r, index c) { return table(id(r), c); }}, 0);
      ops::gather_rows(on, from.seen(), named, to.all(), true);
      to.check({rows, columns, [&](index r, index c) { return 2 * table(id(r), c); }}, 0);

      ops::scatter_rows(on, to.seen(), named, gradient.all(), 1);
      gradient.check({entries, columns,
                      [&](index entry, index c) {
                        double sum = table(entry, c);
                        for (index r = 0; r < rows; ++r)
                          if (id(r) == entry && entry != 1) sum += 2 * table(entry, c);
                        return sum;
                      }},
                     device_tolerance<T>);
    });
}

/// A number that is not in the table: NaN, no gradient, nothing else touched.
inline void check_embedding_outside() {
  namespace ops = limbeck::ops;
  const cuda_executor on;
  const plain_matrix table(6, 5, 1), zeros(6, 5, [](index, index) { return 0.0; });
  device_copy<std::int32_t> numbers(on, {2, 6, -1, 2});
  const limbeck::view<const std::int32_t, 1, cuda> named = numbers.all();
  on_device_as<float> from(table, {}), gradient(zeros, {});
  device_copy<float> rows(on, std::vector<float>(20, 1));
  ops::gather_rows(on, from.seen(), named, limbeck::view<float, 2, cuda>(rows.all().data(), 4, 5));
  const auto got = rows.back(on);
  for (std::size_t i = 0; i < 20; ++i)
    if (i < 5 || i >= 15)
      CHECK(static_cast<double>(got[i]) == table(2, static_cast<index>(i % 5)));
    else
      CHECK(std::isnan(got[i]));
  device_copy<float> ones(on, std::vector<float>(20, 1));
  ops::scatter_rows(on, limbeck::view<const float, 2, cuda>(ones.all().data(), 4, 5), named, gradient.all());
  gradient.check({6, 5, [](index entry, index) { return entry == 2 ? 2.0 : 0.0; }}, 0);
}

/// A normalised matrix by its formulas, and what flows back through it.
struct plain_norm {
  plain_matrix normalised, y, dx;
  std::vector<double> spread;

  plain_norm(const plain_matrix& x, const plain_matrix& gain, const plain_matrix& bias, const plain_matrix& dy)
      : normalised(x), y(x), dx(x) {
    const auto width = static_cast<double>(x.columns);
    for (index r = 0; r < x.rows; ++r) {
      double mean = 0, variance = 0, through = 0, along = 0;
      for (index c = 0; c < x.columns; ++c) mean += x(r, c) / width;
      for (index c = 0; c < x.columns; ++c) variance += std::pow(x(r, c) - mean, 2) / width;
      spread.push_back(1 / std::sqrt(variance + 1e-5));
      const auto n = [&](index c) { return (x(r, c) - mean) * spread.back(); };
      for (index c = 0; c < x.columns; ++c) {
        through += dy(r, c) * gain(0, c) / width;
        along += dy(r, c) * gain(0, c) * n(c) / width;
      }
      for (index c = 0; c < x.columns; ++c) {
        const auto at = static_cast<std::size_t>(r * x.columns + c);
        normalised.data[at] = n(c);
        y.data[at] = n(c) * gain(0, c) + bias(0, c);
        dx.data[at] = (dy(r, c) * gain(0, c) - through - n(c) * along) * spread.back();
      }
    }
  }
};

template <class T>
void check_layer_norm(double rate, bool with_residual, index rows, index columns, device_layout as) {
  namespace ops = limbeck::ops;
  const cuda_executor on;
  const random_stream stream{1, 2, 3};
  const double tolerance = 20 * device_tolerance<T>;
  const plain_matrix x(rows, columns, 10), residual(rows, columns, 11), gain(1, columns, 12), bias(1, columns, 13);
  const plain_matrix dy(rows, columns, 14), none(rows, columns, [](index, index) { return 0.0; });
  const plain_matrix input(rows, columns, [&](index r, index c) {
    return with_residual ? residual(r, c) + dropped_at(stream, rate, x(r, c), r, c, columns) : x(r, c);
  });
  const plain_norm want(input, gain, bias, dy);
  on_device_as<T> from(x, as), beside(residual, as), by(gain, {}), plus(bias, {}), y(none, as), normalised(none, as);
  on_device_as<T> spread(plain_matrix(1, rows, 1), {}), back(dy, as), branch(none, as), dgain(gain, {}),
      dbias(bias, {});
  if (with_residual) {
    ops::residual_layer_norm(on, rate, stream, 1e-5, from.seen(), beside.seen(), by.seen_flat(), plus.seen_flat(),
                             normalised.all(), spread.flat(), y.all());
    ops::residual_layer_norm_backward(on, rate, stream, normalised.seen(), spread.seen_flat(), by.seen_flat(),
                                      back.seen(), dgain.flat(), dbias.flat(), back.all(), branch.all());
    branch.check(
        {rows, columns, [&](index r, index c) { return dropped_at(stream, rate, want.dx(r, c), r, c, columns); }},
        tolerance);
  } else {
    ops::layer_norm(on, 1e-5, from.seen(), by.seen_flat(), plus.seen_flat(), normalised.all(), spread.flat(), y.all());
    ops::layer_norm_backward(on, normalised.seen(), spread.seen_flat(), by.seen_flat(), back.seen(), dgain.flat(),
                             dbias.flat(), back.all());
  }
  y.check(want.y, tolerance);
  normalised.check(want.normalised, tolerance);
  spread.check({1, rows, [&](index, index r) { return want.spread[static_cast<std::size_t>(r)]; }}, tolerance);
  back.check(want.dx, tolerance);
  const auto summed = [&](const plain_matrix& first, const auto& term) {
    return plain_matrix(1, columns, [&](index, index c) {
      double sum = first(0, c);
      for (index r = 0; r < rows; ++r) sum += term(r, c);
      return sum;
    });
  };
  dgain.check(summed(gain, [&](index r, index c) { return dy(r, c) * want.normalised(r, c); }), tolerance);
  dbias.check(summed(bias, [&](index r, index c) { return dy(r, c); }), tolerance);
}

template <class T>
void check_layer_norms() {
  for_device_shapes([](index rows, index columns, device_layout as) {
    check_layer_norm<T>(0, false, rows, columns, as);
    check_layer_norm<T>(0, true, rows, columns, as);
    check_layer_norm<T>(0.25, true, rows, columns, as);
  });
}

}  // namespace limbeck_test
