// Texts that are a vector a token.
#pragma once

#include <cstdint>

#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops {

template <class T, backend B = cpu>
struct token_vectors {
  view<T, 2, B> vectors{};                ///< [tokens, width]
  view<const sample_rows, 1, B> rows{};   ///< [texts]: where each text's tokens lie; `keys` means nothing
  view<const std::uint8_t, 1, B> mask{};  ///< [tokens]: 0 where a token does not count; empty: all do

  [[nodiscard]] LIMBECK_HD bool counts(index token) const { return mask.empty() || mask(token) != 0; }
};

}  // namespace limbeck::ops
