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
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/ops/linear.hpp"
#include "losses/logit_case.hpp"
#include "losses/oracle.hpp"

namespace {

using limbeck::bfloat16;
using limbeck::cross_entropy;
using limbeck::divisor;
using limbeck::soft_target_kl;
using limbeck::soft_target_reverse_kl;
using limbeck_test::infinity;
using limbeck_test::logit_case;
using limbeck_test::undefined;

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
}

TEST_CASE("bug_03a: unequal micro-batches give the loss of the whole batch", "[bugs]") {
  const limbeck::regression_mse loss;
  CHECK(rows_of_loss({1}, 4)(loss).total() + rows_of_loss({3, 3, 3}, 4)(loss).total() == Approx(2.5));
  const double naive = (rows_of_loss({1}, 1)(loss).total() + rows_of_loss({3, 3, 3}, 3)(loss).total()) / 2;
  CHECK(naive == Approx(2.0));  // the mean of means
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

TEST_CASE("bug_07a: forward is KL(teacher, student) and reverse KL(student, teacher)", "[bugs]") {
  const auto c = one_row<double>({0, 0}, {std::log(9.0), 0});
  CHECK(c(soft_target_kl{}).value[0] == Approx(0.368064).epsilon(1e-6));
  CHECK(c(soft_target_reverse_kl{}).value[0] == Approx(0.510826).epsilon(1e-6));
  CHECK(naive_kl<double>({0.5, 0.5}, {0.9, 0.1}) != Approx(0.368064));  // directions exchanged
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
}

namespace {

/// What should have been forward KL, with the sides exchanged.
struct exchanged_kl {
  template <class T>
  LIMBECK_HD limbeck::divergence_term<T> operator()(const limbeck::compared<T>& c) const {
    return {c.student * c.log_ratio, c.student * (c.log_ratio + T(1))};
  }
};

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
  CHECK(forward.gradient[2] == 0);
  CHECK(reverse.gradient[2] == 0);
  CHECK(all_finite(forward.gradient));
  CHECK(all_finite(reverse.gradient));
  CHECK(std::isnan(naive_kl(softmax(c.teacher), softmax(c.student))));  // 0 * log(0 / 0)
}

}  // namespace

TEST_CASE("bug_08a: a class that both rule out is no NaN", "[bugs]") {
  check_dead_class<double>(-infinity);
  check_dead_class<float>(-static_cast<float>(infinity));
}

TEST_CASE("bug_08b: the KLs stay finite where a class underflows", "[bugs]") { check_dead_class<float>(-120); }

TEST_CASE("bug_08c: forward KL is finite where the teacher alone rules a class out", "[bugs]") {
  const auto c = one_row<double>({0, 1, 0}, {1, 0, -infinity});
  const auto got = c(soft_target_kl{});
  CHECK(got.value[0] > 0);
  CHECK(all_finite(got.value));
  CHECK(all_finite(got.gradient));
  const auto reverse = c(soft_target_reverse_kl{});
  CHECK(reverse.value[0] == infinity);
  CHECK(all_finite(reverse.gradient));
  CHECK(std::isnan(naive_kl(softmax(c.teacher), softmax(c.student))));  // 0 * log(0)
}

TEST_CASE("bug_08d: forward KL is infinite where the student alone rules a class out, its gradient finite", "[bugs]") {
  const auto c = one_row<double>({0, 1, -infinity}, {1, 0, 0});
  const auto got = c(soft_target_kl{});
  const auto p = softmax<double>({1, 0, 0}), q = softmax<double>({0, 1, -infinity});
  CHECK(got.value[0] == infinity);
  for (std::size_t i = 0; i < 3; ++i) CHECK(got.gradient[i] == Approx(q[i] - p[i]).epsilon(1e-12));
  CHECK(all_finite(c(soft_target_reverse_kl{}).value));
  double naive_gradient = 0;  // the derivative taken through log(q): -p / q * dq
  naive_gradient = -p[2] / q[2] * q[2] * (1 - q[2]);
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
}

}  // namespace

TEST_CASE("bug_09a: reverse KL at a small temperature has a finite gradient", "[bugs]") {
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
}

TEST_CASE("bug_11c: a micro-batch without labels changes nothing beside a normal one", "[bugs]") {
  logit_case<double> normal{2, 3, {1, 2, 3, 0, 1, 0}, std::vector<double>(6, 0)}, empty = normal;
  normal.labels = {0, 2};
  empty.labels = {-100, -100};
  normal.per.rows = empty.per.rows = 2;  // of both together
  const double alone = normal(cross_entropy{}).total();
  CHECK(alone + empty(cross_entropy{}).total() == alone);
  CHECK(std::isnan(alone + 0.0 / 0.0));  // each by its own count
}

TEST_CASE("bug_11d: a label that is no class is an error that names row and label", "[bugs]") {
  logit_case<double> c{3, 10, std::vector<double>(30, 0), std::vector<double>(30, 0)};
  for (const std::int32_t wrong : {-1, 10}) {
    c.labels = {0, wrong, 1};
    CHECK_THROWS_WITH(c(cross_entropy{}), "cross_entropy labels: row 1 has label " + std::to_string(wrong) +
                                              ", there are 10 classes and -100 is ignored");
  }
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
  for (std::size_t i = 3; i < 8; ++i) CHECK(got.gradient[i] == 0);
}

}  // namespace

TEST_CASE("bug_12a: padding columns take no probability mass", "[bugs]") {
  check_padded_cross_entropy(0);
  const auto q = softmax<double>({-5, -5, -5, 0, 0, 0, 0, 0});
  CHECK(-std::log(q[0]) == Approx(6.613473).epsilon(1e-6));
  CHECK(q[0] + q[1] + q[2] == Approx(0.00403).epsilon(1e-3));
}

TEST_CASE("bug_12b: garbage in padding columns is not read", "[bugs]") {
  check_padded_cross_entropy(static_cast<float>(undefined));
  check_padded_cross_entropy(static_cast<float>(infinity));
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

}  // namespace

TEST_CASE("bug_13a: logits of bfloat16 states and weights are not rounded before they are compared", "[bugs]") {
  check_gradient_of_bfloat16(soft_target_kl{});
  check_gradient_of_bfloat16(soft_target_reverse_kl{});
  check_gradient_of_bfloat16(soft_target_kl{.temperature = 2});
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
  }
}

TEST_CASE("bug_17a: a regression compares each output with its own target", "[bugs]") {
  logit_case<double> c{3, 1, {1, 2, 3}, {0, 0, 0}};
  c.scores = {1, 2, 3};
  c.per.rows = 3;
  CHECK(c(limbeck::regression_mse{}).total() == 0);
  double naive = 0;  // [3, 1] against [3] broadcasts to 3 x 3
  for (const double output : c.student)
    for (const double target : c.scores) naive += (output - target) * (output - target) / 9;
  CHECK(naive == Approx(4.0 / 3));
  c.scores = {1, 2};
  CHECK_THROWS_WITH(c(limbeck::regression_mse{}),
                    "regression_mse: outputs [3, 1], scores [2]; one output for each score is wanted");
}

TEST_CASE("bug_17b: a regressor is distilled from its teacher, not from the gold score", "[bugs]") {
  logit_case<double> c{1, 1, {4}, {4}};
  c.scores = {5};
  CHECK(c(limbeck::logits_mse{}).total() == 0);
  CHECK(c(limbeck::regression_mse{}).total() == 1);  // the gold score in the teacher's place
}
