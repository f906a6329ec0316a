// Soft targets on the host, of which a teacher kept some classes: rows of a few classes, or of all, are made of them,
// and the kernels for whole rows do the rest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/losses/kept_rows.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"
#include "limbeck/losses/row_output_cpu.hpp"
#include "limbeck/losses/soft_target_cpu.hpp"

namespace limbeck::detail {

/// p[c] = exp(z[c] / T - log_sum) for the classes that were not kept, 0 for the others and up to the end of a vector.
/// log_sum: log of the sum of exp(z / T) over the former, -infinity without any.
struct rest_of_row {
  template <int Bytes, class S, class A>
  LIMBECK_HD static void run(const S* z, index step, index classes, const view<const std::int32_t, 2>& kept, index row,
                             const A inverse_temperature, A* p, A& log_sum) {
    using V = simd_of_bytes<A, Bytes>;
    const V lowest(-std::numeric_limits<A>::infinity());
    const index columns = across_classes<V>::padded(classes);
    call_kernel<stage_row, Bytes>(z, step, index{0}, classes, p);
    for (index j = 0; j < kept.extent(1); ++j) p[kept(row, j)] = -std::numeric_limits<A>::infinity();
    V tops = lowest;
    for (index c = 0; c < columns; c += V::width) tops = max(tops, load<V>(p + c));
    const A top = horizontal_max(tops);
    const V offset(is_finite(top) ? top : A(0));
    const exp_of_multiple<V> softened(inverse_temperature);
    long_sum<V> sums;
    for (index c = 0; c < columns; c += V::width) {
      const V e = softened(load<V>(p + c) - offset);
      store(p + c, e);
      sums.add(e);
    }
    const A sum = horizontal_sum(sums.total());
    log_sum = top * inverse_temperature + log(sum);
    const V share(sum == A(0) ? A(0) : A(1) / sum);
    for (index c = 0; c < columns; c += V::width) store(p + c, share * load<V>(p + c));
  }
};

struct top_k_scratch {};

/// A few rows as the kernels for whole rows take them, in memory of the calling thread.
template <class A>
struct top_k_block {
  index rows, columns, rest_columns;
  A *student, *teacher, *gradient, *rest, *value, *factor;

  /// columns: of the rows that are made; rest_columns: room for what is said of the classes that were not kept.
  top_k_block(index most_rows, index columns, index rest_columns)
      : rows(most_rows), columns(columns), rest_columns(rest_columns) {
    A* next = thread_scratch<top_k_scratch, A>(rows * (3 * columns + rest_columns + 2));
    const auto take = [&](index count) { return std::exchange(next, next + rows * count); };
    rest = take(rest_columns);
    student = take(columns);
    teacher = take(columns);
    gradient = take(columns);
    value = take(1);
    factor = take(1);
  }
  [[nodiscard]] view<A, 2> seen(A* data, index count) const { return view<A, 2>(data, count, columns); }
};

/// A soft target of which the teacher kept some classes.
template <class D, class S, class U, class A, class G>
class top_k_blocks {
 public:
  top_k_blocks(const D& divergence, A temperature, top_k_mode mode, const kept_rows<U>& teacher,
               const logit_rows<S, U, A, cpu, G>& rows)
      : divergence_(divergence), temperature_(temperature), mode_(mode), teacher_(teacher), rows_(rows) {}

  void operator()(const auto& on) const {
    const bool whole = mode_ == top_k_mode::renormalised_teacher, tail = mode_ == top_k_mode::tail_bucket;
    const index kept = teacher_.classes.extent(1), columns = whole ? rows_.classes : kept + tail;
    const index rest = tail ? (rows_.classes + 31) / 16 * 16 : 0;  // whole vectors of any level
    const index at_once = std::clamp<index>((1 << 15) / (columns + rest), 1, 64);
    for_row_ranges(on, rows_, [&](index begin, index end) {
      const top_k_block<A> block(at_once, columns, rest);
      for (index first = begin; first < end; first += at_once) run(block, first, std::min(at_once, end - first));
    });
  }

 private:
  void run(const top_k_block<A>& block, index first, index count) const {
    for (index i = 0; i < count; ++i) {
      block.value[i] = 0;
      block.factor[i] = rows_.factor(first + i);
      if (block.factor[i] != A(0)) fill(block, first + i, i);
    }
    if (mode_ == top_k_mode::renormalised_teacher)
      compare(block, count, row_block(rows_.student, first, count),
              rows_.gradients.empty() ? rows_.gradients : row_block(rows_.gradients, first, count), rows_.fresh);
    else
      compare(block, count, read_only(block.seen(block.student, count)),
              rows_.gradients.empty() ? view<A, 2>() : block.seen(block.gradient, count), true);
    for (index i = 0; i < count; ++i) {
      if (!rows_.values.empty()) rows_.values(rows_.sample(first + i)) += block.value[i];
      if (!rows_.gradients.empty() && mode_ != top_k_mode::renormalised_teacher) hand_back(block, first + i, i);
    }
  }

  // The rows of a block, through the kernels for whole rows.
  template <class S2, class G2>
  void compare(const top_k_block<A>& block, index count, const view<const S2, 2>& student, const view<G2, 2>& gradient,
               bool fresh) const {
    struct one_thread {
      int threads = 1;
    };
    const logit_rows<S2, A, A, cpu, G2> rows{.student = student,
                                             .teacher = read_only(block.seen(block.teacher, count)),
                                             .row_weight = view<const A, 1>(block.factor, count),
                                             .values = view<A, 1>(block.value, count),
                                             .gradients = gradient,
                                             .classes = block.columns,
                                             .fresh = fresh && !gradient.empty()};
    soft_target_rows(cpu{}, one_thread{}, divergence_, temperature_, rows);
  }

  void fill(const top_k_block<A>& block, index row, index i) const {
    const index kept = teacher_.classes.extent(1);
    A* const theirs = block.teacher + i * block.columns;
    if (mode_ == top_k_mode::renormalised_teacher) {
      std::fill_n(theirs, block.columns, -std::numeric_limits<A>::infinity());
      for (index j = 0; j < kept; ++j) theirs[teacher_.classes(row, j)] = static_cast<A>(teacher_.logits(row, j));
      return;
    }
    A* const mine = block.student + i * block.columns;
    for (index j = 0; j < kept; ++j) {
      mine[j] = static_cast<A>(rows_.student(row, teacher_.classes(row, j)));
      theirs[j] = static_cast<A>(teacher_.logits(row, j));
    }
    if (mode_ == top_k_mode::renormalised_both) return;
    A log_rest = 0;
    simd_dispatch<rest_of_row>(rows_.student.data() + row * rows_.student.stride(0), rows_.student.stride(1),
                               rows_.classes, teacher_.classes, row, A(1) / temperature_,
                               block.rest + i * block.rest_columns, log_rest);
    mine[kept] = temperature_ * log_rest;
    theirs[kept] = temperature_ * static_cast<A>(teacher_.log_rest(row));
  }

  // What a row of a block says of the student's own row.
  void hand_back(const top_k_block<A>& block, index row, index i) const {
    const view<G, 2>& gradients = rows_.gradients;
    if (block.factor[i] == A(0)) {
      if (rows_.fresh) clear_row(gradients, row, 0, rows_.classes);
      return;
    }
    const index kept = teacher_.classes.extent(1);
    const A* const mine = block.gradient + i * block.columns;
    if (mode_ == top_k_mode::tail_bucket)
      add_to_row(rows_, row, mine[kept], static_cast<const A*>(block.rest + i * block.rest_columns));
    else if (rows_.fresh)
      clear_row(gradients, row, 0, rows_.classes);
    for (index j = 0; j < kept; ++j) {
      G& to = gradients(row, teacher_.classes(row, j));
      to = static_cast<G>(static_cast<A>(to) + mine[j]);
    }
  }

  const D& divergence_;
  A temperature_;
  top_k_mode mode_;
  kept_rows<U> teacher_;
  const logit_rows<S, U, A, cpu, G>& rows_;
};

template <class D, class S, class U, class A, class G>
void top_k_rows(cpu, const auto& on, const D& divergence, A temperature, top_k_mode mode, const kept_rows<U>& teacher,
                const logit_rows<S, U, A, cpu, G>& rows) {
  top_k_blocks<D, S, U, A, G>(divergence, temperature, mode, teacher, rows)(on);
}

}  // namespace limbeck::detail
