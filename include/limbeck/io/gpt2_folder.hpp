// Decoders of GPT-2's layout in Hugging Face folders: config.json and model.safetensors, in and out.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "limbeck/core/per_layer.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/model_config.hpp"
#include "limbeck/io/model_weights.hpp"
#include "limbeck/io/tensor_source.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/models/model_config.hpp"

namespace limbeck {

/// A causal language model whose output matrix is the word embeddings.
struct gpt2_config {
  transformer_sizes sizes{};
  double dropout = 0.1, attention_dropout = 0.1;
};

namespace detail {

[[nodiscard]] inline checkpoint_dialect dialect_of(const gpt2_config& config) {
  return {.base = "transformer.",
          .roots = {"wte.", "wpe.", "h.", "ln_f."},
          .buffers = {".attn.bias", ".attn.masked_bias"},
          .tied = {{"lm_head.weight", gpt2_names().word}},
          .shared = shared_tensors(config.sizes, gpt2_names())};
}

}  // namespace detail

/// What a parsed config.json describes. Throws file_error as read_model_config() does.
[[nodiscard]] inline gpt2_config parse_gpt2_config(const json_value& file) {
  detail::expect_value(file, "model_type", std::string("gpt2"));
  detail::expect_value(file, "activation_function", std::string("gelu_new"));
  detail::expect_value(file, "scale_attn_weights", true);
  detail::expect_value(file, "tie_word_embeddings", true);
  for (const char* flag : {"scale_attn_by_inverse_layer_idx", "is_encoder_decoder", "add_cross_attention"})
    detail::expect_value(file, flag, false);
  gpt2_config config;
  transformer_sizes& sizes = config.sizes;
  sizes.vocabulary = detail::size_at(file, "vocab_size");
  sizes.positions = detail::size_at(file, "n_positions");
  sizes.types = 0;
  sizes.pad_id = -1;
  sizes.layers = detail::size_at(file, "n_layer", static_cast<index>(max_layers));
  const bool has_inner = file.has("n_inner");
  sizes.width = detail::size_at(file, "n_embd", detail::largest_size / (has_inner ? 1 : 4));
  sizes.heads = detail::size_at(file, "n_head");
  sizes.inner = has_inner ? detail::size_at(file, "n_inner") : 4 * sizes.width;
  detail::expect_heads(file, "n_head", "n_embd", sizes);
  sizes.epsilon = detail::epsilon_at(file, "layer_norm_epsilon", 1e-5);
  sizes.layer_sources = detail::sharing_in(file, sizes.layers);
  config.dropout = detail::dropout_at(file, "resid_pdrop", 0.1);
  config.attention_dropout = detail::dropout_at(file, "attn_pdrop", 0.1);
  return config;
}

/// Reads config.json. Throws as parse_gpt2_config() does.
[[nodiscard]] inline gpt2_config read_gpt2_config(const std::filesystem::path& folder) {
  return parse_gpt2_config(read_json(folder / "config.json"));
}

/// The text of config.json, as transformers reads it.
[[nodiscard]] inline std::string config_text(const gpt2_config& config) {
  const transformer_sizes& sizes = config.sizes;
  json out;
  out["architectures"] = {"GPT2LMHeadModel"};
  out["model_type"] = "gpt2";
  out["vocab_size"] = sizes.vocabulary;
  out["n_positions"] = sizes.positions;
  out["n_layer"] = sizes.layers;
  out["n_embd"] = sizes.width;
  out["n_head"] = sizes.heads;
  out["n_inner"] = sizes.inner;
  out["activation_function"] = "gelu_new";
  out["layer_norm_epsilon"] = sizes.epsilon;
  out["resid_pdrop"] = config.dropout;
  out["embd_pdrop"] = config.dropout;
  out["attn_pdrop"] = config.attention_dropout;
  out["tie_word_embeddings"] = true;
  if (!sizes.layer_sources.empty()) out["limbeck_sharing"] = detail::sharing_entry(sizes.layer_sources);
  return detail::text_of_json(out);
}

/// As load_weights() of an encoder. An output matrix of its own is refused.
template <readable T>
load_report load_weights(const std::filesystem::path& folder, const gpt2_config& config, const parameter_table& table,
                         view<T, 1> flat) {
  const tensor_source source(folder);
  const gpt2_language_model model = make_gpt2_language_model(config.sizes);
  const detail::load_plan plan(source, detail::dialect_of(config), model.parameters(), false);
  return detail::load_tensors(source, plan, model.parameters(), table, flat, 0);
}

/// Writes config.json and model.safetensors, as save_model() of an encoder does.
template <class T>
void save_model(const std::filesystem::path& folder, const gpt2_config& config, const parameter_table& table,
                view<const T, 1> flat) {
  const gpt2_language_model model = make_gpt2_language_model(config.sizes);
  detail::make_folder(folder);
  detail::save_tensors(folder, shared_tensors(config.sizes, gpt2_names()), model.parameters(), table, flat);
  write_file(folder / "config.json", config_text(config));
}

}  // namespace limbeck
