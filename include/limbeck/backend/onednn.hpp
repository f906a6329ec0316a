// The matrix product of oneDNN, whose code is made for the processor at run time.
#pragma once

#include <oneapi/dnnl/dnnl.h>
#include <signal.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <concepts>

#include "limbeck/backend/eigen.hpp"
#include "limbeck/backend/matmul_provider.hpp"

namespace limbeck {
namespace detail {

/// While it lives, libraries that use OpenMP start no threads from this one.
class one_openmp_thread {
 public:
#if defined(_OPENMP)
  one_openmp_thread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~one_openmp_thread() { omp_set_num_threads(before_); }
#else
  one_openmp_thread() = default;
#endif
  one_openmp_thread(const one_openmp_thread&) = delete;
  one_openmp_thread& operator=(const one_openmp_thread&) = delete;

 private:
  [[maybe_unused]] int before_ = 0;
};

/// While it lives, no signal is handled on this thread; those that come wait. dnnl_sgemm's AVX-512 code lets the stack
/// pointer walk over its packed matrices (seen in oneDNN 2.6), and a handler's frame would be written over the heap.
class signals_wait {
 public:
  signals_wait() {
    sigset_t all;
    ::sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) ::sigdelset(&all, fault);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~signals_wait() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_wait(const signals_wait&) = delete;
  signals_wait& operator=(const signals_wait&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace detail

/// dnnl_sgemm (component `onednn`); Eigen takes what it does not: double, no inner columns (it would leave c as it is),
/// and what it refuses.
struct onednn_provider {
  template <class T>
    requires std::same_as<T, float> || std::same_as<T, double>
  static void multiply(T alpha, view<const T, 2> a, view<const T, 2> b, T beta, view<T, 2> c) {
    if constexpr (std::same_as<T, float>) {
      const detail::one_openmp_thread alone;
      const detail::signals_wait undisturbed;
      if (a.extent(1) > 0 &&
          dnnl_sgemm(form(a), form(b), c.extent(0), c.extent(1), a.extent(1), alpha, a.data(), leading(a), b.data(),
                     leading(b), beta, c.data(), std::max({c.stride(0), c.extent(1), index{1}})) == dnnl_success)
        return;
    }
    eigen_provider::multiply(alpha, a, b, beta, c);
  }

 private:
  template <class T>
  static char form(view<const T, 2> v) {
    return v.stride(1) == 1 ? 'N' : 'T';
  }
  template <class T>
  static index leading(view<const T, 2> v) {
    const bool rows = v.stride(1) == 1;
    return std::max({rows ? v.stride(0) : v.stride(1), rows ? v.extent(1) : v.extent(0), index{1}});
  }
};

}  // namespace limbeck
