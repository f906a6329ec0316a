// Whole training runs against reference runs, step by step. Every folder that holds a batches.safetensors is a case.
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "golden_case.hpp"
#include "golden_files.hpp"
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "limbeck/training/learning_rate.hpp"

namespace {

using namespace limbeck_test;

/// The parameters whose true gradient is 0 where hard labels alone teach: the softmax cancels a bias of all keys. Adam
/// moves them by rounding noise. The part of such a parameter, in elements; empty: none of it.
struct part {
  limbeck::index begin = 0, end = 0;
};
part of_key_bias(const limbeck::parameter& p) {
  if (p.name.ends_with("attention.self.key.bias")) return {0, p.rows};
  if (p.name.ends_with("attn.c_attn.bias")) return {p.rows / 3, 2 * p.rows / 3};
  return {};
}

template <class Side, class T>
void check_run(const std::filesystem::path& folder, const std::string& run) {
  INFO(run);
  const bool exact = std::is_same_v<T, double>;
  const double per_step = exact ? 1e-9 : 1e-5, final_weights = exact ? 1e-9 : 1e-5;
  const limbeck::json_value about = limbeck::read_json(folder / (run + ".json"));
  const limbeck::tensor_source batches(folder / "batches.safetensors"), want(folder / (run + "_final.safetensors"));
  const bool labels_only = about.required<std::string>("objective") == "ce";
  golden_models<Side, T> models(folder, "fit");
  const auto terms = golden_terms(models, about, limbeck::mask_mode::tinybert_zeroing, "fit", "fit");
  const auto factor = [&](const golden_term<T>& t) { return !labels_only ? t.weight : t.name == "ce" ? 1.0 : 0.0; };
  // With hard labels alone the projections are no parameters.
  const limbeck::parameter_table& table = labels_only ? models.student.parameters() : models.table;
  const auto betas = about.required<std::vector<double>>("betas");
  limbeck::adamw<T> optimiser(table, {.beta1 = betas.at(0),
                                      .beta2 = betas.at(1),
                                      .epsilon = about.required<double>("eps"),
                                      .weight_decay = about.required<double>("weight_decay")});
  const limbeck::warmup_linear rate{about.required<double>("peak_lr"), about.required<limbeck::index>("warmup"),
                                    about.required<limbeck::index>("steps")};
  for (const auto& step : about.at("per_step").elements()) {
    const auto number = step.required<limbeck::index>("step");
    INFO("step " << number);
    const golden_batch<T> batch(batches, "batch" + std::to_string(step.required<int>("batch")) + ".", Side::causal,
                                models.regression);
    const double loss = loss_and_gradient(models, terms, batch, limbeck::mask_mode::tinybert_zeroing, factor);
    const limbeck::view<const T, 1> gradient(models.gradient.data(), table.size());
    const double norm = limbeck::norm_of(models.on, gradient);
    CHECK(loss == Approx(step.required<double>("loss")).epsilon(per_step).margin(0));
    CHECK(norm == Approx(step.required<double>("grad_norm")).epsilon(per_step).margin(0));
    CHECK(rate(number) == Approx(step.required<double>("lr")).epsilon(1e-12).margin(0));
    optimiser.update(models.on, rate(number), limbeck::clip_scale(norm, about.required<double>("clip")), gradient,
                     models.weights.all());
  }
  CHECK(want.names().size() == table.entries().size());
  for (const auto& p : table.entries()) {
    const auto values = numbers<double>(want, p.name);
    const part skipped = labels_only && !exact ? of_key_bias(p) : part{};
    REQUIRE(static_cast<limbeck::index>(values.size()) == p.count());
    comparison found;
    for (limbeck::index i = 0; i < p.count(); ++i)
      if (i < skipped.begin || i >= skipped.end)
        found.see(static_cast<double>(models.weights.data()[p.offset + i]), values[static_cast<std::size_t>(i)]);
    INFO(p.name << ": off by " << found.gap);
    CHECK(found.gap <= final_weights);
  }
}

}  // namespace

TEST_CASE("training runs repeat the reference runs", "[golden]") {
  const auto folders = folders_with("batches.safetensors");
  REQUIRE_FALSE(folders.empty());
  for (const auto& folder : folders) {
    INFO(folder.filename().string());
    with_architecture(folder, [&]<class Side>(Side) {
      for (const std::string objective : {"ce", "kd"}) {
        check_run<Side, double>(folder, objective + "_f64");
        check_run<Side, float>(folder, objective + "_f32");
      }
    });
  }
}
