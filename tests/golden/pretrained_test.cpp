// A real pretrained encoder against reference values of its forward pass.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "golden_files.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/io/model_folder.hpp"

TEST_CASE("the pretrained encoder gives the reference hidden states", "[golden]") {
  const char* const given = std::getenv("LIMBECK_MINILM_DIR");
  if (given == nullptr || *given == '\0') LIMBECK_SKIP("LIMBECK_MINILM_DIR names no pretrained encoder");
  const auto file = limbeck_test::golden_folder() / "minilm_forward.safetensors";
  if (!std::filesystem::exists(file)) LIMBECK_SKIP("no minilm_forward.safetensors in LIMBECK_GOLDEN_DIR");

  using namespace limbeck::signal;
  const auto loaded = limbeck::load_model<float>(given, {.fresh_head = true});
  CHECK(loaded.report.fresh == std::vector<std::string>{"classifier.bias", "classifier.weight"});
  CHECK(loaded.report.unused.empty());
  const limbeck::tensor_source want(file);
  const auto ids = limbeck_test::numbers<std::int32_t>(want, "input_ids");
  const auto types = limbeck_test::numbers<std::int32_t>(want, "token_type_ids");
  const auto mask = limbeck_test::numbers<std::int32_t>(want, "attention_mask");
  const limbeck::index length = want.at("input_ids").shape.at(1);
  std::vector<limbeck::sample_rows> rows;
  for (limbeck::index at = 0; at < static_cast<limbeck::index>(ids.size()); at += length) {
    limbeck::index keys = 0;
    while (keys < length && mask[static_cast<std::size_t>(at + keys)] != 0) ++keys;
    rows.push_back({at, keys, keys});
  }
  const limbeck::token_batch<> batch{.ids = limbeck::view<const std::int32_t, 1>(ids.data(), ids.size()),
                                     .types = limbeck::view<const std::int32_t, 1>(types.data(), types.size()),
                                     .rows = limbeck::view<const limbeck::sample_rows, 1>(rows.data(), rows.size())};
  limbeck::bert_classifier::pass<float> pass;
  const auto seen = loaded.model.forward(limbeck::cpu_executor<>{}, loaded.weights.all(), batch,
                                         logits | embeddings | hidden, limbeck::inference, pass);
  const auto compare = [&](const std::string& name, const limbeck::view<const float, 2>& got) {
    const auto values = limbeck_test::numbers<double>(want, name);
    limbeck_test::comparison found;
    for (const auto& sample : rows)
      for (limbeck::index r = sample.begin; r < sample.begin + sample.length; ++r)
        for (limbeck::index c = 0; c < got.extent(1); ++c)
          found.see(static_cast<double>(got(r, c)), values[static_cast<std::size_t>(r * got.extent(1) + c)]);
    INFO(name << ": off by " << found.gap);
    CHECK(found.gap <= 2e-5);
  };
  compare("hidden_0", seen.embeddings);
  for (std::size_t l = 0; l < seen.hidden.size(); ++l) compare("hidden_" + std::to_string(l + 1), seen.hidden[l]);
  compare("last_hidden_f64", seen.hidden[seen.hidden.size() - 1]);

  const auto pooled = limbeck_test::numbers<double>(want, "pooler_f64");
  limbeck_test::comparison found;
  for (std::size_t i = 0; i < pooled.size(); ++i) found.see(static_cast<double>(pass.head.pooled.data()[i]), pooled[i]);
  CHECK(found.gap <= 2e-5);
}
