// What the host kernels of losses on class scores share: where the logits, gradients and values of a group of rows lie,
// and how they get into vectors and back.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/simd_columns.hpp"
#include "limbeck/losses/logit_rows.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

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

/// Logits vector by vector, of which vector `full`, if there is one, lies elsewhere.
template <class V>
struct logit_vectors {
  const typename V::scalar *data, *last;
  index full;

  [[nodiscard]] LIMBECK_HD V operator[](index k) const { return load<V>((k == full ? last : data) + k * V::width); }
};

/// The logits of a group of rows in the layout of the kernel, vector by vector: where they lie if the layout and the
/// type allow it, otherwise in `room`, which holds padded(classes).
template <class Layout, class V>
class staged_logits {
  using A = typename V::scalar;

 public:
  /// copied: never where they lie, so that classes can be ruled out.
  template <class S>
  LIMBECK_HD staged_logits(const view<const S, 2>& logits, index classes, const row_groups<V>& groups, A* room,
                           bool copied = false)
      : data_(room), room_(room), full_(groups.count * Layout::padded(classes) / V::width), rest_(0) {
    if constexpr (Layout::one_row) {
      const S* first = logits.data() + groups[0].row[0] * logits.stride(0);
      full_ = classes / V::width;
      rest_ = classes % V::width;
      const bool whole = logits.stride(1) == 1 && classes >= V::width;
      if constexpr (std::is_same_v<S, A>)
        if (whole && !copied) data_ = first;
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
  /// The same, whatever the layout.
  [[nodiscard]] LIMBECK_HD logit_vectors<V> vectors() const { return {data_, room_, full_}; }
  /// Of staged logits that are copied: class c of a lane of group g counts as -infinity.
  LIMBECK_HD void rule_out(index classes, int g, int lane, index c) {
    room_[Layout::one_row ? c : g * Layout::padded(classes) + c * V::width + lane] =
        -std::numeric_limits<A>::infinity();
  }
  /// Asks for the memory that comes behind vector k: the rest of the row, or the next one.
  LIMBECK_HD void prefetch(index k) const {
    if constexpr (Layout::one_row)
      __builtin_prefetch(reinterpret_cast<const char*>(data_ + k * V::width) + bytes_ahead);
  }
  /// The largest of each lane in the vectors begin .. end, or `least` if none is larger.
  [[nodiscard]] LIMBECK_HD V largest(index begin, index end, const V& least) const {
    V top = least, other = least;
    const index whole = std::min(end, full_);
    index k = begin;
    for (const A* at = data_ + k * V::width; k + 1 < whole; k += 2, at += 2 * V::width) {
      top = max(top, load<V>(at));  // NaN gets lost here, it comes back with the exponentials
      other = max(other, load<V>(at + V::width));
    }
    for (; k < end; ++k) top = max(top, (*this)[k]);
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

/// Vector k of a row of `classes`, with 0 in the lanes behind the last class.
template <class Layout, class V>
[[nodiscard]] LIMBECK_HD V in_class(const V& v, index k, index classes) {
  const index left = classes - k * V::width;
  return !Layout::one_row || left >= V::width ? v : where(first_lanes<V>(left), v, V(0));
}

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

/// The logits of the rows' labels, given.labels(row): of the row in every lane, or of each lane's row (0 where there is
/// none).
template <class Layout, class V, class S, class Labels>
[[nodiscard]] LIMBECK_HD V logits_of_labels(const view<const S, 2>& logits, const row_group<V>& group,
                                            const Labels& given) {
  using A = typename V::scalar;
  A found[V::width] = {};
  for (int lane = 0; lane < group.count; ++lane)
    found[lane] = static_cast<A>(logits(group.row[lane], given.labels(group.row[lane])));
  if constexpr (Layout::one_row) return V(found[0]);
  return load_part<V>(static_cast<const A*>(found), group.count, A(0));
}

/// The gradient of each row's label += what its lane holds.
template <class Rows, class V, class Labels>
LIMBECK_HD void add_to_labels(const Rows& rows, const row_group<V>& group, const Labels& given, const V& amount) {
  using G = typename Rows::gradient_type;
  using A = typename V::scalar;
  for (int lane = 0; lane < group.count; ++lane) {
    G& place = rows.gradients(group.row[lane], given.labels(group.row[lane]));
    place = static_cast<G>(static_cast<A>(place) + amount[lane]);
  }
}

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

/// At least padded(classes), whatever the layout and the size of vectors.
template <class A>
[[nodiscard]] constexpr index room_for(index classes) {
  constexpr index most = 64 / sizeof(A);
  return classes < 8 * most ? classes * most : classes + most;
}

}  // namespace limbeck::detail
