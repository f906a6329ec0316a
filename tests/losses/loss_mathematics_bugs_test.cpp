// Bugs of other distillation code in the mathematics of losses on class scores: ours beside the naive form that fails.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/ops/linear.hpp"
#include "losses/logit_case.hpp"
#include "losses/oracle.hpp"
#include "losses/textbook.hpp"
#include "losses/top_k_of.hpp"

namespace {

using limbeck::bfloat16;
using limbeck::cross_entropy;
using limbeck::divisor;
using limbeck::jensen_shannon;
using limbeck::scaled_jensen_shannon;
using limbeck::soft_target_kl;
using limbeck::soft_target_reverse_kl;
using limbeck_test::infinity;
using limbeck_test::logit_case;
using limbeck_test::top_k_of;
using limbeck_test::undefined;
using soft_target_js = limbeck::soft_target<jensen_shannon>;

// The naive forms are built from these: probabilities first, logarithms of them afterwards.
template <class T>
std::vector<T> softmax(const std::vector<T>& z, T temperature = 1) {
  std::vector<T> p(z.size());
  const T top = *std::max_element(z.begin(), z.end());
  T sum = 0;
  for (std::size_t i = 0; i < z.size(); ++i) sum += p[i] = std::exp((z[i] - top) / temperature);
  for (T& x : p) x /= sum;
  return p;
}
template <class T>
T naive_kl(const std::vector<T>& p, const std::vector<T>& q) {  // sum p log(p / q)
  T sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

template <class A>
logit_case<A> one_row(const std::vector<A>& student, const std::vector<A>& teacher) {
  return {1, static_cast<limbeck::index>(student.size()), student, teacher};
}

// A batch whose rows have the given losses under regression_mse.
logit_case<double> rows_of_loss(const std::vector<double>& losses, double count) {
  logit_case<double> c{static_cast<limbeck::index>(losses.size()), 1, {}, std::vector<double>(losses.size(), 0)};
  for (const double loss : losses) c.student.push_back(std::sqrt(loss));
  c.scores.assign(losses.size(), 0);
  c.per.rows = count;
  return c;
}

/// What should have been forward KL, with the sides exchanged.
struct exchanged_kl {
  template <class T>
  LIMBECK_HD limbeck::divergence_term<T> operator()(const limbeck::compared<T>& c) const {
    return {c.student * c.log_ratio, c.student * (c.log_ratio + T(1))};
  }
};

/// A row of two classes of which the teacher gives p to the first, the student q.
logit_case<double> two_classes(double p, double q) {
  return one_row<double>({std::log(q / (1 - q)), 0}, {std::log(p / (1 - p)), 0});
}

/// Value and gradient of the only row, each number to `tolerance` of its size.
template <class Outcome>
void check_outcome(const Outcome& got, double value, const std::vector<double>& gradient, double tolerance) {
  CHECK(static_cast<double>(got.value[0]) == Approx(value).epsilon(tolerance));
  REQUIRE(got.gradient.size() == gradient.size());
  for (std::size_t i = 0; i < gradient.size(); ++i)
    CHECK(static_cast<double>(got.gradient[i]) == Approx(gradient[i]).epsilon(tolerance));
}

/// That a loss has the gradient of its own value, by central differences.
template <class Loss>
void check_slopes(const logit_case<double>& c, const Loss& loss) {
  const auto gradient = c(loss).gradient;
  for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(limbeck_test::slope_error(c, loss, gradient, i) < 1e-7);
}

template <class T>
bool all_finite(const std::vector<T>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](T x) { return std::isfinite(x); });
}

}  // namespace

TEST_CASE("bug_01: the soft term keeps its size when the temperature grows", "[bugs]") {
  const auto c = one_row<double>({0, 0}, {2, 0});
  const auto got = c(soft_target_kl{.temperature = 4});
  CHECK(got.value[0] == Approx(0.484798).epsilon(1e-5));
  CHECK(got.gradient[0] == Approx(-0.489837).epsilon(1e-5));
  CHECK(got.gradient[1] == Approx(0.489837).epsilon(1e-5));
  CHECK(c(soft_target_kl{}).value[0] == Approx(0.327813).epsilon(1e-5));
  CHECK(c(soft_target_kl{.t_squared = false}).value[0] == Approx(0.327813).epsilon(1e-5));

  const double naive = naive_kl(softmax<double>({2, 0}, 4), softmax<double>({0, 0}, 4));
  CHECK(naive == Approx(0.0302999).epsilon(1e-5));  // 16 times too small
  const auto without = c(soft_target_kl{.temperature = 4, .t_squared = false});
  CHECK(without.value[0] == Approx(naive).epsilon(1e-12));
  CHECK(without.gradient[0] == Approx(-0.0306148).epsilon(1e-5));
}

TEST_CASE("bug_02: each mean stands under its own name", "[bugs]") {
  logit_case<double> c{6, 5, std::vector<double>(30, 0), {}};
  for (int row = 0; row < 6; ++row) c.teacher.insert(c.teacher.end(), {2, 0, 0, 0, 0});
  c.row_sample = {0, 0, 0, 1, 1, 1};
  const double sum = c(soft_target_kl{}).total();  // a library call divides by nothing unless told
  c.per = {.samples = 2, .rows = 6, .tokens = 6, .pairs = 1, .elements = 30};
  const auto mean = [&](divisor over) { return c(soft_target_kl{.over = over}).total(); };
  CHECK(mean(divisor::rows) == Approx(0.474356).epsilon(1e-6));
  CHECK(mean(divisor::samples) == Approx(1.423069).epsilon(1e-6));
  CHECK(mean(divisor::elements) == Approx(0.0948713).epsilon(1e-6));
  CHECK(mean(divisor::none) == Approx(sum));
  CHECK(c(soft_target_kl{}).total() == mean(divisor::rows));

  const double naive = sum / 30;  // "mean" over all elements
  CHECK(naive * 5 == Approx(mean(divisor::rows)));
  const auto slope = [&](divisor over) { return c(soft_target_kl{.over = over}).gradient[0]; };
  const double of_row = 0.2 - softmax<double>({2, 0, 0, 0, 0})[0];
  CHECK(slope(divisor::rows) == Approx(of_row / 6));
  CHECK(slope(divisor::samples) == Approx(of_row / 2));
  CHECK(slope(divisor::elements) == Approx(of_row / 30));
}

TEST_CASE("bug_03a: unequal micro-batches give the loss of the whole batch", "[bugs]") {
  const limbeck::regression_mse loss;
  CHECK(rows_of_loss({1}, 4)(loss).total() + rows_of_loss({3, 3, 3}, 4)(loss).total() == Approx(2.5));
  const double naive = (rows_of_loss({1}, 1)(loss).total() + rows_of_loss({3, 3, 3}, 3)(loss).total()) / 2;
  CHECK(naive == Approx(2.0));  // the mean of means
  const double whole = rows_of_loss({1, 3, 3, 3}, 4)(loss).gradient[0];
  CHECK(rows_of_loss({1}, 4)(loss).gradient[0] == whole);
  CHECK(rows_of_loss({1}, 1)(loss).gradient[0] / 2 == Approx(2 * whole));
}

TEST_CASE("bug_03b: four micro-batches have the gradient of the whole batch", "[bugs]") {
  const limbeck::regression_mse loss;
  const double whole = rows_of_loss({1, 1, 1, 1}, 4)(loss).gradient[0];
  CHECK(rows_of_loss({1}, 4)(loss).gradient[0] / whole == 1);
  CHECK(rows_of_loss({1}, 1)(loss).gradient[0] / whole == Approx(4));  // nobody divides
}

TEST_CASE("bug_03c: ranks with unequal counts add up to the loss of the whole batch", "[bugs]") {
  const limbeck::regression_mse loss;
  CHECK(rows_of_loss({1, 1, 1, 1, 1}, 6)(loss).total() + rows_of_loss({3}, 6)(loss).total() == Approx(4.0 / 3));
  const double naive = (rows_of_loss({1, 1, 1, 1, 1}, 5)(loss).total() + rows_of_loss({3}, 1)(loss).total()) / 2;
  CHECK(naive == Approx(2.0));
  const double whole = rows_of_loss({1, 1, 1, 1, 1, 3}, 6)(loss).gradient[5];
  CHECK(rows_of_loss({3}, 6)(loss).gradient[0] == whole);
  CHECK(rows_of_loss({3}, 1)(loss).gradient[0] / 2 == Approx(3 * whole));  // averaged over the ranks
}

TEST_CASE("bug_03d: rows of micro-batches have the gradient bits of the unsplit batch", "[bugs]") {
  const auto size = [](limbeck::index rows) { return static_cast<std::size_t>(rows * 10); };
  logit_case<float> whole{64, 10, limbeck_test::random_numbers<float>(size(64), -3, 3, 1),
                          limbeck_test::random_numbers<float>(size(64), -3, 3, 2)};
  whole.per.rows = 64;
  const auto part = [&](limbeck::index first, limbeck::index count, double per) {
    logit_case<float> c{count, 10, {}, {}};
    c.student.assign(whole.student.begin() + first * 10, whole.student.begin() + (first + count) * 10);
    c.teacher.assign(whole.teacher.begin() + first * 10, whole.teacher.begin() + (first + count) * 10);
    c.per.rows = per;
    return c(soft_target_kl{.temperature = 2}).gradient;
  };
  std::vector<float> split = part(0, 4, 64);
  const std::vector<float> rest = part(4, 60, 64), right = whole(soft_target_kl{.temperature = 2}).gradient;
  split.insert(split.end(), rest.begin(), rest.end());
  CHECK(split == right);
  CHECK(part(0, 4, 4)[0] / 2 == Approx(8 * right[0]));  // each by its own count, then the mean
}

namespace {

logit_case<double> three_classes() {  // teacher 0.5, 0.3, 0.2, student 0.7, 0.2, 0.1
  return one_row<double>({std::log(0.7), std::log(0.2), std::log(0.1)}, {std::log(0.5), std::log(0.3), std::log(0.2)});
}

/// A divergence whose terms the teacher's likeliest class alone takes part in, or each is clipped, with its gradient.
struct naive_terms {
  double value;
  std::vector<double> gradient;
};
naive_terms forward_of_kept(const std::vector<double>& p, const std::vector<double>& q) {  // p0 log(p0 / q0)
  naive_terms out{p[0] * std::log(p[0] / q[0]), {}};
  for (std::size_t i = 0; i < q.size(); ++i) out.gradient.push_back(-p[0] * ((i == 0 ? 1 : 0) - q[i]));
  return out;
}
naive_terms reverse_of_kept(const std::vector<double>& p, const std::vector<double>& q) {  // q0 log(q0 / p0)
  naive_terms out{q[0] * std::log(q[0] / p[0]), {}};
  for (std::size_t i = 0; i < q.size(); ++i)
    out.gradient.push_back(q[0] * ((i == 0 ? 1 : 0) - q[i]) * (std::log(q[0] / p[0]) + 1));
  return out;
}
naive_terms forward_of_clipped(const std::vector<double>& p, const std::vector<double>& q, double most) {
  naive_terms out{0, std::vector<double>(q.size(), 0)};
  for (std::size_t c = 0; c < q.size(); ++c) {
    const double term = p[c] * std::log(p[c] / q[c]);
    out.value += std::min(term, most);
    for (std::size_t i = 0; i < q.size() && term < most; ++i) out.gradient[i] -= p[c] * ((i == c ? 1 : 0) - q[i]);
  }
  return out;
}

}  // namespace

// 4: a sum over the kept classes alone is no divergence: below 0, and it pushes away from the teacher.
// verl-project/verl#7856, verl-project/verl#7806
TEST_CASE("bug_04a: a teacher that kept one class of three is compared with the rest as a class of its own", "[bugs]") {
  const auto c = three_classes();
  const auto kept = c(top_k_of<limbeck::top_k_kl>{1, {}}), full = c(soft_target_kl{});
  check_outcome(kept, 0.0871767, {0.2, -0.2 * 2 / 3, -0.2 / 3}, 1e-6);
  check_slopes(c, top_k_of<limbeck::top_k_kl>{1, {}});
  CHECK(full.value[0] == Approx(0.0920329).epsilon(1e-6));
  CHECK(kept.value[0] > 0);
  CHECK(kept.value[0] < full.value[0]);
  const auto whole = c(top_k_of<limbeck::top_k_kl>{3, {}});
  CHECK(whole.value == full.value);
  CHECK(whole.gradient == full.gradient);

  const naive_terms naive = forward_of_kept({0.5, 0.3, 0.2}, {0.7, 0.2, 0.1});
  CHECK(naive.value == Approx(-0.168236).epsilon(1e-5));  // and 0, with no gradient, where it is clamped
  CHECK(naive.gradient[0] < 0);                           // makes the student still surer of class 0
}

TEST_CASE("bug_04b: reverse KL of two classes is exact where the teacher kept one", "[bugs]") {
  const auto c = two_classes(0.9, 0.6);
  const top_k_of<limbeck::top_k_soft_target<limbeck::reverse_kl>> loss{1, {}};
  const double slope = 0.6 * (std::log(0.6 / 0.9) - 0.311239);
  check_outcome(c(loss), 0.311239, {slope, -slope}, 2e-6);
  check_outcome(c(soft_target_reverse_kl{}), c(loss).value[0], c(loss).gradient, 1e-12);
  check_slopes(c, loss);

  const naive_terms naive = reverse_of_kept({0.9, 0.1}, {0.6, 0.4});
  CHECK(naive.value == Approx(-0.243279).epsilon(1e-5));
  CHECK(naive.gradient[0] > 0);  // away from the teacher, who is surer of class 0
}

TEST_CASE("bug_04c: no term of a class is clipped", "[bugs]") {
  const auto c = two_classes(0.9, 0.1);
  check_outcome(c(soft_target_kl{}), 1.757780, {-0.8, 0.8}, 1e-6);
  check_outcome(c(top_k_of<limbeck::top_k_kl>{1, {}}), 1.757780, {-0.8, 0.8}, 1e-6);

  const naive_terms naive = forward_of_clipped({0.9, 0.1}, {0.1, 0.9}, 0.05);
  CHECK(naive.value == Approx(-0.169722).epsilon(1e-5));
  CHECK(naive.gradient[0] > 0);  // the class that the student lacks has no say
}

// 5: the rest's probability as 1 - sum is 0 in float for a student that is sure. arcee-ai/DistillKit#45
TEST_CASE("bug_05: a student that is sure has a finite gradient where the teacher kept one class", "[bugs]") {
  const auto rest = static_cast<float>(std::log(0.1 / 3));
  const auto c = one_row<float>({30, 0, 0, 0}, {static_cast<float>(std::log(0.9)), rest, rest, rest});
  check_outcome(c(top_k_of<limbeck::top_k_kl>{1, {}}), 2.565056, {0.1, -1.0 / 30, -1.0 / 30, -1.0 / 30}, 1e-6);

  const float kept = softmax(c.student)[0], clamped = std::max(1 - kept, 1e-8F);
  CHECK(1 - kept == 0);
  CHECK(0.9F * std::log(0.9F / kept) + 0.1F * std::log(0.1F / clamped) == Approx(1.516985).epsilon(1e-5));
  CHECK(0.1F / clamped > 9e6F);                         // the derivative by the rest
  CHECK(std::isinf(std::log(1 - kept)));                // and without the clamp,
  CHECK(std::isnan((1 - kept) * (0.1F / (1 - kept))));  // through the softmax: 0 * infinity
}

namespace {

/// beta KL(p, m) + (1 - beta) KL(q, m) with m = share p + (1 - share) q, as written.
double naive_jensen_shannon(const std::vector<double>& p, const std::vector<double>& q, double beta, double share) {
  std::vector<double> m;
  for (std::size_t i = 0; i < p.size(); ++i) m.push_back(share * p[i] + (1 - share) * q[i]);
  return beta * naive_kl(p, m) + (1 - beta) * naive_kl(q, m);
}

/// One divergence's value for teacher 0.9, 0.1 and student 0.5, 0.5, whose gradient is that of the value.
template <class Divergence>
void check_value(const Divergence& divergence, double want) {
  const auto c = two_classes(0.9, 0.5);
  const limbeck::soft_target<Divergence> loss{.divergence = divergence};
  INFO("beta " << divergence.beta);
  CHECK(c(loss).value[0] == Approx(want).epsilon(1e-6));
  check_slopes(c, loss);
  const auto in_float = one_row<float>({c.student.begin(), c.student.end()}, {c.teacher.begin(), c.teacher.end()});
  check_outcome(in_float(loss), want, c(loss).gradient, 2e-6);
}

}  // namespace

// 6: Jensen-Shannon vanishes at both ends of beta, and a beta of 0 or 1 was moved there without a word.
// modelscope/ms-swift#10078, verl-project/verl-recipe#151, huggingface/trl#6780
TEST_CASE("bug_06: Jensen-Shannon keeps its digits near both ends of beta and is a KL at the ends", "[bugs]") {
  check_value(jensen_shannon{1e-6}, 3.680639e-7);
  check_value(jensen_shannon{0.1}, 0.0336030);
  check_value(jensen_shannon{0.5}, 0.1017492);
  check_value(jensen_shannon{1 - 1e-6}, 5.108247e-7);
  check_value(scaled_jensen_shannon{1e-6}, 0.368064);
  check_value(scaled_jensen_shannon{1 - 1e-6}, 0.510825);

  const auto c = two_classes(0.9, 0.5);
  const auto near = c(limbeck::soft_target<scaled_jensen_shannon>{.divergence = {1e-6}});
  CHECK(near.gradient[0] == Approx(-0.4).epsilon(1e-5));  // another size than beta's
  for (const double beta : {0.0, 1.0}) {
    const auto want = beta == 0 ? c(soft_target_kl{}) : c(soft_target_reverse_kl{});
    for (const auto& got : {c(soft_target_js{.divergence = {beta}}),
                            c(limbeck::soft_target<scaled_jensen_shannon>{.divergence = {beta}})})
      check_outcome(got, want.value[0], want.gradient, 1e-12);
    CHECK(want.value[0] == Approx(beta == 0 ? 0.368064 : 0.510826).epsilon(2e-6));
    CHECK(std::abs(naive_jensen_shannon({0.9, 0.1}, {0.5, 0.5}, beta, beta)) < 1e-15);  // nothing is left to learn from
    const double moved = std::clamp(beta, 1e-6, 1 - 1e-6);
    CHECK(naive_jensen_shannon({0.9, 0.1}, {0.5, 0.5}, moved, moved) < 6e-7);
  }
  CHECK_THROWS_WITH(c(soft_target_js{.divergence = {-0.1}}), "jensen_shannon: beta -0.100000, must lie in 0 to 1");
  CHECK_THROWS_WITH(c(limbeck::soft_target<scaled_jensen_shannon>{.divergence = {1.5}}),
                    "scaled_jensen_shannon: beta 1.500000, must lie in 0 to 1");
}

TEST_CASE("bug_07a: forward is KL(teacher, student) and reverse KL(student, teacher)", "[bugs]") {
  const auto c = one_row<double>({0, 0}, {std::log(9.0), 0});
  CHECK(c(soft_target_kl{}).value[0] == Approx(0.368064).epsilon(1e-6));
  CHECK(c(soft_target_reverse_kl{}).value[0] == Approx(0.510826).epsilon(1e-6));
  CHECK(naive_kl<double>({0.5, 0.5}, {0.9, 0.1}) != Approx(0.368064));  // directions exchanged
  CHECK(c(soft_target_kl{}).gradient[0] == Approx(-0.4).epsilon(1e-12));
  CHECK(c(limbeck::soft_target<exchanged_kl>{}).value[0] == Approx(0.510826).epsilon(1e-6));
  CHECK(c(limbeck::soft_target<exchanged_kl>{}).gradient[0] == Approx(-0.549306).epsilon(1e-6));
}

TEST_CASE("bug_07b: each direction has the gradient of its own value", "[bugs]") {
  const auto c = one_row<double>({0, 0}, {std::log(9.0), 0});
  const auto forward = c(soft_target_kl{}), reverse = c(soft_target_reverse_kl{});
  CHECK(forward.gradient[0] == Approx(-0.4).epsilon(1e-12));
  CHECK(forward.gradient[1] == Approx(0.4).epsilon(1e-12));
  CHECK(reverse.gradient[0] == Approx(-0.549306).epsilon(1e-6));
  CHECK(reverse.gradient[1] == Approx(0.549306).epsilon(1e-6));
  const double of_forward = limbeck_test::central_difference(c, soft_target_kl{}, 0);
  const double of_reverse = limbeck_test::central_difference(c, soft_target_reverse_kl{}, 0);
  CHECK(forward.gradient[0] == Approx(of_forward).epsilon(1e-7));
  CHECK(reverse.gradient[0] == Approx(of_reverse).epsilon(1e-7));
  CHECK(forward.gradient[0] != Approx(of_reverse).epsilon(0.1));  // value of one with the gradient of the other
}

TEST_CASE("bug_07c: the mixture leans to the teacher by beta", "[bugs]") {
  check_value(jensen_shannon{0.1}, 0.0336030);
  const auto c = two_classes(0.9, 0.5);
  const double m = 0.1 * 0.9 + 0.9 * 0.5, slope = 0.9 * 0.25 * (std::log(0.5 / m) - std::log(0.5 / (1 - m)));
  check_outcome(c(soft_target_js{.divergence = {0.1}}), 0.0336030, {slope, -slope}, 1e-6);
  const double exchanged = 0.9 * 0.9 + 0.1 * 0.5;
  CHECK(naive_jensen_shannon({0.9, 0.1}, {0.5, 0.5}, 0.1, 0.9) == Approx(0.329516).epsilon(1e-5));
  const double naive_slope = 0.9 * 0.25 * (std::log(0.5 / exchanged) - std::log(0.5 / (1 - exchanged)));
  CHECK(std::abs(naive_slope) > 5 * std::abs(slope));
}

TEST_CASE("bug_07d: a loss on class scores takes logits, never probabilities", "[bugs]") {
  // It reads the logits alone: the other things that a pass keeps are refused by name before any work.
  static_assert(!limbeck::has(soft_target_kl::reads, limbeck::signal::probabilities));
  const std::vector<double> p{0.9, 0.1}, q{0.5, 0.5};
  limbeck::signals<const double> student, teacher;
  student.values = teacher.values = decltype(student.values)(1);
  student.values[0] = limbeck::view<const double, 2>(q.data(), 1, 2);
  teacher.values[0] = limbeck::view<const double, 2>(p.data(), 1, 2);
  double value = 0;
  limbeck::sink<double, limbeck::cpu> out{limbeck::view<double, 1>(&value, 1)};
  CHECK_THROWS_WITH(soft_target_kl{}(limbeck::cpu_executor<>{}, student, teacher, limbeck::targets<double>{}, out),
                    "soft_target: the student has no logits");
  CHECK(value == 0);
  double naive = 0;  // sum p * (log p - q): q handed over as if it were log q
  for (std::size_t i = 0; i < 2; ++i) naive += p[i] * (std::log(p[i]) - q[i]);
  CHECK(naive == Approx(-0.825083).epsilon(1e-6));
}

TEST_CASE("bug_07e: the student's logits are on the student's side", "[bugs]") {
  const auto c = one_row<double>({0, 0}, {2, 0});
  const auto got = c(soft_target_kl{});
  CHECK(got.value[0] > 0.1);
  CHECK(got.gradient[0] < -0.1);
  CHECK(naive_kl(softmax(c.teacher), softmax(c.teacher)) == 0);  // the teacher's on both: 0 for ever
  CHECK(one_row(c.teacher, c.teacher)(soft_target_kl{}).gradient == std::vector<double>{0, 0});
}

namespace {

/// An oracle that takes its formula from the divergence it should check.
template <class D>
logit_case<double>::outcome dependent_oracle(const logit_case<double>& c, const D& divergence) {
  logit_case<double>::outcome want;
  for (limbeck::index row = 0; row < c.rows; ++row) {
    const auto probabilities = [&](const std::vector<double>& z) {
      return softmax(std::vector<double>(z.begin() + row * c.columns, z.begin() + (row + 1) * c.columns));
    };
    const std::vector<double> q = probabilities(c.student), p = probabilities(c.teacher);
    std::vector<limbeck::divergence_term<double>> terms;
    limbeck::divergence_term<double> sum{0, 0};
    for (std::size_t i = 0; i < q.size(); ++i)
      sum += terms.emplace_back(divergence(
          limbeck::compared<double>{q[i], p[i], std::log(q[i]), std::log(p[i]), std::log(q[i]) - std::log(p[i])}));
    want.value.push_back(sum.value);
    for (std::size_t i = 0; i < q.size(); ++i) want.gradient.push_back(terms[i].slope - q[i] * sum.slope);
  }
  return want;
}

double largest_gap(const std::vector<double>& a, const std::vector<double>& b) {
  double gap = 0;
  for (std::size_t i = 0; i < a.size(); ++i) gap = std::max(gap, std::abs(a[i] - b[i]));
  return a.size() == b.size() ? gap : infinity;
}

}  // namespace

TEST_CASE("bug_07f: the float64 oracle shares no code with the kernels, so it sees what they have wrong", "[bugs]") {
  namespace oracle = limbeck_test::oracle;
  const logit_case<double> c{4, 7, limbeck_test::random_numbers<double>(28, -3, 3, 1),
                             limbeck_test::random_numbers<double>(28, -3, 3, 2)};
  const oracle::array s = oracle::of(c.student, 4, 7), t = oracle::of(c.teacher, 4, 7);
  const auto right = c(soft_target_kl{}), wrong = c(limbeck::soft_target<exchanged_kl>{});
  CHECK(oracle::relative_distance(right.value, oracle::forward_kl(s, t, 1)) < 1e-12);
  CHECK(oracle::relative_distance(right.gradient, oracle::forward_kl_gradient(s, t, 1)) < 1e-12);
  CHECK(oracle::relative_distance(wrong.value, oracle::forward_kl(s, t, 1)) > 0.1);
  CHECK(oracle::relative_distance(wrong.gradient, oracle::forward_kl_gradient(s, t, 1)) > 0.1);
  const auto naive = dependent_oracle(c, exchanged_kl{});  // has the same defect, and so finds none
  CHECK(largest_gap(wrong.value, naive.value) < 1e-12);
  CHECK(largest_gap(wrong.gradient, naive.gradient) < 1e-12);

  for (const char* name : {"oracle.hpp", "representation_oracle.hpp"}) {
    std::ifstream file(std::filesystem::path(LIMBECK_TEST_GOLDEN_DIR).parent_path() / "losses" / name);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    INFO(name);
    CHECK(text.find("#include <xtensor/") != std::string::npos);
    CHECK(text.find("#include \"limbeck/") == std::string::npos);
  }
}

namespace {

template <class A>
void check_dead_class(A dead) {
  const auto c = one_row<A>({0, 1, dead}, {1, 0, dead});
  const auto forward = c(soft_target_kl{}), reverse = c(soft_target_reverse_kl{});
  CHECK(forward.value[0] == Approx(0.462117).epsilon(2e-6));
  CHECK(reverse.value[0] == Approx(0.462117).epsilon(2e-6));
  const auto symmetric = c(soft_target_js{});
  CHECK(symmetric.value[0] == Approx(0.110944).epsilon(4e-6));
  const auto without = one_row<A>({0, 1}, {1, 0});
  for (const auto& [got, alone] :
       {std::pair(forward, without(soft_target_kl{})), std::pair(reverse, without(soft_target_reverse_kl{})),
        std::pair(symmetric, without(soft_target_js{}))}) {
    CHECK(got.gradient[2] == 0);
    for (std::size_t i = 0; i < 2; ++i) CHECK(got.gradient[i] == Approx(alone.gradient[i]).epsilon(1e-6));
  }
  CHECK(std::isnan(naive_kl(softmax(c.teacher), softmax(c.student))));  // 0 * log(0 / 0)
}

}  // namespace

TEST_CASE("bug_08a: a class that both rule out is no NaN", "[bugs]") {
  check_dead_class<double>(-infinity);
  check_dead_class<float>(-static_cast<float>(infinity));
}

TEST_CASE("bug_08b: KLs and JS stay finite where a class underflows", "[bugs]") { check_dead_class<float>(-120); }

TEST_CASE("bug_08c: forward KL is finite where the teacher alone rules a class out", "[bugs]") {
  const auto c = one_row<double>({0, 1, 0}, {1, 0, -infinity});
  const auto got = c(soft_target_kl{});
  CHECK(got.value[0] > 0);
  CHECK(all_finite(got.value));
  CHECK(all_finite(got.gradient));
  check_slopes(c, soft_target_kl{});
  const auto reverse = c(soft_target_reverse_kl{}), symmetric = c(soft_target_js{});
  CHECK(reverse.value[0] == infinity);
  CHECK(all_finite(reverse.gradient));
  CHECK(all_finite(symmetric.value));
  check_slopes(c, soft_target_js{});
  CHECK(std::isnan(naive_kl(softmax(c.teacher), softmax(c.student))));  // 0 * log(0)
}

TEST_CASE("bug_08d: forward KL is infinite where the student alone rules a class out, its gradient finite", "[bugs]") {
  const auto c = one_row<double>({0, 1, -infinity}, {1, 0, 0});
  const auto got = c(soft_target_kl{});
  const auto p = softmax<double>({1, 0, 0}), q = softmax<double>({0, 1, -infinity});
  CHECK(got.value[0] == infinity);
  for (std::size_t i = 0; i < 3; ++i) CHECK(got.gradient[i] == Approx(q[i] - p[i]).epsilon(1e-12));
  for (const auto& other : {c(soft_target_reverse_kl{}), c(soft_target_js{})}) {
    CHECK(all_finite(other.value));
    CHECK(all_finite(other.gradient));
    CHECK(other.gradient[2] == 0);
  }
  const double naive_gradient = -p[2] / q[2] * q[2] * (1 - q[2]);  // the derivative taken through log(q): -p / q * dq
  CHECK(std::isnan(naive_gradient));
}

namespace {

// d/dz of sum q log(q / p) through the probabilities, as an automatic derivative does it.
std::vector<float> gradient_through_probabilities(const std::vector<float>& p, const std::vector<float>& q, float t) {
  std::vector<float> g(q.size());
  float inner = 0;
  for (std::size_t i = 0; i < q.size(); ++i) inner += q[i] * (std::log(q[i]) - std::log(p[i]) + 1);
  for (std::size_t i = 0; i < q.size(); ++i) g[i] = q[i] * (std::log(q[i]) - std::log(p[i]) + 1 - inner) / t;
  return g;
}

template <class S>
void check_small_temperature() {
  const S ten(10.0F), eight(8.0F), zero(0.0F);
  logit_case<float, S> same{1, 2, {ten, zero}, {eight, zero}}, opposite{1, 2, {ten, zero}, {zero, eight}};
  const soft_target_reverse_kl loss{.temperature = 0.05, .t_squared = false};
  const auto near = same(loss), far = opposite(loss);
  CHECK(near.value[0] == Approx(0).margin(1e-6));
  CHECK(far.value[0] == Approx(160));
  CHECK(all_finite(near.gradient));
  CHECK(all_finite(far.gradient));
  CHECK(far.gradient[0] == Approx(0).margin(1e-6));  // the student's class 1 underflowed: as flat as it is steep before
  const soft_target_js symmetric{.temperature = 0.05, .t_squared = false};
  CHECK(same(symmetric).value[0] == Approx(0).margin(1e-6));
  CHECK(opposite(symmetric).value[0] == Approx(std::log(2)).epsilon(1e-6));
  CHECK(all_finite(same(symmetric).gradient));
  CHECK(all_finite(opposite(symmetric).gradient));
}

}  // namespace

TEST_CASE("bug_09a: reverse KL and JS at a small temperature have finite gradients", "[bugs]") {
  check_small_temperature<float>();
  check_small_temperature<limbeck::float16>();
  const auto q = softmax<float>({10, 0}, 0.05F), p = softmax<float>({0, 8}, 0.05F);
  CHECK(!all_finite(gradient_through_probabilities(p, q, 0.05F)));
}

TEST_CASE("bug_09b: a class that the student has almost ruled out still pulls", "[bugs]") {
  const auto got = one_row<float>({0, -120}, {0, 0})(soft_target_kl{});
  CHECK(got.value[0] == Approx(59.30685).epsilon(1e-6));
  CHECK(got.gradient[0] == Approx(0.5));
  CHECK(got.gradient[1] == Approx(-0.5));
  const double clipped = std::max(-120.0, -100.0);  // log q clipped from below
  const double naive = 0.5 * (std::log(0.5) - 0) + 0.5 * (std::log(0.5) - clipped);
  CHECK(naive == Approx(49.30685).epsilon(1e-6));
  const auto clipped_slope = [](double log_q) { return log_q > -100 ? -0.5 : 0.0; };  // of -0.5 max(log q, -100)
  CHECK(clipped_slope(-120) == 0);                                                    // class 1 pulls no more
}

namespace {

template <class Loss>
void check_masked_row(const Loss& loss, double in_student, double in_teacher) {
  logit_case<double> one = one_row<double>({0.3, -1, 2}, {1, 0, -1}), two = one;
  one.labels = {1};
  two.labels = {1, 2};
  two.rows = 2;
  two.student.insert(two.student.end(), 3, in_student);
  two.teacher.insert(two.teacher.end(), 3, in_teacher);
  two.row_weight = {1, 0};
  const auto alone = one(loss), got = two(loss);
  CHECK(got.value == std::vector<double>{alone.value[0], 0});
  for (std::size_t i = 0; i < 6; ++i) CHECK(got.gradient[i] == (i < 3 ? alone.gradient[i] : 0));
}
void check_masked_row_everywhere(double in_student, double in_teacher) {
  check_masked_row(soft_target_kl{.temperature = 2}, in_student, in_teacher);
  check_masked_row(soft_target_reverse_kl{}, in_student, in_teacher);
  check_masked_row(soft_target_js{}, in_student, in_teacher);
  check_masked_row(limbeck::logits_mse{}, in_student, in_teacher);
  check_masked_row(cross_entropy{}, in_student, in_teacher);
  CHECK(std::isnan(0 * naive_kl<double>(softmax<double>({in_teacher, in_teacher}), softmax<double>({in_student, 0}))));
}

}  // namespace

TEST_CASE("bug_10a: NaN in a masked row of the student does not leak", "[bugs]") {
  check_masked_row_everywhere(undefined, 0);
}

TEST_CASE("bug_10b: -infinity in a masked row of the teacher does not leak", "[bugs]") {
  check_masked_row_everywhere(0, -infinity);
}

TEST_CASE("bug_11a: a batch without labels is 0", "[bugs]") {
  logit_case<double> c{5, 10, limbeck_test::random_numbers<double>(50, -1, 1), std::vector<double>(50, 0)};
  c.labels.assign(5, -100);
  const auto got = c(cross_entropy{});
  CHECK(got.total() == 0);
  CHECK(std::all_of(got.gradient.begin(), got.gradient.end(), [](double g) { return g == 0; }));
  const double naive = 0.0 / static_cast<double>(std::count(c.labels.begin(), c.labels.end(), 0));  // its own count
  CHECK(std::isnan(naive));
}

TEST_CASE("bug_11b: a batch of no rows is 0", "[bugs]") {
  const logit_case<double> c{0, 10, {}, {}};
  CHECK(c(cross_entropy{}).total() == 0);
  CHECK(c(soft_target_kl{}).total() == 0);
  CHECK(c(limbeck::logits_mse{}).total() == 0);
  CHECK(std::isnan(c(cross_entropy{}).total() / static_cast<double>(c.rows)));  // a mean over its own rows
}

TEST_CASE("bug_11c: a micro-batch without labels changes nothing beside a normal one", "[bugs]") {
  logit_case<double> normal{2, 3, {1, 2, 3, 0, 1, 0}, std::vector<double>(6, 0)}, empty = normal;
  normal.labels = {0, 2};
  empty.labels = {-100, -100};
  normal.per.rows = empty.per.rows = 2;  // of both together
  const double alone = normal(cross_entropy{}).total();
  CHECK(alone + empty(cross_entropy{}).total() == alone);
  CHECK(empty(cross_entropy{}).gradient == std::vector<double>(6, 0));
  const auto own_count = static_cast<double>(std::count(empty.labels.begin(), empty.labels.end(), 0));
  CHECK(std::isnan(alone + 0 / own_count));
}

TEST_CASE("bug_11d: a label that is no class is an error that names row and label", "[bugs]") {
  logit_case<double> c{3, 10, std::vector<double>(30, 0), std::vector<double>(30, 0)};
  for (const std::int32_t wrong : {-1, 10}) {
    c.labels = {0, wrong, 1};
    CHECK_THROWS_WITH(c(cross_entropy{}), "cross_entropy labels: row 1 has label " + std::to_string(wrong) +
                                              ", there are 10 classes and -100 is ignored");
  }
  const auto naive = [&](int row, int label) { return &c.student[0] + row * 10 + label; };
  CHECK(naive(1, -1) == &c.student[9]);   // another row's score, without a word
  CHECK(naive(1, 10) == &c.student[20]);  // and behind the last row, what lies there
}

namespace {

void check_padded_cross_entropy(float padding) {
  logit_case<float> c{1, 8, {-5, -5, -5}, {}};
  c.student.resize(8, padding);
  c.teacher = c.student;
  c.labels = {0};
  c.valid_classes = 3;
  const auto got = c(cross_entropy{});
  CHECK(got.value[0] == Approx(std::log(3.0)).epsilon(1e-6));
  for (std::size_t i = 0; i < 8; ++i)
    CHECK(got.gradient[i] == Approx(i == 0 ? -2.0 / 3 : i < 3 ? 1.0 / 3 : 0).epsilon(1e-6).margin(0));
}

}  // namespace

TEST_CASE("bug_12a: padding columns take no probability mass", "[bugs]") {
  check_padded_cross_entropy(0);
  const auto q = softmax<double>({-5, -5, -5, 0, 0, 0, 0, 0});
  CHECK(-std::log(q[0]) == Approx(6.613473).epsilon(1e-6));
  CHECK(q[0] + q[1] + q[2] == Approx(0.00403).epsilon(1e-3));
  CHECK(q[3] > 0.19);  // its gradient, spent on what is no token
}

TEST_CASE("bug_12b: garbage in padding columns is not read", "[bugs]") {
  check_padded_cross_entropy(static_cast<float>(undefined));
  check_padded_cross_entropy(static_cast<float>(infinity));
  CHECK(std::isnan(softmax<double>({-5, -5, -5, undefined, 0, 0, 0, 0})[0]));
  CHECK(std::isnan(softmax<double>({-5, -5, -5, infinity, 0, 0, 0, 0})[3]));
}

TEST_CASE("bug_12c: models may differ in padding, not in classes", "[bugs]") {
  const std::vector<double> z{0.1, 2, -1, 0.5, 1}, zt{1, 0, 0.3, -2, 0.7};
  auto padded = one_row(z, zt);
  padded.student.resize(6, 99);
  padded.teacher.resize(8, 99);
  padded.columns = 6;
  padded.teacher_columns = 8;
  padded.valid_classes = 5;
  const auto got = padded(soft_target_kl{}), dense = one_row(z, zt)(soft_target_kl{});
  CHECK(got.value == dense.value);
  for (std::size_t i = 0; i < 6; ++i) CHECK(got.gradient[i] == (i < 5 ? dense.gradient[i] : 0));
  const auto p = softmax(padded.teacher), q = softmax(padded.student);  // all columns, as many as both have
  CHECK(std::abs(naive_kl<double>({p.begin(), p.begin() + 6}, q) - dense.value[0]) > 0.1);

  const limbeck::signals<const double> five{limbeck::view<const double, 2>(z.data(), 1, 5)};
  limbeck::signals<const double> four = five;
  four.valid_classes = 4;
  limbeck::sink<double, limbeck::cpu> out;
  CHECK_THROWS_WITH(soft_target_kl{}(limbeck::cpu_executor<>{}, five, four, limbeck::targets<double>{}, out),
                    "soft_target logits: student [1, 5] with 5 valid classes, teacher [1, 5] with 4");
}

TEST_CASE("bug_12d: a row starts at its stride, not at the number of its classes", "[bugs]") {
  logit_case<double> c{2, 5, {9, 9, 9, 9, 9, 0, 1, 2, 9, 9}, std::vector<double>(10, 0)};
  c.valid_classes = 3;
  const auto got = c(soft_target_kl{});
  const auto row = one_row<double>({0, 1, 2}, {0, 0, 0})(soft_target_kl{});
  CHECK(got.value[0] == Approx(0).margin(1e-15));
  CHECK(got.value[1] == row.value[0]);
  CHECK(got.gradient[5] == row.gradient[0]);
  const std::vector<double> naive(c.student.begin() + 3, c.student.begin() + 6);  // the class count as the stride
  CHECK(naive_kl(softmax<double>({0, 0, 0}), softmax(naive)) != Approx(row.value[0]));
}

namespace {

/// [rows, classes] = states weights' of numbers that are stored in bfloat16.
template <class T>
std::vector<T> product(const std::vector<bfloat16>& states, const std::vector<bfloat16>& weights,
                       limbeck::index width) {
  const std::vector<T> x(states.begin(), states.end()), w(weights.begin(), weights.end());
  const auto rows = static_cast<limbeck::index>(x.size()) / width,
             classes = static_cast<limbeck::index>(w.size()) / width;
  std::vector<T> z(static_cast<std::size_t>(rows * classes));
  limbeck::ops::linear(limbeck::cpu_executor<>{}, limbeck::view<const T, 2>(x.data(), rows, width),
                       limbeck::view<const T, 2>(w.data(), classes, width), {},
                       limbeck::view<T, 2>(z.data(), rows, classes));
  return z;
}

/// |got - want| / |want|.
template <class G>
double relative_error(const std::vector<G>& got, const std::vector<double>& want) {
  double gap = 0, all = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    gap += std::pow(static_cast<double>(got[i]) - want[i], 2);
    all += want[i] * want[i];
  }
  return std::sqrt(gap / all);
}

template <class Loss>
void check_gradient_of_bfloat16(const Loss& loss) {
  const limbeck::index rows = 32, width = 64, classes = 512;
  const auto weights = limbeck_test::random_numbers<bfloat16>(64 * 512, -1, 1, 1);
  const auto states = limbeck_test::random_numbers<bfloat16>(32 * 64, -2.2, 2.2, 2);  // logits from -15 to 15 or so
  auto teacher = states;
  for (std::size_t i = 0; i < teacher.size(); ++i)
    teacher[i] = bfloat16(static_cast<float>(teacher[i]) * (i % 2 == 0 ? 1.02F : 0.99F));
  const logit_case<double> exact{rows, classes, product<double>(states, weights, width),
                                 product<double>(teacher, weights, width)};
  const logit_case<float> ours{rows, classes, product<float>(states, weights, width),
                               product<float>(teacher, weights, width)};
  const logit_case<float, bfloat16> naive{
      rows, classes, {ours.student.begin(), ours.student.end()}, {ours.teacher.begin(), ours.teacher.end()}};
  const std::vector<double> want = exact(loss).gradient;
  CHECK(relative_error(ours(loss).gradient, want) < 1e-2);
  CHECK(relative_error(naive(loss).gradient, want) > 4e-2);  // logits rounded before they were compared
  // Logits that somebody else has rounded are compared as they are.
  const logit_case<double> rounded{
      rows, classes, {naive.student.begin(), naive.student.end()}, {naive.teacher.begin(), naive.teacher.end()}};
  CHECK(relative_error(naive(loss).gradient, rounded(loss).gradient) < 1e-2);
}

/// [classes, width] = gradient' states: what a linear map's weights learn from gradients of its logits.
template <class G>
std::vector<double> weights_learn(const std::vector<G>& gradient, const std::vector<bfloat16>& states,
                                  limbeck::index width) {
  const auto w = static_cast<std::size_t>(width), rows = states.size() / w, classes = gradient.size() / rows;
  std::vector<double> out(classes * w, 0);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < classes; ++c)
      for (std::size_t i = 0; i < w; ++i)
        out[c * w + i] += static_cast<double>(gradient[r * classes + c]) * static_cast<double>(states[r * w + i]);
  return out;
}

}  // namespace

TEST_CASE("bug_13a: logits of bfloat16 states and weights are not rounded before they are compared", "[bugs]") {
  check_gradient_of_bfloat16(soft_target_kl{});
  check_gradient_of_bfloat16(soft_target_reverse_kl{});
  check_gradient_of_bfloat16(soft_target_kl{.temperature = 2});
  check_gradient_of_bfloat16(soft_target_js{});
}

TEST_CASE("bug_13a, fused: weights learn from Jensen-Shannon within 1 % of double, their logits never at once",
          "[bugs]") {
  const limbeck::index rows = 32, width = 64, classes = 512;
  const auto weights = limbeck_test::random_numbers<bfloat16>(64 * 512, -1, 1, 1);
  const auto states = limbeck_test::random_numbers<bfloat16>(32 * 64, -2.2, 2.2, 2);
  auto shown = states;
  for (std::size_t i = 0; i < shown.size(); ++i)
    shown[i] = bfloat16(static_cast<float>(shown[i]) * (i % 2 == 0 ? 1.02F : 0.99F));
  const logit_case<double> exact{rows, classes, product<double>(states, weights, width),
                                 product<double>(shown, weights, width)};
  const auto want = weights_learn(exact(soft_target_js{}).gradient, states, width);

  const std::vector<float> x(states.begin(), states.end()), y(shown.begin(), shown.end());
  const std::vector<float> w(weights.begin(), weights.end());
  std::vector<float> learned(w.size(), 0), value(32, 0);
  const auto head = [&](const std::vector<float>& hidden) {
    return limbeck::linear_head<const float>{limbeck::view<const float, 2>(hidden.data(), rows, width),
                                             limbeck::view<const float, 2>(w.data(), classes, width)};
  };
  std::vector<float> workspace(static_cast<std::size_t>(5 * limbeck::fused_linear_room(head(x), head(y))));
  limbeck::fused_linear(soft_target_js{}, limbeck::cpu_executor<>{}, head(x), head(y), limbeck::targets<float>{},
                        limbeck::sink<float, limbeck::cpu>{limbeck::view<float, 1>(value.data(), rows)},
                        {.weight = limbeck::view<float, 2>(learned.data(), classes, width)},
                        limbeck::view<float, 1>(workspace.data(), workspace.size()));
  CHECK(relative_error(learned, want) < 1e-2);
  const auto right = exact(soft_target_js{}).value;
  for (std::size_t i = 0; i < 32; ++i) CHECK(static_cast<double>(value[i]) == Approx(right[i]).epsilon(1e-4));

  const auto z = product<float>(states, weights, width), zt = product<float>(shown, weights, width);
  const logit_case<float, bfloat16> naive{rows, classes, {z.begin(), z.end()}, {zt.begin(), zt.end()}};
  CHECK(relative_error(weights_learn(naive(soft_target_js{}).gradient, states, width), want) > 4e-2);
}

TEST_CASE("bug_13b: nearly equal rows keep their digits in float", "[bugs]") {
  const std::vector<float> z{1.0001F, 2, 2.9999F}, zt{1, 2, 3};
  CHECK(one_row<double>({1.0001, 2, 2.9999}, {1, 2, 3})(soft_target_kl{}).value[0] == Approx(2.1221e-9).epsilon(1e-4));
  const auto exact = one_row<double>({z.begin(), z.end()}, {zt.begin(), zt.end()})(soft_target_kl{});  // as rounded
  const auto got = one_row(z, zt)(soft_target_kl{});
  CHECK(static_cast<double>(got.value[0]) == Approx(exact.value[0]).epsilon(1e-3));
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(static_cast<double>(got.gradient[i]) == Approx(exact.gradient[i]).epsilon(1e-3));
  const double naive = static_cast<double>(naive_kl(softmax(zt), softmax(z)));
  CHECK(std::abs(naive - exact.value[0]) > 0.5 * exact.value[0]);
}

TEST_CASE("bug_13c: equal rows are exactly 0, without a sign", "[bugs]") {
  for (const std::vector<float>& z : {std::vector<float>{1, 2, 3}, std::vector<float>{1000.5F, -300, 7, 7, 1e4F}}) {
    const auto forward = one_row(z, z)(soft_target_kl{.temperature = 3});
    const auto reverse = one_row(z, z)(soft_target_reverse_kl{.temperature = 3});
    for (const auto& got : {forward.value, forward.gradient, reverse.value, reverse.gradient})
      for (const float x : got) CHECK((x == 0 && !std::signbit(x)));
    for (const auto& got : {one_row(z, z)(soft_target_js{}).value, one_row(z, z)(soft_target_js{}).gradient})
      for (const float x : got) CHECK((x == 0 && !std::signbit(x)));
  }
  const std::vector<float> z{0.1F, 0.2F, 0.7F, 1.3F}, p = softmax(z);  // cross-entropy less entropy, each by itself
  float sum = 0, cross = 0, entropy = 0;
  for (const float x : z) sum += std::exp(x);
  for (std::size_t i = 0; i < z.size(); ++i) {
    cross += p[i] * (std::log(sum) - z[i]);
    entropy -= p[i] * std::log(p[i]);
  }
  CHECK(cross != entropy);
}

namespace {

/// Student and teacher are linear heads of 8 inputs, 50 classes and a bias; a temperature of 2 is a logit scale of 0.5.
struct heads_of_50 {
  static constexpr limbeck::index rows = 6, width = 8, classes = 50;
  std::vector<double> x = limbeck_test::random_numbers<double>(48, -1, 1, 1), y = x;
  std::vector<double> w = limbeck_test::random_numbers<double>(400, -2, 2, 2), v = w;
  std::vector<double> b = limbeck_test::random_numbers<double>(50, -3, 3, 3), a = b;
  std::vector<std::int32_t> labels{3, 1, 4, 1, 5, 9};

  struct outcome {
    std::vector<double> value, bias;  ///< [rows], [classes]: the gradient of the bias, which is that of the logits
  };
  [[nodiscard]] logit_case<double> dense(bool with_bias = true) const {
    logit_case<double> c{rows, classes, {}, {}};
    c.labels = labels;
    for (std::size_t r = 0; r < 6; ++r)
      for (std::size_t k = 0; k < 50; ++k) {
        double z = with_bias ? b[k] : 0, zt = with_bias ? a[k] : 0;
        for (std::size_t i = 0; i < 8; ++i) {
          z += x[r * 8 + i] * w[k * 8 + i];
          zt += y[r * 8 + i] * v[k * 8 + i];
        }
        c.student.push_back(z);
        c.teacher.push_back(zt);
      }
    return c;
  }
  [[nodiscard]] static outcome summed(const logit_case<double>::outcome& got) {
    outcome out{got.value, std::vector<double>(50, 0)};
    for (std::size_t i = 0; i < got.gradient.size(); ++i) out.bias[i % 50] += got.gradient[i];
    return out;
  }
  [[nodiscard]] outcome fused(const soft_target_kl& loss, limbeck::index rows_at_once) const {
    using limbeck::view;
    const limbeck::linear_head<const double> student{view<const double, 2>(x.data(), rows, width),
                                                     view<const double, 2>(w.data(), classes, width),
                                                     view<const double, 1>(b.data(), classes)};
    const limbeck::linear_head<const double> teacher{view<const double, 2>(y.data(), rows, width),
                                                     view<const double, 2>(v.data(), classes, width),
                                                     view<const double, 1>(a.data(), classes)};
    outcome out{std::vector<double>(6, 0), std::vector<double>(50, 0)};
    std::vector<double> room(static_cast<std::size_t>(rows_at_once * limbeck::fused_linear_room(student, teacher)));
    limbeck::fused_linear(loss, limbeck::cpu_executor<>{}, student, teacher,
                          limbeck::targets<double>{view<const std::int32_t, 1>(labels.data(), rows)},
                          limbeck::sink<double, limbeck::cpu>{view<double, 1>(out.value.data(), rows)},
                          {.bias = view<double, 1>(out.bias.data(), classes)},
                          view<double, 1>(room.data(), room.size()));
    return out;
  }
  [[nodiscard]] outcome by_the_book() const {
    namespace textbook = limbeck_test::textbook;
    const logit_case<double> c = dense();
    outcome out{{}, std::vector<double>(50, 0)};
    for (limbeck::index r = 0; r < rows; ++r) {
      const auto row = textbook::of_row<textbook::forward_kl>(textbook::row_of(c.student, r, classes),
                                                              textbook::row_of(c.teacher, r, classes), 2);
      out.value.push_back(static_cast<double>(4 * row.value));
      for (std::size_t k = 0; k < 50; ++k) out.bias[k] += static_cast<double>(4 * row.gradient[k]);
    }
    return out;
  }
};

}  // namespace

// 15: a second copy of the loss had a default hard-label weight of 0.5 and no bias. huggingface/trl#5731
TEST_CASE("bug_15: dense, fused, in slices and from kept logits are one loss, 0 for equal models", "[bugs]") {
  heads_of_50 heads;
  const soft_target_kl loss{.temperature = 2};
  for (const bool equal : {true, false}) {
    if (!equal) {
      heads.v = limbeck_test::random_numbers<double>(400, -2, 2, 4);
      heads.a = limbeck_test::random_numbers<double>(50, -3, 3, 5);
    }
    const auto c = heads.dense();
    const auto want = heads.by_the_book();
    for (const auto& got : {heads.summed(c(loss)), heads.summed(c(top_k_of<limbeck::top_k_kl>{50, {.temperature = 2}})),
                            heads.fused(loss, 6), heads.fused(loss, 4), heads.fused(loss, 1)}) {
      CHECK(largest_gap(got.value, want.value) < 1e-12);
      CHECK(largest_gap(got.bias, want.bias) < 1e-12);
      if (equal) CHECK(*std::max_element(got.value.begin(), got.value.end()) < 1e-12);
    }
    const auto hard = c(cross_entropy{}).value;  // naive: half of the labels' loss, that nobody asked for
    CHECK(std::abs(0.5 * hard[1] - 0.5 * want.value[1]) > 0.5);
    if (!equal) CHECK(largest_gap(heads.summed(heads.dense(false)(loss)).value, want.value) > 0.1);  // naive: no bias
  }
}

TEST_CASE("bug_17a: a regression compares each output with its own target", "[bugs]") {
  logit_case<double> c{3, 1, {1, 2, 3}, {0, 0, 0}};
  c.scores = {1, 2, 3};
  c.per.rows = 3;
  CHECK(c(limbeck::regression_mse{}).total() == 0);
  CHECK(c(limbeck::regression_mse{}).gradient == std::vector<double>{0, 0, 0});
  double naive = 0, naive_slope = 0;  // [3, 1] against [3] broadcasts to 3 x 3
  for (const double output : c.student)
    for (const double target : c.scores) naive += (output - target) * (output - target) / 9;
  for (const double target : c.scores) naive_slope += 2 * (c.student[0] - target) / 9;
  CHECK(naive == Approx(4.0 / 3));
  CHECK(naive_slope < -0.6);  // to the average
  c.scores = {1, 2};
  CHECK_THROWS_WITH(c(limbeck::regression_mse{}),
                    "regression_mse: outputs [3, 1], scores [2]; one output for each score is wanted");
}

TEST_CASE("bug_17b: a regressor is distilled from its teacher, not from the gold score", "[bugs]") {
  logit_case<double> c{1, 1, {4}, {4}};
  c.scores = {5};
  CHECK(c(limbeck::logits_mse{}).total() == 0);
  CHECK(c(limbeck::logits_mse{}).gradient[0] == 0);
  CHECK(c(limbeck::regression_mse{}).total() == 1);  // the gold score in the teacher's place
  CHECK(c(limbeck::regression_mse{}).gradient[0] == -2);
}
