// A corpus of text as tokens: its documents, a share of them held out, and samples cut from them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/random_choice.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/encoding.hpp"
#include "limbeck/data/text_file.hpp"
#include "limbeck/data/utf8.hpp"
#include "limbeck/data/word_piece.hpp"

namespace limbeck {

/// Rows of tokens, one behind the other: documents, or samples cut from them.
struct token_rows {
  std::vector<std::int32_t> ids{};
  std::vector<std::ptrdiff_t> begin{0};  ///< row i is ids[begin[i]] .. ids[begin[i + 1] - 1]

  [[nodiscard]] std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(begin.size()) - 1; }
  [[nodiscard]] std::span<const std::int32_t> operator[](std::ptrdiff_t row) const {
    const auto i = static_cast<std::size_t>(row);
    return std::span(ids).subspan(static_cast<std::size_t>(begin[i]),
                                  static_cast<std::size_t>(begin[i + 1] - begin[i]));
  }
  /// Ends the row that is being appended to `ids`.
  void end_row() { begin.push_back(static_cast<std::ptrdiff_t>(ids.size())); }
};

namespace detail {

/// Whether every byte is part of a code point.
[[nodiscard]] constexpr bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (decode_utf8(text, at) == replacement_character && text.substr(begin, at - begin) != "\xEF\xBF\xBD")
      return false;
  }
  return true;
}

[[nodiscard]] inline bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}
/// Whether blank lines end the documents of a text: where one stands between others.
[[nodiscard]] inline bool has_paragraphs(std::string_view text) {
  text_lines lines(text);
  bool begun = false, ended = false;
  for (std::string_view line; lines.next(line);) {
    const bool blank = is_blank(line);
    if (ended && !blank) return true;
    ended = begun && blank;
    begun = begun || !blank;
  }
  return false;
}

}  // namespace detail

/// The first `limit` documents of a text, one a line; in a text with blank lines between others these end documents,
/// and lines in between are parts of one. What spells a special piece is ordinary text where `pieces` reads it so.
/// Documents without a token are left out. `name` stands for the file in messages. Throws file_error, with the line,
/// for text that is not UTF-8, and where there is no token at all; contract_error where limit < 1.
[[nodiscard]] inline token_rows tokenise_documents(std::string_view text, std::string_view name,
                                                   const word_piece& pieces, std::ptrdiff_t limit = no_limit) {
  expects(limit >= 1, [&] { return message("limit: must be positive, not ", limit); });
  const bool paragraphs = detail::has_paragraphs(text);
  token_rows documents;
  const auto end_document = [&] {
    if (documents.begin.back() < static_cast<std::ptrdiff_t>(documents.ids.size())) documents.end_row();
  };
  text_lines lines(text);
  for (std::string_view line; documents.size() < limit && lines.next(line);) {
    if (!detail::is_utf8(line)) throw file_error(name, lines.place(), "is not UTF-8");
    pieces.append(line, documents.ids);
    if (!paragraphs || detail::is_blank(line)) end_document();
  }
  if (documents.size() < limit) end_document();
  if (documents.size() == 0)
    throw file_error(name, "", "has no text, expected documents, one a line or with blank lines between");
  return documents;
}
/// The same of a file.
[[nodiscard]] inline token_rows read_documents(const std::filesystem::path& file, const word_piece& pieces,
                                               std::ptrdiff_t limit = no_limit) {
  return tokenise_documents(read_text_file(file), file.string(), pieces, limit);
}

/// Which documents are learned from, and which are only looked at.
struct document_split {
  std::vector<std::uint32_t> train{}, held_out{};  ///< rising
};

/// Holds out a share of the documents, one at least, drawn by lot from `seed`. A share of 0: none. Throws
/// contract_error for a share that is not 0 .. 0.9, and where nothing would be left to learn from.
[[nodiscard]] inline document_split split_documents(std::ptrdiff_t documents, double share, std::uint64_t seed) {
  expects(share >= 0 && share <= 0.9, [&] { return message("held-out: must be in 0 .. 0.9, not ", share); });
  constexpr std::uint32_t site = 0x2000;
  const auto count = static_cast<std::size_t>(documents);
  std::size_t held = 0;
  if (share > 0) held = static_cast<std::size_t>(std::max(std::lround(share * static_cast<double>(count)), 1L));
  expects(held < count,
          [&] { return message("held-out: ", held, " of ", count, " documents, none is left to learn from"); });
  random_choice choice;
  document_split split;
  split.held_out = choice({seed, 0, site}, count, held);
  for (std::uint32_t d = 0, next = 0; d < count; ++d)
    if (next < held && split.held_out[next] == d)
      ++next;
    else
      split.train.push_back(d);
  return split;
}

/// Cuts documents into samples [CLS] ... [SEP] of at most `max_length` tokens. Each document's tokens come once and in
/// order, in as few samples as hold them and those as equal in length as can be; documents share none (Liu et al. 2019,
/// arXiv:1907.11692, section 4.2, DOC-SENTENCES), for nothing is padded here. Throws contract_error for max_length < 3.
[[nodiscard]] inline token_rows cut_documents(const token_rows& documents, std::span<const std::uint32_t> which,
                                              frame_pieces with, std::ptrdiff_t max_length) {
  expects(max_length >= 3, [&] { return message("max-length: ", max_length, ", a sample needs 3 tokens or more"); });
  const std::ptrdiff_t room = max_length - 2;
  token_rows samples;
  for (const std::uint32_t d : which) {
    const std::span<const std::int32_t> document = documents[d];
    const auto tokens = static_cast<std::ptrdiff_t>(document.size()), parts = (tokens + room - 1) / room;
    for (std::ptrdiff_t part = 0; part < parts; ++part) {
      const std::ptrdiff_t begin = tokens * part / parts, end = tokens * (part + 1) / parts;
      samples.ids.push_back(with.classify);
      samples.ids.insert(samples.ids.end(), document.begin() + begin, document.begin() + end);
      samples.ids.push_back(with.separator);
      samples.end_row();
    }
  }
  return samples;
}

}  // namespace limbeck
