// limbeck's fused linear map and soft target as the C function that fused_linear.py calls. Threads: as many as OpenMP
// gives.
#include <cstdint>
#include <numeric>
#include <vector>

#include "every_thread.hpp"
#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "provider.hpp"

namespace {

using limbeck::view;
using size = std::int64_t;

limbeck::cpu_executor<limbeck_bench::provider> here() {
  return limbeck_bench::on_every_thread<limbeck_bench::provider>();
}

}  // namespace

extern "C" {

/// The numbers that each row worked on at one time needs.
size fused_linear_room(size width, size teacher_width, size classes) {
  const limbeck::linear_head<const float> student{.weight = view<const float, 2>(nullptr, classes, width)};
  const limbeck::linear_head<const float> teacher{.weight = view<const float, 2>(nullptr, classes, teacher_width)};
  return limbeck::fused_linear_room(limbeck::soft_target_kl{}, student, teacher);
}

/// The mean over rows of temperature^2 KL(teacher || student) of what two linear maps [classes, width] make of hidden
/// states [rows, width], and fresh gradients of the student's; room [room_count].
void fused_linear_kl(const float* hidden, const float* weight, const float* teacher_hidden, const float* teacher_weight,
                     float* dhidden, float* dweight, float* room, size rows, size width, size teacher_width,
                     size classes, size room_count, float temperature, double* loss) {
  limbeck::ops::fill(here(), 0.0F, view<float, 1>(dhidden, rows * width));
  limbeck::ops::fill(here(), 0.0F, view<float, 1>(dweight, classes * width));
  const limbeck::linear_head<const float> student{view<const float, 2>(hidden, rows, width),
                                                  view<const float, 2>(weight, classes, width)};
  const limbeck::linear_head<const float> teacher{view<const float, 2>(teacher_hidden, rows, teacher_width),
                                                  view<const float, 2>(teacher_weight, classes, teacher_width)};
  static std::vector<float> value;
  value.assign(static_cast<std::size_t>(rows), 0.0F);
  limbeck::sink<float, limbeck::cpu> out{.value = view<float, 1>(value.data(), rows)};
  out.per.rows = static_cast<double>(rows);
  limbeck::fused_linear(
      limbeck::soft_target_kl{.temperature = temperature}, here(), student, teacher, limbeck::targets<float>{}, out,
      limbeck::linear_head<float>{view<float, 2>(dhidden, rows, width), view<float, 2>(dweight, classes, width)},
      view<float, 1>(room, room_count));
  *loss = std::accumulate(value.begin(), value.end(), 0.0);
}
}
