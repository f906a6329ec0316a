// Fuzzes the reader of run.jsonl.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "limbeck/io/run_record.hpp"

namespace limbeck_test {
namespace {

struct record_lines {
  std::vector<limbeck::json> values;
  std::string text;  // theirs, as they stood
};

record_lines lines_of(std::string_view text) {
  record_lines all;
  limbeck::detail::visit_run_lines(text, "run.jsonl", [&](std::string_view line, const limbeck::json_value& value) {
    all.values.push_back(value.raw());
    all.text += line;
  });
  return all;
}

void read_record(std::string_view bytes) {
  const auto record = accepted([&] { return lines_of(bytes); });
  if (!record) return;
  must(record->text == bytes.substr(0, bytes.rfind('\n') + 1), "all whole lines are records, a torn last one is none");
  std::string written;
  for (const limbeck::json& value : record->values) {
    must(value.is_object() && value.at("step").is_number_integer(), "a record is an object with an integer step");
    written += value.dump(-1, ' ', false, limbeck::json::error_handler_t::replace) + "\n";  // as run_record::append()
  }
  must(lines_of(written).values == record->values, "a record that was written reads the same");
}

const bool run_record_is_known = fuzzes("run_record", read_record);

}  // namespace
}  // namespace limbeck_test
