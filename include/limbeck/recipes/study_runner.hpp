// Runs the cells of a study in child processes, each once, however often the study is stopped.
#pragma once

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/recipes/child_process.hpp"
#include "limbeck/recipes/study_cells.hpp"
#include "limbeck/recipes/study_record.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/interruption.hpp"

namespace limbeck {

struct study_options {
  std::filesystem::path plan, output;
  std::map<std::string, std::string> set;            ///< other values of the plan's places and variables
  std::filesystem::path program = "/proc/self/exe";  ///< runs the cells: this program, even if its file was replaced
  index jobs = 1;                                    ///< cells at a time
  int threads = 1;                                   ///< of all of them together
  bool keep = false;                                 ///< the folders of finished cells
  std::vector<std::filesystem::path> reuse{};  ///< folders of other studies, whose steps and kept cells serve here
};

namespace detail {

/// Runs what is not yet there. A cell is finished when its line is in the record, a step when its folder has its name.
class study_runner {
 public:
  study_runner(const study_options& options, const study_cells& all, study_record& record, console& out)
      : options_(options), all_(all), record_(record), out_(out) {
    for (const study_step& step : all.steps) pieces_.push_back({&step.run, partial(step), "step " + step.name});
    for (const study_cell& cell : all.cells)
      pieces_.push_back({&cell.run, cell_folder(cell.run.key), about(cell), &cell});
    for (piece& p : pieces_)
      if (p.cell != nullptr && record.results().contains(p.run->key)) p.is = state::done;
    for (std::size_t i = all.steps.size(); i-- > 0;)  // what a step needs has a lower number
      if (!is_needed(i) || std::filesystem::exists(all.steps[i].folder)) pieces_[i].is = state::done;
  }

  /// Returns once all is done, or has failed, or was stopped. False: it was stopped.
  bool run() {
    const interruption stop;
    std::signal(SIGCHLD, SIG_DFL);  // where it was ignored, nobody would tell how children end
    bool stopping = false;
    while (true) {
      if (stop.asked() && !stopping) {
        stopping = true;
        for (const job& j : jobs_) j.process.ask_to_stop();
      }
      while (!stopping && static_cast<index>(jobs_.size()) < options_.jobs && start_next()) {
      }
      if (jobs_.empty()) return !stopping;
      std::vector<child_process*> children;
      for (job& j : jobs_) children.push_back(&j.process);
      child_process::wait_for_any(children, 200);
      for (auto j = jobs_.begin(); j != jobs_.end();) {
        const auto status = j->process.ended();
        if (status) finish(*j, *status, stopping);
        j = status ? jobs_.erase(j) : std::next(j);
      }
    }
  }

  [[nodiscard]] std::vector<std::string> failures() const { return failures_; }

 private:
  enum class state { waiting, running, done, failed };
  struct piece {
    const study_run* run;
    std::filesystem::path folder;  ///< in which it runs
    std::string about;
    const study_cell* cell = nullptr;  ///< null: of a step
    state is = state::waiting;
    bool resumed = false;  ///< goes on with what an earlier process left
  };
  struct job {
    piece* of;
    child_process process;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  };

  static std::filesystem::path partial(const study_step& step) { return step.folder.string() + ".partial"; }
  [[nodiscard]] std::filesystem::path cell_folder(const std::string& key) const {
    return options_.output / "cells" / key;
  }
  static std::filesystem::path log_of(const piece& p) { return p.folder.string() + ".log"; }
  /// Whether something that is not done needs the step.
  [[nodiscard]] bool is_needed(std::size_t step) const {
    return std::ranges::any_of(pieces_, [&](const piece& p) {
      return p.is != state::done && std::ranges::find(p.run->needs, step) != p.run->needs.end();
    });
  }

  /// Starts the first piece that waits for nothing. False: there is none.
  bool start_next() {
    for (piece& p : pieces_) {
      if (p.is != state::waiting) continue;
      const auto stands = [&](state s) { return [this, s](std::size_t step) { return pieces_[step].is == s; }; };
      if (std::ranges::any_of(p.run->needs, stands(state::failed))) {
        fail(p, "needs a step that failed");
        continue;
      }
      if (!std::ranges::all_of(p.run->needs, stands(state::done))) continue;
      p.resumed = holds_run(p.folder);
      jobs_.push_back({&p, child_process(command_of(p), log_of(p))});
      p.is = state::running;
      return true;
    }
    return false;
  }

  /// The program's whole command line. A run that was stopped before goes on.
  [[nodiscard]] std::vector<std::string> command_of(const piece& p) const {
    make_folder(p.folder);
    std::vector<std::string> command{options_.program.string()};
    command.insert(command.end(), p.run->command.begin(), p.run->command.end());
    const index threads = std::max<index>(1, options_.threads / options_.jobs);
    for (const std::string& word : {"--output=" + p.folder.string(), std::string("--json"), std::string("--quiet"),
                                    "--threads=" + std::to_string(threads)})
      command.push_back(word);
    if (p.resumed) command.emplace_back("--resume");
    return command;
  }
  /// Whether a run began there: in the folder itself or, of a recipe's earlier stages, beneath it.
  [[nodiscard]] static bool holds_run(const std::filesystem::path& folder) {
    std::error_code none;
    if (std::filesystem::exists(folder / "run.jsonl", none)) return true;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none))
      if (std::filesystem::exists(entry.path() / "run.jsonl", none)) return true;
    return false;
  }

  void finish(job& j, int status, bool stopping) {
    piece& p = *j.of;
    const std::string last = j.process.last_line();
    json result = json::parse(last, nullptr, false);
    if (result.is_object()) result.erase("output");  // a place of this machine
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - j.started;
    if (status == 0 && result.is_object())
      commit(p, result, took.count());
    else if (stopping)
      p.is = state::waiting;
    else
      fail(p,
           status == 0 ? "printed no JSON object at its end: " + shown(json(last))
                       : "ended with status " + std::to_string(status) + complaint(p),
           status < 128 && (p.resumed || !holds_run(p.folder)));
  }

  void commit(piece& p, const json& result, double seconds) {
    std::error_code none;
    if (p.cell != nullptr) {
      record_.commit(*p.cell, result, seconds);
      if (!options_.keep) std::filesystem::remove_all(p.folder, none);
      const auto done =
          std::ranges::count_if(pieces_, [](const piece& q) { return q.cell != nullptr && q.is == state::done; });
      out_.progress("cells", done + 1, static_cast<index>(all_.cells.size()), p.about);
    } else {
      const auto& folder = all_.steps[static_cast<std::size_t>(&p - pieces_.data())].folder;
      write_file(p.folder / "result.json", result.dump() + "\n");
      std::filesystem::rename(p.folder, folder, none);
      if (none) throw file_error(folder.string(), "", "cannot be made: " + none.message());
      out_.say(p.about + ": " + result.dump());
    }
    std::filesystem::remove(log_of(p), none);
    p.is = state::done;
  }

  /// `afresh`: what it left is of no use to the next try.
  void fail(piece& p, const std::string& why, bool afresh = false) {
    p.is = state::failed;
    failures_.push_back(p.about + ": " + why);
    out_.say("failed: " + failures_.back());
    std::error_code none;
    if (afresh && !options_.keep) std::filesystem::remove_all(p.folder, none);
  }

  /// The last line of what it said on standard error.
  static std::string complaint(const piece& p) {
    std::ifstream in(log_of(p));
    std::string line, last;
    while (std::getline(in, line))
      if (!line.empty()) last = line;
    return last.empty() ? "" : ": " + last;
  }

  const study_options& options_;
  const study_cells& all_;
  study_record& record_;
  console& out_;
  std::vector<piece> pieces_;  ///< steps, then cells
  std::list<job> jobs_;
  std::vector<std::string> failures_;
};

}  // namespace detail
}  // namespace limbeck
