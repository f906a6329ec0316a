// How the vectors of a batch lie to one another, on a device, from the squared distances of pairs as on the host.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/huber.hpp"
#include "limbeck/losses/sample_vectors_cuda.hpp"

namespace limbeck::detail {

/// Numbers of each two samples, [samples, samples]; of a sample that does not count they hold anything.
struct device_table {
  double* data;
  index samples;

  [[nodiscard]] __device__ double& operator()(index i, index j) const { return data[i * samples + j]; }
};

/// What every table of a batch is made in.
class device_tables {
 public:
  device_tables(double* room, index samples) : next_(room), samples_(samples) {}
  [[nodiscard]] device_table take() {
    const device_table made{next_, samples_};
    next_ += samples_ * samples_;
    return made;
  }
  [[nodiscard]] double* rest() const { return next_; }

 private:
  double* next_;
  index samples_;
};

/// The squared distances of every two samples in both models, by a warp each.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads)
    square_distances_kernel(Vectors vectors, device_table own, device_table shown) {
  const index n = vectors.samples(), warps = blockDim.x / warp_size, step = gridDim.x * warps;
  const auto squared = [](const double* a, const double* b, index width) {
    double sum = 0;
    for (index c = warp_team::lane(); c < width; c += warp_size) sum += (a[c] - b[c]) * (a[c] - b[c]);
    return warp_joined(sum, summed_up{});
  };
  for (index p = blockIdx.x * warps + threadIdx.x / warp_size; p < n * n; p += step) {
    const index i = p / n, j = p % n;
    if (j > i || !vectors.counts(i) || !vectors.counts(j)) continue;
    const double mine = squared(vectors.mine(i), vectors.mine(j), vectors.width());
    const double theirs = squared(vectors.theirs(i), vectors.theirs(j), vectors.of.teacher.extent(1));
    if (warp_team::lane() != 0) continue;
    own(i, j) = own(j, i) = mine;
    shown(i, j) = shown(j, i) = theirs;
  }
}

template <class Vectors>
void square_distances(const cuda_executor& on, const char* what, const Vectors& vectors, const device_table& own,
                      const device_table& shown) {
  constexpr index warps = vector_threads / warp_size;
  const index pairs = vectors.samples() * vectors.samples();
  launch(on, what, {blocks_for((pairs + warps - 1) / warps), vector_threads}, square_distances_kernel<Vectors>, vectors,
         own, shown);
}

/// The gradient of each vector i += the sum over j of factor(i, j) * (vector i - vector j). A block for each sample.
template <class Vectors, class Factor>
__global__ void __launch_bounds__(vector_threads) push_apart_kernel(Vectors vectors, Factor factor) {
  __shared__ double factors[vector_threads];
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    for (index begin = 0; begin < vectors.width(); begin += blockDim.x) {
      const index c = begin + threadIdx.x;
      double slope = 0;
      for (index first = 0; first < vectors.samples(); first += blockDim.x) {
        const index mine = first + threadIdx.x;
        __syncthreads();  // the factors may still be read
        factors[threadIdx.x] = mine < vectors.samples() && mine != i && vectors.counts(mine) ? factor(i, mine) : 0;
        __syncthreads();
        for (index j = first; j < vectors.samples() && j < first + blockDim.x && c < vectors.width(); ++j)
          if (factors[j - first] != 0) slope += factors[j - first] * (vectors.mine(i)[c] - vectors.mine(j)[c]);
      }
      if (c < vectors.width()) vectors.spread(i, c, slope);
    }
  }
}

/// The sums of those distances that are not 0, how many these are, and how many samples count.
struct distance_sums {
  double own = 0, own_apart = 0, shown = 0, shown_apart = 0;

  __device__ distance_sums& operator+=(const distance_sums& other) {
    own += other.own;
    own_apart += other.own_apart;
    shown += other.shown;
    shown_apart += other.shown_apart;
    return *this;
  }
};
struct distance_totals {
  double inverse_mean, shown_inverse_mean, apart, samples, mean_slope;
};

/// By one block: takes the roots, and finds their means.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads)
    mean_distances_kernel(Vectors vectors, device_table own, device_table shown, distance_totals* totals) {
  const index n = vectors.samples();
  distance_sums sums;
  for (index p = threadIdx.x; p < n * n; p += blockDim.x) {
    const index i = p / n, j = p % n;
    if (!vectors.counts(i) || !vectors.counts(j)) continue;
    const double mine = own(i, j) = sqrt(own(i, j)), theirs = shown(i, j) = sqrt(shown(i, j));
    sums += distance_sums{mine, mine != 0 ? 1.0 : 0.0, theirs, theirs != 0 ? 1.0 : 0.0};
  }
  sums = block_joined(sums, summed_up{});
  const double samples = samples_that_count(vectors);
  if (threadIdx.x != 0) return;
  *totals = {sums.own_apart == 0 ? 0 : sums.own_apart / sums.own,
             sums.shown_apart == 0 ? 0 : sums.shown_apart / sums.shown, sums.own_apart, samples, 0};
}

/// Values, the slopes of distances, and what flows through their mean.
template <class Vectors, class A>
__global__ void __launch_bounds__(vector_threads)
    compare_distances_kernel(Vectors vectors, device_table own, device_table shown, device_table slope, double delta,
                             const distance_totals* totals, double* through_mean, view<A, 1, cuda> value) {
  const huber<double> compare{delta};
  const double by = totals->inverse_mean, by_shown = totals->shown_inverse_mean;
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x) {
    const bool counts = vectors.counts(i);
    const double share = counts ? vectors.factor(i) / totals->samples : 0;
    double sum = 0, through = 0;
    for (index j = threadIdx.x; j < vectors.samples() && counts; j += blockDim.x) {
      if (!vectors.counts(j)) continue;
      const double gap = own(i, j) * by - shown(i, j) * by_shown;
      sum += compare.value(gap);
      slope(i, j) = share * compare.slope(gap) * by;
      through += slope(i, j) * own(i, j) * by;
    }
    sum = block_joined(sum, summed_up{});
    through = block_joined(through, summed_up{});
    if (threadIdx.x != 0) continue;
    through_mean[i] = through;
    if (counts && !value.empty()) value(i) += static_cast<A>(share * sum);
  }
}
/// By one block.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads)
    mean_slope_kernel(Vectors vectors, const double* through_mean, distance_totals* totals) {
  double sum = 0;
  for (index i = threadIdx.x; i < vectors.samples(); i += blockDim.x) sum += through_mean[i];
  sum = block_joined(sum, summed_up{});
  if (threadIdx.x == 0) totals->mean_slope = totals->apart == 0 ? 0 : 2 * sum / totals->apart;
}

struct distance_factor {
  device_table own, slope;
  const distance_totals* totals;

  [[nodiscard]] __device__ double operator()(index i, index j) const {
    return own(i, j) == 0 ? 0 : (slope(i, j) + slope(j, i) - totals->mean_slope) / own(i, j);
  }
};

/// Workspace: three doubles for each two samples, and the vectors.
template <class S, class U, class A, class G>
void relate_distances(cuda, const cuda_executor& on, token_pooling by, const vector_layers<S, U, G, cuda>& of,
                      double delta, double count, const sink<A, cuda, G>& out) {
  constexpr const char* what = "relational_distance";
  using vectors_type = device_vectors<A, S, U, G>;
  const index n = of.rows.extent(0);
  if (n == 0) return;
  const cuda_workspace<double> room(on, vectors_type::room(of) + 3 * n * n + n + 5);
  const vectors_type vectors = pooled_vectors(on, what, by, of, count, out, room.data());
  device_tables tables(room.data() + vectors_type::room(of), n);
  const device_table own = tables.take(), shown = tables.take(), slope = tables.take();
  double* const through_mean = tables.rest();
  auto* const totals = reinterpret_cast<distance_totals*>(through_mean + n);
  square_distances(on, what, vectors, own, shown);
  launch(on, what, {1, vector_threads}, mean_distances_kernel<vectors_type>, vectors, own, shown, totals);
  launch_for_samples(on, what, compare_distances_kernel<vectors_type, A>, vectors, own, shown, slope, delta,
                     static_cast<const distance_totals*>(totals), through_mean, out.value);
  if (of.gradient.empty()) return;
  launch(on, what, {1, vector_threads}, mean_slope_kernel<vectors_type>, vectors,
         static_cast<const double*>(through_mean), totals);
  launch_for_samples(on, what, push_apart_kernel<vectors_type, distance_factor>, vectors,
                     distance_factor{own, slope, totals});
}

/// What angles are made of, as on the host.
struct device_angles {
  device_table own, shown, own_inverse, shown_inverse;
  device_table value;  ///< [j, i]: of the angles at i with j on one side
  device_table slope;  ///< by the squared distance, before it is made symmetric

  static constexpr index tables = 6;
};

template <class Vectors>
__global__ void __launch_bounds__(vector_threads) invert_distances_kernel(Vectors vectors, device_angles t) {
  const auto inverse = [](double square) { return square == 0 ? 0.0 : 1 / sqrt(square); };
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x)
    for (index j = threadIdx.x; j < vectors.samples() && vectors.counts(i); j += blockDim.x) {
      if (!vectors.counts(j)) continue;
      t.own_inverse(i, j) = inverse(t.own(i, j));
      t.shown_inverse(i, j) = inverse(t.shown(i, j));
      t.slope(i, j) = 0;
    }
}

struct added_angles : sums_of_angles<double> {
  __device__ added_angles& operator+=(const added_angles& other) {
    value += other.value;
    by_inverse += other.by_inverse;
    by_cosine += other.by_cosine;
    return *this;
  }
};

/// A block has the angles with sample j on one side, at every vertex i; its threads have the third samples.
template <class Vectors>
__global__ void __launch_bounds__(vector_threads)
    compare_angles_kernel(Vectors vectors, device_angles t, double delta) {
  const huber<double> compare{delta};
  const double counting = samples_that_count(vectors);
  for (index j = blockIdx.x; j < vectors.samples(); j += gridDim.x) {
    if (!vectors.counts(j)) continue;
    for (index i = 0; i < vectors.samples(); ++i) {
      if (!vectors.counts(i)) continue;
      const double share = vectors.factor(i) / (counting * counting), inverse = t.own_inverse(j, i);
      const side_of_angles<double> side{t.own(j, i), inverse / 2, t.shown(j, i), t.shown_inverse(j, i) / 2};
      added_angles sums{};
      for (index k = threadIdx.x; k < vectors.samples(); k += blockDim.x) {
        if (!vectors.counts(k)) continue;
        const other_sides<double> own{t.own(i, k), t.own(j, k), t.own_inverse(i, k)};
        const other_sides<double> shown{t.shown(i, k), t.shown(j, k), t.shown_inverse(i, k)};
        const double slope = sums.add(compare, side, own, shown);
        t.slope(j, k) -= share * inverse / 2 * slope * own.inverse;
      }
      sums = block_joined(sums, summed_up{});
      if (i % blockDim.x != threadIdx.x) continue;  // who has the slope of j and i
      t.value(j, i) = share * sums.value;
      t.slope(j, i) += share * inverse * (sums.by_inverse - inverse * sums.by_cosine);
    }
  }
}
template <class Vectors, class A>
__global__ void __launch_bounds__(vector_threads)
    add_angles_kernel(Vectors vectors, device_angles t, view<A, 1, cuda> value) {
  for (index i = blockIdx.x; i < vectors.samples(); i += gridDim.x) {
    if (!vectors.counts(i)) continue;
    double sum = 0;
    for (index j = threadIdx.x; j < vectors.samples(); j += blockDim.x)
      if (vectors.counts(j)) sum += t.value(j, i);
    sum = block_joined(sum, summed_up{});
    if (threadIdx.x == 0) value(i) += static_cast<A>(sum);
  }
}

struct angle_factor {
  device_table slope;

  [[nodiscard]] __device__ double operator()(index i, index j) const { return 2 * (slope(i, j) + slope(j, i)); }
};

/// Workspace: six doubles for each two samples, and the vectors.
template <class S, class U, class A, class G>
void relate_angles(cuda, const cuda_executor& on, token_pooling by, const vector_layers<S, U, G, cuda>& of,
                   double delta, double count, const sink<A, cuda, G>& out) {
  constexpr const char* what = "relational_angle";
  using vectors_type = device_vectors<A, S, U, G>;
  const index n = of.rows.extent(0);
  if (n == 0) return;
  const cuda_workspace<double> room(on, vectors_type::room(of) + device_angles::tables * n * n);
  const vectors_type vectors = pooled_vectors(on, what, by, of, count, out, room.data());
  device_tables tables(room.data() + vectors_type::room(of), n);
  const device_table own = tables.take(), shown = tables.take(), own_inverse = tables.take(),
                     shown_inverse = tables.take(), value = tables.take(), slope = tables.take();
  const device_angles angles{own, shown, own_inverse, shown_inverse, value, slope};
  square_distances(on, what, vectors, own, shown);
  launch_for_samples(on, what, invert_distances_kernel<vectors_type>, vectors, angles);
  launch_for_samples(on, what, compare_angles_kernel<vectors_type>, vectors, angles, delta);
  if (!out.value.empty()) launch_for_samples(on, what, add_angles_kernel<vectors_type, A>, vectors, angles, out.value);
  if (!of.gradient.empty())
    launch_for_samples(on, what, push_apart_kernel<vectors_type, angle_factor>, vectors, angle_factor{slope});
}

}  // namespace limbeck::detail
