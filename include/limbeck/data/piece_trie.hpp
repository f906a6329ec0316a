// The pieces of a vocabulary as one automaton in flat memory: it reads a word byte by byte, and no byte twice.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "limbeck/data/utf8.hpp"
#include "limbeck/data/vocabulary.hpp"

namespace limbeck::detail {

/// Greedy longest match in time that is linear in the word, whatever the pieces (Song et al. 2021, arXiv:2012.15524,
/// section 3): a trie of the pieces that start a word beside one of those that continue it. Where no piece goes on with
/// the next byte, the link of a state leads to the state that has read what is not matched yet; the pieces matched on
/// the way are kept with the link. Both tries share one double array (Aoe 1989): the child of a state by a byte is the
/// cell base + byte, provided that this cell names the state as its parent. Words must be valid UTF-8; pieces that are
/// not can match none and are left out. Constant after it is made.
class piece_trie {
 public:
  using state = std::int32_t;               ///< the number of a cell
  static constexpr state word_start = 0;    ///< nothing is read
  static constexpr state continuation = 1;  ///< all that was read is matched
  static constexpr state dead = 2;          ///< what was read has a part without a piece; every byte leads back here

  explicit piece_trie(const vocabulary& pieces);

  /// The state after one byte more. Appends the pieces that this settles to `ids`.
  [[nodiscard]] state next(state from, unsigned char byte, std::vector<std::int32_t>& ids) const {
    const state to = cells_[at(from)].base + byte;
    return cells_[at(to)].parent == from ? to : next_by_links(from, byte, ids);
  }

  /// The piece that is left to append where the word ends in `last`, if that is a whole piece; else -1.
  [[nodiscard]] std::int32_t last_piece(state last) const {
    const cell& c = cells_[at(last)];
    return c.link == continuation ? c.matched : -1;
  }

  /// Appends the pieces that are left where the word ends in `last`. False where a part has none; some of the others
  /// may be in `ids` then.
  [[nodiscard]] bool finish(state last, std::vector<std::int32_t>& ids) const {
    for (; last != continuation; last = cells_[at(last)].link) {
      if (cells_[at(last)].link == none) return false;
      append(cells_[at(last)].matched, ids);
    }
    return true;
  }

  [[nodiscard]] std::size_t bytes() const { return cells_.size() * sizeof(cell) + lists_.size() * sizeof(list_end); }

 private:
  friend class piece_trie_builder;
  static constexpr state none = -1;

  struct cell {
    state parent = none;
    state base = 0;  // every base + byte is a cell; 0 where there are no children, for no cell names such a parent
    state link = none;
    std::int32_t matched = 0;  // one piece, or below 0 the complement of an index into lists_
  };
  /// A list of pieces from its end to its start: so all lists need no more room than the pieces have bytes.
  struct list_end {
    std::int32_t id;
    std::int32_t before;  // index of the list without this piece; -1: the list is this piece
    std::int32_t count;
  };

  [[nodiscard]] static constexpr std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  [[nodiscard]] state child(state of, unsigned char byte) const {
    const state to = cells_[at(of)].base + byte;
    return cells_[at(to)].parent == of ? to : none;
  }

  /// Not inlined, so that the loop over a word's bytes keeps its registers.
  [[nodiscard]] [[gnu::noinline]] state next_by_links(state from, unsigned char byte,
                                                      std::vector<std::int32_t>& ids) const {
    while (cells_[at(from)].link != none) {
      append(cells_[at(from)].matched, ids);
      from = cells_[at(from)].link;
      if (const state to = child(from, byte); to != none) return to;
    }
    return dead;
  }

  void append(std::int32_t matched, std::vector<std::int32_t>& ids) const {
    if (matched >= 0) {
      ids.push_back(matched);
      return;
    }
    std::size_t end = ids.size() + at(lists_[at(~matched)].count);
    ids.resize(end);
    for (std::int32_t i = ~matched; i >= 0; i = lists_[at(i)].before) ids[--end] = lists_[at(i)].id;
  }

  std::vector<cell> cells_;
  std::vector<list_end> lists_;
};

/// Lays a trie out level by level, so that links lead to states that are there already.
class piece_trie_builder {
 public:
  explicit piece_trie_builder(piece_trie& trie) : trie_(trie) {}

  void build(const vocabulary& pieces) {
    std::vector<entry> starting, continuing;
    for (std::int32_t id = 0; id < pieces.size(); ++id) {
      const std::string_view piece = pieces.piece(id);
      if (!is_utf8(piece)) continue;
      if (!piece.starts_with(limbeck::continuation))
        starting.push_back({piece, id});
      else if (piece.size() > limbeck::continuation.size())
        continuing.push_back({piece.substr(limbeck::continuation.size()), id});
    }
    for (const state reserved : {piece_trie::word_start, piece_trie::continuation, piece_trie::dead}) take(reserved);
    std::vector<branch> branches = {{piece_trie::word_start, sorted(starting), 0},
                                    {piece_trie::continuation, sorted(continuing), 0}};
    for (std::size_t i = 0; i < branches.size(); ++i) expand(branch(branches[i]), branches);
    trie_.cells_.shrink_to_fit();
    trie_.lists_.shrink_to_fit();
  }

 private:
  using state = piece_trie::state;

  struct entry {
    std::string_view text;  // without "##"
    std::int32_t id;
  };
  /// A state and the pieces that go on from it: they are sorted, and share their first `depth` bytes.
  struct branch {
    state from;
    std::span<const entry> pieces;
    std::size_t depth;
  };

  [[nodiscard]] static bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();)
      if (decode_utf8(text, at) == replacement_character) return false;
    return true;
  }

  [[nodiscard]] static std::span<const entry> sorted(std::vector<entry>& entries) {
    std::sort(entries.begin(), entries.end(), [](const entry& a, const entry& b) { return a.text < b.text; });
    return entries;
  }

  /// Makes the children of a state; those that have children themselves join `branches`.
  void expand(const branch& of, std::vector<branch>& branches) {
    children_.clear();
    for (std::span<const entry> rest = of.pieces; !rest.empty();) {
      const char byte = rest.front().text[of.depth];
      std::size_t same = 1;
      while (same < rest.size() && rest[same].text[of.depth] == byte) ++same;
      children_.push_back({static_cast<unsigned char>(byte), rest.first(same)});
      rest = rest.subspan(same);
    }
    if (children_.empty()) return;
    const std::size_t base = free_base();
    trie_.cells_[piece_trie::at(of.from)].base = static_cast<state>(base);
    for (const auto& [byte, pieces] : children_) {
      const auto made = static_cast<state>(base + byte);
      take(made);
      trie_.cells_[base + byte].parent = of.from;
      const bool whole = pieces.front().text.size() == of.depth + 1;
      if (whole)
        link(made, piece_trie::continuation, pieces.front().id);
      else
        link_by_parent(made, of.from, byte);
      if (pieces.size() > (whole ? 1 : 0)) branches.push_back({made, pieces.subspan(whole ? 1 : 0), of.depth + 1});
    }
  }

  void link(state made, state to, std::int32_t matched) {
    trie_.cells_[piece_trie::at(made)].link = to;
    trie_.cells_[piece_trie::at(made)].matched = matched;
  }

  /// No piece ends here. What the parent has matched is, and whatever more must be for `byte` to go on.
  void link_by_parent(state made, state parent, unsigned char byte) {
    const auto& cells = trie_.cells_;
    state to = cells[piece_trie::at(parent)].link;
    std::int32_t matched = cells[piece_trie::at(parent)].matched;
    for (; to != piece_trie::none; to = cells[piece_trie::at(to)].link) {
      if (const state child = trie_.child(to, byte); child != piece_trie::none) {
        link(made, child, matched);
        return;
      }
      if (cells[piece_trie::at(to)].link != piece_trie::none)
        matched = joined(matched, cells[piece_trie::at(to)].matched);
    }
  }

  /// The list of the pieces of both.
  [[nodiscard]] std::int32_t joined(std::int32_t first, std::int32_t second) {
    ids_.clear();
    trie_.append(second, ids_);
    auto& lists = trie_.lists_;
    for (const std::int32_t id : ids_) {
      if (first >= 0) {
        lists.push_back({first, -1, 1});
        first = ~static_cast<std::int32_t>(lists.size() - 1);
      }
      lists.push_back({id, ~first, lists[piece_trie::at(~first)].count + 1});
      first = ~static_cast<std::int32_t>(lists.size() - 1);
    }
    return first;
  }

  /// A base that gives each of children_ a free cell. 64 bases are tried at once, from those on that had room for as
  /// many children before: what lies in front of them mostly has none.
  [[nodiscard]] std::size_t free_base() {
    for (std::size_t& base = first_tried_[children_.size() - 1];; base += 64) {
      std::uint64_t conflicts = 0;
      for (const child_pieces& c : children_) conflicts |= taken_from(base + c.byte);
      if (conflicts != ~std::uint64_t{0}) return base + static_cast<std::size_t>(std::countr_one(conflicts));
    }
  }

  /// Bit i: whether cell + i is taken.
  [[nodiscard]] std::uint64_t taken_from(std::size_t cell) const {
    const std::size_t word = cell / 64, bit = cell % 64;
    const std::uint64_t low = word < taken_.size() ? taken_[word] >> bit : 0;
    return bit == 0 || word + 1 >= taken_.size() ? low : low | taken_[word + 1] << (64 - bit);
  }

  void take(state cell) {
    const std::size_t i = piece_trie::at(cell);
    if (i / 64 >= taken_.size()) taken_.resize(i / 64 + 1);
    taken_[i / 64] |= std::uint64_t{1} << i % 64;
    if (i + 256 > trie_.cells_.size()) trie_.cells_.resize(i + 256);  // no base lies above the cells taken
  }

  struct child_pieces {
    unsigned char byte;
    std::span<const entry> pieces;
  };

  piece_trie& trie_;
  std::vector<child_pieces> children_;
  std::vector<std::uint64_t> taken_;
  std::array<std::size_t, 256> first_tried_{};  // by the number of children less one
  std::vector<std::int32_t> ids_;
};

inline piece_trie::piece_trie(const vocabulary& pieces) { piece_trie_builder(*this).build(pieces); }

}  // namespace limbeck::detail
