// The soft-target kernels on a device, against the host's and the textbook. Without a device every case skips itself.
#include "limbeck/losses/soft_target.hpp"

#include "limbeck/backend/cuda_context.hpp"
#include "losses/soft_target_device_cases.hpp"
#include "losses/soft_target_on_cpu.hpp"

namespace user {

// Shows that a user's divergence becomes a kernel. Not in the namespace without a name: there nvcc warns of functions
// that only a concept looked at.
struct total_variation {
  template <class T>
  LIMBECK_HD limbeck::divergence_term<T> operator()(const limbeck::compared<T>& c) const {
    const T sign = limbeck::sign_of(c.log_ratio);
    return {sign * c.gap() / T(2), sign * c.student / T(2)};
  }
};

}  // namespace user

namespace {

using limbeck::cuda;
using limbeck::cuda_executor;

static_assert(limbeck::launchable<cuda_executor>);
static_assert(limbeck::loss_policy<limbeck::soft_target_kl, cuda_executor>);
static_assert(limbeck::loss_policy<limbeck::soft_target_reverse_kl, cuda_executor, limbeck::bfloat16, float>);
static_assert(!limbeck::loss_policy<limbeck::soft_target_kl, limbeck::cuda_queue>);  // it cannot start kernels

struct on_host {
  template <class A, class D>
  auto operator()(const limbeck_test::logit_case<A>& c, const limbeck::soft_target<D>& loss) const {
    return limbeck_test::soft_target_on_cpu(c, loss);
  }
};
constexpr on_host host{};

bool no_device() { return limbeck::cuda_device_count() == 0; }

}  // namespace

TEST_CASE("soft_target agrees with the host on a device, for any number of classes") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  for (const limbeck::index classes : limbeck_test::numbers_of_classes(200000)) {
    check_both_directions(limbeck_test::rows_of_samples<double, double>(classes), 2.0, 1e-11, host);
    check_both_directions(limbeck_test::rows_of_samples<float, float>(classes), 0.5, 1e-5, host);
  }
}

TEST_CASE("soft_target follows strides on a device, and writes nothing beside the gradient") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  for (const limbeck_test::device_layout as : {limbeck_test::device_layout{1, 5}, limbeck_test::device_layout{3, 0}})
    check_both_directions(limbeck_test::rows_of_samples<double, double>(300), 1.0, 1e-12, host, as);
}

TEST_CASE("soft_target keeps the digits of rows that nearly agree on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  for (const limbeck::index classes : {2, 33, 300, 30000})
    check_both_directions(limbeck_test::near_equal_rows<float>(classes, 1e-3), 1.0, 1e-3, host, {}, 0.0);
}

TEST_CASE("soft_target gives the same bits in every run on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck::cuda_context context;
  const auto c = limbeck_test::rows_of_samples<float, float>(5000);
  const auto first = on_device(c, limbeck::soft_target_reverse_kl{}, {}, {nullptr, &context});
  for (int run = 0; run < 5; ++run) {
    const auto again = on_device(c, limbeck::soft_target_reverse_kl{}, {}, {nullptr, &context});
    CHECK(again.value == first.value);
    CHECK(std::equal(again.gradient.begin(), again.gradient.end(), first.gradient.begin()));
  }
}

TEST_CASE("soft_target takes two-byte logits on a device, and a divergence of the user's") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::logit_case<float, limbeck::bfloat16, limbeck::float16, limbeck::bfloat16> c;
  limbeck_test::logit_case<double> wide;
  c.rows = wide.rows = 2;
  c.columns = wide.columns = 100;
  c.student = limbeck_test::random_numbers<limbeck::bfloat16>(200, -3, 3, 7);
  c.teacher = limbeck_test::random_numbers<limbeck::float16>(200, -3, 3, 8);
  wide.student.assign(c.student.begin(), c.student.end());
  wide.teacher.assign(c.teacher.begin(), c.teacher.end());
  const auto got = on_device(c, limbeck::soft_target_kl{});
  const auto want = kl_reference(wide, 1, limbeck_test::kl_direction::forward);
  limbeck_test::check_near("value", got.value, want.value, 1e-5);
  std::vector<float> gradient(got.gradient.begin(), got.gradient.end());
  limbeck_test::check_near("gradient", gradient, want.gradient, 0.01, 0.0);

  const auto apart = on_device(wide, limbeck::soft_target<user::total_variation>{});
  for (const double x : apart.value) CHECK((x > 0 && x < 1));
}

TEST_CASE("a failed CUDA call is a backend_error that names it, with a device or without") {
  const limbeck::cuda_queue on;
  CHECK_THROWS_AS((limbeck::buffer<double, cuda>(on, limbeck::index{1} << 50)), limbeck::backend_error);
}
