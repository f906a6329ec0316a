// What every loss on class scores costs from 2 classes to 262,144, of about as many logits each.
#include <algorithm>

#include "losses/named_bench.hpp"
#include "losses/products.hpp"

namespace limbeck_bench {
namespace {

constexpr index logits = index{1} << 21;

const std::vector<index>& classes() {
  static const std::vector<index> all{2, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144};
  return all;
}

/// 64 rows of width 64, whose logits are held 16 rows at a time.
void fused(benchmark::State& state) {
  fused_linear_kl<float, float> data(64, state.range(0), 64, 16);
  const executor on{static_cast<int>(state.range(1))};
  measure(state, data.done(), on.threads, [&] { data.run(on); });
}

[[maybe_unused]] const bool registered = [] {
  const auto made = [](index n) {
    return std::make_unique<logits_batch<float, float, float>>(std::max<index>(1, logits / n), n);
  };
  losses_against("classes", classes(), divergence_losses<float, float, float>(), made);
  losses_against("classes", classes(), logit_losses<float, float, float>(), made);
  against("fused_linear_kl", "classes", classes(), fused);
  return true;
}();

}  // namespace
}  // namespace limbeck_bench
