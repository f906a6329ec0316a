// Distillation in a training code base of one's own: soft-target KL on buffers that it owns.
//
// find_package(limbeck) and target_link_libraries(mine limbeck::limbeck) are all it takes.
#include <limbeck/backend/eigen.hpp>
#include <limbeck/losses/cross_entropy.hpp>
#include <limbeck/losses/objective.hpp>
#include <limbeck/losses/soft_target.hpp>

#include <cstdint>
#include <cstdio>
#include <vector>

int main() {
  constexpr int samples = 4, classes = 3;
  // What a forward pass left, row-major. Any memory will do: a std::vector, an Eigen matrix, a tensor's data pointer.
  const std::vector<float> student{2.0F, 0.5F, -1.0F, 0.1F, 0.2F, 0.3F, -0.5F, 1.5F, 0.0F, 1.0F, 1.0F, 1.0F};
  const std::vector<float> teacher{3.0F, 0.0F, -2.0F, -1.0F, 2.0F, 0.0F, 0.0F, 2.5F, -1.0F, 0.0F, 0.5F, 2.0F};
  const std::vector<std::int32_t> labels{0, 1, 1, 2};
  std::vector<float> gradient(samples * classes), value(samples);  // what comes out is added: start from zero

  using logits = limbeck::view<const float, 2>;
  const limbeck::signals<const float> seen{.logits = logits(student.data(), samples, classes)};
  const limbeck::signals<const float> shown{.logits = logits(teacher.data(), samples, classes)};
  const limbeck::targets<float> given{.labels = limbeck::view<const std::int32_t, 1>(labels.data(), samples)};
  const limbeck::sink<float, limbeck::cpu> out{
      .value = limbeck::view<float, 1>(value.data(), samples),
      .gradient = {.logits = limbeck::view<float, 2>(gradient.data(), samples, classes)},
      .per = {.rows = samples}};  // the caller counts, so micro-batches add up to the same gradient

  const auto goal = 0.9 * limbeck::soft_target_kl{.temperature = 2} + 0.1 * limbeck::cross_entropy{};
  goal(limbeck::cpu_executor<>{.threads = 2}, seen, shown, given, out);

  for (int i = 0; i < samples; ++i) {
    const float* g = &gradient[static_cast<std::size_t>(i * classes)];
    std::printf("sample %d: loss %.5f, gradient %+.5f %+.5f %+.5f\n", i, value[static_cast<std::size_t>(i)], g[0], g[1],
                g[2]);
  }
}
