// What losses on hidden states, relations, attention maps and vectors cost against tokens, lengths and samples.
#include <algorithm>

#include "losses/named_bench.hpp"
#include "losses/products.hpp"

namespace limbeck_bench {
namespace {

using float_states = states_batch<float, float, float>;

/// 16 queries of 16 tokens and 64 passages, of vectors of 128 numbers.
void maxsim(benchmark::State& state) {
  in_batch_kl<float> data(16, 64, 16, state.range(0), 128);
  const executor on{static_cast<int>(state.range(1))};
  measure(state, data.done(), on.threads, [&] { data.run(on); });
}

[[maybe_unused]] const bool registered = [] {
  const std::vector<index> tokens{64, 256, 1024, 4096, 16384}, lengths{8, 32, 128, 512};
  const auto of_tokens = [](index teacher_width) {
    return [teacher_width](index n) { return std::make_unique<float_states>(n / 32, 32, 384, teacher_width); };
  };
  losses_against("tokens", tokens, state_losses<float, float, float>(), of_tokens(384));
  losses_against("tokens", tokens, {projected_loss<float, float>()}, of_tokens(768));

  losses_against("length", lengths, map_losses<float, float, float>(), [](index n) {  // 2^21 scores
    return std::make_unique<maps_batch<float, float, float>>(std::max<index>(1, (index{1} << 21) / (16 * n * n)), 16,
                                                             n);
  });
  losses_against("length", lengths, {relation_losses<float, float, float>().front()},  // the others are its parts
                 [](index n) { return std::make_unique<float_states>(2048 / n, n, 384, 768, true); });
  against("in_batch_maxsim", "length", lengths, maxsim);

  losses_against("samples", {16, 64, 256, 1024}, vector_losses<float, float, float>(),
                 [](index n) { return std::make_unique<float_states>(n, 1, 384, 384); });
  return true;
}();

}  // namespace
}  // namespace limbeck_bench
