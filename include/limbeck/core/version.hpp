// Which release of limbeck this is.
#pragma once

#include <string_view>

namespace limbeck {

/// As the package's version has it: CMakeLists.txt reads it from here.
inline constexpr std::string_view version = "0.1.0";

}  // namespace limbeck
