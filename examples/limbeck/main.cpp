// limbeck: distils transformers from the command line.
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <limbeck/backend/simd_dispatch.hpp>

#include "verbs.hpp"

namespace {

std::string version() {
  std::string text = "limbeck " LIMBECK_PROGRAM_VERSION "\nprovider: ";
  text += program::provider_name;
  text += "\nbackend: cpu\ncomponents: " LIMBECK_PROGRAM_COMPONENTS "\nSIMD level: ";
  text += limbeck::name_of(limbeck::active_simd_level());
  return text;
}

/// One line, whatever names of files and pieces of text it quotes.
int complain(const std::string& what) {
  std::string line = "limbeck: ";
  for (const char c : what) line += static_cast<unsigned char>(c) < ' ' || c == '\x7F' ? '?' : c;
  std::fprintf(stderr, "%s\n", line.c_str());
  return program::failure;
}

/// The status, unless results that were printed did not get where they should: a script must not take half of them for
/// all.
int delivered(int status) {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && std::ferror(stdout) == 0) return status;
  const std::string cause = errno == 0 ? "" : ": " + std::generic_category().message(errno);
  return complain("standard output: cannot be written" + cause);
}

}  // namespace

int main(int count, char** arguments) try {
  CLI::App app("Knowledge distillation of transformers");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", version);
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt setting is no comment; verbs inherit it
  app.set_config("--config", "", "Read options from a TOML file, with a section for each verb");
  const std::vector<std::pair<const char*, program::work (*)(CLI::App&)>> verbs{
      {"fine-tune", program::add_fine_tune}, {"distill", program::add_distill}, {"evaluate", program::add_evaluate},
      {"predict", program::add_predict},     {"vocab", program::add_vocab},     {"tokenize", program::add_tokenize},
      {"trace", program::add_trace},         {"demo", program::add_demo}};
  std::vector<program::work> works;
  for (const auto& verb : verbs) works.push_back(verb.second(app));
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e);
    return status == 0 ? program::success : program::wrong_usage;
  }
  for (std::size_t i = 0; i < verbs.size(); ++i)
    if (app.got_subcommand(verbs[i].first)) return delivered(works[i]());
  return program::wrong_usage;
} catch (const std::bad_alloc&) {
  return complain("out of memory");
} catch (const std::exception& e) {
  return complain(e.what());
}
