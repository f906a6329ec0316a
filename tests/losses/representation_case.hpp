// A batch of attention maps or hidden states, stored packed or padded with garbage around what counts, and a loss
// called on it: what the tests of losses on representations share.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "central_difference.hpp"
#include "host_place.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/representation.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

/// One layer of a padded batch: maps [samples, heads, length, length], or states [samples, 1, length, width].
struct grid {
  index samples, heads, rows, columns;
  std::vector<double> data;

  grid(index s, index h, index r, index c)
      : samples(s), heads(h), rows(r), columns(c), data(std::size_t(s * h * r * c)) {}
  grid(index s, index h, index r, index c, unsigned seed) : grid(s, h, r, c) {
    data = random_numbers<double>(data.size(), -2, 2, seed);
  }
  double& operator()(index b, index h, index r, index c) {
    return data[static_cast<std::size_t>(((b * heads + h) * rows + r) * columns + c)];
  }
  double operator()(index b, index h, index r, index c) const { return const_cast<grid&>(*this)(b, h, r, c); }
};

/// The mean of layers of one shape.
inline grid mean_of(std::span<const grid> layers) {
  grid mean(layers[0].samples, layers[0].heads, layers[0].rows, layers[0].columns);
  for (const grid& layer : layers)
    for (std::size_t i = 0; i < mean.data.size(); ++i)
      mean.data[i] += layer.data[i] / static_cast<double>(layers.size());
  return mean;
}

/// Where the elements of a batch lie in memory. The default is packed, without a gap.
struct placement {
  index before = 0, after = 0;  ///< rows of garbage in front of and behind each sample's own
  index wider = 0;              ///< columns of garbage behind each row; of maps, rows too
  bool padded = false;          ///< every sample takes as much room as the longest
};

/// A placement carried out for given samples.
struct stored_batch {
  std::vector<limbeck::sample_rows> rows;
  std::vector<limbeck::block> blocks;
  index stride = 0, tokens = 0, elements = 0;
  bool maps = false;

  stored_batch(const std::vector<limbeck::sample_rows>& sizes, placement p, const grid& like, bool of_maps)
      : stride(like.columns + p.wider), maps(of_maps) {
    for (const limbeck::sample_rows& s : sizes) {
      const index room = p.padded ? like.rows : s.length, side = room + p.wider;
      rows.push_back({tokens + p.before, s.length, s.keys});
      blocks.push_back({elements + p.before, side});
      tokens += p.before + room + p.after;
      elements = of_maps ? elements + p.before + like.heads * side * side + p.after : tokens * stride;
    }
  }
  [[nodiscard]] std::size_t at(index b, index h, index r, index c) const {
    const auto sample = static_cast<std::size_t>(b);
    return static_cast<std::size_t>(maps ? blocks[sample].offset + (h * blocks[sample].side + r) * blocks[sample].side +
                                               c
                                         : (rows[sample].begin + r) * stride + c);
  }
};

/// A: what student, values and gradients are stored and computed in; U: what the teacher stores. A layer of states is
/// seen as all that `kind` names.
template <class A = double, class U = A>
struct representation_case {
  limbeck::signal_set kind;
  std::vector<limbeck::sample_rows> sizes;  ///< `begin` is not looked at
  std::vector<grid> student, teacher;       ///< [layers]
  limbeck::mask_mode mask = limbeck::mask_mode::exact;
  bool causal = false;
  placement place{}, teacher_place{};
  std::vector<A> weight{};
  limbeck::normaliser per{};
  double scale = 1, progress = 0;
  A start = 0;  ///< what values and gradients hold before
  bool gradient_wanted = true;

  struct outcome {
    std::vector<A> value;        ///< [samples]
    std::vector<grid> gradient;  ///< [layers]; 0 where nothing counts
    bool untouched = true;       ///< nothing was written around what counts
    bool cleared = true;         ///< zeros were
    [[nodiscard]] A total() const { return std::accumulate(value.begin(), value.end(), A(0)); }
  };

  [[nodiscard]] bool maps() const {
    return limbeck::has(kind, limbeck::signal::scores | limbeck::signal::probabilities);
  }
  /// Whether an entry of a layer takes part in the loss.
  [[nodiscard]] bool counts(index b, index r, index c) const {
    const limbeck::sample_rows& s = sizes[static_cast<std::size_t>(b)];
    if (r >= (mask == limbeck::mask_mode::exact ? s.keys : s.length)) return false;
    return !maps() || c < limbeck::visible_keys(s, r, causal);
  }
  /// Calls visit(sample, head, row, column) for each entry that takes part.
  template <class Visit>
  void for_each(const grid& like, Visit&& visit) const {
    for (index b = 0; b < static_cast<index>(sizes.size()); ++b)
      for (index h = 0; h < like.heads; ++h)
        for (index r = 0; r < like.rows; ++r)
          for (index c = 0; c < like.columns; ++c)
            if (counts(b, r, c)) visit(b, h, r, c);
  }

  template <class Loss>
  outcome operator()(const Loss& loss, int threads = 1) const {
    host_place host{{threads}};
    return at_place(host, loss);
  }
  /// The same in a place: host_place or device_place.
  template <class Place, class Loss>
  outcome at_place(Place& where, const Loss& loss) const {
    using B = typename Place::backend;
    const A marker = A(-77);
    const stored_batch mine(sizes, place, student[0], maps()), theirs(sizes, teacher_place, teacher[0], maps());
    std::vector<std::vector<A>> s, g;
    std::vector<std::vector<U>> t;
    for (const grid& layer : student) {
      s.push_back(written<A>(layer, mine));
      g.emplace_back(s.back().size(), marker);
      for_each(layer, [&](auto... at) { g.back()[mine.at(at...)] = start; });
    }
    for (const grid& layer : teacher) t.push_back(written<U>(layer, theirs));

    outcome got{std::vector<A>(sizes.size(), start), {}};
    limbeck::sink<A, B> out{limbeck::view<A, 1, B>(where.bring(got.value), sizes.size())};
    if (gradient_wanted) out.gradient = seen(where, g, mine, student[0]);
    if (!weight.empty()) out.weight = limbeck::view<const A, 1, B>(where.bring(weight), weight.size());
    out.per = per;
    out.scale = scale;
    out.progress = progress;
    const limbeck::signals<const A, B> student_signals = seen(where, s, mine, student[0]);
    const limbeck::signals<const U, B> teacher_signals = seen(where, t, theirs, teacher[0]);
    loss(where.executor, student_signals, teacher_signals, limbeck::targets<A, B>{}, out);
    where.bring_back();

    for (std::size_t layer = 0; layer < student.size(); ++layer) {
      const grid& like = student[layer];
      grid& gradient = got.gradient.emplace_back(like.samples, like.heads, like.rows, like.columns);
      for_each(like, [&](auto... at) {
        gradient(at...) = static_cast<double>(g[layer][mine.at(at...)]);
        g[layer][mine.at(at...)] = marker;
      });
      for (const A x : g[layer]) got.untouched = got.untouched && x == marker;
      for_each(like, [&](auto... at) { g[layer][mine.at(at...)] = A(0); });
      for (const A x : g[layer]) got.cleared = got.cleared && x == A(0);
    }
    return got;
  }

 private:
  // The numbers that count, NaN around them.
  template <class T>
  std::vector<T> written(const grid& layer, const stored_batch& to) const {
    std::vector<T> out(static_cast<std::size_t>(to.elements), static_cast<T>(std::numeric_limits<float>::quiet_NaN()));
    for_each(layer, [&](auto... at) { out[to.at(at...)] = static_cast<T>(layer(at...)); });
    return out;
  }
  template <class Place, class T, class B = typename Place::backend>
  limbeck::signals<T, B> seen(Place& where, std::vector<std::vector<T>>& layers, const stored_batch& at,
                              const grid& like) const {
    using namespace limbeck::signal;
    limbeck::signals<T, B> out;
    out.rows = limbeck::view<const limbeck::sample_rows, 1, B>(where.bring(at.rows), at.rows.size());
    const limbeck::view<const limbeck::block, 1, B> places(where.bring(at.blocks), at.blocks.size());
    limbeck::per_layer<limbeck::square_blocks<T, B>> blocks(layers.size());
    limbeck::per_layer<limbeck::view<T, 2, B>> states(layers.size());
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      T* const data = where.bring(layers[layer]);
      blocks[layer] = {data, like.heads, places, causal};
      states[layer] = limbeck::view<T, 2, B>(data, {{at.tokens, like.columns}}, {{at.stride, 1}});
    }
    if (has(kind, scores)) out.scores = blocks;
    if (has(kind, probabilities)) out.probabilities = blocks;
    if (has(kind, hidden)) out.hidden = states;
    if (has(kind, embeddings)) out.embeddings = states[0];
    if (has(kind, queries)) out.queries = states;
    if (has(kind, keys)) out.keys = states;
    if (has(kind, values)) out.values = states;
    return out;
  }
};

/// A layer in both models of 1 to 3 samples of 1 to `longest` tokens, somewhere in memory, drawn by a seed. Maps have
/// so many heads, causal or not; states so many columns.
inline representation_case<> random_batch(limbeck::signal_set kind, unsigned seed, index student_size,
                                          index teacher_size, index longest = 7) {
  std::mt19937 random(seed);
  const auto draw = [&](index from, index to) { return from + static_cast<index>(random()) % (to - from + 1); };
  representation_case<> c{kind, {}, {}, {}};
  const index samples = draw(1, 3), length = draw(1, longest);
  for (index i = 0; i < samples; ++i) {
    const index tokens = i == 0 ? length : draw(1, length);
    c.sizes.push_back({0, tokens, draw(1, 3) == 1 ? draw(1, tokens) : tokens});
  }
  const auto layer = [&](index size, unsigned of) {
    return c.maps() ? grid(samples, size, length, length, of) : grid(samples, 1, length, size, of);
  };
  c.student = {layer(student_size, 2 * seed)};
  c.teacher = {layer(teacher_size, 2 * seed + 1)};
  c.causal = c.maps() && draw(0, 1) == 1;
  for (placement* p : {&c.place, &c.teacher_place}) *p = {draw(0, 2), draw(0, 2), draw(0, 2), draw(0, 1) == 1};
  return c;
}

/// The largest difference of two lists; NaN where one has a NaN, infinite where they have different lengths.
inline double largest_gap(const std::vector<double>& got, const std::vector<double>& want) {
  double worst = got.size() == want.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) worst = worse(worst, std::abs(got[i] - want[i]));
  return worst;
}

}  // namespace limbeck_test
