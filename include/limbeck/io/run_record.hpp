// run.jsonl: what a run did, one JSON object a line for each step or evaluation.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/mapped_file.hpp"

namespace limbeck {
namespace detail {

/// Shows each whole line of a record to `visit(line, value)`, the line with its end. A last line without an end, which
/// a killed run leaves, is no record. Throws file_error naming `file` and the line for one that is no object with an
/// integer "step".
template <class Visit>
void visit_run_lines(std::string_view text, const std::string& file, Visit&& visit) {
  std::int64_t number = 1;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end + 1);
    const json_value value = parse_json(line, file, "line " + std::to_string(number++));
    (void)value.required<std::int64_t>("step");
    visit(line, value);
    text.remove_prefix(line.size());
  }
}

/// The same for a file.
template <class Visit>
void visit_run_record(const std::filesystem::path& file, Visit&& visit) {
  std::error_code none;
  if (std::filesystem::is_regular_file(file, none) && std::filesystem::file_size(file, none) == 0) return;
  const mapped_file mapped(file);
  visit_run_lines(mapped.text(), file.string(), visit);
}

}  // namespace detail

/// The records of a run, each an object with an integer "step". A torn last line is left out. Throws file_error that
/// names the line.
inline std::vector<json_value> read_run_record(const std::filesystem::path& file) {
  std::vector<json_value> records;
  detail::visit_run_record(file, [&](std::string_view, const json_value& value) { records.push_back(value); });
  return records;
}

/// A record that is being written. Each line is handed to the system whole and at once, so a killed process loses none.
/// Move-only.
class run_record {
 public:
  /// An empty record, in place of one that may be there. Throws file_error.
  [[nodiscard]] static run_record start(const std::filesystem::path& file) {
    write_file(file, "");
    return run_record(file);
  }
  /// Goes on with a record after its lines of steps below `step`. The others, and a torn last line, are dropped, so
  /// that the resumed run's record becomes that of an unbroken one. Throws file_error, also where the record is
  /// missing.
  [[nodiscard]] static run_record resume(const std::filesystem::path& file, std::int64_t step) {
    std::string kept;
    std::error_code none;
    detail::visit_run_record(file, [&](std::string_view line, const json_value& value) {
      if (value.required<std::int64_t>("step") < step) kept += line;
    });
    if (kept.size() != std::filesystem::file_size(file, none)) write_file(file, kept);
    return run_record(file);
  }

  /// Adds a line. Throws contract_error for anything but an object with an integer "step", file_error where the line
  /// cannot be written; the record has no part of it then. NaN and infinity become null.
  void append(const json& record) {
    expects(record.is_object() && record.contains("step") && record.at("step").is_number_integer(), [&] {
      return message("run_record: expected an object with an integer \"step\", got ", detail::shown(record));
    });
    const std::string line = record.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    const off_t before = ::lseek(out_.number(), 0, SEEK_END);
    if (detail::write_all(out_, line)) return;
    const int cause = errno;
    (void)!::ftruncate(out_.number(), before);
    detail::throw_system_error(file_, "cannot be written", cause);
  }
  /// Waits until the disk has all lines: before a checkpoint that a resumed run may start from. Throws file_error where
  /// the record is no longer the file of its name: somebody removed or moved the run's folder.
  void sync() {
    if (::fsync(out_.number()) != 0) detail::throw_system_error(file_, "cannot be written");
    if (!out_.is_file(file_)) throw file_error(file_.string(), "", "was removed or moved while the run wrote to it");
  }

 private:
  explicit run_record(std::filesystem::path file)
      : file_(std::move(file)), out_(detail::open_file(file_, O_WRONLY | O_APPEND)) {
    if (!out_.is_open()) detail::throw_system_error(file_, "cannot be written");
  }

  std::filesystem::path file_;
  detail::descriptor out_;
};

}  // namespace limbeck
