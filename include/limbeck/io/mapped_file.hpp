// A file's bytes in memory, read by the system when they are touched.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "limbeck/core/error.hpp"
#include "limbeck/io/descriptor.hpp"

namespace limbeck {

/// Maps a whole file for reading. Replacing the file (as atomic_file does) leaves the mapping as it is; a program that
/// shortens it in place ends this one, so nobody may do that meanwhile. Move-only.
class mapped_file {
 public:
  /// Throws file_error for what is missing, unreadable, empty, or no ordinary file.
  explicit mapped_file(std::filesystem::path file) : file_(std::move(file)) {
    const auto opened = detail::open_file(file_, O_RDONLY | O_NONBLOCK);  // a pipe must not make us wait
    struct stat about {};
    if (!opened.is_open() || ::fstat(opened.number(), &about) != 0) detail::throw_system_error(file_, "cannot be read");
    if (S_ISDIR(about.st_mode)) throw file_error(file_.string(), "", "is a folder, expected a file");
    if (!S_ISREG(about.st_mode)) throw file_error(file_.string(), "", "is no ordinary file, expected one");
    if (about.st_size == 0) throw file_error(file_.string(), "", "is empty");
    const auto size = static_cast<std::size_t>(about.st_size);
    void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, opened.number(), 0);
    if (start == MAP_FAILED) detail::throw_system_error(file_, "cannot be read");
    bytes_ = {static_cast<const std::byte*>(start), size};
  }
  mapped_file(mapped_file&& other) noexcept : file_(std::move(other.file_)), bytes_(std::exchange(other.bytes_, {})) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapped_file() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  [[nodiscard]] const std::filesystem::path& path() const { return file_; }
  /// Starts at the beginning of a page.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

  /// Asks the system to have `part` of bytes() in memory soon. It may do nothing; bytes are the same either way.
  void read_ahead(std::span<const std::byte> part) const { advise(part, POSIX_MADV_WILLNEED); }
  /// Says that what is read next will lie anywhere, so that the system brings nothing but what is touched or asked for.
  void expect_any_order() const { advise(bytes_, POSIX_MADV_RANDOM); }

 private:
  static void advise(std::span<const std::byte> part, int advice) {
    static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    if (part.empty()) return;
    const auto start = reinterpret_cast<std::uintptr_t>(part.data()), before = start % page;
    (void)::posix_madvise(reinterpret_cast<void*>(start - before), part.size() + before, advice);
  }

  std::filesystem::path file_;
  std::span<const std::byte> bytes_;
};

}  // namespace limbeck
