// Tells a sample's own teacher vector from those of others: within the batch (losses/info_nce.hpp), or against a bank.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/directions_cpu.hpp"
#include "limbeck/losses/info_nce.hpp"
#include "limbeck/losses/info_nce_cpu.hpp"
#include "limbeck/losses/sample_vectors_cpu.hpp"

namespace limbeck {
namespace detail {

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
    const auto layers = detail::layers_of_vectors("contrastive_nce", of, detail::equal_widths{}, student, teacher, out);
    detail::with_vectors(of.by, layers, count_of(out.per, over), out, body);
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
