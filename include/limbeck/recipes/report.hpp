// Draws what a run or a study left in its folder as one HTML file, which opens from disk and needs nothing else.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/recipes/report_run.hpp"
#include "limbeck/recipes/report_study.hpp"

namespace limbeck {
namespace detail {

/// Writes a page to `output`; where that is empty, to report.html of the folder. Returns the file's name.
inline std::filesystem::path write_report(const std::filesystem::path& folder, std::filesystem::path output,
                                          const std::string& page) {
  if (output.empty()) output = folder / "report.html";
  write_file(output, page);
  return output;
}

}  // namespace detail

/// Draws the run whose run.jsonl is in `folder`, complete or not, and returns where. Throws file_error where there is
/// none, where it is not as the format says, naming the line, and where the page cannot be written.
inline std::filesystem::path report_run(const std::filesystem::path& folder, const std::filesystem::path& output = {}) {
  return detail::write_report(folder, output, report::run_page(report::read_story(folder)));
}

/// The same for a study, whose summary.json is in `folder`; beside a page in the folder differences-1.svg and so on, a
/// plot a factor for other pages.
inline std::filesystem::path report_study(const std::filesystem::path& folder,
                                          const std::filesystem::path& output = {}) {
  const report::study_story study = report::read_study_story(folder);
  const std::filesystem::path page = detail::write_report(folder, output, report::study_page(study));
  if (!output.empty()) return page;
  const std::vector<std::string> images = report::images_of_differences(study);
  for (std::size_t f = 0; f < images.size(); ++f)
    write_file(folder / ("differences-" + std::to_string(f + 1) + ".svg"), images[f]);
  return page;
}

/// Draws whichever of the two the folder is of. Throws file_error where it is of neither.
inline std::filesystem::path draw_report(const std::filesystem::path& folder,
                                         const std::filesystem::path& output = {}) {
  std::error_code none;
  if (std::filesystem::exists(folder / "run.jsonl", none)) return report_run(folder, output);
  if (std::filesystem::exists(folder / "summary.json", none)) return report_study(folder, output);
  throw file_error(folder.string(), "",
                   "holds neither run.jsonl nor summary.json, expected the folder of a run or of a study");
}

}  // namespace limbeck
