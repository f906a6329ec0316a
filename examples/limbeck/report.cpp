// report: draws a run or a study.
#include <cstdio>
#include <memory>

#include <limbeck/recipes/report.hpp>

#include "verbs.hpp"

namespace program {

work add_report(CLI::App& app) {
  struct options : common_options {
    std::string run, output;
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("report", "Draw a run or a study as one HTML file");
  verb.add_option("run", o->run, "Folder of a run or a study")->required();
  verb.add_option("--output", o->output, "File to write")->default_str("report.html of the folder");
  add_common(verb, *o);
  return [o] {
    const std::string written = limbeck::draw_report(o->run, o->output).string();
    if (o->json)
      std::printf(
          "%s\n",
          limbeck::json{{"output", written}}.dump(-1, ' ', false, limbeck::json::error_handler_t::replace).c_str());
    else
      std::printf("written to %s\n", written.c_str());
    return success;
  };
}

}  // namespace program
