// Tests of limbeck/training/learning_rate.hpp.
#include "limbeck/training/learning_rate.hpp"

#include "catch.hpp"

namespace limbeck {
namespace {

// At compile time, as the rate is a plain function of the update.
static_assert(warmup_linear{1, 0, 4}(0) == 1 && warmup_linear{1, 0, 4}(3) == 0.25);
static_assert(warmup_linear{2, 4, 12}(0) == 0 && warmup_linear{2, 4, 12}(1) == 0.5 && warmup_linear{2, 4, 12}(4) == 2);
static_assert(warmup_linear{2, 4, 12}(8) == 1 && warmup_linear{2, 4, 12}(11) == 0.25);

TEST_CASE("the rate is 0 from the last update on") {
  CHECK(warmup_linear{1, 2, 10}(10) == 0);
  CHECK(warmup_linear{1, 2, 10}(1000) == 0);
}

TEST_CASE("a warm-up that fills the whole run never falls and never divides by 0") {
  const warmup_linear rate{1, 5, 5};
  for (index i = 0; i < 5; ++i) CHECK(rate(i) == static_cast<double>(i) / 5);
  CHECK(rate(5) == 0);
}

}  // namespace
}  // namespace limbeck
