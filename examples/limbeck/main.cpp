// limbeck: distils transformers from the command line.
#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <limbeck/backend/simd_dispatch.hpp>

#include "device.hpp"
#include "verbs.hpp"

namespace {

std::string version() {
  std::string text = "limbeck " LIMBECK_PROGRAM_VERSION "\nprovider: ";
  text += program::provider_name;
  text += "\nbackend: ";
  text += program::backends;
  text += "\ncomponents: " LIMBECK_PROGRAM_COMPONENTS "\nSIMD level: ";
  text += limbeck::name_of(limbeck::active_simd_level());
  return text;
}

int complain(const std::string& what) {
  std::fprintf(stderr, "limbeck: %s\n", program::on_one_line(what).c_str());
  return program::failure;
}

/// What the system leaves to programs. A standard stream that is closed gives its number to the next file that is
/// opened, which would then receive what is printed: it is held by something that can be neither read nor written in
/// its way. A file that grows beyond the largest size allowed is an error like others, not the end of the process.
void meet_the_system() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(number, F_GETFD) < 0)  // open() takes the lowest number that is free
      (void)!::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  std::signal(SIGXFSZ, SIG_IGN);
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
  meet_the_system();
  CLI::App app("Knowledge distillation of transformers");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", version);
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt setting is no comment; verbs inherit it
  app.set_config("--config", "", "Read options from a TOML file, with a section for each verb");
  const std::vector<std::pair<const char*, program::work (*)(CLI::App&)>> verbs{
      {"fine-tune", program::add_fine_tune}, {"distill", program::add_distill},   {"pretrain", program::add_pretrain},
      {"store", program::add_store},         {"evaluate", program::add_evaluate}, {"predict", program::add_predict},
      {"vocab", program::add_vocab},         {"tokenize", program::add_tokenize}, {"trace", program::add_trace},
      {"study", program::add_study},         {"report", program::add_report},     {"demo", program::add_demo}};
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
