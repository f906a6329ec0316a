// The threads of a block as fibers of one thread, each of which runs until it waits for others. Every other time they
// take turns from the last to the first, so that a missing barrier shows in one order if not in the other. The thread
// sanitizer takes each fiber for a thread, ordered with others by nothing but what they wait for.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LIMBECK_CUDA_SHIM_RACES
#endif
#elif defined(__SANITIZE_THREAD__)
#define LIMBECK_CUDA_SHIM_RACES
#endif

#if defined(LIMBECK_CUDA_SHIM_RACES)
#define LIMBECK_UNSEEN [[gnu::noinline, gnu::no_sanitize_thread]]
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#else
#define LIMBECK_UNSEEN
#endif

namespace limbeck_cuda_shim {

// What the thread sanitizer is told; nothing without it.
namespace races {
#if defined(LIMBECK_CUDA_SHIM_RACES)
using fiber = void*;
inline fiber made() { return __tsan_create_fiber(0); }
inline fiber current() { return __tsan_get_current_fiber(); }
[[gnu::always_inline]] inline void switch_to(fiber to) { __tsan_switch_to_fiber(to, 1); }  // 1: which orders nothing
inline void released(void* meeting) { __tsan_release(meeting); }
inline void acquired(void* meeting) { __tsan_acquire(meeting); }
/// While it lives nothing is seen of the fiber that runs: fibers share what counts their turns.
struct unseen {
  unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
};
#else
struct fiber {};
inline fiber made() { return {}; }
inline fiber current() { return {}; }
inline void switch_to(fiber) {}
inline void released(void*) {}
inline void acquired(void*) {}
struct unseen {
  unseen() {}
};
#endif
}  // namespace races

struct block_state;

/// What a thread of a kernel knows of itself.
struct thread_state {
  dim3 thread, block;
  unsigned cluster = 1;  ///< of how many blocks
  unsigned shuffles = 0;
  block_state* of = nullptr;
};

class crew {
 public:
  /// Calls job(t) for each t below `threads`, in turns, and returns when all are done.
  void run(unsigned threads, const std::function<void(unsigned)>& job) {
    const races::unseen hidden;
    while (fibers_.size() < threads) fibers_.push_back(std::make_unique<fiber>());
    caller_races_ = races::current();
    job_ = &job;
    races::released(&begin_);
    for (unsigned t = 0; t < threads; ++t) fibers_[t]->works = true;
    for (unsigned turn = 0, working = threads; working > 0; ++turn)
      for (unsigned i = 0; i < threads; ++i) {
        running_ = turn % 2 == 0 ? i : threads - 1 - i;
        fiber& next = *fibers_[running_];
        if (!next.works) continue;
        go_on(next);
        working -= !next.works;
      }
    races::acquired(&end_);
  }
  /// To be called by a job: lets the others go on.
  void give_way() {
    if (_setjmp(fibers_[running_]->stopped) != 0) return;
    races::switch_to(caller_races_);
    _longjmp(caller_, 1);
  }
  /// Of the job that runs.
  LIMBECK_UNSEEN thread_state& state() { return *state_; }

 private:
  static constexpr std::size_t stack_bytes = 256 * 1024;  // of which those pages take memory that are used
  struct fiber {
    jmp_buf stopped;  // where it goes on: a jump is not a call of the system, as a change of contexts is
    std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
    races::fiber races = races::made();
    thread_state state;
    bool works = false, started = false;
  };

  static void work();  // for makecontext: does one job after another
  /// Returns when the fiber gives way or is done.
  void go_on(fiber& f) {
    state_ = &f.state;
    if (_setjmp(caller_) != 0) return;
    if (std::exchange(f.started, true)) {
      races::switch_to(f.races);
      _longjmp(f.stopped, 1);
    }
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = f.stack.get();
    context.uc_stack.ss_size = stack_bytes;
    makecontext(&context, work, 0);
    races::switch_to(f.races);
    setcontext(&context);
  }

  std::vector<std::unique_ptr<fiber>> fibers_;
  thread_state* state_ = nullptr;
  jmp_buf caller_;
  races::fiber caller_races_{};
  const std::function<void(unsigned)>* job_ = nullptr;
  unsigned running_ = 0;
  char begin_ = 0, end_ = 0;  // of a run: what the thread sanitizer knows these moments by
};

inline crew everybody;

inline void crew::work() {
  const unsigned t = [] {
    const races::unseen hidden;
    return everybody.running_;
  }();
  for (;;) {
    races::acquired(&everybody.begin_);
    (*everybody.job_)(t);
    races::released(&everybody.end_);
    const races::unseen hidden;
    everybody.fibers_[t]->works = false;
    everybody.give_way();
  }
}

/// A barrier. The sanitizer knows every other round by another address: one that leaves a round late must not be taken
/// to wait for what others do after it.
class meeting {
 public:
  explicit meeting(unsigned threads) : threads_(threads) {}
  void arrive_and_wait() {
    const races::unseen hidden;
    const unsigned round = round_;
    races::released(&moment_[round % 2]);
    if (++arrived_ == threads_) {
      arrived_ = 0;
      ++round_;
    } else {
      while (round_ == round) everybody.give_way();
    }
    races::acquired(&moment_[round % 2]);
  }

 private:
  unsigned threads_, arrived_ = 0, round_ = 0;
  char moment_[2] = {};
};

}  // namespace limbeck_cuda_shim
