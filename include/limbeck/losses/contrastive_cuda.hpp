// A batch's unit vectors beside entries of a bank on a device, in double: a block for each sample.
#pragma once

#include <cmath>

#include "limbeck/losses/info_nce_cuda.hpp"
#include "limbeck/losses/told_apart.hpp"

namespace limbeck::detail {

/// What telling samples apart is made in.
struct told_tables {
  double* length;  ///< [samples]: of the student's vectors, which have become unit vectors
  double* factor;  ///< [samples, negatives + 1]: of each vector in the slope; the last is the sample's own
  double* slope;   ///< [samples, width]: by the student's unit vectors
};

template <class Vectors, class T, class A>
__global__ void __launch_bounds__(vector_threads)
    tell_samples_kernel(Vectors vectors, told_tables t, told_apart<T, cuda> from, view<A, 1, cuda> value) {
  const index width = vectors.width(), negatives = from.negatives.extent(1), warps = blockDim.x / warp_size;
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    double* const factor = t.factor + i * (negatives + 1);
    const auto add = [&](index k, double square, double product, double sign) {
      const double length = sqrt(square);
      const auto term = from.of_cosine(length == 0 ? 0.0 : product / length, sign);
      if (warp_team::lane() == 0) factor[k] = length == 0 ? 0.0 : vectors.factor(i) * term.slope / length;
      return term.value;
    };
    double sum = 0;  // of this warp, in all of its threads
    for (index k = threadIdx.x / warp_size; k < negatives; k += warps) {
      const index entry = from.negatives(i, k);
      if (entry < 0 || entry >= from.bank.extent(0)) {
        sum = NAN;
        continue;
      }
      double square = 0, product = 0;
      for (index c = warp_team::lane(); c < width; c += warp_size) {
        const auto x = static_cast<double>(from.bank(entry, c));
        square += x * x;
        product += x * vectors.mine(i)[c];
      }
      square = warp_joined(square, summed_up{});
      product = warp_joined(product, summed_up{});
      sum += add(k, square, product, 1);
    }
    if (threadIdx.x < warp_size) {  // the sample's own, a unit vector or zeros
      double product = 0;
      for (index c = warp_team::lane(); c < width; c += warp_size) product += vectors.theirs(i)[c] * vectors.mine(i)[c];
      product = warp_joined(product, summed_up{});
      sum += add(negatives, 1, product, -1);
    }
    sum = block_joined(warp_team::lane() == 0 ? sum : 0.0, summed_up{});
    if (threadIdx.x == 0 && !value.empty()) value(i) += static_cast<A>(vectors.factor(i) * sum);
    if (vectors.of.gradient.empty() || sum != sum) continue;
    spread_through_unit(vectors, i, t.length[i], t.slope + i * width, [&](index c) {
      double slope = factor[negatives] * vectors.theirs(i)[c];
      for (index k = 0; k < negatives; ++k)
        slope += factor[k] * static_cast<double>(from.bank(from.negatives(i, k), c));
      return slope;
    });
  }
}

/// Workspace: the vectors, as much again for the student's, and a double for each negative of each sample.
template <class S, class U, class A, class G, class T>
void tell_from_bank(cuda, const cuda_executor& on, token_pooling by, const vector_layers<S, U, G, cuda>& of,
                    const told_apart<T, cuda>& from, double count, const sink<A, cuda, G>& out) {
  constexpr const char* what = "contrastive_nce";
  using vectors_type = device_vectors<A, S, U, G>;
  const index n = of.rows.extent(0), width = of.student.extent(1), told = n * (from.negatives.extent(1) + 1);
  if (n == 0) return;
  const cuda_workspace<double> room(on, vectors_type::room(of) + n + told + n * width);
  const vectors_type vectors = pooled_vectors(on, what, by, of, count, out, room.data());
  double* const length = room.data() + vectors_type::room(of);
  launch_for_samples(on, what, make_units_kernel<vectors_type>, vectors, length);
  launch_for_samples(on, what, tell_samples_kernel<vectors_type, T, A>, vectors,
                     told_tables{length, length + n, length + n + told}, from, out.value);
}

}  // namespace limbeck::detail
