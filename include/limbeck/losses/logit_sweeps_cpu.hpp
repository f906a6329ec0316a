// What the host kernels of losses on class scores share: which rows go together in a vector, and where their logits
// lie.
//
// Two layouts, chosen by the number of classes. Many classes: a row is a run of vectors, and sums over a row end
// with a horizontal one. Few classes: a vector holds one class of as many rows as it has lanes, so that no lane idles
// and nothing is summed across lanes. A row's bits depend on its own logits alone in both, never on its neighbours.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/simd_columns.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/logit_rows.hpp"

namespace limbeck::detail {

/// Calls body(begin, end) for the rows that a thread takes. Threads meet between samples only, so what a sample adds
/// up does not depend on their number.
template <class E, class Rows, class Body>
void for_row_ranges(const E& on, const Rows& rows, const Body& body) {
  constexpr index worth_a_thread = 1 << 14;  // logits
  const auto next_sample = [&](index row) {
    while (row > 0 && row < rows.count() && rows.sample(row) == rows.sample(row - 1)) ++row;
    return row;
  };
  parallel_for(on.threads, rows.count(), worth_a_thread / rows.classes + 1, [&](index begin, index end) {
    const index first = next_sample(begin), last = next_sample(end);
    if (first < last) body(first, last);
  });
}

/// Adds many numbers a lane: in blocks, so that the error does not grow with the length of a row.
template <class V>
class long_sum {
 public:
  LIMBECK_HD void add(const V& x) {
    block_ += x;
    if (++count_ % 64 == 0) close();
  }
  LIMBECK_HD V total() const { return whole_ + block_; }

 private:
  LIMBECK_HD void close() {
    whole_ += block_;
    block_ = V(0);
  }
  V whole_{0}, block_{0};
  unsigned count_ = 0;
};

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

/// How many groups from g on rows_to_columns may take at once: rows must be runs of numbers, and what it reads behind
/// one must still belong to the matrix.
template <class V, class S>
[[nodiscard]] LIMBECK_HD int columns_in_reach(const view<S, 2>& rows, index classes, const row_groups<V>& groups,
                                              int g) {
  const int run = groups.run_from(g);
  if (run == 0 || rows.stride(1) != 1 || rows.stride(0) < classes) return 0;
  if (classes >= V::width || (rows.stride(0) == classes && few_dense_columns(classes))) return run;
  const index end = (rows.extent(0) - 1) * rows.stride(0) + rows.extent(1);
  return run - (groups[g + run - 1].row[V::width - 1] * rows.stride(0) + V::width > end);
}

/// How far ahead of a sweep memory is asked for: a page, behind which the processor itself does not look.
inline constexpr index bytes_ahead = 4096;

/// room[c] = row[c * step] for the columns begin .. classes, begin being a multiple of the vectors' width; behind them
/// -infinity up to the end of a vector.
struct stage_row {
  template <int Bytes, class S, class A>
  LIMBECK_HD static void run(const S* row, index step, index begin, index classes, A* room) {
    using V = simd_of_bytes<A, Bytes>;
    constexpr A nothing = -std::numeric_limits<A>::infinity();
    index c = begin;
    for (; step == 1 && c + V::width <= classes; c += V::width) store(room + c, load<V>(row + c));
    if (step == 1 && classes >= V::width) {
      if (c < classes) store(room + c, load_last<V>(row + classes, classes - c, nothing));
      return;
    }
    for (const index end = across_classes<V>::padded(classes); c < end; ++c)
      room[c] = c < classes ? static_cast<A>(row[c * step]) : nothing;
  }
};

/// The logits of a group of rows in the layout of the kernel, vector by vector: where they lie if the layout and the
/// type allow it, otherwise in `room`, which holds padded(classes).
template <class Layout, class V>
class staged_logits {
  using A = typename V::scalar;

 public:
  template <class S>
  LIMBECK_HD staged_logits(const view<const S, 2>& logits, index classes, const row_groups<V>& groups, A* room)
      : data_(room), room_(room), full_(groups.count * Layout::padded(classes) / V::width), rest_(0) {
    if constexpr (Layout::one_row) {
      const S* first = logits.data() + groups[0].row[0] * logits.stride(0);
      full_ = classes / V::width;
      rest_ = classes % V::width;
      const bool whole = logits.stride(1) == 1 && classes >= V::width;
      if constexpr (std::is_same_v<S, A>)
        if (whole) data_ = first;
      if (rest_ > 0 || data_ == room)
        call_kernel<stage_row, sizeof(V)>(first, logits.stride(1), data_ == room ? 0 : full_ * V::width, classes, room);
    } else {
      for (int g = 0; g < groups.count;)
        g += stage_columns(logits, classes, groups, g, room + g * Layout::padded(classes));
    }
  }

  /// The number of vectors.
  [[nodiscard]] LIMBECK_HD index count() const { return full_ + (rest_ > 0); }
  /// Vector k; -infinity in the lanes behind the last class.
  [[nodiscard]] LIMBECK_HD V operator[](index k) const {
    if constexpr (!Layout::one_row) return load<V>(data_ + k * V::width);
    return load<V>((k == full_ ? room_ : data_) + k * V::width);
  }
  /// Asks for the memory that comes behind vector k: the rest of the row, or the next one.
  LIMBECK_HD void prefetch(index k) const {
    if constexpr (Layout::one_row)
      __builtin_prefetch(reinterpret_cast<const char*>(data_ + k * V::width) + bytes_ahead);
  }
  /// The largest of each lane in the vectors begin .. end, or `least` if none is larger.
  [[nodiscard]] LIMBECK_HD V largest(index begin, index end, const V& least) const {
    V top = least, other = least;
    index k = begin;
    for (; k + 1 < end; k += 2) {
      top = max(top, (*this)[k]);  // NaN gets lost here, it comes back with the exponentials
      other = max(other, (*this)[k + 1]);
    }
    if (k < end) top = max(top, (*this)[k]);
    return max(top, other);
  }
  /// The largest logit: of the row in every lane, or of each lane's row.
  [[nodiscard]] LIMBECK_HD V top() const {
    return Layout::largest(largest(0, count(), V(-std::numeric_limits<A>::infinity())));
  }

 private:
  // Group g, and as many more as can be had with it; returns how many.
  template <class S>
  LIMBECK_HD static int stage_columns(const view<const S, 2>& logits, index classes, const row_groups<V>& groups, int g,
                                      A* room) {
    const row_group<V>& group = groups[g];
    if (const int run = columns_in_reach(logits, classes, groups, g); run > 0) {
      const S* first = logits.data() + group.row[0] * logits.stride(0);
      call_kernel<rows_to_columns, sizeof(V)>(first, logits.stride(0), classes, room, run);
      return run;
    }
    for (int lane = 0; lane < V::width; ++lane) {
      const S* row = logits.data() + group.row[lane < group.count ? lane : 0] * logits.stride(0);
      for (index c = 0; c < classes; ++c) room[c * V::width + lane] = static_cast<A>(row[c * logits.stride(1)]);
    }
    return 1;
  }

  const A* data_;
  A* room_;
  index full_, rest_;
};

/// gradient += what is added here, or = where the rows are fresh, vector by vector in the layout of the kernel, for the
/// rows of the group; their factor multiplied in already. `room` holds padded(classes); `spare` as much and a vector
/// more, which may lie on `room`.
template <class Layout, class V, class G>
class gradient_rows {
  using A = typename V::scalar;

 public:
  template <class Rows>
  LIMBECK_HD gradient_rows(const Rows& rows, const row_groups<V>& groups, A* room, A* spare, index ahead = bytes_ahead)
      : gradients_(rows.gradients),
        groups_(groups),
        classes_(rows.classes),
        room_(room),
        spare_(spare),
        ahead_(ahead),
        fresh_(rows.fresh) {
    if (Layout::one_row && gradients_.stride(1) == 1 && classes_ >= V::width) {
      row_ = gradients_.data() + groups[0].row[0] * gradients_.stride(0);
      full_ = classes_ / V::width;
    }
  }

  LIMBECK_HD void add(index k, const V& through) const {
    if (Layout::one_row && k < full_) {
      G* p = row_ + k * V::width;
      __builtin_prefetch(reinterpret_cast<const char*>(p) + ahead_, 1);
      store(p, fresh_ ? through : load<V>(static_cast<const G*>(p)) + through);
    } else {
      store(room_ + k * V::width, through);
    }
  }
  /// To be called after the last vector.
  LIMBECK_HD void finish() const {
    clear_rest();
    if constexpr (Layout::one_row) {
      if (full_ > 0) return finish_row();
      add_scattered(0);
    } else {
      for (int g = 0; g < groups_.count;) {
        const int run = gradients_.stride(1) == 1 && gradients_.stride(0) == classes_ ? groups_.run_from(g) : 0;
        if (run > 0)
          call_kernel<add_columns_to_rows, sizeof(V)>(static_cast<const A*>(room_ + g * V::width * classes_), classes_,
                                                      spare_, gradients_.data() + groups_[g].row[0] * classes_, run);
        else
          add_scattered(g);
        g += std::max(run, 1);
      }
    }
  }

 private:
  LIMBECK_HD void add_scattered(int g) const {
    const row_group<V>& group = groups_[g];
    for (int lane = 0; lane < group.count; ++lane) {
      const A* from = room_ + g * Layout::padded(classes_) + lane;
      const index step = Layout::one_row ? 1 : V::width;
      G* to = gradients_.data() + group.row[lane] * gradients_.stride(0);
      for (index c = 0; c < classes_; ++c) {
        G& place = to[c * gradients_.stride(1)];
        place = static_cast<G>(static_cast<A>(place) + from[c * step]);
      }
    }
  }
  // Zeros where a fresh gradient is not written in place.
  LIMBECK_HD void clear_rest() const {
    for (int g = 0; fresh_ && g < groups_.count; ++g)
      for (int lane = 0; lane < groups_[g].count; ++lane)
        clear_row(gradients_, groups_[g].row[lane], full_ * V::width, classes_);
  }
  LIMBECK_HD void finish_row() const {
    const index rest = classes_ % V::width;
    if (rest == 0) return;
    G* const end = row_ + classes_;
    store_last(end, rest,
               load_last<V>(static_cast<const G*>(end), rest, A(0)) +
                   load<V>(static_cast<const A*>(room_ + full_ * V::width)));
  }

  const view<G, 2>& gradients_;
  const row_groups<V>& groups_;
  index classes_;
  A *room_, *spare_;
  G* row_ = nullptr;
  index ahead_;
  bool fresh_;
  index full_ = 0;  // vectors that lie in the gradient itself
};

/// to[i] += from[i].
struct add_numbers {
  template <int Bytes, class A>
  LIMBECK_HD static void run(const A* from, index count, A* to) {
    using V = simd_of_bytes<A, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width)
      store(to + i, load<V>(static_cast<const A*>(to + i)) + load<V>(from + i));
    for (; i < count; ++i) to[i] += from[i];
  }
};

/// value of each row's sample += factor * value; a value a group.
template <class Layout, class V, class Rows>
LIMBECK_HD void add_values(const Rows& rows, const row_groups<V>& groups, const V* value) {
  using A = typename V::scalar;
  if (rows.values.empty()) return;
  A share[row_groups<V>::most * V::width];  // stored, so that no compiler fuses product and sum here and not there
  for (int g = 0; g < groups.count; ++g) store(share + g * V::width, groups[g].template factors<Layout>() * value[g]);
  const bool in_place = rows.row_sample.empty() && rows.values.stride(0) == 1;
  for (int g = 0; g < groups.count;) {
    const A* from = share + g * V::width;
    if (const int run = in_place ? groups.run_from(g) : 0; run > 0) {
      call_kernel<add_numbers, sizeof(V)>(from, static_cast<index>(run * V::width), &rows.values(groups[g].row[0]));
      g += run;
    } else {
      const row_group<V>& group = groups[g++];
      for (int lane = 0; lane < group.count; ++lane) rows.values(rows.sample(group.row[lane])) += from[lane];
    }
  }
}

/// Rows with fewer classes than this go side by side in a vector: as many as fill eight.
template <class V>
inline constexpr index few_classes = 8 * V::width;

/// At least padded(classes), whatever the layout and the size of vectors.
template <class A>
[[nodiscard]] constexpr index room_for(index classes) {
  constexpr index most = 64 / sizeof(A);
  return classes < 8 * most ? classes * most : classes + most;
}

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
