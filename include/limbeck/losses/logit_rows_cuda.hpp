// Losses on rows of logits on a device: a block for each row, sums of rows and of samples in an order of their own.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/logit_rows.hpp"

namespace limbeck::detail {

/// The largest logit shown so far, and the sum of exp((z - top) * inverse_temperature) of all of them.
template <class A>
struct running_softmax {
  A top, sum;

  [[nodiscard]] LIMBECK_HD static running_softmax none() { return {static_cast<A>(-INFINITY), A(0)}; }
  LIMBECK_HD void add(A z, A inverse_temperature) {
    if (z > top) {
      sum = sum * exp((top - z) * inverse_temperature) + A(1);
      top = z;
    } else if (!(z == static_cast<A>(-INFINITY))) {  // NaN comes this way, and stays in the sum
      sum += exp((z - top) * inverse_temperature);
    }
  }
  [[nodiscard]] LIMBECK_HD static running_softmax joined(const running_softmax& a, const running_softmax& b,
                                                         A inverse_temperature) {
    const A top = max(a.top, b.top);
    return {top, a.rescaled(top, inverse_temperature) + b.rescaled(top, inverse_temperature)};
  }

 private:
  LIMBECK_HD A rescaled(A to, A inverse_temperature) const {
    return top == to ? sum : sum * exp((top - to) * inverse_temperature);
  }
};

/// Calls f(first, here) for every four classes that are this thread's; of the last ones of a row `here` may be fewer.
template <class Team, class F>
__device__ void for_class_fours(Team team, index classes, const F& f) {
  for (index first = 4 * static_cast<index>(team.lane()); first < classes; first += 4 * static_cast<index>(team.size()))
    f(first, classes - first < 4 ? classes - first : index{4});
}

/// The classes of a row that each block of a cluster keeps: whole turns of its threads.
[[nodiscard]] LIMBECK_HD constexpr index classes_of_block(index classes, index blocks, index threads) {
  const index turn = 4 * blocks * threads;
  return (classes + turn - 1) / turn * 4 * threads;
}
/// The same for a team: all classes, but for a cluster's.
template <class Team>
[[nodiscard]] __device__ index classes_on_chip(index classes) {
  if constexpr (std::same_as<Team, cluster_team>)
    return classes_of_block(classes, block_cluster::blocks(), blockDim.x);
  else
    return classes;
}

/// A row of logits of a team; a thread reads only the fours that are its own, the first time by first_four(). Each
/// block of a cluster keeps its own threads' fours.
template <class A, class S, class Team = block_team>
class device_row {
 public:
  /// `room`: shared memory for the row's logits, aligned to 16 bytes, or null.
  __device__ device_row(const view<const S, 2, cuda>& logits, index row, S* room)
      : from_(logits.data() + row * logits.stride(0)), step_(logits.stride(1)), room_(room) {}
  /// Numbers side by side.
  __device__ explicit device_row(const S* from) : from_(from), step_(1), room_(nullptr) {}

  [[nodiscard]] __device__ four<A> first_four(index first, index here) const {
    const four<S> z = read(first, here);
    if (room_ != nullptr) store_four(room_ + kept_at(first), here, z);
    return widened(z);
  }
  [[nodiscard]] __device__ four<A> four_at(index first, index here) const {
    return widened(room_ != nullptr ? load_four(static_cast<const S*>(room_) + kept_at(first), here)
                                    : read(first, here));
  }
  /// Once every thread's fours were read.
  [[nodiscard]] __device__ A operator[](index c) const {
    return static_cast<A>(room_ != nullptr && !in_parts ? room_[c] : from_[c * step_]);
  }

 private:
  static constexpr bool in_parts = std::same_as<Team, cluster_team>;

  /// The place of four classes in this block's room.
  [[nodiscard]] __device__ static index kept_at(index first) {
    if constexpr (!in_parts) return first;
    const auto all = 4 * static_cast<index>(Team::size()), own = 4 * static_cast<index>(blockDim.x);
    return first / all * own + 4 * static_cast<index>(threadIdx.x);
  }
  [[nodiscard]] __device__ four<S> read(index first, index here) const {
    if (step_ == 1) return load_four(from_ + first, here);
    four<S> z;
    for (int i = 0; i < 4; ++i) z.at[i] = i < here ? from_[(first + i) * step_] : S(0.0F);
    return z;
  }
  [[nodiscard]] __device__ static four<A> widened(const four<S>& z) {
    return {{static_cast<A>(z.at[0]), static_cast<A>(z.at[1]), static_cast<A>(z.at[2]), static_cast<A>(z.at[3])}};
  }

  const S* from_;
  index step_;
  S* room_;
};

/// The gradient of four logits += slopes, or = where it is fresh. To be called once for each.
template <class Rows, class A>
__device__ void add_to_gradient(const Rows& rows, index row, index first, index here, const four<A>& slopes) {
  using G = typename Rows::gradient_type;
  G* const to = rows.gradients.data() + row * rows.gradients.stride(0) + first * rows.gradients.stride(1);
  if (rows.gradients.stride(1) == 1) {
    four<G> sums{};
    if (!rows.fresh) sums = load_four(static_cast<const G*>(to), here);
    for (int i = 0; i < 4; ++i)
      sums.at[i] = static_cast<G>(rows.fresh ? slopes.at[i] : static_cast<A>(sums.at[i]) + slopes.at[i]);
    store_four(to, here, sums);
    return;
  }
  for (int i = 0; i < 4 && i < here; ++i) {
    G& place = to[i * rows.gradients.stride(1)];
    place = static_cast<G>(rows.fresh ? slopes.at[i] : static_cast<A>(place) + slopes.at[i]);
  }
}
/// Zeros from column `begin` on, where the gradient is fresh.
template <class Team, class Rows>
__device__ void clear_fresh(Team team, const Rows& rows, index row, index begin) {
  for (index c = begin + team.lane(); rows.fresh && c < rows.gradients.extent(1); c += team.size())
    rows.gradients(row, c) = static_cast<typename Rows::gradient_type>(0.0F);
}

inline constexpr unsigned row_threads = 512, sample_threads = 128;

/// Teams take rows in turn. The value of each, factor * body(team, rows, row, factor, room), goes to row_values, or
/// where that is null to the row's sample, which must then have no other row. `bytes`: of a team's room; 0: none.
template <class Team, class Body, class A, class S, class U, class G>
__global__ void __launch_bounds__(row_threads, 1)
    logit_rows_kernel(Body body, logit_rows<S, U, A, cuda, G> rows, A* row_values, std::size_t bytes) {
  const Team team;
  unsigned char* const room = bytes > 0 ? dynamic_shared() + team.number_in_block() * bytes : nullptr;
  for (index row = team.number(); row < rows.count(); row += team.teams()) {
    const A factor = body.counts(row) ? rows.factor(row) : A(0);
    clear_fresh(team, rows, row, factor == A(0) ? 0 : rows.classes);
    A value = 0;
    if (factor != A(0)) value = factor * body(team, rows, row, factor, room);
    if (team.lane() == 0) {
      if (row_values != nullptr)
        row_values[row] = value;
      else if (factor != A(0) && !rows.values.empty())
        rows.values(rows.sample(row)) += value;
    }
    team.sync();  // the room may still be read
  }
}

/// The first place whose number is not below `least`, in numbers that do not decrease.
template <backend B>
[[nodiscard]] LIMBECK_HD index first_not_below(const view<const std::int32_t, 1, B>& numbers, index least) {
  index below = 0, end = numbers.extent(0);
  while (below < end) {
    const index middle = below + (end - below) / 2;
    if (numbers(middle) < least)
      below = middle + 1;
    else
      end = middle;
  }
  return below;
}

/// values(sample) += the sum of its rows' values: the same bits whatever else is in the batch.
template <class A>
__global__ void __launch_bounds__(sample_threads)
    add_row_values_kernel(const A* row_values, view<const std::int32_t, 1, cuda> row_sample, view<A, 1, cuda> values) {
  for (index sample = blockIdx.x; sample < values.extent(0); sample += gridDim.x) {
    const index begin = first_not_below(row_sample, sample), end = first_not_below(row_sample, sample + 1);
    A mine = 0;
    for (index row = begin + threadIdx.x; row < end; row += blockDim.x) mine += row_values[row];
    mine = block_joined(mine, summed_up{});
    if (threadIdx.x == 0 && begin < end) values(sample) += mine;
  }
}

/// Where a second row's part of the shared memory begins.
template <class S>
[[nodiscard]] LIMBECK_HD std::size_t room_of_row(index classes) {
  return (static_cast<std::size_t>(classes) * sizeof(S) + 15) / 16 * 16;
}
/// What launch_rows() is told of a loss that keeps a row, or nothing.
template <class S>
struct row_bytes {
  [[nodiscard]] std::size_t operator()(index classes) const { return room_of_row<S>(classes); }
};
struct no_bytes {
  [[nodiscard]] std::size_t operator()(index) const { return 0; }
};

/// How rows are given to threads: a warp each where they are short, else a block each, or a cluster of blocks where one
/// block has no room.
struct row_teams {
  bool warps;
  unsigned threads;         ///< of a block
  std::size_t room, bytes;  ///< shared memory of a team or a cluster's block, and of a block
  unsigned cluster = 1;     ///< blocks of a team

  /// bytes_of(classes): what so many classes of a row would take on chip. A team that cannot have as much gets none.
  /// most_in_cluster: bytes for each block of a cluster.
  template <class BytesOf>
  [[nodiscard]] static row_teams of(index rows, index classes, const BytesOf& bytes_of,
                                    std::size_t most_in_cluster = 0) {
    constexpr std::size_t most = shared_bytes_of_every_block - 4 * 1024;  // less what reductions take
    constexpr index short_row = 1024, of_a_thread = 8;                    // classes
    const bool warps = classes <= short_row;
    const unsigned threads =
        warps ? threads_for(rows * warp_size, row_threads / 2) : threads_for(classes / of_a_thread, row_threads);
    const unsigned teams = warps ? threads / warp_size : 1;
    const std::size_t wanted = bytes_of(classes);
    if (wanted * teams <= most) return {warps, threads, wanted, wanted * teams};
    for (unsigned blocks = 2; !warps && blocks <= block_cluster::most_blocks; blocks *= 2)
      if (const std::size_t part = bytes_of(classes_of_block(classes, blocks, threads)); part <= most_in_cluster)
        return {warps, threads, part, part, blocks};
    return {warps, threads, 0, 0};
  }
  [[nodiscard]] unsigned blocks(index rows) const {
    const index teams = warps ? threads / warp_size : 1;
    constexpr index most = 0x7FFFFFFF / block_cluster::most_blocks;
    return blocks_for(cluster > 1 ? std::min(rows, most) : (rows + teams - 1) / teams) * cluster;
  }
  [[nodiscard]] launch_shape shape(index rows) const { return {blocks(rows), threads, bytes, cluster}; }
};

/// Where the rows of a loss leave their values before those of a sample are added up: nowhere if each is a sample of
/// its own, or if no value is wanted.
template <class Rows>
[[nodiscard]] index values_apart(const Rows& rows) {
  return !rows.values.empty() && !rows.row_sample.empty() ? rows.count() : 0;
}

/// Whether the loss is worked out by a cluster of blocks where a row has no room in one.
template <class Body>
inline constexpr bool spreads_rows = requires { Body::spreads_rows; };

/// The teams for a loss that takes bytes_of(classes) on chip.
template <class Body, class A, class S, class U, class G, class BytesOf>
[[nodiscard]] row_teams teams_for(const cuda_executor& on, const char* what, const logit_rows<S, U, A, cuda, G>& rows,
                                  const BytesOf& bytes_of) {
  const index count = rows.count();
  const row_teams teams = row_teams::of(count, rows.classes, bytes_of);
  if constexpr (spreads_rows<Body>) {
    if (teams.room > 0 || bytes_of(rows.classes) == 0) return teams;
    const auto kernel = logit_rows_kernel<cluster_team, Body, A, S, U, G>;
    const row_teams spread = row_teams::of(count, rows.classes, bytes_of, shared_bytes_in_clusters(kernel));
    if (spread.cluster > 1 && has_room_for_cluster(on, what, spread.shape(count), kernel)) return spread;
  }
  return teams;
}

/// launch_rows() with room for values_apart() given: a loss of several kernels that has all of the workspace itself.
template <class Body, class A, class S, class U, class G, class BytesOf>
void launch_rows_with(const cuda_executor& on, const char* what, const Body& body,
                      const logit_rows<S, U, A, cuda, G>& rows, const BytesOf& bytes_of, A* row_values) {
  const row_teams teams = teams_for<Body>(on, what, rows, bytes_of);
  const bool add_up = values_apart(rows) > 0;
  auto kernel =
      teams.warps ? logit_rows_kernel<warp_team, Body, A, S, U, G> : logit_rows_kernel<block_team, Body, A, S, U, G>;
  if constexpr (spreads_rows<Body>)
    if (teams.cluster > 1) kernel = logit_rows_kernel<cluster_team, Body, A, S, U, G>;
  launch(on, what, teams.shape(rows.count()), kernel, body, rows, add_up ? row_values : nullptr, teams.room);
  if (add_up)
    launch(on, what, {blocks_for(rows.values.extent(0)), sample_threads}, add_row_values_kernel<A>,
           static_cast<const A*>(row_values), rows.row_sample, rows.values);
}

/// Queues a loss on rows. body.counts(row) says whether one takes part, body(team, rows, row, factor, room) is called
/// by the whole team, returns the row's value in every thread and adds the gradient; `room` is shared memory of
/// bytes_of(classes) that holds anything, or of those classes that a block of a cluster keeps, or null where a team
/// gets less. Allocates nothing if every sample has one row or on.context has enough workspace; waits for nothing.
template <class Body, class A, class S, class U, class G, class BytesOf>
void launch_rows(const cuda_executor& on, const char* what, const Body& body, const logit_rows<S, U, A, cuda, G>& rows,
                 const BytesOf& bytes_of) {
  if (rows.count() == 0 || (rows.values.empty() && rows.gradients.empty())) return;
  const cuda_workspace<A> row_values(on, values_apart(rows));
  launch_rows_with(on, what, body, rows, bytes_of, row_values.data());
}

}  // namespace limbeck::detail
