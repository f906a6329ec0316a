// Wrong labels on purpose: how well a training bears them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/random_choice.hpp"
#include "limbeck/data/dataset.hpp"

namespace limbeck {

/// Symmetric label noise (Angluin and Laird 1988, "Learning from noisy examples"; of many classes: Patrini et al. 2017,
/// arXiv:1609.03683).
struct label_noise {
  double share = 0;  ///< of labels that become another class; 0: none
  std::uint64_t seed = 0;
};

/// Each example's label becomes, with the probability `share` and whatever the others' do, one of the other classes,
/// each as likely. A function of the seed and the example's place in the set. Throws contract_error for a share that is
/// none, and for a regression.
inline void add_label_noise(dataset& set, const label_noise& noise) {
  expects(noise.share >= 0 && noise.share <= 1,
          [&] { return message("label-noise: must be in 0 .. 1, not ", noise.share); });
  if (noise.share == 0) return;
  expects(!set.task.regression(),
          [&] { return message("label-noise: ", set.task.name, " has scores, there is no other class to give"); });
  const auto classes = static_cast<std::uint32_t>(set.task.label_names.size());
  expects(classes >= 2, [&] { return message("label-noise: ", set.task.name, " has ", classes, " class"); });
  const random_stream random{noise.seed, ~std::uint64_t{0} - 2, 0};
  for (std::size_t i = 0; i < set.examples.size(); ++i) {
    const random_words words = random.at(static_cast<std::uint32_t>(i));
    if (unit_interval(words.word[0]) >= noise.share) continue;
    auto& label = set.examples[i].label;
    label = static_cast<std::int32_t>((static_cast<std::uint32_t>(label) + 1 + below(classes - 1, words.word[1])) %
                                      classes);
  }
}

}  // namespace limbeck
