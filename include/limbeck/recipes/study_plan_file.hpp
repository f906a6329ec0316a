// Reads a study's plan from JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/recipes/study_plan.hpp"

namespace limbeck {
namespace detail {

/// Refuses a key that is not read.
inline void expects_keys(const json_value& object, const std::set<std::string>& known) {
  for (const auto& [key, value] : object.members()) {
    if (known.contains(key)) continue;
    std::string list;
    for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
    value.refuse("is no key of a plan, expected one of " + list);
  }
}

/// Refuses a name that a table could not show: an empty one, or one that would break a line or a column.
inline void expects_name(const std::string& name, const json_value& place) {
  const auto breaks = [](char c) { return (c >= '\0' && c < ' ') || c == '|' || c == '\x7F'; };
  if (name.empty() || std::ranges::any_of(name, breaks)) place.refuse("expected a name on one line, without |");
}
inline std::string name_of(const json_value& value) {
  const auto name = value.as<std::string>();
  expects_name(name, value);
  return name;
}

inline std::map<std::string, std::string> read_texts_of(const json_value& parent, const std::string& key) {
  std::map<std::string, std::string> texts;
  if (!parent.has(key)) return texts;
  for (const auto& [name, value] : parent.at(key).members())
    texts[name] = value.raw().is_number() ? value.raw().dump() : value.as<std::string>();
  return texts;
}

/// Options of a verb: texts, numbers, lists of those, and true or false of a flag.
inline std::map<std::string, json> read_arguments(const json_value& parent) {
  static const std::set<std::string> own{"output", "json", "quiet", "resume", "threads", "config"};
  std::map<std::string, json> arguments;
  if (!parent.has("arguments")) return arguments;
  const auto plain = [](const json& v) { return v.is_string() || v.is_number(); };
  for (const auto& [name, value] : parent.at("arguments").members()) {
    if (own.contains(name)) value.refuse("is for the study to say");
    const json& raw = value.raw();
    if (raw.is_array())
      for (const json_value& element : value.elements())
        if (!plain(element.raw())) element.refuse("expected a string or a number");
    if (raw.is_object()) value.refuse("is an object, expected a string, a number, a list of them, true, false or null");
    arguments[name] = raw;
  }
  return arguments;
}

inline study_settings read_settings(const json_value& part) {
  return {read_texts_of(part, "variables"), read_arguments(part)};
}

inline study_command read_base(const json_value& part) {
  expects_keys(part, {"verb", "arguments"});
  return {"", part.required<std::string>("verb"), read_arguments(part)};
}

/// A step, after which a folder is called.
inline study_command read_step(const json_value& part) {
  expects_keys(part, {"name", "verb", "arguments"});
  const auto name = part.required<std::string>("name");
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (name.empty() || !std::ranges::all_of(name, plain))
    part.at("name").refuse("is \"" + name + "\", expected letters, digits, - and _");
  return {name, part.required<std::string>("verb"), read_arguments(part)};
}

inline study_factor read_factor(const json_value& part) {
  expects_keys(part, {"name", "base", "levels"});
  study_factor factor{name_of(part.at("name")), part.required<std::string>("base"), {}};
  for (const auto& [name, level] : part.at("levels").members()) {
    expects_keys(level, {"variables", "arguments"});
    expects_name(name, level);
    factor.levels.push_back({name, read_settings(level)});
  }
  if (std::ranges::find(factor.levels, factor.base, &study_level::name) == factor.levels.end())
    part.at("base").refuse("is \"" + factor.base + "\", expected one of the levels");
  return factor;
}

inline study_task read_study_task(const json_value& part) {
  expects_keys(part, {"name", "metric", "variables", "arguments"});
  return {name_of(part.at("name")), part.optional<std::string>("metric", ""), read_settings(part)};
}

/// The factor's level that `part` names under `key`; its base where it names none.
inline std::string level_of(const json_value& part, const std::string& key, const study_factor& factor) {
  const auto name = part.optional<std::string>(key, factor.base);
  if (std::ranges::find(factor.levels, name, &study_level::name) == factor.levels.end())
    part.at(key).refuse("is \"" + name + "\", expected a level of " + factor.name);
  return name;
}

inline study_claim read_claim(const json_value& part, const study_plan& plan) {
  using enum study_claim::relation;
  expects_keys(part, {"says", "factor", "level", "is", "than", "by", "task"});
  study_claim claim{.says = name_of(part.at("says"))};
  const auto name = part.required<std::string>("factor");
  const study_factor* factor = plan.factor(name);
  if (factor == nullptr) part.at("factor").refuse("is \"" + name + "\", expected a factor of the plan");
  claim.factor = name;
  (void)part.at("level");
  claim.level = level_of(part, "level", *factor);
  claim.than = level_of(part, "than", *factor);
  if (claim.level == claim.than) part.at("level").refuse("is compared with itself");
  const auto is = part.required<std::string>("is");
  if (is != "better" && is != "worse" && is != "same")
    part.at("is").refuse("is \"" + is + "\", expected better, worse or same");
  claim.is = is == "better" ? better : is == "worse" ? worse : same;
  claim.by = part.optional<double>("by", 0);
  if (claim.is == same && claim.by <= 0) part.refuse("needs a positive \"by\" to be within");
  claim.task = part.optional<std::string>("task", "");
  if (!claim.task.empty() && std::ranges::find(plan.tasks, claim.task, &study_task::name) == plan.tasks.end())
    part.at("task").refuse("is \"" + claim.task + "\", expected a task of the plan");
  return claim;
}

/// Refuses a name that two of these have.
template <class Named>
void expects_own_names(const json_value& plan, const std::string& key, const std::vector<Named>& all) {
  std::set<std::string> seen;
  for (const Named& each : all)
    if (!seen.insert(each.name).second) plan.at(key).refuse("names " + each.name + " twice");
}

/// Refuses `${name}` that could be two things.
inline void expects_one_meaning(const json_value& whole, const study_plan& plan) {
  std::set<std::string> seen{"seed", "task"};
  const auto add = [&](const std::string& key, const std::string& name) {
    if (!seen.insert(name).second) whole.at(key).refuse("has " + name + ", which means something else already");
  };
  for (const auto& [name, value] : plan.places) add("places", name);
  for (const auto& [name, value] : plan.variables) add("variables", name);
  for (const study_command& step : plan.steps) add("prepare", step.name);
}

/// What `key` lists, each read by `read`; nothing where it is missing.
template <class Read>
auto read_list(const json_value& parent, const std::string& key, const Read& read) {
  std::vector<decltype(read(parent))> all;
  if (parent.has(key))
    for (const json_value& element : parent.at(key).elements()) all.push_back(read(element));
  return all;
}

}  // namespace detail

/// Reads a plan; docs/studies.md has its fields. Throws file_error naming file and place for what it cannot be.
[[nodiscard]] inline study_plan parse_study_plan(const json_value& whole) {
  using namespace detail;
  expects_keys(whole, {"name", "question", "places", "variables", "prepare", "base", "factors", "design", "tasks",
                       "seeds", "claims"});
  study_plan plan{.name = name_of(whole.at("name")),
                  .question = whole.optional<std::string>("question", ""),
                  .file = whole.file(),
                  .places = read_texts_of(whole, "places"),
                  .variables = read_texts_of(whole, "variables"),
                  .steps = read_list(whole, "prepare", read_step),
                  .base = read_base(whole.at("base")),
                  .factors = read_list(whole, "factors", read_factor),
                  .tasks = read_list(whole, "tasks", read_study_task),
                  .seeds = whole.required<std::vector<std::uint64_t>>("seeds")};
  if (plan.tasks.empty()) whole.at("tasks").refuse("is empty, expected a task");
  if (plan.seeds.empty()) whole.at("seeds").refuse("is empty, expected a seed");
  expects_own_names(whole, "tasks", plan.tasks);
  expects_own_names(whole, "factors", plan.factors);
  expects_own_names(whole, "prepare", plan.steps);
  expects_one_meaning(whole, plan);
  if (std::set(plan.seeds.begin(), plan.seeds.end()).size() != plan.seeds.size())
    whole.at("seeds").refuse("names a seed twice");
  const auto design = whole.optional<std::string>("design", "one_at_a_time");
  if (design != "one_at_a_time" && design != "grid")
    whole.at("design").refuse("is \"" + design + "\", expected one_at_a_time or grid");
  plan.grid = design == "grid";
  plan.claims = read_list(whole, "claims", [&](const json_value& v) { return read_claim(v, plan); });
  return plan;
}

/// The plan in the file, with other values for some of its places and variables. Throws contract_error for a name that
/// is neither.
[[nodiscard]] inline study_plan read_study_plan(const std::filesystem::path& file,
                                                const std::map<std::string, std::string>& set = {}) {
  study_plan plan = parse_study_plan(read_json(file));
  for (const auto& [name, value] : set) {
    auto& from = plan.places.contains(name) ? plan.places : plan.variables;
    expects(from.contains(name),
            [&, &name = name] { return message("set: ", name, " is no place and no variable of ", file.string()); });
    from[name] = value;
  }
  return plan;
}

}  // namespace limbeck
