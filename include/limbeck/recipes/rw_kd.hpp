// RW-KD as a recipe: two terms, of the label and of the teacher, whose shares are decided sample by sample.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/recipes/distill.hpp"

namespace limbeck {

/// The terms of RW-KD: at temperature 2 for classes, as default_terms() has it.
[[nodiscard]] inline std::vector<std::string> rw_kd_terms(const task_description& task) {
  if (task.regression()) return {"logits_mse:samples=rw_kd", "regression_mse:samples=rw_kd_rest"};
  return {"soft_target_kl:temperature=2,samples=rw_kd", "cross_entropy:samples=rw_kd_rest"};
}

/// Distils with RW-KD: where the options name no terms, with its own. Throws contract_error where no term that they
/// name shares its samples, and as distill() does.
template <launchable E>
task_training_report rw_kd(const E& on, distill_options options, const sharing_options& sharing, console& out) {
  if (options.losses.empty()) options.losses = rw_kd_terms(describe(options.task));
  const auto shares = [](const std::string& text) {
    return parse_sample_weighting(term_spec(text).value("samples", "all")).shared();
  };
  expects(std::any_of(options.losses.begin(), options.losses.end(), shares),
          "recipe rw-kd: no term of --loss has samples=rw_kd, and one samples=rw_kd_rest");
  options.sharing = sharing;
  return distill(on, std::move(options), out);
}

}  // namespace limbeck
