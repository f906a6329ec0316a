// What losses on attention maps and hidden states share: masks, pairs of layers, squared differences.
#pragma once

#include <string>

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/row_output_cpu.hpp"
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

/// The factor of a sample: scale * weight / count.
template <class A, backend B, class G>
A factor_of(const sink<A, B, G>& out, double count, index sample) {
  const double weight = out.weight.empty() ? 1 : static_cast<double>(out.weight(sample));
  return static_cast<A>(out.scale * weight / count);
}

/// value[sample] += factor * sum_of(sample, factor) for every sample whose factor is not 0, each as soon as a thread is
/// free.
template <class E, class A, class G, class Sum>
void for_each_counted_sample(const E& on, index samples, double count, const sink<A, cpu, G>& out, const Sum& sum_of) {
  parallel_each(on.threads, samples, [&](index i) {
    const A factor = factor_of(out, count, i);
    if (factor == A(0)) return;
    const A sum = sum_of(i, factor);
    if (!out.value.empty()) out.value(i) += factor * sum;
  });
}

/// Throws contract_error unless student and teacher saw the same samples, and the sink has a place for each.
template <class S, class U, class A, class G>
void expects_same_samples(const char* loss, const signals<const S, cpu>& student, const signals<const U, cpu>& teacher,
                          const sink<A, cpu, G>& out) {
  const index samples = student.rows.extent(0);
  const auto expects_samples = [&](index count, const char* whose) {
    expects(count == samples,
            [&] { return message(loss, ": ", samples, " samples of the student, ", count, " of the ", whose); });
  };
  expects_samples(teacher.rows.extent(0), "teacher");
  if (!out.value.empty()) expects_samples(out.value.extent(0), "values");
  if (!out.weight.empty()) expects_samples(out.weight.extent(0), "weights");
  for (index i = 0; i < samples; ++i) {
    const auto expects_equal = [&](index mine, index theirs, const char* what) {
      expects(mine == theirs, [&] {
        return message(loss, ": sample ", i, " has ", mine, " ", what, " in the student, ", theirs, " in the teacher");
      });
    };
    expects_equal(student.rows(i).length, teacher.rows(i).length, "tokens");
    expects_equal(student.rows(i).keys, teacher.rows(i).keys, "keys");
  }
}

/// sum += (s - t)^2 over a run, and the gradient 2 factor (s - t), added or written, where it is wanted. With Zeroing,
/// values of `floor` and below count as 0 on their side, and such a student value gets no gradient.
template <bool Zeroing>
struct squared_error_kernel {
  template <int Bytes, class A, class S, class U, class G>
  LIMBECK_HD static void run(const S* s, const U* t, index count, const A factor, const A floor, G* gradient,
                             const row_output how, A& sum) {
    using V = simd_of_bytes<A, Bytes>;
    const output_row<V, G> to(gradient, how);
    V total(A(0));
    index i = 0;
    for (; i + V::width <= count; i += V::width) {
      const V d = difference(load<V>(s + i), load<V>(t + i), floor);
      total += d * d;
      if (gradient != nullptr) to.put(i, passed(load<V>(s + i), V(A(2) * factor) * d, floor));
    }
    A rest = horizontal_sum(total);
    for (; i < count; ++i) {
      const A mine = static_cast<A>(s[i]), d = difference(mine, static_cast<A>(t[i]), floor);
      rest += d * d;
      if (gradient != nullptr) to.put(i, passed(mine, A(2) * factor * d, floor));
    }
    sum += rest;
  }

 private:
  template <class V, class A>
  LIMBECK_HD static V difference(const V& s, const V& t, A floor) {
    if constexpr (Zeroing)
      return where(s <= V(floor), V(A(0)), s) - where(t <= V(floor), V(A(0)), t);
    else
      return s - t;
  }
  template <class V, class A>
  LIMBECK_HD static V passed(const V& s, const V& gradient, A floor) {
    if constexpr (Zeroing)
      return where(s <= V(floor), V(A(0)), gradient);
    else
      return gradient;
  }
};

/// The squared error of a run: its sum, and its gradient where it is wanted.
template <class A, class S, class U, class G>
[[nodiscard]] A squared_error(mask_mode mode, const S* s, const U* t, index count, A factor, G* gradient,
                              row_output how = row_output::add) {
  const A floor = A(-100);  // TinyBERT's released code: padding carries -10000
  A sum = 0;
  if (mode == mask_mode::tinybert_zeroing)
    simd_dispatch<squared_error_kernel<true>>(s, t, count, factor, floor, gradient, how, sum);
  else
    simd_dispatch<squared_error_kernel<false>>(s, t, count, factor, floor, gradient, how, sum);
  return sum;
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
