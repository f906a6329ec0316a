// The matrix product of Eigen: always there.
#pragma once

#include <Eigen/Core>

#include <mutex>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "limbeck/backend/matmul_provider.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

namespace detail {

/// While one lives Eigen's products run on one thread: a call of ours has its own count. For the caller's own products
/// of Eigen, too, that run meanwhile. Inside a parallel region Eigen does so by itself.
class eigen_on_one_thread {
 public:
  eigen_on_one_thread() : counts_(!in_parallel()) {
    if (!counts_) return;
    const std::lock_guard lock(all().mutex);
    if (all().alive++ > 0) return;
    all().threads = Eigen::nbThreads();
    if (all().threads > 1) Eigen::setNbThreads(1);
  }
  ~eigen_on_one_thread() {
    if (!counts_) return;
    const std::lock_guard lock(all().mutex);
    if (--all().alive == 0 && all().threads > 1) Eigen::setNbThreads(all().threads);
  }
  eigen_on_one_thread(const eigen_on_one_thread&) = delete;
  eigen_on_one_thread& operator=(const eigen_on_one_thread&) = delete;

 private:
  struct shared {
    std::mutex mutex;
    int alive = 0, threads = 1;  // threads: what Eigen had before
  };
  static shared& all() {
    static shared state;
    return state;
  }
  static bool in_parallel() {
#if defined(_OPENMP)
    return omp_get_num_threads() > 1;
#else
    return true;  // Eigen has no threads then
#endif
  }
  bool counts_;
};

}  // namespace detail

/// Eigen's product, with the vector instructions of the translation unit's own flags: for speed build with
/// -march=native, or take another provider.
struct eigen_provider {
  template <class T>
  static void multiply(T alpha, view<const T, 2> a, view<const T, 2> b, T beta, view<T, 2> c) {
    const detail::eigen_on_one_thread alone;
    const auto left = [&](const auto& lhs) {
      if (b.stride(1) == 1)
        assign(alpha, lhs, map<Eigen::RowMajor>(b), beta, c);
      else
        assign(alpha, lhs, map<Eigen::ColMajor>(b), beta, c);
    };
    if (a.stride(1) == 1)
      left(map<Eigen::RowMajor>(a));
    else
      left(map<Eigen::ColMajor>(a));
  }

 private:
  template <class T, int Order>
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;
  template <int Order, class T>
  static auto map(view<const T, 2> v) {
    const index outer = Order == Eigen::RowMajor ? v.stride(0) : v.stride(1);
    return Eigen::Map<const matrix<T, Order>, 0, Eigen::OuterStride<>>(v.data(), v.extent(0), v.extent(1),
                                                                       Eigen::OuterStride<>(outer));
  }
  template <class T, class L, class R>
  static void assign(T alpha, const L& a, const R& b, T beta, view<T, 2> c) {
    Eigen::Map<matrix<T, Eigen::RowMajor>, 0, Eigen::OuterStride<>> out(c.data(), c.extent(0), c.extent(1),
                                                                        Eigen::OuterStride<>(c.stride(0)));
    if (beta == T(0))
      out.setZero();
    else if (beta != T(1))
      out *= beta;
    out.noalias() += alpha * a * b;
  }
};

}  // namespace limbeck
