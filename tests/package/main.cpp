// A stranger's program: distils into buffers of its own.
#include <cmath>
#include <limbeck/losses/soft_target.hpp>

int main() {
  const float teacher_logits[2] = {std::log(2.0F), 0}, student_logits[2] = {0, 0};  // 2/3 and 1/3; a half each
  float gradient[2] = {}, value[1] = {};

  limbeck::signals<const float> student, teacher;
  student.logits = limbeck::view<const float, 2>(student_logits, 1, 2);
  teacher.logits = limbeck::view<const float, 2>(teacher_logits, 1, 2);
  limbeck::sink<float, limbeck::cpu> out;
  out.value = limbeck::view<float, 1>(value, 1);
  out.gradient.logits = limbeck::view<float, 2>(gradient, 1, 2);

  limbeck::soft_target_kl{.temperature = 1}(limbeck::cpu_executor<>{}, student, teacher, limbeck::targets<float>{},
                                            out);

  const bool right = std::abs(value[0] - 0.0566330F) < 1e-6F && std::abs(gradient[0] + 1.0F / 6) < 1e-6F &&
                     std::abs(gradient[1] - 1.0F / 6) < 1e-6F;
  return right ? 0 : 1;
}
