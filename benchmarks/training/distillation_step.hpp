// A whole step of distilling TinyBERT-4L-312 from a BERT of 6 layers, width 384 (Jiao et al. 2020, arXiv:1909.10351):
// both forward passes, five losses, the backward pass and AdamW. What the benchmarks of the step, and their peers, run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "limbeck/limbeck.hpp"
#include "limbeck/training/adamw.hpp"
#include "limits.hpp"
#include "training/random_batch.hpp"

namespace limbeck_bench {

using limbeck::bert_classifier, limbeck::buffer, limbeck::cpu, limbeck::index, limbeck::read_only, limbeck::view;

/// Additions and multiplications of the products that a step cannot do without.
[[nodiscard]] inline double step_flops(const random_batch& batch, bool with_teacher) {
  const auto of = [&](double width, double inner, double layers) {
    double sum = 0;
    for (const limbeck::sample_rows& r : batch.rows) {
      const auto length = static_cast<double>(r.keys);
      sum += layers * (2 * (4 * width * width + 2 * width * inner) * length + 4 * width * length * length);
    }
    return sum;
  };
  return (with_teacher ? of(384, 1536, 6) : 0) + 3 * of(312, 1200, 4) +
         5 * 2 * 312 * 384 * 3 * static_cast<double>(batch.ids.size());
}

/// Models, weights and everything that a loop of one's own keeps from step to step.
template <class Provider>
class distillation_step {
 public:
  /// `stored`: the teacher sees each batch once, and what the losses read of it is kept.
  distillation_step(std::vector<random_batch> batches, int threads, bool stored)
      : batches_(std::move(batches)), on_{threads}, stored_(stored), shown_(stored ? batches_.size() : 1) {
    limbeck::initialise(table_, 1, weights_.all());
    limbeck::initialise(teacher_.parameters(), 2, theirs_.all());
    if (!stored_) return;
    for (std::size_t b = 0; b < batches_.size(); ++b) run_teacher(b);
  }

  [[nodiscard]] std::size_t batches() const { return batches_.size(); }
  [[nodiscard]] double flops() const {
    double sum = 0;
    for (const random_batch& b : batches_) sum += step_flops(b, !stored_);
    return sum;
  }

  /// Bytes of all weights, gradients and moments.
  [[nodiscard]] double parameter_bytes() const { return floats(4 * weights_.count() + theirs_.count()); }
  /// What a step cannot do without, in the mean of the batches. Of memory: weights, gradients and moments; states may
  /// stay in caches, and of the tables of words what an update reads and writes is counted: the gradients of the
  /// batch's words, the moments of those of all batches, and every weight, for it decays.
  [[nodiscard]] work of_a_step() const {
    constexpr index words = 30522;
    const index rest = weights_.count() - words * 312;
    std::vector<std::int32_t> ids;
    index of_a_batch = 0;
    for (const random_batch& b : batches_) {
      ids.insert(ids.end(), b.ids.begin(), b.ids.end());
      of_a_batch += distinct(b.ids);
    }
    const double gradients = floats(rest) + floats(of_a_batch * 312) / static_cast<double>(batches());
    return {.read = floats(2 * rest + (stored_ ? 0 : theirs_.count() - words * 384)) + gradients,
            .written = gradients,
            .updated = floats(weights_.count() + 2 * (rest + distinct(ids) * 312)),
            .flops = flops() / static_cast<double>(batches())};
  }

  /// Trains on batch `b`; the mean loss of its samples.
  double operator()(std::size_t b) {
    const random_batch& batch = batches_[b];
    limbeck::normaliser per = limbeck::counts_of(batch.tokens().rows);
    per.rows = static_cast<double>(batch.rows.size());
    value_.assign(batch.rows.size(), 0);
    touched_.clear(on_, gradient_.all());
    const auto seen =
        student_.forward(on_, read_only(weights_.all()), batch.tokens(), goal_.reads,
                         {.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 7, .step = step_++}, pass_);
    if (!stored_) run_teacher(b);
    goal_(on_, seen, limbeck::signals<const float>(shown_[stored_ ? b : 0].seen), batch.given(), per,
          limbeck::sink<float, cpu>{.value = view<float, 1>(value_.data(), value_.size()), .gradient = pass_.gradient});
    touched_.mark(batch.tokens().ids);
    student_.backward(on_, read_only(weights_.all()), pass_, gradient_.all());
    optimiser_.update(on_, 1e-5, 1, read_only(gradient_.all()), weights_.all(), touched_);
    double sum = 0;
    for (const float v : value_) sum += static_cast<double>(v);
    return sum;
  }

 private:
  using executor = limbeck::cpu_executor<Provider>;

  [[nodiscard]] static index distinct(std::vector<std::int32_t> ids) {
    std::sort(ids.begin(), ids.end());
    return std::unique(ids.begin(), ids.end()) - ids.begin();
  }
  void run_teacher(std::size_t b) {
    (void)teacher_.forward(on_, read_only(theirs_.all()), batches_[b].tokens(), goal_.reads, limbeck::inference,
                           shown_[stored_ ? b : 0]);
  }
  [[nodiscard]] auto make_goal() {
    const limbeck::explicit_mapping map{{{0, 0}, {1, 2}, {2, 3}, {3, 5}}};
    const limbeck::linear_projection<float> wide{.weight = projection_.matrix(read_only(weights_.all())),
                                                 .weight_gradient = projection_.matrix(gradient_.all())};
    return limbeck::attention_mse{map, {.of = limbeck::attention_map::probabilities}} + limbeck::hidden_mse{map, wide} +
           limbeck::embedding_mse{wide} + limbeck::soft_target_kl{.temperature = 2} + limbeck::cross_entropy{};
  }

  std::vector<random_batch> batches_;
  executor on_;
  bool stored_;
  bert_classifier teacher_ =
      limbeck::make_bert_classifier({.vocabulary = 30522, .layers = 6, .width = 384, .heads = 12, .inner = 1536}, 2);
  bert_classifier student_ =
      limbeck::make_bert_classifier({.vocabulary = 30522, .layers = 4, .width = 312, .heads = 12, .inner = 1200}, 2);
  limbeck::parameter_table table_ = student_.parameters();
  limbeck::slot projection_ = table_.declare("projection.weight", 384, 312);
  buffer<float> weights_{table_.size()}, gradient_{table_.size()}, theirs_{teacher_.parameters().size()};
  limbeck::touched_rows touched_ = limbeck::touched_rows_of(student_);
  limbeck::adamw<float> optimiser_{table_, {.weight_decay = 0.01}};
  bert_classifier::pass<float> pass_;
  std::vector<bert_classifier::pass<float>> shown_;
  std::vector<float> value_;
  std::uint64_t step_ = 0;
  decltype(std::declval<distillation_step&>().make_goal()) goal_ = make_goal();
};

}  // namespace limbeck_bench
