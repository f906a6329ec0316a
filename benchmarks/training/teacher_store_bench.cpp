// What an epoch with a stored teacher costs beside one of plain cross-entropy: opening the store, the logits of all
// samples, and steps of both, in turn.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/distiller.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "limbeck/training/last_hidden.hpp"
#include "limbeck/training/stored_teacher.hpp"
#include "limbeck/training/teacher_store_writer.hpp"
#include "limits.hpp"
#include "provider.hpp"

namespace {

using limbeck::bert_classifier, limbeck::buffer, limbeck::index, limbeck::read_only, limbeck::view;
using executor = limbeck::cpu_executor<limbeck_bench::provider>;
using terms = std::vector<limbeck::named_term<executor, float>>;

constexpr index epoch_samples = 2048, batch_size = 32, teacher_width = 384;

/// Texts of 4 to 46 tokens, labelled.
limbeck::sample_set random_samples() {
  limbeck::sample_set set;
  set.task.metrics = {"accuracy"};
  set.task.labels = set.task.label_names = {"0", "1"};
  std::uint32_t seed = 1;
  const auto next = [&] { return seed = seed * 1664525U + 1013904223U; };
  for (index i = 0; i < epoch_samples; ++i) {
    limbeck::encoding tokens;
    for (index t = 0; t < 4 + (i * 29) % 43; ++t)
      tokens.ids.push_back(1000 + static_cast<std::int32_t>(next() >> 8) % 29000);
    tokens.types.assign(tokens.ids.size(), 0);
    set.lengths.push_back(tokens.length());
    set.tokens.push_back(std::move(tokens));
    set.labels.push_back(static_cast<std::int32_t>(next() >> 31));
    set.scores.push_back(0);
  }
  return set;
}

/// Two stores of random numbers for the samples, gone with this object.
struct random_stores {
  std::filesystem::path dense, last_hidden;

  explicit random_stores(const limbeck::sample_set& set) {
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    const std::string number = std::to_string(::getpid());
    dense = folder / ("limbeck_bench_dense_" + number);
    last_hidden = folder / ("limbeck_bench_last_hidden_" + number);
    std::vector<float> numbers(static_cast<std::size_t>(epoch_samples * teacher_width));
    std::uint32_t seed = 2;
    for (float& x : numbers) x = static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 8) / 4194304.0F - 2;
    const limbeck::batch_order order = limbeck::evaluation_batches(set.lengths);
    std::vector<std::int64_t> ids, ids_in_batches, begin{0};
    for (const limbeck::encoding& tokens : set.tokens) ids.push_back(limbeck::sample_id(tokens));
    for (const std::ptrdiff_t i : order.samples()) ids_in_batches.push_back(ids[static_cast<std::size_t>(i)]);
    for (index b = 0; b < order.size(); ++b) begin.push_back(begin.back() + static_cast<std::int64_t>(order[b].size()));
    limbeck::write_teacher_store(dense, {}, ids,
                                 {.logits = view<const float, 2>(numbers.data(), epoch_samples, 2), .classes = 2});
    limbeck::write_teacher_store(last_hidden, {}, ids_in_batches,
                                 {.classes = 2,
                                  .last_hidden = view<const float, 2>(numbers.data(), epoch_samples, teacher_width),
                                  .batch_begin = view<const std::int64_t, 1>(begin.data(), begin.size())});
  }
  random_stores(const random_stores&) = delete;
  random_stores& operator=(const random_stores&) = delete;
  ~random_stores() {
    std::error_code none;
    std::filesystem::remove(dense, none);
    std::filesystem::remove(last_hidden, none);
  }
};

/// A student of 4 layers and width 312 with all that its steps change.
class training {
 public:
  training(int threads, terms goal) : on_{threads}, step_(student_, {}, std::move(goal)) {
    limbeck::initialise(student_.parameters(), 1, weights_.all());
  }
  limbeck::distiller<bert_classifier, executor, float>& step() { return step_; }

  /// One step, as the trainer makes it. Returns its seconds.
  double operator()(const limbeck::sample_set& set, std::span<const std::ptrdiff_t> chosen,
                    std::span<const std::ptrdiff_t> next) {
    const double start = limbeck_bench::now();
    step_.announce(next);
    const limbeck::normaliser counts = limbeck::counts_of_step(std::vector{chosen}, set, 2);
    step_.clear(on_, gradient_.all());
    values_.assign(step_.terms().size(), 0);
    step_.accumulate(on_, set, chosen, counts,
                     {.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 7, .step = done_++}, 0,
                     read_only(weights_.all()), gradient_.all(), values_);
    const double norm = limbeck::norm_of(on_, read_only(gradient_.all()), step_.touched());
    optimiser_.update(on_, 1e-5, limbeck::clip_scale(norm, 1), read_only(gradient_.all()), weights_.all(),
                      step_.touched());
    return limbeck_bench::now() - start;
  }

 private:
  executor on_;
  bert_classifier student_ =
      limbeck::make_bert_classifier({.vocabulary = 30522, .layers = 4, .width = 312, .heads = 12, .inner = 1200}, 2);
  buffer<float> weights_{student_.parameters().size()}, gradient_{weights_.count()};
  limbeck::adamw<float> optimiser_{student_.parameters(), {.weight_decay = 0.01}};
  limbeck::distiller<bert_classifier, executor, float> step_;
  std::vector<double> values_;
  std::uint64_t done_ = 0;
};

terms plain_terms(double weight = 1) {
  terms all;
  all.push_back({"labels", {.from = weight}, limbeck::cross_entropy{.over = limbeck::divisor::rows}, true, false});
  return all;
}
terms distilling_terms() {
  terms all = plain_terms(0.1);
  all.push_back(
      {"teacher", {.from = 0.9}, limbeck::soft_target_kl{.temperature = 2, .over = limbeck::divisor::samples}});
  return all;
}

/// Prints the cost of an epoch beside plain cross-entropy, from medians of steps in turn over the same batches:
/// `dense` and `last_hidden` with all logits in memory, as the program has them, the time to get them there counted in;
/// `by_batch` with logits that each step reads from the file.
void epoch_of_store(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  const limbeck::sample_set set = random_samples();
  const random_stores files(set);
  const bert_classifier teacher = limbeck::make_bert_classifier(
      {.vocabulary = 30522, .layers = 6, .width = teacher_width, .heads = 12, .inner = 1536}, 2);
  buffer<float> theirs(teacher.parameters().size());
  limbeck::initialise(teacher.parameters(), 2, theirs.all());

  const double start = limbeck_bench::now();
  limbeck::kept_batch all;
  {
    const limbeck::teacher_store store(files.dense);
    store.gather(store.rows_of(set), all);
  }
  const double dense_ready = limbeck_bench::now();
  const limbeck::teacher_store states(files.last_hidden);
  const std::vector<float> replayed = limbeck::logits_from_last_hidden(
      executor{threads}, teacher, read_only(theirs.all()), states, states.rows_of(set));
  const double replay_ready = limbeck_bench::now();
  limbeck::stored_teacher stored(std::make_shared<const limbeck::teacher_store>(files.dense), set);
  const double store_ready = limbeck_bench::now();

  training plain(threads, plain_terms()), dense(threads, distilling_terms()), hidden(threads, distilling_terms()),
      by_batch(threads, distilling_terms());
  dense.step().use_logits(view<const float, 2>(all.logits.data(), epoch_samples, 2));
  hidden.step().use_logits(view<const float, 2>(replayed.data(), epoch_samples, 2));
  by_batch.step().use_kept(&stored);
  training* const each[] = {&plain, &dense, &hidden, &by_batch};

  const limbeck::batch_order order = limbeck::training_batches(set.lengths, {.batch_size = batch_size, .seed = 5}, 0);
  std::vector<double> seconds, ratios[4];
  index b = 0;
  for (auto _ : state) {
    double took[4];
    for (std::size_t turn = 0; turn < 4; ++turn) {
      const std::size_t who = (turn + static_cast<std::size_t>(b)) % 4;  // nobody is always first
      took[who] = (*each[who])(set, order[b % order.size()], order[(b + 1) % order.size()]);
    }
    seconds.push_back(took[0]);
    for (std::size_t i = 1; i < 4; ++i) ratios[i].push_back(took[i] / took[0]);
    ++b;
  }
  const double step = limbeck_bench::median(seconds), epoch = step * static_cast<double>(order.size());
  state.counters["plain_step"] = step;
  state.counters["dense"] = limbeck_bench::median(ratios[1]) + (dense_ready - start) / epoch;
  state.counters["last_hidden"] = limbeck_bench::median(ratios[2]) + (replay_ready - dense_ready) / epoch;
  state.counters["by_batch"] = limbeck_bench::median(ratios[3]) + (store_ready - replay_ready) / epoch;
}
BENCHMARK(epoch_of_store)->ArgName("threads")->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
