// Writes a file so that at every moment, crashes and full disks included, the old one or the whole new one is there.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "limbeck/core/error.hpp"
#include "limbeck/io/descriptor.hpp"

namespace limbeck {

/// Writes to a temporary beside the target, which commit() brings under the target's name. Whatever throws, and a
/// destructor without commit(), removes the temporary and leaves the old file as it was. Failures of the system (a full
/// disk, a read-only folder) throw file_error with file and cause.
class atomic_file {
 public:
  /// A link is followed, permissions of an old file are kept. Refuses folders, devices and files that may not be
  /// written.
  explicit atomic_file(const std::filesystem::path& target) : target_(followed(target)) {
    struct stat old {};
    const bool replaces = ::stat(target_.c_str(), &old) == 0;
    if (replaces && !S_ISREG(old.st_mode))
      throw file_error(target_.string(), "", "is no ordinary file, expected one that can be replaced, or none");
    if (replaces && ::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0)
      detail::throw_system_error(target_, "cannot be written");
    pending_.reserve(buffer);
    open_temporary();
    if (replaces && ::fchmod(file_.number(), old.st_mode & 07777) != 0) fail("cannot be written");
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() { abandon(); }

  /// Adds bytes behind those written before. Throws contract_error after commit() or a failure.
  void write(std::string_view bytes) {
    expects(file_.is_open(), [&] { return message("atomic_file: ", target_.string(), " is no longer open"); });
    if (pending_.size() + bytes.size() <= buffer) {
      pending_ += bytes;
      return;
    }
    flush();
    if (bytes.size() <= buffer) {
      pending_ += bytes;
    } else if (!detail::write_all(file_, bytes)) {
      fail("cannot be written");
    }
  }
  void write(std::span<const std::byte> bytes) {
    write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  /// Waits until the disk has the bytes, then gives them the target's name. Once only.
  void commit() {
    expects(file_.is_open(), [&] { return message("atomic_file: ", target_.string(), " is no longer open"); });
    flush();
    if (::fsync(file_.number()) != 0 || !file_.close()) fail("cannot be written");
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be replaced");
    temporary_.clear();
    const auto folder = detail::open_file(folder_of(target_), O_RDONLY | O_DIRECTORY);
    // Some file systems cannot do this for folders and answer EINVAL; the new file is in place all the same.
    if (!folder.is_open() || (::fsync(folder.number()) != 0 && errno != EINVAL))
      detail::throw_system_error(target_, "is written, but its folder could not be brought to the disk");
  }

 private:
  static constexpr std::size_t buffer = std::size_t{1} << 16;

  static std::filesystem::path followed(const std::filesystem::path& target) {
    std::error_code none;
    return std::filesystem::is_symlink(target, none) ? std::filesystem::weakly_canonical(target, none) : target;
  }
  static std::filesystem::path folder_of(const std::filesystem::path& target) {
    return target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
  }

  void open_temporary() {
    static std::atomic<unsigned> count{0};
    do {  // a killed process with the same number may have left one
      temporary_ = folder_of(target_) / ("." + target_.filename().string().substr(0, 200) + "." +
                                         std::to_string(::getpid()) + "-" + std::to_string(count++) + ".partial");
      file_ = detail::open_file(temporary_, O_WRONLY | O_CREAT | O_EXCL);
    } while (!file_.is_open() && errno == EEXIST);
    if (file_.is_open()) return;
    temporary_.clear();
    detail::throw_system_error(target_, "cannot be written");
  }
  void flush() {
    if (!detail::write_all(file_, pending_)) fail("cannot be written");
    pending_.clear();
  }
  void abandon() noexcept {
    (void)file_.close();
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
  }
  [[noreturn]] void fail(std::string_view problem) {
    const int cause = errno;
    abandon();
    detail::throw_system_error(target_, problem, cause);
  }

  std::filesystem::path target_, temporary_;
  detail::descriptor file_;
  std::string pending_;
};

/// Replaces `file` by one that holds `text`, or throws file_error and leaves it as it was.
inline void write_file(const std::filesystem::path& file, std::string_view text) {
  atomic_file out(file);
  out.write(text);
  out.commit();
}

}  // namespace limbeck
