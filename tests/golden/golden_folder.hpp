// A folder of reference values of two models, held to, whoever runs them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "golden/golden_case.hpp"
#include "golden/golden_files.hpp"

namespace limbeck_test {

inline constexpr double golden_tolerance = 1e-10;

template <limbeck::backend B>
void compare_states(const std::string& name, const limbeck::tensor_source& file, limbeck::view<const double, 2, B> got,
                    const std::vector<limbeck::sample_rows>& rows) {
  const auto want = numbers<double>(file, name);
  REQUIRE(static_cast<limbeck::index>(want.size()) == got.count());
  comparison found;
  for (const auto& sample : rows)
    for (limbeck::index r = sample.begin; r < sample.begin + sample.length; ++r)
      for (limbeck::index c = 0; c < got.extent(1); ++c)
        found.see(got(r, c), want[static_cast<std::size_t>(r * got.extent(1) + c)]);
  expect_close(name, found, golden_tolerance);
}

template <limbeck::backend B>
void compare_maps(const std::string& name, const limbeck::tensor_source& file,
                  const limbeck::square_blocks<const double, B>& got, const std::vector<limbeck::sample_rows>& rows) {
  const auto& shape = file.at(name).shape;
  const auto want = numbers<double>(file, name);
  REQUIRE(shape.size() == 4);
  REQUIRE(shape[1] == got.heads);
  const auto sample = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
  comparison found;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (limbeck::index h = 0; h < got.heads; ++h)
      for (limbeck::index r = 0; r < rows[i].length; ++r)
        for (limbeck::index c = 0; c < limbeck::visible_keys(rows[i], r, got.causal); ++c)
          found.see(got.map(static_cast<limbeck::index>(i), h)(r, c),
                    want[i * sample + static_cast<std::size_t>((h * shape[2] + r) * shape[3] + c)]);
  expect_close(name, found, golden_tolerance);
}

/// Every output of one model; `mode`: with the padded positions that the released code reads, or the valid alone.
template <class E, class Model, class Weights, class Pass>
void compare_outputs(const std::string& who, const limbeck::tensor_source& io, const E& on, const Model& model,
                     const Weights& weights, const golden_batch<double>& batch, limbeck::mask_mode mode, bool causal,
                     Pass& pass) {
  using namespace limbeck::signal;
  const auto& rows = mode == limbeck::mask_mode::exact ? batch.exact : batch.padded;
  const auto seen = model.forward(on, weights, batch.tokens(mode, true),
                                  logits | embeddings | hidden | scores | probabilities, limbeck::inference, pass);
  compare_states(who + ".hidden_0", io, seen.embeddings, rows);
  for (std::size_t l = 0; l < seen.hidden.size(); ++l) {
    compare_states(who + ".hidden_" + std::to_string(l + 1), io, seen.hidden[l], rows);
    compare_maps(who + ".scores_" + std::to_string(l), io, seen.scores[l], rows);
    compare_maps(who + ".probs_" + std::to_string(l), io, seen.probabilities[l], rows);
  }
  CHECK_FALSE(io.contains(who + ".hidden_" + std::to_string(seen.hidden.size() + 1)));
  if (causal) {
    compare_states(who + ".logits", io, seen.logits, batch.exact);
  } else {
    compare_states(who + ".logits", io, seen.logits, {{0, seen.logits.extent(0), 0}});
    if constexpr (requires { pass.head.pooled; })
      compare_states(who + ".pooler", io, limbeck::read_only(pass.head.pooled), {{0, seen.logits.extent(0), 0}});
  }
}

/// Every gradient in the file, and no more than those. The copies in tests/golden leave some files out.
template <class Models>
void compare_gradients(const std::filesystem::path& file, const Models& models) {
  if (!std::filesystem::exists(file)) return;
  const limbeck::tensor_source want(file);
  const auto name_of_file = file.filename().string();
  CHECK(want.names().size() == models.table.entries().size());
  for (const auto& p : models.table.entries())
    expect_close(name_of_file + " " + p.name,
                 limbeck::view<const double, 1>(models.gradient.data() + p.offset, p.count()),
                 numbers<double>(want, p.name), golden_tolerance);
}

/// What of a folder is looked at: everything, or outputs and the sum of all terms.
enum class golden_depth { everything, sums };

/// What a folder holds of its models, run by `on`.
template <class Side, class E = limbeck::cpu_executor<>>
void check_golden_folder(const std::filesystem::path& folder, const E& on = {},
                         golden_depth depth = golden_depth::everything) {
  const limbeck::json_value about = limbeck::read_json(folder / "losses.json");
  const limbeck::tensor_source io(folder / "io.safetensors");
  golden_models<Side, double, E> models(folder, "", on);
  const golden_batch<double> batch(io, "", Side::causal, models.regression);
  for (const limbeck::mask_mode mode : {limbeck::mask_mode::tinybert_zeroing, limbeck::mask_mode::exact}) {
    compare_outputs("student", io, on, models.student, models.seen(models.weights), batch, mode, Side::causal,
                    models.of_student);
    compare_outputs("teacher", io, on, models.teacher, models.seen(models.teacher_weights), batch, mode, Side::causal,
                    models.of_teacher);
  }
  for (const auto& [variant, losses] : about.at("variants").members()) {
    INFO("variant " << variant);
    REQUIRE((variant == "code" || variant == "valid"));
    const bool code = variant == "code";
    const limbeck::mask_mode mode = code ? limbeck::mask_mode::tinybert_zeroing : limbeck::mask_mode::exact;
    const auto terms = golden_terms(models, about, mode, code ? "fit" : "hid", code ? "fit" : "emb");
    CHECK(losses.members().size() == terms.size() + 1);
    const auto compare = [&, &wanted = losses](const std::string& name, double got) {
      comparison found;
      found.see(got, wanted.template required<double>(name));
      expect_close("loss " + name, found, golden_tolerance);
    };
    const auto only = [](const std::string& name) {
      return [name](const auto& term) { return term.name == name || term.name.starts_with(name + "_") ? 1.0 : 0.0; };
    };
    for (const auto& term : terms)
      if (depth == golden_depth::everything)
        compare(term.name, loss_and_gradient(models, terms, batch, mode, only(term.name)));
    compare("total", loss_and_gradient(models, terms, batch, mode, [](const auto& t) { return t.weight; }));
    compare_gradients(folder / ("grads_total_" + variant + ".safetensors"), models);
    if (!code || depth == golden_depth::sums) continue;
    for (const std::string group : {"ce", "kd", "attn", "hidden", "emb"}) {
      loss_and_gradient(models, terms, batch, mode, only(group));
      compare_gradients(folder / ("grads_" + group + ".safetensors"), models);
    }
  }
}

/// Calls check(architecture, folder) for every folder that holds a losses.json.
template <class Check>
void for_golden_models(const Check& check) {
  const auto folders = folders_with("losses.json");
  REQUIRE_FALSE(folders.empty());
  for (const auto& folder : folders) {
    INFO(folder.filename().string());
    REQUIRE(std::filesystem::exists(folder / "grads_total_code.safetensors"));
    with_architecture(folder, [&]<class Side>(Side architecture) { check(architecture, folder); });
  }
}

}  // namespace limbeck_test
