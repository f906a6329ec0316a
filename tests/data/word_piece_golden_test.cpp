// The tokeniser against ids that BertTokenizerFast gave, for every line of the golden files.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/data/vocabulary.hpp"
#include "limbeck/data/word_piece.hpp"

namespace {

using ids = std::vector<std::int32_t>;

constexpr std::ptrdiff_t no_cut = std::ptrdiff_t{1} << 40;

std::filesystem::path golden_folder() {
  const char* set = std::getenv("LIMBECK_GOLDEN_DIR");
#ifdef LIMBECK_TEST_GOLDEN_DIR
  return set ? set : LIMBECK_TEST_GOLDEN_DIR;
#else
  return set ? set : "";
#endif
}

/// The vocabulary of the pretrained encoder, whose ids the golden files hold.
std::optional<std::filesystem::path> vocabulary_file() {
  const char* folder = std::getenv("LIMBECK_MINILM_DIR");
  if (!folder) return std::nullopt;
  return std::filesystem::path(folder) / "vocab.txt";
}

std::string bytes(const std::string& hex) {
  std::string result;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    result.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return result;
}

/// Calls visit(object, line number) for each line of a JSON lines file, and says how many there were.
template <class Visit>
int each_line(const std::filesystem::path& file, Visit&& visit) {
  std::ifstream stream(file);
  INFO(file.string());
  REQUIRE(stream);
  int count = 0;
  for (std::string line; std::getline(stream, line);) visit(nlohmann::json::parse(line), ++count);
  return count;
}

ids padded(ids values, std::size_t length, std::int32_t with) {
  values.resize(length, with);
  return values;
}

}  // namespace

TEST_CASE("word_piece gives the ids of every golden line", "[golden]") {
  const auto vocab = vocabulary_file();
  if (!vocab) LIMBECK_SKIP("LIMBECK_MINILM_DIR is not set");
  const auto file = golden_folder() / "wordpiece.jsonl";
  if (!std::filesystem::exists(file)) LIMBECK_SKIP("no wordpiece.jsonl in LIMBECK_GOLDEN_DIR");
  const auto pieces = limbeck::vocabulary::read(*vocab);
  const limbeck::word_piece tokenise(pieces), plain(pieces, {.parse_specials = false});
  const int lines = each_line(file, [&](const nlohmann::json& line, int number) {
    INFO("line " << number << ", hex " << line["hex"]);
    const std::string text = bytes(line["hex"]);
    CHECK(tokenise.encode(text, no_cut).ids == line["ids"].get<ids>());
    if (line.contains("ids_plain")) CHECK(plain.encode(text, no_cut).ids == line["ids_plain"].get<ids>());
  });
  CHECK(lines > 0);
}

TEST_CASE("word_piece cuts and types every golden text and pair alike", "[golden]") {
  const auto vocab = vocabulary_file();
  if (!vocab) LIMBECK_SKIP("LIMBECK_MINILM_DIR is not set");
  const auto file = golden_folder() / "wordpiece_pairs.jsonl";
  if (!std::filesystem::exists(file)) LIMBECK_SKIP("no wordpiece_pairs.jsonl in LIMBECK_GOLDEN_DIR");
  const limbeck::word_piece tokenise(limbeck::vocabulary::read(*vocab));
  const int lines = each_line(file, [&](const nlohmann::json& line, int number) {
    INFO("line " << number << ", a " << line["a_hex"] << ", b " << line["b_hex"]);
    std::optional<std::string> pair;
    if (!line["b_hex"].is_null()) pair = bytes(line["b_hex"]);
    const auto length = line["max_length"].get<std::size_t>();
    const auto got = tokenise.encode(bytes(line["a_hex"]), pair, static_cast<std::ptrdiff_t>(length));
    REQUIRE(got.ids.size() <= length);
    REQUIRE(got.ids.size() == got.types.size());
    CHECK(padded(got.ids, length, tokenise.pieces().pad()) == line["input_ids"].get<ids>());
    CHECK(padded(got.types, length, 0) == line["token_type_ids"].get<ids>());
    CHECK(padded(ids(got.ids.size(), 1), length, 0) == line["attention_mask"].get<ids>());
  });
  CHECK(lines > 0);
}
