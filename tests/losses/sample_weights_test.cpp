// AdaKD's weights: at the threshold, on either side, and where they overflow.
#include "limbeck/losses/sample_weights.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"

namespace limbeck {

TEST_CASE("adakd_weight is 1 / e at the threshold, more for easy samples, 0 for hopeless ones") {
  CHECK(adakd_weight(1.5, 4, 1.5) == Approx(std::exp(-1.0)));
  CHECK(adakd_weight(0.5, 4, 1.5) > adakd_weight(0.6, 4, 1.5));
  CHECK(adakd_weight(0.5, 0, 1.5) == Approx(std::exp(-1.0)));  // no steepness, no difference
  CHECK(adakd_weight(1e6, 4, 1.5) == 0);
  CHECK(adakd_weight(-1e6, 4, 1.5) == 1);
}

TEST_CASE("adakd_weights takes the mean for a threshold") {
  const std::vector<float> loss{0.0F, 0.5F, 1.0F, 3.0F};
  std::vector<float> weights(4);
  adakd_weights(view<const float, 1>(loss.data(), 4), 1, view<float, 1>(weights.data(), 4));
  for (std::size_t i = 0; i < 4; ++i) CHECK(weights[i] == adakd_weight(loss[i], 1, 1.125));
  CHECK_THROWS_WITH(adakd_weights(view<const float, 1>(loss.data(), 4), 1, view<float, 1>(weights.data(), 3)),
                    Catch::Matchers::Contains("3 weights for 4 losses"));
}

}  // namespace limbeck
