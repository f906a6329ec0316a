// How far gradients are from those of float64 on the same numbers, of every loss and each type that these are stored
// as; sums are in float. Prints a row of JSON each. Leaves with 1 where one of them is further away than a hundredth.
//
//   usage: gradient_error
//
// `largest`: the largest difference over the largest element; `norm`: the norm of the differences over the gradient's.
// What is projected or multiplied by a matrix is stored as it is computed: there it is the teacher's side that the
// storage is of. `judged`: whether the hundredth holds for it.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "limbeck/core/half.hpp"
#include "losses/every_loss.hpp"
#include "losses/products.hpp"

namespace limbeck_bench {
namespace {

double worst = 0;

/// The larger; a NaN stays.
double worse(double a, double b) { return a >= b || a != a ? a : b; }

/// What lies between two gradients, piece by piece.
struct distance {
  double gap = 0, most = 0, squared_gap = 0, square = 0;

  template <class T>
  void compare(const limbeck::buffer<T>& got, const limbeck::buffer<double>& expected) {
    for (index i = 0; i < expected.count(); ++i) {
      const double of = expected.data()[i], apart = std::abs(static_cast<double>(got.data()[i]) - of);
      gap = worse(gap, apart);
      most = std::max(most, std::abs(of));
      squared_gap += apart * apart;
      square += of * of;
    }
  }
  /// Not judged: only told.
  void print(const std::string& loss, const char* storage, bool judged = true) const {
    const double largest = gap / most, norm = std::sqrt(squared_gap / square);
    std::printf("{\"loss\": \"%s\", \"storage\": \"%s\", \"largest\": %.3g, \"norm\": %.3g, \"judged\": %s}\n",
                loss.c_str(), storage, largest, norm, judged ? "true" : "false");
    std::fflush(stdout);
    if (!judged) return;
    for (const double error : {largest, norm}) worst = worse(worst, error);
  }
};

/// The same losses twice, each on a batch of its own.
template <class Stored, class Reference, class S, class U>
void compare(const char* storage, const named_losses<S, U, float>& losses,
             const named_losses<double, double, double>& references, const auto&... extents) {
  for (std::size_t i = 0; i < losses.size(); ++i) {
    Stored stored(extents...);
    Reference reference(extents...);
    take_over(reference.mine, stored.mine);
    take_over(reference.theirs, stored.theirs);
    const auto call = losses[i].prepare(stored), refer = references[i].prepare(reference);
    const auto print = [&](const std::string& name, bool judged) {
      distance d;
      d.compare(stored.gradient, reference.gradient);
      d.print(name, storage, judged);
    };
    call(executor{});
    if (reference.log_rest.count() > 0) {  // what rounding it does, for it is a sum and no number of a model's
      refer(executor{});
      print(losses[i].name + "_to_exact_rest", false);
      take_over(reference.log_rest, stored.log_rest);
      reference.gradient.fill(0);
    }
    refer(executor{});
    print(losses[i].name, true);
  }
}

/// Gradients of the weight and the states of what is made of products, from the same numbers in both types.
template <class Made, class Reference>
void compare_products(const char* name, const char* storage, Made&& made, Reference&& reference) {
  reference.take(made);
  made.run(executor{});
  reference.run(executor{});
  distance d;
  d.compare(made.left_gradient, reference.left_gradient);
  d.compare(made.right_gradient, reference.right_gradient);
  d.print(name, storage);
}

template <class T>
void compare_all(const char* storage) {
  using D = double;
  const index rows = 24, classes = 1000, samples = 12, width = 96, teacher_width = 192;
  compare<logits_batch<T, T, float>, logits_batch<D, D, D>>(storage, divergence_losses<T, T, float>(),
                                                            divergence_losses<D, D, D>(), rows, classes);
  compare<logits_batch<T, T, float>, logits_batch<D, D, D>>(storage, logit_losses<T, T, float>(),
                                                            logit_losses<D, D, D>(), rows, classes);
  compare<states_batch<T, T, float>, states_batch<D, D, D>>(storage, state_losses<T, T, float>(),
                                                            state_losses<D, D, D>(), samples, index{10}, width, width);
  compare<states_batch<T, T, float>, states_batch<D, D, D>>(storage, vector_losses<T, T, float>(),
                                                            vector_losses<D, D, D>(), samples, index{1}, width, width);
  compare<states_batch<T, T, float>, states_batch<D, D, D>>(storage, relation_losses<T, T, float>(),
                                                            relation_losses<D, D, D>(), samples, index{10}, width,
                                                            teacher_width, true);
  compare<maps_batch<T, T, float>, maps_batch<D, D, D>>(storage, map_losses<T, T, float>(), map_losses<D, D, D>(),
                                                        samples, index{4}, index{20});
  compare<states_batch<float, T, float>, states_batch<D, D, D>>(
      storage, named_losses<float, T, float>{projected_loss<T, float>()}, named_losses<D, D, D>{projected_loss<D, D>()},
      samples, index{10}, width, teacher_width);
  compare_products("fused_linear_kl", storage, fused_linear_kl<T, float>(rows, classes, width, 16),
                   fused_linear_kl<D, D>(rows, classes, width, 16));
}

}  // namespace
}  // namespace limbeck_bench

int main() {
  using namespace limbeck_bench;
  compare_all<double>("double");
  compare_all<float>("float");
  compare_all<limbeck::bfloat16>("bfloat16");
  compare_all<limbeck::float16>("float16");
  compare_products("in_batch_maxsim", "float", in_batch_kl<float>(12, 16, 8, 20, 64),
                   in_batch_kl<double>(12, 16, 8, 20, 64));
  if (!(worst <= 0.01)) std::fprintf(stderr, "gradient_error: %.3g, expected at most 0.01\n", worst);
  return worst <= 0.01 ? 0 : 1;
}
