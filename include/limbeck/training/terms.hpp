// The terms of an objective that is put together at run time, and what they learn.
#pragma once

#include <algorithm>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/term_weights.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/training/sample_weighting.hpp"
#include "limbeck/training/term_checks.hpp"
#include "limbeck/training/term_context.hpp"
#include "limbeck/training/term_kinds.hpp"
#include "limbeck/training/term_losses.hpp"
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
      detail::term_check{context_}(t.says);
      if (t.says.kind().find("projection") != nullptr) declare_projection(t.says, table);
      if (t.says.learns_weight()) t.log_variance = table.declare("log_variance." + t.name, 1, 0, initial::zero);
      terms_.push_back(std::move(t));
    }
    check_sharing();
  }

  /// The terms over `weights` and `gradients`, laid out by the table that the constructor was given.
  template <launchable E, class T>
  [[nodiscard]] std::vector<named_term<E, T>> build(view<const T, 1, backend_of<E>> weights,
                                                    view<T, 1, backend_of<E>> gradients) const {
    std::vector<named_term<E, T>> built;
    for (const term& t : terms_)
      built.push_back({t.name, t.log_variance ? any_schedule{} : t.says.schedule("weight"),
                       weighted<E, T>(t, loss_of<E, T>(t.says, weights, gradients), weights, gradients),
                       t.says.kind().reads_labels(), detail::reads_teacher(t.says), t.says.samples()});
    return built;
  }

  /// The layers that each term of layers compares, by its name in records; those of the first epoch where each draws
  /// anew. Learned choices look at all that their mapping shows.
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<layer_pair>>> layer_pairs() const;
  /// Whether a term's samples are shared (sample_sharing).
  [[nodiscard]] bool shares_samples() const {
    return std::any_of(terms_.begin(), terms_.end(), [](const term& t) { return t.says.samples().shared(); });
  }

  /// How much samples count in each term.
  [[nodiscard]] std::vector<sample_weighting> sample_weightings() const {
    std::vector<sample_weighting> all;
    for (const term& t : terms_) all.push_back(t.says.samples());
    return all;
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

  void check_sharing() const;
  void declare_projection(const known_term& t, parameter_table& table);
  [[nodiscard]] std::string projection_kind(const known_term& t) const {
    if (t.names("projection")) return t.word("projection");
    return context_.teacher->width == context_.student.width ? "none" : "linear";
  }
  [[nodiscard]] static std::string projection_name(const known_term& t) { return "projection." + t.word("shared"); }

  /// A loss with the weight that it learns, where it does.
  template <class E, class T>
  [[nodiscard]] static any_loss<E, T> weighted(const term& t, any_loss<E, T> loss,
                                               view<const T, 1, backend_of<E>> weights,
                                               view<T, 1, backend_of<E>> gradients) {
    if (!t.log_variance) return loss;
    return uncertainty_weighted(t.log_variance->vector(weights), t.log_variance->vector(gradients), 1 * loss);
  }
  template <class E, class T>
  [[nodiscard]] any_loss<E, T> loss_of(const known_term& t, view<const T, 1, backend_of<E>> weights,
                                       view<T, 1, backend_of<E>> gradients) const;
  /// make(projection) with the one that the term learns, or none.
  template <class E, class T, class Make>
  [[nodiscard]] any_loss<E, T> projected(const known_term& t, view<const T, 1, backend_of<E>> weights,
                                         view<T, 1, backend_of<E>> gradients, const Make& make) const;

  std::vector<term> terms_;
  term_context context_;
  std::map<std::string, projection_slots> projections_;
};

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
any_loss<E, T> term_builder::projected(const known_term& t, view<const T, 1, backend_of<E>> weights,
                                       view<T, 1, backend_of<E>> gradients, const Make& make) const {
  if (projection_kind(t) == "none") return make(no_projection{});
  const projection_slots& at = projections_.at(projection_name(t));
  linear_projection<T, backend_of<E>> projection{at.weight.matrix(weights), {}, at.weight.matrix(gradients), {}};
  if (at.bias) {
    projection.bias = at.bias->vector(weights);
    projection.bias_gradient = at.bias->vector(gradients);
  }
  return make(projection);
}

template <class E, class T>
any_loss<E, T> term_builder::loss_of(const known_term& t, view<const T, 1, backend_of<E>> weights,
                                     view<T, 1, backend_of<E>> gradients) const {
  const auto with = [&](const auto& make) { return projected<E, T>(t, weights, gradients, make); };
  switch (t.kind().subject) {
    case term_subject::maps: return detail::attention_loss<E, T>(t);
    case term_subject::states:
    case term_subject::embeddings: return detail::state_loss<E, T>(t, with);
    case term_subject::relations: return detail::relation_term<E, T>(t, context_);
    case term_subject::vectors: return detail::vector_loss<E, T>(t);
    default: return detail::logits_loss<E, T>(t, context_);
  }
}

}  // namespace limbeck
