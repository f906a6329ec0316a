// A causal language model that learns on a CUDA device from what its teacher kept of every token: the 16 likeliest next
// words. The teacher runs once, beforehand; all of a training step is one CUDA graph.
//
// find_package(limbeck COMPONENTS cuda) and target_link_libraries(mine limbeck::cuda) are all it takes.
#include <limbeck/backend/copy_cuda.hpp>
#include <limbeck/backend/cuda_context.hpp>
#include <limbeck/backend/cuda_executor.hpp>
#include <limbeck/backend/cuda_graph.hpp>
#include <limbeck/backend/cuda_stream.hpp>
#include <limbeck/losses/cross_entropy.hpp>
#include <limbeck/losses/objective.hpp>
#include <limbeck/losses/top_k.hpp>
#include <limbeck/models/initialise.hpp>
#include <limbeck/models/model.hpp>
#include <limbeck/models/placed_batch_cuda.hpp>
#include <limbeck/training/adamw_cuda.hpp>
#include <limbeck/training/gradient_norm_cuda.hpp>

#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

using limbeck::buffer, limbeck::cuda, limbeck::index, limbeck::view;

constexpr index samples = 4, length = 16, tokens = samples * length, vocabulary = 200, likeliest = 16;
constexpr double temperature = 2;
constexpr int batches = 4, epochs = 10;

/// Rows of words, each to be guessed from those before it, and what the teacher kept of the guesses.
struct text_batch {
  std::vector<std::int32_t> ids, next;
  std::vector<limbeck::sample_rows> rows;
  std::vector<std::int32_t> classes;    // [tokens, likeliest]
  std::vector<float> logits, log_rest;  // [tokens, likeliest], [tokens]

  explicit text_batch(int number) {
    for (index s = 0; s < samples; ++s) {
      std::int32_t word = static_cast<std::int32_t>((31 * number + 7 * s) % vocabulary);
      for (index i = 0; i < length; ++i) {  // a real text comes from a tokeniser
        ids.push_back(word);
        word = static_cast<std::int32_t>((3 * word + i) % vocabulary);
        next.push_back(i + 1 < length ? word : -100);
      }
      rows.push_back({s * length, length, length});
    }
  }
  [[nodiscard]] limbeck::token_batch<> seen() const {
    return {.ids = view<const std::int32_t, 1>(ids.data(), ids.size()),
            .rows = view<const limbeck::sample_rows, 1>(rows.data(), rows.size())};
  }
};

template <class T>
void send(const limbeck::cuda_executor& on, const std::vector<T>& from, buffer<T, cuda>& to) {
  copy(on, view<const T, 1>(from.data(), from.size()), to.all());
}

/// First weights; a real model's come from a file.
buffer<float, cuda> fresh_weights(const limbeck::cuda_executor& on, const limbeck::parameter_table& table, int seed) {
  std::vector<float> drawn(static_cast<std::size_t>(table.size()));
  limbeck::initialise(table, static_cast<std::uint64_t>(seed), view<float, 1>(drawn.data(), drawn.size()), 0.1);
  buffer<float, cuda> weights(on, table.size());
  send(on, drawn, weights);
  wait(on);
  return weights;
}

/// Has the teacher guess every token of the batches, and keeps its likeliest words.
void keep_guesses(const limbeck::cuda_executor& on, std::vector<text_batch>& text) {
  const auto teacher = limbeck::make_gpt2_language_model(
      {.vocabulary = vocabulary, .positions = length, .layers = 4, .width = 64, .heads = 4, .inner = 128});
  const buffer<float, cuda> weights = fresh_weights(on, teacher.parameters(), 1);
  limbeck::gpt2_language_model::pass<float, cuda> pass(on);
  std::vector<float> all(static_cast<std::size_t>(tokens * vocabulary));
  for (text_batch& batch : text) {
    const auto said =
        teacher.forward(on, weights.all(), batch.seen(), limbeck::signal::logits, limbeck::inference, pass);
    copy(on, said.logits, view<float, 2>(all.data(), tokens, vocabulary));
    wait(on);
    batch.classes.resize(static_cast<std::size_t>(tokens * likeliest));
    batch.logits.resize(batch.classes.size());
    batch.log_rest.resize(static_cast<std::size_t>(tokens));
    limbeck::keep_top_k(limbeck::cpu_executor<>{}, view<const float, 2>(all.data(), tokens, vocabulary), temperature,
                        view<std::int32_t, 2>(batch.classes.data(), tokens, likeliest),
                        view<float, 2>(batch.logits.data(), tokens, likeliest),
                        view<float, 1>(batch.log_rest.data(), tokens));
  }
}

/// Trains a student on what was kept; the mean loss of each epoch.
std::vector<double> losses_of_training(const limbeck::cuda_executor& on, const std::vector<text_batch>& text) {
  const auto student = limbeck::make_gpt2_language_model(
      {.vocabulary = vocabulary, .positions = length, .layers = 2, .width = 32, .heads = 2, .inner = 64});
  const index size = student.parameters().size();
  buffer<float, cuda> weights = fresh_weights(on, student.parameters(), 2), gradient(on, size), values(on, samples);
  buffer<double, cuda> norm(on, 1);
  buffer<std::uint64_t, cuda> step_number(on, 1);
  buffer<std::int32_t, cuda> next(on, tokens), classes(on, tokens * likeliest);
  buffer<float, cuda> logits(on, tokens * likeliest), log_rest(on, tokens);
  limbeck::adamw<float, cuda> optimiser(on, student.parameters(), {.weight_decay = 0.01});
  limbeck::gpt2_language_model::pass<float, cuda> pass(on);

  const auto goal =
      0.9 * limbeck::top_k_kl{.temperature = temperature} + 0.1 * limbeck::cross_entropy{.ignore_index = -100};
  limbeck::signals<const float, cuda> shown{.logits = view<const float, 2, cuda>(logits.data(), tokens, likeliest)};
  shown.kept_classes = view<const std::int32_t, 2, cuda>(classes.data(), tokens, likeliest);
  shown.log_rest = view<const float, 1, cuda>(log_rest.data(), tokens);
  const limbeck::targets<float, cuda> given{.labels = view<const std::int32_t, 1, cuda>(next.data(), tokens)};

  // What differs from step to step is sent before it; the step itself touches the device alone.
  std::uint64_t steps = 0;
  const auto prepare = [&](const text_batch& batch) {
    student.place(on, batch.seen(), goal.reads, pass);
    optimiser.prepare(on, 3e-3);
    send(on, batch.next, next);
    send(on, batch.classes, classes);
    send(on, batch.logits, logits);
    send(on, batch.log_rest, log_rest);
    copy(on, view<const std::uint64_t, 1>(&steps, 1), step_number.all());
  };
  const auto step = [&] {
    limbeck::ops::fill(on, 0.0F, gradient.all());
    const limbeck::pass_mode training{
        .keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 3, .step_from = step_number.data()};
    const auto seen = student.run(on, limbeck::read_only(weights.all()), training, pass);
    goal(on, seen, shown, given, {.rows = tokens},
         limbeck::sink<float, cuda>{.value = values.all(), .gradient = pass.gradient});
    student.backward(on, limbeck::read_only(weights.all()), pass, gradient.all());
    norm_of(on, limbeck::read_only(gradient.all()), norm.all());
    optimiser.run(on, {norm.all(), 1}, limbeck::read_only(gradient.all()), weights.all());
  };

  prepare(text.front());
  step();  // once by itself: it takes the memory
  const limbeck::cuda_graph graph(on, step);
  std::vector<double> found;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    limbeck::ops::fill(on, 0.0F, values.all());
    for (const text_batch& batch : text) {
      wait(on);  // what prepare() sends is still being read
      ++steps;
      prepare(batch);
      graph.run(on);
    }
    std::vector<float> sums(static_cast<std::size_t>(samples));
    copy(on, values.all(), view<float, 1>(sums.data(), sums.size()));
    wait(on);
    double sum = 0;
    for (const float value : sums) sum += static_cast<double>(value);
    found.push_back(sum / batches);
  }
  return found;
}

}  // namespace

int main() {
  if (limbeck::cuda_device_count() == 0) {
    std::printf("no CUDA device\n");
    return 0;
  }
  const limbeck::cuda_stream stream;
  limbeck::cuda_context context({.products = limbeck::product_precision::tf32});
  const limbeck::cuda_executor on{stream.get(), &context};
  std::vector<text_batch> text;
  for (int b = 0; b < batches; ++b) text.emplace_back(b);
  keep_guesses(on, text);
  const std::vector<double> found = losses_of_training(on, text);
  for (int epoch = 0; epoch < epochs; ++epoch)
    std::printf("epoch %d: loss %.4f\n", epoch, found[static_cast<std::size_t>(epoch)]);
  return found.back() < found.front() ? 0 : 1;
}
