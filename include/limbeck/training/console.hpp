// How far a piece of work is, on one line of a terminal.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// Where people are told how things go: bars on a terminal, plain lines elsewhere, nothing when quiet. Writes to
/// stderr; results are the business of stdout.
class console {
 public:
  explicit console(bool quiet = false) : quiet_(quiet), terminal_(!quiet && isatty(2) == 1) {}

  [[nodiscard]] bool quiet() const { return quiet_; }

  /// A line of its own.
  void say(const std::string& line) {
    if (quiet_) return;
    clear();
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  /// Shows `done` of `total`, at most ten times a second; a plain line at every quarter where there is no terminal.
  void progress(const std::string& what, index done, index total, const std::string& note = "") {
    if (quiet_ || total <= 0) return;
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_) return plain(what, done, total, note);
    if (done < total && now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    constexpr index width = 24;
    const auto full = static_cast<std::size_t>(width * done / total);
    const std::string bar = std::string(full, '#') + std::string(static_cast<std::size_t>(width) - full, '.');
    std::fprintf(stderr, "\r\033[K%s [%s] %td/%td %s", what.c_str(), bar.c_str(), done, total, note.c_str());
    std::fflush(stderr);
    open_ = true;
  }
  /// Takes the bar away.
  void clear() {
    if (open_) std::fprintf(stderr, "\r\033[K");
    open_ = false;
  }

 private:
  void plain(const std::string& what, index done, index total, const std::string& note) {
    const index quarter = 4 * done / total;
    if (what == last_what_ && quarter == last_quarter_) return;
    last_what_ = what;
    last_quarter_ = quarter;
    if (quarter > 0) std::fprintf(stderr, "%s %td/%td %s\n", what.c_str(), done, total, note.c_str());
  }

  bool quiet_, terminal_, open_ = false;
  std::chrono::steady_clock::time_point drawn_{};
  std::string last_what_;
  index last_quarter_ = 0;
};

}  // namespace limbeck
