// The divergences of softened class scores, against hand calculation and the float64 reference.
#include "limbeck/losses/soft_target.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "limbeck/losses/objective.hpp"
#include "losses/logit_case.hpp"
#include "losses/oracle.hpp"
#include "losses/soft_target_reference.hpp"
#include "simd_levels.hpp"

namespace {

namespace oracle = limbeck_test::oracle;
using limbeck::bfloat16;
using limbeck::float16;
using limbeck::simd_level;
using limbeck::soft_target_kl;
using limbeck::soft_target_reverse_kl;
using limbeck_test::infinity;
using limbeck_test::logit_case;
using limbeck_test::random_numbers;

static_assert(limbeck::separable<limbeck::forward_kl> && limbeck::separable<limbeck::reverse_kl>);
static_assert(limbeck::separable<limbeck::soft_label_cross_entropy>);
static_assert(limbeck::loss_policy<soft_target_kl, limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<soft_target_reverse_kl, limbeck::cpu_executor<>, double, double, double>);
static_assert(limbeck::loss_policy<soft_target_kl, limbeck::cpu_executor<>, bfloat16, float16, float>);
static_assert(!limbeck::loss_policy<soft_target_kl, limbeck::cuda_queue>);  // cannot start kernels

template <class A, class S = A, class U = S, class G = A>
logit_case<A, S, U, G> random_case(limbeck::index rows, limbeck::index classes, double spread = 3) {
  const auto size = static_cast<std::size_t>(rows * classes);
  logit_case<A, S, U, G> c{rows, classes, random_numbers<S>(size, -spread, spread, 1),
                           random_numbers<U>(size, -spread, spread, 2)};
  return c;
}

template <class A, class S, class U, class G>
void check_against_reference(const logit_case<A, S, U, G>& c, double temperature, double tolerance,
                             double gradient_tolerance) {
  const auto rows = static_cast<std::size_t>(c.rows), classes = static_cast<std::size_t>(c.columns);
  const oracle::array s = oracle::of(c.student, rows, classes), t = oracle::of(c.teacher, rows, classes);
  const double square = temperature * temperature;
  INFO(rows << " rows, " << classes << " classes, temperature " << temperature << ", level "
            << limbeck::name_of(limbeck::active_simd_level()));
  const auto forward = c(soft_target_kl{.temperature = temperature});
  CHECK(oracle::relative_distance(forward.value, square * oracle::forward_kl(s, t, temperature)) < tolerance);
  CHECK(oracle::relative_distance(forward.gradient, square * oracle::forward_kl_gradient(s, t, temperature)) <
        gradient_tolerance);
  const auto reverse = c(soft_target_reverse_kl{.temperature = temperature});
  CHECK(oracle::relative_distance(reverse.value, square * oracle::reverse_kl(s, t, temperature)) < tolerance);
  CHECK(oracle::relative_distance(reverse.gradient, square * oracle::reverse_kl_gradient(s, t, temperature)) <
        gradient_tolerance);
  const auto cross =
      c(limbeck::soft_target<limbeck::soft_label_cross_entropy>{.temperature = temperature, .t_squared = false});
  CHECK(oracle::relative_distance(cross.value, oracle::soft_label_cross_entropy(s, t, temperature)) < tolerance);
}

// For rows with classes that are ruled out, in `numbers` by a logit far below the others.
void check_against_long_double(const logit_case<float>& c, const logit_case<float>& numbers, double temperature) {
  using limbeck_test::kl_direction;
  const auto forward = c(soft_target_kl{.temperature = temperature, .t_squared = false});
  const auto reverse = c(soft_target_reverse_kl{.temperature = temperature, .t_squared = false});
  double apart = 0;
  for (std::size_t i = 0; i < numbers.student.size(); ++i)
    apart = std::max(apart, std::abs(static_cast<double>(numbers.student[i] - numbers.teacher[i])));
  const auto close = [&](const auto& got, const auto& want) {
    INFO("temperature " << temperature << ", level " << limbeck::name_of(limbeck::active_simd_level()));
    for (std::size_t i = 0; i < want.value.size(); ++i) CHECK(got.value[i] == Approx(want.value[i]).epsilon(3e-6));
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < want.gradient.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(got.gradient[i]) - want.gradient[i]));
      largest = std::max(largest, std::abs(want.gradient[i]));
    }
    CHECK(worst < 2e-6 * largest + 1e-8 * apart);  // a difference of logits is rounded to 6e-8 of its size
  };
  close(forward, kl_reference(numbers, temperature, kl_direction::forward));
  close(reverse, kl_reference(numbers, temperature, kl_direction::reverse));
}

template <class C>
auto bits_of_case(const C& c, int threads = 1) {
  return c(soft_target_kl{.temperature = 2}, threads);
}

// The same bits for other numbers of threads and for the batch in two parts; with every fifth row masked or all alike.
void check_splits(limbeck::index classes, bool masked) {
  const limbeck::index rows = classes < 50 ? 5000 : 70;
  auto c = random_case<float>(rows, classes);
  for (limbeck::index i = 0; i < rows; ++i) c.row_sample.push_back(static_cast<std::int32_t>(i / 7));
  if (masked)
    for (limbeck::index i = 0; i < rows; ++i) c.row_weight.push_back(i % 5 == 0 ? 0.0F : 1.0F);
  const auto whole = bits_of_case(c);
  for (const int threads : {2, 3, 7}) {
    const auto got = bits_of_case(c, threads);
    CHECK(got.value == whole.value);
    CHECK(got.gradient == whole.gradient);
  }
  // samples 0 to 2, then the rest
  const limbeck::index cut = 21;
  logit_case<float> first = c, second = c;
  const auto keep = [&](auto& numbers, limbeck::index width, bool head) {
    const auto middle = numbers.begin() + cut * width;
    head ? numbers.erase(middle, numbers.end()) : numbers.erase(numbers.begin(), middle);
  };
  for (logit_case<float>* part : {&first, &second}) {
    const bool head = part == &first;
    keep(part->student, classes, head);
    keep(part->teacher, classes, head);
    if (masked) keep(part->row_weight, 1, head);
    keep(part->row_sample, 1, head);
    part->rows = head ? cut : rows - cut;
  }
  for (auto& sample : second.row_sample) sample -= 3;
  auto value = bits_of_case(first).value, gradient = bits_of_case(first).gradient;
  const auto rest = bits_of_case(second);
  value.insert(value.end(), rest.value.begin(), rest.value.end());
  gradient.insert(gradient.end(), rest.gradient.begin(), rest.gradient.end());
  CHECK(value == whole.value);
  CHECK(gradient == whole.gradient);
}

}  // namespace

TEST_CASE("soft_target of two classes agrees with a calculation by hand") {
  // p = (0.9, 0.1), q = (0.5, 0.5)
  const logit_case<double> c{1, 2, {0, 0}, {std::log(9.0), 0}};
  const auto forward = c(soft_target_kl{});
  CHECK(forward.value[0] == Approx(0.9 * std::log(1.8) + 0.1 * std::log(0.2)).epsilon(1e-12));
  CHECK(forward.gradient[0] == Approx(-0.4).epsilon(1e-12));
  CHECK(forward.gradient[1] == Approx(0.4).epsilon(1e-12));
  const auto reverse = c(soft_target_reverse_kl{});
  CHECK(reverse.value[0] == Approx(0.5 * std::log(0.5 / 0.9) + 0.5 * std::log(5.0)).epsilon(1e-12));
}

TEST_CASE("soft_target agrees with the float64 reference at every level, for few classes and many") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {1, 2, 3, 4, 5, 6, 8, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 1000, 4099}) {
      if (classes == 1) continue;  // nothing to compare: see below
      for (const double temperature : {0.5, 1.0, 3.0}) {
        const limbeck::index rows = classes < 200 ? 37 : 7;  // whole vectors of rows, and some more
        check_against_reference(random_case<double>(rows, classes), temperature, 1e-12, 1e-12);
        check_against_reference(random_case<float>(rows, classes), temperature, 3e-6, 2e-6);
      }
    }
  }
}

TEST_CASE("soft_target agrees with the reference where a row's top comes late or its first classes are ruled out") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    auto c = random_case<float>(3, 5000);
    for (limbeck::index i = 0; i < 5000; ++i) {
      const auto at = static_cast<std::size_t>(i);
      c.student[at] += static_cast<float>(i) * 0.1F;  // the top rises by hundreds from block to block
      c.teacher[at] -= static_cast<float>(i) * 0.01F;
      c.student[5000 + at] += static_cast<float>(i) * 0.002F;
      if (i < 2500) c.student[10000 + at] = c.teacher[10000 + at] = -1e4F;
    }
    auto ruled_out = c;
    for (auto* logits : {&ruled_out.student, &ruled_out.teacher})
      std::replace(logits->begin(), logits->end(), -1e4F, static_cast<float>(-infinity));
    for (const double temperature : {1.0, 2.5}) check_against_long_double(ruled_out, c, temperature);
  }
}

TEST_CASE("soft_target of a single class is 0") {
  const auto got = random_case<float>(3, 1)(soft_target_kl{.temperature = 2});
  CHECK(got.value == std::vector<float>{0, 0, 0});
  CHECK(got.gradient == std::vector<float>{0, 0, 0});
}

TEST_CASE("soft_target does not hide a NaN") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {2, 4, 200}) {
      for (const bool in_student : {true, false}) {
        auto c = random_case<float>(40, classes);
        (in_student ? c.student : c.teacher)[static_cast<std::size_t>(17 * classes + 1)] =
            std::numeric_limits<float>::quiet_NaN();
        INFO(classes << " classes, " << (in_student ? "student" : "teacher"));
        const auto check = [&](const auto& loss) {
          const auto got = c(loss);
          for (limbeck::index i = 0; i < 40; ++i) {  // its own row alone
            CHECK(std::isnan(got.value[static_cast<std::size_t>(i)]) == (i == 17));
            CHECK(std::isnan(got.gradient[static_cast<std::size_t>(i * classes)]) == (i == 17));
          }
        };
        check(soft_target_kl{.temperature = 2});
        check(soft_target_reverse_kl{.temperature = 2});
      }
    }
  }
}

TEST_CASE("soft_target reads every kind of storage") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {3, 7, 40, 200}) {
      const auto check = [&](const auto& c, double tolerance, double gradient_tolerance) {
        const auto columns = static_cast<std::size_t>(c.columns);
        const oracle::array s = oracle::of(c.student, 19, columns), t = oracle::of(c.teacher, 19, columns);
        const auto got = c(soft_target_kl{.temperature = 2});
        CHECK(oracle::relative_distance(got.value, 4 * oracle::forward_kl(s, t, 2)) < tolerance);
        CHECK(oracle::relative_distance(got.gradient, 4 * oracle::forward_kl_gradient(s, t, 2)) < gradient_tolerance);
      };
      check(random_case<float, bfloat16, float16>(19, classes), 3e-6, 2e-6);
      check(random_case<float, float16, double, bfloat16>(19, classes), 3e-6, 4e-3);
      check(random_case<double, float, bfloat16, float16>(19, classes), 1e-12, 5e-4);
    }
  }
}

TEST_CASE("soft_target keeps the digits of rows that nearly agree") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {3, 10, 1000}) {
      for (const double apart : {1e-2, 1e-4}) {
        auto c = random_case<float>(19, classes);
        for (std::size_t i = 0; i < c.student.size(); ++i)
          c.student[i] = c.teacher[i] + static_cast<float>(apart) * c.student[i];
        const auto rows = static_cast<std::size_t>(c.rows), columns = static_cast<std::size_t>(classes);
        const oracle::array s = oracle::of(c.student, rows, columns), t = oracle::of(c.teacher, rows, columns);
        INFO(classes << " classes, " << apart << " apart, level " << limbeck::name_of(level));
        const double reference = 1e-13 / (apart * apart);  // the reference itself cancels
        const auto forward = c(soft_target_kl{});
        CHECK(oracle::relative_distance(forward.value, oracle::forward_kl(s, t, 1)) < 1e-5 + reference);
        CHECK(oracle::relative_distance(forward.gradient, oracle::forward_kl_gradient(s, t, 1)) < 1e-5);
        const auto reverse = c(soft_target_reverse_kl{});
        CHECK(oracle::relative_distance(reverse.value, oracle::reverse_kl(s, t, 1)) < 1e-5 + reference);
        CHECK(oracle::relative_distance(reverse.gradient, oracle::reverse_kl_gradient(s, t, 1)) < 1e-5);
      }
    }
  }
}

TEST_CASE("soft_target adds nothing where the models agree") {
  for (const limbeck::index classes : {2, 17, 300}) {
    auto c = random_case<float>(3, classes, 50);
    c.teacher = c.student;
    const auto check = [&](const auto& loss) {
      const auto got = c(loss);
      for (const float v : got.value) CHECK((v == 0 && !std::signbit(v)));
      for (const float g : got.gradient) CHECK((g == 0 && !std::signbit(g)));
    };
    check(soft_target_kl{.temperature = 3});
    check(soft_target_reverse_kl{.temperature = 3});
  }
}

TEST_CASE("soft_target survives huge logits and small temperatures") {
  for (const limbeck::index copies : {1, 40}) {  // few classes and many
    logit_case<float> c{2, 3 * copies, {}, {}};
    const float s[] = {1e4F, 0, -1e4F, 10, 0, 0}, t[] = {-1e4F, 0, 1e4F, 8, 0, 0};
    for (limbeck::index row = 0; row < 2; ++row)
      for (limbeck::index i = 0; i < 3 * copies; ++i) {
        c.student.push_back(i < 3 ? s[row * 3 + i] : -2e4F);
        c.teacher.push_back(i < 3 ? t[row * 3 + i] : -2e4F);
      }
    const auto forward = c(soft_target_kl{});
    CHECK(forward.value[0] == 20000);
    CHECK(forward.gradient[0] == 1);
    CHECK(forward.gradient[2] == -1);
    const auto sharp = c(soft_target_reverse_kl{.temperature = 0.05, .t_squared = false});
    CHECK(sharp.value[0] == Approx(400000));
    CHECK(sharp.value[1] == Approx(0).margin(1e-6));
    CHECK(std::all_of(sharp.gradient.begin(), sharp.gradient.end(), [](float g) { return std::isfinite(g); }));
  }
}

TEST_CASE("soft_target skips classes that both models rule out") {
  for (const limbeck::index more : {0, 90}) {
    const auto padded = [&](std::vector<double> row) {
      row.resize(3 + static_cast<std::size_t>(more), -infinity);
      return row;
    };
    const logit_case<double> c{1, 3 + more, padded({0, 1, -infinity}), padded({1, 0, -infinity})};
    const logit_case<double> two{1, 2, {0, 1}, {1, 0}};
    for (const double temperature : {1.0, 4.0}) {
      const auto got = c(soft_target_kl{.temperature = temperature}),
                 same = two(soft_target_kl{.temperature = temperature});
      CHECK(got.value[0] == Approx(same.value[0]).epsilon(1e-14));
      CHECK(got.gradient[1] == Approx(same.gradient[1]).epsilon(1e-14));
      CHECK(got.gradient[2] == 0);
      const auto reverse = c(soft_target_reverse_kl{.temperature = temperature});
      CHECK(reverse.value[0] ==
            Approx(two(soft_target_reverse_kl{.temperature = temperature}).value[0]).epsilon(1e-14));
      CHECK(reverse.gradient[2] == 0);
    }
  }
}

TEST_CASE("soft_target skips masked rows, whatever stands there") {
  for (const limbeck::index classes : {3, 200}) {
    auto c = random_case<float>(3, classes);
    const auto whole = c(soft_target_kl{.temperature = 2});
    for (const float garbage : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto masked = c;
      masked.row_weight = {1, 0, 1};
      for (limbeck::index i = classes; i < 2 * classes; ++i) masked.student[static_cast<std::size_t>(i)] = garbage;
      const auto got = masked(soft_target_kl{.temperature = 2});
      CHECK(got.value == std::vector<float>{whole.value[0], 0, whole.value[2]});
      for (limbeck::index i = 0; i < 3 * classes; ++i)
        CHECK(got.gradient[static_cast<std::size_t>(i)] ==
              (i / classes == 1 ? 0 : whole.gradient[static_cast<std::size_t>(i)]));
    }
  }
}

TEST_CASE("soft_target leaves padding columns alone") {
  for (const limbeck::index classes : {5, 20, 200}) {
    const limbeck::index rows = 19;
    const auto dense = random_case<float>(rows, classes);
    logit_case<float> padded{rows, classes + 3, {}, {}};
    padded.teacher_columns = classes + 1;
    padded.valid_classes = classes;
    const float nothing = std::numeric_limits<float>::quiet_NaN();
    for (limbeck::index i = 0; i < rows; ++i) {
      const auto row = [&](const std::vector<float>& from, std::vector<float>& to, limbeck::index more) {
        to.insert(to.end(), from.begin() + i * classes, from.begin() + (i + 1) * classes);
        to.insert(to.end(), static_cast<std::size_t>(more), nothing);
      };
      row(dense.student, padded.student, 3);
      row(dense.teacher, padded.teacher, 1);
    }
    const auto a = dense(soft_target_kl{}), b = padded(soft_target_kl{});
    CHECK(a.value == b.value);
    for (limbeck::index i = 0; i < rows; ++i)
      for (limbeck::index k = 0; k < classes + 3; ++k)
        CHECK(b.gradient[static_cast<std::size_t>(i * (classes + 3) + k)] ==
              (k < classes ? a.gradient[static_cast<std::size_t>(i * classes + k)] : 0));
  }
}

TEST_CASE("soft_target takes any strides and gives the same bits") {
  for (const limbeck::index classes : {2, 3, 6, 17, 40, 150}) {
    const auto c = random_case<float>(37, classes);
    const auto plain = c(soft_target_reverse_kl{.temperature = 2});
    std::vector<float> s(c.student.size() * 2), t(s.size()), g(s.size()), value(37);
    // column after column, every other element
    const limbeck::dimensions<2> extents{{37, classes}}, strides{{2, 2 * 37}};
    const limbeck::view<float, 2> sv(s.data(), extents, strides), tv(t.data(), extents, strides),
        gv(g.data(), extents, strides);
    for (limbeck::index i = 0; i < 37; ++i)
      for (limbeck::index k = 0; k < classes; ++k) {
        sv(i, k) = c.student[static_cast<std::size_t>(i * classes + k)];
        tv(i, k) = c.teacher[static_cast<std::size_t>(i * classes + k)];
      }
    limbeck::sink<float, limbeck::cpu> out{limbeck::view<float, 1>(value.data(), 37)};
    out.gradient.logits = gv;
    const limbeck::signals<const float> student{sv}, teacher{tv};
    soft_target_reverse_kl{.temperature = 2}(limbeck::cpu_executor<>{}, student, teacher, limbeck::targets<float>{},
                                             out);
    CHECK(value == plain.value);
    for (limbeck::index i = 0; i < 37; ++i)
      for (limbeck::index k = 0; k < classes; ++k)
        CHECK(gv(i, k) == plain.gradient[static_cast<std::size_t>(i * classes + k)]);
  }
}

TEST_CASE("soft_target has the same bits for any number of threads and any split of the batch") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {2, 3, 7, 10, 33, 100, 3000})
      for (const bool masked : {false, true}) check_splits(classes, masked);
  }
}

TEST_CASE("soft_target adds to what is there, times weights and scale, over the count it is told") {
  auto c = random_case<double>(4, 3);
  const auto plain = c(soft_target_kl{.temperature = 2});
  c.row_sample = {0, 0, 1, 1};
  c.sample_weight = {0.5, 0};
  c.row_weight = {1, 3, 1, 1};
  c.scale = 2;
  c.per.rows = 8;
  const auto got = c(soft_target_kl{.temperature = 2});
  CHECK(got.value[0] == Approx(2 * 0.5 / 8 * (plain.value[0] + 3 * plain.value[1])).epsilon(1e-14));
  CHECK(got.value[1] == 0);
  CHECK(got.gradient[3] == Approx(2 * 0.5 / 8 * 3 * plain.gradient[3]).epsilon(1e-14));
  CHECK(got.gradient[6] == 0);
  const auto twice = c(1.0 * soft_target_kl{.temperature = 2} + 1.0 * soft_target_kl{.temperature = 2});
  CHECK(twice.value[0] == Approx(2 * got.value[0]).epsilon(1e-14));
  CHECK(twice.gradient[0] == Approx(2 * got.gradient[0]).epsilon(1e-14));
}

TEST_CASE("soft_target of no rows does nothing") {
  const logit_case<float> c{0, 5, {}, {}};
  CHECK(c(soft_target_kl{}).value.empty());
}

TEST_CASE("soft_target says what does not fit, with both numbers") {
  using Catch::Matchers::Contains;
  const auto good = random_case<float>(4, 3);
  {
    auto c = good;
    c.teacher_columns = 5;
    CHECK_THROWS_WITH(c(soft_target_kl{}), "soft_target logits: student [4, 3], teacher [4, 5]");
  }
  CHECK_THROWS_AS(good(soft_target_kl{.temperature = 0}), limbeck::contract_error);
  CHECK_THROWS_WITH(good(soft_target_kl{.temperature = -2}), Contains("temperature -2"));
  {
    auto c = good;
    c.row_sample = {0, 1, 0, 1};
    CHECK_THROWS_WITH(c(soft_target_kl{}), Contains("row 2 belongs to sample 0 after 1"));
  }
  {
    auto c = good;
    c.row_weight = {1, 1, 1};
    CHECK_THROWS_WITH(c(soft_target_kl{}), "soft_target row_weight: 3 for 4 rows");
  }
  {
    auto c = good;
    c.valid_classes = 4;
    CHECK_THROWS_WITH(c(soft_target_kl{}), Contains("4 valid classes of 3 columns"));
  }
  {
    auto c = good;
    c.sample_weight = {1, 1, 1};
    CHECK_THROWS_WITH(c(soft_target_kl{}), "soft_target value: 3 for 4 rows");
  }
}
