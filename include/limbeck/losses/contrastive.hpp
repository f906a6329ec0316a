// Tells a sample's own teacher vector from those of others: within the batch, or against a bank.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/directions_cpu.hpp"
#include "limbeck/losses/sample_vectors.hpp"
#include "limbeck/losses/vector_products_cpu.hpp"

namespace limbeck {
namespace detail {

/// Brings a row to length 1 and returns what it was; a row of zeros stays one.
template <class A>
A make_unit(A* row, index width) {
  const A length = sqrt(dot(row, row, width));
  if (length != A(0)) divide(row, width, length);
  return length;
}
/// gradient += the slope by a row of that length, for the slope by its unit vector, which is spoilt.
template <class A>
void through_unit(const A* unit, A length, A* slope, index width, A* gradient) {
  if (length == A(0)) return;
  add_multiple(unit, width, -dot(unit, slope, width), slope);
  add_multiple(slope, width, A(1) / length, gradient);
}

/// -log of the share that `own` has in the softmax of `count` scores `step` apart, and the scores' slopes: the shares
/// less 1 at `own`, times `factor`, added to what `slopes` holds. Keeps its digits where the share is nearly 1.
template <class A>
[[nodiscard]] A pick_own(const A* scores, index count, index step, index own, A factor, A* slopes) {
  A top = scores[own * step];
  for (index j = 0; j < count; ++j) top = max(scores[j * step], top);
  A others = 0;
  for (index j = 0; j < count; ++j)
    if (j != own) others += exp(scores[j * step] - top);
  const A mine = exp(scores[own * step] - top), all = mine + others;
  for (index j = 0; j < count; ++j)
    slopes[j * step] += factor * (j == own ? -others : exp(scores[j * step] - top)) / all;
  return mine == A(1) ? log1p(others) : top - scores[own * step] + log(all);
}

struct contrast_memory {};

/// What both losses need of a batch: unit vectors, their former lengths, and room.
template <class A>
struct unit_vectors {
  A *own, *shown, *length, *slope;  ///< [count, width], [count, width], [count], [count, width]
  A *scores, *slopes;               ///< [count, others] each

  unit_vectors(const vector_batch<A>& batch, index others) {
    const index n = batch.count, width = batch.student_width;
    memory_pieces<A> memory(thread_scratch<contrast_memory, A>(n * (3 * width + 1 + 2 * others)));
    own = memory.take(n * width);
    shown = memory.take(n * width);
    slope = memory.take(n * width);
    length = memory.take(n);
    scores = memory.take(n * others);
    slopes = memory.take(n * others);
    std::copy_n(batch.student, n * width, own);
    std::copy_n(batch.teacher, n * width, shown);
    std::fill_n(slope, n * width, A(0));
    std::fill_n(slopes, n * others, A(0));
    for (index i = 0; i < n; ++i) {
      length[i] = make_unit(own + i * width, width);
      make_unit(shown + i * width, width);
    }
  }
};

/// An entry of a bank beside a unit vector: its length, and the cosine, 0 where it is all zeros.
template <class A>
struct bank_entry {
  A length = 0, cosine = 0;
};
struct bank_entry_kernel {
  template <int Bytes, class A, class T>
  LIMBECK_HD static void run(const A* unit, const T* entry, index width, bank_entry<A>& found) {
    using V = simd_of_bytes<A, Bytes>;
    const row_products<V> of = row_products<V>::of(unit, entry, width);
    found.length = sqrt(horizontal_sum(of.of_teacher));
    found.cosine = horizontal_sum(of.of_both) / (found.length == A(0) ? A(1) : found.length);
  }
};

}  // namespace detail

/// InfoNCE within the batch (van den Oord et al. 2018, arXiv:1807.03748): value[sample i] += -log softmax_j(cos(student
/// i, teacher j) / temperature) at j = i, divided by the count of `over`, over the batch's samples j. `symmetric`: the
/// mean of that and of the same with the models exchanged, as in CLIP (Radford et al. 2021, arXiv:2103.00020). A loss
/// of the batch: it does not come out the same when the batch is split. Samples of weight 0 and those without a token
/// are left out of the batch; a vector of zeros has cosines of 0 and no gradient. The widths must agree. Throws
/// contract_error where widths, samples or layers do not fit, or temperature <= 0.
struct info_nce {
  static constexpr signal_set reads = signal::hidden;
  static constexpr bool of_batch = true;
  sample_vectors of{};
  double temperature = 0.1;
  bool symmetric = false;
  divisor over = divisor::samples;

  template <class Provider, class S, class U, class A, class G>
  void operator()(const cpu_executor<Provider>& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>&, const sink<A, cpu, G>& out) const {
    expects(temperature > 0, [&] { return message("info_nce: temperature ", temperature, ", must be positive"); });
    detail::with_vectors("info_nce", of, detail::equal_widths{}, student, teacher, out, count_of(out.per, over),
                         [&](const detail::vector_batch<A>& batch) { compare(on.threads, batch, out.value); });
  }

 private:
  template <class A>
  void compare(int threads, const detail::vector_batch<A>& batch, const view<A, 1>& value) const {
    constexpr index worth_a_thread = 1 << 14;  // elements
    const index n = batch.count, width = batch.student_width, least = worth_a_thread / (n * width) + 1;
    const detail::unit_vectors<A> unit(batch, n);
    const A sharpness = static_cast<A>(1 / temperature);
    parallel_for(threads, n, least, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        A* const scores = unit.scores + i * n;
        simd_dispatch<detail::measure_rows_kernel<detail::dot_of>>(unit.own + i * width, unit.shown, n, width, scores);
        for (index j = 0; j < n; ++j) scores[j] *= sharpness;
      }
    });
    for (index i = 0; i < n; ++i) {
      const A factor = symmetric ? batch.factor[i] / 2 : batch.factor[i];
      A sum = detail::pick_own(unit.scores + i * n, n, index{1}, i, factor * sharpness, unit.slopes + i * n);
      if (symmetric) sum += detail::pick_own(unit.scores + i, n, n, i, factor * sharpness, unit.slopes + i);
      if (!value.empty()) value(batch.sample[i]) += factor * sum;
    }
    if (batch.gradient == nullptr) return;
    parallel_for(threads, n, least, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        A* const slope = unit.slope + i * width;
        simd_dispatch<detail::combine_rows_kernel<detail::row_itself>>(unit.own + i * width, unit.shown, n, width,
                                                                       unit.slopes + i * n, slope);
        detail::through_unit(unit.own + i * width, unit.length[i], slope, width, batch.slope(i));
      }
    });
  }
};

/// Contrastive representation distillation with noise-contrastive estimation (Tian et al. 2020, arXiv:1910.10699,
/// section 3.1): value[sample] += softplus(-u of the sample's own teacher vector) + the sum over its negatives of
/// softplus(u), divided by the count of `over`; u = cos(student, teacher's) / temperature - log(negatives / data_size).
/// The student learns, what is in the bank does not. A vector of zeros has cosines of 0 and no gradient. Samples of
/// weight 0 and those without a token are skipped. The widths of student, teacher and bank must agree. Throws
/// contract_error where they, the samples or layers do not, for a negative that the bank does not have, for
/// temperature <= 0 and data_size < 1.
template <class T>
struct contrastive_nce {
  static constexpr signal_set reads = signal::hidden;
  view<const T, 2> bank{};                  ///< [entries, width]: teacher's vectors, of any length
  view<const std::int32_t, 2> negatives{};  ///< [samples, negatives]: entries that are not of the sample
  index data_size = 0;                      ///< how many samples the negatives were drawn from
  sample_vectors of{};
  double temperature = 0.07;
  divisor over = divisor::samples;

  template <class Provider, class S, class U, class A, class G>
  void operator()(const cpu_executor<Provider>& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>&, const sink<A, cpu, G>& out) const {
    check(student.rows.extent(0));
    const auto body = [&](const detail::vector_batch<A>& batch) {
      expects(bank.extent(1) == batch.student_width, [&] {
        return message("contrastive_nce: the bank is ", bank.extent(1), " wide, the student ", batch.student_width);
      });
      const detail::unit_vectors<A> unit(batch, 0);
      parallel_for(on.threads, batch.count, index{1}, [&](index begin, index end) {
        for (index i = begin; i < end; ++i) {
          const A sum = compare_sample(batch, unit, i);
          if (!out.value.empty()) out.value(batch.sample[i]) += batch.factor[i] * sum;
        }
      });
    };
    detail::with_vectors("contrastive_nce", of, detail::equal_widths{}, student, teacher, out, count_of(out.per, over),
                         body);
  }

 private:
  void check(index samples) const {
    expects(temperature > 0,
            [&] { return message("contrastive_nce: temperature ", temperature, ", must be positive"); });
    expects(data_size >= 1, [&] { return message("contrastive_nce: data_size ", data_size, ", must be 1 or more"); });
    expects(bank.stride(1) == 1 || bank.extent(1) <= 1,
            "contrastive_nce: the columns of the bank must lie side by side");
    expects(negatives.extent(0) == samples && negatives.extent(1) > 0, [&] {
      return message("contrastive_nce: negatives ", shape_text(negatives), " for ", samples, " samples");
    });
    for (index i = 0; i < negatives.extent(0); ++i)
      for (index k = 0; k < negatives.extent(1); ++k)
        expects(negatives(i, k) >= 0 && negatives(i, k) < bank.extent(0), [&] {
          return message("contrastive_nce: sample ", i, " has negative ", negatives(i, k), " of a bank of ",
                         bank.extent(0));
        });
  }
  template <class A>
  [[nodiscard]] A compare_sample(const detail::vector_batch<A>& batch, const detail::unit_vectors<A>& unit,
                                 index i) const {
    const index width = batch.student_width, sample = batch.sample[i], count = negatives.extent(1);
    const A sharpness = static_cast<A>(1 / temperature);
    const A offset = static_cast<A>(std::log(static_cast<double>(count) / static_cast<double>(data_size)));
    const A* const own = unit.own + i * width;
    A* const slope = unit.slope + i * width;
    // softplus(sign * u), whose slope by u is sign * sigmoid(sign * u)
    const auto add = [&](const auto* vector, A length, A cosine, A sign) {
      const A u = sign * (cosine * sharpness - offset), small = exp(-abs(u));
      const A share = (u > A(0) ? A(1) : small) / (A(1) + small);
      if (length != A(0) && batch.gradient != nullptr)
        detail::add_multiple(vector, width, batch.factor[i] * sign * share * sharpness / length, slope);
      return max(u, A(0)) + log1p(small);
    };
    const A* const shown = unit.shown + i * width;
    double sum = static_cast<double>(add(shown, A(1), detail::dot(own, shown, width), A(-1)));
    for (index k = 0; k < count; ++k) {
      const T* const other = &bank(negatives(sample, k), 0);
      detail::bank_entry<A> entry;
      simd_dispatch<detail::bank_entry_kernel>(own, other, width, entry);
      sum += static_cast<double>(add(other, entry.length, entry.cosine, A(1)));
    }
    if (batch.gradient != nullptr) detail::through_unit(own, unit.length[i], slope, width, batch.slope(i));
    return static_cast<A>(sum);
  }
};

}  // namespace limbeck
