// The part of the program that the CUDA compiler translates.
#include "loss.hpp"

#include <limbeck/backend/cuda_executor.hpp>
#include <limbeck/losses/soft_target.hpp>

void add_loss(const limbeck::cuda_queue& on, limbeck::view<const float, 2, limbeck::cuda> student,
              limbeck::view<const float, 2, limbeck::cuda> teacher, limbeck::view<float, 1, limbeck::cuda> value,
              limbeck::view<float, 2, limbeck::cuda> gradient) {
  const limbeck::cuda_executor here{on.stream, on.context};
  const limbeck::signals<const float, limbeck::cuda> seen{.logits = student}, shown{.logits = teacher};
  const limbeck::sink<float, limbeck::cuda> out{
      .value = value, .gradient = {.logits = gradient}, .per = {.rows = static_cast<double>(student.extent(0))}};
  limbeck::soft_target_kl{.temperature = 2}(here, seen, shown, {}, out);
}
