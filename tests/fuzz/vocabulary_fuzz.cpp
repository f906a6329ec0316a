// Fuzzes the reader of vocab.txt, and the tokeniser over whatever vocabulary it gives.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "limbeck/data/vocabulary.hpp"
#include "limbeck/data/word_piece.hpp"

namespace limbeck_test {
namespace {

void check_ids(const limbeck::vocabulary& pieces) {
  for (std::int32_t id = 0; id < pieces.size(); ++id) must(pieces.find(pieces.piece(id)) == id, "a piece has one id");
  for (std::size_t i = 0; i < limbeck::special_pieces.size(); ++i)
    must(pieces.find(limbeck::special_pieces[i]) == pieces.specials()[i], "special pieces have their ids");
  std::ostringstream out;
  pieces.write(out);
  const auto again = limbeck::vocabulary::parse(out.str());
  must(again.size() == pieces.size() && again.content_hash() == pieces.content_hash(),
       "a vocabulary that was written reads the same");
}

/// Tokenises the text of the vocabulary itself.
void check_tokens(const limbeck::vocabulary& pieces, std::string_view text, bool lower_case) {
  constexpr std::ptrdiff_t room = 12;
  const limbeck::word_piece tokeniser(pieces, {.lower_case = lower_case});
  const std::vector<std::int32_t> ids = tokeniser.encode(text);
  for (const std::int32_t id : ids) must(id >= 0 && id < pieces.size(), "an id is one of the vocabulary's");
  const limbeck::encoding pair = tokeniser.encode(text.substr(0, text.size() / 2), text.substr(text.size() / 2), room);
  must(pair.length() <= room && pair.types.size() == pair.ids.size() && pair.ids[0] == pieces.classify() &&
           pair.ids.back() == pieces.separator(),
       "a pair is framed and fits");
}

void read_vocabulary(std::string_view bytes) {
  const auto pieces = accepted([&] { return limbeck::vocabulary::parse(bytes, "vocab.txt"); });
  if (!pieces) return;
  check_ids(*pieces);
  check_tokens(*pieces, bytes, bytes.size() % 2 == 0);  // one of both: making the automaton is what takes the time
}

const bool vocabulary_is_known = fuzzes("vocabulary", read_vocabulary);

}  // namespace
}  // namespace limbeck_test
