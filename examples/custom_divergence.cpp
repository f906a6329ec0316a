// A divergence of one's own: one formula for one class, from which the kernels are generated.
#include <limbeck/backend/eigen.hpp>
#include <limbeck/losses/check_divergence.hpp>
#include <limbeck/losses/objective.hpp>
#include <limbeck/losses/soft_target.hpp>

#include <cmath>
#include <cstdio>

/// Triangular discrimination, sum (p - q)^2 / (p + q): Le Cam's distance, 0 to 2.
struct triangular {
  template <class T>
  LIMBECK_HD constexpr limbeck::divergence_term<T> operator()(const limbeck::compared<T>& c) const {
    const T both = limbeck::where(c.student + c.teacher == T(0), T(1), c.student + c.teacher);
    const T share = c.gap() / both;
    return {c.gap() * share, share * c.student * (T(2) - share)};
  }
};
static_assert(limbeck::check_divergence(triangular{}));  // the slope is the value's derivative

int main() {
  const float student[] = {1.0F, 0.0F, -1.0F}, teacher[] = {0.0F, 1.0F, 0.5F};
  float gradient[3] = {}, value[1] = {};
  const limbeck::signals<const float> seen{.logits = limbeck::view<const float, 2>(student, 1, 3)};
  const limbeck::signals<const float> shown{.logits = limbeck::view<const float, 2>(teacher, 1, 3)};
  const auto goal =
      1.0 * limbeck::soft_target<triangular>{.temperature = 1} + 0.5 * limbeck::soft_target_kl{.temperature = 2};
  goal(limbeck::cpu_executor<>{}, seen, shown, limbeck::targets<float>{},
       limbeck::sink<float, limbeck::cpu>{.value = limbeck::view<float, 1>(value, 1),
                                          .gradient = {.logits = limbeck::view<float, 2>(gradient, 1, 3)}});
  std::printf("loss %.6f, gradient %+.6f %+.6f %+.6f\n", value[0], gradient[0], gradient[1], gradient[2]);
  const float sum = gradient[0] + gradient[1] + gradient[2];  // a softmax does not feel a shift of its logits
  return std::fabs(sum) < 1e-6F && value[0] > 0 ? 0 : 1;
}
