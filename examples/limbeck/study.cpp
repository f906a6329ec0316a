// study: a plan of many runs, and what they say together.
#include <cstdio>
#include <memory>

#include <limbeck/recipes/study.hpp>

#include "verbs.hpp"

namespace program {
namespace {

constexpr const char* plain_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./%@";

void print_summary(const limbeck::study_summary& s, bool as_json) {
  const std::string text = as_json ? limbeck::json_of(s).dump() + "\n" : limbeck::markdown_of(s);
  std::fputs(text.c_str(), stdout);
}

/// A line each, in the order in which they run: the words of a command, quoted as a shell wants it, or a JSON array.
void print_commands(const limbeck::study_cells& all, bool as_json) {
  const auto print = [&](const std::vector<std::string>& words) {
    if (as_json) return void(std::printf("%s\n", limbeck::json(words).dump().c_str()));
    std::string line = "limbeck";
    for (const std::string& word : words) {
      const bool plain = word.find_first_not_of(plain_letters) == std::string::npos;
      line += plain ? " " + word : " '" + CLI::detail::find_and_replace(word, "'", "'\\''") + "'";
    }
    std::printf("%s\n", line.c_str());
  };
  for (const limbeck::study_step& step : all.steps) print(step.run.command);
  for (const limbeck::study_cell& cell : all.cells) print(cell.run.command);
}

int report_study(const limbeck::study_report& r, const limbeck::study_options& o, limbeck::console& out, bool as_json) {
  const std::string reached =
      std::to_string(r.summary.finished) + " of " + std::to_string(r.summary.planned) + " cells are finished";
  if (r.interrupted) {
    out.say("stopped: " + reached + "; the same command goes on");
    return interrupted;
  }
  print_summary(r.summary, as_json);
  if (r.failures.empty()) return success;
  const std::string failed =
      r.failures.size() == 1 ? "one run failed" : std::to_string(r.failures.size()) + " runs failed, the first";
  std::fprintf(stderr, "limbeck: %s: %s: %s; the same command tries again\n", o.output.c_str(), failed.c_str(),
               on_one_line(r.failures.front()).c_str());
  return failure;
}

}  // namespace

work add_study(CLI::App& app) {
  struct options : common_options, limbeck::study_options {
    std::vector<std::string> settings;
    bool only_report = false, dry_run = false;
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("study", "Run a plan of many runs, in processes side by side, and compare them");
  verb.add_option("--plan", o->plan, "JSON file that says what is run and compared")->required();
  verb.add_option("--output", o->output, "Folder of the study: cells.jsonl, prepared/, summary.md")->required();
  verb.add_option("--set", o->settings,
                  "Another value of a place or variable of the plan, name=value; may be given several times");
  verb.add_option("--jobs", o->jobs, "Runs at a time, among which the threads are divided")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--program", o->program, "Program that does the runs, with the verbs of this one")
      ->default_str("this one");
  verb.add_flag("--keep", o->keep, "Keep the folders of finished cells");
  verb.add_option("--reuse", o->reuse, "Folder of another study, whose steps and kept cells serve here; several times")
      ->check(CLI::ExistingDirectory);
  verb.add_flag("--dry-run", o->dry_run, "Run nothing; print the command of every step and cell");
  verb.add_flag("--only-report", o->only_report, "Run nothing; print what the finished cells say");
  add_common(verb, *o);
  verb.final_callback([o] {
    for (const std::string& setting : o->settings) {
      const std::size_t equals = setting.find('=');
      if (equals == 0 || equals == std::string::npos)
        throw CLI::ValidationError("--set", setting + ": expected name=value");
      o->set[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
  });
  return [o] {
    limbeck::study_options& study = *o;
    study.threads = o->common_options::threads;
    if (o->dry_run) {
      print_commands(limbeck::cells_of(limbeck::read_study_plan(study.plan, study.set), study.output), o->json);
      return success;
    }
    if (o->only_report) {
      print_summary(limbeck::summarise_study(study), o->json);
      return success;
    }
    limbeck::console out = o->out();
    return report_study(limbeck::run_study(study, out), study, out, o->json);
  };
}

}  // namespace program
