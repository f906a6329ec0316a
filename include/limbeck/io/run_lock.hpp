// Keeps two runs from writing into one folder.
#pragma once

#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>

#include "limbeck/core/error.hpp"
#include "limbeck/io/descriptor.hpp"

namespace limbeck {

/// Holds an output folder for one run, as long as this object lives; the system lets go when the process dies, however
/// that happens. Protects against other run_locks only. Move-only.
class run_lock {
 public:
  /// Throws file_error, which names the folder, where another run holds it or no lock can be made.
  explicit run_lock(const std::filesystem::path& folder) : file_(folder / ".limbeck.lock") {
    do {  // the one who lets go removes the file: a lock on what is no longer the folder's file holds nothing
      lock_ = detail::open_file(file_, O_RDWR | O_CREAT | O_NOFOLLOW);  // what a link names is not ours to overwrite
      if (!lock_.is_open()) detail::throw_system_error(folder, "cannot be locked");
      if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
          throw file_error(folder.string(), "", "another run is writing into this folder" + holder());
        detail::throw_system_error(folder, "cannot be locked");
      }
    } while (!lock_.is_file(file_));
    // For the message of the next one only: a full disk does not matter.
    (void)(::ftruncate(lock_.number(), 0) == 0 && detail::write_all(lock_, std::to_string(::getpid())));
  }
  run_lock(run_lock&& other) noexcept : file_(std::move(other.file_)), lock_(std::move(other.lock_)) {}
  run_lock& operator=(run_lock&&) = delete;
  ~run_lock() {
    // Where the folder was moved, its name may by now be another run's folder, with a lock of its own.
    if (lock_.is_open() && lock_.is_file(file_)) ::unlink(file_.c_str());
  }

 private:
  [[nodiscard]] std::string holder() const {
    char text[24];
    const ssize_t length = ::pread(lock_.number(), text, sizeof text, 0);
    return length > 0 ? " (process " + std::string(text, static_cast<std::size_t>(length)) + ")" : "";
  }

  std::filesystem::path file_;
  detail::descriptor lock_;
};

}  // namespace limbeck
