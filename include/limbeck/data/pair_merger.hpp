// The merging half of vocabulary training: joins the most frequent pair of pieces, with counts kept up to date.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/data/utf8.hpp"
#include "limbeck/data/vocabulary.hpp"

namespace limbeck::detail {

/// Words as rows of pieces, and for each pair of neighbours how often it occurs and in which words. A merge touches the
/// words of its pair only; the best pair comes from a heap whose stale entries are put right when they surface.
class pair_merger {
 public:
  /// Pieces in the order of their making. A piece that two different pairs make is listed once.
  [[nodiscard]] const std::vector<std::string>& pieces() const { return pieces_; }
  [[nodiscard]] std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(pieces_.size()); }

  /// The id of `piece`, which is added where it is new.
  std::uint32_t add_piece(std::string piece) {
    const auto [found, added] = id_of_.try_emplace(piece, static_cast<std::uint32_t>(pieces_.size()));
    if (added) pieces_.push_back(std::move(piece));
    return found->second;
  }

  /// Cuts `word`, which occurs `count` times, into characters. A word with a character that has no piece is passed
  /// over.
  void add_word(std::string_view word, std::int64_t count) {
    row next{{}, count};
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t begin = at;
      (void)decode_utf8(word, at);
      const auto found = id_of_.find(std::string(begin > 0 ? continuation : "") += word.substr(begin, at - begin));
      if (found == id_of_.end()) return;
      next.pieces.push_back(found->second);
    }
    const auto index = static_cast<std::uint32_t>(rows_.size());
    for (std::size_t i = 0; i + 1 < next.pieces.size(); ++i) {
      pair_use& use = pairs_[key(next.pieces[i], next.pieces[i + 1])];
      use.count += count;
      if (use.rows.empty() || use.rows.back() != index) use.rows.push_back(index);
    }
    rows_.push_back(std::move(next));
  }

  /// Merges until there are `size` pieces or no pair occurs `min_count` times.
  void merge_until(std::ptrdiff_t size, std::int64_t min_count) {
    heap queue(later{&pieces_});
    for (const auto& [pair, use] : pairs_) queue.push({use.count, pair});
    while (this->size() < size && !queue.empty()) {
      const candidate best = queue.top();
      queue.pop();
      const std::int64_t count = pairs_.at(best.pair).count;
      if (count != best.count) {
        if (count > 0) queue.push({count, best.pair});
        continue;
      }
      if (count < min_count) return;
      merge(best.pair, queue);
    }
  }

 private:
  struct row {
    std::vector<std::uint32_t> pieces;
    std::int64_t count;
  };
  struct pair_use {
    std::int64_t count = 0;
    std::vector<std::uint32_t> rows{};  // each row that ever held the pair
  };
  struct candidate {
    std::int64_t count;
    std::uint64_t pair;
  };
  /// Orders by count, then by the bytes of the left and of the right piece.
  struct later {
    const std::vector<std::string>* pieces;
    bool operator()(const candidate& a, const candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      if (const int order = (*pieces)[left(a.pair)].compare((*pieces)[left(b.pair)]); order != 0) return order > 0;
      return (*pieces)[right(a.pair)] > (*pieces)[right(b.pair)];
    }
  };
  using heap = std::priority_queue<candidate, std::vector<candidate>, later>;

  [[nodiscard]] static constexpr std::uint64_t key(std::uint32_t a, std::uint32_t b) {
    return std::uint64_t{a} << 32 | b;
  }
  [[nodiscard]] static constexpr std::uint32_t left(std::uint64_t pair) {
    return static_cast<std::uint32_t>(pair >> 32);
  }
  [[nodiscard]] static constexpr std::uint32_t right(std::uint64_t pair) { return static_cast<std::uint32_t>(pair); }

  void merge(std::uint64_t pair, heap& queue) {
    const std::uint32_t joined = add_piece(pieces_[left(pair)] + pieces_[right(pair)].substr(continuation.size()));
    const std::vector<std::uint32_t> touched = std::move(pairs_.at(pair).rows);
    pairs_.at(pair).rows.clear();
    std::vector<std::uint64_t> grown;  // pairs with the joined piece: only these can have become more frequent
    for (const std::uint32_t index : touched) merge_row(index, pair, joined, grown);
    std::sort(grown.begin(), grown.end());
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    for (const std::uint64_t next : grown)
      if (const std::int64_t count = pairs_.at(next).count; count > 0) queue.push({count, next});
  }

  /// Takes the row's pairs out of the counts, joins from the left, and counts the pairs anew.
  void merge_row(std::uint32_t index, std::uint64_t pair, std::uint32_t joined, std::vector<std::uint64_t>& grown) {
    row& word = rows_[index];
    std::vector<std::uint32_t>& p = word.pieces;
    for (std::size_t i = 0; i + 1 < p.size(); ++i) pairs_.at(key(p[i], p[i + 1])).count -= word.count;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < p.size(); ++i, ++kept) {
      const bool here = i + 1 < p.size() && key(p[i], p[i + 1]) == pair;
      p[kept] = here ? joined : p[i];
      if (here) ++i;
    }
    p.resize(kept);
    for (std::size_t i = 0; i + 1 < kept; ++i) {
      const std::uint64_t next = key(p[i], p[i + 1]);
      pair_use& use = pairs_[next];
      use.count += word.count;
      if (p[i] != joined && p[i + 1] != joined) continue;  // was counted before, and knows the row
      if (use.rows.empty() || use.rows.back() != index) use.rows.push_back(index);
      grown.push_back(next);
    }
  }

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, std::uint32_t> id_of_;
  std::vector<row> rows_;
  std::unordered_map<std::uint64_t, pair_use> pairs_;
};

}  // namespace limbeck::detail
