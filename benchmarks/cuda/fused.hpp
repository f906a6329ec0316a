// A divergence fused with the last linear maps of both models on a device: its time and memory beside the same with all
// logits at once.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "kernels.hpp"
#include "limbeck/losses/fused_linear.hpp"
#include "timing.hpp"

namespace limbeck_bench {

/// Last linear maps of two models of the same width, and gradients of the student's.
class linear_pair {
 public:
  linear_pair(const cuda_executor& on, index rows, index classes, index width)
      : rows_(rows), classes_(classes), width_(width), values_(on, rows) {
    for (std::uint32_t i = 0; i < numbers_.size(); ++i) {
      numbers_[i] = limbeck::buffer<float, cuda>(on, (i % 2 == 0 ? rows : classes) * width);
      if (i < 4)  // the others are gradients
        limbeck::for_fours(on, "random", 1, numbers_[i].count(), random_fours{}, limbeck::random_stream{i, 0, 0},
                           numbers_[i].data());
    }
  }
  /// The numbers of workspace for `rows` at one time.
  template <class Loss>
  [[nodiscard]] index room(const Loss& loss, index rows) const {
    return rows * limbeck::fused_linear_room(loss, head(0), head(2));
  }
  /// Values and gradients of hidden states and weights.
  template <class Loss>
  void run(const cuda_executor& on, const Loss& loss, view<float, 1, cuda> workspace) {
    limbeck::sink<float, cuda> out{.value = values_.all()};
    out.per.rows = static_cast<double>(rows_);
    const limbeck::linear_head<float, cuda> gradient{matrix(4, rows_), matrix(5, classes_)};
    limbeck::fused_linear(loss, on, head(0), head(2), limbeck::targets<float, cuda>{}, out, gradient, workspace);
  }

 private:
  [[nodiscard]] view<float, 2, cuda> matrix(std::size_t which, index rows) {
    return view<float, 2, cuda>(numbers_[which].data(), rows, width_);
  }
  /// Of the hidden states and the weights from `first` on.
  [[nodiscard]] limbeck::linear_head<const float, cuda> head(std::size_t first) const {
    return {view<const float, 2, cuda>(numbers_[first].data(), rows_, width_),
            view<const float, 2, cuda>(numbers_[first + 1].data(), classes_, width_)};
  }

  index rows_, classes_, width_;
  std::array<limbeck::buffer<float, cuda>, 6> numbers_;
  limbeck::buffer<float, cuda> values_;
};

struct time_and_memory {
  double ms, bytes;
};
/// Of slices of `at_once` rows: the median time, and the most memory beyond what goes in and comes out.
template <class Loss>
[[nodiscard]] time_and_memory fused_in_slices(linear_pair& heads, const Loss& loss, limbeck::product_precision products,
                                              index at_once, int rounds) {
  limbeck::cuda_context context({.products = products});
  const cuda_executor on{.context = &context};
  pool_use memory(on);
  limbeck::buffer<float, cuda> workspace(on, heads.room(loss, at_once));
  const auto work = [&] { heads.run(on, loss, workspace.all()); };
  interval clock;
  std::vector<double> took;
  for (int round = -rounds_of_warm_up(rounds); round < rounds; ++round) {
    const double ms = clock.ms(on, work);
    if (round >= 0) took.push_back(ms);
  }
  return {median(took), memory.most_bytes(on)};
}

/// The size at which others publish theirs, in slices whose logits take a twelfth of the dense memory.
inline void bench_fused(std::FILE* to, bool quick) {
  using limbeck::product_precision;
  const index rows = quick ? 24 : 8192, classes = quick ? 300 : 128256, width = quick ? 8 : 4096, slices = 12;
  const limbeck::soft_target<limbeck::jensen_shannon> loss{};
  linear_pair heads({}, rows, classes, width);
  for (const auto& [products, named] :
       {std::pair{product_precision::tf32, "tf32"}, std::pair{product_precision::bf16, "bfloat16"}}) {
    const int rounds = quick ? 1 : 10;
    const auto fused = fused_in_slices(heads, loss, products, (rows + slices - 1) / slices, rounds);
    const auto dense = fused_in_slices(heads, loss, products, rows, rounds);
    std::fprintf(to,
                 "{\"what\": \"fused\", \"loss\": \"jensen_shannon\", \"products\": \"%s\", \"rows\": %td, "
                 "\"classes\": %td, \"width\": %td, \"slices\": %td, \"ms\": %.6g, \"dense_ms\": %.6g, "
                 "\"bytes\": %.0f, \"dense_bytes\": %.0f, \"of_dense\": %.4f}\n",
                 named, rows, classes, width, slices, fused.ms, dense.ms, fused.bytes, dense.bytes,
                 fused.bytes / dense.bytes);
    std::fflush(to);
    if (quick) return;
  }
}

}  // namespace limbeck_bench
