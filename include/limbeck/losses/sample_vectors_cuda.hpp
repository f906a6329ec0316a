// One vector for each sample on a device, pooled in double.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/losses/sample_vectors.hpp"

namespace limbeck::detail {

inline constexpr unsigned vector_threads = 128;

/// The vectors of all samples, one behind the other; of those that do not count they hold anything.
template <class A, class S, class U, class G>
struct device_vectors {
  token_pooling by;
  vector_layers<S, U, G, cuda> of;
  sample_factors<A, cuda> factors;
  double *student, *teacher;  ///< [samples, width]

  /// Numbers of workspace.
  [[nodiscard]] static index room(const vector_layers<S, U, G, cuda>& of) {
    return of.rows.extent(0) * (of.student.extent(1) + of.teacher.extent(1));
  }
  [[nodiscard]] LIMBECK_HD index samples() const { return of.rows.extent(0); }
  [[nodiscard]] LIMBECK_HD index width() const { return of.student.extent(1); }
  [[nodiscard]] __device__ bool counts(index i) const { return factors(i) != A(0) && of.rows(i).keys > 0; }
  [[nodiscard]] __device__ double factor(index i) const { return static_cast<double>(factors(i)); }
  [[nodiscard]] __device__ const double* mine(index i) const { return student + i * width(); }
  [[nodiscard]] __device__ const double* theirs(index i) const { return teacher + i * of.teacher.extent(1); }

  template <class T>
  __device__ void pool(const view<const T, 2, cuda>& states, const sample_rows& at, double* to) const {
    for (index c = threadIdx.x; c < states.extent(1); c += blockDim.x) {
      double sum = 0;
      for (index r = 0; r < tokens(at); ++r) sum += static_cast<double>(states(at.begin + r, c));
      to[c] = sum / static_cast<double>(tokens(at));
    }
  }
  /// Adds the gradient of one number of a sample's vector to those that it was made of.
  __device__ void spread(index sample, index c, double slope) const {
    const sample_rows at = of.rows(sample);
    const A share = static_cast<A>(slope / static_cast<double>(tokens(at)));
    for (index r = 0; r < tokens(at); ++r) {
      G& to = of.gradient(at.begin + r, c);
      to = static_cast<G>(static_cast<A>(to) + share);
    }
  }

 private:
  [[nodiscard]] __device__ index tokens(const sample_rows& at) const {
    return by == token_pooling::first_token ? 1 : at.keys;
  }
};

template <class Vectors>
__global__ void __launch_bounds__(vector_threads) pool_vectors_kernel(Vectors vectors) {
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    vectors.pool(vectors.of.student, vectors.of.rows(i), vectors.student + i * vectors.width());
    vectors.pool(vectors.of.teacher, vectors.of.teacher_rows(i), vectors.teacher + i * vectors.of.teacher.extent(1));
  }
}

/// Pools what counts, in `room`. `count`: what factors are divided by.
template <class S, class U, class A, class G>
[[nodiscard]] device_vectors<A, S, U, G> pooled_vectors(const cuda_executor& on, const char* what, token_pooling by,
                                                        const vector_layers<S, U, G, cuda>& of, double count,
                                                        const sink<A, cuda, G>& out, double* room) {
  const device_vectors<A, S, U, G> vectors{by, of, factors_of(out, count), room,
                                           room + of.rows.extent(0) * of.student.extent(1)};
  launch(on, what, {blocks_for(vectors.samples()), vector_threads}, pool_vectors_kernel<device_vectors<A, S, U, G>>,
         vectors);
  return vectors;
}

/// Queues kernel(vectors, more...), a block for each sample.
template <class Vectors, class... More>
void launch_for_samples(const cuda_executor& on, const char* what, void (*kernel)(Vectors, More...),
                        const Vectors& vectors, const More&... more) {
  launch(on, what, {blocks_for(vectors.samples()), vector_threads}, kernel, vectors, more...);
}

/// How many samples count. To be called by a whole block.
template <class Vectors>
[[nodiscard]] __device__ double samples_that_count(const Vectors& vectors) {
  double mine = 0;
  for (index i = threadIdx.x; i < vectors.samples(); i += blockDim.x) mine += vectors.counts(i) ? 1 : 0;
  return block_joined(mine, summed_up{});
}

}  // namespace limbeck::detail
