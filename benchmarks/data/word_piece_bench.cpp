// The tokeniser: bytes a second by kind of text, the time to build it, and from a task's TSV to its samples' tokens.
// With the vocabulary in LIMBECK_MINILM_DIR and SST-2 in LIMBECK_REFERENCE_DIR, or with generated ones.
#include "limbeck/data/word_piece.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/data/dataset.hpp"
#include "limbeck/data/piece_trie.hpp"

namespace {

using limbeck::vocabulary;

/// 30,522 pieces of one to five syllables, a quarter of which continue words.
vocabulary generated_pieces() {
  constexpr std::string_view sounds = "bcdfghklmnprstvw", vowels = "aeiou";
  std::mt19937 random(1);
  std::set<std::string> seen(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
  std::vector<std::string> pieces(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
  const auto add = [&](const std::string& piece) {
    if (seen.insert(piece).second) pieces.push_back(piece);
  };
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c));
  while (pieces.size() < 30522) {
    std::string piece(random() % 4 == 0 ? "##" : "");
    for (std::size_t syllables = 1 + random() % 5; syllables > 0; --syllables) {
      piece.push_back(sounds[random() % sounds.size()]);
      piece.push_back(vowels[random() % vowels.size()]);
    }
    add(piece);
  }
  return vocabulary(pieces);
}

const vocabulary& pieces() {
  static const vocabulary made = [] {
    const char* folder = std::getenv("LIMBECK_MINILM_DIR");
    return folder ? vocabulary::read(std::filesystem::path(folder) / "vocab.txt") : generated_pieces();
  }();
  return made;
}

enum kind : std::int64_t { whole_words, words_in_pieces, capitals_and_marks, accents, ideographs };
constexpr std::array<const char*, 5> kind_names = {"whole words", "words in pieces", "capitals and marks", "accents",
                                                   "ideographs"};

/// Pieces of letters of ASCII, with "##" or without.
std::vector<std::string_view> letter_pieces(bool continuing) {
  std::vector<std::string_view> found;
  for (std::int32_t id = 0; id < pieces().size(); ++id) {
    std::string_view piece = pieces().piece(id);
    if (piece.starts_with(limbeck::continuation) != continuing) continue;
    if (continuing) piece.remove_prefix(limbeck::continuation.size());
    if (piece.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string_view::npos) found.push_back(piece);
  }
  return found;
}

/// Of a letter of ASCII.
void capitalise(char& letter) { letter = static_cast<char>(letter & 0x5F); }

/// About a megabyte in lines of twenty words; words that come early in the vocabulary come more often.
std::vector<std::string> lines_of(kind kind) {
  const auto words = letter_pieces(false), ends = letter_pieces(true);
  std::mt19937 random(2);
  const auto some = [&](const std::vector<std::string_view>& from) {
    const double u = static_cast<double>(random()) / 4294967296.0;
    return from[static_cast<std::size_t>(u * u * u * static_cast<double>(from.size()))];
  };
  std::vector<std::string> lines;
  for (std::size_t bytes = 0; bytes < 1'000'000; bytes += lines.back().size()) {
    std::string line;
    for (int word = 0; word < 20; ++word) {
      if (kind == ideographs)
        limbeck::detail::append_utf8(line, 0x4E00 + static_cast<char32_t>(random() % 0x5000));
      else
        line += some(words);
      if (kind == words_in_pieces) (line += some(ends)) += some(ends);
      if (kind == capitals_and_marks) capitalise(line[line.rfind(' ') + 1]);
      if (kind == capitals_and_marks && random() % 4 == 0) line += ",.;)"[random() % 4];
      if (kind == accents && random() % 4 == 0) line += "é";
      if (kind != ideographs) line += ' ';
    }
    lines.push_back(line);
  }
  return lines;
}

void tokenise(benchmark::State& state) {
  const limbeck::word_piece tokeniser(pieces());
  const auto lines = lines_of(static_cast<kind>(state.range(0)));
  std::vector<std::int32_t> ids;
  std::int64_t bytes = 0;
  for (auto _ : state) {
    ids.clear();
    for (const std::string& line : lines) tokeniser.append(line, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  for (const std::string& line : lines) bytes += static_cast<std::int64_t>(line.size());
  state.SetBytesProcessed(state.iterations() * bytes);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ids.size()));
  state.SetLabel(kind_names[static_cast<std::size_t>(state.range(0))]);
}
BENCHMARK(tokenise)->ArgName("kind")->DenseRange(whole_words, ideographs)->Unit(benchmark::kMillisecond);

void build_trie(benchmark::State& state) {
  for (auto _ : state) {
    const limbeck::detail::piece_trie trie(pieces());
    state.counters["bytes"] = static_cast<double>(trie.bytes());
  }
}
BENCHMARK(build_trie)->Unit(benchmark::kMillisecond);

/// train.tsv of SST-2, or as many rows of about as many words.
limbeck::tsv_file sst_2() {
  if (const char* folder = std::getenv("LIMBECK_REFERENCE_DIR"))
    return limbeck::tsv_file(std::filesystem::path(folder) / "data" / "glue" / "SST-2" / "train.tsv");
  std::string text = "sentence\tlabel\n";
  const auto lines = lines_of(whole_words);
  for (std::size_t row = 0; row < 67'349; ++row)
    (text += lines[row % lines.size()].substr(0, 53)) += row % 2 == 0 ? "\t0\n" : "\t1\n";
  return {"generated", text};
}

/// Counts the file's reading where there is a file, and the labels.
void read_and_tokenise(benchmark::State& state) {
  const limbeck::word_piece tokeniser(pieces());
  std::ptrdiff_t tokens = 0, rows = 0;
  for (auto _ : state) {
    const limbeck::tsv_file file = sst_2();
    const limbeck::dataset samples = limbeck::read_dataset(limbeck::glue_task("sst-2"), file);
    std::vector<limbeck::encoding> encoded;
    for (const limbeck::example& e : samples.examples) encoded.push_back(tokeniser.encode(e.text, 128));
    tokens = 0;
    for (const limbeck::encoding& e : encoded) tokens += e.length();
    rows = static_cast<std::ptrdiff_t>(encoded.size());
    state.SetLabel(file.name());
  }
  state.counters["rows"] = static_cast<double>(rows);
  state.counters["tokens"] = static_cast<double>(tokens);
}
BENCHMARK(read_and_tokenise)->Unit(benchmark::kMillisecond);

}  // namespace
