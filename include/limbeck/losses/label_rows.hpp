// The labels of rows of logits: what losses that need one take beside the logits.
#pragma once

#include "limbeck/losses/logit_rows.hpp"

namespace limbeck::detail {

/// A class a row. True of those rows that have one.
template <backend B>
struct label_rows {
  view<const std::int32_t, 1, B> labels{};
  std::int32_t ignored = -100;

  [[nodiscard]] LIMBECK_HD bool operator()(index row) const { return labels(row) != ignored; }
};

/// Throws contract_error, naming `loss`, unless each row that counts has a class for a label.
template <class S, class U, class A, class G>
void expects_labels(const char* loss, const logit_rows<S, U, A, cpu, G>& rows, const label_rows<cpu>& given) {
  expects_rows(loss, "labels", given.labels.extent(0), rows.count());
  for (index i = 0; i < rows.count(); ++i) {
    const bool counts = rows.factor(i) != A(0) && given(i);
    expects(!counts || (given.labels(i) >= 0 && given.labels(i) < rows.classes), [&] {
      return message(loss, " labels: row ", i, " has label ", given.labels(i), ", there are ", rows.classes,
                     " classes and ", given.ignored, " is ignored");
    });
  }
}
/// On a device they are counted and not looked at.
template <class S, class U, class A, class G>
void expects_labels(const char* loss, const logit_rows<S, U, A, cuda, G>& rows, const label_rows<cuda>& given) {
  expects_rows(loss, "labels", given.labels.extent(0), rows.count());
}

}  // namespace limbeck::detail
