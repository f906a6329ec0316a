// The terms that text can name: what each compares, its settings, and what those may be.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/losses/sample_vectors.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/training/sample_weighting.hpp"
#include "limbeck/training/term_spec.hpp"

namespace limbeck {

/// What the text of a setting must be.
enum class setting_form {
  number,
  positive,           ///< a number above 0
  not_negative,       ///< a number, 0 or more
  share,              ///< a number from 0 to 1
  whole,              ///< a whole number, 1 or more
  flag,               ///< true or false
  positive_schedule,  ///< a number above 0, or a schedule of such
  weight,             ///< a number, a schedule, or `learned`
  samples,            ///< a sample_weighting
  mapping,
  layer,   ///< `last`, or a layer from 0
  choice,  ///< one of some words
  name,    ///< anything but nothing
};

struct term_setting {
  std::string key, otherwise;  ///< otherwise: where the text names no value; empty: it depends on the models
  setting_form form;
  std::vector<std::string> words{};  ///< of a choice
};

/// What a term compares, which says what it needs of task and models.
enum class term_subject {
  classes,    ///< the distributions over classes that two models give
  outputs,    ///< class scores, or a regressor's numbers
  labels,     ///< class scores with the data's labels
  scores,     ///< a regressor's numbers with the data's
  maps,       ///< attention maps of mapped layers
  relations,  ///< queries, keys or values of mapped layers
  states,     ///< hidden states of mapped layers
  embeddings,
  vectors,  ///< one vector for each sample of the batch
};

/// A term that text can name.
struct term_kind {
  std::string name;
  term_subject subject;
  std::vector<term_setting> settings;
  bool looks_at_labels = false;  ///< beside the teacher

  [[nodiscard]] bool reads_teacher() const {
    return subject != term_subject::labels && subject != term_subject::scores;
  }
  [[nodiscard]] bool reads_labels() const { return looks_at_labels || !reads_teacher(); }
  [[nodiscard]] bool of_layers() const {
    return subject == term_subject::maps || subject == term_subject::relations || subject == term_subject::states;
  }
  /// Null where it has no such setting.
  [[nodiscard]] const term_setting* find(std::string_view key) const {
    for (const term_setting& s : settings)
      if (s.key == key) return &s;
    return nullptr;
  }
};

namespace detail {

[[nodiscard]] inline std::vector<term_kind> all_term_kinds() {
  using enum setting_form;
  using enum term_subject;
  const term_setting temperature{"temperature", "1", positive_schedule}, squared{"t_squared", "true", flag};
  const term_setting uniform{"mapping", "uniform", mapping}, top{"mapping", "top", mapping};
  const term_setting projection{"projection", "", choice, {"none", "linear", "linear_bias"}};
  const term_setting heads{"heads", "same", choice, {"same", "mean"}};
  const term_setting map{"of", "scores", choice, {"scores", "probabilities"}};
  const term_setting pooling{"pooling", "first_token", choice, {"first_token", "mean_of_tokens"}};
  const term_setting mine{"student_layer", "last", layer}, theirs{"teacher_layer", "last", layer};
  const term_setting delta{"delta", "1", positive};
  const auto shared = [](const char* name_of_kind) { return term_setting{"shared", name_of_kind, name}; };
  std::vector<term_kind> kinds{
      {"soft_target_kl", classes, {temperature, squared}},
      {"soft_target_reverse_kl", classes, {temperature, squared}},
      {"soft_cross_entropy", classes, {temperature, squared}},
      {"jensen_shannon", classes, {temperature, squared, {"beta", "0.5", number}}},
      {"scaled_jensen_shannon", classes, {temperature, squared, {"beta", "0.5", number}}},
      {"skew_kl", classes, {temperature, squared, {"skew", "0.1", number}}},
      {"skew_reverse_kl", classes, {temperature, squared, {"skew", "0.1", number}}},
      {"total_variation", classes, {temperature, squared}},
      {"squared_hellinger", classes, {temperature, squared}},
      {"alpha_beta", classes, {temperature, squared, {"alpha", "0.5", number}, {"beta", "0.5", number}}},
      {"decoupled_kd",
       classes,
       {{"temperature", "4", positive_schedule}, squared, {"alpha", "1", number}, {"beta", "8", number}},
       true},
      {"normalised_kd", classes, {temperature, {"gamma", "1.5", number}}, true},
      {"dist_kd", classes, {temperature, squared, {"beta", "1", number}, {"gamma", "1", number}}},
      {"logits_mse", outputs, {temperature}},
      {"standardised_logits_mse", classes, {}},
      {"annealing_kd", outputs, {{"most_temperature", "10", whole}}},
      {"cross_entropy", labels, {{"label_smoothing", "0", share}}},
      {"regression_mse", scores, {}},
      {"attention_mse", maps, {uniform, map, heads}},
      {"attention_kl", maps, {uniform, map, heads, {"measure", "kl", choice, {"kl", "cross_entropy"}}}},
      {"value_relation", relations, {top}},
      {"minilm_relations",
       relations,
       {top,
        {"heads", "48", whole},
        {"queries", "1", not_negative},
        {"keys", "1", not_negative},
        {"values", "1", not_negative}}},
      {"hidden_mse", states, {uniform, projection, shared("hidden")}},
      {"embedding_mse", embeddings, {projection, shared("embeddings")}},
      {"cosine_loss", states, {uniform, projection, shared("cosine")}},
      {"patience", states, {uniform, {"scale", "samples", choice, {"sum", "samples", "mean_element"}}}},
      {"alp_kd",
       states,
       {{"mapping", "all_layers", mapping},
        projection,
        shared("alp_kd"),
        {"scale", "1", number},
        {"attention_grad", "true", flag},
        {"tokens", "first", choice, {"first", "every"}}}},
      {"relational_distance", vectors, {pooling, mine, theirs, delta}},
      {"relational_angle", vectors, {pooling, mine, theirs, delta}},
      {"info_nce",
       vectors,
       {pooling, mine, theirs, {"temperature", "0.1", positive_schedule}, {"symmetric", "false", flag}}}};
  for (term_kind& kind : kinds) {
    kind.settings.push_back({"weight", "1", weight});
    kind.settings.push_back({"samples", "all", samples});
  }
  return kinds;
}

}  // namespace detail

/// Every term that text can name.
[[nodiscard]] inline const std::vector<term_kind>& term_kinds() {
  static const std::vector<term_kind> kinds = detail::all_term_kinds();
  return kinds;
}
[[nodiscard]] inline std::string names_of_terms() {
  std::string list;
  for (const term_kind& kind : term_kinds()) list += (list.empty() ? "" : ", ") + kind.name;
  return list;
}

/// A term in text whose name is known and whose settings are what they must be.
class known_term {
 public:
  /// Throws contract_error, showing the text and what was expected, for an unknown name, a setting that the term does
  /// not have, or a value that the setting cannot have.
  explicit known_term(term_spec spec) : given_(std::move(spec)), full_(given_), kind_(&kind_of(given_)) {
    std::set<std::string> keys;
    for (const term_setting& s : kind_->settings) keys.insert(s.key);
    given_.allow(keys);
    for (const term_setting& s : kind_->settings) {
      full_.otherwise(s.key, s.otherwise);
      if (given_.has(s.key)) check(s);
    }
  }

  [[nodiscard]] const term_kind& kind() const { return *kind_; }
  [[nodiscard]] const std::string& name() const { return kind_->name; }
  [[nodiscard]] const std::string& text() const { return given_.text(); }
  /// Whether the text itself says it.
  [[nodiscard]] bool names(const std::string& key) const { return given_.has(key); }

  /// The result of `use`; a contract_error of it gets the text of the term in front.
  template <class Use>
  decltype(auto) shown(const Use& use) const {
    try {
      return use();
    } catch (const contract_error& e) {
      throw contract_error("loss: " + text() + ": " + e.what());
    }
  }

  // The settings that the kind has, as they were given or by default.
  [[nodiscard]] std::string word(const std::string& key) const { return full_.value(own(key), ""); }
  [[nodiscard]] double number(const std::string& key) const { return full_.number(own(key), 0); }
  [[nodiscard]] index whole(const std::string& key) const { return static_cast<index>(number(key)); }
  [[nodiscard]] bool flag(const std::string& key) const { return full_.flag(own(key), false); }
  [[nodiscard]] any_schedule schedule(const std::string& key) const { return full_.schedule(own(key), 0); }
  [[nodiscard]] any_mapping mapping() const {
    return shown([&] { return parse_mapping(word("mapping")); });
  }
  [[nodiscard]] index layer(const std::string& key) const { return word(key) == "last" ? last_layer : whole(key); }
  [[nodiscard]] sample_weighting samples() const {
    return shown([&] { return parse_sample_weighting(word("samples")); });
  }
  [[nodiscard]] bool learns_weight() const { return word("weight") == "learned"; }

 private:
  [[nodiscard]] static const term_kind& kind_of(const term_spec& spec) {
    for (const term_kind& kind : term_kinds())
      if (kind.name == spec.name()) return kind;
    throw contract_error("loss: unknown term " + spec.name() + ", expected one of " + names_of_terms());
  }
  [[nodiscard]] const std::string& own(const std::string& key) const {
    expects(kind_->find(key) != nullptr, [&] { return message("loss: ", name(), " has no setting ", key); });
    return key;
  }
  void check(const term_setting& s) const;
  void check_number(const term_setting& s, bool fits, const char* wanted) const {
    expects(fits, [&] { return message("loss: ", text(), ": ", s.key, "=", word(s.key), ", expected ", wanted); });
  }

  term_spec given_, full_;
  const term_kind* kind_;
};

inline void known_term::check(const term_setting& s) const {
  const auto whole_from = [&](double least) {
    const double x = number(s.key);
    return x >= least && x <= 1e9 && x == static_cast<double>(static_cast<index>(x));
  };
  switch (s.form) {
    case setting_form::number: (void)number(s.key); break;
    case setting_form::positive: check_number(s, number(s.key) > 0, "a positive number"); break;
    case setting_form::not_negative: check_number(s, number(s.key) >= 0, "0 or more"); break;
    case setting_form::share: check_number(s, number(s.key) >= 0 && number(s.key) <= 1, "0 to 1"); break;
    case setting_form::whole: check_number(s, whole_from(1), "a whole number, 1 or more"); break;
    case setting_form::flag: (void)flag(s.key); break;
    case setting_form::positive_schedule: {
      const any_schedule found = schedule(s.key);
      check_number(s, found.from > 0 && found.to > 0, "a positive number, or positive ends");
      break;
    }
    case setting_form::weight:
      try {
        if (!learns_weight()) (void)schedule(s.key);
      } catch (const contract_error& e) {
        throw contract_error(std::string(e.what()) + ", or learned");
      }
      break;
    case setting_form::samples: (void)samples(); break;
    case setting_form::mapping: (void)mapping(); break;
    case setting_form::layer: check_number(s, word(s.key) == "last" || whole_from(0), "last, or a layer from 0"); break;
    case setting_form::choice: (void)given_.choice(s.key, s.words, ""); break;
    case setting_form::name: check_number(s, !word(s.key).empty(), "a name"); break;
  }
}

}  // namespace limbeck
