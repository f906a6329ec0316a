// limbeck's tokeniser for tokenise.py, which runs it in turn with the tokenizers library.
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "limbeck/data/word_piece.hpp"

namespace {

struct tokeniser {
  limbeck::word_piece pieces;
  std::vector<std::int32_t> ids{};
  std::vector<std::int64_t> begin{};
};

}  // namespace

extern "C" {

/// From the file vocab.txt. Deleted with limbeck_tokeniser_delete.
tokeniser* limbeck_tokeniser_new(const char* vocabulary, int lower_case) {
  return std::make_unique<tokeniser>(
             tokeniser{limbeck::word_piece(limbeck::vocabulary::read(vocabulary), {.lower_case = lower_case != 0})})
      .release();
}
/// The ids of every text, one after the other; text i is the bytes from begin[i] to begin[i + 1]. How many ids.
std::int64_t limbeck_tokenise(tokeniser* t, const char* bytes, const std::int64_t* begin, std::int64_t texts) {
  t->ids.clear();
  t->begin.assign(1, 0);
  for (std::int64_t i = 0; i < texts; ++i) {
    t->pieces.append(std::string_view(bytes + begin[i], static_cast<std::size_t>(begin[i + 1] - begin[i])), t->ids);
    t->begin.push_back(static_cast<std::int64_t>(t->ids.size()));
  }
  return t->begin.back();
}
/// [ids] of the last call.
const std::int32_t* limbeck_token_ids(const tokeniser* t) { return t->ids.data(); }
/// [texts + 1]: the ids of text i are those from begin[i] to begin[i + 1].
const std::int64_t* limbeck_token_begin(const tokeniser* t) { return t->begin.data(); }
void limbeck_tokeniser_delete(tokeniser* t) { std::unique_ptr<tokeniser>{t}; }
}
