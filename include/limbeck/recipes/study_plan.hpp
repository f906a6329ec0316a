// The plan of a study: which runs are compared, over which tasks and seeds, and what is claimed of them beforehand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "limbeck/io/json.hpp"

namespace limbeck {

/// What a part of a plan says of the runs that it is part of. Of parts that set the same, the more particular one wins.
struct study_settings {
  std::map<std::string, std::string> variables;  ///< what stands for `${name}`
  std::map<std::string, json> arguments;         ///< options of the verb, without dashes; null: not given
};

/// A run of the program: a step that others need, or what every cell starts from.
struct study_command {
  std::string name;  ///< of a step
  std::string verb;
  std::map<std::string, json> arguments;
};

struct study_level {
  std::string name;
  study_settings sets;
};
struct study_factor {
  std::string name, base;           ///< base: the level that the others are compared with
  std::vector<study_level> levels;  ///< sorted by name
};
struct study_task {
  std::string name;
  std::string metric;  ///< by which it is judged, larger is better; empty: the first that the results have
  study_settings sets;
};

/// What a study is to confirm or refute: that a level is better than another one, or worse, by more than `by`; or the
/// same, to within `by`.
struct study_claim {
  enum class relation { better, worse, same };
  std::string says;
  std::string factor{}, level{}, than{};
  relation is = relation::better;
  double by = 0;
  std::string task{};  ///< empty: over all of them
};

struct study_plan {
  std::string name, question, file;
  std::map<std::string, std::string> places;     ///< variables that differ from machine to machine and say where
  std::map<std::string, std::string> variables;  ///< that are a part of what is run
  std::vector<study_command> steps;              ///< run once, before the cells that name them
  study_command base;
  std::vector<study_factor> factors;
  bool grid = false;  ///< all levels of all factors; else one factor at a time round the base
  std::vector<study_task> tasks;
  std::vector<std::uint64_t> seeds;
  std::vector<study_claim> claims{};

  /// The task, or factor, of that name. There is one.
  [[nodiscard]] const study_task& task(const std::string& called) const {
    return *std::ranges::find(tasks, called, &study_task::name);
  }
  [[nodiscard]] const study_factor* factor(const std::string& called) const {
    const auto found = std::ranges::find(factors, called, &study_factor::name);
    return found == factors.end() ? nullptr : &*found;
  }
};

}  // namespace limbeck
