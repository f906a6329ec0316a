// Ctrl-C and SIGTERM as a wish to stop, heard between steps.
#pragma once

#include <atomic>
#include <csignal>

namespace limbeck {

/// While it lives SIGINT and SIGTERM set a flag in place of ending the process; a second one ends it as ever. One at a
/// time.
class interruption {
 public:
  interruption() {
    flag() = 0;
    before_int_ = std::signal(SIGINT, &heard);
    before_term_ = std::signal(SIGTERM, &heard);
  }
  ~interruption() {
    std::signal(SIGINT, before_int_);
    std::signal(SIGTERM, before_term_);
  }
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  /// Whether somebody asked to stop.
  [[nodiscard]] bool asked() const { return flag() != 0; }

 private:
  static volatile std::sig_atomic_t& flag() {
    static volatile std::sig_atomic_t asked = 0;
    return asked;
  }
  static void heard(int number) {
    flag() = 1;
    std::signal(number, SIG_DFL);
  }
  void (*before_int_)(int) = SIG_DFL;
  void (*before_term_)(int) = SIG_DFL;
};

}  // namespace limbeck
