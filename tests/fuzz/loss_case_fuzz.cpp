// Fuzzes the reader of loss cases, whose file may come from elsewhere.
#include <cstddef>
#include <string_view>

#include "fuzz/fuzz_target.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/io/json.hpp"

namespace limbeck_test {
namespace {

void check_tensors(const loss_case& c, const char* kind) {
  const auto named = accepted([&] { return c.json.at(kind).members(); });
  if (!named) return;
  for (const auto& [name, value] : *named) {
    const auto read = accepted([&value = value] { return tensor(value); });
    if (!read) continue;
    must(read->rows() * read->columns() == static_cast<std::ptrdiff_t>(read->data.size()), "rows and columns are all");
    must(read->rows() > 0 && read->columns() > 0, "a tensor has an element");
  }
}

void read_cases(std::string_view bytes) {
  const auto cases = accepted([&] { return loss_cases_in(limbeck::parse_json(bytes, "loss_cases.json")); });
  if (!cases) return;
  must(!cases->empty(), "a file has a case");
  for (const loss_case& c : *cases) {
    for (const char* kind : {"inputs", "grads", "outputs"}) check_tensors(c, kind);
    (void)accepted([&] { return c.param("T"); });
    (void)accepted([&] { return c.param("ignore_index", -100); });
    (void)accepted([&] { return c.text("reduction"); });
    (void)accepted([&] { return c.has_input("mask") ? c.input("mask").rows() : 0; });
  }
}

const bool loss_case_is_known = fuzzes("loss_case", read_cases);

}  // namespace
}  // namespace limbeck_test
