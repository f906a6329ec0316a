// Ctrl-C, SIGTERM and SIGHUP as a wish to stop, heard between steps.
#pragma once

#include <array>
#include <csignal>
#include <cstddef>

namespace limbeck {

/// While it lives SIGINT, SIGTERM and SIGHUP set a flag in place of ending the process; a second one ends it as ever.
/// One that is ignored stays so: nohup and the shell's & ask for that. One object at a time.
class interruption {
 public:
  interruption() {
    flag() = 0;
    for (std::size_t i = 0; i < heeded.size(); ++i) {
      before_[i] = std::signal(heeded[i], &heard);
      if (before_[i] == SIG_IGN) std::signal(heeded[i], SIG_IGN);
    }
  }
  ~interruption() {
    for (std::size_t i = 0; i < heeded.size(); ++i) std::signal(heeded[i], before_[i]);
  }
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  /// Whether somebody asked to stop.
  [[nodiscard]] bool asked() const { return flag() != 0; }

 private:
  static constexpr std::array<int, 3> heeded{SIGINT, SIGTERM, SIGHUP};

  static volatile std::sig_atomic_t& flag() {
    static volatile std::sig_atomic_t asked = 0;
    return asked;
  }
  static void heard(int number) {
    flag() = 1;
    std::signal(number, SIG_DFL);
  }
  std::array<void (*)(int), heeded.size()> before_{};
};

}  // namespace limbeck
