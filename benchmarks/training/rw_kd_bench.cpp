// What RW-KD costs beside a plain distillation step: looking ahead with a held-out batch as long as the batch, with one
// of a quarter of it, and the meta-network; all in turn, so that the machine's mood is the same for each.
#include "limbeck/training/rw_kd.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "measure.hpp"
#include "provider.hpp"

namespace {

using limbeck::bert_classifier, limbeck::buffer, limbeck::index, limbeck::read_only, limbeck::sample_set, limbeck::view;
using executor = limbeck::cpu_executor<limbeck_bench::provider>;

/// Texts of 4 to 46 tokens, made of random words.
sample_set random_texts(index count, std::uint32_t seed) {
  sample_set set;
  for (index i = 0; i < count; ++i) {
    limbeck::encoding text;
    text.ids.push_back(101);
    for (index t = 1; t < 4 + (i * 29) % 43; ++t) {
      text.ids.push_back(1000 + static_cast<std::int32_t>((seed = seed * 1664525U + 1013904223U) >> 8) % 29000);
    }
    text.types.assign(text.ids.size(), 0);
    set.lengths.push_back(text.length());
    set.tokens.push_back(std::move(text));
    set.labels.push_back(static_cast<std::int32_t>((seed = seed * 1664525U + 1013904223U) >> 31));
    set.scores.push_back(0);
  }
  return set;
}

std::vector<limbeck::named_term<executor, float>> terms_with_shares() {
  using rule = limbeck::sample_weighting::rule;
  std::vector<limbeck::named_term<executor, float>> both;
  both.push_back({"soft_target_kl",
                  {},
                  limbeck::soft_target_kl{.temperature = 2, .over = limbeck::divisor::samples},
                  false,
                  true,
                  {rule::rw_kd}});
  both.push_back({"cross_entropy", {}, limbeck::cross_entropy{}, true, false, {rule::rw_kd_rest}});
  return both;
}

/// TinyBERT-4L-312 with a teacher's logits kept: whole steps, dropout and AdamW among them.
class rw_kd_training {
 public:
  explicit rw_kd_training(int threads) : on_{threads} {
    limbeck::initialise(student_.parameters(), 1, weights_.all());
    for (std::size_t i = 0; i < 2; ++i) shown_[i] = limbeck_bench::numbers<float>(2 * 512, static_cast<unsigned>(i));
    for (auto& step : steps_) {
      auto wanted = terms_with_shares();
      if (&step == &steps_[0])
        for (auto& term : wanted) term.samples = {};
      step = std::make_unique<step_type>(student_, limbeck::taught_by<bert_classifier, float>{}, std::move(wanted));
      step->use_logits(view<const float, 2>(shown_[0].data(), 512, 2));
    }
    for (std::size_t s = 0; s < 2; ++s) {
      ahead_[s] =
          std::make_unique<look_ahead>(student_, limbeck::taught_by<bert_classifier, float>{}, terms_with_shares(),
                                       held_out_, limbeck::meta_step_options{.batch_size = s == 0 ? 32 : 8});
      join(*ahead_[s], *steps_[s + 1]);
    }
    network_ =
        std::make_unique<meta_network>(student_, limbeck::taught_by<bert_classifier, float>{}, terms_with_shares(),
                                       held_out_, limbeck::meta_step_options{.batch_size = 32});
    join(*network_, *steps_[3]);
  }

  /// Seconds of one step: plain (0), looking ahead with 32 and 8 held-out samples (1, 2), with a meta-network (3).
  double seconds(std::size_t which) {
    const double before = limbeck_bench::now();
    step_type& step = *steps_[which];
    const auto chosen = batches_(number_ / 4);
    const std::vector<std::span<const std::ptrdiff_t>> all{chosen};
    std::array<double, 2> values{};
    step.clear(on_, gradient_.all());
    step.accumulate(on_, train_, chosen, limbeck::counts_of_step(all, train_, 2),
                    {.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 1, .step = number_ / 4}, 0,
                    read_only(weights_.all()), gradient_.all(), values);
    adam_.update(on_, 1e-6, 1, read_only(gradient_.all()), weights_.all(), step.touched());
    ++number_;
    benchmark::DoNotOptimize(values);
    return limbeck_bench::now() - before;
  }

 private:
  using step_type = limbeck::distiller<bert_classifier, executor, float>;
  using look_ahead = limbeck::look_ahead_sharing<bert_classifier, executor, float>;
  using meta_network = limbeck::meta_network_sharing<bert_classifier, executor, float>;

  template <class Sharing>
  void join(Sharing& sharing, step_type& step) {
    sharing.meta().step().use_logits(view<const float, 2>(shown_[1].data(), 512, 2));
    step.use_sharing(&sharing);
  }

  executor on_;
  sample_set train_ = random_texts(512, 1), held_out_ = random_texts(512, 2);
  limbeck::endless_batches batches_{512, 32, 3};
  bert_classifier student_ =
      limbeck::make_bert_classifier({.vocabulary = 30522, .layers = 4, .width = 312, .heads = 12, .inner = 1200}, 2);
  buffer<float> weights_{student_.parameters().size()}, gradient_{student_.parameters().size()};
  limbeck::adamw<float> adam_{student_.parameters()};
  std::array<buffer<float>, 2> shown_;
  std::array<std::unique_ptr<step_type>, 4> steps_;
  std::array<std::unique_ptr<look_ahead>, 2> ahead_;
  std::unique_ptr<meta_network> network_;
  std::uint64_t number_ = 0;
};

/// Time: a plain step. Counters: the others in plain steps, by the medians of steps taken in turn.
void rw_kd_step(benchmark::State& state) {
  rw_kd_training run(static_cast<int>(state.range(0)));
  std::array<std::vector<double>, 4> seconds;
  for (std::size_t which = 0; which < 4; ++which) run.seconds(which);  // memory is there from now on
  for (auto _ : state) {
    for (std::size_t which = 0; which < 4; ++which) seconds[which].push_back(run.seconds(which));
    state.SetIterationTime(seconds[0].back());
  }
  const double plain = limbeck_bench::median(seconds[0]);
  state.counters["plain_ms"] = 1e3 * plain;
  state.counters["look_ahead"] = limbeck_bench::median(seconds[1]) / plain;
  state.counters["quarter"] = limbeck_bench::median(seconds[2]) / plain;
  state.counters["meta_network"] = limbeck_bench::median(seconds[3]) / plain;
}
BENCHMARK(rw_kd_step)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseManualTime();

}  // namespace
