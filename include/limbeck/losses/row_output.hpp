// What a loss does to rows of gradients that may hold anything.
#pragma once

#include <cstddef>
#include <cstdint>

#include "limbeck/core/per_layer.hpp"
#include "limbeck/losses/loss_policy.hpp"

namespace limbeck::detail {

/// What happens to a row of a gradient: it is added to, or written without being read, in caches or past them.
enum class row_output { add, write, write_past_caches };

/// What a loss does to the gradients of the student's layers, which hold `before` when it begins: the first of the
/// teacher's layers that one learns from writes, the others add.
class layer_outputs {
 public:
  explicit layer_outputs(gradient_holds before) : fresh_(before == gradient_holds::anything) {}

  /// For the next pair, which has student layer `layer`; its gradient takes so many bytes.
  [[nodiscard]] row_output next(std::size_t layer, index bytes) {
    constexpr index in_caches = 1 << 22;  // bytes that whoever reads the gradient next may find there
    static_assert(max_layers <= 64);
    const std::uint64_t mine = std::uint64_t{1} << layer;
    const bool first = fresh_ && (written_ & mine) == 0;
    written_ |= mine;
    if (!first) return row_output::add;
    return bytes > in_caches ? row_output::write_past_caches : row_output::write;
  }

 private:
  bool fresh_;
  std::uint64_t written_ = 0;
};

}  // namespace limbeck::detail
