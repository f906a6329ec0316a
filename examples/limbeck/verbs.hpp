// The verbs of the program. Each adds its options to a subcommand and says what runs when it is chosen.
#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <limbeck/training/console.hpp>

#include "provider.hpp"

namespace program {

/// What every verb has.
struct common_options {
  bool json = false, quiet = false;
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::uint64_t seed = 0;
  std::string backend = "cpu";  ///< of verbs that train

  [[nodiscard]] executor on() const { return {.threads = threads}; }
  [[nodiscard]] limbeck::console out() const { return limbeck::console(quiet); }
};

/// Adds the options that every verb has.
inline void add_common(CLI::App& verb, common_options& o) {
  verb.add_flag("--json", o.json, "Print results as JSON, one object a line");
  verb.add_flag("--quiet", o.quiet, "Print results only");
  verb.add_option("--threads", o.threads, "Threads")->check(CLI::PositiveNumber)->capture_default_str();
}
/// Of verbs that train.
inline void add_seed(CLI::App& verb, common_options& o) {
  verb.add_option("--seed", o.seed, "Seed of everything random")->capture_default_str();
}

/// The text on one line, whatever names of files and pieces of text it quotes: nothing in it moves a terminal's cursor.
inline std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return (c >= '\0' && c < ' ') || c == '\x7F'; }, '?');
  return text;
}

/// The exit status of a run.
inline constexpr int success = 0, failure = 1, wrong_usage = 2, interrupted = 130;

/// Each returns the work to be done once the command line is read; the work returns the exit status.
using work = std::function<int()>;
work add_fine_tune(CLI::App& app);
work add_distill(CLI::App& app);
work add_pretrain(CLI::App& app);
work add_store(CLI::App& app);
work add_evaluate(CLI::App& app);
work add_predict(CLI::App& app);
work add_vocab(CLI::App& app);
work add_tokenize(CLI::App& app);
work add_trace(CLI::App& app);
work add_study(CLI::App& app);
work add_report(CLI::App& app);
work add_demo(CLI::App& app);

}  // namespace program
