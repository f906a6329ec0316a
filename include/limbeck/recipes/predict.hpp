// Labels and probabilities, or scores, of texts.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "limbeck/recipes/classifier.hpp"
#include "limbeck/training/evaluation.hpp"

namespace limbeck {

/// What a model says of one text.
struct prediction {
  std::string label;                  ///< of a classifier
  std::vector<double> probabilities;  ///< [classes], in the order of the model's labels
  double score = 0;                   ///< of a regressor
};

/// Predicts every text, in order. Texts longer than `max_length` tokens are cut.
template <launchable E>
[[nodiscard]] std::vector<prediction> predict(const E& on, const text_classifier& model,
                                              const std::vector<example>& texts, index max_length) {
  sample_set set;
  for (const example& e : texts) set.add(e, model.pieces, max_length, false);
  const std::vector<float> logits = logits_of(on, model.model, model.parameters(), set);
  const auto classes = static_cast<std::size_t>(model.config.classes);
  std::vector<prediction> out(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::span<const float> row(logits.data() + i * classes, classes);
    if (model.config.regression) {
      out[i].score = static_cast<double>(row[0]);
      continue;
    }
    out[i].probabilities = probabilities_of(row);
    out[i].label = label_of(model.config, best_classes(row, model.config.classes).front());
  }
  return out;
}

/// The texts of a stream, one a line; a tab separates a pair.
[[nodiscard]] inline std::vector<example> read_text_stream(std::istream& in, const std::string& name) {
  std::vector<example> texts;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    texts.push_back(parse_text_line(line, name, static_cast<std::ptrdiff_t>(texts.size()) + 1));
  }
  return texts;
}

}  // namespace limbeck
