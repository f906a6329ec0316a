// Batches for tests of models.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "limbeck/models/token_batch.hpp"

namespace limbeck_test {

using limbeck::index, limbeck::view;

/// A batch that owns its arrays.
struct owned_batch {
  std::vector<std::int32_t> ids, types{}, positions{};
  std::vector<limbeck::sample_rows> rows;
  std::vector<std::int32_t> logit_tokens{};

  [[nodiscard]] limbeck::token_batch<> seen() const {
    const auto one = [](const auto& v) {
      using T = typename std::remove_cvref_t<decltype(v)>::value_type;
      return v.empty() ? view<const T, 1>{} : view<const T, 1>(v.data(), v.size());
    };
    return {.ids = one(ids),
            .types = one(types),
            .positions = one(positions),
            .rows = one(rows),
            .logit_tokens = one(logit_tokens)};
  }
};

/// Three samples of 4, 2 and 1 tokens.
inline const owned_batch packed{
    .ids = {1, 2, 3, 4, 5, 6, 7}, .types = {0, 1, 1, 0, 1, 0, 0}, .rows = {{0, 4, 4}, {4, 2, 2}, {6, 1, 1}}};

}  // namespace limbeck_test
