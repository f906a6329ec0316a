// The first values of parameters.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "limbeck/core/philox.hpp"
#include "limbeck/models/parameter_table.hpp"

namespace limbeck {

/// Fills one parameter's place in `flat` as BERT is initialised (Devlin et al. 2019): weights normal with deviation
/// `deviation`, biases 0, gains of norms 1. `number`: its place in the table.
template <class T>
void initialise_parameter(const parameter& p, std::size_t number, std::uint64_t seed, view<T, 1> flat,
                          double deviation = 0.02) {
  const random_stream random{seed, ~std::uint64_t{0}, static_cast<std::uint32_t>(number)};
  for (index i = 0; i < p.count(); ++i) {
    T& x = flat(p.offset + i);
    if (p.fresh != initial::normal) {
      x = p.fresh == initial::one ? T(1) : T(0);
      continue;
    }
    const random_words words = random.at(static_cast<std::uint32_t>(i));  // Box and Muller 1958
    const double radius = std::sqrt(-2 * std::log(unit_interval(words.word[0])));
    x = static_cast<T>(deviation * radius * std::cos(2 * std::numbers::pi * unit_interval(words.word[1])));
  }
}

/// The same for every parameter. A parameter's numbers depend on the seed and its place in the table alone.
template <class T>
void initialise(const parameter_table& table, std::uint64_t seed, view<T, 1> flat, double deviation = 0.02) {
  expects(flat.extent(0) >= table.size(), "initialise: the buffer is smaller than the table");
  for (std::size_t number = 0; number < table.entries().size(); ++number)
    initialise_parameter(table.entries()[number], number, seed, flat, deviation);
}

}  // namespace limbeck
