// Compares how the vectors of a batch lie to one another: distances of pairs, angles of triples.
#pragma once

#include <algorithm>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/sample_vectors.hpp"

namespace limbeck {
namespace detail {

/// Huber's loss: a square up to delta, a straight line from there.
template <class A>
struct huber {
  A delta;
  [[nodiscard]] A value(A x) const {
    const A size = abs(x);
    return size > delta ? delta * (size - delta / 2) : x * x / 2;
  }
  [[nodiscard]] A slope(A x) const { return abs(x) > delta ? delta * sign_of(x) : x; }  // a NaN stays one
};

struct angles_memory {};

/// The distances of all pairs of `count` vectors, [count, count]; returns 1 / the mean of those that are not 0, or 0 if
/// all are.
template <class A>
[[nodiscard]] A pair_distances(int threads, const A* vectors, index count, index width, A* to) {
  constexpr index worth_a_thread = 1 << 14;  // elements
  parallel_for(threads, count, worth_a_thread / (count * width) + 1, [&](index begin, index end) {
    for (index i = begin; i < end; ++i)
      for (index j = 0; j < count; ++j)
        to[i * count + j] = sqrt(squared_error(mask_mode::exact, vectors + i * width, vectors + j * width, width, A(0),
                                               static_cast<A*>(nullptr)));
  });
  double sum = 0;
  index apart = 0;
  for (index p = 0; p < count * count; ++p) {
    sum += static_cast<double>(to[p]);
    apart += to[p] != A(0);
  }
  return apart == 0 ? A(0) : static_cast<A>(static_cast<double>(apart) / sum);
}

/// r[i, j]: what the distance of i and j, divided by the mean, adds to the slope. To the gradients of both ends.
template <class A>
void pair_slopes(int threads, const vector_batch<A>& batch, const A* distance, const A* r, A inverse_mean) {
  const index n = batch.count;
  double through_mean = 0;
  index apart = 0;
  for (index p = 0; p < n * n; ++p) {
    through_mean += static_cast<double>(r[p]) * static_cast<double>(distance[p]);
    apart += distance[p] != A(0);
  }
  if (apart == 0) return;
  const A moved = static_cast<A>(2 * through_mean / static_cast<double>(apart)) * inverse_mean * inverse_mean;
  constexpr index worth_a_thread = 1 << 14;  // elements
  parallel_for(threads, n, worth_a_thread / (n * batch.student_width) + 1, [&](index begin, index end) {
    for (index i = begin; i < end; ++i)
      for (index j = 0; j < n; ++j) {
        const A length = distance[i * n + j];
        if (length == A(0)) continue;
        const A slope = ((r[i * n + j] + r[j * n + i]) * inverse_mean - moved) / length;
        (void)squared_error(mask_mode::exact, batch.mine(i), batch.mine(j), batch.student_width, slope / 2,
                            batch.slope(i));
      }
  });
}

/// Row j of `to`: the direction from vector `from` to vector j, and in length[j] how far it is. Both 0 where they are
/// one.
template <class A>
void directions_from(const A* vectors, index count, index width, index from, A* to, A* length) {
  for (index j = 0; j < count; ++j) {
    A* const direction = to + j * width;
    for (index c = 0; c < width; ++c) direction[c] = vectors[j * width + c] - vectors[from * width + c];
    length[j] = sqrt(dot(direction, direction, width));
    for (index c = 0; c < width && length[j] != A(0); ++c) direction[c] /= length[j];
  }
}

/// The room of one vertex of angles: directions of both models and their slopes, lengths.
template <class A>
struct vertex_room {
  A *own, *shown, *slope, *own_length, *shown_length, *r;

  explicit vertex_room(const vector_batch<A>& batch) {
    const index n = batch.count;
    memory_pieces<A> memory(
        thread_scratch<angles_memory, A>(n * (2 * batch.student_width + batch.teacher_width + 2 + n)));
    own = memory.take(n * batch.student_width);
    slope = memory.take(n * batch.student_width);
    shown = memory.take(n * batch.teacher_width);
    own_length = memory.take(n);
    shown_length = memory.take(n);
    r = memory.take(n * n);
  }
};

/// The angles at one vertex: their loss, and r[j, k], the slope by the student's cosine at (j, k) and (k, j) together.
template <class A>
[[nodiscard]] A compare_angles(const vector_batch<A>& batch, index vertex, const huber<A>& compare,
                               const vertex_room<A>& room) {
  const index n = batch.count, width = batch.student_width, teacher_width = batch.teacher_width;
  directions_from(batch.student, n, width, vertex, room.own, room.own_length);
  directions_from(batch.teacher, n, teacher_width, vertex, room.shown, room.shown_length);
  A sum = 0;
  for (index j = 0; j < n; ++j)
    for (index k = 0; k <= j; ++k) {
      const A gap = dot(room.own + j * width, room.own + k * width, width) -
                    dot(room.shown + j * teacher_width, room.shown + k * teacher_width, teacher_width);
      sum += compare.value(gap) * A(j == k ? 1 : 2);
      room.r[j * n + k] = room.r[k * n + j] = 2 * compare.slope(gap);
    }
  return sum;
}

/// The gradient of the angles at one vertex, from what compare_angles left.
template <class A>
void angle_slopes(const vector_batch<A>& batch, index vertex, A factor, const vertex_room<A>& room) {
  const index n = batch.count, width = batch.student_width;
  for (index j = 0; j < n; ++j) {
    if (room.own_length[j] == A(0)) continue;
    const A* const direction = room.own + j * width;
    A* const slope = room.slope + j * width;
    std::fill_n(slope, width, A(0));
    for (index k = 0; k < n; ++k)  // the cosine with itself does not change
      if (k != j && room.own_length[k] != A(0)) add_multiple(room.own + k * width, width, room.r[j * n + k], slope);
    add_multiple(direction, width, -dot(slope, direction, width), slope);
    add_multiple(slope, width, factor / room.own_length[j], batch.slope(j));
    add_multiple(slope, width, -factor / room.own_length[j], batch.slope(vertex));
  }
}

struct distance_memory {};

}  // namespace detail

/// Relational knowledge distillation by distances (Park et al. 2019, arXiv:1904.05068, section 3.2.1): value[sample i]
/// += the mean over the batch's samples j, i itself among them, of huber(d_ij - d_ij of the teacher), divided by the
/// count of `over`; d_ij is the distance of the vectors of i and j over the mean of those that are not 0. With weights
/// of 1 and the batch's count of samples the values sum to the mean over all pairs. A loss of the batch: it does not
/// come out the same when the batch is split. Samples of weight 0 and those without a token are left out of the batch.
/// The widths need not agree. Throws contract_error where samples or layers do not fit, or delta <= 0.
struct relational_distance {
  static constexpr signal_set reads = signal::hidden;
  static constexpr bool of_batch = true;
  sample_vectors of{};
  double delta = 1;  ///< from where on Huber's loss is a straight line
  divisor over = divisor::samples;

  template <class Provider, class S, class U, class A, class G>
  void operator()(const cpu_executor<Provider>& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>&, const sink<A, cpu, G>& out) const {
    expects(delta > 0, [&] { return message("relational_distance: delta ", delta, ", must be positive"); });
    const auto body = [&](const detail::vector_batch<A>& batch) {
      const index n = batch.count;
      detail::memory_pieces<A> memory(thread_scratch<detail::distance_memory, A>(3 * n * n));
      A *const own = memory.take(n * n), *const shown = memory.take(n * n), *const r = memory.take(n * n);
      const A mine = detail::pair_distances(on.threads, batch.student, n, batch.student_width, own);
      const A theirs = detail::pair_distances(on.threads, batch.teacher, n, batch.teacher_width, shown);
      const detail::huber<A> compare{static_cast<A>(delta)};
      for (index i = 0; i < n; ++i) {
        const A share = batch.factor[i] / static_cast<A>(n);
        A sum = 0;
        for (index at = i * n; at < (i + 1) * n; ++at) {
          const A gap = own[at] * mine - shown[at] * theirs;
          sum += compare.value(gap);
          r[at] = share * compare.slope(gap);
        }
        if (!out.value.empty()) out.value(batch.sample[i]) += share * sum;
      }
      if (batch.gradient != nullptr) detail::pair_slopes(on.threads, batch, own, r, mine);
    };
    detail::with_vectors("relational_distance", of, detail::any_widths{}, student, teacher, out,
                         count_of(out.per, over), body);
  }
};

/// Relational knowledge distillation by angles (Park et al. 2019, section 3.2.2): value[sample i] += the mean over all
/// pairs (j, k) of the batch's samples of huber(a_ijk - a_ijk of the teacher), divided by the count of `over`; a_ijk is
/// the cosine of the angle at i between the directions to j and to k, 0 where one of them is none. With weights of 1
/// and the batch's count of samples the values sum to the mean over all triples. Costs samples^3 * width on one thread:
/// meant for batches of 64 or so. A loss of the batch, of the same rules as relational_distance.
struct relational_angle {
  static constexpr signal_set reads = signal::hidden;
  static constexpr bool of_batch = true;
  sample_vectors of{};
  double delta = 1;  ///< from where on Huber's loss is a straight line
  divisor over = divisor::samples;

  template <class Provider, class S, class U, class A, class G>
  void operator()(const cpu_executor<Provider>&, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>&, const sink<A, cpu, G>& out) const {
    expects(delta > 0, [&] { return message("relational_angle: delta ", delta, ", must be positive"); });
    const auto body = [&](const detail::vector_batch<A>& batch) {
      const detail::vertex_room<A> room(batch);
      const detail::huber<A> compare{static_cast<A>(delta)};
      for (index i = 0; i < batch.count; ++i) {
        const A share = batch.factor[i] / static_cast<A>(batch.count * batch.count);
        const A sum = detail::compare_angles(batch, i, compare, room);
        if (!out.value.empty()) out.value(batch.sample[i]) += share * sum;
        if (batch.gradient != nullptr) detail::angle_slopes(batch, i, share, room);
      }
    };
    detail::with_vectors("relational_angle", of, detail::any_widths{}, student, teacher, out, count_of(out.per, over),
                         body);
  }
};

}  // namespace limbeck
