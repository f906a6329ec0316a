// oneDNN as provider of the matrix product.
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include "limbeck/backend/onednn.hpp"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "backend/matmul_cases.hpp"
#include "catch.hpp"

namespace limbeck {
namespace {

static_assert(matmul_provider<onednn_provider, float> && matmul_provider<onednn_provider, double>);

TEST_CASE("onednn_provider gives the product of the triple loop, in every layout, on any number of threads") {
  limbeck_test::check_provider<onednn_provider>();
}
TEST_CASE("onednn_provider gives the same bits again") { limbeck_test::check_repeatable<onednn_provider>(); }

/// Multiplies for half a second while the process handles a signal every 50 microseconds.
[[noreturn]] void multiply_under_signals() {
  using std::chrono::steady_clock;
  for (const int fault : {SIGABRT, SIGSEGV, SIGBUS}) ::signal(fault, SIG_DFL);
  ::signal(SIGALRM, [](int) {});
  const itimerval every{{0, 50}, {0, 50}};
  ::setitimer(ITIMER_REAL, &every, nullptr);
  const limbeck_test::matrix<float> a(300, 300, 1), b(300, 300, 2);
  limbeck_test::matrix<float> c(300, 300);
  const auto end = steady_clock::now() + std::chrono::milliseconds(500);
  while (steady_clock::now() < end) onednn_provider::multiply(1.0F, a.seen(), b.seen(), 0.0F, c.all());
  ::_exit(0);
}

// With dnnl_sgemm alone the heap is broken in every run, on a processor with AVX-512.
TEST_CASE("onednn_provider: a signal that is handled during a product breaks nothing") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) multiply_under_signals();
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(status == 0);
}

}  // namespace
}  // namespace limbeck
#endif
