// Masked language models in Hugging Face folders, in and out: encoders whose head guesses words.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "limbeck/io/model_folder.hpp"

namespace limbeck {

/// A masked language model and the weights that its folder holds. The config's classes mean nothing.
template <class T>
struct loaded_masked_model {
  model_config config;
  bert_masked_language_model model;
  buffer<T> weights;
  load_report report;
};

/// Reads the config.json and the weights of a folder of BertForMaskedLM or DistilBertForMaskedLM; an encoder's, too,
/// with `fresh_head`. The output matrix is the word embeddings: one of its own is refused. Throws as load_model() does.
template <readable T>
[[nodiscard]] loaded_masked_model<T> load_masked_model(const std::filesystem::path& folder, load_options options = {}) {
  model_config config = read_model_config(folder);
  const tensor_source source(folder);
  bert_masked_language_model model = make_masked_language_model(config);
  const model_names names = names_of(config.family);
  detail::checkpoint_dialect dialect = detail::dialect_of(config);
  dialect.resized.clear();
  dialect.head = {{names.transform_weight, names.transform_bias, names.transform_gain, names.transform_norm_bias,
                   names.vocabulary_bias}};
  dialect.tied = {{"cls.predictions.decoder.weight", names.word},
                  {"cls.predictions.decoder.bias", names.vocabulary_bias},
                  {"vocab_projector.weight", names.word}};
  const detail::load_plan plan(source, dialect, model.parameters(), options.fresh_head);
  buffer<T> weights(model.parameters().size());
  load_report report =
      detail::load_tensors(source, plan, model.parameters(), model.parameters(), weights.all(), options.seed);
  return {std::move(config), std::move(model), std::move(weights), std::move(report)};
}

/// Writes a folder that transformers reads as BertForMaskedLM (DistilBertForMaskedLM), and load_model() as an encoder
/// with a fresh head. As save_model() otherwise.
template <class T>
void save_masked_model(const std::filesystem::path& folder, const model_config& config, const parameter_table& table,
                       view<const T, 1> flat, std::string_view vocabulary = {}) {
  detail::save_encoder(folder, config, masked_config_text(config), make_masked_language_model(config).parameters(),
                       table, flat, vocabulary);
}

}  // namespace limbeck
