// What the host kernels of losses on class scores share: which rows are worked on at one time, and how they lie in
// vectors.
//
// Two layouts, chosen by the number of classes. Many classes: a row is a run of vectors, and sums over a row end
// with a horizontal one. Few classes: a vector holds one class of as many rows as it has lanes, so that no lane idles
// and nothing is summed across lanes. A row's bits depend on its own logits alone in both, never on its neighbours.
#pragma once

#include <algorithm>
#include <optional>
#include <type_traits>

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/logit_rows.hpp"

namespace limbeck::detail {

/// The first row from `row` on that begins a sample.
template <class Rows>
[[nodiscard]] index next_sample(const Rows& rows, index row) {
  while (row > 0 && row < rows.count() && rows.sample(row) == rows.sample(row - 1)) ++row;
  return row;
}
/// Calls body(begin, end) for the rows that a thread takes. Threads meet between samples only, so what a sample adds
/// up does not depend on their number.
template <class E, class Rows, class Body>
void for_row_ranges(const E& on, const Rows& rows, const Body& body) {
  constexpr index worth_a_thread = 1 << 14;  // logits
  parallel_for(on.threads, rows.count(), worth_a_thread / rows.classes + 1, [&](index begin, index end) {
    const index first = next_sample(rows, begin), last = next_sample(rows, end);
    if (first < last) body(first, last);
  });
}

/// What a loss is going to do, all of whose arguments fit: body(rows, begin, end) for rows begin .. end on one thread.
template <class Rows, class Body>
struct row_work {
  Rows rows;
  Body body;

  void operator()(index begin, index end) const { body(rows, begin, end); }
};
template <class Rows, class Body>
row_work(Rows, Body) -> row_work<Rows, Body>;

template <class E, class Rows, class Body>
void carry_out(const E& on, const row_work<Rows, Body>& work) {
  for_row_ranges(on, work.rows, work);
}
/// The works of several losses on the same rows, those that there are, in turn, a few samples at a time: what the first
/// one reads and writes the next finds in the caches. The same bits as one after the other.
template <class E, class... Works>
void carry_out(const E& on, const std::optional<Works>&... works) {
  constexpr index in_caches = 1 << 18;  // bytes of logits and gradients
  const auto all_of = [&](const auto& rows) {
    const index bytes_of_row = 3 * rows.classes * static_cast<index>(sizeof(*rows.student.data()));
    const index at_once = std::max<index>(1, in_caches / bytes_of_row);
    for_row_ranges(on, rows, [&](index begin, index end) {
      for (index from = begin, to; from < end; from = to) {
        to = next_sample(rows, std::min(from + at_once, end));
        ((works ? (*works)(from, to) : void()), ...);
      }
    });
    return true;
  };
  (void)((works && all_of(works->rows)) || ...);
}

/// A row is a run of vectors.
template <class V>
struct across_classes {
  using scalar = typename V::scalar;
  static constexpr bool one_row = true;
  static constexpr index padded(index classes) { return (classes + V::width - 1) / V::width * V::width; }

  LIMBECK_HD static V summed(const V& v) { return V(horizontal_sum(v)); }
  LIMBECK_HD static V largest(const V& v) { return V(horizontal_max(v)); }
};
/// A vector holds one class of V::width rows.
template <class V>
struct across_rows {
  using scalar = typename V::scalar;
  static constexpr bool one_row = false;
  static constexpr index padded(index classes) { return classes * V::width; }

  LIMBECK_HD static V summed(const V& v) { return v; }
  LIMBECK_HD static V largest(const V& v) { return v; }
};

/// The rows that a kernel works on at one time.
template <class V>
struct row_group {
  using scalar = typename V::scalar;
  alignas(64) index row[V::width] = {};
  alignas(64) scalar factor[V::width] = {};
  int count = 0;

  /// The factors as the layout wants them; 0 in lanes without a row.
  template <class Layout>
  [[nodiscard]] LIMBECK_HD V factors() const {
    if constexpr (Layout::one_row) return V(factor[0]);
    return load_part<V>(factor, count, scalar(0));
  }
  /// `rows` rows from `first` on, all of one factor.
  LIMBECK_HD void take(index first, int rows, scalar of_each) {
    count = rows;
    for (int lane = 0; lane < V::width; ++lane) row[lane] = first + lane;
    for (int lane = 0; lane < V::width; ++lane) factor[lane] = of_each;
  }
};

inline constexpr int most_groups_at_once = 8;

/// Groups that a kernel works on at one time.
template <class V>
struct row_groups {
  static constexpr int most = most_groups_at_once;
  row_group<V> group[most];
  int count = 0;

  [[nodiscard]] LIMBECK_HD const row_group<V>& operator[](int g) const { return group[g]; }
  /// How many groups from g on have a row in every lane, and one row follows the other through all of them.
  [[nodiscard]] LIMBECK_HD int run_from(int g) const {
    int end = g;
    while (end < count && group[end].count == V::width &&
           group[end].row[V::width - 1] - group[g].row[0] == (end - g + 1) * V::width - 1)
      ++end;
    return end - g;
  }
};

/// Rows with fewer classes than this go side by side in a vector: as many as fill eight.
template <class V>
inline constexpr index few_classes = 8 * V::width;

/// All rows count.
struct every_row {
  LIMBECK_HD bool operator()(index) const { return true; }
};

/// The number of groups of few classes that are worked on at one time, by a kernel that takes many: enough to keep the
/// processor busy, few enough for the first cache.
[[nodiscard]] constexpr int groups_at_once(index classes) {
  return static_cast<int>(std::clamp<index>(32 / classes, 1, most_groups_at_once));
}

// The next rows that count, `most` at most; returns where the rows behind them begin.
template <class V, class Rows, class Counts>
LIMBECK_HD index next_group(const Rows& rows, row_group<V>& group, index begin, index end, const Counts& counts,
                            int most) {
  const bool alike = rows.row_weight.empty() && rows.sample_weight.empty();
  if (std::is_same_v<Counts, every_row> && alike && rows.scale != 0) {  // without a look at each
    group.take(begin, static_cast<int>(std::min<index>(most, end - begin)), rows.scale);
    return begin + group.count;
  }
  group.count = 0;
  index i = begin;
  for (; i < end && group.count < most; ++i) {
    const auto factor = alike ? rows.scale : rows.factor(i);
    if (factor != 0 && counts(i)) {
      group.row[group.count] = i;
      group.factor[group.count++] = factor;
    } else if (rows.fresh) {
      clear_row(rows.gradients, i, 0, rows.classes);
    }
  }
  return i;
}

// The loop of for_row_groups. A function for each layout: in one of both compilers run out of registers.
template <class Body, class Layout, class V>
struct row_groups_loop {
  template <int Bytes, class Rows, class Counts, class... More>
  LIMBECK_HD static void run(const Rows& rows, index begin, index end, const Counts& counts, More&... more) {
    row_groups<V> groups;
    const int at_once = !Layout::one_row && Body::takes_many ? groups_at_once(rows.classes) : 1;
    for (index i = begin; i < end;) {
      groups.count = 0;
      while (i < end && groups.count < at_once) {
        row_group<V>& next = groups.group[groups.count];
        i = next_group(rows, next, i, end, counts, Layout::one_row ? 1 : V::width);
        groups.count += next.count > 0;
      }
      if (groups.count > 0) Body::template run<Layout>(rows, groups, more...);
    }
  }
};

/// Calls Body::run<Layout>(rows, groups, more...) for the rows begin .. end that count, groups after groups; one at a
/// time unless Body::takes_many. `counts(row)` may rule out more rows than factor() does.
template <class Body, class V, class Rows, class Counts, class... More>
LIMBECK_HD void for_row_groups(const Rows& rows, index begin, index end, const Counts& counts, More&... more) {
  if (rows.classes < few_classes<V>)
    call_kernel<row_groups_loop<Body, across_rows<V>, V>, sizeof(V)>(rows, begin, end, counts, more...);
  else
    call_kernel<row_groups_loop<Body, across_classes<V>, V>, sizeof(V)>(rows, begin, end, counts, more...);
}

}  // namespace limbeck::detail
