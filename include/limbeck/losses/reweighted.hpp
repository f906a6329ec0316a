// Terms whose weights are decided sample by sample.
#pragma once

#include <cmath>
#include <concepts>
#include <string>
#include <tuple>
#include <utility>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/loss_policy.hpp"

namespace limbeck {

/// What a weighting policy sees of a batch: losses [terms, samples], each term's own sum over the sample's rows with
/// nothing divided (0 where the sample's weight is 0), and what the terms see.
template <class A, class S, class U>
struct sample_losses {
  view<const A, 2> losses;
  const signals<const S>& student;
  const signals<const U>& teacher;
  const targets<A>& given;
};

namespace detail {

/// The number of samples that a loss is asked about.
template <class S, class A, class G>
[[nodiscard]] index samples_of(const signals<const S>& student, const sink<A, cpu, G>& out) {
  if (!out.value.empty()) return out.value.extent(0);
  if (!out.weight.empty()) return out.weight.extent(0);
  if (!student.rows.empty()) return student.rows.extent(0);
  const index rows = student.logits.extent(0);
  return student.row_sample.empty() || rows == 0 ? rows : student.row_sample(rows - 1) + 1;
}

struct reweighted_scratch {};

}  // namespace detail

/// The sum of terms, each weighted sample by sample by what `policy` makes of their losses: policy(sample_losses,
/// weights) writes weights [terms, samples], which count as constants and multiply the caller's own (`sink::weight`).
/// A policy with `static constexpr bool reads_losses = false` is not shown any, and saves the terms a forward sweep.
/// Host only. Kept memory: a few numbers a sample and term. Throws what the terms throw.
template <class Policy, some_loss... Terms>
struct reweighted {
  Policy policy;
  std::tuple<Terms...> terms;
  signal_set reads = signal::none;

  explicit constexpr reweighted(Policy policy, Terms... all)
      : policy(std::move(policy)), terms(std::move(all)...), reads((signal::none | ... | all.reads)) {
    if constexpr (requires { this->policy.reads; }) reads = reads | this->policy.reads;
  }

  template <executor E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>& given, const sink<A, cpu, G>& out) const {
    constexpr auto count = static_cast<index>(sizeof...(Terms));
    const index samples = detail::samples_of(student, out);
    A* const room = thread_scratch<detail::reweighted_scratch, A>((2 * count + 1) * samples);
    const view<A, 2> losses(room, count, samples), weights(room + count * samples, count, samples);
    const view<A, 1> counted(room + 2 * count * samples, samples);
    for (index i = 0; i < samples; ++i) counted(i) = out.weight.empty() || out.weight(i) != A(0) ? A(1) : A(0);
    if constexpr (reads_losses) {
      sink<A, cpu, G> shown;
      shown.weight = read_only(counted);
      shown.progress = out.progress;
      shown.epoch = out.epoch;
      for_each_term([&](const auto& term, index k) {
        shown.value = row(losses, k);
        for (index i = 0; i < samples; ++i) shown.value(i) = 0;
        term(on, student, teacher, given, shown);
      });
    }
    policy(sample_losses<A, S, U>{reads_losses ? read_only(losses) : view<const A, 2>(), student, teacher, given},
           weights);
    sink<A, cpu, G> here = out;
    for_each_term([&](const auto& term, index k) {
      const view<A, 1> own = row(weights, k);
      for (index i = 0; i < samples; ++i) own(i) = counted(i) == A(0) ? A(0) : own(i) * weight_of(out, i);
      here.weight = read_only(own);
      term(on, student, teacher, given, here);
    });
  }

 private:
  static constexpr bool reads_losses = [] {
    if constexpr (requires { Policy::reads_losses; })
      return Policy::reads_losses;
    else
      return true;
  }();

  template <class Visit>
  void for_each_term(const Visit& visit) const {
    std::apply(
        [&](const auto&... term) {
          index k = 0;
          (visit(term, k++), ...);
        },
        terms);
  }
  template <class A>
  static view<A, 1> row(const view<A, 2>& all, index k) {
    return view<A, 1>(all.data() + k * all.stride(0), all.extent(1));
  }
  template <class A, class G>
  static A weight_of(const sink<A, cpu, G>& out, index sample) {
    return out.weight.empty() ? A(1) : out.weight(sample);
  }
};

/// A weighting policy of two terms, the task's and the teacher's: 1 - share[i] and share[i]. Looks at numbers of the
/// caller's, [samples]: AdaKD's (adakd_weights), RW-KD's (look_ahead_shares), or any others.
template <class T>
struct blend {
  static constexpr bool reads_losses = false;
  view<const T, 1> share;

  template <class A, class S, class U>
  void operator()(const sample_losses<A, S, U>&, const view<A, 2>& weights) const {
    expects(weights.extent(0) == 2 && share.extent(0) == weights.extent(1), [&] {
      return message("blend: ", share.extent(0), " shares for ", weights.extent(1), " samples and ", weights.extent(0),
                     " terms, expected two terms");
    });
    for (index i = 0; i < weights.extent(1); ++i) {
      weights(0, i) = static_cast<A>(1 - share(i));
      weights(1, i) = static_cast<A>(share(i));
    }
  }
};

/// A weighting policy that lets a teacher speak where it is confident: the last term weighs 1 where the teacher's most
/// likely class (the first of equal ones) has at least `least` of the probability and, with `correct`, is the label;
/// otherwise 0. The other terms weigh 1. A sample of several rows is judged by all of them.
struct confident_teacher {
  static constexpr bool reads_losses = false;
  static constexpr signal_set reads = signal::logits;
  double least = 0;
  bool correct = true;

  template <class A, class S, class U>
  void operator()(const sample_losses<A, S, U>& batch, const view<A, 2>& weights) const {
    const view<const U, 2>& logits = batch.teacher.logits;
    const index last = weights.extent(0) - 1, samples = weights.extent(1);
    const auto sample = [&](index r) { return batch.teacher.row_sample.empty() ? r : batch.teacher.row_sample(r); };
    expects(!correct || batch.given.labels.extent(0) == logits.extent(0), [&] {
      return message("confident_teacher: ", batch.given.labels.extent(0), " labels for ", logits.extent(0), " rows");
    });
    for (index k = 0; k <= last; ++k)
      for (index i = 0; i < samples; ++i) weights(k, i) = 1;
    for (index r = 0; r < logits.extent(0); ++r) {
      expects(sample(r) < samples,
              [&] { return message("confident_teacher: row ", r, " of sample ", sample(r), ", of ", samples); });
      if (!speaks(batch, r)) weights(last, sample(r)) = 0;
    }
  }

 private:
  template <class A, class S, class U>
  [[nodiscard]] bool speaks(const sample_losses<A, S, U>& batch, index row) const {
    const view<const U, 2>& logits = batch.teacher.logits;
    if (!batch.given.row_weight.empty() && batch.given.row_weight(row) == A(0)) return true;  // nobody asks it
    index best = 0;
    for (index c = 1; c < valid_classes(batch.teacher); ++c)
      if (static_cast<double>(logits(row, c)) > static_cast<double>(logits(row, best))) best = c;
    double others = 0;  // exp(logit - the largest)
    for (index c = 0; c < valid_classes(batch.teacher); ++c)
      others += std::exp(static_cast<double>(logits(row, c)) - static_cast<double>(logits(row, best)));
    return 1 / others >= least && (!correct || best == batch.given.labels(row));
  }
};

}  // namespace limbeck
