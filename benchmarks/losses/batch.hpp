// Two models' signals for one batch, made up, and the sink of a loss on them: what the programs that go through all
// losses call these on.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limits.hpp"

namespace limbeck_bench {

using limbeck::view;

/// `count` numbers from -most to most, the same ones for the same seed, whatever they are stored as.
template <class T>
limbeck::buffer<T> centred(index count, double most, unsigned seed) {
  limbeck::buffer<T> made(count);
  for (index i = 0; i < count; ++i) {
    const double from_0_to_2 = static_cast<double>((seed = seed * 1664525U + 1013904223U) >> 8) / 8388608.0;
    made.data()[i] = static_cast<T>(most * (from_0_to_2 - 1));
  }
  return made;
}

/// The numbers of `from`, stored otherwise.
template <class To, class From>
void take_over(limbeck::buffer<To>& to, const limbeck::buffer<From>& from) {
  for (index i = 0; i < to.count(); ++i) to.data()[i] = static_cast<To>(from.data()[i]);
}

/// S: what the student and its gradient are stored as, U: the teacher; values and sums are A. Counts are 1: gradients
/// are those of a sum.
template <class S, class U, class A>
struct batch {
  limbeck::buffer<S> mine, gradient;
  limbeck::buffer<U> theirs;
  limbeck::buffer<A> value;
  limbeck::buffer<U> log_rest{};  ///< of a teacher that kept a few classes
  std::vector<std::int32_t> labels{};
  std::vector<limbeck::sample_rows> rows{};
  std::vector<limbeck::block> blocks{};
  limbeck::signals<const S> student{};
  limbeck::signals<const U> teacher{};
  limbeck::targets<A> given{};
  limbeck::sink<A, limbeck::cpu, S> out{};

  batch(index student_count, index teacher_count, index samples, double most)
      : mine(centred<S>(student_count, most, 1)),
        gradient(student_count),
        theirs(centred<U>(teacher_count, most, 2)),
        value(samples) {
    out.value = value.all();
  }
  batch(batch&&) = default;  // the views stay: what they look at does not move

  /// What a loss that reads both models moves.
  [[nodiscard]] work traffic() const {
    const auto bytes = [](const auto& of, std::size_t size) { return static_cast<double>(of.count()) * double(size); };
    return {.read = bytes(mine, sizeof(S)) + bytes(theirs, sizeof(U)),
            .updated = bytes(gradient, sizeof(S)),
            .elements = static_cast<double>(mine.count())};
  }

 protected:
  void pack(index samples, index length) {
    for (index i = 0; i < samples; ++i) rows.push_back({i * length, length, length});
    student.rows = teacher.rows = out.gradient.rows =
        view<const limbeck::sample_rows, 1>(rows.data(), static_cast<index>(rows.size()));
  }
};

/// Logits [rows, classes] from -4 to 4, and a label each row.
template <class S, class U, class A>
struct logits_batch : batch<S, U, A> {
  logits_batch(index rows, index classes) : batch<S, U, A>(rows * classes, rows * classes, rows, 4) {
    for (index i = 0; i < rows; ++i) this->labels.push_back(static_cast<std::int32_t>(7 * i % classes));
    this->given.labels = view<const std::int32_t, 1>(this->labels.data(), rows);
    this->student.logits = view<const S, 2>(this->mine.data(), rows, classes);
    this->teacher.logits = view<const U, 2>(this->theirs.data(), rows, classes);
    this->out.gradient.logits = view<S, 2>(this->gradient.data(), rows, classes);
  }
};

/// States [samples * length, width] from -2 to 2, packed: hidden (student's and teacher's only layer) and embeddings,
/// which are the same, queries, keys and values.
template <class S, class U, class A>
struct states_batch : batch<S, U, A> {
  states_batch(index samples, index length, index width, index teacher_width, bool relations = false)
      : batch<S, U, A>((relations ? 3 : 1) * samples * length * width,
                       (relations ? 3 : 1) * samples * length * teacher_width, samples, 2) {
    this->pack(samples, length);
    const index tokens = samples * length, parts = relations ? 3 : 1;
    see<const S>(this->student, this->mine.data(), tokens, width, parts);
    see<const U>(this->teacher, this->theirs.data(), tokens, teacher_width, parts);
    see<S>(this->out.gradient, this->gradient.data(), tokens, width, parts);
  }

 private:
  template <class T>
  static void see(limbeck::signals<T>& s, T* data, index tokens, index width, index parts) {
    const view<T, 2> first(data, tokens, width);
    s.embeddings = first;
    for (auto* of : {&s.hidden, &s.queries, &s.keys, &s.values}) {
      *of = limbeck::per_layer<view<T, 2>>(1);
      const index part = of == &s.keys ? 1 : of == &s.values ? 2 : 0;
      (*of)[0] = part < parts ? view<T, 2>(data + part * tokens * width, tokens, width) : first;
    }
  }
};

/// Scores of attention [samples, heads, length, length] from -2 to 2, packed.
template <class S, class U, class A>
struct maps_batch : batch<S, U, A> {
  maps_batch(index samples, index heads, index length)
      : batch<S, U, A>(samples * heads * length * length, samples * heads * length * length, samples, 2) {
    this->pack(samples, length);
    for (index i = 0; i < samples; ++i) this->blocks.push_back({i * heads * length * length, length});
    see<const S>(this->student, this->mine.data(), heads);
    see<const U>(this->teacher, this->theirs.data(), heads);
    see<S>(this->out.gradient, this->gradient.data(), heads);
  }

 private:
  template <class T>
  void see(limbeck::signals<T>& s, T* data, index heads) {
    s.scores = limbeck::per_layer<limbeck::square_blocks<T>>(1);
    s.scores[0] = {data, heads,
                   view<const limbeck::block, 1>(this->blocks.data(), static_cast<index>(this->blocks.size()))};
  }
};

}  // namespace limbeck_bench
