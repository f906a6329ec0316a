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
  LIMBECK_HD static bool holds(const typename V::mask& m) { return m[0]; }  // of a value that all lanes share
};
/// A vector holds one class of V::width rows.
template <class V>
struct across_rows {
  using scalar = typename V::scalar;
  static constexpr bool one_row = false;
  static constexpr index padded(index classes) { return classes * V::width; }

  LIMBECK_HD static V summed(const V& v) { return v; }
  LIMBECK_HD static V largest(const V& v) { return v; }
  LIMBECK_HD static bool holds(const typename V::mask& m) { return any(m); }
};

/// The rows that a kernel works on at one time.
template <class V>
struct row_group {
  using scalar = typename V::scalar;
  index row[V::width];
  scalar factor[V::width];
  int count = 0;

  /// The factors as the layout wants them; 0 in lanes without a row.
  template <class Layout>
  [[nodiscard]] LIMBECK_HD V factors() const {
    if constexpr (Layout::one_row) return V(factor[0]);
    return load_part<V>(factor, count, scalar(0));
  }
};

/// Whether a vector has a row in every lane, the rows lie evenly and each is a run of numbers.
template <class V, class S>
[[nodiscard]] LIMBECK_HD bool lie_evenly(const view<S, 2>& rows, index classes, const row_group<V>& group) {
  return group.count == V::width && group.row[V::width - 1] - group.row[0] == V::width - 1 && rows.stride(1) == 1 &&
         rows.stride(0) >= classes;
}
/// Whether rows_to_columns may take them: what it reads behind a row still belongs to the matrix.
template <class V, class S>
[[nodiscard]] LIMBECK_HD bool columns_in_reach(const view<S, 2>& rows, index classes, const row_group<V>& group) {
  const index end = (rows.extent(0) - 1) * rows.stride(0) + rows.extent(1);
  return lie_evenly(rows, classes, group) &&
         (classes >= V::width || (rows.stride(0) == classes && few_dense_columns(classes)) ||
          group.row[V::width - 1] * rows.stride(0) + V::width <= end);
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
  LIMBECK_HD staged_logits(const view<const S, 2>& logits, index classes, const row_group<V>& group, A* room)
      : data_(room), room_(room), full_(Layout::padded(classes) / V::width), rest_(0) {
    const S* first = logits.data() + group.row[0] * logits.stride(0);
    if constexpr (Layout::one_row) {
      full_ = classes / V::width;
      rest_ = classes % V::width;
      const bool whole = logits.stride(1) == 1 && classes >= V::width;
      if constexpr (std::is_same_v<S, A>)
        if (whole) data_ = first;
      if (rest_ > 0 || data_ == room)
        call_kernel<stage_row, sizeof(V)>(first, logits.stride(1), data_ == room ? 0 : full_ * V::width, classes, room);
    } else if (columns_in_reach(logits, classes, group)) {
      call_kernel<rows_to_columns, sizeof(V)>(first, logits.stride(0), classes, room);
    } else {
      for (int lane = 0; lane < V::width; ++lane) {
        const S* row = logits.data() + group.row[lane < group.count ? lane : 0] * logits.stride(0);
        for (index c = 0; c < classes; ++c) room[c * V::width + lane] = static_cast<A>(row[c * logits.stride(1)]);
      }
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
  LIMBECK_HD gradient_rows(const Rows& rows, const row_group<V>& group, A* room, A* spare, index ahead = bytes_ahead)
      : gradients_(rows.gradients),
        group_(group),
        classes_(rows.classes),
        room_(room),
        spare_(spare),
        ahead_(ahead),
        fresh_(rows.fresh) {
    if (Layout::one_row && gradients_.stride(1) == 1 && classes_ >= V::width) {
      row_ = gradients_.data() + group.row[0] * gradients_.stride(0);
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
    } else if (lie_evenly(gradients_, classes_, group_) && gradients_.stride(0) == classes_) {
      G* first = gradients_.data() + group_.row[0] * classes_;
      return call_kernel<add_columns_to_rows, sizeof(V)>(static_cast<const A*>(room_), classes_, spare_, first);
    }
    for (int lane = 0; lane < group_.count; ++lane) {
      const A* from = room_ + lane;
      const index step = Layout::one_row ? 1 : V::width;
      G* to = gradients_.data() + group_.row[lane] * gradients_.stride(0);
      for (index c = 0; c < classes_; ++c) {
        G& place = to[c * gradients_.stride(1)];
        place = static_cast<G>(static_cast<A>(place) + from[c * step]);
      }
    }
  }

 private:
  // Zeros where a fresh gradient is not written in place.
  LIMBECK_HD void clear_rest() const {
    for (int lane = 0; fresh_ && lane < group_.count; ++lane)
      clear_row(gradients_, group_.row[lane], full_ * V::width, classes_);
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
  const row_group<V>& group_;
  index classes_;
  A *room_, *spare_;
  G* row_ = nullptr;
  index ahead_;
  bool fresh_;
  index full_ = 0;  // vectors that lie in the gradient itself
};

/// value of each row's sample += factor * value.
template <class Layout, class V, class Rows>
LIMBECK_HD void add_values(const Rows& rows, const row_group<V>& group, const V& value) {
  if (rows.values.empty()) return;
  typename V::scalar share[V::width];  // stored, so that no compiler fuses product and sum here and not there
  store(share, group.template factors<Layout>() * value);
  if (rows.row_sample.empty())
    for (int lane = 0; lane < group.count; ++lane) rows.values(group.row[lane]) += share[lane];
  else
    for (int lane = 0; lane < group.count; ++lane) rows.values(rows.row_sample(group.row[lane])) += share[lane];
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

/// Calls Body::run<Layout>(group, more...) for the rows begin .. end that count, group after group. `counts(row)` may
/// rule out more rows than factor() does.
template <class Body, class V, class Rows, class Counts, class... More>
LIMBECK_HD void for_row_groups(const Rows& rows, index begin, index end, const Counts& counts, More&... more) {
  row_group<V> group;
  const int most = rows.classes < few_classes<V> ? V::width : 1;
  const bool alike = rows.row_weight.empty() && rows.sample_weight.empty();
  int count = 0;
  for (index i = begin; i < end; ++i) {
    const auto factor = alike ? rows.scale : rows.factor(i);
    if (factor != 0 && counts(i)) {
      group.row[count] = i;
      group.factor[count++] = factor;
    } else if (rows.fresh) {
      clear_row(rows.gradients, i, 0, rows.classes);
    }
    if (count < most && (i + 1 < end || count == 0)) continue;
    group.count = count;
    if (most == 1)
      Body::template run<across_classes<V>>(rows, group, more...);
    else
      Body::template run<across_rows<V>>(rows, group, more...);
    count = 0;
  }
}

/// All rows count.
struct every_row {
  LIMBECK_HD bool operator()(index) const { return true; }
};

}  // namespace limbeck::detail
