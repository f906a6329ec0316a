// A bank of vectors with each sample's negatives, wherever a test runs the loss that reads it.
#pragma once

#include <cstdint>
#include <vector>

#include "limbeck/losses/contrastive.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

/// Eleven vectors, `negatives` of which each sample is told from.
template <class T>
struct placed_bank {
  static constexpr index vectors = 11;
  index samples, width;
  std::vector<T> numbers;
  std::vector<std::int32_t> entries;

  placed_bank(index samples, index negatives, index width, unsigned seed)
      : samples(samples),
        width(width),
        numbers(random_numbers<T>(static_cast<std::size_t>(vectors * width), -2, 2, seed)) {
    for (index i = 0; i < samples * negatives; ++i) entries.push_back(static_cast<std::int32_t>((i * 7 + 3) % vectors));
  }
  template <class Place>
  [[nodiscard]] auto in(Place& where, double temperature) const {
    using B = typename Place::backend;
    limbeck::contrastive_nce<T, B> loss;
    loss.bank = limbeck::view<const T, 2, B>(where.bring(numbers), vectors, width);
    loss.negatives = limbeck::view<const std::int32_t, 2, B>(where.bring(entries), samples,
                                                             static_cast<index>(entries.size()) / samples);
    loss.data_size = 50;
    loss.temperature = temperature;
    return loss;
  }
};

}  // namespace limbeck_test
