// A training step as a whole, distiller and optimiser: what it allocates, and that threads do not make it differ.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "counted_allocations.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/distiller.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "training/small_run.hpp"

namespace limbeck {
namespace {

using limbeck_test::allocations, limbeck_test::same_bits, limbeck_test::small_executor;
using batch_list = std::vector<std::vector<std::ptrdiff_t>>;

/// Sample i has 4 to 50 tokens, so packed batches of one count of samples differ in their tokens.
sample_set samples_of_mixed_lengths(index count) {
  sample_set set = limbeck_test::small_samples(count, false);
  for (std::size_t i = 0; i < set.tokens.size(); ++i) {
    encoding& tokens = set.tokens[i];
    const std::size_t length = 4 + 23 * i % 47;
    tokens.ids.resize(length);
    for (std::size_t t = 0; t < length; ++t)
      tokens.ids[t] = static_cast<std::int32_t>(t == 0 ? 2 : 5 + (7 * i + 3 * t + i * t) % 90);
    tokens.types.assign(length, 0);
    set.lengths[i] = static_cast<index>(length);
  }
  return set;
}

/// A distillation with terms of every kind, large enough that its operations are split over threads.
class distillation {
 public:
  /// `told`: the sweeps over memory know which words have a gradient.
  explicit distillation(int threads, bool told = true) : on_{threads}, told_(told) {
    initialise(teacher_.parameters(), 3, shown_.all(), 0.2);
    std::vector<term_spec> specs;
    for (const char* text : {"soft_target_kl:temperature=2", "hidden_mse:projection=linear_bias", "attention_mse",
                             "embedding_mse", "cross_entropy:weight=linear:1:0.1"})
      specs.emplace_back(text);
    const term_builder builder(std::move(specs), {.student = sizes(2, 48), .teacher = sizes(4, 64)}, table_);
    weights_ = buffer<float>(table_.size());
    gradients_ = buffer<float>(table_.size());
    initialise(table_, 7, weights_.all(), 0.1);
    step_.emplace(student_, taught_by<bert_classifier, float>{&teacher_, read_only(shown_.all()), {}},
                  builder.template build<small_executor, float>(read_only(weights_.all()), gradients_.all()));
    optimiser_.emplace(table_);
    values_.resize(step_->terms().size());
  }

  /// One optimiser step over the micro-batches, as the training loop makes it.
  void operator()(const batch_list& micro_batches) {
    micro_.assign(micro_batches.begin(), micro_batches.end());
    const normaliser counts = counts_of_step(micro_, set_, 2);
    if (told_)
      step_->clear(on_, gradients_.all());
    else
      std::fill_n(gradients_.data(), gradients_.count(), 0.0F);
    std::fill(values_.begin(), values_.end(), 0.0);
    for (const auto& chosen : micro_)
      step_->accumulate(on_, set_, chosen, counts,
                        {.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 5, .step = number_++}, 0.5,
                        read_only(weights_.all()), gradients_.all(), values_);
    const touched_rows& touched = told_ ? step_->touched() : everything_;
    const double norm = norm_of(on_, read_only(gradients_.all()), touched);
    optimiser_->update(on_, 1e-3, clip_scale(norm, 1), read_only(gradients_.all()), weights_.all(), touched);
  }

  [[nodiscard]] std::vector<float> weights() const { return {weights_.data(), weights_.data() + weights_.count()}; }
  [[nodiscard]] const std::vector<double>& values() const { return values_; }

 private:
  [[nodiscard]] static transformer_sizes sizes(index layers, index width) {
    return {.vocabulary = 100,
            .positions = 64,
            .types = 2,
            .layers = layers,
            .width = width,
            .heads = 4,
            .inner = 2 * width};
  }

  small_executor on_;
  bool told_;
  touched_rows everything_;
  sample_set set_ = samples_of_mixed_lengths(16);
  bert_classifier student_ = make_bert_classifier(sizes(2, 48), 2), teacher_ = make_bert_classifier(sizes(4, 64), 2);
  parameter_table table_ = student_.parameters();
  buffer<float> shown_{teacher_.parameters().size()}, weights_, gradients_;
  std::optional<distiller<bert_classifier, small_executor, float>> step_;
  std::optional<adamw<float>> optimiser_;
  std::vector<std::span<const std::ptrdiff_t>> micro_;
  std::vector<double> values_;
  std::uint64_t number_ = 0;
};

/// Every sample at once, and smaller batches of other lengths behind it.
batch_list all_samples() {
  batch_list all(1, std::vector<std::ptrdiff_t>(16));
  std::iota(all[0].begin(), all[0].end(), 0);
  return all;
}
const std::vector<batch_list> mixed_steps{{{0, 1, 2, 3}, {4, 5}},
                                          {{15}},
                                          {{6, 7, 8, 9, 10, 11, 12}, {13}, {14, 0, 3}},
                                          {{2, 4, 6, 8, 10, 12, 14}},
                                          {{1}, {1}}};

TEST_CASE("a training step allocates nothing once the largest batch was seen, whatever the mix of lengths") {
  if (!limbeck_test::counts_allocations) LIMBECK_SKIP("a sanitizer counts memory itself");
  distillation step(1);
  const batch_list largest = all_samples();
  step(largest);
  step({largest[0], largest[0], largest[0]});  // as many micro-batches as a step may have
  std::vector<long> counted;
  counted.reserve(mixed_steps.size() + 1);
  for (const batch_list& batches : mixed_steps) {
    const long before = allocations;
    step(batches);
    counted.push_back(allocations - before);
  }
  const long before = allocations;
  step(largest);
  counted.push_back(allocations - before);
  CHECK(counted == std::vector<long>(mixed_steps.size() + 1, 0));

  const long counter = allocations;  // which counts: a first step needs memory
  distillation another(1);
  another(largest);
  CHECK(allocations - counter > 10);
}

TEST_CASE("steps that leave out words without a gradient have the bits of steps that do not, micro-batches included") {
  const auto ends = [](int threads, bool told) {
    distillation step(threads, told);
    for (int again = 0; again < 2; ++again)
      for (const batch_list& batches : mixed_steps) step(batches);
    return step.weights();
  };
  for (const int threads : {1, 2, 3}) CHECK(same_bits(ends(threads, true), ends(threads, false)));
}

TEST_CASE("steps of training have the same bits each time they run on as many threads") {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    std::vector<std::vector<float>> ends;
    std::vector<std::vector<double>> values;
    for (int again = 0; again < 3; ++again) {
      distillation step(threads);
      step(all_samples());
      for (const batch_list& batches : mixed_steps) step(batches);
      ends.push_back(step.weights());
      values.push_back(step.values());
    }
    INFO("threads " << threads);
    CHECK(same_bits(ends[0], ends[1]));
    CHECK(same_bits(ends[0], ends[2]));
    CHECK(values[0] == values[1]);
    if (threads == 1) first = ends[0];
    double largest = 0;  // other counts of threads may round otherwise, and no more
    for (std::size_t i = 0; i < first.size(); ++i)
      largest = std::max(largest, static_cast<double>(std::abs(ends[0][i] - first[i])));
    CHECK(largest <= 1e-5);
  }
}

}  // namespace
}  // namespace limbeck
