// Correlations of softened class scores on a device: a kernel over rows, one over columns, one over rows for gradients.
#pragma once

#include "limbeck/losses/compared_rows_cuda.hpp"
#include "limbeck/losses/correlation.hpp"
#include "limbeck/losses/logit_rows_cuda.hpp"

namespace limbeck::detail {

/// What a column of both distributions shows.
template <class A>
struct column_correlation {
  correlation<A> found;
  A student_mean, teacher_mean;
};

/// Of all rows that count.
template <class A>
struct correlation_totals {
  A of_columns, factors;  ///< the mean of the columns' distances, the sum of the rows' factors
};

/// Both distributions, [rows, classes], rows `step` apart, and what is known of them. Rows that do not count hold
/// anything.
template <class A>
struct correlated_rows {
  A *student, *teacher;
  correlation<A>* of_row;
  column_correlation<A>* of_column;
  correlation_totals<A>* totals;
  index step;
};

/// Writes both distributions of a row and their correlation.
template <class A>
struct correlate_row {
  correlation_terms<A> terms;
  correlated_rows<A> batch;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A, unsigned char*) const {
    A *const q = batch.student + row * batch.step, *const p = batch.teacher + row * batch.step;
    soften(team, device_row<A, S>(rows.student, row, nullptr), rows.classes, q);
    soften(team, device_row<A, U>(rows.teacher, row, nullptr), rows.classes, p);
    const auto summed = [&](const auto& term) {  // of each thread's own classes: it alone has written them
      two_sums<A> sums;
      for_class_fours(team, rows.classes, [&](index first, index here) {
        const four<A> own = load_four(static_cast<const A*>(q + first), here),
                      shown = load_four(static_cast<const A*>(p + first), here);
        for (int i = 0; i < 4; ++i)
          if (i < here) sums += term(own.at[i], shown.at[i]);
      });
      return team.joined(sums, summed_up{});
    };
    const A mean = A(1) / static_cast<A>(rows.classes);  // of any distribution
    const two_sums<A> squares = summed([&](A own, A shown) {
      return two_sums<A>{(own - mean) * (own - mean), (shown - mean) * (shown - mean)};
    });
    const A student = sqrt(squares.first), teacher = sqrt(squares.second);
    const A of_student = correlation<A>::evened(student, teacher),
            of_teacher = correlation<A>::evened(teacher, student);
    const two_sums<A> apart = summed([&](A own, A shown) {
      const A d = of_student * (own - mean) - of_teacher * (shown - mean);
      return two_sums<A>{d * d, A(0)};
    });
    if (team.lane() == 0) batch.of_row[row] = correlation<A>::of(student, teacher, A(0.5) * apart.first, terms.epsilon);
    return A(0);
  }

 private:
  template <class Team, class S>
  __device__ void soften(Team team, const device_row<A, S>& logits, index classes, A* to) const {
    running_softmax<A> softmax = running_softmax<A>::none();
    for_class_fours(team, classes, [&](index first, index here) {
      const four<A> z = logits.first_four(first, here);
      store_four(to + first, here, z);
      for (int i = 0; i < 4; ++i)
        if (i < here) softmax.add(z.at[i], terms.inverse_temperature);
    });
    softmax = team.joined(softmax, [&](const running_softmax<A>& a, const running_softmax<A>& b) {
      return running_softmax<A>::joined(a, b, terms.inverse_temperature);
    });
    for_class_fours(team, classes, [&](index first, index here) {
      four<A> z = load_four(static_cast<const A*>(to + first), here);
      for (A& x : z.at) x = exp((x - softmax.top) * terms.inverse_temperature) / softmax.sum;
      store_four(to + first, here, z);
    });
  }
};

inline constexpr unsigned correlated_columns = warp_size, correlated_shares = 8;  // of a block

/// Joins what the threads of one column found, in the order of their shares of rows. To be called by the whole block.
template <class T>
__device__ T column_joined(const T& mine) {
  __shared__ exchanged_words<T> of_share[correlated_shares][correlated_columns];
  const unsigned column = threadIdx.x % correlated_columns, share = threadIdx.x / correlated_columns;
  __syncthreads();  // the slots may still be read for the last call
  of_share[share][column] = exchanged_words<T>::from(mine);
  __syncthreads();
  T sum = of_share[0][column].value();
  for (unsigned other = 1; other < correlated_shares; ++other) sum += of_share[other][column].value();
  return sum;
}

/// Sums over the rows that count, and how many those are.
template <class A>
struct column_sums {
  A student = 0, teacher = 0, rows = 0;

  __device__ column_sums& operator+=(const column_sums& other) {
    student += other.student;
    teacher += other.teacher;
    rows += other.rows;
    return *this;
  }
};

/// Means and correlations of columns. A block has as many as a warp has lanes; each of its warps has a share of the
/// rows.
template <class Rows, class A>
__global__ void __launch_bounds__(correlated_columns* correlated_shares)
    correlate_columns_kernel(Rows rows, correlation_terms<A> terms, correlated_rows<A> batch) {
  const index step = static_cast<index>(gridDim.x) * correlated_columns;
  for (index begin = static_cast<index>(blockIdx.x) * correlated_columns; begin < rows.classes; begin += step) {
    const index c = begin + threadIdx.x % correlated_columns;
    const auto summed = [&](const auto& term) {
      column_sums<A> sums;
      for (index row = threadIdx.x / correlated_columns; row < rows.count() && c < rows.classes;
           row += correlated_shares)
        if (rows.factor(row) != A(0))
          sums += term(batch.student[row * batch.step + c], batch.teacher[row * batch.step + c]);
      return column_joined(sums);
    };
    const column_sums<A> all = summed([](A own, A shown) { return column_sums<A>{own, shown, A(1)}; });
    const A share = A(1) / all.rows, mine = all.student * share, theirs = all.teacher * share;
    const column_sums<A> squares = summed([&](A own, A shown) {
      return column_sums<A>{(own - mine) * (own - mine), (shown - theirs) * (shown - theirs), A(0)};
    });
    const A student = sqrt(squares.student), teacher = sqrt(squares.teacher);
    const A of_student = correlation<A>::evened(student, teacher),
            of_teacher = correlation<A>::evened(teacher, student);
    const column_sums<A> apart = summed([&](A own, A shown) {
      const A d = of_student * (own - mine) - of_teacher * (shown - theirs);
      return column_sums<A>{d * d, A(0), A(0)};
    });
    if (threadIdx.x < correlated_columns && c < rows.classes)
      batch.of_column[c] = {correlation<A>::of(student, teacher, A(0.5) * apart.student, terms.epsilon), mine, theirs};
  }
}

/// By one block.
template <class Rows, class A>
__global__ void __launch_bounds__(row_threads) correlation_totals_kernel(Rows rows, correlated_rows<A> batch) {
  two_sums<A> sums;
  for (index c = threadIdx.x; c < rows.classes; c += blockDim.x)
    sums += two_sums<A>{batch.of_column[c].found.distance / static_cast<A>(rows.classes), A(0)};
  for (index row = threadIdx.x; row < rows.count(); row += blockDim.x) sums += two_sums<A>{A(0), rows.factor(row)};
  sums = block_joined(sums, summed_up{});
  if (threadIdx.x == 0) *batch.totals = {sums.first, sums.second};
}

/// A row's value, and its gradient from its own correlation and from those of the columns.
template <class A>
struct correlation_gradient_row {
  correlation_terms<A> terms;
  correlated_rows<A> batch;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char*) const {
    const correlation<A> own = batch.of_row[row];
    const correlation_totals<A> totals = *batch.totals;
    if (!rows.gradients.empty()) {
      const A mean = A(1) / static_cast<A>(rows.classes);
      const A of_row = -terms.beta * factor, in_columns = -terms.gamma * totals.factors * mean;
      const auto slopes_at = [&](index first, index here, const four<A>& q) {  // of the probabilities
        const four<A> p = load_four(static_cast<const A*>(batch.teacher + row * batch.step + first), here);
        four<A> slopes{};
        for (int i = 0; i < 4; ++i) {
          if (i >= here) continue;
          const column_correlation<A> column = batch.of_column[first + i];
          const A along = own.of_teacher * (p.at[i] - mean) - own.of_student * (q.at[i] - mean);
          const A across = column.found.of_teacher * (p.at[i] - column.teacher_mean) -
                           column.found.of_student * (q.at[i] - column.student_mean);
          slopes.at[i] = of_row * along + in_columns * across;
        }
        return slopes;
      };
      add_through_softmax(team, rows, row, slopes_at);
    }
    return terms.beta * own.distance + terms.gamma * totals.of_columns;
  }

 private:
  template <class Team, class Rows, class Slopes>
  __device__ void add_through_softmax(Team team, const Rows& rows, index row, const Slopes& slopes_at) const {
    const A* const from = batch.student + row * batch.step;
    A along = 0;
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> q = load_four(from + first, here), slopes = slopes_at(first, here, q);
      for (int i = 0; i < 4; ++i) along += q.at[i] * slopes.at[i];
    });
    along = team.joined(along, summed_up{});
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> q = load_four(from + first, here);
      four<A> slopes = slopes_at(first, here, q);
      for (int i = 0; i < 4; ++i) slopes.at[i] = terms.inverse_temperature * q.at[i] * (slopes.at[i] - along);
      add_to_gradient(rows, row, first, here, slopes);
    });
  }
};

/// Workspace: twice [rows, classes], and three numbers a row, five a column.
template <class A, class S, class U, class G>
void correlation_rows(cuda, const cuda_executor& on, const correlation_terms<A>& terms,
                      const logit_rows<S, U, A, cuda, G>& rows) {
  const index count = rows.count(), step = (rows.classes + 3) / 4 * 4;
  if (count == 0 || (rows.values.empty() && rows.gradients.empty())) return;
  const index matrix = count * step, of_rows = 3 * count, of_columns = 5 * rows.classes;
  const cuda_workspace<A> memory(on, 2 * matrix + of_rows + of_columns + 2 + values_apart(rows));
  A* const behind = memory.data() + 2 * matrix;
  const correlated_rows<A> batch{memory.data(),
                                 memory.data() + matrix,
                                 reinterpret_cast<correlation<A>*>(behind),
                                 reinterpret_cast<column_correlation<A>*>(behind + of_rows),
                                 reinterpret_cast<correlation_totals<A>*>(behind + of_rows + of_columns),
                                 step};
  auto looked_at = rows;
  looked_at.values = {};
  looked_at.gradients = {};
  looked_at.fresh = false;
  launch_rows_with(on, "dist_kd", correlate_row<A>{terms, batch}, looked_at, no_bytes{}, static_cast<A*>(nullptr));
  const index blocks = (rows.classes + correlated_columns - 1) / correlated_columns;
  launch(on, "dist_kd: columns", {blocks_for(blocks), correlated_columns * correlated_shares},
         correlate_columns_kernel<logit_rows<S, U, A, cuda, G>, A>, looked_at, terms, batch);
  launch(on, "dist_kd: totals", {1, row_threads}, correlation_totals_kernel<logit_rows<S, U, A, cuda, G>, A>, looked_at,
         batch);
  launch_rows_with(on, "dist_kd: gradient", correlation_gradient_row<A>{terms, batch}, rows, no_bytes{},
                   behind + of_rows + of_columns + 2);
}

}  // namespace limbeck::detail
