// Encoders in Hugging Face folders: config.json, model.safetensors, vocab.txt and tokenizer_config.json, in and out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/model_config.hpp"
#include "limbeck/io/model_weights.hpp"
#include "limbeck/io/tensor_source.hpp"
#include "limbeck/models/model_config.hpp"

namespace limbeck {

/// How weights are loaded.
struct load_options {
  /// A head (pooler, classifier) that the files do not have, and a classifier with another number of classes than the
  /// config, is initialised and reported. False: refused.
  bool fresh_head = false;
  std::uint64_t seed = 0;  ///< of a fresh head
};

namespace detail {

[[nodiscard]] inline checkpoint_dialect dialect_of(const model_config& config) {
  const model_names names = names_of(config.family);
  const bool bert = config.family == model_family::bert;
  return {.base = bert ? "bert." : "distilbert.",
          .roots = bert ? std::vector<std::string>{"embeddings.", "encoder.", "pooler."}
                        : std::vector<std::string>{"embeddings.", "transformer."},
          .buffers = {"embeddings.position_ids", "embeddings.token_type_ids"},
          .head = {{names.pooler_weight, names.pooler_bias}, {names.classifier_weight, names.classifier_bias}},
          .resized = names.classifier_weight,
          .shared = shared_tensors(config.sizes, names)};
}

/// Writes a folder: the files around the weights of `own`, which `text` describes.
template <class T>
void save_encoder(const std::filesystem::path& folder, const model_config& config, const std::string& text,
                  const parameter_table& own, const parameter_table& table, view<const T, 1> flat,
                  std::string_view vocabulary) {
  const index pieces =
      std::ranges::count(vocabulary, '\n') + (!vocabulary.empty() && vocabulary.back() != '\n' ? 1 : 0);
  expects(pieces <= config.sizes.vocabulary, [&] {
    return message("save_model: a vocabulary of ", pieces, " pieces, the model has ", config.sizes.vocabulary);
  });
  make_folder(folder);
  if (!vocabulary.empty()) write_file(folder / "vocab.txt", vocabulary);
  write_file(folder / "tokenizer_config.json", tokenizer_config_text(config));
  save_tensors(folder, shared_tensors(config.sizes, names_of(config.family)), own, table, flat);
  write_file(folder / "config.json", text);
}

}  // namespace detail

/// Fills the weights of the config's model, which `table` declares (it may declare more, such as a projection, which is
/// left alone), from a folder's model.safetensors, or the files that an index names. Takes names without `bert.` or
/// `distilbert.` in front, and gamma and beta for the weight and bias of norms. Nothing is written before names and
/// shapes are found right. Throws file_error that names file, tensor, found and expected for a tensor that is missing,
/// has another shape, comes twice, holds a number that is not finite (parameters before it are filled then), or differs
/// from the one that it is said to share; contract_error where table or buffer do not fit the config.
template <readable T>
load_report load_weights(const std::filesystem::path& folder, const model_config& config, const parameter_table& table,
                         view<T, 1> flat, load_options options = {}) {
  const tensor_source source(folder);
  const bert_classifier model = make_classifier(config);
  const detail::load_plan plan(source, detail::dialect_of(config), model.parameters(), options.fresh_head);
  return detail::load_tensors(source, plan, model.parameters(), table, flat, options.seed);
}

/// A model and the weights that its folder holds.
template <class T>
struct loaded_model {
  model_config config;
  bert_classifier model;
  buffer<T> weights;
  load_report report;
};

/// Reads a whole folder. `config` may differ from the folder's in the number and names of classes, for a fresh head.
/// Allocates only what the files were found to hold. Throws as read_model_config() and load_weights() do.
template <readable T>
[[nodiscard]] loaded_model<T> load_model(const std::filesystem::path& folder, model_config config,
                                         load_options options = {}) {
  const tensor_source source(folder);
  bert_classifier model = make_classifier(config);
  const detail::load_plan plan(source, detail::dialect_of(config), model.parameters(), options.fresh_head);
  buffer<T> weights(model.parameters().size());
  load_report report =
      detail::load_tensors(source, plan, model.parameters(), model.parameters(), weights.all(), options.seed);
  return {std::move(config), std::move(model), std::move(weights), std::move(report)};
}
template <readable T>
[[nodiscard]] loaded_model<T> load_model(const std::filesystem::path& folder, load_options options = {}) {
  return load_model<T>(folder, read_model_config(folder), options);
}

/// Writes a folder that transformers reads: weights of the config's model alone, whatever else `table` declares, F32 of
/// float and F64 of double; layers that share are written unrolled, with an entry that ties them again here.
/// `vocabulary`: the text of vocab.txt; empty: it is not written. Each file is replaced as a whole; config.json comes
/// last. Throws contract_error where config, table, buffer and vocabulary do not fit each other, file_error where the
/// system refuses.
template <class T>
void save_model(const std::filesystem::path& folder, const model_config& config, const parameter_table& table,
                view<const T, 1> flat, std::string_view vocabulary = {}) {
  detail::save_encoder(folder, config, config_text(config), make_classifier(config).parameters(), table, flat,
                       vocabulary);
}

}  // namespace limbeck
