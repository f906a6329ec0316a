// Writes model folders and runs them, for transformers_round_trip_test.py.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/backend/eigen.hpp"
#include "limbeck/io/masked_model_folder.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/parameter_sharing.hpp"

namespace {

constexpr const char* usage =
    "usage: write_student make FOLDER bert|distilbert CLASSES own|shared|sps  a model of random weights\n"
    "       write_student make-masked FOLDER bert|distilbert                 one with a masked language model's head\n"
    "       write_student copy FOLDER OTHER                                  reads one, writes it again\n"
    "       write_student logits FOLDER INPUT OUTPUT                         runs it on padded ids, types and a mask\n"
    "       write_student masked-logits FOLDER INPUT OUTPUT                  the same of a masked language model\n";

/// A vocabulary with the special pieces first.
std::string vocabulary_text(limbeck::index size) {
  std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (limbeck::index i = 5; i < size; ++i) text += "w" + std::to_string(i) + "\n";
  return text;
}

limbeck::model_config config_of(std::string_view family) {
  limbeck::model_config config;
  config.family = family == "bert" ? limbeck::model_family::bert : limbeck::model_family::distilbert;
  config.sizes = {.vocabulary = 60, .positions = 40, .types = 2, .layers = 4, .width = 24, .heads = 3, .inner = 50};
  if (family != "bert") config.sizes.types = 0;
  return config;
}

/// Weights drawn at random, biases and gains too.
limbeck::buffer<float> random_weights(const limbeck::parameter_table& table) {
  limbeck::buffer<float> weights(table.size());
  limbeck::initialise(table, 17, weights.all(), 0.2);
  for (limbeck::index i = 0; i < weights.count(); ++i) weights.data()[i] += static_cast<float>(i % 11) / 100.0F;
  return weights;
}

void make(const std::filesystem::path& folder, std::string_view family, limbeck::index classes,
          std::string_view sharing) {
  limbeck::model_config config = config_of(family);
  if (sharing == "shared") config.sizes.layer_sources = {{0}, {0}, {2}, {2}};
  if (sharing == "sps") config.sizes.layer_sources = shared_layers(limbeck::shuffled_parameter_sharing, 2);
  config.classes = classes;
  config.regression = classes == 1;
  config.lower_case = sharing == "own";
  const auto model = make_classifier(config);
  const auto weights = random_weights(model.parameters());
  limbeck::save_model(folder, config, model.parameters(), weights.all(), vocabulary_text(60));
}

void make_masked(const std::filesystem::path& folder, std::string_view family) {
  const limbeck::model_config config = config_of(family);
  const auto model = make_masked_language_model(config);
  const auto weights = random_weights(model.parameters());
  limbeck::save_masked_model(folder, config, model.parameters(), weights.all(), vocabulary_text(60));
}

void copy(const std::filesystem::path& folder, const std::filesystem::path& other) {
  auto read = limbeck::load_model<float>(folder);
  limbeck::save_model(other, read.config, read.model.parameters(), limbeck::read_only(read.weights.all()));
}

/// Of a loaded model: a row a sample of a classifier, a row a token of a masked language model.
template <class Loaded>
void logits(const Loaded& read, const std::filesystem::path& input, const std::filesystem::path& output) {
  const limbeck::safetensors_file file(input);
  const auto shape = file.at("input_ids").shape;
  const auto ids = file.read<std::int32_t>("input_ids", shape);
  const auto types = file.read<std::int32_t>("token_type_ids", shape);
  const auto mask = file.read<std::int32_t>("attention_mask", shape);
  std::vector<limbeck::sample_rows> rows;
  for (limbeck::index i = 0; i < shape[0]; ++i) {
    limbeck::index keys = 0;
    while (keys < shape[1] && mask[static_cast<std::size_t>(i * shape[1] + keys)] != 0) ++keys;
    rows.push_back({i * shape[1], keys, keys});
  }
  limbeck::token_batch<> batch{.ids = limbeck::view<const std::int32_t, 1>(ids.data(), ids.size()),
                               .rows = limbeck::view<const limbeck::sample_rows, 1>(rows.data(), rows.size())};
  if (read.config.sizes.types > 0) batch.types = limbeck::view<const std::int32_t, 1>(types.data(), types.size());
  typename decltype(read.model)::template pass<float> pass;
  const auto seen = read.model.forward(limbeck::cpu_executor<>{}, read.weights.all(), batch, limbeck::signal::logits,
                                       limbeck::inference, pass);
  const std::vector<limbeck::tensor_record> records{
      {"logits", limbeck::dtype::f32, {seen.logits.extent(0), seen.logits.extent(1)}, seen.logits.data()}};
  limbeck::write_safetensors(output, records);
}

}  // namespace

int main(int count, char** words) {
  try {
    const std::vector<std::string> given(words + 1, words + count);
    if (given.size() == 5 && given[0] == "make")
      make(given[1], given[2], std::stoi(given[3]), given[4]);
    else if (given.size() == 3 && given[0] == "copy")
      copy(given[1], given[2]);
    else if (given.size() == 4 && given[0] == "logits")
      logits(limbeck::load_model<float>(given[1]), given[2], given[3]);
    else if (given.size() == 3 && given[0] == "make-masked")
      make_masked(given[1], given[2]);
    else if (given.size() == 4 && given[0] == "masked-logits")
      logits(limbeck::load_masked_model<float>(given[1]), given[2], given[3]);
    else
      return std::fputs(usage, stderr), 2;
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_student: %s\n", error.what());
    return 1;
  }
}
