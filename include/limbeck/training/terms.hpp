// The terms of an objective that is put together at run time, and what they learn.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/transformer_class.hpp"
#include "limbeck/training/term_spec.hpp"

namespace limbeck {

/// One term with its name in records, its weight over the run, and whether it reads the data's labels (then samples
/// that only the teacher labels are no business of it), and the teacher.
template <launchable E, class T>
struct named_term {
  std::string name;
  any_schedule weight;
  any_loss<E, T> loss;
  bool reads_labels = false, reads_teacher = true;
};

/// What the terms are told of the models. Without a teacher its sizes are empty.
struct term_context {
  transformer_sizes student{};
  std::optional<transformer_sizes> teacher{};
  index classes = 2;
  bool regression = false;
  std::optional<double> top_k_temperature{};  ///< of a teacher that is known by its likeliest classes at it
};

/// Builds terms from text in two steps: first what they learn is declared behind the student's parameters, then, when
/// the buffers are there, the terms look at them.
class term_builder {
 public:
  /// Throws contract_error, showing the text, for an unknown term, setting or value, for a term that needs a teacher
  /// where there is none, and for mappings, heads and widths that do not fit the models.
  term_builder(std::vector<term_spec> specs, term_context context, parameter_table& table)
      : specs_(std::move(specs)), context_(std::move(context)) {
    expects(!specs_.empty(), "loss: an objective needs a term");
    for (const term_spec& s : specs_) check(s, table);
  }

  /// The terms over `weights` and `gradients`, laid out by the table that the constructor was given.
  template <launchable E, class T>
  [[nodiscard]] std::vector<named_term<E, T>> build(view<const T, 1> weights, view<T, 1> gradients) const {
    std::vector<named_term<E, T>> terms;
    std::map<std::string, int> seen;
    for (const term_spec& s : specs_) {
      std::string name = s.name();
      if (const int times = seen[name]++; times > 0) name += "_" + std::to_string(times + 1);
      terms.push_back(
          {name, s.schedule("weight", 1), loss_of<E, T>(s, weights, gradients), reads_labels(s), reads_teacher(s)});
    }
    return terms;
  }

  [[nodiscard]] static std::string known_terms() {
    return "soft_target_kl, soft_target_reverse_kl, jensen_shannon, scaled_jensen_shannon, skew_kl, skew_reverse_kl, "
           "total_variation, squared_hellinger, alpha_beta, decoupled_kd, normalised_kd, logits_mse, cross_entropy, "
           "regression_mse, attention_mse, "
           "hidden_mse, embedding_mse";
  }

 private:
  struct projection_slots {
    slot weight;
    std::optional<slot> bias;
  };

  /// use(divergence) of a term that compares softened class scores; `otherwise` for any other term.
  template <class Result, class Use>
  [[nodiscard]] static Result with_divergence(const term_spec& s, const Use& use, Result otherwise);

  [[nodiscard]] static bool reads_labels(const term_spec& s) {
    return !reads_teacher(s) || s.name() == "decoupled_kd" || s.name() == "normalised_kd";
  }
  [[nodiscard]] static bool reads_teacher(const term_spec& s) {
    return s.name() != "cross_entropy" && s.name() != "regression_mse";
  }
  [[nodiscard]] static bool is_state(const term_spec& s) {
    return s.name() == "hidden_mse" || s.name() == "embedding_mse";
  }

  void check(const term_spec& s, parameter_table& table);
  void check_layers(const term_spec& s) const;
  void check_top_k(const term_spec& s) const;
  void declare_projection(const term_spec& s, parameter_table& table);
  [[nodiscard]] std::string projection_kind(const term_spec& s) const {
    const bool same = context_.teacher && context_.teacher->width == context_.student.width;
    return s.choice("projection", {"none", "linear", "linear_bias"}, same ? "none" : "linear");
  }
  [[nodiscard]] static std::string projection_name(const term_spec& s) {
    return "projection." + s.value("shared", s.name() == "embedding_mse" ? "embeddings" : "hidden");
  }

  template <class E, class T>
  [[nodiscard]] any_loss<E, T> loss_of(const term_spec& s, view<const T, 1> weights, view<T, 1> gradients) const;
  template <class E, class T>
  [[nodiscard]] any_loss<E, T> state_loss(const term_spec& s, view<const T, 1> weights, view<T, 1> gradients) const;

  std::vector<term_spec> specs_;
  term_context context_;
  std::map<std::string, projection_slots> projections_;
};

template <class Result, class Use>
Result term_builder::with_divergence(const term_spec& s, const Use& use, Result otherwise) {
  const std::string& name = s.name();
  if (name == "soft_target_kl") return use(forward_kl{});
  if (name == "soft_target_reverse_kl") return use(reverse_kl{});
  if (name == "jensen_shannon") return use(jensen_shannon{.beta = s.number("beta", 0.5)});
  if (name == "scaled_jensen_shannon") return use(scaled_jensen_shannon{.beta = s.number("beta", 0.5)});
  if (name == "skew_kl") return use(skew_kl{.skew = s.number("skew", 0.1)});
  if (name == "skew_reverse_kl") return use(skew_reverse_kl{.skew = s.number("skew", 0.1)});
  if (name == "total_variation") return use(total_variation{});
  if (name == "squared_hellinger") return use(squared_hellinger{});
  if (name == "alpha_beta") return use(alpha_beta{.alpha = s.number("alpha", 0.5), .beta = s.number("beta", 0.5)});
  return otherwise;
}

inline void term_builder::check(const term_spec& s, parameter_table& table) {
  const std::map<std::string, std::set<std::string>> settings{
      {"soft_target_kl", {"weight", "temperature", "t_squared"}},
      {"soft_target_reverse_kl", {"weight", "temperature", "t_squared"}},
      {"jensen_shannon", {"weight", "temperature", "t_squared", "beta"}},
      {"scaled_jensen_shannon", {"weight", "temperature", "t_squared", "beta"}},
      {"skew_kl", {"weight", "temperature", "t_squared", "skew"}},
      {"skew_reverse_kl", {"weight", "temperature", "t_squared", "skew"}},
      {"total_variation", {"weight", "temperature", "t_squared"}},
      {"squared_hellinger", {"weight", "temperature", "t_squared"}},
      {"alpha_beta", {"weight", "temperature", "t_squared", "alpha", "beta"}},
      {"decoupled_kd", {"weight", "temperature", "t_squared", "alpha", "beta"}},
      {"normalised_kd", {"weight", "temperature", "gamma"}},
      {"logits_mse", {"weight", "temperature"}},
      {"cross_entropy", {"weight", "label_smoothing"}},
      {"regression_mse", {"weight"}},
      {"attention_mse", {"weight", "mapping", "of"}},
      {"hidden_mse", {"weight", "mapping", "projection", "shared"}},
      {"embedding_mse", {"weight", "projection", "shared"}}};
  const auto known = settings.find(s.name());
  expects(known != settings.end(),
          [&] { return message("loss: unknown term ", s.name(), ", expected one of ", known_terms()); });
  s.allow(known->second);
  expects(context_.teacher || !reads_teacher(s), [&] { return message("loss: ", s.text(), " needs a teacher"); });
  const auto checked = [](const auto& divergence) {
    if constexpr (requires { divergence.check(); }) divergence.check();
    return true;
  };
  const bool of_classes = with_divergence(s, checked, false) || (reads_labels(s) && s.name() != "regression_mse");
  expects(!(of_classes && context_.regression), [&] {
    return message("loss: ", s.text(),
                   " compares classes, the task is a regression; take logits_mse and "
                   "regression_mse");
  });
  expects(!(s.name() == "regression_mse" && !context_.regression),
          [&] { return message("loss: ", s.text(), " compares scores, the task has classes; take cross_entropy"); });
  if (s.name() == "attention_mse" || s.name() == "hidden_mse") check_layers(s);
  if (is_state(s)) declare_projection(s, table);
  if (context_.top_k_temperature) check_top_k(s);
  (void)s.schedule("weight", 1);
  (void)s.flag("t_squared", true);
  if (s.name() == "attention_mse") (void)s.choice("of", {"scores", "probabilities"}, "scores");
  expects(s.number("temperature", 1) > 0,
          [&] { return message("loss: ", s.text(), ": the temperature must be positive"); });
  const double smoothing = s.number("label_smoothing", 0);
  expects(smoothing >= 0 && smoothing <= 1,
          [&] { return message("loss: ", s.text(), ": label_smoothing must be in 0 .. 1"); });
}

inline void term_builder::check_layers(const term_spec& s) const {
  const auto &student = context_.student, &teacher = *context_.teacher;
  parse_mapping(s.value("mapping", "uniform"))(
      depths{static_cast<std::size_t>(student.layers), static_cast<std::size_t>(teacher.layers)}, [](layer_pair) {});
  expects(s.name() != "attention_mse" || student.heads == teacher.heads, [&] {
    return message("loss: ", s.text(), ": ", student.heads, " heads of the student, ", teacher.heads,
                   " of the teacher");
  });
}

inline void term_builder::check_top_k(const term_spec& s) const {
  const double kept = *context_.top_k_temperature;
  const bool of_logits = reads_teacher(s) && !is_state(s) && s.name() != "attention_mse";
  expects(!of_logits || s.name() == "soft_target_kl", [&] {
    return message("loss: ", s.text(), " reads all classes, the teacher's likeliest are kept; take soft_target_kl");
  });
  expects(!of_logits || s.number("temperature", 1) == kept, [&] {
    return message("loss: ", s.text(), ": temperature ", s.number("temperature", 1),
                   ", the teacher's likeliest classes are kept for temperature ", kept);
  });
}

inline void term_builder::declare_projection(const term_spec& s, parameter_table& table) {
  const std::string kind = projection_kind(s), name = projection_name(s);
  const index from = context_.student.width, to = context_.teacher->width;
  expects(kind != "none" || from == to, [&] {
    return message("loss: ", s.text(), ": without a projection the widths must agree, student ", from, ", teacher ",
                   to);
  });
  expects(kind != "none" || s.value("shared", "").empty(),
          [&] { return message("loss: ", s.text(), ": shared names a projection, but there is none"); });
  if (kind == "none") return;
  if (const auto found = projections_.find(name); found != projections_.end()) {
    expects(found->second.bias.has_value() == (kind == "linear_bias"),
            [&] { return message("loss: ", s.text(), ": the shared projection has another form elsewhere"); });
    return;
  }
  projection_slots slots{table.declare(name + ".weight", to, from), {}};
  if (kind == "linear_bias") slots.bias = table.declare(name + ".bias", to, 0, initial::zero);
  projections_.emplace(name, slots);
}

template <class E, class T>
any_loss<E, T> term_builder::state_loss(const term_spec& s, view<const T, 1> weights, view<T, 1> gradients) const {
  const any_mapping map = parse_mapping(s.value("mapping", "uniform"));
  const bool layers = s.name() == "hidden_mse";
  if (projection_kind(s) == "none") {
    if (layers) return hidden_mse{map};
    return embedding_mse{};
  }
  const projection_slots& at = projections_.at(projection_name(s));
  linear_projection<T> projection{at.weight.matrix(weights), {}, at.weight.matrix(gradients), {}};
  if (at.bias) {
    projection.bias = at.bias->vector(weights);
    projection.bias_gradient = at.bias->vector(gradients);
  }
  if (layers) return hidden_mse{map, projection};
  return embedding_mse{projection};
}

template <class E, class T>
any_loss<E, T> term_builder::loss_of(const term_spec& s, view<const T, 1> weights, view<T, 1> gradients) const {
  const std::string& name = s.name();
  const double temperature = s.number("temperature", 1);
  // Every sample has a teacher's opinion, not every one a label: the two are counted apart.
  const auto softened = [&](const auto& divergence) {
    if constexpr (std::is_same_v<std::decay_t<decltype(divergence)>, forward_kl>)
      if (context_.top_k_temperature)
        return std::optional<any_loss<E, T>>(
            top_k_kl{.temperature = temperature, .t_squared = s.flag("t_squared", true), .over = divisor::samples});
    return std::optional<any_loss<E, T>>(
        soft_target<std::decay_t<decltype(divergence)>>{.temperature = temperature,
                                                        .t_squared = s.flag("t_squared", true),
                                                        .over = divisor::samples,
                                                        .divergence = divergence});
  };
  if (auto loss = with_divergence(s, softened, std::optional<any_loss<E, T>>())) return *loss;
  if (name == "decoupled_kd")
    return decoupled_kd{.temperature = s.number("temperature", 4),
                        .alpha = s.number("alpha", 1),
                        .beta = s.number("beta", 8),
                        .t_squared = s.flag("t_squared", true)};
  if (name == "normalised_kd") return normalised_kd{.temperature = temperature, .gamma = s.number("gamma", 1.5)};
  if (name == "logits_mse") return logits_mse{.temperature = temperature, .over = divisor::elements};
  if (name == "cross_entropy")
    return cross_entropy{
        .label_smoothing = s.number("label_smoothing", 0), .ignore_index = -100, .over = divisor::rows};
  if (name == "regression_mse") return regression_mse{.over = divisor::rows};
  if (name == "attention_mse")
    return attention_mse{
        parse_mapping(s.value("mapping", "uniform")),
        {.of = s.choice("of", {"scores", "probabilities"}, "scores") == "scores" ? attention_map::scores
                                                                                 : attention_map::probabilities}};
  return state_loss<E, T>(s, weights, gradients);
}

}  // namespace limbeck
