// The pieces of a WordPiece vocabulary and their ids: vocab.txt, one piece a line, the line number less one is the id.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/data/text_file.hpp"

namespace limbeck {

/// The start of every piece that continues a word.
inline constexpr std::string_view continuation = "##";

/// The special pieces that every BERT vocabulary holds, in the order in which a trained one starts.
inline constexpr std::array<std::string_view, 5> special_pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/// A bijection of pieces and ids 0 .. size() - 1. Owns its text, so it may be copied and moved. Looking up allocates
/// nothing.
class vocabulary {
 public:
  /// No piece is longer, in bytes. Longer ones are refused.
  static constexpr std::size_t longest_piece = 512;

  /// Reads vocab.txt. Throws file_error with file and line for an empty file, an empty line, a piece that appears
  /// twice, is longer than longest_piece, or would not read the same where it was written; with the file for a special
  /// piece that is missing.
  [[nodiscard]] static vocabulary read(const std::filesystem::path& file) {
    return parse(read_text_file(file), file.string());
  }

  /// The same from text in memory; `name` stands for the file in messages.
  [[nodiscard]] static vocabulary parse(std::string_view text, std::string_view name = "vocabulary") {
    vocabulary result;
    text_lines lines(text);
    result.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1, text.size());
    for (std::string_view piece; lines.next(piece);)
      if (const auto problem = result.insert(piece)) throw file_error(name, lines.place(), *problem);
    if (result.size() == 0) throw file_error(name, "", "is empty, expected one piece a line");
    if (const auto problem = result.find_specials()) throw file_error(name, "", *problem);
    return result;
  }

  /// From pieces in the order of their ids. Throws contract_error where parse() would throw file_error.
  explicit vocabulary(std::span<const std::string> pieces) {
    reserve(pieces.size(), 8 * pieces.size());
    for (const std::string& piece : pieces)
      if (const auto problem = insert(piece)) throw contract_error("vocabulary: " + *problem);
    if (const auto problem = find_specials()) throw contract_error("vocabulary: " + *problem);
  }

  [[nodiscard]] std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(begin_.size()) - 1; }

  /// The piece with that id; valid as long as the vocabulary is. Throws contract_error for an id out of range.
  [[nodiscard]] std::string_view piece(std::int32_t id) const {
    expects(id >= 0 && id < size(), [&] { return message("vocabulary: id ", id, " of ", size(), " pieces"); });
    return text_of(id);
  }

  /// The id of `piece`, special ones included.
  [[nodiscard]] std::optional<std::int32_t> find(std::string_view piece) const {
    const std::int32_t id = lookup(fnv1a(piece), piece);
    return id < 0 ? std::nullopt : std::optional(id);
  }

  [[nodiscard]] std::int32_t pad() const { return special_[0]; }
  [[nodiscard]] std::int32_t unknown() const { return special_[1]; }
  [[nodiscard]] std::int32_t classify() const { return special_[2]; }
  [[nodiscard]] std::int32_t separator() const { return special_[3]; }
  [[nodiscard]] std::int32_t mask() const { return special_[4]; }
  /// The ids of special_pieces, in that order.
  [[nodiscard]] const std::array<std::int32_t, special_pieces.size()>& specials() const { return special_; }

  /// A hash over all pieces in order (FNV-1a over each piece and a line end). Two vocabularies give the same ids for
  /// all text only if it is equal; equal sizes say nothing.
  [[nodiscard]] std::uint64_t content_hash() const {
    std::uint64_t hash = fnv1a_start;
    for (std::int32_t id = 0; id < size(); ++id) hash = fnv1a_step(fnv1a(text_of(id), hash), '\n');
    return hash;
  }

  /// Writes vocab.txt: one piece a line.
  void write(std::ostream& out) const {
    for (std::int32_t id = 0; id < size(); ++id) out << text_of(id) << '\n';
  }

 private:
  struct slot {
    std::uint32_t tag = 0;  // upper half of the hash; saves most looks at the text
    std::int32_t id = -1;
  };

  vocabulary() = default;

  [[nodiscard]] std::string_view text_of(std::int32_t id) const {
    const auto i = static_cast<std::size_t>(id);
    return std::string_view(text_).substr(begin_[i], begin_[i + 1] - begin_[i]);
  }

  void reserve(std::size_t pieces, std::size_t bytes) {
    text_.reserve(bytes);
    begin_.reserve(pieces + 1);
    grow(2 * pieces);
  }

  /// Open addressing, linear probing, a power of two of slots, at most half of them taken.
  void grow(std::size_t slots) {
    std::size_t power = 64;
    while (power < slots) power *= 2;
    slots_.assign(power, slot{});
    for (std::int32_t id = 0; id < size(); ++id) place(fnv1a(text_of(id)), id);
  }
  void place(std::uint64_t hash, std::int32_t id) {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].id >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {static_cast<std::uint32_t>(hash >> 32), id};
  }
  /// The id of `piece`, whose hash is `hash`, or -1.
  [[nodiscard]] std::int32_t lookup(std::uint64_t hash, std::string_view piece) const {
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t at = hash & (slots_.size() - 1); slots_[at].id >= 0; at = (at + 1) & (slots_.size() - 1))
      if (slots_[at].tag == tag && text_of(slots_[at].id) == piece) return slots_[at].id;
    return -1;
  }

  /// What is wrong with the piece, or nothing.
  [[nodiscard]] std::optional<std::string> insert(std::string_view piece) {
    if (piece.empty()) return "the line is empty, expected a piece";
    if (piece.find('\n') != std::string_view::npos || piece.back() == '\r')
      return "a piece with a line end in it, expected one that a line of vocab.txt can hold";
    if (size() == 0 && piece.starts_with(byte_order_mark))
      return "the first piece starts with a byte-order mark, which vocab.txt cannot hold";
    if (piece.size() > longest_piece)
      return "a piece of " + std::to_string(piece.size()) + " bytes, expected at most " + std::to_string(longest_piece);
    if (const auto first = find(piece))
      return "piece \"" + std::string(piece) + "\" appears twice, first on line " + std::to_string(*first + 1);
    text_ += piece;
    begin_.push_back(text_.size());
    if (2 * begin_.size() > slots_.size())
      grow(4 * begin_.size());
    else
      place(fnv1a(piece), static_cast<std::int32_t>(size() - 1));
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> find_specials() {
    for (std::size_t i = 0; i < special_pieces.size(); ++i) {
      const auto id = find(special_pieces[i]);
      if (!id) return "special piece " + std::string(special_pieces[i]) + " is missing";
      special_[i] = *id;
    }
    return std::nullopt;
  }

  std::string text_;                      // all pieces, end to end
  std::vector<std::size_t> begin_ = {0};  // [size + 1]
  std::vector<slot> slots_ = std::vector<slot>(64);
  std::array<std::int32_t, special_pieces.size()> special_{};
};

}  // namespace limbeck
