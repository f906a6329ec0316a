// oneDNN's products of bfloat16: the factors are rounded, and nothing else.
#if __has_include(<oneapi/dnnl/dnnl.hpp>)
#include "limbeck/backend/onednn_bf16.hpp"

#include "backend/matmul_cases.hpp"
#include "catch.hpp"
#include "limbeck/core/half.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::placed, limbeck_test::product_case;

static_assert(matmul_provider<onednn_bf16_provider, float> && matmul_provider<onednn_bf16_provider, double>);

bool has_bf16() {
  const matrix<float> a(16, 16, 1), b(16, 16, 2);
  matrix<float> c(16, 16);
  return detail::multiply_bf16(a.seen(), b.seen(), c.all(), false);
}

matrix<float> rounded(view<const float, 2> x) {
  matrix<float> out(x.extent(0), x.extent(1));
  for (index i = 0; i < x.extent(0); ++i)
    for (index j = 0; j < x.extent(1); ++j) out(i, j) = bfloat16(x(i, j));
  return out;
}

// Where rows or inner columns number less than 16, the product may be one of float32.
void check_rounded_product(product_case p, int threads, double beta) {
  const cpu_executor<onednn_bf16_provider> on{threads};
  for (int layout = 0; layout < 8; ++layout)
    for (const index gap : {0, 3}) {
      placed<float> a(p.rows, p.inner, (layout & 1) != 0, gap, 1), b(p.inner, p.columns, (layout & 2) != 0, gap, 2),
          c(p.rows, p.columns, (layout & 4) != 0, gap, 3);
      const matrix<double> want =
          limbeck_test::plain_product<float>(rounded(a.seen()).seen(), rounded(b.seen()).seen(), 1, beta, c.seen());
      const matrix<double> unrounded = limbeck_test::plain_product<float>(a.seen(), b.seen(), 1, beta, c.seen());
      ops::matmul(on, a.seen(), b.seen(), c.all(), 1.0F, static_cast<float>(beta));
      INFO("[" << p.rows << ", " << p.inner << "] times [" << p.inner << ", " << p.columns << "], layout " << layout
               << ", gap " << gap << ", threads " << threads << ", beta " << beta);
      CHECK(limbeck_test::largest_gap(c.seen(), want.seen()) <= 1e-5 * static_cast<double>(p.inner));
      CHECK(limbeck_test::largest_gap(c.seen(), unrounded.seen()) > 1e-4);
    }
}

TEST_CASE("onednn_bf16_provider holds to the contract of a provider, in every layout, on any number of threads") {
  limbeck_test::check_provider<onednn_bf16_provider>();
}
TEST_CASE("onednn_bf16_provider gives the same bits again") { limbeck_test::check_repeatable<onednn_bf16_provider>(); }

TEST_CASE("onednn_bf16_provider multiplies factors that were rounded to bfloat16, and sums in float32") {
  if (!has_bf16()) LIMBECK_SKIP("this processor has no instructions for bfloat16");
  for (const product_case& p : std::vector<product_case>{{16, 16, 16}, {17, 48, 33}, {130, 64, 70}, {421, 80, 48}})
    for (const int threads : {1, 2})
      for (const double beta : {0.0, 1.0}) check_rounded_product(p, threads, beta);
}

TEST_CASE("onednn_bf16_provider takes any number of summands of a transposed factor") {
  if (!has_bf16()) LIMBECK_SKIP("this processor has no instructions for bfloat16");
  for (const index tokens : {31, 512, 528, 842, 1040}) {
    // as the gradient of weights has it: dW = dy' x
    const matrix<float> dy(tokens, 40, 1), x(tokens, 24, 2);
    matrix<float> dw(40, 24);
    ops::matmul(cpu_executor<onednn_bf16_provider>{1}, transposed(dy.seen()), x.seen(), dw.all());
    // the last ones, fewer than 16, stay float32
    const matrix<float> narrow_dy = rounded(dy.seen()), narrow_x = rounded(x.seen());
    const index whole = tokens / 16 * 16, rest = tokens - whole;
    matrix<double> want = limbeck_test::plain_product<float>(transposed(row_block(narrow_dy.seen(), 0, whole)),
                                                             row_block(narrow_x.seen(), 0, whole), 1, 0, dw.seen());
    const matrix<double> behind = limbeck_test::plain_product<float>(transposed(row_block(dy.seen(), whole, rest)),
                                                                     row_block(x.seen(), whole, rest), 1, 0, dw.seen());
    for (index i = 0; i < 40; ++i)
      for (index j = 0; j < 24; ++j) want(i, j) += behind(i, j);
    INFO("tokens " << tokens);
    CHECK(limbeck_test::largest_gap(dw.seen(), want.seen()) <= 1e-3);
  }
}

TEST_CASE("bf16_speedup is a ratio of times, 0 without instructions") {
  const double times = bf16_speedup();
  if (has_bf16())
    CHECK((times > 0.01 && times < 100));
  else
    CHECK(times == 0);
}

}  // namespace
}  // namespace limbeck
#endif
