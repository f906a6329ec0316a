// config.json and tokenizer_config.json of an encoder's Hugging Face folder, read and written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/models/model_config.hpp"

namespace limbeck {
namespace detail {

/// What a family calls itself and its sizes.
struct config_keys {
  const char *type, *architecture, *masked_architecture, *layers, *width, *heads, *inner, *dropout, *attention_dropout,
      *activation;
};
[[nodiscard]] inline const config_keys& keys_of(model_family family) {
  static constexpr config_keys bert{"bert",
                                    "BertForSequenceClassification",
                                    "BertForMaskedLM",
                                    "num_hidden_layers",
                                    "hidden_size",
                                    "num_attention_heads",
                                    "intermediate_size",
                                    "hidden_dropout_prob",
                                    "attention_probs_dropout_prob",
                                    "hidden_act"};
  static constexpr config_keys distilbert{"distilbert",
                                          "DistilBertForSequenceClassification",
                                          "DistilBertForMaskedLM",
                                          "n_layers",
                                          "dim",
                                          "n_heads",
                                          "hidden_dim",
                                          "dropout",
                                          "attention_dropout",
                                          "activation"};
  return family == model_family::bert ? bert : distilbert;
}

/// No size may be larger: products of two of them, and their sum over all layers, must fit.
inline constexpr index largest_size = index{1} << 24;

/// A size that must be there, from 1 to `most`.
[[nodiscard]] inline index size_at(const json_value& config, const std::string& key, index most = largest_size) {
  const json_value value = config.at(key);
  const auto size = value.as<index>();
  if (size < 1 || size > most) value.refuse("is " + std::to_string(size) + ", expected 1 to " + std::to_string(most));
  return size;
}
/// A share; `otherwise` where there is none.
[[nodiscard]] inline double dropout_at(const json_value& config, const std::string& key, double otherwise) {
  const double share = config.optional(key, otherwise);
  if (!(share >= 0 && share < 1))
    config.at(key).refuse("is " + shown(config.at(key).raw()) + ", expected 0 to below 1");
  return share;
}
/// Refuses anything but `only`, which is also what a missing key means.
template <class T>
void expect_value(const json_value& config, const std::string& key, const T& only) {
  if (config.has(key) && config.at(key).as<T>() != only)
    config.at(key).refuse("is " + shown(config.at(key).raw()) + ", expected " + shown(json(only)));
}
/// The width, which `heads_key` must divide.
inline void expect_heads(const json_value& config, const char* heads_key, const char* width_key,
                         const transformer_sizes& sizes) {
  if (sizes.width % sizes.heads != 0)
    config.at(heads_key).refuse("is " + std::to_string(sizes.heads) + ", expected a divisor of " + width_key + ", " +
                                std::to_string(sizes.width));
}
/// A norm's epsilon.
[[nodiscard]] inline double epsilon_at(const json_value& config, const std::string& key, double otherwise) {
  const double epsilon = config.optional(key, otherwise);
  if (!(epsilon > 0 && std::isfinite(epsilon)))
    config.at(key).refuse("is " + shown(config.at(key).raw()) + ", expected a positive number");
  return epsilon;
}

/// The names of the classes in order: id2label, which label2id must not contradict; empty where there is none.
[[nodiscard]] inline std::vector<std::string> labels_in(const json_value& config) {
  std::vector<std::string> labels;
  if (!config.has("id2label")) return labels;
  const json_value names = config.at("id2label");
  const std::size_t count = names.members().size();
  if (count == 0) names.refuse("names no class, expected one or more");
  for (std::size_t i = 0; i < count; ++i) {
    if (!names.has(std::to_string(i)))
      names.refuse("has " + std::to_string(count) + " names but none of class " + std::to_string(i));
    labels.push_back(names.required<std::string>(std::to_string(i)));
  }
  std::set<std::string_view> distinct;
  for (std::size_t i = 0; i < count; ++i)
    if (!distinct.insert(labels[i]).second)
      names.at(std::to_string(i)).refuse("is " + shown(json(labels[i])) + ", which names another class too");
  if (config.has("num_labels") && config.required<index>("num_labels") != static_cast<index>(count))
    config.at("num_labels")
        .refuse("is " + shown(config.at("num_labels").raw()) + ", but id2label names " + std::to_string(count) +
                " classes");
  std::map<std::string, index> places;
  for (std::size_t i = 0; i < count; ++i) places.emplace(labels[i], static_cast<index>(i));
  if (config.has("label2id"))
    for (const auto& [name, id] : config.at("label2id").members()) {
      const auto found = places.find(name);
      if (found != places.end() && id.as<index>() != found->second)
        id.refuse("is " + shown(id.raw()) + ", but id2label gives " + shown(json(name)) + " to class " +
                  std::to_string(found->second));
    }
  return labels;
}

/// Marks the layers whose queries and keys are made with each other's weights.
inline void take_exchanged_layers(const json_value& entry, std::vector<layer_source>& layers) {
  const auto exchanged = entry.as<std::vector<index>>();
  const auto count = static_cast<index>(layers.size());
  for (std::size_t i = 0; i < exchanged.size(); ++i) {
    const index layer = exchanged[i];
    const auto refuse = [&](const std::string& expected) {
      entry.elements()[i].refuse("is " + std::to_string(layer) + ", expected " + expected);
    };
    if (layer < 0 || layer >= count) refuse("0 to " + std::to_string(count - 1));
    if (i > 0 && layer <= exchanged[i - 1]) refuse("more than " + std::to_string(exchanged[i - 1]));
    layer_source& from = layers[static_cast<std::size_t>(layer)];
    if (from.layer == layer) refuse("a layer that looks at another's weights");
    from.exchanged = true;
  }
}

/// Layers that look at the weights of others, from our own entry.
[[nodiscard]] inline std::vector<layer_source> sharing_in(const json_value& config, index layers) {
  if (!config.has("limbeck_sharing")) return {};
  const json_value sharing = config.at("limbeck_sharing"), entry = sharing.at("layer_source");
  const auto source = entry.as<std::vector<index>>();
  if (static_cast<index>(source.size()) != layers)
    entry.refuse("has " + std::to_string(source.size()) + " entries, expected one for each of " +
                 std::to_string(layers) + " layers");
  for (std::size_t l = 0; l < source.size(); ++l)
    if (source[l] < 0 || source[l] > static_cast<index>(l))
      entry.elements()[l].refuse("is " + std::to_string(source[l]) + ", expected 0 to " + std::to_string(l));
  std::vector<layer_source> all;
  for (const index layer : source) all.push_back({layer, false});
  if (sharing.has("exchanged_layers")) take_exchanged_layers(sharing.at("exchanged_layers"), all);
  return all;
}

/// Our own entry of config.json.
[[nodiscard]] inline json sharing_entry(const std::vector<layer_source>& layers) {
  std::vector<index> source, exchanged;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    source.push_back(layers[l].layer);
    if (layers[l].exchanged) exchanged.push_back(static_cast<index>(l));
  }
  json entry;
  entry["layer_source"] = source;
  if (!exchanged.empty()) entry["exchanged_layers"] = exchanged;
  return entry;
}

/// Keys are sorted, as transformers sorts them.
[[nodiscard]] inline std::string text_of_json(const json& object) {
  try {
    return object.dump(2) + "\n";
  } catch (const nlohmann::json::exception&) {
    throw contract_error("save_model: the name of a label is not UTF-8");
  }
}

}  // namespace detail

/// Takes the settings of a parsed tokenizer_config.json. Throws file_error for one that has another type.
inline void take_tokenizer_settings(const json_value& settings, model_config& config) {
  config.lower_case = settings.optional("do_lower_case", true);
  if (settings.has("strip_accents")) config.strip_accents = settings.required<bool>("strip_accents");
  config.isolate_ideographs = settings.optional("tokenize_chinese_chars", true);
}

/// What a parsed config.json describes. Throws as read_model_config() does.
[[nodiscard]] inline model_config parse_model_config(const json_value& file) {
  const auto type = file.required<std::string>("model_type");
  if (type != "bert" && type != "distilbert")
    file.at("model_type")
        .refuse("is " + detail::shown(file.at("model_type").raw()) + ", expected \"bert\" or \"distilbert\"");
  model_config config;
  config.family = type == "bert" ? model_family::bert : model_family::distilbert;
  const detail::config_keys& keys = detail::keys_of(config.family);
  detail::expect_value(file, keys.activation, std::string("gelu"));
  detail::expect_value(file, "position_embedding_type", std::string("absolute"));
  for (const char* flag : {"is_decoder", "is_encoder_decoder", "add_cross_attention"})
    detail::expect_value(file, flag, false);

  transformer_sizes& sizes = config.sizes;
  const bool bert = config.family == model_family::bert;
  sizes.vocabulary = detail::size_at(file, "vocab_size");
  sizes.positions = detail::size_at(file, "max_position_embeddings");
  sizes.types = !bert ? 0 : file.has("type_vocab_size") ? detail::size_at(file, "type_vocab_size") : 2;
  sizes.layers = detail::size_at(file, keys.layers, static_cast<index>(max_layers));
  sizes.width = detail::size_at(file, keys.width);
  sizes.heads = detail::size_at(file, keys.heads);
  sizes.inner = detail::size_at(file, keys.inner);
  detail::expect_heads(file, keys.heads, keys.width, sizes);
  sizes.epsilon = bert ? detail::epsilon_at(file, "layer_norm_eps", 1e-12) : 1e-12;
  sizes.pad_id = file.optional<std::int32_t>("pad_token_id", 0);
  if (sizes.pad_id < 0 || sizes.pad_id >= sizes.vocabulary)
    file.at("pad_token_id")
        .refuse("is " + std::to_string(sizes.pad_id) + ", expected 0 to below vocab_size, " +
                std::to_string(sizes.vocabulary));
  sizes.layer_sources = detail::sharing_in(file, sizes.layers);
  config.dropout = detail::dropout_at(file, keys.dropout, 0.1);
  config.attention_dropout = detail::dropout_at(file, keys.attention_dropout, 0.1);

  config.labels = detail::labels_in(file);
  config.classes = !config.labels.empty()   ? static_cast<index>(config.labels.size())
                   : file.has("num_labels") ? detail::size_at(file, "num_labels")
                                            : 2;
  config.regression = config.classes == 1;
  if (file.has("problem_type")) {
    const std::string expected = config.regression ? "regression" : "single_label_classification";
    if (file.required<std::string>("problem_type") != expected)
      file.at("problem_type")
          .refuse("is " + detail::shown(file.at("problem_type").raw()) + ", expected \"" + expected +
                  "\" of a model with " + std::to_string(config.classes) +
                  (config.regression ? " output" : " outputs"));
  }
  return config;
}

/// Reads config.json, and tokenizer_config.json where there is one. Throws file_error that names file, key, what was
/// found and what was expected for other families, activations and positions, for decoders, and for sizes that make no
/// model. Allocates in proportion to the files, never by a number in them.
[[nodiscard]] inline model_config read_model_config(const std::filesystem::path& folder) {
  model_config config = parse_model_config(read_json(folder / "config.json"));
  const auto settings = folder / "tokenizer_config.json";
  std::error_code none;  // a link to nothing, or what cannot be looked at, fails when it is opened, with its cause
  if (std::filesystem::exists(std::filesystem::symlink_status(settings, none)))
    take_tokenizer_settings(read_json(settings), config);
  return config;
}

/// Throws contract_error where classes, labels and `regression` do not agree.
inline void check_labels(const model_config& config) {
  const auto count = static_cast<index>(config.labels.size());
  expects(count == 0 || count == config.classes,
          [&] { return message("model_config: ", count, " labels, ", config.classes, " classes"); });
  expects(config.regression == (config.classes == 1), [&] {
    return message("model_config: ", config.regression ? "a regressor" : "a classifier", " with ", config.classes,
                   (config.classes == 1 ? " output" : " outputs"));
  });
  std::set<std::string_view> names;
  for (const std::string& label : config.labels)
    expects(names.insert(label).second, [&] { return message("model_config: two classes are named \"", label, "\""); });
}

namespace detail {

/// What config.json says of the encoder, whatever head it has.
[[nodiscard]] inline json encoder_json(const model_config& config) {
  const config_keys& keys = keys_of(config.family);
  const transformer_sizes& sizes = config.sizes;
  const bool bert = config.family == model_family::bert;
  json out;
  out["model_type"] = keys.type;
  out["vocab_size"] = sizes.vocabulary;
  out["max_position_embeddings"] = sizes.positions;
  if (bert) out["type_vocab_size"] = sizes.types;
  out[keys.layers] = sizes.layers;
  out[keys.width] = sizes.width;
  out[keys.heads] = sizes.heads;
  out[keys.inner] = sizes.inner;
  out[keys.activation] = "gelu";
  out[keys.dropout] = config.dropout;
  out[keys.attention_dropout] = config.attention_dropout;
  if (bert) {
    out["layer_norm_eps"] = sizes.epsilon;
    out["position_embedding_type"] = "absolute";
  } else {
    out["sinusoidal_pos_embds"] = false;
  }
  out["pad_token_id"] = std::max(sizes.pad_id, std::int32_t{0});
  out["initializer_range"] = 0.02;
  if (!sizes.layer_sources.empty()) out["limbeck_sharing"] = sharing_entry(sizes.layer_sources);
  return out;
}

}  // namespace detail

/// The text of config.json, as transformers reads it. Throws contract_error as check_labels() does.
[[nodiscard]] inline std::string config_text(const model_config& config) {
  check_labels(config);
  json out = detail::encoder_json(config);
  out["architectures"] = {detail::keys_of(config.family).architecture};
  if (config.family == model_family::distilbert) out["seq_classif_dropout"] = config.dropout;
  out["problem_type"] = config.regression ? "regression" : "single_label_classification";
  auto& names = out["id2label"] = json::object();
  auto& ids = out["label2id"] = json::object();
  for (index i = 0; i < config.classes; ++i) {
    names[std::to_string(i)] = label_of(config, i);
    ids[label_of(config, i)] = i;
  }
  return detail::text_of_json(out);
}

/// The same of a masked language model, which has no classes: `classes`, `labels` and `regression` are passed over.
[[nodiscard]] inline std::string masked_config_text(const model_config& config) {
  json out = detail::encoder_json(config);
  out["architectures"] = {detail::keys_of(config.family).masked_architecture};
  out["tie_word_embeddings"] = true;
  return detail::text_of_json(out);
}

/// The text of tokenizer_config.json, as transformers reads it.
[[nodiscard]] inline std::string tokenizer_config_text(const model_config& config) {
  json out;
  out["tokenizer_class"] = "BertTokenizer";
  out["do_lower_case"] = config.lower_case;
  out["strip_accents"] = config.strip_accents ? json(*config.strip_accents) : json();
  out["tokenize_chinese_chars"] = config.isolate_ideographs;
  out["model_max_length"] = config.sizes.positions;
  out["unk_token"] = "[UNK]";
  out["sep_token"] = "[SEP]";
  out["pad_token"] = "[PAD]";
  out["cls_token"] = "[CLS]";
  out["mask_token"] = "[MASK]";
  return detail::text_of_json(out);
}

}  // namespace limbeck
