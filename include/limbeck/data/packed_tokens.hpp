// The tokens of a batch in a row, nothing padded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/data/encoding.hpp"

namespace limbeck {

/// What an encoder's embeddings read, and where each sample lies: the tokens of sample i are the length[i] from
/// begin[i] on.
struct packed_tokens {
  std::vector<std::int32_t> ids{}, types{}, positions{};  ///< [tokens]; positions count from 0 in each sample
  std::vector<std::ptrdiff_t> begin{}, length{};          ///< [samples]

  [[nodiscard]] std::ptrdiff_t tokens() const { return static_cast<std::ptrdiff_t>(ids.size()); }
  [[nodiscard]] std::ptrdiff_t samples() const { return static_cast<std::ptrdiff_t>(begin.size()); }
};

/// Lengths of all samples, as the batches want them: [samples], in tokens.
[[nodiscard]] inline std::vector<std::ptrdiff_t> lengths_of(std::span<const encoding> samples) {
  std::vector<std::ptrdiff_t> lengths;
  lengths.reserve(samples.size());
  for (const encoding& sample : samples) lengths.push_back(sample.length());
  return lengths;
}

/// Packs the `chosen` samples, in that order, into `into`, whose memory is used again. Throws contract_error for a
/// sample that does not exist or whose ids and types differ in number.
inline void pack(std::span<const encoding> samples, std::span<const std::ptrdiff_t> chosen, packed_tokens& into) {
  for (const std::ptrdiff_t i : chosen) {
    expects(i >= 0 && i < static_cast<std::ptrdiff_t>(samples.size()),
            [&] { return message("pack: sample ", i, " of ", samples.size()); });
    const encoding& sample = samples[static_cast<std::size_t>(i)];
    expects(sample.ids.size() == sample.types.size(), [&] {
      return message("pack: sample ", i, " has ", sample.ids.size(), " ids and ", sample.types.size(), " types");
    });
  }
  into.ids.clear();
  into.types.clear();
  into.positions.clear();
  into.begin.clear();
  into.length.clear();
  for (const std::ptrdiff_t i : chosen) {
    const encoding& sample = samples[static_cast<std::size_t>(i)];
    into.begin.push_back(into.tokens());
    into.length.push_back(sample.length());
    into.ids.insert(into.ids.end(), sample.ids.begin(), sample.ids.end());
    into.types.insert(into.types.end(), sample.types.begin(), sample.types.end());
    for (std::ptrdiff_t p = 0; p < sample.length(); ++p) into.positions.push_back(static_cast<std::int32_t>(p));
  }
}

/// The same into fresh memory.
[[nodiscard]] inline packed_tokens pack(std::span<const encoding> samples, std::span<const std::ptrdiff_t> chosen) {
  packed_tokens result;
  pack(samples, chosen, result);
  return result;
}

}  // namespace limbeck
