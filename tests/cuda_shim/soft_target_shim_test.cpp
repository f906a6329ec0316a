// The soft-target kernels of CUDA on the processor: against the host's kernels and the textbook.
#include "shimmed_losses.hpp"

#include "losses/soft_target_device_cases.hpp"

namespace {

using limbeck_test::check_near;
using limbeck_test::device_layout;
using limbeck_test::logit_case;
using limbeck_test::on_device;
using limbeck_test::on_this_host;

TEST_CASE("the CUDA kernel of soft_target agrees with the host's for any number of classes") {
  for (const limbeck::index classes : limbeck_test::numbers_of_classes(1000)) {
    check_both_directions(limbeck_test::rows_of_samples<double, double>(classes), 2.0, 1e-12, on_this_host);
    check_both_directions(limbeck_test::rows_of_samples<float, float>(classes), 0.5, 2e-6, on_this_host);
  }
}

TEST_CASE("the CUDA kernel of soft_target reads rows that do not fit on chip from where they lie") {
  auto c = limbeck_test::rows_of_samples<float, float>(6000);
  REQUIRE(c.valid_classes * limbeck::index{2 * sizeof(float)} > 44 * 1024);
  check_both_directions(c, 1.0, 4e-6, on_this_host, {.column_step = 2, .row_gap = 1});
}

TEST_CASE("the CUDA kernel of soft_target gives a row that has no room in a block to a cluster, where there are any") {
  // a cluster of two blocks; and, without the thread sanitizer, whom so many threads keep for minutes, of four and
  // eight
  std::vector<limbeck::index> sizes{6000};
#if !defined(LIMBECK_CUDA_SHIM_RACES)
  sizes.insert(sizes.end(), {60001, 120003});
#endif
  for (const limbeck::index classes : sizes)
    for (const bool starts : {true, false}) {
      INFO(classes << " classes, " << (starts ? "clusters" : "no clusters"));
      limbeck_cuda_shim::starts_clusters = starts;
      limbeck_cuda_shim::clusters_started = 0;
      check_both_directions(limbeck_test::rows_of_samples<float, float>(classes), 1.0, 4e-6, on_this_host, {});
      CHECK((limbeck_cuda_shim::clusters_started > 0) == starts);
    }
  limbeck_cuda_shim::starts_clusters = true;
}

TEST_CASE("the CUDA kernel of soft_target follows strides, and writes nothing beside the gradient") {
  for (const device_layout as : {device_layout{1, 5}, device_layout{3, 0}, device_layout{2, 7}}) {
    check_both_directions(limbeck_test::rows_of_samples<double, double>(40), 1.0, 1e-12, on_this_host, as);
    check_both_directions(limbeck_test::rows_of_samples<float, float>(300), 4.0, 2e-6, on_this_host, as);
  }
}

TEST_CASE("the CUDA kernel of soft_target keeps the digits of rows that nearly agree") {
  for (const limbeck::index classes : {2, 33, 300}) {
    check_both_directions(limbeck_test::near_equal_rows<float>(classes, 1e-3), 1.0, 1e-3, on_this_host, {}, 0.0);
    check_both_directions(limbeck_test::near_equal_rows<float>(classes, 0.2), 1.0, 1e-5, on_this_host, {}, 0.0);
  }
  auto same = limbeck_test::near_equal_rows<float>(50, 0);
  const auto got = on_device(same, limbeck::soft_target_kl{});
  for (const float x : got.value) CHECK(x == 0.0F);
  for (const float x : got.gradient) CHECK(x == 0.0F);
}

TEST_CASE("the CUDA kernel of soft_target follows classes that one side or both rule out") {
  const double out = -std::numeric_limits<double>::infinity();
  logit_case<double> c;
  c.rows = 3;
  c.columns = 3;
  c.student = {0, 1, out, 2, 1, 0, out, 1, 2};
  c.teacher = {1, 0, out, 2, out, 0, 1, 0, out};
  const auto got = on_device(c, limbeck::soft_target_kl{}), want = c(limbeck::soft_target_kl{});
  CHECK(got.value[2] == -out);
  CHECK(want.value[2] == -out);
  for (const std::size_t row : {0U, 1U}) CHECK(got.value[row] == Approx(want.value[row]).epsilon(1e-14));
  check_near("gradient", got.gradient, want.gradient, 1e-14);
}

TEST_CASE("the CUDA kernel of soft_target takes two-byte logits and gives two-byte gradients") {
  const auto wide = limbeck_test::rows_of_samples<float, float>(70);
  const auto run = [&]<class S>(S) {
    logit_case<float, S, S, S> c;
    c.rows = wide.rows, c.columns = wide.columns, c.teacher_columns = wide.teacher_columns, c.valid_classes = 70;
    for (const float x : wide.student) c.student.push_back(S(x));
    for (const float x : wide.teacher) c.teacher.push_back(S(x));
    c.row_sample = wide.row_sample, c.row_weight = wide.row_weight;
    const auto got = on_device(c, limbeck::soft_target_reverse_kl{}), want = c(limbeck::soft_target_reverse_kl{});
    check_near("value", got.value, want.value, 2e-6);
    check_near("gradient", got.gradient, want.gradient, 0.004);  // half a step of bfloat16
  };
  run(limbeck::bfloat16{});
  run(limbeck::float16{});
}

TEST_CASE("the CUDA kernel of soft_target gives a sample the same bits whatever else is in the batch") {
  auto c = limbeck_test::rows_of_samples<float, float>(100);
  const auto whole = on_device(c, limbeck::soft_target_kl{});
  const auto first_rows = [&](limbeck::index rows) {
    c.rows = rows;
    c.row_sample.resize(static_cast<std::size_t>(rows));
    c.row_weight.resize(static_cast<std::size_t>(rows));
    c.student.resize(static_cast<std::size_t>(rows * c.columns));
    c.teacher.resize(static_cast<std::size_t>(rows * c.teacher_columns));
  };
  first_rows(3);
  c.sample_weight.resize(1);
  const auto alone = on_device(c, limbeck::soft_target_kl{});
  CHECK(alone.value[0] == whole.value[0]);
  for (std::size_t i = 0; i < alone.gradient.size(); ++i) CHECK(alone.gradient[i] == whole.gradient[i]);
}

TEST_CASE("the CUDA kernel of soft_target sums the rows of one long sample") {
  logit_case<double> c;
  c.rows = 150;
  c.columns = 2;
  c.student = limbeck_test::random_numbers<double>(300, -1, 1, 5);
  c.teacher = limbeck_test::random_numbers<double>(300, -1, 1, 6);
  c.row_sample.assign(150, 0);
  check_both_directions(c, 1.0, 1e-13, on_this_host);
  c.rows = 0;
  c.student.clear(), c.teacher.clear(), c.row_sample.clear();
  CHECK(on_device(c, limbeck::soft_target_kl{}).value.empty());  // no row: nothing is launched
}

}  // namespace
