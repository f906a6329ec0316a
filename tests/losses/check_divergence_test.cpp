// What check_divergence takes and what it refuses: all of the library's divergences while this is compiled, mistakes
// that are easily made when it runs.
#include "limbeck/losses/check_divergence.hpp"

#include "catch.hpp"
#include "limbeck/losses/divergences.hpp"

namespace limbeck {
namespace {

static_assert(check_divergence(forward_kl{}) && check_divergence(reverse_kl{}));
static_assert(check_divergence(soft_label_cross_entropy{}));
static_assert(check_divergence(jensen_shannon{0.3}) && check_divergence(scaled_jensen_shannon{0.3}));
static_assert(check_divergence(skew_kl{0.1}) && check_divergence(skew_reverse_kl{0.1}));
static_assert(check_divergence(squared_hellinger{}) && check_divergence(alpha_beta{0.2, 0.7}));

// Those of known bugs 6 to 9, the mixtures at betas where others lost their signal. The plain form is as small as beta
// there, so that nothing but its scaled form could fail.
static_assert(check_divergence(jensen_shannon{0}) && check_divergence(jensen_shannon{1}));
static_assert(check_divergence(jensen_shannon{0.1}) && check_divergence(jensen_shannon{0.5}));
static_assert(check_divergence(scaled_jensen_shannon{0}) && check_divergence(scaled_jensen_shannon{1}));
static_assert(check_divergence(scaled_jensen_shannon{1e-6}) && check_divergence(scaled_jensen_shannon{1 - 1e-6}));
static_assert(check_divergence(scaled_jensen_shannon{0.1}) && check_divergence(scaled_jensen_shannon{0.5}));

/// KL(student || teacher) with a slope that its author forgot a factor of.
struct forgotten_factor {
  template <class T>
  constexpr divergence_term<T> operator()(const compared<T>& c) const {
    return {c.student * c.log_ratio, c.log_ratio};
  }
};
/// The slope of another divergence, which differs by a factor only.
struct twice_the_slope {
  template <class T>
  constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const divergence_term<T> term = squared_hellinger{}(c);
    return {term.value, T(2) * term.slope};
  }
};
/// A sum of slopes that is not so.
struct wrong_sum {
  static constexpr double slope_sum = 1;
  template <class T>
  constexpr divergence_term<T> operator()(const compared<T>& c) const {
    return forward_kl{}(c);
  }
};
/// Not constexpr: for the time it runs.
struct at_run_time {
  template <class T>
  divergence_term<T> operator()(const compared<T>& c) const {
    return {c.forward_excess(), c.gap()};
  }
};
struct no_number {
  template <class T>
  divergence_term<T> operator()(const compared<T>& c) const {
    return {c.student * log(-c.student), c.student};
  }
};

static_assert(!check_divergence(forgotten_factor{}) && !check_divergence(twice_the_slope{}));
static_assert(!check_divergence(wrong_sum{}));

}  // namespace

TEST_CASE("check_divergence takes right slopes and refuses wrong ones when it runs, too") {
  CHECK(divergence_error(at_run_time{}) < 1e-9);
  CHECK(divergence_error(total_variation{}) < 1);  // it has a corner, where rows agree
  CHECK_FALSE(check_divergence(no_number{}));
  CHECK(divergence_error(wrong_sum{}) == Approx(1));
}

}  // namespace limbeck
