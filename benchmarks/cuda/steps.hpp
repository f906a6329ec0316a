// Whole distillation steps on a device: two BERTs, and a causal language model with its teacher.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/mappings/uniform.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/models/placed_batch_cuda.hpp"
#include "limbeck/training/adamw_cuda.hpp"
#include "limbeck/training/gradient_norm_cuda.hpp"
#include "timing.hpp"
#include "training/random_batch.hpp"

namespace limbeck_bench {

/// Weights of a model as they are before training, on a device.
inline limbeck::buffer<float, cuda> fresh_weights(const cuda_executor& on, const limbeck::parameter_table& table) {
  std::vector<float> drawn(static_cast<std::size_t>(table.size()));
  limbeck::initialise(table, 1, view<float, 1>(drawn.data(), drawn.size()));
  limbeck::buffer<float, cuda> weights(on, table.size());
  copy(on, view<const float, 1>(drawn.data(), drawn.size()), weights.all());
  wait(on);
  return weights;
}

/// A student that learns from a teacher of its own kind; make_goal(projection) gives the objective.
template <class Model>
class device_step {
 public:
  device_step(Model teacher, Model student, const random_batch& batch, limbeck::product_precision products)
      : context_({.products = products}),
        teacher_(std::move(teacher)),
        student_(std::move(student)),
        table_(student_.parameters()),
        projection_(table_.declare("projection", teacher_.backbone().sizes().width, student_.backbone().sizes().width)),
        weights_(fresh_weights(on(), table_)),
        gradient_(on(), table_.size()),
        shown_weights_(fresh_weights(on(), teacher_.parameters())),
        values_(on(), static_cast<index>(batch.rows.size())),
        norm_(on(), 1),
        optimiser_(on(), table_),
        pass_(on()),
        shown_(on()),
        batch_(batch) {}

  [[nodiscard]] cuda_executor on() { return {.context = &context_}; }
  [[nodiscard]] auto projection() {
    return limbeck::linear_projection<float, cuda>{.weight = projection_.matrix(weights()),
                                                   .weight_gradient = projection_.matrix(gradient_.all())};
  }
  /// `labels` [rows of logits] on the device.
  template <class Goal>
  void operator()(const Goal& goal, const limbeck::targets<float, cuda>& given, const limbeck::normaliser& per) {
    const cuda_executor here = on();
    limbeck::ops::fill(here, 0.0F, gradient_.all());
    const view<const float, 1, cuda> theirs = shown_weights_.all();
    const auto shown = teacher_.forward(here, theirs, batch_.tokens(), goal.reads, limbeck::inference, shown_);
    const limbeck::pass_mode mode{.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 1, .step = ++steps_};
    const auto seen = student_.forward(here, weights(), batch_.tokens(), goal.reads, mode, pass_);
    goal(here, seen, shown, given, per, limbeck::sink<float, cuda>{.value = values_.all(), .gradient = pass_.gradient});
    student_.backward(here, weights(), pass_, gradient_.all());
    const view<const float, 1, cuda> slopes = gradient_.all();
    norm_of(here, slopes, norm_.all());
    optimiser_.update(here, 1e-5, {norm_.all(), 1}, slopes, weights_.all());
  }

 private:
  [[nodiscard]] view<const float, 1, cuda> weights() { return weights_.all(); }

  limbeck::cuda_context context_;
  Model teacher_, student_;
  limbeck::parameter_table table_;
  limbeck::slot projection_;
  limbeck::buffer<float, cuda> weights_, gradient_, shown_weights_, values_;
  limbeck::buffer<double, cuda> norm_;
  limbeck::adamw<float, cuda> optimiser_;
  typename Model::template pass<float, cuda> pass_, shown_;
  const random_batch& batch_;
  std::uint64_t steps_ = 0;
};

/// Prints the median of a step's milliseconds.
template <class Step>
void bench_step(std::FILE* to, const char* name, const char* products, index tokens, int rounds,
                const cuda_executor& on, const Step& step) {
  interval clock;
  std::vector<double> took;
  for (int round = -rounds_of_warm_up(rounds); round < rounds; ++round) {
    const double ms = clock.ms(on, step);
    if (round >= 0) took.push_back(ms);
  }
  std::fprintf(to,
               "{\"what\": \"step\", \"model\": \"%s\", \"products\": \"%s\", \"tokens\": %td, \"ms\": %.6g, "
               "\"tokens_per_second\": %.6g}\n",
               name, products, tokens, median(took), 1000 * static_cast<double>(tokens) / median(took));
  std::fflush(to);
}

/// Six layers of width 384 teach four of width 312: maps, hidden states and embeddings through one projection, soft
/// targets and labels.
inline void bench_bert(std::FILE* to, bool quick, limbeck::product_precision products, const char* named) {
  const index samples = quick ? 2 : 64, vocabulary = 30522;
  std::vector<index> lengths;
  for (index i = 0; i < samples; ++i) lengths.push_back(quick ? 3 + i : 32 + i * 37 % 96);
  const random_batch batch(lengths, 1);
  limbeck::transformer_sizes sizes{
      .vocabulary = vocabulary, .layers = 6, .width = 384, .heads = 12, .inner = 1536, .epsilon = 1e-12};
  if (quick) sizes.layers = 2, sizes.width = 24, sizes.heads = 2, sizes.inner = 32;
  const auto teacher = limbeck::make_bert_classifier(sizes, 2);
  sizes.layers = quick ? 1 : 4, sizes.width = quick ? 12 : 312, sizes.inner = quick ? 16 : 1200;
  device_step step(teacher, limbeck::make_bert_classifier(sizes, 2), batch, products);
  limbeck::buffer<std::int32_t, cuda> labels(step.on(), samples);
  const limbeck::uniform_mapping map;
  const auto projection = step.projection();
  const auto goal = 0.5 * limbeck::soft_target_kl{.temperature = 2} + 0.5 * limbeck::cross_entropy{} +
                    limbeck::attention_mse{map} + limbeck::hidden_mse{map, projection} +
                    limbeck::embedding_mse{projection};
  const auto tokens = static_cast<index>(batch.ids.size());
  limbeck::normaliser per = limbeck::counts_of(batch.tokens().rows);
  per.rows = static_cast<double>(samples);
  bench_step(to, "bert", named, tokens, quick ? 1 : 20, step.on(), [&] { step(goal, {.labels = labels.all()}, per); });
}

/// 12 layers of width 768 (124M parameters) learn from as many: soft targets and labels of every token.
inline void bench_causal(std::FILE* to, bool quick, limbeck::product_precision products, const char* named) {
  const index samples = quick ? 2 : 8, length = quick ? 4 : 512;
  const random_batch batch(std::vector<index>(static_cast<std::size_t>(samples), length), 1);
  limbeck::transformer_sizes sizes{
      .vocabulary = 50257, .positions = 1024, .layers = 12, .width = 768, .heads = 12, .inner = 3072, .epsilon = 1e-5};
  if (quick) sizes.layers = 1, sizes.width = 8, sizes.heads = 2, sizes.inner = 8, sizes.vocabulary = 30522;
  const auto model = limbeck::make_gpt2_language_model(sizes);
  device_step step(model, model, batch, products);
  const auto tokens = static_cast<index>(batch.ids.size());
  limbeck::buffer<std::int32_t, cuda> labels(step.on(), tokens);
  const auto goal = 0.5 * limbeck::soft_target_kl{.temperature = 2} + 0.5 * limbeck::cross_entropy{};
  bench_step(to, "gpt2", named, tokens, quick ? 1 : 10, step.on(),
             [&] { step(goal, {.labels = labels.all()}, {.rows = static_cast<double>(tokens)}); });
}

inline void bench_steps(std::FILE* to, bool quick) {
  using limbeck::product_precision;
  for (const auto& [products, named] :
       {std::pair{product_precision::full, "float"}, std::pair{product_precision::tf32, "tf32"},
        std::pair{product_precision::bf16, "bfloat16"}}) {
    bench_bert(to, quick, products, named);
    bench_causal(to, quick, products, named);
    if (quick) return;
  }
}

}  // namespace limbeck_bench
