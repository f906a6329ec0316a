// How numbers change over a run.
#include "limbeck/losses/schedule.hpp"

#include "catch.hpp"

namespace {

using limbeck::any_schedule;
using limbeck::constant;
using limbeck::cosine_decay;
using limbeck::exponential_decay;
using limbeck::linear_decay;
using limbeck::schedule_kind;

static_assert(limbeck::schedule<constant> && limbeck::schedule<linear_decay> && limbeck::schedule<cosine_decay>);
static_assert(limbeck::schedule<exponential_decay> && limbeck::schedule<any_schedule>);
static_assert(!limbeck::schedule<double>, "a number is scaled with by an operator of its own");
static_assert(limbeck::schedule<decltype([](double progress) { return 1 - progress; })>,
              "any function of the progress");

static_assert(constant{3}(0) == 3 && constant{3}(0.7) == 3);
static_assert(linear_decay{4, 1}(0) == 4 && linear_decay{4, 1}(0.5) == 2.5 && linear_decay{4, 1}(1) == 1);
static_assert(linear_decay{0, 1}(0.25) == 0.25, "it may rise");

}  // namespace

TEST_CASE("schedules start at `from` and end at `to`") {
  const auto check = [](const auto& factor) {
    CHECK(factor(0) == Approx(4).epsilon(1e-15));
    CHECK(factor(1) == Approx(0.5).epsilon(1e-15));
    for (double progress = 0; progress < 0.99; progress += 0.1) CHECK(factor(progress) > factor(progress + 0.1));
  };
  check(linear_decay{4, 0.5});
  check(cosine_decay{4, 0.5});
  check(exponential_decay{4, 0.5});
}

TEST_CASE("schedules have known values on the way") {
  CHECK(cosine_decay{3, 1}(0.5) == Approx(2).epsilon(1e-15));
  CHECK(cosine_decay{1, 0}(1.0 / 3) == Approx(0.75).epsilon(1e-15));
  CHECK(exponential_decay{8, 2}(0.5) == Approx(4).epsilon(1e-15));
}

TEST_CASE("any_schedule is the schedule that its kind names") {
  for (const double progress : {0.0, 0.3, 1.0}) {
    CHECK(any_schedule{schedule_kind::constant, 4, 1}(progress) == 4);
    CHECK(any_schedule{schedule_kind::linear, 4, 1}(progress) == linear_decay{4, 1}(progress));
    CHECK(any_schedule{schedule_kind::cosine, 4, 1}(progress) == cosine_decay{4, 1}(progress));
    CHECK(any_schedule{schedule_kind::exponential, 4, 1}(progress) == exponential_decay{4, 1}(progress));
  }
  CHECK(any_schedule{}(0.5) == 1);
}
