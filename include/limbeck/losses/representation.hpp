// What losses on attention maps and hidden states share: masks, pairs of layers, factors of samples.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>

#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// Which positions take part in a loss on attention maps or hidden states.
enum class mask_mode {
  exact,             ///< valid rows and the keys they see
  tinybert_zeroing,  ///< TinyBERT's released code: scores <= -100 count as 0, padded rows and keys are averaged in
};

/// Which attention maps are compared.
enum class attention_map { scores, probabilities };

/// What is done where the models have different numbers of heads.
enum class head_match {
  same,  ///< that is refused
  mean,  ///< of the model with more heads, groups that lie side by side are averaged to as many as the other has; both
         ///< models' heads to one where they do not come out even
};

namespace detail {

/// A layer of a per_layer signal. Throws contract_error, naming the loss, where the pass did not keep it.
template <class T>
const T& layer_of(const char* loss, const char* who, const per_layer<T>& all, std::size_t layer) {
  expects(layer < all.size(), [&] {
    return message(loss, ": the ", who, "'s pass kept ", all.size(), " layers, layer ", layer, " is wanted");
  });
  return all[layer];
}

/// How many maps are left to compare of each model's heads. Throws contract_error, naming the loss and both numbers,
/// where `match` refuses them.
[[nodiscard]] inline index heads_compared(const char* loss, index student, index teacher, head_match match) {
  expects(student == teacher || match == head_match::mean,
          [&] { return message(loss, ": ", student, " heads of the student, ", teacher, " of the teacher"); });
  const index most = std::max(student, teacher), fewest = std::min(student, teacher);
  return fewest > 0 && most % fewest == 0 ? fewest : 1;
}

/// The factors of samples: scale * weight / count.
template <class A, backend B>
struct sample_factors {
  view<const A, 1, B> weight;
  double scale, count;

  [[nodiscard]] LIMBECK_HD A operator()(index sample) const {
    return static_cast<A>(scale * (weight.empty() ? 1 : static_cast<double>(weight(sample))) / count);
  }
};
template <class A, backend B, class G>
[[nodiscard]] sample_factors<A, B> factors_of(const sink<A, B, G>& out, double count) {
  return {out.weight, out.scale, count};
}
template <class A, class G>
A factor_of(const sink<A, cpu, G>& out, double count, index sample) {
  return factors_of(out, count)(sample);
}

/// The rows of a sample that take part, and so do the keys they see.
[[nodiscard]] LIMBECK_HD constexpr index rows_that_count(const sample_rows& s, mask_mode mode) {
  return mode == mask_mode::exact ? s.keys : s.length;
}

/// Throws contract_error unless every sample has as many tokens and keys in both models.
inline void expects_same_lengths(const char* loss, view<const sample_rows, 1> student,
                                 view<const sample_rows, 1> teacher) {
  for (index i = 0; i < student.extent(0); ++i) {
    const auto expects_equal = [&](index mine, index theirs, const char* what) {
      expects(mine == theirs, [&] {
        return message(loss, ": sample ", i, " has ", mine, " ", what, " in the student, ", theirs, " in the teacher");
      });
    };
    expects_equal(student(i).length, teacher(i).length, "tokens");
    expects_equal(student(i).keys, teacher(i).keys, "keys");
  }
}
/// Throws contract_error unless student and teacher saw the same samples, and the sink has a place for each. What lies
/// on a device is counted and not looked at.
template <class S, class U, class A, backend B, class G>
void expects_same_samples(const char* loss, const signals<const S, B>& student, const signals<const U, B>& teacher,
                          const sink<A, B, G>& out) {
  const index samples = student.rows.extent(0);
  const auto expects_samples = [&](index count, const char* whose) {
    expects(count == samples,
            [&] { return message(loss, ": ", samples, " samples of the student, ", count, " of the ", whose); });
  };
  expects_samples(teacher.rows.extent(0), "teacher");
  if (!out.value.empty()) expects_samples(out.value.extent(0), "values");
  if (!out.weight.empty()) expects_samples(out.weight.extent(0), "weights");
  if constexpr (std::same_as<B, cpu>) expects_same_lengths(loss, student.rows, teacher.rows);
}

}  // namespace detail

/// A batch's counts: samples, tokens, and pairs of a query and a key it sees (with `tinybert_zeroing`
/// every pair that is stored). Rows and elements are the caller's to count.
[[nodiscard]] inline normaliser counts_of(view<const sample_rows, 1> rows, bool causal = false,
                                          mask_mode mode = mask_mode::exact) {
  normaliser n{0, 0, 0, 0, 0};
  for (index i = 0; i < rows.extent(0); ++i) {
    const sample_rows s = rows(i);
    const bool all = mode == mask_mode::tinybert_zeroing;
    n.samples += 1;
    n.tokens += static_cast<double>(all ? s.length : s.keys);
    for (index r = 0; r < (all ? s.length : s.keys); ++r)
      n.pairs += static_cast<double>(all ? s.length : visible_keys(s, r, causal));
  }
  return n;
}

}  // namespace limbeck
