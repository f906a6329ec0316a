// A program that runs beside this one, in a process of its own.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/descriptor.hpp"

namespace limbeck {

/// Starts a program and hears what it prints last. It reads nothing, and does not outlive this process (on Linux) nor
/// this object. Ctrl-C reaches it only through ask_to_stop(). Move-only.
class child_process {
 public:
  /// `command`: the program's file, then its arguments. What it says on standard error goes to the file `complaints`.
  /// Throws file_error where the system refuses; a file that is no program ends with status 127.
  child_process(const std::vector<std::string>& command, const std::filesystem::path& complaints) {
    expects(!command.empty(), "child_process: no program is named");
    const auto nothing = detail::open_file("/dev/null", O_RDONLY);
    const auto said = detail::open_file(complaints, O_WRONLY | O_CREAT | O_TRUNC);
    if (!said.is_open()) detail::throw_system_error(complaints, "cannot be written");
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) detail::throw_system_error(command[0], "cannot be started");
    printed_ = detail::descriptor(ends[0]);
    const detail::descriptor prints(ends[1]);
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const pid_t parent = ::getpid();
    sigset_t all, before;  // a signal must not find our handlers in the child
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    number_ = ::fork();
    if (number_ == 0) become(words, parent, before, nothing.number(), prints.number(), said.number());
    const int cause = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (number_ < 0) detail::throw_system_error(command[0], "cannot be started", cause);
  }
  child_process(child_process&& other) noexcept
      : number_(std::exchange(other.number_, -1)),
        status_(other.status_),
        printed_(std::move(other.printed_)),
        last_(std::move(other.last_)) {}
  child_process& operator=(child_process&&) = delete;
  ~child_process() {
    if (number_ <= 0 || status_) return;
    ::kill(number_, SIGKILL);
    (void)wait(0);
  }

  void ask_to_stop() const { ::kill(number_, SIGTERM); }

  /// How it ended, once it has: its exit status, or 128 and the number of the signal that ended it.
  [[nodiscard]] std::optional<int> ended() {
    if (!status_) status_ = wait(WNOHANG);
    if (printed_.is_open()) listen();
    return status_;
  }
  /// The last line that it printed, as far as it is known; empty: none.
  [[nodiscard]] std::string last_line() const {
    const std::size_t end = last_.find_last_not_of('\n') + 1, start = end == 0 ? 0 : last_.rfind('\n', end - 1) + 1;
    return last_.substr(start, end - start);
  }

  /// Returns when one of them has something to say or has ended, a signal was heard, or the time is over.
  static void wait_for_any(const std::vector<child_process*>& children, int milliseconds) {
    std::vector<pollfd> ends;
    for (const child_process* child : children)
      if (child->printed_.is_open()) ends.push_back({child->printed_.number(), POLLIN, 0});
    const bool silent = ends.size() < children.size();  // one that closed its output may end at any moment
    (void)::poll(ends.data(), ends.size(), silent ? std::min(milliseconds, 5) : milliseconds);
  }

 private:
  [[noreturn]] static void become(std::vector<char*>& words, pid_t parent, const sigset_t& mask, int nothing,
                                  int prints, int said) {
    (void)::setpgid(0, 0);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
      if (::signal(number, SIG_DFL) == SIG_IGN) ::signal(number, SIG_IGN);
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
#ifdef __linux__
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (::getppid() != parent) ::_exit(127);  // it died before that was said
    if (::dup2(nothing, STDIN_FILENO) >= 0 && ::dup2(prints, STDOUT_FILENO) >= 0 && ::dup2(said, STDERR_FILENO) >= 0)
      ::execv(words[0], words.data());
    constexpr char complaint[] = "the program cannot be run\n";
    (void)!::write(STDERR_FILENO, complaint, sizeof complaint - 1);
    ::_exit(127);
  }

  /// Takes what there is to read; closes at its end.
  void listen() {
    pollfd end{printed_.number(), POLLIN, 0};
    char bytes[4096];
    while (::poll(&end, 1, 0) > 0) {
      const ssize_t count = ::read(printed_.number(), bytes, sizeof bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        (void)printed_.close();
        return;
      }
      last_.append(bytes, static_cast<std::size_t>(count));
      if (last_.size() > 2 * longest) last_.erase(0, last_.size() - longest);
    }
  }
  std::optional<int> wait(int how) {
    int status = 0;
    pid_t ended = 0;
    do ended = ::waitpid(number_, &status, how);
    while (ended < 0 && errno == EINTR);
    if (ended == 0) return std::nullopt;
    return ended < 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  static constexpr std::size_t longest = std::size_t{1} << 16;  ///< characters of a line that is heard
  pid_t number_ = -1;
  std::optional<int> status_;
  detail::descriptor printed_;
  std::string last_;
};

}  // namespace limbeck
