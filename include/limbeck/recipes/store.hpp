// Keeps what a teacher says of a task's training samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/recipes/task_training.hpp"
#include "limbeck/training/teacher_store.hpp"

namespace limbeck {

struct store_options {
  std::filesystem::path teacher;
  task_options task;
  std::filesystem::path transfer;  ///< texts without labels, behind the training samples; empty: none
  std::filesystem::path output;    ///< the file
  teacher_store_options how;
};

/// What was kept.
struct store_report {
  index samples = 0, classes = 0;
  std::uint64_t bytes = 0;  ///< of the data
  double seconds = 0;       ///< of the teacher's work
};

/// Runs a teacher over the training samples of a task and writes a teacher_store of its logits, in the order of the
/// task's labels. Throws as its parts do: contract_error, before the teacher works, where the store would take more
/// bytes than it may.
template <launchable E>
store_report keep_teacher(const E& on, const store_options& options, console& out) {
  const task_texts texts = read_task(options.task);
  const text_classifier teacher = load_text_classifier(options.teacher);
  (void)classes_by_label(teacher.config, texts.train.task);
  const sample_set samples =
      detail::training_samples(texts, options.transfer, options.task.max_length, teacher.pieces, out);
  const index classes = teacher.config.classes;
  expects_room(samples.size(), classes, false, options.how);
  const auto started = std::chrono::steady_clock::now();
  const std::vector<float> logits = detail::teacher_logits(on, teacher, samples, out);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::vector<std::int64_t> ids;
  for (const encoding& tokens : samples.tokens) ids.push_back(sample_id(tokens));
  write_teacher_store(options.output, detail::identity_of(teacher, texts.train.task), ids,
                      {.logits = view<const float, 2>(logits.data(), samples.size(), classes), .classes = classes},
                      options.how);
  return {samples.size(), classes, teacher_store_bytes(samples.size(), classes, false, options.how.storage),
          took.count()};
}

}  // namespace limbeck
