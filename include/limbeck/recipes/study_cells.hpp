// The runs that a plan asks for, each known by a key: a hash of what it runs, the same on every machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/recipes/study_plan.hpp"

namespace limbeck {

/// A run of the program.
struct study_run {
  std::string key;                   ///< hash_text of `what`
  json what;                         ///< verb and arguments; where a place is meant `${name}`, where a step its key
  std::vector<std::string> command;  ///< verb and arguments as the program takes them
  std::vector<std::size_t> needs;    ///< steps that must be there, by number, rising
};
/// A run whose folder others read. Cells for which it comes out the same share it.
struct study_step {
  std::string name;
  std::filesystem::path folder;
  study_run run;
};
struct study_cell {
  std::string task;
  std::uint64_t seed = 0;
  std::map<std::string, std::string> levels{};  ///< of each factor
  study_run run{};
};
/// The cell, for people.
[[nodiscard]] inline std::string about(const study_cell& cell) {
  std::string text = cell.task + ", seed " + std::to_string(cell.seed);
  for (const auto& [factor, level] : cell.levels) text += ", " + factor + " = " + level;
  return text;
}
struct study_cells {
  std::vector<study_step> steps;
  std::vector<study_cell> cells;  ///< of one seed after the other, so that a part of a study compares all levels
};

namespace detail {

/// What a verb is called with.
inline std::vector<std::string> command_of(const std::string& verb, const std::map<std::string, json>& arguments) {
  const auto text = [](const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  std::vector<std::string> command{verb};
  for (const auto& [name, value] : arguments) {
    if (value.is_boolean()) {
      if (value.get<bool>()) command.push_back("--" + name);
    } else if (value.is_array()) {
      for (const json& element : value) command.push_back("--" + name + "=" + text(element));
    } else if (!value.is_null()) {
      command.push_back("--" + name + "=" + text(value));
    }
  }
  return command;
}

/// Makes the runs of a plan.
class study_expansion {
 public:
  study_expansion(const study_plan& plan, std::filesystem::path output) : plan_(plan), output_(std::move(output)) {}

  void add(const study_task& task, std::uint64_t seed, const std::vector<const study_level*>& levels) {
    study_cell cell{.task = task.name, .seed = seed};
    std::map<std::string, std::string> variables = plan_.variables;
    std::map<std::string, json> arguments = plan_.base.arguments;
    arguments.emplace("seed", "${seed}");
    const auto take = [&](const study_settings& sets) {
      for (const auto& [name, value] : sets.variables) {
        if (name == "task" || name == "seed") refuse(name, "is a variable that the study sets itself");
        variables[name] = value;
      }
      for (const auto& [name, value] : sets.arguments) arguments[name] = value;
    };
    take(task.sets);
    for (std::size_t f = 0; f < levels.size(); ++f) {
      take(levels[f]->sets);
      cell.levels[plan_.factors[f].name] = levels[f]->name;
    }
    variables["task"] = task.name;
    variables["seed"] = std::to_string(seed);
    cell.run = make(plan_.base.verb, arguments, {variables, plan_.steps.size()});
    expects_new(cell);
    made_.cells.push_back(std::move(cell));
  }

  [[nodiscard]] study_cells take() { return std::move(made_); }

 private:
  /// What `${name}` may stand for.
  struct scope {
    const std::map<std::string, std::string>& variables;
    std::size_t steps;  ///< so many of the plan's
  };

  /// A text with values in place of names. One for the key keeps names of places, and has a step's key for its folder.
  struct filler {
    study_expansion& all;
    const scope& names;
    bool for_key;
    std::vector<std::size_t>& needs;

    [[nodiscard]] std::string text(std::string_view from, int depth = 0) const {
      if (depth > 16) all.refuse(from, "refers to itself");
      std::string out;
      for (std::size_t at = from.find("${"); at != std::string_view::npos; at = from.find("${")) {
        const std::size_t end = from.find('}', at);
        if (end == std::string_view::npos) all.refuse(from, "has no end of ${");
        out += from.substr(0, at);
        out += meaning(std::string(from.substr(at + 2, end - at - 2)), from, depth);
        from.remove_prefix(end + 1);
      }
      return out += from;
    }
    [[nodiscard]] json argument(const json& value) const {
      if (value.is_string()) return text(value.get_ref<const std::string&>());
      if (!value.is_array()) return value;
      json filled = json::array();
      for (const json& element : value) filled.push_back(argument(element));
      return filled;
    }

   private:
    [[nodiscard]] std::string meaning(const std::string& name, std::string_view where, int depth) const {
      if (const auto found = names.variables.find(name); found != names.variables.end())
        return text(found->second, depth + 1);
      if (const auto found = all.plan_.places.find(name); found != all.plan_.places.end())
        return for_key ? "${" + name + "}" : text(found->second, depth + 1);
      for (std::size_t i = 0; i < names.steps; ++i) {
        if (all.plan_.steps[i].name != name) continue;
        const std::size_t number = all.step(i, names);
        needs.push_back(number);
        const study_step& made = all.made_.steps[number];
        return for_key ? "${" + name + ":" + made.run.key + "}" : made.folder.string();
      }
      all.refuse(where, "names " + name + ", which is no place, no variable and no step before it");
    }
  };

  study_run make(const std::string& verb, const std::map<std::string, json>& arguments, const scope& names) {
    study_run run;
    const filler known{*this, names, true, run.needs}, real{*this, names, false, run.needs};
    run.what = {{"verb", verb}, {"arguments", json::object()}};
    std::map<std::string, json> filled;
    for (const auto& [name, value] : arguments) {
      if (value.is_null() || value == json(false)) continue;  // as if nobody had named it
      run.what["arguments"][name] = known.argument(value);
      filled[name] = real.argument(value);
    }
    run.key = hash_text(fnv1a(run.what.dump(-1, ' ', false, json::error_handler_t::replace)));
    run.command = command_of(verb, filled);
    std::ranges::sort(run.needs);
    run.needs.erase(std::unique(run.needs.begin(), run.needs.end()), run.needs.end());
    return run;
  }

  /// The number of the step as these variables make it.
  std::size_t step(std::size_t of_plan, const scope& names) {
    const study_command& command = plan_.steps[of_plan];
    study_run run = make(command.verb, command.arguments, {names.variables, of_plan});
    const auto found = std::ranges::find_if(
        made_.steps, [&](const study_step& s) { return s.run.key == run.key && s.name == command.name; });
    if (found != made_.steps.end()) {
      if (found->run.command != run.command)
        throw file_error(plan_.file, "step " + command.name,
                         "is another run for another task where places alone differ, expected a variable that does");
      return static_cast<std::size_t>(found - made_.steps.begin());
    }
    made_.steps.push_back({command.name, output_ / "prepared" / (command.name + "-" + run.key), std::move(run)});
    return made_.steps.size() - 1;
  }

  void expects_new(const study_cell& cell) const {
    for (const study_cell& other : made_.cells)
      if (other.run.key == cell.run.key)
        throw file_error(plan_.file, "", "two cells are the same run: " + about(other) + " and " + about(cell));
  }
  [[noreturn]] void refuse(std::string_view text, const std::string& problem) const {
    throw file_error(plan_.file, "\"" + std::string(text) + "\"", problem);
  }

  const study_plan& plan_;
  std::filesystem::path output_;
  study_cells made_;
};

/// The settings of all factors that a plan compares: the base first.
[[nodiscard]] inline std::vector<std::vector<const study_level*>> settings_of_factors(const study_plan& plan) {
  std::vector<std::vector<const study_level*>> all(1);
  for (const study_factor& factor : plan.factors)
    all.front().push_back(&*std::ranges::find(factor.levels, factor.base, &study_level::name));
  for (std::size_t f = 0; f < plan.factors.size(); ++f) {
    const std::size_t settings = plan.grid ? all.size() : 1;
    for (const study_level& level : plan.factors[f].levels)
      for (std::size_t i = 0; i < settings && level.name != plan.factors[f].base; ++i) {
        all.push_back(all[i]);
        all.back()[f] = &level;
      }
  }
  return all;
}

}  // namespace detail

/// Every run of a plan whose study lies in `output`. Throws file_error, which names the plan, for a `${name}` that is
/// nothing and for cells that are one and the same run.
[[nodiscard]] inline study_cells cells_of(const study_plan& plan, const std::filesystem::path& output) {
  detail::study_expansion expansion(plan, output);
  const auto settings = detail::settings_of_factors(plan);
  for (const std::uint64_t seed : plan.seeds)
    for (const study_task& task : plan.tasks)
      for (const auto& levels : settings) expansion.add(task, seed, levels);
  return expansion.take();
}

}  // namespace limbeck
