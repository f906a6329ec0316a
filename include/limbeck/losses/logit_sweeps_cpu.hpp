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
  static constexpr int rows_at_once = 1;
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
  static constexpr int rows_at_once = V::width;
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

/// The logits of a group of rows in the layout of the kernel, vector by vector: where they lie if the layout and the
/// type allow it, otherwise in `room`, which holds padded(classes).
template <class Layout, class V>
class staged_logits {
  using A = typename V::scalar;

 public:
  template <class S>
  LIMBECK_HD staged_logits(const view<const S, 2>& logits, index classes, const row_group<V>& group, A* room)
      : data_(room), full_(Layout::padded(classes) / V::width), rest_(0) {
    if constexpr (Layout::one_row) {
      const S* row = logits.data() + group.row[0] * logits.stride(0);
      full_ = classes / V::width;
      rest_ = classes % V::width;
      if constexpr (std::is_same_v<S, A>)
        if (logits.stride(1) == 1) {
          data_ = row;
          return;
        }
      copy(row, logits.stride(1), classes, room);
    } else {
      for (int lane = 0; lane < V::width; ++lane) {
        if (lane >= group.count) {
          for (index c = 0; c < classes; ++c) room[c * V::width + lane] = A(0);
          continue;
        }
        const S* row = logits.data() + group.row[lane] * logits.stride(0);
        for (index c = 0; c < classes; ++c) room[c * V::width + lane] = static_cast<A>(row[c * logits.stride(1)]);
      }
    }
  }

  /// The number of vectors.
  [[nodiscard]] LIMBECK_HD index count() const { return full_ + (rest_ > 0); }
  /// Vector k; -infinity in the lanes behind the last class.
  [[nodiscard]] LIMBECK_HD V operator[](index k) const {
    const A* p = data_ + k * V::width;
    if constexpr (Layout::one_row)
      if (k == full_) return load_part<V>(p, rest_, -std::numeric_limits<A>::infinity());
    return load<V>(p);
  }
  /// The largest logit: of the row in every lane, or of each lane's row.
  [[nodiscard]] LIMBECK_HD V top() const {
    V top(-std::numeric_limits<A>::infinity()), other = top;
    index k = 0;
    for (; k + 1 < full_; k += 2) {
      top = max(load<V>(data_ + k * V::width), top);  // NaN may get lost here, it comes back with the exponentials
      other = max(load<V>(data_ + (k + 1) * V::width), other);
    }
    for (; k < count(); ++k) top = max((*this)[k], top);
    return Layout::largest(max(top, other));
  }

 private:
  template <class S>
  LIMBECK_HD static void copy(const S* row, index step, index classes, A* room) {
    index c = 0;
    if (step == 1)
      for (; c + V::width <= classes; c += V::width) store(room + c, load<V>(row + c));
    for (; c < classes; ++c) room[c] = static_cast<A>(row[c * step]);
  }

  const A* data_;
  index full_, rest_;
};

/// gradient += what `through` [padded(classes)] holds, vector by vector in the layout of the kernel, for the rows of
/// the group; `factor` multiplied in already.
template <class Layout, class V, class G>
class gradient_rows {
  using A = typename V::scalar;

 public:
  LIMBECK_HD gradient_rows(const view<G, 2>& gradients, index classes, const row_group<V>& group, A* room)
      : gradients_(gradients), group_(group), classes_(classes), room_(room) {
    in_place_ = Layout::one_row && gradients.stride(1) == 1;
  }

  LIMBECK_HD void add(index k, const V& through) const {
    if constexpr (Layout::one_row)
      if (in_place_) {
        G* p = gradients_.data() + group_.row[0] * gradients_.stride(0) + k * V::width;
        const index left = classes_ - k * V::width;
        if (left >= V::width)
          store(p, load<V>(static_cast<const G*>(p)) + through);
        else
          store_part(p, left, load_part<V>(static_cast<const G*>(p), left, A(0)) + through);
        return;
      }
    store(room_ + k * V::width, through);
  }
  /// To be called after the last vector.
  LIMBECK_HD void finish() const {
    if (in_place_) return;
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
  const view<G, 2>& gradients_;
  const row_group<V>& group_;
  index classes_;
  A* room_;
  bool in_place_;
};

/// value of each row's sample += factor * value.
template <class V, class Rows>
LIMBECK_HD void add_values(const Rows& rows, const row_group<V>& group, const V& value) {
  if (rows.values.empty()) return;
  for (int lane = 0; lane < group.count; ++lane)
    rows.values(rows.sample(group.row[lane])) += group.factor[lane] * value[lane];
}

/// Rows with fewer classes than this go side by side in a vector.
template <class V>
inline constexpr index few_classes = 4 * V::width;

/// At least padded(classes), whatever the layout and the size of vectors.
template <class A>
[[nodiscard]] constexpr index room_for(index classes) {
  constexpr index most = 64 / sizeof(A);
  return classes < 4 * most ? classes * most : classes + most;
}

/// Calls Body::run<Layout>(group, more...) for the rows begin .. end that count, group after group. `counts(row)` may
/// rule out more rows than factor() does.
template <class Body, class V, class Rows, class Counts, class... More>
LIMBECK_HD void for_row_groups(const Rows& rows, index begin, index end, const Counts& counts, More&... more) {
  row_group<V> group;
  const int most = rows.classes < few_classes<V> ? V::width : 1;
  for (index i = begin; i < end; ++i) {
    const auto factor = rows.factor(i);
    if (factor != 0 && counts(i)) {
      group.row[group.count] = i;
      group.factor[group.count++] = factor;
    }
    if (group.count < most && (i + 1 < end || group.count == 0)) continue;
    if (most == 1)
      Body::template run<across_classes<V>>(rows, group, more...);
    else
      Body::template run<across_rows<V>>(rows, group, more...);
    group.count = 0;
  }
}

/// All rows count.
struct every_row {
  LIMBECK_HD bool operator()(index) const { return true; }
};

}  // namespace limbeck::detail
