// The rows that a linear map is fused with a loss on, in slices: on the host those that count, on a device all.
#pragma once

#include <cstdint>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/core/targets.hpp"
#include "limbeck/losses/linear_head.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/ops/embedding.hpp"

namespace limbeck::detail {

struct fused_ids {};
struct fused_samples {};
struct fused_labels {};
struct fused_scores {};
struct fused_weights {};

[[nodiscard]] inline bool follow_each_other(const view<const std::int32_t, 1>& ids) {
  return ids(ids.extent(0) - 1) - ids(0) == ids.extent(0) - 1;
}

/// The rows that a loss is asked about, in slices: what belongs to those of a slice side by side.
template <class T, backend B>
class fused_rows;

/// On the host those that count, whose numbers are moved together.
template <class T>
class fused_rows<T, cpu> {
 public:
  fused_rows(const linear_head<const T>& student, const targets<T>& given, const sink<T, cpu>& out)
      : given_(given),
        out_(out),
        id_(thread_scratch<fused_ids, std::int32_t>(student.hidden.extent(0))),
        sample_(thread_scratch<fused_samples, std::int32_t>(student.hidden.extent(0))) {
    for (index i = 0; i < student.hidden.extent(0); ++i) {
      const std::int32_t sample = student.row_sample.empty() ? static_cast<std::int32_t>(i) : student.row_sample(i);
      const bool masked = !given.row_weight.empty() && given.row_weight(i) == T(0);
      if (masked || (!out.weight.empty() && out.weight(sample) == T(0))) continue;
      id_[all_] = static_cast<std::int32_t>(i);
      sample_[all_++] = sample;
    }
  }
  [[nodiscard]] index all() const { return all_; }
  void take(index first, index count) {
    ids_ = view<const std::int32_t, 1>(id_ + first, count);
    samples_ = view<const std::int32_t, 1>(sample_ + first, count);
  }

  // Of the slice that was taken last.
  [[nodiscard]] bool side_by_side() const { return follow_each_other(ids_); }
  template <class X>
  [[nodiscard]] view<X, 2> block(const view<X, 2>& all) const {
    return row_block(all, ids_(0), ids_.extent(0));
  }
  /// Its rows, where they are if they lie side by side, otherwise gathered into `room`.
  template <class E>
  [[nodiscard]] view<const T, 2> rows(const E& on, const view<const T, 2>& all, const view<T, 2>& room) const {
    if (side_by_side()) return block(all);
    ops::gather_rows(on, all, ids_, room);
    return read_only(room);
  }
  template <class E>
  void scatter(const E& on, const view<const T, 2>& rows, const view<T, 2>& all) const {
    ops::scatter_rows(on, rows, ids_, all);
  }
  [[nodiscard]] const view<const std::int32_t, 1>& ids() const { return ids_; }
  [[nodiscard]] const view<const std::int32_t, 1>& samples() const { return samples_; }
  [[nodiscard]] targets<T> given() const {
    return {moved<fused_labels>(given_.labels), moved<fused_scores>(given_.scores),
            moved<fused_weights>(given_.row_weight)};
  }
  [[nodiscard]] const sink<T, cpu>& out() const { return out_; }

 private:
  template <class Tag, class X>
  [[nodiscard]] view<const X, 1> moved(const view<const X, 1>& all) const {
    if (all.empty()) return {};
    X* to = thread_scratch<Tag, X>(ids_.extent(0));
    for (index i = 0; i < ids_.extent(0); ++i) to[i] = all(ids_(i));
    return view<const X, 1>(to, ids_.extent(0));
  }

  targets<T> given_;
  sink<T, cpu> out_;
  std::int32_t *id_, *sample_;
  index all_ = 0;
  view<const std::int32_t, 1> ids_, samples_;
};

/// On a device all of them: nobody can see which count without waiting.
template <class T>
class fused_rows<T, cuda> {
 public:
  fused_rows(const linear_head<const T, cuda>& student, const targets<T, cuda>& given, const sink<T, cuda>& out)
      : all_(student.hidden.extent(0)), row_sample_(student.row_sample), given_(given), out_(out) {}
  [[nodiscard]] index all() const { return all_; }
  void take(index first, index count) { first_ = first, count_ = count; }

  [[nodiscard]] static constexpr bool side_by_side() { return true; }
  template <class X>
  [[nodiscard]] view<X, 2, cuda> block(const view<X, 2, cuda>& all) const {
    return row_block(all, first_, count_);
  }
  template <class E>
  [[nodiscard]] view<const T, 2, cuda> rows(const E&, const view<const T, 2, cuda>& all,
                                            const view<T, 2, cuda>&) const {
    return block(all);
  }
  template <class E>
  void scatter(const E&, const view<const T, 2, cuda>&, const view<T, 2, cuda>&) const {}
  [[nodiscard]] view<const std::int32_t, 1, cuda> samples() const { return part(row_sample_); }
  [[nodiscard]] targets<T, cuda> given() const {
    return {part(given_.labels), part(given_.scores), part(given_.row_weight)};
  }
  /// A row without a sample of its own is one.
  [[nodiscard]] sink<T, cuda> out() const {
    sink<T, cuda> here = out_;
    if (row_sample_.empty()) {
      here.value = part(out_.value);
      here.weight = part(out_.weight);
    }
    return here;
  }

 private:
  template <class X>
  [[nodiscard]] view<X, 1, cuda> part(const view<X, 1, cuda>& all) const {
    if (all.empty()) return {};
    return view<X, 1, cuda>(all.data() + first_ * all.stride(0), {{count_}}, {{all.stride(0)}});
  }

  index all_, first_ = 0, count_ = 0;
  view<const std::int32_t, 1, cuda> row_sample_;
  targets<T, cuda> given_;
  sink<T, cuda> out_;
};

/// A caller's workspace, taken piece by piece.
template <class T, backend B = cpu>
class pieces_of {
 public:
  explicit pieces_of(const view<T, 1, B>& all) : next_(all.data()) {}
  [[nodiscard]] view<T, 2, B> matrix(index rows, index columns) {
    T* const begin = next_;
    next_ += rows * columns;
    return view<T, 2, B>(begin, rows, columns);
  }

 private:
  T* next_;
};

}  // namespace limbeck::detail
