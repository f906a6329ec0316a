// Keeps what a teacher says of a task's training samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "limbeck/io/atomic_file.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/recipes/task_training.hpp"
#include "limbeck/training/kept_states.hpp"
#include "limbeck/training/last_hidden.hpp"
#include "limbeck/training/teacher_store_writer.hpp"

namespace limbeck {

/// What is kept of a teacher: the logits of all classes, those of the k likeliest, what the head reads, or the logits
/// of all classes and states of every layer.
enum class kept_outputs { logits, top_k, last_hidden, layers };

struct store_options {
  std::filesystem::path teacher;
  task_options task;
  std::filesystem::path transfer;  ///< texts without labels, behind the training samples; empty: none
  std::filesystem::path output;    ///< the file; in a folder that is there already, teacher.safetensors
  kept_outputs what = kept_outputs::logits;
  /// Of layers: any of hidden (embeddings, too), queries, keys and values. Queries and keys show attention maps.
  signal_set states = signal::embeddings | signal::hidden | signal::queries | signal::keys;
  index k = 0;             ///< classes a sample, of top_k
  double temperature = 1;  ///< of top_k: the one at which students read it
  teacher_store_options how;
};

/// What was kept.
struct store_report {
  std::filesystem::path file;
  index samples = 0, classes = 0;
  std::uint64_t bytes = 0;  ///< of the data
  double seconds = 0;       ///< of the teacher's work, and of writing
};

namespace detail {

/// Throws contract_error, before the teacher works, for what cannot be kept.
[[nodiscard]] inline teacher_store_sizes sizes_of(const store_options& options, const sample_set& samples,
                                                  const text_classifier& teacher) {
  teacher_store_sizes sizes{.samples = samples.size()};
  if (options.what == kept_outputs::last_hidden) {
    expects(options.how.storage == dtype::f32,
            [&] { return message("store: what a head reads is kept as F32, not as ", name_of(options.how.storage)); });
    sizes.last_hidden = teacher.config.sizes.width;
    sizes.batches = evaluation_batches(samples.lengths).size();
  } else {
    const index classes = teacher.config.classes;
    sizes.top_k = options.what == kept_outputs::top_k;
    expects(!(sizes.top_k && teacher.config.regression), "store: top-k keeps classes, the task is a regression");
    sizes.logits = sizes.top_k ? options.k : classes;
    expects(sizes.logits >= 1 && sizes.logits <= classes,
            [&] { return message("store: k is ", options.k, ", expected 1 to ", classes, " classes"); });
    expects(options.temperature > 0,
            [&] { return message("store: temperature ", options.temperature, ", must be positive"); });
    if (options.what == kept_outputs::layers) {
      sizes.states = numbers_of_a_token(teacher.config.sizes, options.states);
      sizes.tokens = std::accumulate(samples.lengths.begin(), samples.lengths.end(), index{0});
    }
  }
  expects_room(sizes, options.how);
  return sizes;
}

template <launchable E>
void keep_layers(const E& on, const store_options& options, const text_classifier& teacher, const sample_set& samples,
                 console& out) {
  kept_states read = states_of(on, teacher.model, teacher.parameters(), samples, options.states, {},
                               [&](index done) { out.progress("teacher", done, samples.size()); });
  out.clear();
  read.said.logits = in_label_order(std::move(read.said.logits), classes_by_label(teacher.config, samples.task));
  const signals<const float> said = read.said.seen();
  write_store(options.output, teacher, samples, read.samples, {.logits = said.logits, .states = said}, options.how);
}

template <launchable E>
void keep_logits(const E& on, const store_options& options, const text_classifier& teacher, const sample_set& samples,
                 const teacher_store_sizes& sizes, console& out) {
  const std::vector<float> logits = teacher_logits(on, teacher, samples, out);
  const view<const float, 2> all(logits.data(), sizes.samples, teacher.config.classes);
  const std::vector<std::ptrdiff_t> which = counted(samples.tokens.size());
  if (!sizes.top_k) return write_store(options.output, teacher, samples, which, {.logits = all}, options.how);
  const auto kept = static_cast<std::size_t>(sizes.samples * sizes.logits);
  std::vector<std::int32_t> classes(kept);
  std::vector<float> likeliest(kept), rest(samples.tokens.size());
  const view<std::int32_t, 2> at(classes.data(), sizes.samples, sizes.logits);
  const view<float, 2> of(likeliest.data(), sizes.samples, sizes.logits);
  const view<float, 1> others(rest.data(), sizes.samples);
  keep_top_k(on, all, options.temperature, at, of, others);
  write_store(options.output, teacher, samples, which,
              {.logits = of, .kept_classes = at, .log_rest = others, .temperature = options.temperature}, options.how);
}

template <launchable E>
void keep_last_hidden(const E& on, const store_options& options, const text_classifier& teacher,
                      const sample_set& samples, const teacher_store_sizes& sizes, console& out) {
  const last_hidden_states read = last_hidden_of(on, teacher.model, teacher.parameters(), samples, {},
                                                 [&](index done) { out.progress("teacher", done, sizes.samples); });
  out.clear();
  write_store(options.output, teacher, samples, read.samples,
              {.last_hidden = view<const float, 2>(read.numbers.data(), sizes.samples, sizes.last_hidden),
               .batch_begin = view<const std::int64_t, 1>(read.batch_begin.data(), read.batch_begin.size())},
              options.how);
}

}  // namespace detail

/// Runs a teacher over the training samples of a task and writes a teacher_store; logits are in the order of the task's
/// labels. Throws as its parts do: contract_error, before the teacher works, where the store would take more bytes than
/// it may.
template <launchable E>
store_report keep_teacher(const E& on, store_options options, console& out) {
  options.output = detail::store_file(options.output);
  const task_texts texts = read_task(options.task);
  const text_classifier teacher = load_text_classifier(options.teacher);
  (void)classes_by_label(teacher.config, texts.train.task);
  const sample_set samples =
      detail::training_samples(texts, options.transfer, options.task.max_length, teacher.pieces, out);
  const teacher_store_sizes sizes = detail::sizes_of(options, samples, teacher);
  (void)atomic_file(options.output);  // throws before the teacher works where nothing can be written
  const auto started = std::chrono::steady_clock::now();
  if (options.what == kept_outputs::last_hidden)
    detail::keep_last_hidden(on, options, teacher, samples, sizes, out);
  else if (options.what == kept_outputs::layers)
    detail::keep_layers(on, options, teacher, samples, out);
  else
    detail::keep_logits(on, options, teacher, samples, sizes, out);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  return {options.output, samples.size(), teacher.config.classes, teacher_store_bytes(sizes, options.how.storage),
          took.count()};
}

}  // namespace limbeck
