// limbeck: distils transformers from the command line.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <limbeck/backend/simd_dispatch.hpp>

#include "verbs.hpp"

namespace {

std::string version() {
  std::string text = "limbeck " LIMBECK_PROGRAM_VERSION "\nprovider: ";
  text += program::provider_name;
  text += " (float32)\nbackend: cpu\ncomponents: " LIMBECK_PROGRAM_COMPONENTS "\nSIMD level: ";
  text += limbeck::name_of(limbeck::active_simd_level());
  return text;
}

int complain(const char* what) {
  std::fprintf(stderr, "limbeck: %s\n", what);
  return program::failure;
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
    if (app.got_subcommand(verbs[i].first)) return works[i]();
  return program::wrong_usage;
} catch (const std::bad_alloc&) {
  return complain("out of memory");
} catch (const std::exception& e) {
  return complain(e.what());
}
