// The terms of an objective that is put together at run time, and what they learn.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/attention_kl.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/contrastive.hpp"
#include "limbeck/losses/cosine.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/patience.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/relational.hpp"
#include "limbeck/losses/relations.hpp"
#include "limbeck/losses/scheduled.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/standardised_mse.hpp"
#include "limbeck/losses/term_weights.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/transformer_class.hpp"
#include "limbeck/training/sample_weighting.hpp"
#include "limbeck/training/term_kinds.hpp"
#include "limbeck/training/term_spec.hpp"

namespace limbeck {

/// One term with its name in records and its weight over the run. One that reads the data's labels has no business with
/// samples that only the teacher labels. `samples`: how much each counts.
template <launchable E, class T>
struct named_term {
  std::string name;
  any_schedule weight;
  any_loss<E, T> loss;
  bool reads_labels = false, reads_teacher = true;
  sample_weighting samples{};
};

/// What the terms are told of the models. Without a teacher its sizes are empty.
struct term_context {
  transformer_sizes student{};
  std::optional<transformer_sizes> teacher{};
  index classes = 2;
  bool regression = false;
  std::optional<double> top_k_temperature{};  ///< where the teacher's likeliest classes alone are kept, for it
  /// What divides losses of logits that need no label: rows, where a sample has several, as in language models.
  divisor of_logits = divisor::samples;
};

/// Builds terms from text in two steps: first what they learn is declared behind the student's parameters, then, when
/// the buffers are there, the terms look at them.
class term_builder {
 public:
  /// Throws contract_error, showing the text, for an unknown term, setting or value, for a term that needs a teacher
  /// where there is none, and for mappings, heads and widths that do not fit the models.
  term_builder(std::vector<term_spec> specs, term_context context, parameter_table& table)
      : context_(std::move(context)) {
    expects(!specs.empty(), "loss: an objective needs a term");
    std::map<std::string, int> seen;
    for (term_spec& s : specs) {
      term t{known_term(std::move(s)), {}, {}};
      t.name = t.says.name();
      if (const int times = seen[t.name]++; times > 0) t.name += "_" + std::to_string(times + 1);
      check(t.says);
      if (t.says.kind().find("projection") != nullptr) declare_projection(t.says, table);
      if (t.says.learns_weight()) t.log_variance = table.declare("log_variance." + t.name, 1, 0, initial::zero);
      terms_.push_back(std::move(t));
    }
    check_sharing();
  }

  /// The terms over `weights` and `gradients`, laid out by the table that the constructor was given.
  template <launchable E, class T>
  [[nodiscard]] std::vector<named_term<E, T>> build(view<const T, 1> weights, view<T, 1> gradients) const {
    std::vector<named_term<E, T>> built;
    for (const term& t : terms_) {
      const any_schedule weight = t.log_variance ? any_schedule{} : t.says.schedule("weight");
      any_loss<E, T> loss = loss_of<E, T>(t.says, weights, gradients);
      if (t.log_variance)
        loss = uncertainty_weighted(t.log_variance->vector(weights), t.log_variance->vector(gradients), 1 * loss);
      built.push_back(
          {t.name, weight, std::move(loss), t.says.kind().reads_labels(), reads_teacher(t.says), t.says.samples()});
    }
    return built;
  }

  /// The layers that each term of layers compares, by its name in records; those of the first epoch where each draws
  /// anew. Learned choices look at all that their mapping shows.
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<layer_pair>>> layer_pairs() const;
  /// Whether a term's samples are shared (sample_sharing).
  [[nodiscard]] bool shares_samples() const {
    return std::any_of(terms_.begin(), terms_.end(), [](const term& t) { return t.says.samples().shared(); });
  }

  [[nodiscard]] static std::string known_terms() { return names_of_terms(); }

 private:
  struct projection_slots {
    slot weight;
    std::optional<slot> bias;
  };
  struct term {
    known_term says;
    std::string name;                  ///< in records
    std::optional<slot> log_variance;  ///< of a weight that is learned
  };

  /// use(divergence) of a term that compares softened class scores; `otherwise` for any other term.
  template <class Result, class Use>
  [[nodiscard]] static Result with_divergence(const known_term& t, const Use& use, Result otherwise);

  [[nodiscard]] static bool reads_teacher(const known_term& t) {
    return t.kind().reads_teacher() || t.samples().weighs();
  }

  void check(const known_term& t) const;
  void check_task(const known_term& t) const;
  void check_sharing() const;
  void check_layers(const known_term& t) const;
  void check_heads(const known_term& t) const;
  void check_vectors(const known_term& t) const;
  void check_top_k(const known_term& t, double kept) const;
  void declare_projection(const known_term& t, parameter_table& table);
  [[nodiscard]] std::string projection_kind(const known_term& t) const {
    if (t.names("projection")) return t.word("projection");
    return context_.teacher->width == context_.student.width ? "none" : "linear";
  }
  [[nodiscard]] static std::string projection_name(const known_term& t) { return "projection." + t.word("shared"); }

  template <class E, class T>
  [[nodiscard]] any_loss<E, T> loss_of(const known_term& t, view<const T, 1> weights, view<T, 1> gradients) const;
  template <class E, class T>
  [[nodiscard]] any_loss<E, T> logits_loss(const known_term& t) const;
  template <class E, class T>
  [[nodiscard]] any_loss<E, T> attention_loss(const known_term& t) const;
  template <class E, class T>
  [[nodiscard]] any_loss<E, T> state_loss(const known_term& t, view<const T, 1> weights, view<T, 1> gradients) const;
  template <class E, class T>
  [[nodiscard]] static any_loss<E, T> vector_loss(const known_term& t);

  [[noreturn]] static void no_loss(const known_term& t) {
    throw contract_error("loss: " + t.name() + " is in the table of terms and has no loss");
  }

  /// A loss whose temperature is the term's.
  template <class E, class T, class Loss>
  [[nodiscard]] static any_loss<E, T> softened(const known_term& t, Loss loss) {
    return scheduled_temperature<any_schedule, Loss>(t.schedule("temperature"), std::move(loss));
  }
  /// A loss on layers, whose mapping each epoch may draw anew.
  template <class E, class T, class Loss>
  [[nodiscard]] static any_loss<E, T> mapped(Loss loss) {
    if (loss.map.per_epoch) return redrawn<Loss>(std::move(loss));
    return loss;
  }
  /// make(projection) with the one that the term learns, or none.
  template <class E, class T, class Make>
  [[nodiscard]] any_loss<E, T> projected(const known_term& t, view<const T, 1> weights, view<T, 1> gradients,
                                         const Make& make) const;

  std::vector<term> terms_;
  term_context context_;
  std::map<std::string, projection_slots> projections_;
};

template <class Result, class Use>
Result term_builder::with_divergence(const known_term& t, const Use& use, Result otherwise) {
  const std::string& name = t.name();
  if (name == "soft_target_kl") return use(forward_kl{});
  if (name == "soft_target_reverse_kl") return use(reverse_kl{});
  if (name == "soft_cross_entropy") return use(soft_label_cross_entropy{});
  if (name == "jensen_shannon") return use(jensen_shannon{.beta = t.number("beta")});
  if (name == "scaled_jensen_shannon") return use(scaled_jensen_shannon{.beta = t.number("beta")});
  if (name == "skew_kl") return use(skew_kl{.skew = t.number("skew")});
  if (name == "skew_reverse_kl") return use(skew_reverse_kl{.skew = t.number("skew")});
  if (name == "total_variation") return use(total_variation{});
  if (name == "squared_hellinger") return use(squared_hellinger{});
  if (name == "alpha_beta") return use(alpha_beta{.alpha = t.number("alpha"), .beta = t.number("beta")});
  return otherwise;
}

inline void term_builder::check(const known_term& t) const {
  expects(context_.teacher || !reads_teacher(t), [&] { return message("loss: ", t.text(), " needs a teacher"); });
  check_task(t);
  const auto checked = [](const auto& divergence) {
    if constexpr (requires { divergence.check(); }) divergence.check();
    return true;
  };
  (void)t.shown([&] { return with_divergence(t, checked, false); });
  if (t.kind().of_layers()) check_layers(t);
  check_heads(t);
  if (t.kind().subject == term_subject::vectors) check_vectors(t);
  if (context_.top_k_temperature) check_top_k(t, *context_.top_k_temperature);
  const bool widths_agree = !context_.teacher || context_.student.width == context_.teacher->width;
  expects(widths_agree || (t.name() != "patience" && t.name() != "info_nce"), [&] {
    return message("loss: ", t.text(), ": the widths must agree, student ", context_.student.width, ", teacher ",
                   context_.teacher->width);
  });
}

inline void term_builder::check_task(const known_term& t) const {
  const bool of_classes = t.kind().subject == term_subject::classes || t.kind().subject == term_subject::labels;
  expects(!(of_classes && context_.regression), [&] {
    return message("loss: ", t.text(),
                   " compares classes, the task is a regression; take logits_mse and "
                   "regression_mse");
  });
  expects(t.kind().subject != term_subject::scores || context_.regression,
          [&] { return message("loss: ", t.text(), " compares scores, the task has classes; take cross_entropy"); });
  const bool weighs_samples = t.samples().weighs() || t.samples().shared();
  expects(!weighs_samples || context_.of_logits == divisor::samples, [&] {
    return message("loss: ", t.text(), ": samples are weighed by what the teacher makes of each, not of each token");
  });
  expects(!t.samples().weighs() || !context_.regression, [&] {
    return message("loss: ", t.text(),
                   ": samples are weighed by what the teacher makes of classes, the task is a "
                   "regression");
  });
}

inline void term_builder::check_sharing() const {
  const term* some[2]{};  // of the label, of the teacher
  for (const term& t : terms_) {
    if (!t.says.samples().shared()) continue;
    const bool of_teacher = t.says.samples().by == sample_weighting::rule::rw_kd;
    some[of_teacher ? 1 : 0] = &t;
    const term_subject subject = t.says.kind().subject;
    const bool of_label = subject == term_subject::labels || subject == term_subject::scores,
               of_outputs = subject == term_subject::classes || subject == term_subject::outputs;
    expects(of_teacher ? of_outputs && t.says.name() != "dist_kd" : of_label, [&] {
      return message("loss: ", t.says.text(),
                     ": samples=rw_kd is for terms that compare a sample's class scores with the teacher's, rw_kd_rest "
                     "for those that read labels alone");
    });
    expects(!t.says.learns_weight(),
            [&] { return message("loss: ", t.says.text(), ": a weight cannot be learned where samples are shared"); });
  }
  expects((some[0] == nullptr) == (some[1] == nullptr), [&] {
    return message("loss: ", (some[0] != nullptr ? some[0] : some[1])->says.text(),
                   ": needs a term with samples=", some[0] != nullptr ? "rw_kd" : "rw_kd_rest", " beside it");
  });
}

inline void term_builder::check_layers(const known_term& t) const {
  t.shown([&] {
    t.mapping()(
        depths{static_cast<std::size_t>(context_.student.layers), static_cast<std::size_t>(context_.teacher->layers)},
        [](layer_pair) {});
  });
}

inline std::vector<std::pair<std::string, std::vector<layer_pair>>> term_builder::layer_pairs() const {
  std::vector<std::pair<std::string, std::vector<layer_pair>>> all;
  if (!context_.teacher) return all;
  const auto mine = static_cast<std::size_t>(context_.student.layers),
             theirs = static_cast<std::size_t>(context_.teacher->layers);
  for (const term& t : terms_) {
    if (t.says.kind().subject == term_subject::vectors) {
      const auto layer = [&](const char* key, std::size_t layers) {
        const index named = t.says.layer(key);
        return named == last_layer ? layers - 1 : static_cast<std::size_t>(named);
      };
      all.push_back({t.name, {{layer("student_layer", mine), layer("teacher_layer", theirs)}}});
    } else if (t.says.kind().of_layers()) {
      all.push_back({t.name, {}});
      drawn_in(t.says.mapping(), 0)({mine, theirs}, [&](layer_pair p) { all.back().second.push_back(p); });
    }
  }
  return all;
}

inline void term_builder::check_heads(const known_term& t) const {
  if (t.kind().subject != term_subject::maps && t.kind().subject != term_subject::relations) return;
  const auto &student = context_.student, &teacher = *context_.teacher;
  const bool may_differ = t.name() == "minilm_relations" || (t.kind().find("heads") && t.word("heads") == "mean");
  expects(student.heads == teacher.heads || may_differ, [&] {
    return message("loss: ", t.text(), ": ", student.heads, " heads of the student, ", teacher.heads,
                   " of the teacher");
  });
  if (t.name() != "minilm_relations") return;
  t.shown(
      [&] { detail::expects_widths("heads", detail::relation_heads{t.whole("heads")}, student.width, teacher.width); });
  expects(t.number("queries") + t.number("keys") + t.number("values") > 0,
          [&] { return message("loss: ", t.text(), ": nothing is compared where queries, keys and values weigh 0"); });
}

inline void term_builder::check_vectors(const known_term& t) const {
  const auto expects_layer = [&](const char* key, const char* whose, index layers) {
    expects(t.layer(key) < layers, [&] {
      return message("loss: ", t.text(), ": ", key, "=", t.layer(key), ", the ", whose, " has ", layers,
                     " layers, from 0");
    });
  };
  expects_layer("student_layer", "student", context_.student.layers);
  expects_layer("teacher_layer", "teacher", context_.teacher->layers);
}

inline void term_builder::check_top_k(const known_term& t, double kept) const {
  expects(t.samples().by == sample_weighting::rule::all, [&] {
    return message("loss: ", t.text(), ": samples are weighed by all classes, the teacher's likeliest are kept");
  });
  if (t.kind().subject != term_subject::classes && t.kind().subject != term_subject::outputs) return;
  expects(t.name() == "soft_target_kl", [&] {
    return message("loss: ", t.text(), " reads all classes, the teacher's likeliest are kept; take soft_target_kl");
  });
  const any_schedule temperature = t.schedule("temperature");
  expects(temperature.kind == schedule_kind::constant && temperature.from == kept, [&] {
    return message("loss: ", t.text(), ": temperature ", t.word("temperature"),
                   ", the teacher's likeliest classes are kept for temperature ", kept);
  });
}

inline void term_builder::declare_projection(const known_term& t, parameter_table& table) {
  const std::string kind = projection_kind(t), name = projection_name(t);
  const index from = context_.student.width, to = context_.teacher->width;
  expects(kind != "none" || from == to, [&] {
    return message("loss: ", t.text(), ": without a projection the widths must agree, student ", from, ", teacher ",
                   to);
  });
  expects(kind != "none" || !t.names("shared"),
          [&] { return message("loss: ", t.text(), ": shared names a projection, but there is none"); });
  if (kind == "none") return;
  if (const auto found = projections_.find(name); found != projections_.end()) {
    expects(found->second.bias.has_value() == (kind == "linear_bias"),
            [&] { return message("loss: ", t.text(), ": the shared projection has another form elsewhere"); });
    return;
  }
  projection_slots slots{table.declare(name + ".weight", to, from), {}};
  if (kind == "linear_bias") slots.bias = table.declare(name + ".bias", to, 0, initial::zero);
  projections_.emplace(name, slots);
}

template <class E, class T, class Make>
any_loss<E, T> term_builder::projected(const known_term& t, view<const T, 1> weights, view<T, 1> gradients,
                                       const Make& make) const {
  if (projection_kind(t) == "none") return make(no_projection{});
  const projection_slots& at = projections_.at(projection_name(t));
  linear_projection<T> projection{at.weight.matrix(weights), {}, at.weight.matrix(gradients), {}};
  if (at.bias) {
    projection.bias = at.bias->vector(weights);
    projection.bias_gradient = at.bias->vector(gradients);
  }
  return make(projection);
}

template <class E, class T>
any_loss<E, T> term_builder::loss_of(const known_term& t, view<const T, 1> weights, view<T, 1> gradients) const {
  switch (t.kind().subject) {
    case term_subject::maps:
    case term_subject::relations: return attention_loss<E, T>(t);
    case term_subject::states:
    case term_subject::embeddings: return state_loss<E, T>(t, weights, gradients);
    case term_subject::vectors: return vector_loss<E, T>(t);
    default: return logits_loss<E, T>(t);
  }
}

// Every sample has a teacher's opinion, not every one a label: the two are counted apart.
template <class E, class T>
any_loss<E, T> term_builder::logits_loss(const known_term& t) const {
  const std::string& name = t.name();
  const auto divergent = [&](const auto& divergence) {
    if constexpr (std::is_same_v<std::decay_t<decltype(divergence)>, forward_kl>)
      if (context_.top_k_temperature)
        return std::optional<any_loss<E, T>>(top_k_kl{
            .temperature = *context_.top_k_temperature, .t_squared = t.flag("t_squared"), .over = context_.of_logits});
    return std::optional<any_loss<E, T>>(
        softened<E, T>(t, soft_target<std::decay_t<decltype(divergence)>>{
                              .t_squared = t.flag("t_squared"), .over = context_.of_logits, .divergence = divergence}));
  };
  if (auto loss = with_divergence(t, divergent, std::optional<any_loss<E, T>>())) return *loss;
  if (name == "decoupled_kd")
    return softened<E, T>(
        t, decoupled_kd{.alpha = t.number("alpha"), .beta = t.number("beta"), .t_squared = t.flag("t_squared")});
  if (name == "normalised_kd") return softened<E, T>(t, normalised_kd{.gamma = t.number("gamma")});
  if (name == "dist_kd")
    return softened<E, T>(t, dist_kd{.beta = t.number("beta"),
                                     .gamma = t.number("gamma"),
                                     .t_squared = t.flag("t_squared"),
                                     .over = context_.of_logits});
  if (name == "logits_mse") return softened<E, T>(t, logits_mse{.over = divisor::elements});
  if (name == "standardised_logits_mse") return standardised_logits_mse{.over = divisor::elements};
  if (name == "annealing_kd")
    return annealing_kd{.most_temperature = t.number("most_temperature"), .over = divisor::elements};
  if (name == "regression_mse") return regression_mse{.over = divisor::rows};
  if (name == "cross_entropy")
    return cross_entropy{
        .label_smoothing = t.number("label_smoothing"), .ignore_index = no_label, .over = divisor::rows};
  no_loss(t);
}

template <class E, class T>
any_loss<E, T> term_builder::attention_loss(const known_term& t) const {
  const any_mapping map = t.mapping();
  if (t.name() == "value_relation")
    return mapped<E, T>(value_relation<any_mapping>(map, {.heads = context_.student.heads}));
  if (t.name() == "minilm_relations")
    return mapped<E, T>(minilm_relations<any_mapping>(
        map, {.heads = t.whole("heads"),
              .weights = {.queries = t.number("queries"), .keys = t.number("keys"), .values = t.number("values")}}));
  const attention_map of = t.word("of") == "scores" ? attention_map::scores : attention_map::probabilities;
  const head_match heads = t.word("heads") == "mean" ? head_match::mean : head_match::same;
  if (t.name() == "attention_mse") return mapped<E, T>(attention_mse<any_mapping>(map, {.of = of, .heads = heads}));
  if (t.name() != "attention_kl") no_loss(t);
  const row_divergence measure = t.word("measure") == "kl" ? row_divergence::kl : row_divergence::cross_entropy;
  return mapped<E, T>(attention_kl<any_mapping>(map, {.of = of, .measure = measure, .heads = heads}));
}

template <class E, class T>
any_loss<E, T> term_builder::state_loss(const known_term& t, view<const T, 1> weights, view<T, 1> gradients) const {
  const auto with = [&](const auto& make) { return projected<E, T>(t, weights, gradients, make); };
  if (t.name() == "embedding_mse") return with([](const auto& p) -> any_loss<E, T> { return embedding_mse{p}; });
  const any_mapping map = t.mapping();
  if (t.name() == "patience")
    return mapped<E, T>(patience<any_mapping>(map, t.word("scale") == "sum"       ? patience_scale::sum
                                                   : t.word("scale") == "samples" ? patience_scale::samples
                                                                                  : patience_scale::mean_element));
  if (t.name() == "cosine_loss") return with([&](const auto& p) { return mapped<E, T>(cosine_loss{map, p}); });
  if (t.name() == "hidden_mse") return with([&](const auto& p) { return mapped<E, T>(hidden_mse{map, p}); });
  if (t.name() != "alp_kd") no_loss(t);
  const bool first = t.word("tokens") == "first";
  const alp_kd_options options{.scale = t.number("scale"),
                               .attention_grad = t.flag("attention_grad"),
                               .tokens = first ? token_choice::first : token_choice::every,
                               .over = first ? divisor::samples : divisor::tokens};
  return with([&](const auto& p) { return mapped<E, T>(alp_kd{map, p, options}); });
}

template <class E, class T>
any_loss<E, T> term_builder::vector_loss(const known_term& t) {
  const sample_vectors of{
      t.word("pooling") == "first_token" ? token_pooling::first_token : token_pooling::mean_of_tokens,
      t.layer("student_layer"), t.layer("teacher_layer")};
  if (t.name() == "relational_distance") return relational_distance{.of = of, .delta = t.number("delta")};
  if (t.name() == "relational_angle") return relational_angle{.of = of, .delta = t.number("delta")};
  if (t.name() != "info_nce") no_loss(t);
  return softened<E, T>(t, info_nce{.of = of, .symmetric = t.flag("symmetric")});
}

}  // namespace limbeck
