// Tests of limbeck/io/masked_model_folder.hpp: round trips, tied matrices, and encoders in either guise.
#include "limbeck/io/masked_model_folder.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "io/small_model.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::message_of, limbeck_test::put, limbeck_test::scratch_folder,
    limbeck_test::small_config, limbeck_test::small_model;

constexpr const char* word = "bert.embeddings.word_embeddings.weight";

struct small_masked_model {
  model_config config;
  bert_masked_language_model model;
  buffer<float> weights;

  explicit small_masked_model(model_family family = model_family::bert)
      : config(small_config(family)), model(make_masked_language_model(config)), weights(model.parameters().size()) {
    initialise(model.parameters(), 1, weights.all(), 0.3);
    for (index i = 0; i < weights.count(); ++i) weights.data()[i] += static_cast<float>(i % 13) / 100.0F;
  }
  void save(const std::filesystem::path& folder) const {
    save_masked_model(folder, config, model.parameters(), weights.all());
  }
  [[nodiscard]] std::vector<float> values(const std::string& name) const {
    const parameter& p = *model.parameters().find(name);
    return {weights.data() + p.offset, weights.data() + p.offset + p.count()};
  }
};

/// Writes the model's tensors and one more.
void save_with(const small_masked_model& m, const std::filesystem::path& folder, const std::string& name,
               const tensor_shape& shape, const std::vector<float>& values) {
  m.save(folder);
  std::vector<tensor_record> records{{name, dtype::f32, shape, values.data()}};
  for (const parameter& p : m.model.parameters().entries())
    records.push_back({p.name, dtype::f32, detail::shape_of(p), m.weights.data() + p.offset});
  write_safetensors(folder / "model.safetensors", records);
}

TEST_CASE("a masked language model of either family comes back with every bit, and says what it is") {
  for (const auto& [family, architecture] : {std::pair{model_family::bert, "BertForMaskedLM"},
                                             std::pair{model_family::distilbert, "DistilBertForMaskedLM"}}) {
    const scratch_folder folder;
    const small_masked_model m(family);
    m.save(folder.path);
    const auto back = load_masked_model<float>(folder.path);
    CHECK(limbeck_test::same_bits(back.weights, m.weights));
    CHECK(back.report.fresh.empty());
    CHECK(back.report.unused.empty());
    const json config = json::parse(get(folder / "config.json"));
    CHECK(config.at("architectures") == json::array({architecture}));
    CHECK_FALSE(config.contains("id2label"));
    CHECK_FALSE(config.contains("problem_type"));
  }
}

TEST_CASE("an output matrix that is written beside the words must hold the same, a bias too") {
  const scratch_folder folder;
  const small_masked_model m;
  save_with(m, folder.path, "cls.predictions.decoder.weight", {11, 8}, m.values(word));
  CHECK(load_masked_model<float>(folder.path).report.unused.empty());
  std::vector<float> other = m.values(word);
  other[5] += 1;
  save_with(m, folder.path, "cls.predictions.decoder.weight", {11, 8}, other);
  CHECK_THAT(message_of<file_error>([&] { (void)load_masked_model<float>(folder.path); }),
             Catch::Contains("cls.predictions.decoder.weight") && Catch::Contains("differs from"));
  save_with(m, folder.path, "cls.predictions.decoder.bias", {11}, m.values("cls.predictions.bias"));
  CHECK(load_masked_model<float>(folder.path).report.unused.empty());
}

TEST_CASE("a masked language model is an encoder for a classifier with a fresh head") {
  const scratch_folder folder;
  const small_masked_model m;
  m.save(folder.path);
  const auto classifier = load_model<float>(folder.path, {.fresh_head = true});
  const parameter& words = *classifier.model.parameters().find(word);
  CHECK(std::equal(classifier.weights.data() + words.offset, classifier.weights.data() + words.offset + words.count(),
                   m.values(word).begin()));
  CHECK(classifier.report.fresh == std::vector<std::string>{"bert.pooler.dense.bias", "bert.pooler.dense.weight",
                                                            "classifier.bias", "classifier.weight"});
  CHECK(classifier.report.unused.size() == 5);
  CHECK_THROWS_AS(load_model<float>(folder.path), file_error);
}

TEST_CASE("a classifier is no masked language model, unless its head may be fresh") {
  const scratch_folder folder;
  const small_model<float> m;
  save_model(folder.path, m.config, m.table(), m.all());
  CHECK_THAT(message_of<file_error>([&] { (void)load_masked_model<float>(folder.path); }),
             Catch::Contains("cls.predictions.transform.dense.weight") && Catch::Contains("is missing"));
  const auto fresh = load_masked_model<float>(folder.path, {.fresh_head = true, .seed = 3});
  CHECK(fresh.report.fresh.size() == 5);
  CHECK(fresh.report.unused.size() == 4);
}

}  // namespace
}  // namespace limbeck
