// The errors that limbeck throws, and the front-door checks that throw them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "limbeck/core/message.hpp"

namespace limbeck {

/// A call broke its contract: shapes that differ, a temperature of zero, a label out of range. Thrown before any work
/// is done; the message names the argument and both values.
struct contract_error : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// A file is not what it should be, or cannot be read or written. The message is one line,
/// `FILE: PLACE: what is wrong, what was expected`.
struct file_error : std::runtime_error {
  file_error(std::string_view file, std::string_view place, std::string_view problem)
      : std::runtime_error(std::string(file) + (place.empty() ? "" : ": " + std::string(place)) + ": " +
                           std::string(problem)) {}
};

/// A call into a backend's library (CUDA, BLAS, ...) failed. The message names the call.
struct backend_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws contract_error with `message` unless `holds`. For messages that need no building.
constexpr void expects(bool holds, const char* message) {
  if (!holds) throw contract_error(message);
}

/// Throws contract_error with the message that `describe()` builds unless `holds`: the string costs nothing otherwise.
/// `expects(n > 0, [&] { return message("rows: ", n, ", expected more"); });`
template <class Describe>
  requires requires(Describe describe) { std::string(describe()); }
constexpr void expects(bool holds, Describe&& describe) {
  if (!holds) throw contract_error(std::string(describe()));
}

}  // namespace limbeck
