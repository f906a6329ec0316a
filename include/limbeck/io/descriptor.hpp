// An open POSIX file that closes itself, folders, and errors that name the file and the system's cause.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "limbeck/core/error.hpp"

namespace limbeck::detail {

/// Throws file_error `FILE: PROBLEM: CAUSE`, the cause in the system's words.
[[noreturn]] inline void throw_system_error(const std::filesystem::path& file, std::string_view problem,
                                            int cause = errno) {
  throw file_error(file.string(), "", std::string(problem) + ": " + std::generic_category().message(cause));
}

/// Owns a file descriptor; -1: none.
class descriptor {
 public:
  explicit descriptor(int number = -1) : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) {
      (void)close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~descriptor() { (void)close(); }

  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  /// Whether `file` names what is open here, and not something that took its place.
  [[nodiscard]] bool is_file(const std::filesystem::path& file) const {
    struct stat held {
    }, named{};
    return ::fstat(number_, &held) == 0 && ::stat(file.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
  }
  /// False, with errno, where the system reports late that data were not written.
  [[nodiscard]] bool close() { return number_ < 0 || ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

/// Not open, with errno, where the system refuses. `mode` is that of a file which is made.
[[nodiscard]] inline descriptor open_file(const std::filesystem::path& file, int flags, mode_t mode = 0666) {
  int number = -1;
  do number = ::open(file.c_str(), flags | O_CLOEXEC, mode);
  while (number < 0 && errno == EINTR);
  return descriptor(number);
}

/// Writes all of `bytes`; false, with errno, where that stops half-way (a full disk writes what still fits).
[[nodiscard]] inline bool write_all(const descriptor& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.number(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// The folder, made where it is not there. Throws file_error where it cannot be.
inline void make_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw file_error(folder.string(), "", "cannot be made a folder: " + failed.message());
}

}  // namespace limbeck::detail
