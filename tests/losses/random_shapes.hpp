// Batches of random shapes for tests of losses, the same for the same seed: small ones, degenerate ones, and some about
// the ends of vectors. What nobody may read is NaN.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <random>
#include <vector>

#include "catch.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/representation_case.hpp"

namespace limbeck_test {

/// What shapes and numbers are drawn with.
class draws {
 public:
  explicit draws(unsigned seed) : random_(seed) {}

  [[nodiscard]] unsigned seed() { return static_cast<unsigned>(random_()); }
  /// low .. high, both among them.
  [[nodiscard]] index between(index low, index high) { return low + static_cast<index>(seed()) % (high - low + 1); }
  [[nodiscard]] bool once_in(index times) { return between(1, times) == 1; }
  [[nodiscard]] std::vector<double> numbers(index count, double low, double high) {
    return random_numbers<double>(static_cast<std::size_t>(count), low, high, seed());
  }
  [[nodiscard]] double number(double low, double high) { return numbers(1, low, high)[0]; }
  template <class T>
  [[nodiscard]] T pick(std::initializer_list<T> from) {
    return from.begin()[between(0, static_cast<index>(from.size()) - 1)];
  }
  /// 0 to 1; now and then 0 or 1.
  [[nodiscard]] double share() { return once_in(6) ? pick({0.0, 1.0}) : number(0.05, 0.95); }
  /// The same, and now and then nearly 0 or 1.
  [[nodiscard]] double uneven_share() { return once_in(6) ? pick({1e-6, 1e-3, 1 - 1e-3, 1 - 1e-6}) : share(); }

 private:
  std::mt19937 random_;
};

/// Mostly 1 to 5 rows, of 2 to 40 classes.
inline index draw_rows(draws& random) { return random.once_in(20) ? random.between(6, 17) : random.between(1, 5); }
inline index draw_classes(draws& random) {
  if (random.once_in(8)) return 2;
  if (random.once_in(10)) return random.pick<index>({7, 8, 9, 16, 17, 33, 63, 64, 65, 130});
  return random.between(2, 40);
}
/// Factors of rows or samples: none given, all positive, some of them 0, or all but one.
inline std::vector<double> draw_weights(draws& random, index count) {
  enum { none, positive, some_zero, one_left };
  const index kind = random.between(none, one_left), left = random.between(0, count - 1);
  if (kind == none) return {};
  std::vector<double> weights = random.numbers(count, 0.5, 2);
  for (index i = 0; i < count; ++i)
    if (i != left && (kind == one_left || (kind == some_zero && random.once_in(3))))
      weights[static_cast<std::size_t>(i)] = 0;
  return weights;
}
inline limbeck::normaliser draw_counts(draws& random) {
  const auto n = random.numbers(5, 1, 3);
  return {n[0], n[1], n[2], n[3], n[4]};
}
/// Each student layer with one or two of the teacher's, each pair with a weight.
inline limbeck::explicit_mapping draw_mapping(draws& random, std::size_t student_layers, std::size_t teacher_layers) {
  limbeck::explicit_mapping map;
  for (std::size_t m = 0; m < student_layers; ++m)
    for (index pair = random.between(1, 2); pair > 0; --pair) {
      const auto n = static_cast<std::size_t>(random.between(0, static_cast<index>(teacher_layers) - 1));
      map.pairs.push_back({m, n, random.number(0.5, 2)});
    }
  return map;
}

/// Logits of both models, a third of the rows nearly alike, with labels, some of them ignored, scores and counts; with
/// weights of rows and samples, samples of several rows and columns of padding, or without.
inline logit_case<double> random_rows(draws& random, index rows, index classes) {
  const bool padded = random.once_in(3);
  const index columns = classes + (padded ? random.between(1, 5) : 0);
  const index teacher_columns = classes + (padded ? random.between(0, 5) : 0);
  logit_case<double> c{rows, columns, random.numbers(rows * columns, -3, 3),
                       random.numbers(rows * teacher_columns, -3, 3), teacher_columns};
  if (padded) c.valid_classes = classes;
  c.row_weight = draw_weights(random, rows);
  const bool several = random.once_in(3);
  std::int32_t sample = 0;
  for (index r = 0; r < rows; ++r) {
    const bool ignored = random.once_in(8);
    c.labels.push_back(ignored ? -100 : static_cast<std::int32_t>(random.between(0, classes - 1)));
    if (several) c.row_sample.push_back(sample += r > 0 && random.once_in(2));
  }
  c.sample_weight = draw_weights(random, c.samples());
  c.scores = random.numbers(rows, -2, 2);
  c.per = draw_counts(random);
  c.scale = random.number(0.5, 2);
  c.progress = random.number(0, 1);
  for (index r = 0; r < rows; ++r) {
    const auto row = static_cast<std::size_t>(r), of = c.row_sample.empty() ? row : std::size_t(c.row_sample[row]);
    const bool alike = random.once_in(3), counts = (c.row_weight.empty() || c.row_weight[row] != 0) &&
                                                   (c.sample_weight.empty() || c.sample_weight[of] != 0);
    double *const mine = &c.student[row * std::size_t(columns)],
                  *theirs = &c.teacher[row * std::size_t(teacher_columns)];
    for (index k = 0; k < classes && alike; ++k) theirs[k] = mine[k] + theirs[k] / 30;
    std::fill(mine + (counts ? classes : 0), mine + columns, undefined);
    std::fill(theirs + (counts ? classes : 0), theirs + teacher_columns, undefined);
  }
  return c;
}
inline logit_case<double> random_rows(draws& random) {
  const index rows = draw_rows(random);
  return random_rows(random, rows, draw_classes(random));
}

/// Gives samples weights, or none, and counts.
inline void weigh_samples(draws& random, representation_case<>& c) {
  c.weight = draw_weights(random, static_cast<index>(c.sizes.size()));
  c.per = draw_counts(random);
  c.scale = random.number(0.5, 2);
  for (auto* side : {&c.student, &c.teacher})
    for (grid& layer : *side)
      for (index b = 0; b < layer.samples && !c.weight.empty(); ++b) {
        const auto size = static_cast<std::ptrdiff_t>(layer.data.size()) / layer.samples;
        if (c.weight[static_cast<std::size_t>(b)] == 0) std::fill_n(layer.data.begin() + b * size, size, undefined);
      }
}
/// random_batch() with so many layers, and samples of weight 0 or without a token.
inline representation_case<> random_layers(draws& random, limbeck::signal_set kind, index student_size,
                                           index teacher_size, std::size_t student_layers = 1,
                                           std::size_t teacher_layers = 1, index longest = 5) {
  auto c = random_batch(kind, random.seed(), student_size, teacher_size, longest);
  const auto add_layers = [&](std::vector<grid>& side, std::size_t count) {
    const grid like = side[0];
    while (side.size() < count) side.emplace_back(like.samples, like.heads, like.rows, like.columns, random.seed());
  };
  add_layers(c.student, student_layers);
  add_layers(c.teacher, teacher_layers);
  if (random.once_in(8)) c.sizes[0].keys = 0;
  weigh_samples(random, c);
  return c;
}
/// One layer of 1 to 7 samples of 1 to 3 tokens, 2 to 9 columns wide.
inline representation_case<> random_vectors(draws& random, bool one_width) {
  const index samples = random.between(1, 7), width = random.between(2, 9);
  const index teacher_width = one_width ? width : random.between(2, 9);
  representation_case<> c{limbeck::signal::hidden, {}, {}, {}};
  c.student.emplace_back(samples, 1, 3, width, random.seed());
  c.teacher.emplace_back(samples, 1, 3, teacher_width, random.seed());
  for (index i = 0; i < samples; ++i) {
    const index length = random.between(1, 3);
    c.sizes.push_back({0, length, random.between(1, length)});
  }
  weigh_samples(random, c);
  return c;
}

}  // namespace limbeck_test
