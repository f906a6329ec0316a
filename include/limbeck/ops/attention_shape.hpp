// The sizes and the mask of an attention, without its weights, and where what it reads and writes lies.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops {

/// How an attention is cut into heads, what a row may look at, and the dropout of its probabilities.
struct attention_shape {
  index heads = 1;
  bool causal = false;     ///< a row attends to itself and to what came before
  double dropout = 0;      ///< of probabilities, in training
  random_stream random{};  ///< of the dropout
  index longest = 0;       ///< the longest sample's rows; a bound will do. For dropout, and on a device

  /// Throws contract_error unless the heads divide the width.
  void check(index width) const {
    expects(heads > 0 && width % heads == 0,
            [&] { return message("attention: ", heads, " heads do not divide a width of ", width); });
  }
  /// Where in the random stream the words of a query row's probabilities start. `token`: the row in the batch.
  [[nodiscard]] LIMBECK_HD std::uint32_t first_word(index token, index head) const {
    return static_cast<std::uint32_t>((token * heads + head) * ((longest + 3) / 4));
  }
};

namespace detail {

template <class T, backend B>
struct attention_input {
  view<const T, 2, B> q, k, v;
};
template <class T, backend B>
struct attention_gradient {
  view<T, 2, B> dq, dk, dv;
};

/// Where keys and values lie, and queries; queries empty: at the same rows.
template <backend B>
struct attention_rows {
  view<const sample_rows, 1, B> keys, queries;
};

}  // namespace detail
}  // namespace limbeck::ops
