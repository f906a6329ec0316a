// Self-attention relations on a device: a warp for each token of each head, whose relations are made anew wherever they
// are looked at, so that nothing of length x length is held.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/compared_rows_cuda.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/relation_heads.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/sample_slices_cuda.hpp"

namespace limbeck::detail {

/// The relations of one token with those of its sample, by one head: a row of scores as device_pair takes it.
template <class A, class T>
class related_row {
 public:
  /// `tokens`: of the sample, the head's columns first.
  __device__ related_row(const T* tokens, index step, index own, int width, A scale)
      : tokens_(tokens), own_(tokens + own * step), step_(step), width_(width), scale_(scale) {}

  [[nodiscard]] __device__ four<A> first_four(index first, index here) const { return four_at(first, here); }
  [[nodiscard]] __device__ four<A> four_at(index first, index here) const {
    four<A> scores{};
    for (int c = 0; c < width_; ++c) {
      const A own = static_cast<A>(own_[c]);
      for (int i = 0; i < 4; ++i)
        if (i < here) scores.at[i] += own * static_cast<A>(tokens_[(first + i) * step_ + c]);
    }
    for (A& s : scores.at) s *= scale_;
    return scores;
  }
  [[nodiscard]] __device__ A operator[](index token) const { return four_at(token, 1).at[0]; }

 private:
  const T *tokens_, *own_;
  index step_;
  int width_;
  A scale_;
};

/// What the kernels of one pair of layers know. The divergence of two rows is that of attention_kl.
template <class A, class S, class U, class G>
struct relations_on_device {
  using student_row = related_row<A, S>;
  using teacher_row = related_row<A, U>;

  view<const sample_rows, 1, cuda> rows, teacher_rows;
  sample_factors<A, cuda> factors;
  pair_of_vectors<S, U, G, cuda> x;
  index heads;
  bool causal;
  int width, teacher_width;  ///< of a head
  A scale, teacher_scale;
  softened_pair<A>* softened;  ///< [tokens, heads]: of each row, kept for its columns; null where none is wanted

  [[nodiscard]] __device__ student_row student(index sample, index head, index row) const {
    return {x.student.data() + rows(sample).begin * x.student.stride(0) + head * width, x.student.stride(0), row, width,
            scale};
  }
  [[nodiscard]] __device__ teacher_row teacher(index sample, index head, index row) const {
    return {x.teacher.data() + teacher_rows(sample).begin * x.teacher.stride(0) + head * teacher_width,
            x.teacher.stride(0), row, teacher_width, teacher_scale};
  }
  [[nodiscard]] __device__ softened_pair<A>& softened_of(index sample, index head, index row) const {
    return softened[(rows(sample).begin + row) * heads + head];
  }
  /// Calls body(head, row) for those of a sample that are this warp's; rows of one head follow each other.
  template <class Body>
  __device__ void for_rows(index sample, index slice, const Body& body) const {
    const index keys = rows(sample).keys, warps = blockDim.x / warp_size;
    for (index i = slice * warps + threadIdx.x / warp_size; i < heads * keys; i += slices_of_sample * warps)
      body(i / keys, i % keys);
  }
};

/// A sample's sum of divergences, to which each lane gives its part; keeps what the gradient needs to know of rows.
template <class A, class S, class U, class G>
struct relation_divergence {
  relations_on_device<A, S, U, G> of;

  __device__ A operator()(index sample, index slice) const {
    const A factor = of.factors(sample);
    if (factor == A(0)) return A(0);
    A sum = 0;
    of.for_rows(sample, slice, [&](index head, index row) {
      using related = relations_on_device<A, S, U, G>;
      const device_pair<warp_team, A, typename related::student_row, typename related::teacher_row> pair(
          of.student(sample, head, row), of.teacher(sample, head, row), visible_keys(of.rows(sample), row, of.causal),
          A(1));
      pair.for_fours_of_both([&](index, index here, const four<A>& z, const four<A>& zt) {
        for (int i = 0; i < 4; ++i)
          if (i < here) sum += forward_kl{}(pair.at(z.at[i], zt.at[i])).value;
      });
      if (of.softened != nullptr && warp_team::lane() == 0) of.softened_of(sample, head, row) = pair.pair();
    });
    return factor * sum;
  }
};

/// Adds the gradient of a token: its relation to another one is in its own row, and in the other's.
template <class A, class S, class U, class G>
struct relation_gradient {
  relations_on_device<A, S, U, G> of;

  __device__ A operator()(index sample, index slice) const {
    const A factor = of.factors(sample) * of.scale;
    if (factor == A(0)) return A(0);
    of.for_rows(sample, slice, [&](index head, index row) {
      for (int column = 0; column < of.width; column += columns_at_once) add(sample, head, row, column, factor);
    });
    return A(0);
  }

 private:
  static constexpr int parts = 4, columns_at_once = parts * static_cast<int>(warp_size);

  /// To up to 128 of the head's columns from `column` on: a lane has every 32nd.
  __device__ void add(index sample, index head, index row, int column, A factor) const {
    const sample_rows all = of.rows(sample);
    const int lane = static_cast<int>(warp_team::lane());
    const auto column_of = [&](int part) { return column + part * static_cast<int>(warp_size) + lane; };
    A sums[parts] = {};
    for (index first = 0; first < all.keys; first += warp_size) {
      const A mine = first + lane < all.keys ? slope(sample, head, row, first + lane) : A(0);
      for (int i = 0; i < static_cast<int>(warp_size) && first + i < all.keys; ++i) {
        const A told = warp_told(mine, i);
        for (int part = 0; part < parts; ++part)
          if (const int c = column_of(part); c < of.width)
            sums[part] += told * static_cast<A>(of.x.student(all.begin + first + i, head * of.width + c));
      }
    }
    for (int part = 0; part < parts; ++part)
      if (const int c = column_of(part); c < of.width) {
        G& to = of.x.gradient(all.begin + row, head * of.width + c);
        to = static_cast<G>(static_cast<A>(to) + factor * sums[part]);
      }
  }
  /// Of the score of two tokens, from both rows that hold it.
  [[nodiscard]] __device__ A slope(index sample, index head, index row, index other) const {
    const sample_rows all = of.rows(sample);
    const A z = of.student(sample, head, row)[other], zt = of.teacher(sample, head, row)[other];
    A sum = 0;
    if (other < visible_keys(all, row, of.causal))
      sum += forward_kl{}(of.softened_of(sample, head, row).at(z, zt)).slope;
    if (row < visible_keys(all, other, of.causal))
      sum += forward_kl{}(of.softened_of(sample, head, other).at(z, zt)).slope;
    return sum;
  }
};

/// As on the host. Workspace: nine numbers for each head of each token.
template <class S, class U, class A, class G>
void relation_layer(cuda, const cuda_executor& on, index heads, bool causal, view<const sample_rows, 1, cuda> rows,
                    view<const sample_rows, 1, cuda> teacher_rows, const pair_of_vectors<S, U, G, cuda>& x,
                    double share, const sink<A, cuda, G>& out) {
  const bool flows = !x.gradient.empty();
  const index samples = rows.extent(0), width = x.student.extent(1) / heads,
              teacher_width = x.teacher.extent(1) / heads;
  constexpr index of_row = sizeof(softened_pair<A>) / sizeof(A);
  const index kept = flows ? x.student.extent(0) * heads * of_row : 0;
  const cuda_workspace<A> room(on, slice_room(samples) + kept);
  auto* const softened = reinterpret_cast<softened_pair<A>*>(room.data() + slice_room(samples));
  const relations_on_device<A, S, U, G> of{rows,
                                           teacher_rows,
                                           factors_of(out, 1 / share),
                                           x,
                                           heads,
                                           causal,
                                           static_cast<int>(width),
                                           static_cast<int>(teacher_width),
                                           scale_of_head<A>(width),
                                           scale_of_head<A>(teacher_width),
                                           flows ? softened : nullptr};
  add_up_samples(on, "relations", samples, slice_threads, relation_divergence<A, S, U, G>{of}, room.data(), out.value);
  if (flows)
    add_up_samples(on, "relations: gradient", samples, slice_threads, relation_gradient<A, S, U, G>{of}, room.data(),
                   view<A, 1, cuda>{});
}

}  // namespace limbeck::detail
