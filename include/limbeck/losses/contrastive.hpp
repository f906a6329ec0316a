// Tells a sample's own teacher vector from those of others: within the batch (losses/info_nce.hpp), or against a bank.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>

#include "limbeck/losses/info_nce.hpp"
#include "limbeck/losses/told_apart.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/contrastive_cuda.hpp"
#else
#include "limbeck/losses/contrastive_cpu.hpp"
#endif

namespace limbeck {

/// Contrastive representation distillation with noise-contrastive estimation (Tian et al. 2020, arXiv:1910.10699,
/// section 3.1): value[sample] += softplus(-u of the sample's own teacher vector) + the sum over its negatives of
/// softplus(u), divided by the count of `over`; u = cos(student, teacher's) / temperature - log(negatives / data_size).
/// The student learns, what is in the bank does not. A vector of zeros has cosines of 0 and no gradient. Samples of
/// weight 0 and those without a token are skipped. The widths of student, teacher and bank must agree. Throws
/// contract_error where they, the samples or layers do not, for a negative that the bank does not have, for
/// temperature <= 0 and data_size < 1. On a device negatives are not looked at by the host: a sample with one that the
/// bank does not have gets NaN for a value, and no gradient.
template <class T, backend B = cpu>
struct contrastive_nce {
  static constexpr signal_set reads = signal::hidden;
  view<const T, 2, B> bank{};                  ///< [entries, width]: teacher's vectors, of any length
  view<const std::int32_t, 2, B> negatives{};  ///< [samples, negatives]: entries that are not of the sample
  index data_size = 0;                         ///< how many samples the negatives were drawn from
  sample_vectors of{};
  double temperature = 0.07;
  divisor over = divisor::samples;

  template <launchable E, class S, class U, class A, class G>
    requires std::same_as<backend_of<E>, B>
  void operator()(const E& on, const signals<const S, B>& student, const signals<const U, B>& teacher,
                  const targets<A, B>&, const sink<A, B, G>& out) const {
    const auto layers = detail::layers_of_vectors("contrastive_nce", of, detail::equal_widths{}, student, teacher, out);
    check(layers.rows.extent(0), layers.student.extent(1));
    const double share = static_cast<double>(negatives.extent(1)) / static_cast<double>(data_size);
    detail::tell_from_bank(B{}, on, of.by, layers,
                           detail::told_apart<T, B>{bank, negatives, 1 / temperature, std::log(share)},
                           count_of(out.per, over), out);
  }

 private:
  void check(index samples, index width) const {
    expects(temperature > 0,
            [&] { return message("contrastive_nce: temperature ", temperature, ", must be positive"); });
    expects(data_size >= 1, [&] { return message("contrastive_nce: data_size ", data_size, ", must be 1 or more"); });
    expects(bank.stride(1) == 1 || bank.extent(1) <= 1,
            "contrastive_nce: the columns of the bank must lie side by side");
    expects(negatives.extent(0) == samples && negatives.extent(1) > 0, [&] {
      return message("contrastive_nce: negatives ", shape_text(negatives), " for ", samples, " samples");
    });
    if constexpr (std::same_as<B, cpu>)
      for (index i = 0; i < negatives.extent(0); ++i)
        for (index k = 0; k < negatives.extent(1); ++k)
          expects(negatives(i, k) >= 0 && negatives(i, k) < bank.extent(0), [&] {
            return message("contrastive_nce: sample ", i, " has negative ", negatives(i, k), " of a bank of ",
                           bank.extent(0));
          });
    expects(bank.extent(1) == width,
            [&] { return message("contrastive_nce: the bank is ", bank.extent(1), " wide, the student ", width); });
  }
};

}  // namespace limbeck
