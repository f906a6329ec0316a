// The threads of a block as threads: what the sanitizers understand, and many times as slow as fibers.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

namespace limbeck_cuda_shim {

// std::barrier would do, but its waiting threads meet in tables of the library, which orders what the kernel does not
// order: the thread sanitizer then misses barriers that are missing. A mutex they would take one after another.
class meeting {
 public:
  explicit meeting(unsigned threads) : threads_(threads) {}
  void arrive_and_wait() {
    const unsigned round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      futex(FUTEX_WAKE_PRIVATE, INT_MAX);
    } else {
      while (round_.load(std::memory_order_acquire) == round) futex(FUTEX_WAIT_PRIVATE, round);
    }
  }

 private:
  void futex(int what, unsigned value) { (void)syscall(SYS_futex, &round_, what, value, nullptr, nullptr, 0); }

  unsigned threads_;
  std::atomic<unsigned> arrived_{0}, round_{0};
};

/// Threads that wait for work: to start one for each thread of each kernel takes longer than most kernels.
class crew {
 public:
  ~crew() {
    ends_ = true;
    for (const auto& w : workers_) {
      w->wanted.release();
      w->thread.join();
    }
  }
  /// Calls job(t) for each t below `threads`, side by side, and returns when all are done.
  void run(unsigned threads, const std::function<void(unsigned)>& job) {
    while (workers_.size() < threads) workers_.push_back(std::make_unique<worker>(*this));
    job_ = &job;
    for (unsigned t = 0; t < threads; ++t) {
      workers_[t]->number = t;
      workers_[t]->wanted.release();
    }
    for (unsigned t = 0; t < threads; ++t) done_.acquire();
  }

 private:
  struct worker {
    explicit worker(crew& of)
        : thread([this, &of] {
            for (wanted.acquire(); !of.ends_; wanted.acquire()) {
              (*of.job_)(number);
              of.done_.release();
            }
          }) {}
    unsigned number = 0;
    std::binary_semaphore wanted{0};
    std::thread thread;
  };
  std::vector<std::unique_ptr<worker>> workers_;
  const std::function<void(unsigned)>* job_ = nullptr;
  std::counting_semaphore<> done_{0};
  std::atomic<bool> ends_{false};
};

inline crew everybody;

}  // namespace limbeck_cuda_shim
