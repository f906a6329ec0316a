// A student, a teacher, a batch and the terms of a distillation, as a folder of reference values describes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "golden_files.hpp"
#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/io/gpt2_folder.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/model_folder.hpp"
#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/mappings/explicit.hpp"

namespace limbeck_test {

/// The two architectures.
struct encoder_side {
  using model_type = limbeck::bert_classifier;
  static constexpr bool causal = false;
  static limbeck::model_config config(const std::filesystem::path& folder) {
    return limbeck::read_model_config(folder);
  }
  static model_type make(const limbeck::model_config& config) { return limbeck::make_classifier(config); }
  static bool regression(const limbeck::model_config& config) { return config.regression; }
};
struct decoder_side {
  using model_type = limbeck::gpt2_language_model;
  static constexpr bool causal = true;
  static limbeck::gpt2_config config(const std::filesystem::path& folder) { return limbeck::read_gpt2_config(folder); }
  static model_type make(const limbeck::gpt2_config& config) { return limbeck::make_gpt2_language_model(config.sizes); }
  static bool regression(const limbeck::gpt2_config&) { return false; }
};

/// Calls use(side) with the architecture of the folder's student.
template <class Use>
void with_architecture(const std::filesystem::path& folder, Use&& use) {
  const auto type = limbeck::read_json(folder / "student" / "config.json").required<std::string>("model_type");
  if (type == "gpt2")
    use(decoder_side{});
  else
    use(encoder_side{});
}

/// A padded batch, with its valid positions.
template <class T>
struct golden_batch {
  std::vector<std::int32_t> ids, types, labels, logit_tokens;
  std::vector<T> scores;
  std::vector<limbeck::sample_rows> padded, exact;
  limbeck::index length = 0;

  golden_batch(const limbeck::tensor_source& file, const std::string& prefix, bool causal, bool regression)
      : ids(numbers<std::int32_t>(file, prefix + "input_ids")),
        types(numbers<std::int32_t>(file, prefix + "token_type_ids")),
        length(file.at(prefix + "input_ids").shape.at(1)) {
    const auto mask = numbers<std::int32_t>(file, prefix + "attention_mask");
    const auto side = static_cast<std::size_t>(length);
    for (std::size_t at = 0; at < mask.size(); at += side) {
      limbeck::index keys = 0;
      while (keys < length && mask[at + static_cast<std::size_t>(keys)] != 0) ++keys;
      padded.push_back({static_cast<limbeck::index>(at), length, keys});
      exact.push_back({static_cast<limbeck::index>(at), keys, keys});
    }
    if (regression) {
      scores = numbers<T>(file, prefix + "labels");
    } else if (!causal) {
      labels = numbers<std::int32_t>(file, prefix + "labels");
    } else {  // a token is told by those before it
      types.clear();
      const auto next = numbers<std::int32_t>(file, prefix + "labels");
      for (std::size_t at = 0; at + 1 < next.size(); ++at)
        if ((at + 1) % side != 0 && next[at + 1] != limbeck::cross_entropy{}.ignore_index) {
          logit_tokens.push_back(static_cast<std::int32_t>(at));
          labels.push_back(next[at + 1]);
        }
    }
  }

  [[nodiscard]] limbeck::view<const limbeck::sample_rows, 1> rows(limbeck::mask_mode mode) const {
    return window(mode == limbeck::mask_mode::exact ? exact : padded);
  }
  /// With logits of every token, or of those alone that have a label.
  [[nodiscard]] limbeck::token_batch<> tokens(limbeck::mask_mode mode, bool every_logit = false) const {
    return {.ids = window(ids),
            .types = window(types),
            .rows = rows(mode),
            .logit_tokens = every_logit ? limbeck::view<const std::int32_t, 1>{} : window(logit_tokens)};
  }
  template <limbeck::backend B = limbeck::cpu>
  [[nodiscard]] limbeck::targets<T, B> given() const {
    return {.labels = window<B>(labels), .scores = window<B>(scores)};
  }
  /// What losses are divided by.
  [[nodiscard]] limbeck::normaliser counts(limbeck::mask_mode mode, bool causal, limbeck::index classes) const {
    limbeck::normaliser per = limbeck::counts_of(rows(mode), causal, mode);
    per.rows = static_cast<double>(labels.size() + scores.size());
    per.elements = per.rows * static_cast<double>(classes);
    return per;
  }

 private:
  template <limbeck::backend B = limbeck::cpu, class U>
  static limbeck::view<const U, 1, B> window(const std::vector<U>& all) {
    return all.empty() ? limbeck::view<const U, 1, B>{} : limbeck::view<const U, 1, B>(all.data(), all.size());
  }
};

/// Student and teacher in type T, and the projections behind the student's parameters. E: who runs them. One of CUDA
/// has to see the host's memory as its own, as the shim does.
template <class Side, class T, class E = limbeck::cpu_executor<>>
struct golden_models {
  using model_type = typename Side::model_type;
  using executor_type = E;
  using place = limbeck::backend_of<E>;

  bool regression;
  model_type student, teacher;
  limbeck::parameter_table table;  ///< the student's, and "projection." with the names of the file
  limbeck::buffer<T> weights, gradient, teacher_weights;
  executor_type on;
  typename model_type::template pass<T, place> of_student, of_teacher;

  /// `prefix`: which projections are wanted.
  golden_models(const std::filesystem::path& folder, const std::string& prefix, const E& on = {})
      : regression(Side::regression(Side::config(folder / "student"))),
        student(Side::make(Side::config(folder / "student"))),
        teacher(Side::make(Side::config(folder / "teacher"))),
        table(student.parameters()),
        teacher_weights(teacher.parameters().size()),
        on(on),
        of_student(on),
        of_teacher(on) {
    const limbeck::tensor_source projections(folder / "projection.safetensors");
    for (const std::string& name : projections.names()) {
      if (!name.starts_with(prefix)) continue;
      const auto& shape = projections.at(name).shape;
      table.declare("projection." + name, shape[0], shape.size() > 1 ? shape[1] : 0,
                    shape.size() > 1 ? limbeck::initial::normal : limbeck::initial::zero);
    }
    weights = limbeck::buffer<T>(table.size());
    gradient = limbeck::buffer<T>(table.size());
    const auto config = Side::config(folder / "student");
    CHECK(limbeck::load_weights(folder / "student", config, table, weights.all()).unused.empty());
    CHECK(limbeck::load_weights(folder / "teacher", Side::config(folder / "teacher"), teacher.parameters(),
                                teacher_weights.all())
              .unused.empty());
    for (const auto& p : table.entries())
      if (p.name.starts_with("projection."))
        projections.read(p.name.substr(11), projections.at(p.name.substr(11)).shape, weights.data() + p.offset);
  }

  /// One of the projections; without a bias where the file has none.
  [[nodiscard]] limbeck::linear_projection<T, place> projection(const std::string& name) {
    using limbeck::view;
    const auto* const w = table.find("projection." + name + ".weight");
    const auto* const b = table.find("projection." + name + ".bias");
    REQUIRE(w != nullptr);
    limbeck::linear_projection<T, place> out;
    out.weight = view<const T, 2, place>(weights.data() + w->offset, w->rows, w->columns);
    out.weight_gradient = view<T, 2, place>(gradient.data() + w->offset, w->rows, w->columns);
    if (b != nullptr) {
      out.bias = view<const T, 1, place>(weights.data() + b->offset, b->rows);
      out.bias_gradient = view<T, 1, place>(gradient.data() + b->offset, b->rows);
    }
    return out;
  }
  /// A buffer as the executor sees it.
  [[nodiscard]] static limbeck::view<T, 1, place> all(limbeck::buffer<T>& of) {
    return limbeck::view<T, 1, place>(of.data(), of.count());
  }
  [[nodiscard]] static limbeck::view<const T, 1, place> seen(const limbeck::buffer<T>& of) {
    return limbeck::view<const T, 1, place>(of.data(), of.count());
  }
};

/// A term and its name in the files.
template <class T, class E = limbeck::cpu_executor<>>
struct golden_term {
  std::string name;
  double weight;
  limbeck::any_loss<E, T> loss;
};

/// The terms that `about` describes (layer map, temperature, weights) in one mask mode. `states`, `embeddings`: names
/// of the projections.
template <class Side, class T, class E>
std::vector<golden_term<T, E>> golden_terms(golden_models<Side, T, E>& models, const limbeck::json_value& about,
                                            limbeck::mask_mode mode, const std::string& states,
                                            const std::string& embeddings) {
  std::vector<golden_term<T, E>> all;
  const auto add = [&](const std::string& name, auto loss) {
    all.push_back({name, about.at("weights").required<double>(name.substr(0, name.find('_'))), std::move(loss)});
  };
  for (const auto& pair : about.at("layer_map_1based").elements()) {
    const auto layers = pair.as<std::vector<std::size_t>>();
    const limbeck::explicit_mapping map{{{.student = layers.at(0) - 1, .teacher = layers.at(1) - 1}}, true};
    const std::string number = std::to_string(layers.at(0));
    add("attn_" + number, limbeck::attention_mse{map, {.mask = mode}});
    add("hidden_" + number, limbeck::hidden_mse{map, models.projection(states), {.mask = mode}});
  }
  add("emb", limbeck::embedding_mse{models.projection(embeddings), {.mask = mode}});
  if (models.regression) {
    add("ce", limbeck::regression_mse{});
    add("kd", limbeck::logits_mse{});
  } else {
    add("ce", limbeck::cross_entropy{});
    add("kd", limbeck::soft_target_kl{.temperature = about.required<double>("temperature")});
  }
  return all;
}

/// The sum of factor(term) times each term, and its gradient in models.gradient.
template <class Side, class T, class E, class Factor>
double loss_and_gradient(golden_models<Side, T, E>& models, const std::vector<golden_term<T, E>>& terms,
                         const golden_batch<T>& batch, limbeck::mask_mode mode, Factor&& factor) {
  using B = limbeck::backend_of<E>;
  limbeck::signal_set reads = limbeck::signal::none;
  for (const auto& term : terms)
    if (factor(term) != 0) reads = reads | term.loss.reads;
  const auto tokens = batch.tokens(mode);
  const auto seen =
      models.student.forward(models.on, models.seen(models.weights), tokens, reads, {.keeps = true}, models.of_student);
  const auto shown = models.teacher.forward(models.on, models.seen(models.teacher_weights), tokens, reads,
                                            limbeck::inference, models.of_teacher);
  models.gradient.fill(0);
  limbeck::buffer<T> value(tokens.rows.extent(0));
  limbeck::sink<T, B> out{.value = models.all(value), .gradient = models.of_student.gradient};
  out.per = batch.counts(mode, Side::causal, seen.logits.extent(1));
  for (const auto& term : terms) {
    out.scale = factor(term);
    if (out.scale != 0) term.loss(models.on, seen, shown, batch.template given<B>(), out);
  }
  models.student.backward(models.on, models.seen(models.weights), models.of_student, models.all(models.gradient));
  double total = 0;
  for (limbeck::index i = 0; i < value.count(); ++i) total += static_cast<double>(value.data()[i]);
  return total;
}

}  // namespace limbeck_test
