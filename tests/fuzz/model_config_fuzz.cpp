// Fuzzes config.json and tokenizer_config.json. One text is given to the readers of both and of both architectures.
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/fuzz_target.hpp"
#include "limbeck/io/gpt2_folder.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/model_config.hpp"

namespace limbeck_test {
namespace {

void check_sizes(const limbeck::transformer_sizes& sizes) {
  must(sizes.vocabulary > 0 && sizes.positions > 0 && sizes.inner > 0 && sizes.types >= 0, "sizes are positive");
  must(sizes.layers > 0 && sizes.layers <= static_cast<limbeck::index>(limbeck::max_layers), "layers can be held");
  must(sizes.heads > 0 && sizes.width > 0 && sizes.width % sizes.heads == 0, "heads divide the width");
  must(sizes.pad_id < sizes.vocabulary, "padding has a row");
  for (limbeck::index layer = 0; layer < sizes.layers; ++layer)
    must(limbeck::weights_of_layer(sizes, layer).layer <= layer, "a layer shares what is there before it");
}

void check_encoder(const limbeck::json_value& file) {
  const auto config = accepted([&] { return limbeck::parse_model_config(file); });
  if (!config) return;
  check_sizes(config->sizes);
  must(config->classes > 0 && config->regression == (config->classes == 1), "one output is a regressor's");
  if (config->classes > 1000) return;  // each is written out
  const std::string text = limbeck::config_text(*config);
  const auto again = limbeck::parse_model_config(limbeck::parse_json(text, "again"));
  must(limbeck::config_text(again) == text && again.sizes.layer_sources == config->sizes.layer_sources,
       "a config that was written reads the same");
}

void check_decoder(const limbeck::json_value& file) {
  const auto config = accepted([&] { return limbeck::parse_gpt2_config(file); });
  if (!config) return;
  check_sizes(config->sizes);
  const std::string text = limbeck::config_text(*config);
  must(limbeck::config_text(limbeck::parse_gpt2_config(limbeck::parse_json(text, "again"))) == text,
       "a config that was written reads the same");
}

void check_tokenizer(const limbeck::json_value& file) {
  const auto settings_of = [](const limbeck::json_value& from) {
    limbeck::model_config config;
    limbeck::take_tokenizer_settings(from, config);
    return config;
  };
  const auto config = accepted([&] { return settings_of(file); });
  if (!config) return;
  const std::string text = limbeck::tokenizer_config_text(*config);
  must(limbeck::tokenizer_config_text(settings_of(limbeck::parse_json(text, "again"))) == text,
       "settings that were written read the same");
}

void read_config(std::string_view bytes) {
  const auto file = accepted([&] { return limbeck::parse_json(bytes, "config.json"); });
  if (!file) return;
  check_encoder(*file);
  check_decoder(*file);
  check_tokenizer(*file);
}

const bool model_config_is_known = fuzzes("model_config", read_config);

}  // namespace
}  // namespace limbeck_test
