// What a row may attend to.
#pragma once

namespace limbeck {

/// Every valid token of the sample: encoders.
struct bidirectional_mask {
  static constexpr bool causal = false;
};

/// Itself and what came before: decoders.
struct causal_mask {
  static constexpr bool causal = true;
};

}  // namespace limbeck
