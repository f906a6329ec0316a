// Which rows of a large table have a gradient: the others hold 0, and need not be cleared, summed or read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/models/parameter_table.hpp"

namespace limbeck {

/// Of one table in a flat buffer of gradients, the rows that may hold anything but 0. A step gives a gradient to a few
/// hundred of the tens of thousands of rows that word embeddings have. Elements of no row always count as touched.
class touched_rows {
 public:
  /// No table: everything counts as touched.
  touched_rows() = default;
  /// Every row counts as touched until the first clear(): nobody knows what the buffer holds.
  explicit touched_rows(const slot& table)
      : table_(table), end_(table.offset + table.rows * table.columns), touched_(row_count(), 1) {}

  [[nodiscard]] const slot& table() const { return table_; }
  /// Row -1 stands for the elements of no row.
  [[nodiscard]] bool operator()(index row) const { return row < 0 || touched_[static_cast<std::size_t>(row)] != 0; }

  /// Notes that these rows are given a gradient. Throws contract_error for a row that the table does not have.
  void mark(view<const std::int32_t, 1> rows) {
    if (touched_.empty()) return;
    for (index i = 0; i < rows.extent(0); ++i) {
      expects(rows(i) >= 0 && rows(i) < table_.rows, [&] {
        return message("touched_rows: row ", rows(i), " at place ", i, " is not in a table of ", table_.rows, " rows");
      });
      touched_[static_cast<std::size_t>(rows(i))] = 1;
    }
  }

  /// Sets to 0 what may be anything else. No row counts as touched from then on.
  template <class Provider, class T>
  void clear(const cpu_executor<Provider>& on, view<T, 1> gradient) {
    sweep(on, 0, gradient.extent(0), *this, [&](index begin, index end, bool touched) {
      if (touched) std::fill(gradient.data() + begin, gradient.data() + end, T(0));
    });
    forget();
  }
  /// No row counts as touched any more.
  void forget() { std::fill(touched_.begin(), touched_.end(), std::uint8_t{0}); }

  /// Cuts elements begin .. end where kind_of(row) changes and calls use(begin, end, kind) on each piece. Cuts lie at
  /// multiples of `grain` from `begin` on, so that vectors fill all pieces but the last as they fill the whole, and no
  /// bit depends on the cuts; the largest kind wins where rows of several share a grain.
  template <class KindOf, class Use>
  void split(index begin, index end, const KindOf& kind_of, const Use& use) const {
    while (begin < end) {
      auto piece = uniform_piece(begin, kind_of);
      while (piece.end < end) {
        const auto next = uniform_piece(piece.end, kind_of);
        if (next.kind != piece.kind) break;
        piece.end = next.end;
      }
      use(begin, std::min(piece.end, end), piece.kind);
      begin = piece.end;
    }
  }
  static constexpr index grain = 64 / sizeof(float);  ///< elements of the widest vector

  /// As split(), over the threads of `on`, `share` elements at a time.
  template <class Provider, class KindOf, class Use>
  void sweep(const cpu_executor<Provider>& on, index begin, index end, const KindOf& kind_of, const Use& use) const {
    parallel_each(on.threads, (end - begin + share - 1) / share, [&](index s) {
      const index at = begin + s * share;
      split(at, std::min(at + share, end), kind_of, use);
    });
  }
  static constexpr index share = 1 << 14;

 private:
  [[nodiscard]] std::size_t row_count() const {
    expects(table_.rows >= 0 && table_.columns > 0, "touched_rows: needs a table of rows and columns");
    return static_cast<std::size_t>(table_.rows);
  }
  [[nodiscard]] index row_at(index element) const {
    return element < table_.offset || element >= end_ ? -1 : (element - table_.offset) / table_.columns;
  }
  /// The element behind those of one row, or behind those of none.
  [[nodiscard]] index behind(index element) const {
    if (element >= end_) return std::numeric_limits<index>::max() / 2;
    return element < table_.offset ? table_.offset : table_.offset + (row_at(element) + 1) * table_.columns;
  }

  template <class Kind>
  struct piece_of {
    Kind kind;
    index end;
  };
  /// The grains from `begin` on that lie in one row; where the first reaches into others, that one.
  template <class KindOf>
  [[nodiscard]] auto uniform_piece(index begin, const KindOf& kind_of) const {
    auto kind = kind_of(row_at(begin));
    index stop = behind(begin);
    if (stop - begin >= grain) return piece_of<decltype(kind)>{kind, stop - (stop - begin) % grain};
    for (; stop < begin + grain; stop = behind(stop)) kind = std::max(kind, kind_of(row_at(stop)));
    return piece_of<decltype(kind)>{kind, begin + grain};
  }

  slot table_;
  index end_ = 0;
  std::vector<std::uint8_t> touched_;  // bytes: looked up once a row, by several threads
};

/// Nothing touched but the words of its batches, where the model's head leaves the word embeddings alone; a head that
/// does not say so may touch everything.
template <class Model>
[[nodiscard]] touched_rows touched_rows_of(const Model& model) {
  if constexpr (requires { requires !std::remove_cvref_t<decltype(model.head())>::reads_words; })
    return touched_rows(model.backbone().word_embeddings());
  else
    return {};
}

}  // namespace limbeck
