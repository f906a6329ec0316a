// A classifier or regressor with its tokeniser, as one folder holds them.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/data/glue.hpp"
#include "limbeck/data/word_piece.hpp"
#include "limbeck/io/model_folder.hpp"
#include "limbeck/models/initialise.hpp"

namespace limbeck {

/// A model that is ready to read text.
struct text_classifier {
  std::filesystem::path folder;
  model_config config;
  bert_classifier model;
  buffer<float> weights;
  load_report report;
  word_piece pieces;

  [[nodiscard]] view<const float, 1> parameters() const { return weights.all(); }
  /// The text of its vocab.txt.
  [[nodiscard]] std::string vocabulary_text() const {
    std::ostringstream out;
    pieces.pieces().write(out);
    return out.str();
  }
};

/// The tokeniser that a config describes.
[[nodiscard]] inline word_piece tokeniser_of(vocabulary pieces, const model_config& config) {
  return word_piece(std::move(pieces), {.lower_case = config.lower_case,
                                        .strip_accents = config.strip_accents,
                                        .isolate_ideographs = config.isolate_ideographs});
}

/// Throws file_error for what cannot be the vocabulary of the model, before any of it is read: no ordinary file (a pipe
/// would make us wait), or one with more bytes than so many pieces may have.
inline void expects_vocabulary_file(const std::filesystem::path& file, const model_config& config) {
  std::error_code failed;
  const auto kind = std::filesystem::status(file, failed).type();
  if (kind == std::filesystem::file_type::not_found || kind == std::filesystem::file_type::none)
    throw file_error(file.string(), "", "cannot be opened: " + failed.message());
  if (kind != std::filesystem::file_type::regular)
    throw file_error(file.string(), "", "is no ordinary file, expected a vocabulary");
  const std::uintmax_t bytes = std::filesystem::file_size(file, failed),
                       most =
                           static_cast<std::uintmax_t>(config.sizes.vocabulary) * (vocabulary::longest_piece + 2) + 3;
  if (!failed && bytes > most)
    throw file_error(file.string(), "",
                     "has " + std::to_string(bytes) + " bytes, expected at most " + std::to_string(most) + " of " +
                         std::to_string(config.sizes.vocabulary) + " pieces");
}

/// Throws file_error unless the vocabulary has as many pieces as the model has word vectors.
inline void expects_vocabulary(const std::filesystem::path& file, const vocabulary& pieces,
                               const model_config& config) {
  if (pieces.size() != config.sizes.vocabulary)
    throw file_error(file.string(), "",
                     "has " + std::to_string(pieces.size()) + " pieces, the model has " +
                         std::to_string(config.sizes.vocabulary) + " word vectors");
}

/// Reads a folder with its vocabulary. `config` may ask for another head than the folder's.
[[nodiscard]] inline text_classifier load_text_classifier(const std::filesystem::path& folder, model_config config,
                                                          load_options options = {}) {
  const auto file = folder / "vocab.txt";
  expects_vocabulary_file(file, config);
  vocabulary pieces = vocabulary::read(file);
  expects_vocabulary(file, pieces, config);
  loaded_model<float> loaded = load_model<float>(folder, std::move(config), options);
  word_piece tokeniser = tokeniser_of(std::move(pieces), loaded.config);
  return {folder,
          std::move(loaded.config),
          std::move(loaded.model),
          std::move(loaded.weights),
          std::move(loaded.report),
          std::move(tokeniser)};
}
[[nodiscard]] inline text_classifier load_text_classifier(const std::filesystem::path& folder,
                                                          load_options options = {}) {
  return load_text_classifier(folder, read_model_config(folder), options);
}

/// A config for the task's labels.
[[nodiscard]] inline model_config config_for(model_config config, const task_description& task) {
  config.regression = task.regression();
  config.labels = config.regression ? std::vector<std::string>{} : task.label_names;
  config.classes = config.regression ? 1 : static_cast<index>(task.label_names.size());
  return config;
}

/// For each of the task's classes the model's class of that name (matched_classes). Throws contract_error where their
/// numbers differ or names cannot be matched.
[[nodiscard]] inline std::vector<index> classes_by_label(const model_config& config, const task_description& task) {
  const model_config wanted = config_for(config, task);
  expects(config.regression == wanted.regression && config.classes == wanted.classes, [&] {
    return message("the model has ", config.classes, (config.regression ? " output of a regression" : " classes"),
                   ", the task ", task.name, " has ", wanted.classes, (wanted.regression ? " score" : " classes"));
  });
  return matched_classes(wanted, config);
}

/// The model's head in the task's order: row c becomes row order[c] of before.
inline void put_head_in_order(text_classifier& model, const std::vector<index>& order) {
  for (const char* name : {"classifier.weight", "classifier.bias"}) {
    const parameter& p = *model.model.parameters().find(name);
    const index width = p.count() / p.rows;
    float* const head = model.weights.data() + p.offset;
    const std::vector<float> before(head, head + p.count());
    for (index c = 0; c < p.rows; ++c)
      std::copy_n(before.begin() + order[static_cast<std::size_t>(c)] * width, width, head + c * width);
  }
}

/// The same encoder under a classifier for the task, as random as that of a new model.
[[nodiscard]] inline text_classifier with_fresh_head(const text_classifier& of, const task_description& task,
                                                     std::uint64_t seed) {
  model_config config = config_for(of.config, task);
  bert_classifier model = make_classifier(config);
  buffer<float> weights(model.parameters().size());
  const auto& entries = model.parameters().entries();
  for (std::size_t number = 0; number < entries.size(); ++number) {
    const parameter& p = entries[number];
    if (p.name.starts_with("classifier."))
      initialise_parameter(p, number, seed, weights.all());
    else
      std::copy_n(of.weights.data() + of.model.parameters().find(p.name)->offset, p.count(), weights.data() + p.offset);
  }
  word_piece pieces = tokeniser_of(of.pieces.pieces(), config);
  return {of.folder, std::move(config), std::move(model), std::move(weights), {}, std::move(pieces)};
}

/// Gives the model the classifier of another one with as many classes and the same width.
inline void take_head(text_classifier& model, const text_classifier& from) {
  for (const char* name : {"classifier.weight", "classifier.bias"}) {
    const parameter &to = *model.model.parameters().find(name), &p = *from.model.parameters().find(name);
    std::copy_n(from.weights.data() + p.offset, p.count(), model.weights.data() + to.offset);
  }
}

/// Reads a folder that is to be trained on the task: its encoder and, where it has one of as many classes, its head,
/// put into the task's order where it names the task's labels in another one. Other heads are fresh.
[[nodiscard]] inline text_classifier load_for_task(const std::filesystem::path& folder, const task_description& task,
                                                   std::uint64_t seed) {
  const model_config before = read_model_config(folder);
  text_classifier model = load_text_classifier(folder, config_for(before, task), {.fresh_head = true, .seed = seed});
  const auto names = [&](const std::string& label) {
    index at = 0;
    while (at < before.classes && !same_label(label_of(before, at), label)) ++at;
    return at < before.classes;
  };
  if (before.classes == model.config.classes && std::ranges::all_of(model.config.labels, names))
    put_head_in_order(model, matched_classes(model.config, before));
  return model;
}

/// Columns of logits [samples, classes] in the task's order.
[[nodiscard]] inline std::vector<float> in_label_order(std::vector<float> logits, const std::vector<index>& order) {
  std::vector<float> row(order.size());
  for (auto at = logits.begin(); at != logits.end(); at += static_cast<index>(order.size())) {
    for (std::size_t c = 0; c < order.size(); ++c) row[c] = *(at + order[c]);
    std::ranges::copy(row, at);
  }
  return logits;
}

}  // namespace limbeck
