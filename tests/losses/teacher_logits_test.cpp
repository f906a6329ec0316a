// Mixtures of teachers and revised labels, against the losses and distributions that they stand for.
#include "limbeck/losses/teacher_logits.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"

namespace limbeck {
namespace {

using limbeck_test::logit_case;
using limbeck_test::random_numbers;

constexpr index row_count = 4, class_count = 6;
std::vector<double> numbers(unsigned seed) { return random_numbers<double>(row_count * class_count, -3, 3, seed); }
view<const double, 2> seen(const std::vector<double>& m) {
  return view<const double, 2>(m.data(), row_count, class_count);
}

}  // namespace

TEST_CASE("mix_teachers: the gradient against the mixture is the weighted sum of the gradients against each teacher") {
  const std::vector<double> student = numbers(1), first = numbers(2), second = numbers(3), weights{0.7, 0.3};
  std::vector<double> mixed(student.size());
  const view<const double, 2> teachers[] = {seen(first), seen(second)};
  mix_teachers<double>(teachers, weights, 2, view<double, 2>(mixed.data(), row_count, class_count));
  const soft_target_kl loss{.temperature = 2};
  const auto gradient = [&](const std::vector<double>& teacher) {
    return logit_case<double>{row_count, class_count, student, teacher}(loss).gradient;
  };
  const auto got = gradient(mixed), a = gradient(first), b = gradient(second);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(0.7 * a[i] + 0.3 * b[i]).margin(1e-14));
}

TEST_CASE("mix_teachers of one teacher is that teacher") {
  const std::vector<double> student = numbers(1), teacher = numbers(2), weights{1};
  std::vector<double> mixed(student.size());
  const view<const double, 2> teachers[] = {seen(teacher)};
  mix_teachers<double>(teachers, weights, 3, view<double, 2>(mixed.data(), row_count, class_count));
  const soft_target_kl loss{.temperature = 3};
  const auto got = logit_case<double>{row_count, class_count, student, mixed}(loss);
  const auto want = logit_case<double>{row_count, class_count, student, teacher}(loss);
  for (std::size_t i = 0; i < got.value.size(); ++i) CHECK(got.value[i] == Approx(want.value[i]).epsilon(1e-12));
}

TEST_CASE("revise_teacher makes the label the most likely class, and leaves right row_count alone") {
  const std::vector<double> teacher = numbers(5);
  for (const double eta : {0.1, 0.8, 0.99}) {
    std::vector<std::int32_t> labels{0, 1, 2, 3};
    std::vector<double> revised(teacher.size()), kept(row_count);
    revise_teacher(seen(teacher), view<const std::int32_t, 1>(labels.data(), row_count), eta,
                   view<double, 2>(revised.data(), row_count, class_count), view<double, 1>(kept.data(), row_count));
    for (std::size_t r = 0; r < row_count; ++r) {
      const auto row = [&](const std::vector<double>& m) {
        return m.begin() + static_cast<std::ptrdiff_t>(r * class_count);
      };
      const auto most = [&](const std::vector<double>& m) {
        return std::max_element(row(m), row(m) + class_count) - row(m);
      };
      CHECK(most(revised) == labels[r]);
      CHECK((kept[r] == 1) == (most(teacher) == labels[r]));
      double sum = 0;
      for (auto z = row(revised); z != row(revised) + class_count; ++z) sum += std::exp(*z);
      CHECK(sum == Approx(1).epsilon(1e-14));
    }
  }
}

TEST_CASE("mix_teachers and revise_teacher refuse what does not fit") {
  const std::vector<double> teacher = numbers(5), weights{0.5};
  std::vector<double> out(teacher.size());
  std::vector<std::int32_t> labels{0, 1, 2, 6};
  const view<double, 2> all(out.data(), row_count, class_count);
  const view<const double, 2> two[] = {seen(teacher), seen(teacher)}, one[] = {row_block(seen(teacher), 0, 2)};
  const view<const std::int32_t, 1> wrong(labels.data(), row_count);
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(mix_teachers<double>(two, weights, 1, all), Contains("1 weights for 2 teachers"));
  CHECK_THROWS_WITH(mix_teachers<double>(one, weights, 1, all), Contains("mix_teachers logits"));
  CHECK_THROWS_WITH(mix_teachers<double>(one, weights, 0, all), Contains("temperature 0"));
  CHECK_THROWS_WITH(revise_teacher(seen(teacher), wrong, 0.8, all), Contains("row 3 has label 6, there are 6 classes"));
  CHECK_THROWS_WITH(revise_teacher(seen(teacher), wrong, 1, all), Contains("eta 1"));
}

}  // namespace limbeck
