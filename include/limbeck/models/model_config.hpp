// What the config.json and tokenizer_config.json of an encoder's folder say, without the files.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/models/model.hpp"

namespace limbeck {

/// The families of encoders whose folders can be read and written.
enum class model_family { bert, distilbert };

/// A classifier, or with `regression` a regressor, of one family.
struct model_config {
  model_family family = model_family::bert;
  transformer_sizes sizes{};
  index classes = 2;                  ///< outputs; 1 for a regressor
  std::vector<std::string> labels{};  ///< [classes], their names in order; empty: LABEL_0, LABEL_1, ...
  bool regression = false;
  double dropout = 0.1;            ///< of embeddings, of each sublayer's output, of the pooled vector
  double attention_dropout = 0.1;  ///< of attention probabilities
  bool lower_case = true;          ///< the tokenizer's settings, as of data/normalizer.hpp
  std::optional<bool> strip_accents{};
  bool isolate_ideographs = true;
};

/// The name of class `number`.
[[nodiscard]] inline std::string label_of(const model_config& config, index number) {
  return config.labels.empty() ? "LABEL_" + std::to_string(number) : config.labels[static_cast<std::size_t>(number)];
}

/// Whether two class names are one, upper and lower case (of ASCII) alike.
[[nodiscard]] inline bool same_label(const std::string& a, const std::string& b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// Whether the classes have names of their own, and not just LABEL_0, LABEL_1, ...
[[nodiscard]] inline bool has_label_names(const model_config& config) {
  for (index c = 0; c < config.classes; ++c)
    if (label_of(config, c) != "LABEL_" + std::to_string(c)) return true;
  return false;
}

/// For each class of the student, the teacher's class of the same name; by number where one side has no names. Throws
/// contract_error where there is none.
[[nodiscard]] inline std::vector<index> matched_classes(const model_config& student, const model_config& teacher) {
  expects(student.classes == teacher.classes, [&] {
    return message("labels: ", student.classes, " classes of the student, ", teacher.classes, " of the teacher");
  });
  const bool by_name = has_label_names(student) && has_label_names(teacher);
  std::vector<index> matched;
  for (index c = 0; c < student.classes; ++c) {
    index at = by_name ? 0 : c;
    while (by_name && at < teacher.classes && !same_label(label_of(teacher, at), label_of(student, c))) ++at;
    expects(at < teacher.classes, [&] {
      std::string names;
      for (index t = 0; t < teacher.classes; ++t) names += (t > 0 ? ", \"" : "\"") + label_of(teacher, t) + "\"";
      return "labels: the student's class " + std::to_string(c) + ", \"" + label_of(student, c) +
             "\", is none of the teacher's: " + names;
    });
    matched.push_back(at);
  }
  return matched;
}

/// How the family names its parameters.
[[nodiscard]] inline model_names names_of(model_family family) {
  return family == model_family::bert ? bert_names() : distilbert_names();
}

/// The model that the config describes. Throws contract_error for sizes that make no model.
[[nodiscard]] inline bert_classifier make_classifier(const model_config& config) {
  return config.family == model_family::bert ? make_bert_classifier(config.sizes, config.classes)
                                             : make_distilbert_classifier(config.sizes, config.classes);
}

/// The same encoder with a masked language model's head.
[[nodiscard]] inline bert_masked_language_model make_masked_language_model(const model_config& config) {
  return make_masked_language_model(config.sizes, names_of(config.family));
}

/// Whose weights layer `layer` looks at in the end: its own, where none are shared.
[[nodiscard]] inline layer_source weights_of_layer(const transformer_sizes& sizes, index layer) {
  layer_source in_the_end{layer};
  while (!sizes.layer_sources.empty()) {
    const layer_source& next = sizes.layer_sources[static_cast<std::size_t>(in_the_end.layer)];
    if (next.layer >= in_the_end.layer) break;
    in_the_end = {next.layer, in_the_end.exchanged != next.exchanged};
  }
  return in_the_end;
}

/// Every name of a layer's tensors, in one order for all layers of a family. `exchanged`: queries and keys, where these
/// have tensors of their own, in each other's place.
[[nodiscard]] inline std::vector<std::string> all_names(layer_names n, bool exchanged = false) {
  for (auto* const parts : {&n.qkv_weight, &n.qkv_bias})
    if (exchanged && parts->size() == 3) std::swap((*parts)[0], (*parts)[1]);
  std::vector<std::string> all = n.qkv_weight;
  all.insert(all.end(), n.qkv_bias.begin(), n.qkv_bias.end());
  for (const auto* one : {&n.out_weight, &n.out_bias, &n.attention_gain, &n.attention_bias, &n.w1, &n.b1, &n.w2, &n.b2,
                          &n.output_gain, &n.output_bias})
    all.push_back(*one);
  return all;
}

/// A tensor that an unrolled model has and a shared one has not.
struct shared_tensor {
  std::string copy, original;  ///< its name, and that of the parameter that it stands for
  /// Both hold queries, keys and values side by side in each row, and the first two have changed places.
  bool exchanged_parts = false;
};

/// The tensors of layers that look at the weights of others.
[[nodiscard]] inline std::vector<shared_tensor> shared_tensors(const transformer_sizes& sizes,
                                                               const model_names& names) {
  std::vector<shared_tensor> all;
  for (index layer = 0; layer < sizes.layers; ++layer) {
    const layer_source source = weights_of_layer(sizes, layer);
    if (source.layer == layer) continue;
    const layer_names mine = names.layer(layer);
    const auto copies = all_names(mine), originals = all_names(names.layer(source.layer), source.exchanged);
    const std::size_t fused = source.exchanged && mine.qkv_weight.size() == 1 ? 1 + mine.qkv_bias.size() : 0;
    for (std::size_t i = 0; i < copies.size(); ++i) all.push_back({copies[i], originals[i], i < fused});
  }
  return all;
}

}  // namespace limbeck
