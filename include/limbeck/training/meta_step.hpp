// What a step on a sample's label, or on its teacher, would do for samples that are held out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/losses/look_ahead.hpp"
#include "limbeck/training/distiller.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "limbeck/training/held_out.hpp"
#include "limbeck/training/shared_losses.hpp"

namespace limbeck {

/// Which losses of held-out samples count.
enum class meta_goal { label_and_teacher, label };

struct meta_step_options {
  index batch_size = 32;  ///< held-out samples of a step
  meta_goal goal = meta_goal::label_and_teacher;
  std::uint64_t seed = 0;  ///< of their order
};

/// Gradients of a student's shared losses on batches of held-out samples, which nothing drops.
template <class Model, launchable E, class T, class Samples = sample_set>
class meta_step {
 public:
  /// `held_out` and the student must outlive it. What the teacher says of them is told to step().
  meta_step(const Model& student, taught_by<Model, T> teacher, const shared_losses<E, T>& losses,
            const Samples& held_out, const meta_step_options& options)
      : held_out_(&held_out),
        classes_(student.head().classes()),
        batches_(held_out.size(), options.batch_size, options.seed),
        step_(student, teacher, goal_of(losses, options.goal)),
        gradient_(student.parameters().size()),
        values_(step_.terms().size()) {}

  /// Runs the held-out samples; wants the teacher's outputs for them where no model was given.
  [[nodiscard]] distiller<Model, E, T, Samples>& step() { return step_; }

  /// The gradient of the mean loss of batch n at `weights`. Valid until the next call.
  view<const T, 1> gradient(const E& on, std::uint64_t n, double progress, view<const T, 1> weights) {
    const std::span<const std::ptrdiff_t> chosen = batches_(n);
    const std::span<const std::ptrdiff_t> all[]{chosen};
    std::fill(values_.begin(), values_.end(), 0.0);
    step_.clear(on, gradient_.all());
    step_.accumulate(on, *held_out_, chosen, counts_of_step(all, *held_out_, classes_), {.keeps = true}, progress,
                     weights, gradient_.all(), values_);
    return read_only(gradient_.all());
  }

 private:
  [[nodiscard]] static std::vector<named_term<E, T>> goal_of(const shared_losses<E, T>& losses, meta_goal goal) {
    std::vector<named_term<E, T>> terms;
    for (named_term<E, T> term : losses.terms()) {
      if (goal == meta_goal::label && term.samples.by == sample_weighting::rule::rw_kd) continue;
      term.samples = {};
      terms.push_back(std::move(term));
    }
    return terms;
  }

  const Samples* held_out_;
  index classes_;
  endless_batches batches_;
  distiller<Model, E, T, Samples> step_;
  buffer<T> gradient_;
  std::vector<double> values_;
};

namespace detail {

/// to = from + factor * along.
struct move_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(T factor, index count, const T* from, const T* along, T* to) {
    using V = simd_of_bytes<T, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width) store(to + i, load<V>(from + i) + V(factor) * load<V>(along + i));
    for (; i < count; ++i) to[i] = from[i] + factor * along[i];
  }
};

}  // namespace detail

/// A second place for a model's weights: weights + factor * direction, while the weights stay as they are.
template <class T>
class moved_weights {
 public:
  explicit moved_weights(index size) : moved_(size) {}

  /// Moves those that count as touched in `wanted`; the others hold anything.
  template <class Provider>
  view<const T, 1> at(const cpu_executor<Provider>& on, view<const T, 1> weights, view<const T, 1> direction,
                      double factor, const touched_rows& wanted = {}) {
    wanted.sweep(on, 0, moved_.count(), wanted, [&](index begin, index end, bool touched) {
      if (touched)
        simd_dispatch<detail::move_kernel>(static_cast<T>(factor), end - begin, weights.data() + begin,
                                           direction.data() + begin, moved_.data() + begin);
    });
    return read_only(moved_.all());
  }

 private:
  buffer<T> moved_;
};

/// Products of a direction with the gradients of every sample's shared losses, by two passes of the student that keep
/// nothing and drop what the pass that trains drops.
template <class Model, launchable E, class T>
class gradient_products {
 public:
  explicit gradient_products(const Model& student)
      : student_(&student), reads_(touched_rows_of(student)), moved_(student.parameters().size()) {}

  /// products [2, samples of the batch]: with the label's loss, with the teacher's. `direction`: [parameters].
  void operator()(const E& on, const shared_losses<E, T>& losses, const sharing_batch<T>& batch,
                  view<const T, 1> direction, const view<T, 2>& products) {
    reads_.forget();
    reads_.mark(batch.tokens.ids);  // no other row of the table is looked at, so no other is moved
    const index size = direction.extent(0);
    const double step = central_step<T>(norm_of(on, direction, reads_),
                                        norm_of(on, view<const T, 1>(batch.weights.data(), size), reads_), size);
    pass_mode mode = batch.mode;
    mode.keeps = false;
    central_differences(
        step,
        [&](double shift, const view<T, 2>& out) {
          const view<const T, 1> there = moved_.at(on, batch.weights, direction, shift, reads_);
          losses.values(on, student_->forward(on, there, batch.tokens, batch.reads, mode, pass_), batch, out);
        },
        products);
  }

 private:
  const Model* student_;
  touched_rows reads_;
  moved_weights<T> moved_;
  typename Model::template pass<T> pass_;
};

}  // namespace limbeck
