// A vocabulary that fits on a page, for the tests of the tokeniser.
#pragma once

#include <string>
#include <string_view>

#include "limbeck/data/vocabulary.hpp"

namespace limbeck_test {

/// The special pieces as 0 to 4, then `pieces`, which are parted by spaces, from 5 on.
inline limbeck::vocabulary small_vocabulary(std::string_view pieces) {
  std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (const char c : pieces) text.push_back(c == ' ' ? '\n' : c);
  return limbeck::vocabulary::parse(text);
}

}  // namespace limbeck_test
