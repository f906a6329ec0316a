// What a teacher says of a task's samples: asked now, or read from what it kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/io/atomic_file.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/kept_batch.hpp"
#include "limbeck/training/last_hidden.hpp"
#include "limbeck/training/teacher_store.hpp"
#include "limbeck/training/teacher_store_writer.hpp"

namespace limbeck {
namespace detail {

/// A teacher's logits of every sample, [samples, classes], in the order of the task's labels.
template <launchable E>
[[nodiscard]] std::vector<float> teacher_logits(const E& on, const text_classifier& teacher, const sample_set& set,
                                                console& out) {
  std::vector<float> logits = logits_of(on, teacher.model, teacher.parameters(), set, {},
                                        [&](index done) { out.progress("teacher", done, set.size()); });
  out.clear();
  return in_label_order(std::move(logits), classes_by_label(teacher.config, set.task));
}

/// What a model is known by: a hash of its weights and of the text of its configuration.
[[nodiscard]] inline std::string hash_of_model(view<const float, 1> weights, const std::string& config) {
  const std::span<const float> numbers(weights.data(), static_cast<std::size_t>(weights.count()));
  return hash_text(fnv1a_of_words(std::as_bytes(numbers), fnv1a(config)));
}

/// What a vocabulary is known by.
[[nodiscard]] inline std::string hash_of_vocabulary(const vocabulary& words) { return hash_text(words.content_hash()); }

/// What a store of the teacher's outputs for a task is known by.
[[nodiscard]] inline teacher_identity identity_of(const text_classifier& teacher, const task_description& task) {
  std::string of_task = task.name;
  for (const std::string& label : task.label_names) of_task += "," + label;
  return {hash_of_model(teacher.parameters(), config_text(teacher.config)), hash_of_vocabulary(teacher.pieces.pieces()),
          of_task};
}

/// What the teacher kept for the task. Throws file_error where it is another's.
[[nodiscard]] inline teacher_store open_store(const std::filesystem::path& file, const text_classifier& teacher,
                                              const task_description& task) {
  teacher_store store(file);
  store.expects_identity(identity_of(teacher, task));
  if (store.classes() != teacher.config.classes)
    throw file_error(
        file.string(), "",
        "is of " + std::to_string(store.classes()) + " classes, expected " + std::to_string(teacher.config.classes));
  return store;
}

/// Where a store is written that is asked for at `place`: there or, in a folder that is there already, in a file of it.
[[nodiscard]] inline std::filesystem::path store_file(const std::filesystem::path& place) {
  return std::filesystem::is_directory(place) ? place / "teacher.safetensors" : place;
}
/// The same for a run that is going to make the folder `output`; empty for an empty place. Throws file_error where
/// nothing can be written there.
[[nodiscard]] inline std::filesystem::path store_file_of_run(const std::filesystem::path& place,
                                                             const std::filesystem::path& output) {
  if (place.empty()) return {};
  const auto whole = [](const std::filesystem::path& folder) {
    return std::filesystem::weakly_canonical(std::filesystem::current_path() / folder / "");
  };
  const auto is_output = [&](const std::filesystem::path& folder) { return whole(folder) == whole(output); };
  const std::filesystem::path file = is_output(place) ? place / "teacher.safetensors" : store_file(place);
  if (!is_output(file.parent_path())) (void)atomic_file(file);
  return file;
}

/// Writes a store of what the teacher said of samples, `which` naming those whose rows [samples] they are.
inline void write_store(const std::filesystem::path& file, const text_classifier& teacher, const sample_set& samples,
                        std::span<const std::ptrdiff_t> which, teacher_outputs said,
                        const teacher_store_options& how = {}) {
  std::vector<std::int64_t> ids;
  for (const std::ptrdiff_t i : which) ids.push_back(sample_id(samples.tokens[static_cast<std::size_t>(i)]));
  said.classes = teacher.config.classes;
  write_teacher_store(file, identity_of(teacher, samples.task), ids, said, how);
}

/// The logits of rows that the teacher kept, in the order of the task's labels.
template <launchable E>
[[nodiscard]] std::vector<float> kept_logits(const E& on, const teacher_store& store, const text_classifier& teacher,
                                             const task_description& task, std::span<const index> rows) {
  if (store.last_hidden_width() > 0)
    return in_label_order(logits_from_last_hidden(on, teacher.model, teacher.parameters(), store, rows),
                          classes_by_label(teacher.config, task));
  kept_batch all;
  store.prefetch(rows, signal::logits);
  store.gather(rows, all, signal::logits);
  return std::move(all.logits);
}

/// Whether a store can say the logits of its samples, of all classes or the likeliest.
[[nodiscard]] inline bool keeps_logits(const teacher_store& store) {
  return has(store.holds(), signal::logits) || store.last_hidden_width() > 0;
}

/// Whether a store has more than the logits of every class, which a step is given at once: it is read batch by batch,
/// and has to have every sample.
[[nodiscard]] inline bool read_by_batch(const teacher_store& store) {
  return store.is_top_k() || has(store.holds(), signal::embeddings | signal::of_layers);
}

/// Throws file_error where the store has none of the samples, or keeps no logits.
inline void expects_logits_of(const teacher_store& store, const sample_set& set) {
  const std::string file = store.path().string();
  if (!keeps_logits(store))
    throw file_error(file, "", "keeps states of layers alone, expected logits or last hidden states");
  const std::vector<index> rows = store.find_rows(set);
  if (std::all_of(rows.begin(), rows.end(), [](index row) { return row == teacher_store::no_row; }))
    throw file_error(
        file, "",
        "has none of the " + std::to_string(set.size()) + " samples, expected the same texts cut to the same length");
}

/// The logits of every sample, as ask(set) would compute them: those of samples that the store does not have, it does.
template <launchable E, class Ask>
[[nodiscard]] std::vector<float> stored_logits(const E& on, const teacher_store& store, const text_classifier& teacher,
                                               const sample_set& set, console& out, const Ask& ask) {
  const std::vector<index> rows = store.find_rows(set);
  std::vector<index> found;
  std::vector<std::ptrdiff_t> known, unknown;
  for (std::ptrdiff_t i = 0; i < set.size(); ++i) {
    const index row = rows[static_cast<std::size_t>(i)];
    if (row != teacher_store::no_row) found.push_back(row);
    (row == teacher_store::no_row ? unknown : known).push_back(i);
  }
  std::vector<float> logits(set.tokens.size() * static_cast<std::size_t>(teacher.config.classes));
  const auto place = [&](const std::vector<float>& from, const std::vector<std::ptrdiff_t>& samples) {
    for (std::size_t i = 0; i < samples.size(); ++i)
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(i) * teacher.config.classes, teacher.config.classes,
                  logits.begin() + samples[i] * teacher.config.classes);
  };
  place(kept_logits(on, store, teacher, set.task, found), known);
  if (unknown.empty()) return logits;
  out.say(store.path().string() + " lacks " + std::to_string(unknown.size()) + " of " + std::to_string(set.size()) +
          " samples; the teacher is asked for them");
  place(ask(part_of(set, unknown)), unknown);
  return logits;
}
/// The same, where the teacher is asked here.
template <launchable E>
[[nodiscard]] std::vector<float> stored_logits(const E& on, const teacher_store& store, const text_classifier& teacher,
                                               const sample_set& set, console& out) {
  return stored_logits(on, store, teacher, set, out,
                       [&](const sample_set& unknown) { return teacher_logits(on, teacher, unknown, out); });
}

}  // namespace detail
}  // namespace limbeck
