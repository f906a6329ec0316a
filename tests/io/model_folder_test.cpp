// Model folders: round trips, the names of other times, and every refusal.
#include "limbeck/io/model_folder.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "io/small_model.hpp"
#include "limbeck/io/gpt2_folder.hpp"

namespace {

using namespace limbeck_test;
using limbeck::file_error;
using limbeck::json;
using limbeck::model_family;

/// The folder with changes to its config.json.
void edit_config(const std::filesystem::path& folder, const std::function<void(json&)>& change,
                 const char* file = "config.json") {
  json config = json::parse(get(folder / file));
  change(config);
  put(folder / file, config.dump());
}

/// Tensors of a folder that can be changed and written again.
struct tensors {
  struct one {
    limbeck::tensor_shape shape;
    std::vector<float> values;
  };
  std::map<std::string, one> all;

  explicit tensors(const std::filesystem::path& model) {
    const limbeck::tensor_source source(model);
    for (const std::string& name : source.names()) {
      const auto& shape = source.at(name).shape;
      all[name] = {shape, source.read<float>(name, shape)};
    }
  }
  void rename(const std::string& old, const std::string& now) {
    auto node = all.extract(old);
    node.key() = now;
    all.insert(std::move(node));
  }
  void write(const std::filesystem::path& file, const std::function<bool(const std::string&)>& wanted = {}) const {
    std::vector<limbeck::tensor_record> records;
    for (const auto& [name, tensor] : all)
      if (!wanted || wanted(name)) records.push_back({name, limbeck::dtype::f32, tensor.shape, tensor.values.data()});
    limbeck::write_safetensors(file, records);
  }
};

template <class T>
void save(const std::filesystem::path& folder, const small_model<T>& model, std::string_view vocabulary = "") {
  limbeck::save_model(folder, model.config, model.table(), model.all(), vocabulary);
}

std::string refusal(const std::filesystem::path& folder, limbeck::load_options options = {}) {
  return message_of<file_error>([&] { (void)limbeck::load_model<float>(folder, options); });
}

template <class T>
void check_round_trip(const limbeck::model_config& config) {
  const scratch_folder scratch;
  const small_model<T> made(config);
  const auto folder = scratch / "student";
  save(folder, made, "[PAD]\nb\nc\n");
  const auto read = limbeck::load_model<T>(folder);
  CHECK(same_bits(read.weights, made.weights));
  CHECK(read.report.fresh.empty());
  CHECK(read.report.unused.empty());
  const auto &a = read.config, &b = config;
  CHECK(a.family == b.family);
  CHECK(a.classes == b.classes);
  CHECK(a.labels == b.labels);
  CHECK(a.regression == b.regression);
  CHECK(a.dropout == b.dropout);
  CHECK(a.attention_dropout == b.attention_dropout);
  CHECK(a.lower_case == b.lower_case);
  CHECK(a.strip_accents == b.strip_accents);
  CHECK(a.isolate_ideographs == b.isolate_ideographs);
  CHECK(a.sizes.vocabulary == b.sizes.vocabulary);
  CHECK(a.sizes.positions == b.sizes.positions);
  CHECK(a.sizes.types == b.sizes.types);
  CHECK(a.sizes.layers == b.sizes.layers);
  CHECK(a.sizes.width == b.sizes.width);
  CHECK(a.sizes.heads == b.sizes.heads);
  CHECK(a.sizes.inner == b.sizes.inner);
  CHECK(a.sizes.epsilon == b.sizes.epsilon);
  CHECK(a.sizes.pad_id == b.sizes.pad_id);
  CHECK(a.sizes.layer_sources == b.sizes.layer_sources);
  CHECK(get(folder / "vocab.txt") == "[PAD]\nb\nc\n");

  const auto second = scratch / "again";  // what was read is written as it was
  limbeck::save_model(second, read.config, read.model.parameters(), read.weights.all(), "[PAD]\nb\nc\n");
  for (const char* file : {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"})
    CHECK(get(folder / file) == get(second / file));
}

}  // namespace

TEST_CASE("a model folder gives back every bit and every setting") {
  for (const auto family : {model_family::bert, model_family::distilbert}) {
    limbeck::model_config config = small_config(family);
    check_round_trip<float>(config);
    check_round_trip<double>(config);
    config.classes = 1;
    config.labels = {"score"};
    config.regression = true;
    config.dropout = 0;
    config.attention_dropout = 0.25;
    config.sizes.pad_id = 3;
    config.lower_case = false;
    config.strip_accents = true;
    config.isolate_ideographs = false;
    if (family == model_family::bert) config.sizes.epsilon = 1e-5;
    check_round_trip<float>(config);
  }
}

TEST_CASE("shared layers are saved unrolled and tied again on reading") {
  for (const auto family : {model_family::bert, model_family::distilbert}) {
    limbeck::model_config config = small_config(family);
    config.sizes.layers = 4;
    config.sizes.layer_sources = {{0}, {0}, {1}, {3}};  // 2 looks at 1, which looks at 0
    check_round_trip<float>(config);

    const scratch_folder scratch;
    const small_model<> shared(config);
    save(scratch.path, shared);
    edit_config(scratch.path, [](json& c) { c.erase("limbeck_sharing"); });
    const auto plain = limbeck::load_model<float>(scratch.path);  // as transformers sees it
    const auto names = names_of(family);
    CHECK(plain.config.sizes.layer_sources.empty());
    for (const limbeck::index layer : {1, 2})
      for (std::size_t i = 0; i < all_names(names.layer(0)).size(); ++i) {
        const auto* const p = plain.model.parameters().find(all_names(names.layer(layer))[i]);
        REQUIRE(p != nullptr);
        CHECK(std::vector<float>(plain.weights.data() + p->offset, plain.weights.data() + p->offset + p->count()) ==
              shared.values(all_names(names.layer(0))[i]));
      }
  }
}

TEST_CASE("exchanged layers are saved with queries and keys in each other's place and tied again on reading") {
  for (const auto family : {model_family::bert, model_family::distilbert}) {
    limbeck::model_config config = small_config(family);
    config.sizes.layers = 4;
    config.sizes.layer_sources = shared_layers(limbeck::shuffled_parameter_sharing, 2);
    check_round_trip<float>(config);
    check_round_trip<double>(config);

    const scratch_folder scratch;
    const small_model<> shared(config);
    save(scratch.path, shared);
    CHECK(json::parse(get(scratch / "config.json"))["limbeck_sharing"] ==
          json{{"layer_source", {0, 1, 0, 1}}, {"exchanged_layers", {2, 3}}});
    const tensors files(scratch.path);
    const auto names = names_of(family);
    for (const limbeck::index l : {0, 1}) {
      const auto first = names.layer(l), second = names.layer(l + 2);
      const auto expect = [&](const std::string& copy, const std::string& of) {
        CHECK(files.all.at(copy).values == shared.values(of));
      };
      for (const std::size_t part : {0u, 1u, 2u}) {
        expect(second.qkv_weight[part], first.qkv_weight[part < 2 ? 1 - part : part]);
        expect(second.qkv_bias[part], first.qkv_bias[part < 2 ? 1 - part : part]);
      }
      expect(second.out_weight, first.out_weight);
      expect(second.w2, first.w2);
      expect(second.output_bias, first.output_bias);
    }

    tensors swapped = files;  // the copy's queries are those of its original, not its keys
    std::swap(swapped.all.at(names.layer(2).qkv_weight[0]), swapped.all.at(names.layer(2).qkv_weight[1]));
    swapped.write(scratch / "model.safetensors");
    CHECK(refusal(scratch.path) == (scratch / "model.safetensors").string() + ": tensor \"" +
                                       names.layer(2).qkv_weight[0] + "\": differs from tensor \"" +
                                       names.layer(0).qkv_weight[1] +
                                       "\", expected the same: the config says that they are shared");
  }
}

TEST_CASE("layers that are said to be shared but differ are refused") {
  limbeck::model_config config = small_config();
  config.sizes.layer_sources = {{0}, {0}, {2}};
  const scratch_folder scratch;
  save(scratch.path, small_model<>(config));
  tensors files(scratch.path);
  files.all.at("bert.encoder.layer.1.output.dense.bias").values[3] += 1;  // trained on elsewhere
  files.write(scratch / "model.safetensors");
  CHECK(refusal(scratch.path) ==
        (scratch / "model.safetensors").string() +
            ": tensor \"bert.encoder.layer.1.output.dense.bias\": differs from tensor "
            "\"bert.encoder.layer.0.output.dense.bias\", expected the same: the config says that they are shared");
}

TEST_CASE("weights that are no finite numbers are refused, naming the tensor and the place") {
  const scratch_folder scratch;
  const auto with = [&](const std::string& name, std::size_t at, float value) {
    save(scratch.path, small_model<>());
    tensors files(scratch.path);
    files.all.at(name).values[at] = value;
    files.write(scratch / "model.safetensors");
    return refusal(scratch.path);
  };
  const std::string file = (scratch / "model.safetensors").string();
  CHECK(with("classifier.weight", 8 + 5, std::numeric_limits<float>::quiet_NaN()) ==
        file + ": tensor \"classifier.weight\": holds nan at [1, 5], expected finite numbers");
  CHECK(with("bert.embeddings.LayerNorm.bias", 7, -std::numeric_limits<float>::infinity()) ==
        file + ": tensor \"bert.embeddings.LayerNorm.bias\": holds infinity at [7], expected finite numbers");
}

TEST_CASE("tensors are found under the names of other times") {
  const scratch_folder scratch;
  for (const auto family : {model_family::bert, model_family::distilbert}) {
    const small_model<> made(small_config(family));
    const std::string base = family == model_family::bert ? "bert." : "distilbert.";
    const auto expect_found = [&](const std::function<void(tensors&)>& change) {
      save(scratch.path, made);
      tensors files(scratch.path);
      change(files);
      files.write(scratch / "model.safetensors");
      const auto read = limbeck::load_model<float>(scratch.path);
      CHECK(same_bits(read.weights, made.weights));
      return read.report;
    };
    expect_found([&](tensors& t) {
      for (const auto& p : made.table().entries())
        if (p.name.starts_with(base)) t.rename(p.name, p.name.substr(base.size()));
    });
    expect_found([&](tensors& t) {
      t.rename(base + "embeddings.LayerNorm.weight", base + "embeddings.LayerNorm.gamma");
      t.rename(base + "embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta");
    });
    const auto report = expect_found([&](tensors& t) {
      t.all[base + "embeddings.position_ids"] = {{1, 7}, std::vector<float>(7)};
      t.all["cls.predictions.bias"] = {{2}, {1, 2}};
      t.all["cls.predictions.decoder.bias"] = {{2}, {1, 2}};
    });
    CHECK(report.unused == std::vector<std::string>{"cls.predictions.bias", "cls.predictions.decoder.bias"});
  }
}

TEST_CASE("two names for one parameter are refused") {
  const scratch_folder scratch;
  save(scratch.path, small_model<>());
  tensors files(scratch.path);
  files.all["embeddings.LayerNorm.gamma"] = files.all.at("bert.embeddings.LayerNorm.weight");
  files.write(scratch / "model.safetensors");
  CHECK_THAT(refusal(scratch.path), Catch::Matchers::Contains("tensor \"embeddings.LayerNorm.gamma\"") &&
                                        Catch::Matchers::Contains("stands for the same parameter") &&
                                        Catch::Matchers::Contains("bert.embeddings.LayerNorm.weight"));
}

TEST_CASE("a model in several files is read through its index") {
  const scratch_folder scratch;
  const small_model<> made;
  save(scratch.path, made);
  const tensors files(scratch.path);
  const auto first = [](const std::string& name) { return name < "bert.encoder.layer.1"; };
  files.write(scratch / "a.safetensors", first);
  files.write(scratch / "b.safetensors", [&](const std::string& name) { return !first(name); });
  json list;
  for (const auto& [name, tensor] : files.all)
    list["weight_map"][name] = first(name) ? "a.safetensors" : "b.safetensors";
  put(scratch / "model.safetensors.index.json", list.dump());
  std::filesystem::remove(scratch / "model.safetensors");
  CHECK(same_bits(limbeck::load_model<float>(scratch.path).weights, made.weights));
  std::filesystem::remove(scratch / "b.safetensors");
  CHECK_THAT(refusal(scratch.path), Catch::Matchers::Contains("b.safetensors"));
}

TEST_CASE("a tensor that is missing or has another shape is refused before anything is written") {
  const scratch_folder scratch;
  for (const auto family : {model_family::bert, model_family::distilbert}) {
    const small_model<> made(small_config(family));
    for (const auto& p : made.table().entries()) {
      save(scratch.path, made);
      tensors files(scratch.path);
      files.all.erase(p.name);
      files.write(scratch / "model.safetensors");
      limbeck::buffer<float> untouched(made.table().size());
      CHECK(message_of<file_error>(
                [&] { (void)limbeck::load_weights(scratch.path, made.config, made.table(), untouched.all()); }) ==
            scratch.path.string() + ": tensor \"" + p.name + "\": is missing, expected the weights of a whole model");
      CHECK(same_bits(untouched, limbeck::buffer<float>(made.table().size())));
    }
    save(scratch.path, made);
    tensors files(scratch.path);
    const std::string name = names_of(family).layer(1).w1;
    files.all.at(name).shape = {8, 12};
    files.write(scratch / "model.safetensors");
    CHECK(refusal(scratch.path) ==
          (scratch / "model.safetensors").string() + ": tensor \"" + name + "\": has shape [8, 12], expected [12, 8]");
  }
}

TEST_CASE("a fresh head is made only where it is asked for, and is reported") {
  const scratch_folder scratch;
  for (const auto family : {model_family::bert, model_family::distilbert}) {
    const small_model<> made(small_config(family));
    const auto names = names_of(family);
    save(scratch.path, made);
    tensors files(scratch.path);
    files.all.erase(names.classifier_weight);
    files.write(scratch / "model.safetensors");
    CHECK_THAT(refusal(scratch.path, {.fresh_head = true}),  // half of it is there
               Catch::Matchers::Contains(names.classifier_weight));
    files.all.erase(names.classifier_bias);
    files.write(scratch / "model.safetensors");
    CHECK_FALSE(refusal(scratch.path).empty());
    const auto half = limbeck::load_model<float>(scratch.path, {.fresh_head = true, .seed = 5});
    CHECK(half.report.fresh == std::vector<std::string>{names.classifier_bias, names.classifier_weight});
    const auto* const fresh = made.table().find(names.classifier_weight);
    const auto* const pooler = made.table().find(names.pooler_weight);
    CHECK(half.weights.data()[pooler->offset] == made.weights.data()[pooler->offset]);
    limbeck::buffer<float> random(made.table().size());
    initialise(made.table(), 5, random.all());
    for (limbeck::index i = 0; i < fresh->count(); ++i)
      CHECK(half.weights.data()[fresh->offset + i] == random.data()[fresh->offset + i]);
    files.all.erase(names.pooler_weight);
    files.all.erase(names.pooler_bias);
    files.write(scratch / "model.safetensors");
    CHECK(limbeck::load_model<float>(scratch.path, {.fresh_head = true}).report.fresh.size() == 4);
    files.all.erase(names.word);
    files.write(scratch / "model.safetensors");
    CHECK_THAT(refusal(scratch.path, {.fresh_head = true}), Catch::Matchers::Contains(names.word));
  }
}

TEST_CASE("a classifier of other classes gives way to a fresh one") {
  const scratch_folder scratch;
  const small_model<> made;
  save(scratch.path, made);
  limbeck::model_config other = made.config;
  other.classes = 2;
  other.labels.clear();
  CHECK(message_of<file_error>([&] { (void)limbeck::load_model<float>(scratch.path, other); }) ==
        (scratch / "model.safetensors").string() + ": tensor \"classifier.weight\": has shape [3, 8], expected [2, 8]");
  const auto read = limbeck::load_model<float>(scratch.path, other, {.fresh_head = true});
  CHECK(read.report.fresh == std::vector<std::string>{"classifier.bias", "classifier.weight"});
  CHECK(read.report.unused == std::vector<std::string>{"classifier.bias", "classifier.weight"});
}

TEST_CASE("every config that is not ours to read is refused with file, key, found and expected") {
  const scratch_folder scratch;
  const auto expect_refusal = [&](model_family family, const std::function<void(json&)>& change,
                                  const std::string& complaint) {
    save(scratch.path, small_model<>(small_config(family)));
    edit_config(scratch.path, change);
    CHECK(message_of<file_error>([&] { (void)limbeck::read_model_config(scratch.path); }) ==
          (scratch / "config.json").string() + ": " + complaint);
  };
  const auto set = [](const char* key, json value) { return [=](json& c) { c[key] = value; }; };
  const auto bert = [&](const char* key, json value, const std::string& complaint) {
    expect_refusal(model_family::bert, set(key, value), complaint);
  };
  const auto distil = [&](const char* key, json value, const std::string& complaint) {
    expect_refusal(model_family::distilbert, set(key, value), complaint);
  };
  bert("model_type", "roberta", R"(model_type: is "roberta", expected "bert" or "distilbert")");
  bert("hidden_act", "relu", R"(hidden_act: is "relu", expected "gelu")");
  distil("activation", "relu", R"(activation: is "relu", expected "gelu")");
  bert("position_embedding_type", "relative_key", R"(position_embedding_type: is "relative_key", expected "absolute")");
  for (const char* flag : {"is_decoder", "is_encoder_decoder", "add_cross_attention"})
    bert(flag, true, std::string(flag) + ": is true, expected false");
  bert("hidden_size", 0, "hidden_size: is 0, expected 1 to 16777216");
  bert("num_hidden_layers", -1, "num_hidden_layers: is -1, expected 1 to 64");
  bert("num_hidden_layers", 65, "num_hidden_layers: is 65, expected 1 to 64");
  bert("vocab_size", std::int64_t{1} << 40, "vocab_size: is 1099511627776, expected 1 to 16777216");
  distil("dim", 8.5, "dim: is 8.5, expected an integer from -9223372036854775808 to 9223372036854775807");
  bert("num_attention_heads", 3, "num_attention_heads: is 3, expected a divisor of hidden_size, 8");
  distil("n_heads", 5, "n_heads: is 5, expected a divisor of dim, 8");
  bert("pad_token_id", 11, "pad_token_id: is 11, expected 0 to below vocab_size, 11");
  bert("layer_norm_eps", 0, "layer_norm_eps: is 0, expected a positive number");
  bert("hidden_dropout_prob", 1, "hidden_dropout_prob: is 1, expected 0 to below 1");
  distil("attention_dropout", -0.5, "attention_dropout: is -0.5, expected 0 to below 1");
  bert("num_labels", 2, "num_labels: is 2, but id2label names 3 classes");
  bert("id2label", json::object(), "id2label: names no class, expected one or more");
  bert("id2label", {{"0", "a"}, {"2", "b"}}, "id2label: has 2 names but none of class 1");
  bert("id2label", {{"0", "a"}, {"1", "b"}, {"2", "a"}}, R"(id2label.2: is "a", which names another class too)");
  bert("label2id", {{"neutral", 0}}, R"(label2id.neutral: is 0, but id2label gives "neutral" to class 1)");
  bert("problem_type", "multi_label_classification",
       R"(problem_type: is "multi_label_classification", expected "single_label_classification" of a model )"
       "with 3 outputs");
  bert("problem_type", "regression",
       R"(problem_type: is "regression", expected "single_label_classification" of a model with 3 outputs)");
  bert("limbeck_sharing", {{"layer_source", {0, 0}}},
       "limbeck_sharing.layer_source: has 2 entries, expected one for each of 3 layers");
  bert("limbeck_sharing", {{"layer_source", {0, 2, 2}}}, "limbeck_sharing.layer_source[1]: is 2, expected 0 to 1");
  const auto exchanged = [&](const json& layers, const std::string& complaint) {
    bert("limbeck_sharing", {{"layer_source", {0, 0, 0}}, {"exchanged_layers", layers}},
         "limbeck_sharing.exchanged_layers" + complaint);
  };
  exchanged({1, 3}, "[1]: is 3, expected 0 to 2");
  exchanged({-1}, "[0]: is -1, expected 0 to 2");
  exchanged({2, 1}, "[1]: is 1, expected more than 2");
  exchanged({1, 1}, "[1]: is 1, expected more than 1");
  exchanged({0, 1}, "[0]: is 0, expected a layer that looks at another's weights");
  exchanged(1, ": is 1, expected an array");
  exchanged({2.5}, "[0]: is 2.5, expected an integer from -9223372036854775808 to 9223372036854775807");
  expect_refusal(
      model_family::bert, [](json& c) { c.erase("intermediate_size"); }, "has no key \"intermediate_size\"");
  expect_refusal(
      model_family::distilbert, [](json& c) { c.erase("hidden_dim"); }, "has no key \"hidden_dim\"");
  expect_refusal(
      model_family::bert, [](json& c) { c.erase("model_type"); }, "has no key \"model_type\"");
}

TEST_CASE("what a config leaves out has the values that transformers gives it") {
  const scratch_folder scratch;
  save(scratch.path, small_model<>());
  edit_config(scratch.path, [](json& c) {
    for (const char* key : {"id2label", "label2id", "problem_type", "type_vocab_size", "layer_norm_eps", "pad_token_id",
                            "hidden_dropout_prob", "hidden_act", "position_embedding_type"})
      c.erase(key);
  });
  std::filesystem::remove(scratch / "tokenizer_config.json");
  auto config = limbeck::read_model_config(scratch.path);
  CHECK(config.labels.empty());
  CHECK(limbeck::label_of(config, 1) == "LABEL_1");
  CHECK(config.classes == 2);
  CHECK_FALSE(config.regression);
  CHECK(config.lower_case);
  CHECK(config.isolate_ideographs);
  CHECK(config.sizes.types == 2);
  CHECK(config.sizes.epsilon == 1e-12);
  CHECK(config.dropout == 0.1);
  edit_config(scratch.path, [](json& c) { c["num_labels"] = 1 << 24; });
  config = limbeck::read_model_config(scratch.path);
  CHECK(config.classes == 1 << 24);
  CHECK(config.labels.empty());  // nothing is allocated by a number in a file
  edit_config(scratch.path, [](json& c) { c["num_labels"] = 1; });
  CHECK(limbeck::read_model_config(scratch.path).regression);
  put(scratch / "tokenizer_config.json", R"({"do_lower_case": false})");
  CHECK_FALSE(limbeck::read_model_config(scratch.path).lower_case);
}

TEST_CASE("a student that fits nothing is not written") {
  const scratch_folder scratch;
  const auto complaint = [&](const limbeck::model_config& config, const small_model<>& made,
                             std::string_view vocabulary = "") {
    const std::string said = message_of<limbeck::contract_error>(
        [&] { limbeck::save_model(scratch / "new", config, made.table(), made.all(), vocabulary); });
    CHECK(scratch.names().empty());
    return said;
  };
  const small_model<> made;
  CHECK(complaint(made.config, made, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12") ==
        "save_model: a vocabulary of 12 pieces, the model has 11");
  auto config = made.config;
  config.labels.pop_back();
  CHECK(complaint(config, made) == "model_config: 2 labels, 3 classes");
  config = made.config;
  config.labels[2] = "neutral";
  CHECK(complaint(config, made) == "model_config: two classes are named \"neutral\"");
  config = made.config;
  config.labels[2] = "\xFF";
  CHECK(complaint(config, made) == "save_model: the name of a label is not UTF-8");
  config = made.config;
  config.regression = true;
  CHECK(complaint(config, made) == "model_config: a regressor with 3 outputs");
}

TEST_CASE("a table of another model is no place to load into or to save from") {
  const scratch_folder scratch;
  const small_model<> made;
  save(scratch.path, made);
  auto wider = small_config();
  wider.sizes.inner = 16;
  const small_model<> other(wider);
  limbeck::buffer<float> room(other.table().size());
  CHECK(message_of<limbeck::contract_error>(
            [&] { (void)limbeck::load_weights(scratch.path, made.config, other.table(), room.all()); }) ==
        "load_weights: the table has bert.encoder.layer.0.intermediate.dense.weight [16, 8], the config needs [12, 8]");
  const limbeck::view<float, 1> little(room.data(), 3);
  CHECK_THROWS_AS(limbeck::load_weights(scratch.path, made.config, made.table(), little), limbeck::contract_error);
  CHECK_THROWS_AS(limbeck::save_model(scratch.path, made.config, other.table(), limbeck::read_only(room.all())),
                  limbeck::contract_error);
}

TEST_CASE("a decoder's folder gives back every bit") {
  const scratch_folder scratch;
  limbeck::gpt2_config config;
  config.sizes = {.vocabulary = 11,
                  .positions = 7,
                  .types = 0,
                  .layers = 3,
                  .width = 8,
                  .heads = 2,
                  .inner = 12,
                  .epsilon = 1e-5,
                  .pad_id = -1,
                  .layer_sources = {{0}, {1}, {1}}};
  const auto model = limbeck::make_gpt2_language_model(config.sizes);
  limbeck::buffer<float> weights(model.parameters().size()), read(weights.count());
  initialise(model.parameters(), 3, weights.all(), 0.3);
  limbeck::save_model(scratch.path, config, model.parameters(), limbeck::read_only(weights.all()));
  const auto seen = limbeck::read_gpt2_config(scratch.path);
  CHECK(seen.sizes.layer_sources == config.sizes.layer_sources);
  CHECK(seen.sizes.inner == 12);
  CHECK(seen.sizes.epsilon == 1e-5);
  CHECK(limbeck::load_weights(scratch.path, seen, model.parameters(), read.all()).unused.empty());
  CHECK(same_bits(read, weights));

  tensors files(scratch.path);
  for (const auto& p : model.parameters().entries()) files.rename(p.name, p.name.substr(12));
  for (const auto& name : all_names(limbeck::gpt2_names().layer(2))) files.rename(name, name.substr(12));
  files.all["lm_head.weight"] = files.all.at("wte.weight");
  files.all["h.0.attn.bias"] = {{1, 1, 2, 2}, std::vector<float>(4)};
  files.write(scratch / "model.safetensors");
  CHECK(limbeck::load_weights(scratch.path, seen, model.parameters(), read.all()).unused.empty());
  CHECK(same_bits(read, weights));
  files.all.at("lm_head.weight").values[0] += 1;
  files.write(scratch / "model.safetensors");
  CHECK_THROWS_AS(limbeck::load_weights(scratch.path, seen, model.parameters(), read.all()), file_error);
  edit_config(scratch.path, [](json& c) { c["activation_function"] = "relu"; });
  CHECK(message_of<file_error>([&] { (void)limbeck::read_gpt2_config(scratch.path); }) ==
        (scratch / "config.json").string() + ": activation_function: is \"relu\", expected \"gelu_new\"");
}

TEST_CASE("a decoder's exchanged layers are unrolled, queries and keys in each other's third of a tensor") {
  const scratch_folder scratch;
  limbeck::gpt2_config config;
  config.sizes = {.vocabulary = 11, .positions = 7, .types = 0, .layers = 2, .width = 4, .heads = 2, .inner = 6};
  config.sizes.pad_id = -1;
  config.sizes.layer_sources = shared_layers(limbeck::shuffled_parameter_sharing, 1);
  const auto model = limbeck::make_gpt2_language_model(config.sizes);
  limbeck::buffer<float> weights(model.parameters().size()), read(weights.count());
  initialise(model.parameters(), 3, weights.all(), 0.3);
  for (limbeck::index i = 0; i < weights.count(); ++i) weights.data()[i] += static_cast<float>(i % 13) / 100.0F;
  limbeck::save_model(scratch.path, config, model.parameters(), limbeck::read_only(weights.all()));
  const auto seen = limbeck::read_gpt2_config(scratch.path);
  CHECK(seen.sizes.layer_sources == config.sizes.layer_sources);
  CHECK(limbeck::load_weights(scratch.path, seen, model.parameters(), read.all()).unused.empty());
  CHECK(same_bits(read, weights));

  tensors files(scratch.path);
  const auto first = limbeck::gpt2_names().layer(0), second = limbeck::gpt2_names().layer(1);
  for (const auto& [copy, original] : {std::pair(second.qkv_weight[0], first.qkv_weight[0]),  // [4, 12]
                                       std::pair(second.qkv_bias[0], first.qkv_bias[0])}) {
    const auto &mine = files.all.at(copy).values, &theirs = files.all.at(original).values;
    REQUIRE(mine.size() == theirs.size());
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const std::size_t in_row = i % 12, there = in_row < 4 ? i + 4 : in_row < 8 ? i - 4 : i;
      CHECK(mine[i] == theirs[there]);
    }
  }
  CHECK(files.all.at(second.w1).values == files.all.at(first.w1).values);
  files.all.at(second.qkv_bias[0]).values[5] += 1;
  files.write(scratch / "model.safetensors");
  CHECK(message_of<file_error>(
            [&] { (void)limbeck::load_weights(scratch.path, seen, model.parameters(), read.all()); }) ==
        (scratch / "model.safetensors").string() +
            ": tensor \"transformer.h.1.attn.c_attn.bias\": differs from tensor "
            "\"transformer.h.0.attn.c_attn.bias\" with queries and keys exchanged, expected the same: the config says "
            "that they are shared");
}
