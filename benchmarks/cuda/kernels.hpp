// Losses on class scores on a device, forward and backward, against the bandwidth of a copy.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/top_k.hpp"
#include "timing.hpp"

namespace limbeck_bench {

/// Numbers between -4 and 4 from a stream of random words.
struct random_fours {
  template <class T>
  __device__ void operator()(index, index first, index here, const limbeck::random_stream& random, T* to) const {
    const limbeck::random_words words = random.at(static_cast<std::uint32_t>(first / 4));
    limbeck::four<T> numbers;
    for (int i = 0; i < 4; ++i) numbers.at[i] = static_cast<T>(static_cast<float>(words.word[i]) * 0x1p-29F - 4.0F);
    store_four(to + first, here, numbers);
  }
};

/// Student, teacher and gradient of one size, [rows, classes].
template <class S>
class logit_batch {
 public:
  logit_batch(const cuda_executor& on, index rows, index classes)
      : student_(on, rows * classes),
        teacher_(on, rows * classes),
        gradient_(on, rows * classes),
        values_(on, rows),
        labels_(on, rows),
        rows_(rows),
        classes_(classes) {
    limbeck::for_fours(on, "random", 1, rows * classes, random_fours{}, limbeck::random_stream{1, 0, 0},
                       student_.data());
    limbeck::for_fours(on, "random", 1, rows * classes, random_fours{}, limbeck::random_stream{2, 0, 0},
                       teacher_.data());
  }
  [[nodiscard]] index rows() const { return rows_; }
  [[nodiscard]] index classes() const { return classes_; }
  [[nodiscard]] double bytes_of_a_matrix() const {
    return static_cast<double>(rows_) * static_cast<double>(classes_) * sizeof(S);
  }
  /// All logits of it.
  [[nodiscard]] limbeck::signals<const S, cuda> teacher() const { return {matrix(teacher_)}; }
  /// As kernels see them.
  [[nodiscard]] limbeck::detail::logit_rows<S, S, float, cuda, S> looked_at() const {
    return {.student = matrix(student_), .teacher = matrix(teacher_), .classes = classes_};
  }
  /// Values and a gradient that is written.
  template <class Loss>
  void run(const cuda_executor& on, const Loss& loss, const limbeck::signals<const S, cuda>& teacher) {
    const limbeck::signals<const S, cuda> student{matrix(student_)};
    limbeck::sink<float, cuda, S> out{.value = values_.all()};
    out.gradient.logits = view<S, 2, cuda>(gradient_.data(), rows_, classes_);
    out.per.rows = static_cast<double>(rows_);
    loss(on, student, teacher, limbeck::targets<float, cuda>{.labels = labels_.all()}, out,
         limbeck::gradient_holds::anything);
  }

 private:
  [[nodiscard]] view<const S, 2, cuda> matrix(const limbeck::buffer<S, cuda>& of) const {
    return view<const S, 2, cuda>(of.data(), rows_, classes_);
  }
  limbeck::buffer<S, cuda> student_, teacher_, gradient_;
  limbeck::buffer<float, cuda> values_;
  limbeck::buffer<std::int32_t, cuda> labels_;  // class 0
  index rows_, classes_;
};

/// Classes a step apart.
struct spread_classes {
  index step;
  __device__ void operator()(index, index first, index here, index in_row, std::int32_t* to) const {
    for (index i = first; i < first + here; ++i) to[i] = static_cast<std::int32_t>(i % in_row * step);
  }
};

/// What a teacher kept of each row: `kept` classes, spread over all, and their logits.
template <class S>
class kept_batch {
 public:
  kept_batch(const cuda_executor& on, index rows, index classes, index kept)
      : rows_(rows), kept_(kept), classes_(on, rows * kept), logits_(on, rows * kept), log_rest_(on, rows) {
    limbeck::for_fours(on, "spread", 1, classes_.count(), spread_classes{classes / kept}, kept, classes_.data());
    limbeck::for_fours(on, "random", 1, logits_.count(), random_fours{}, limbeck::random_stream{3, 0, 0},
                       logits_.data());
  }
  [[nodiscard]] double bytes() const { return static_cast<double>(classes_.count()) * (sizeof(S) + 4); }
  [[nodiscard]] limbeck::signals<const S, cuda> all() const {
    limbeck::signals<const S, cuda> teacher{view<const S, 2, cuda>(logits_.data(), rows_, kept_)};
    teacher.kept_classes = view<const std::int32_t, 2, cuda>(classes_.data(), rows_, kept_);
    teacher.log_rest = view<const S, 1, cuda>(log_rest_.data(), rows_);
    return teacher;
  }

 private:
  index rows_, kept_;
  limbeck::buffer<std::int32_t, cuda> classes_;
  limbeck::buffer<S, cuda> logits_, log_rest_;
};

/// What a loss looks like to the choice of its teams.
template <class Loss>
struct body_of {
  struct type {};  // a block for a row, or a warp
};
template <class D>
struct body_of<limbeck::soft_target<D>> {
  using type = limbeck::detail::soft_target_row<limbeck::forward_kl, float>;
};

/// Writes one JSON object a line.
class kernel_bench {
 public:
  kernel_bench(std::FILE* to, int rounds, index most_copied)
      : to_(to), rounds_(rounds), copies_({.context = &context_}, most_copied) {}

  template <class S>
  void every_loss(const char* type, index rows, index classes) {
    const cuda_executor on{.context = &context_};
    logit_batch<S> batch(on, rows, classes);
    one("forward_kl", type, batch, limbeck::soft_target_kl{.temperature = 2}, 2, 2);
    every_other_divergence(type, batch);
    one("cross_entropy", type, batch, limbeck::cross_entropy{}, 1, 2);
    one("logits_mse", type, batch, limbeck::logits_mse{}, 2, 1);
    if (classes > 1) one("decoupled_kd", type, batch, limbeck::decoupled_kd{}, 2, 2);
    if (constexpr index k = 64; classes > k) {
      const kept_batch<S> kept(on, rows, classes, k);
      one("top_k_64", type, batch, limbeck::top_k_kl{.temperature = 2}, {1, 2, kept.bytes()}, kept.all());
    }
  }
  template <class S>
  void forward_kl(const char* type, index rows, index classes) {
    logit_batch<S> batch({.context = &context_}, rows, classes);
    one("forward_kl", type, batch, limbeck::soft_target_kl{.temperature = 2}, 2, 2);
  }

 private:
  /// What a loss reads: how many matrices of logits, how often where they do not fit on chip, and what else.
  struct reading {
    int matrices, off_chip;
    double more_bytes = 0;
  };

  template <class S>
  void every_other_divergence(const char* type, logit_batch<S>& batch) {
    const auto divergence = [&]<class D>(const char* name, const D& of) {
      one(name, type, batch, limbeck::soft_target<D>{.divergence = of}, 2, 3);
    };
    divergence("reverse_kl", limbeck::reverse_kl{});
    divergence("jensen_shannon", limbeck::jensen_shannon{});
    divergence("skew_kl", limbeck::skew_kl{});
    divergence("skew_reverse_kl", limbeck::skew_reverse_kl{});
    divergence("total_variation", limbeck::total_variation{});
    divergence("squared_hellinger", limbeck::squared_hellinger{});
    divergence("alpha_beta", limbeck::alpha_beta{});
  }
  template <class S, class Loss>
  void one(const char* name, const char* type, logit_batch<S>& batch, const Loss& loss, int matrices, int off_chip) {
    one(name, type, batch, loss, {matrices, off_chip}, batch.teacher());
  }
  template <class S, class Loss>
  void one(const char* name, const char* type, logit_batch<S>& batch, const Loss& loss, const reading& of,
           const limbeck::signals<const S, cuda>& teacher) {
    const cuda_executor on{.context = &context_};
    const auto teams = limbeck::detail::teams_for<typename body_of<Loss>::type>(
        on, name, batch.looked_at(),
        [&](index some) { return limbeck::detail::room_of_row<S>(some) * static_cast<std::size_t>(of.matrices); });
    const int reads = teams.room > 0 ? 1 : of.off_chip;
    const double bytes = batch.bytes_of_a_matrix() * (reads * of.matrices + 1) + of.more_bytes;
    const beside_copy took = measured(on, copies_, bytes, rounds_, [&] { batch.run(on, loss, teacher); });
    std::fprintf(
        to_,
        "{\"what\": \"kernel\", \"loss\": \"%s\", \"type\": \"%s\", \"rows\": %td, \"classes\": %td, "
        "\"reads\": %d, \"blocks_a_row\": %u, \"bytes\": %.0f, \"ms\": %.6g, \"copy_ms\": %.6g, \"of_copy\": %.4f}\n",
        name, type, batch.rows(), batch.classes(), reads, teams.cluster, bytes, took.ms, took.copy_ms,
        took.copy_ms / took.ms);
    std::fflush(to_);
  }

  std::FILE* to_;
  int rounds_;
  limbeck::cuda_context context_;
  copier copies_;
};

/// All sizes; `quick`: small ones, to see that everything runs.
inline void bench_kernels(std::FILE* to, bool quick) {
  using limbeck::bfloat16;
  kernel_bench bench(to, quick ? 1 : 20, quick ? index{1} << 16 : index{1} << 30);
  const index numbers = index{1} << (quick ? 6 : 28);  // of a matrix
  std::vector<index> sizes{2, 8, 32, 128, 512, 2048, 8192, 32768, 131072, 262144};
  if (quick) sizes = {2, 1100};
  for (const index classes : sizes) {
    const index rows = std::max<index>(1, std::min<index>(numbers / classes, 1 << 20));
    bench.every_loss<bfloat16>("bfloat16", rows, classes);
    bench.every_loss<float>("float", rows, classes);
  }
  if (quick) return;
  bench.every_loss<bfloat16>("bfloat16", 8192, 128256);
  bench.every_loss<float>("float", 8192, 128256);
  bench.forward_kl<float>("float", 16384, 131072);
}

}  // namespace limbeck_bench
