// A masked language model with its tokeniser, as one folder holds them.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <utility>

#include "limbeck/io/masked_model_folder.hpp"
#include "limbeck/recipes/classifier.hpp"

namespace limbeck {

/// A masked language model that is ready to read text.
struct masked_text_model {
  std::filesystem::path folder;
  model_config config;
  bert_masked_language_model model;
  buffer<float> weights;
  vocabulary pieces;

  [[nodiscard]] view<const float, 1> parameters() const { return weights.all(); }
  /// The text of its vocab.txt.
  [[nodiscard]] std::string vocabulary_text() const {
    std::ostringstream out;
    pieces.write(out);
    return out.str();
  }
};

/// Reads a folder with its vocabulary. Throws as load_masked_model(), and file_error for a vocabulary that is not the
/// model's.
[[nodiscard]] inline masked_text_model load_masked_text_model(const std::filesystem::path& folder) {
  const auto file = folder / "vocab.txt";
  const model_config config = read_model_config(folder);
  expects_vocabulary_file(file, config);
  vocabulary pieces = vocabulary::read(file);
  expects_vocabulary(file, pieces, config);
  loaded_masked_model<float> loaded = load_masked_model<float>(folder);
  return {folder, std::move(loaded.config), std::move(loaded.model), std::move(loaded.weights), std::move(pieces)};
}

}  // namespace limbeck
