// Unit vectors of a batch and the cosines between both models' on a device, in double.
#pragma once

#include <cmath>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/own_share.hpp"
#include "limbeck/losses/sample_vectors_cuda.hpp"

namespace limbeck::detail {

/// What a batch's contrast is made in.
struct contrast_tables {
  double* length;           ///< [samples]: of the student's vectors, which have become unit vectors
  double *scores, *slopes;  ///< [samples, samples]
  double* slope;            ///< [samples, width]: by the student's unit vectors
};

/// Brings both vectors of every sample to length 1; zeros stay zeros.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads) make_units_kernel(Vectors vectors, double* length) {
  const auto make_unit = [](double* row, index width) {
    double sum = 0;
    for (index c = threadIdx.x; c < width; c += blockDim.x) sum += row[c] * row[c];
    const double found = sqrt(block_joined(sum, summed_up{}));
    for (index c = threadIdx.x; c < width && found != 0; c += blockDim.x) row[c] /= found;
    return found;
  };
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    const double found = make_unit(vectors.student + i * vectors.width(), vectors.width());
    if (threadIdx.x == 0) length[i] = found;
    (void)make_unit(vectors.teacher + i * vectors.width(), vectors.width());
  }
}

/// From slope_of(column), the slope by a sample's unit vector, which was `length` long, to its tokens' states. `slope`:
/// room for it. To be called by a whole block.
template <class Vectors, class SlopeOf>
__device__ void spread_through_unit(const Vectors& vectors, index i, double length, double* slope,
                                    const SlopeOf& slope_of) {
  if (length == 0) return;
  double along = 0;
  for (index c = threadIdx.x; c < vectors.width(); c += blockDim.x) {  // each thread has the same columns again below
    slope[c] = slope_of(c);
    along += slope[c] * vectors.mine(i)[c];
  }
  along = block_joined(along, summed_up{});
  for (index c = threadIdx.x; c < vectors.width(); c += blockDim.x)
    vectors.spread(i, c, (slope[c] - along * vectors.mine(i)[c]) / length);
}

/// Scores of sample i with every teacher, by a warp each.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads)
    contrast_scores_kernel(Vectors vectors, contrast_tables t, double sharpness) {
  const index n = vectors.samples(), warps = blockDim.x / warp_size;
  for (index i = blockIdx.x; i < n; i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    for (index j = threadIdx.x / warp_size; j < n; j += warps) {
      if (!vectors.counts(j)) continue;
      double sum = 0;
      for (index c = warp_team::lane(); c < vectors.width(); c += warp_size)
        sum += vectors.mine(i)[c] * vectors.theirs(j)[c];
      sum = warp_joined(sum, summed_up{});
      if (warp_team::lane() == 0) t.scores[i * n + j] = sharpness * sum;
      if (warp_team::lane() == 0) t.slopes[i * n + j] = 0;
    }
  }
}

/// -log of the share that the sample's own teacher has in its row of scores, or its own student in its column.
template <class Vectors, class A>
__global__ void __launch_bounds__(vector_threads)
    pick_own_kernel(Vectors vectors, contrast_tables t, contrast how, bool columns, view<A, 1, cuda> value) {
  const index n = vectors.samples();
  for (index i = blockIdx.x; i < n; i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    const auto at = [&](index j) { return columns ? j * n + i : i * n + j; };
    double top = t.scores[at(i)], others = 0;
    for (index j = threadIdx.x; j < n; j += blockDim.x)
      if (vectors.counts(j)) top = max(t.scores[at(j)], top);
    top = block_joined(top, [](double a, double b) { return max(a, b); });
    for (index j = threadIdx.x; j < n; j += blockDim.x)
      if (j != i && vectors.counts(j)) others += exp(t.scores[at(j)] - top);
    others = block_joined(others, summed_up{});
    const double own = t.scores[at(i)], all = exp(own - top) + others;
    const double factor = how.symmetric ? vectors.factor(i) / 2 : vectors.factor(i);
    for (index j = threadIdx.x; j < n; j += blockDim.x)
      if (vectors.counts(j))
        t.slopes[at(j)] += factor * how.sharpness * (j == i ? -others : exp(t.scores[at(j)] - top)) / all;
    if (threadIdx.x == 0 && !value.empty()) value(i) += static_cast<A>(factor * loss_of_own(top, own, others));
  }
}

/// From the scores' slopes to the tokens' states.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads) contrast_gradient_kernel(Vectors vectors, contrast_tables t) {
  const index n = vectors.samples(), width = vectors.width();
  for (index i = blockIdx.x; i < n; i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    spread_through_unit(vectors, i, t.length[i], t.slope + i * width, [&](index c) {
      double sum = 0;
      for (index j = 0; j < n; ++j)
        if (vectors.counts(j)) sum += t.slopes[i * n + j] * vectors.theirs(j)[c];
      return sum;
    });
  }
}

/// Workspace: two doubles for each two samples, the vectors, and as much again for the student's.
template <class S, class U, class A, class G>
void pick_own_of_batch(cuda, const cuda_executor& on, token_pooling by, const vector_layers<S, U, G, cuda>& of,
                       const contrast& how, double count, const sink<A, cuda, G>& out) {
  constexpr const char* what = "info_nce";
  using vectors_type = device_vectors<A, S, U, G>;
  const index n = of.rows.extent(0), width = of.student.extent(1);
  if (n == 0) return;
  const cuda_workspace<double> room(on, vectors_type::room(of) + n + 2 * n * n + n * width);
  const vectors_type vectors = pooled_vectors(on, what, by, of, count, out, room.data());
  double* const length = room.data() + vectors_type::room(of);
  const contrast_tables tables{length, length + n, length + n + n * n, length + n + 2 * n * n};
  launch_for_samples(on, what, make_units_kernel<vectors_type>, vectors, length);
  launch_for_samples(on, what, contrast_scores_kernel<vectors_type>, vectors, tables, how.sharpness);
  for (const bool columns : {false, true})
    if (!columns || how.symmetric)
      launch_for_samples(on, what, pick_own_kernel<vectors_type, A>, vectors, tables, how, columns, out.value);
  if (!of.gradient.empty()) launch_for_samples(on, what, contrast_gradient_kernel<vectors_type>, vectors, tables);
}

}  // namespace limbeck::detail
