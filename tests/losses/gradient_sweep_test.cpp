// The sweep that holds every gradient to central differences: what it must find.
#include "losses/gradient_sweep.hpp"

#include <cmath>

#include "limbeck/losses/loss_policy.hpp"

namespace {

using limbeck_test::draws;
using limbeck_test::gradient_case;
using limbeck_test::index;

// The sum of sin(x) over 1 to 40 numbers; `spoil` may do anything to the gradient.
template <class Spoil>
limbeck_test::sweep_outcome sweep_of_sines(const Spoil& spoil) {
  const auto made = [&](draws& random) {
    const index count = random.between(1, 40);
    const auto loss = [&spoil](const std::vector<double>& x, std::vector<double>* gradient) {
      double sum = 0;
      for (const double number : x) sum += std::sin(number);
      if (gradient == nullptr) return sum;
      gradient->clear();
      for (const double number : x) gradient->push_back(std::cos(number));
      spoil(*gradient);
      return sum;
    };
    return gradient_case{random.numbers(count, -2, 2), loss};
  };
  return limbeck_test::sweep_gradients(made, 1, 200);
}

// Half the squared distance to the teacher's logits, whose gradient leaves out the weights of the rows.
struct forgets_weights {
  static constexpr limbeck::signal_set reads = limbeck::signal::logits;
  bool weighted_gradient;

  template <class E>
  void operator()(const E&, const limbeck::signals<const double>& student,
                  const limbeck::signals<const double>& teacher, const limbeck::targets<double>& given,
                  const limbeck::sink<double, limbeck::cpu>& out) const {
    const index classes = valid_classes(student);
    for (index r = 0; r < student.logits.extent(0); ++r) {
      const index sample = student.row_sample.empty() ? r : student.row_sample(r);
      const double own = given.row_weight.empty() ? 1 : given.row_weight(r);
      const double weight = own * (out.weight.empty() ? 1 : out.weight(sample));
      for (index k = 0; k < classes && weight != 0; ++k) {
        const double gap = student.logits(r, k) - teacher.logits(r, k);
        out.value(sample) += weight * gap * gap / 2;
        if (!out.gradient.logits.empty()) out.gradient.logits(r, k) += (weighted_gradient ? weight : 1) * gap;
      }
    }
  }
};
limbeck_test::sweep_outcome sweep_of_weights(bool weighted_gradient) {
  return limbeck_test::sweep_gradients(
      [&](draws& random) { return gradient_of(random_rows(random), forgets_weights{weighted_gradient}); }, 1, 200);
}

}  // namespace

TEST_CASE("a sweep of gradients knows a right one") {
  CHECK(sweep_of_sines([](auto&) {}).worst < 1e-10);
  CHECK(sweep_of_weights(true).worst < 1e-8);
}

TEST_CASE("a sweep of gradients finds one number of many that is wrong by 2e-7") {
  const auto found = sweep_of_sines([](auto& gradient) { gradient.back() += 2e-7; });
  CHECK(found.worst > 1.9e-7);
  CHECK(found.worst < 2.1e-7);
  CHECK(found.seed >= 1);
  CHECK(found.seed <= 200);
  CHECK(found.where != "");
}

TEST_CASE("a sweep of gradients finds what is wrong in a single shape, or no number, or missing") {
  CHECK(sweep_of_sines([](auto& gradient) { gradient.front() *= gradient.size() == 17 ? 1.001 : 1; }).worst > 1e-5);
  CHECK(sweep_of_sines([](auto& gradient) {
          gradient.front() *= gradient.size() == 1 ? limbeck_test::undefined : 1;
        }).worst == limbeck_test::infinity);
  CHECK(sweep_of_sines([](auto& gradient) { gradient.pop_back(); }).where == "of another size");
}

TEST_CASE("a sweep of gradients finds a loss that forgets the weights of rows in its gradient") {
  CHECK(sweep_of_weights(false).worst > 0.1);
}
