// What a fuzz target is: a reader that meets any bytes at all, and what must hold of whatever it made of them.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "limbeck/core/error.hpp"

namespace limbeck_test {

/// Gives `bytes` to a reader and returns. Whatever else happens (an exception that leaves it, a property that does not
/// hold, a report of a sanitizer) is a fault.
using fuzz_target = void (*)(std::string_view bytes);

/// Those of this program, by subject.
inline std::map<std::string, fuzz_target>& fuzz_targets() {
  static std::map<std::string, fuzz_target> all;
  return all;
}

/// Makes a target known: `const bool tsv_is_known = fuzzes("tsv", read_tsv);`, at namespace scope of SUBJECT_fuzz.cpp.
inline bool fuzzes(const char* subject, fuzz_target target) { return fuzz_targets().emplace(subject, target).second; }

/// Ends the program where a property does not hold, so that neither a fuzzer nor a test can pass over it.
inline void must(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "this does not hold: %s\n", property);
  std::abort();
}

/// What `read()` made of the bytes; nothing where it refused them as limbeck refuses, a bad file in one line.
template <class Read>
[[nodiscard]] auto accepted(Read&& read) -> std::optional<std::invoke_result_t<Read>> {
  try {
    return read();
  } catch (const limbeck::file_error& error) {
    must(std::string_view(error.what()).find('\n') == std::string_view::npos, "the message is one line");
  } catch (const limbeck::contract_error&) {
  }
  return std::nullopt;
}

}  // namespace limbeck_test
