// The step of training/distillation_step.hpp for distillation_step.py, which runs it in turn with PyTorch's.
#include "training/distillation_step.hpp"

#include <memory>

#include "provider.hpp"

using run = limbeck_bench::distillation_step<limbeck_bench::provider>;

extern "C" {

/// Batches of `size` samples with these lengths, in this order. Deleted with limbeck_step_delete.
run* limbeck_step_new(const std::int64_t* lengths, std::int64_t samples, std::int64_t size, int threads, int stored) {
  std::vector<limbeck_bench::random_batch> batches;
  for (std::int64_t first = 0; first < samples; first += size) {
    const std::vector<limbeck::index> of_batch(lengths + first, lengths + std::min(first + size, samples));
    batches.emplace_back(of_batch, static_cast<std::uint32_t>(first));
  }
  return std::make_unique<run>(std::move(batches), threads, stored != 0).release();
}
/// Trains on every batch once; the last loss.
double limbeck_step_round(run* r) {
  double loss = 0;
  for (std::size_t b = 0; b < r->batches(); ++b) loss = (*r)(b);
  return loss;
}
/// Useful floating-point operations of a round.
double limbeck_step_flops(const run* r) { return r->flops(); }
/// Bytes of all weights, gradients and moments, the teacher's weights among them.
double limbeck_step_parameter_bytes(const run* r) { return r->parameter_bytes(); }
/// Of its products: "fp32" or "bf16".
const char* limbeck_step_precision() { return limbeck_bench::precision; }
/// Floating-point operations a second in registers.
double limbeck_multiply_add_limit(int threads) { return limbeck_bench::multiply_add_limit(threads, 0.2); }
/// The same of bfloat16, by dot products; 0 where there are none.
double limbeck_bfloat16_limit(int threads) { return limbeck_bench::bfloat16_limit(threads, 0.2); }
void limbeck_step_delete(run* r) { std::unique_ptr<run>{r}; }
}
