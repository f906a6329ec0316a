// What a stopped run needs to go on with the bits of an unbroken one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/io/json.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/training/sample_sharing.hpp"
#include "limbeck/training/training_engine.hpp"

namespace limbeck {

/// Where a run stands between two optimiser steps.
struct run_position {
  index epoch = 0;             ///< the one that is under way
  index step_of_epoch = 0;     ///< optimiser steps of it that are done
  index updates = 0;           ///< of the whole run
  index micro_batches = 0;     ///< of the whole run: names the random streams
  std::optional<double> best;  ///< score of the best state on dev
  index best_epoch = 0;
  index evaluations_without_gain = 0;
};

namespace detail {

[[nodiscard]] inline json names_and_places(const parameter_table& table) {
  json list = json::array();
  for (const parameter& p : table.entries()) list.push_back({p.name, p.offset, p.rows, p.columns});
  return list;
}

/// The first key in which two settings differ, with both values; empty where they agree. `where`: what keeps the first.
[[nodiscard]] inline std::string first_difference(const json& kept, const json& wanted,
                                                  const std::string& where = "the checkpoint") {
  for (const auto& [key, value] : wanted.items()) {
    const json before = kept.contains(key) ? kept.at(key) : json();
    if (before != value) return key_text(key) + " is " + before.dump() + " in " + where + ", " + value.dump() + " now";
  }
  for (const auto& [key, value] : kept.items())
    if (!wanted.contains(key)) return key_text(key) + " is " + value.dump() + " in " + where + ", not given now";
  return "";
}

/// A count of what a run has done: far from where sums of them overflow.
[[nodiscard]] inline index count_at(const json_value& position, const char* key) {
  constexpr index most = index{1} << 48;
  const auto count = position.required<index>(key);
  if (count < 0 || count > most)
    position.at(key).refuse("is " + std::to_string(count) + ", expected 0 to " + std::to_string(most));
  return count;
}

[[nodiscard]] inline run_position parse_position(const json_value& position) {
  run_position at;
  at.epoch = count_at(position, "epoch");
  at.step_of_epoch = count_at(position, "step_of_epoch");
  at.updates = count_at(position, "updates");
  at.micro_batches = count_at(position, "micro_batches");
  at.best_epoch = count_at(position, "best_epoch");
  at.evaluations_without_gain = count_at(position, "evaluations_without_gain");
  if (position.has("best")) at.best = position.required<double>("best");
  return at;
}

}  // namespace detail

/// Writes weights (projections and all), both moments, what learns beside them, the position, and the settings of the
/// run, which a resumed run must repeat. Atomic: a kill leaves the last checkpoint whole. Throws file_error.
inline void save_checkpoint(const std::filesystem::path& file, const parameter_table& table, const json& settings,
                            const run_position& at, const trained_numbers<const float>& numbers,
                            const std::vector<named_numbers<float>>& beside = {}) {
  const auto record = [](const std::string& name, const float* data, index size) {
    return tensor_record{name, dtype::f32, tensor_shape{size}, data};
  };
  std::vector<tensor_record> tensors{record("weights", numbers.weights.data(), table.size()),
                                     record("first_moment", numbers.first_moment.data(), table.size()),
                                     record("second_moment", numbers.second_moment.data(), table.size())};
  for (const named_numbers<float>& kept : beside)
    tensors.push_back(record(kept.name, kept.numbers.data(), kept.numbers.extent(0)));
  json position{{"epoch", at.epoch},           {"step_of_epoch", at.step_of_epoch},
                {"updates", at.updates},       {"micro_batches", at.micro_batches},
                {"best_epoch", at.best_epoch}, {"evaluations_without_gain", at.evaluations_without_gain}};
  if (at.best) position["best"] = *at.best;
  write_safetensors(file, tensors,
                    {{"limbeck_checkpoint", "1"},
                     {"position", position.dump()},
                     {"settings", settings.dump()},
                     {"parameters", detail::names_and_places(table).dump()}});
}

/// Reads a checkpoint back. Throws file_error where it is damaged, of another version, of other parameters (a missing
/// projection too), or of a run with other settings, naming the first that differs. What is refused changes nothing.
inline run_position load_checkpoint(const std::filesystem::path& file, const parameter_table& table,
                                    const json& settings, const trained_numbers<float>& numbers,
                                    const std::vector<named_numbers<float>>& beside = {}) {
  const safetensors_file kept(file);
  const auto entry = [&](const char* name) {
    const auto found = kept.metadata().find(name);
    if (found == kept.metadata().end()) throw file_error(file.string(), "metadata", std::string("has no ") + name);
    return found->second;
  };
  const auto refuse = [&](const std::string& problem) { throw file_error(file.string(), "", problem); };
  if (entry("limbeck_checkpoint") != "1")
    refuse("is a checkpoint of version " + detail::key_text(entry("limbeck_checkpoint")) + ", expected 1");
  const run_position at = detail::parse_position(parse_json(entry("position"), file.string(), "position"));
  const json_value before = parse_json(entry("settings"), file.string(), "settings");
  if (const std::string other = detail::first_difference(before.raw(), settings); !other.empty())
    refuse("belongs to a run with other settings: " + other);
  if (parse_json(entry("parameters"), file.string(), "parameters").raw() != detail::names_and_places(table))
    refuse("holds other parameters than this run has");
  std::vector<named_numbers<float>> wanted{
      {"weights", numbers.weights}, {"first_moment", numbers.first_moment}, {"second_moment", numbers.second_moment}};
  for (named_numbers<float>& each : wanted) each.numbers = view<float, 1>(each.numbers.data(), table.size());
  wanted.insert(wanted.end(), beside.begin(), beside.end());
  for (const auto& [name, room] : wanted) {
    const tensor_entry& found = kept.at(name);
    const tensor_shape shape{room.extent(0)};
    if (found.type != dtype::f32 || found.shape != shape)
      throw file_error(
          file.string(), detail::tensor_place(name),
          "is " + std::string(name_of(found.type)) + " " + text_of(found.shape) + ", expected F32 " + text_of(shape));
  }
  for (const auto& [name, room] : wanted) kept.read(name, {room.extent(0)}, room.data());
  return at;
}

}  // namespace limbeck
