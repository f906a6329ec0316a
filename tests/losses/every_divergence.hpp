// Every divergence of the library with random parameters, for tests that are the same for all of them.
#pragma once

#include <vector>

#include "limbeck/losses/divergences.hpp"
#include "losses/random_shapes.hpp"

namespace limbeck_test {

/// visit(name, made) for each; made(draws&): one, its parameters at their limits now and then.
template <class Visit>
void for_each_divergence(const Visit& visit) {
  using namespace limbeck;
  visit("forward_kl", [](draws&) { return forward_kl{}; });
  visit("soft_label_cross_entropy", [](draws&) { return soft_label_cross_entropy{}; });
  visit("reverse_kl", [](draws&) { return reverse_kl{}; });
  visit("jensen_shannon", [](draws& random) { return jensen_shannon{random.uneven_share()}; });
  visit("scaled_jensen_shannon", [](draws& random) { return scaled_jensen_shannon{random.uneven_share()}; });
  visit("skew_kl", [](draws& random) { return skew_kl{0.999999 * random.uneven_share()}; });
  visit("skew_reverse_kl", [](draws& random) { return skew_reverse_kl{0.999999 * random.uneven_share()}; });
  visit("total_variation", [](draws&) { return total_variation{}; });
  visit("squared_hellinger", [](draws&) { return squared_hellinger{}; });
  visit("alpha_beta", [](draws& random) {
    const double one = random.share(), other = random.number(0.2, 1);
    return random.once_in(2) ? alpha_beta{one, other} : alpha_beta{other, one};
  });
}

/// Draws logits of the teacher anew until no class has nearly the same probability in both models, where total
/// variation has a kink. ratios(student's row, teacher's row): log(student / teacher) for each class, at the
/// temperature of the loss.
template <class Ratios>
void keep_apart(draws& random, logit_case<double>& c, const Ratios& ratios) {
  const index classes = c.valid_classes > 0 ? c.valid_classes : c.columns;
  for (index r = 0; r < c.rows; ++r) {
    double *const mine = &c.student[std::size_t(r * c.columns)],
                  *theirs = &c.teacher[std::size_t(r * c.teacher_columns)];
    if (mine[0] != mine[0] || theirs[0] != theirs[0]) continue;  // a row that nobody reads
    for (bool moved = true; moved;) {
      moved = false;
      const auto found =
          ratios(std::vector<double>(mine, mine + classes), std::vector<double>(theirs, theirs + classes));
      for (std::size_t k = 0; k < found.size() && !moved; ++k)
        if (moved = found[k] > -0.002 && found[k] < 0.002; moved) theirs[k] = random.number(-3, 3);
    }
  }
}

}  // namespace limbeck_test
