// A stranger's program of both languages: the loss on a device is that of the host. Without a device it is only linked.
#include <cmath>
#include <cstdio>
#include <vector>

#include <limbeck/backend/copy_cuda.hpp>
#include <limbeck/backend/cuda_buffer.hpp>
#include <limbeck/backend/eigen.hpp>
#include <limbeck/losses/soft_target.hpp>

#include "loss.hpp"

namespace {

constexpr int samples = 2, classes = 3;
using rows = limbeck::view<const float, 2, limbeck::cuda>;

float on_device(const std::vector<float>& student, const std::vector<float>& teacher) {
  const limbeck::cuda_queue on;
  limbeck::buffer<float, limbeck::cuda> s(on, samples * classes), t(on, samples * classes), value(on, samples),
      gradient(on, samples * classes);
  copy(on, limbeck::view<const float, 1>(student.data(), student.size()), s.all());
  copy(on, limbeck::view<const float, 1>(teacher.data(), teacher.size()), t.all());
  add_loss(on, rows(s.data(), samples, classes), rows(t.data(), samples, classes), value.all(),
           limbeck::view<float, 2, limbeck::cuda>(gradient.data(), samples, classes));
  std::vector<float> found(samples);
  copy(on, value.all(), limbeck::view<float, 1>(found.data(), found.size()));
  wait(on);
  return found[0] + found[1];
}

float on_host(const std::vector<float>& student, const std::vector<float>& teacher) {
  std::vector<float> value(samples);
  using logits = limbeck::view<const float, 2>;
  const limbeck::signals<const float> seen{.logits = logits(student.data(), samples, classes)},
      shown{.logits = logits(teacher.data(), samples, classes)};
  const limbeck::sink<float, limbeck::cpu> out{.value = limbeck::view<float, 1>(value.data(), value.size()),
                                               .per = {.rows = samples}};
  limbeck::soft_target_kl{.temperature = 2}(limbeck::cpu_executor<>{}, seen, shown, {}, out);
  return value[0] + value[1];
}

}  // namespace

int main() {
  const std::vector<float> student{2, 0.5F, -1, 0.1F, 0.2F, 0.3F}, teacher{3, 0, -2, -1, 2, 0};
  const float wanted = on_host(student, teacher);
  if (limbeck::cuda_device_count() == 0) {
    std::printf("loss %g; no CUDA device\n", static_cast<double>(wanted));
    return 0;
  }
  const float found = on_device(student, teacher);
  std::printf("loss %g, on a device %g\n", static_cast<double>(wanted), static_cast<double>(found));
  return std::abs(found - wanted) < 1e-5F ? 0 : 1;
}
