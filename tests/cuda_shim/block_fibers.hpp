// The threads of a block as fibers of one thread, each of which runs until it waits for others. Every other time they
// take turns from the last to the first, so that a missing barrier shows in one order if not in the other.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace limbeck_cuda_shim {

class crew {
 public:
  /// Calls job(t) for each t below `threads`, in turns, and returns when all are done.
  void run(unsigned threads, const std::function<void(unsigned)>& job) {
    while (fibers_.size() < threads) fibers_.push_back(std::make_unique<fiber>());
    job_ = &job;
    for (unsigned t = 0; t < threads; ++t) start(t);
    for (unsigned turn = 0, working = threads; working > 0; ++turn)
      for (unsigned i = 0; i < threads; ++i) {
        running_ = turn % 2 == 0 ? i : threads - 1 - i;
        fiber& next = *fibers_[running_];
        if (!next.works) continue;
        go_on(next);
        working -= !next.works;
      }
  }
  /// To be called by a job: lets the others go on.
  void give_way() {
    const dim3 thread = threadIdx, block = blockIdx;
    const unsigned shuffled = shuffles;
    if (_setjmp(fibers_[running_]->stopped) == 0) _longjmp(caller_, 1);
    threadIdx = thread;
    blockIdx = block;
    shuffles = shuffled;
  }

 private:
  static constexpr std::size_t stack_bytes = 256 * 1024;  // of which those pages take memory that are used
  struct fiber {
    ucontext_t context{};  // where it starts
    jmp_buf stopped;       // where it goes on: a jump is not a call of the system, as a change of contexts is
    std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
    bool works = false, started = false;
  };

  static void work();  // of the fiber that runs, for makecontext
  void start(unsigned t) {
    fiber& f = *fibers_[t];
    f.works = true;
    f.started = false;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.get();
    f.context.uc_stack.ss_size = stack_bytes;
    makecontext(&f.context, work, 0);
  }
  /// Returns when the fiber gives way or is done.
  void go_on(fiber& f) {
    if (_setjmp(caller_) != 0) return;
    if (f.started) _longjmp(f.stopped, 1);
    f.started = true;
    setcontext(&f.context);
  }

  std::vector<std::unique_ptr<fiber>> fibers_;
  jmp_buf caller_;
  const std::function<void(unsigned)>* job_ = nullptr;
  unsigned running_ = 0;
};

inline crew everybody;

inline void crew::work() {
  const unsigned t = everybody.running_;
  (*everybody.job_)(t);
  everybody.fibers_[t]->works = false;
  _longjmp(everybody.caller_, 1);
}

class meeting {
 public:
  explicit meeting(unsigned threads) : threads_(threads) {}
  void arrive_and_wait() {
    const unsigned round = round_;
    if (++arrived_ == threads_) {
      arrived_ = 0;
      ++round_;
    } else {
      while (round_ == round) everybody.give_way();
    }
  }

 private:
  unsigned threads_, arrived_ = 0, round_ = 0;
};

}  // namespace limbeck_cuda_shim
