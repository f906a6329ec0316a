// The folder that a run writes to: its own, and in what state an earlier run left it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "limbeck/io/model_weights.hpp"
#include "limbeck/io/run_lock.hpp"
#include "limbeck/io/run_record.hpp"
#include "limbeck/training/checkpoint.hpp"

namespace limbeck {
namespace detail {

/// Throws unless the folder may be written to by this run: a stopped run is continued, never overwritten unasked.
inline void expects_free_folder(const std::filesystem::path& output, bool resume) {
  if (!resume && std::filesystem::exists(output / "checkpoint.safetensors"))
    throw file_error(output.string(), "", "holds a run that was stopped; go on with --resume, or remove the folder");
}

/// Removes what killed processes left half-written in a folder that this run alone writes to.
inline void remove_partial_files(const std::filesystem::path& folder) {
  std::error_code none;
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") && name.ends_with(".partial")) left.push_back(entry.path());
  }
  for (const auto& file : left) std::filesystem::remove(file, none);
}

/// Removes what an earlier run told of itself: it is not the story of the one that begins.
inline void remove_report(const std::filesystem::path& output) {
  std::error_code none;
  for (const char* name : {"report.html", "speed.json"}) std::filesystem::remove(output / name, none);
}

/// Throws where something that a run writes is a link: what it leads to, outside of the folder, would be overwritten.
inline void expects_no_links(const std::filesystem::path& folder) {
  std::error_code none;
  for (const char* name :
       {"checkpoint.safetensors", "config.json", "last", "learned.safetensors", "model.safetensors", "report.html",
        "run.jsonl", "sample_shares.jsonl", "speed.json", "tokenizer_config.json", "vocab.txt"})
    if (std::filesystem::is_symlink(folder / name, none))
      throw file_error((folder / name).string(), "", "is a link, expected an output folder without links");
}

/// Makes the output folder this run's own. Throws where another run holds it, where it has links in it, or holds a
/// stopped run and `resume` is not wanted.
[[nodiscard]] inline run_lock claim_folder(const std::filesystem::path& output, bool resume) {
  make_folder(output);
  run_lock lock(output);
  expects_no_links(output);
  expects_no_links(output / "last");
  expects_free_folder(output, resume);
  if (!resume) remove_report(output);
  remove_partial_files(output);
  remove_partial_files(output / "last");
  return lock;
}

/// The last record of a run that came to its end; nothing of another.
[[nodiscard]] inline std::optional<json_value> end_of_run(const std::filesystem::path& output) {
  const auto file = output / "run.jsonl";
  if (!std::filesystem::exists(file) || std::filesystem::exists(output / "checkpoint.safetensors")) return std::nullopt;
  const std::vector<json_value> records = read_run_record(file);
  if (records.empty() || records.back().optional<std::string>("event", "") != "end") return std::nullopt;
  return records.back();
}

/// Throws where the folder's run, which came to its end, had other settings, naming the first that differs.
inline void expects_settings_of_run(const std::filesystem::path& output, const json& wanted) {
  const auto file = output / "run.jsonl";
  const json_value start = read_run_record(file).front();
  const json kept = start.has("settings") ? start.at("settings").raw() : json::object();
  if (const std::string other = first_difference(kept, wanted, "the record"); !other.empty())
    throw file_error(file.string(), "", "belongs to a run with other settings: " + other);
}

}  // namespace detail
}  // namespace limbeck
