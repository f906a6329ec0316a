// Distillation in a training loop of plain xtensor: a small net learns to answer like a wide one, by limbeck's
// Jensen-Shannon divergence, without a label. The tensors are xtensor's; limbeck looks at them and writes the gradient.
#include <limbeck/interop/xtensor.hpp>
#include <limbeck/losses/soft_target.hpp>
#include <limbeck/losses/write_gradient.hpp>

#include <xtensor/xmath.hpp>
#include <xtensor/xrandom.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

#include <cstddef>
#include <cstdio>

namespace {

using matrix = xt::xtensor<float, 2>;

constexpr std::size_t inputs = 4, classes = 5, training = 384, samples = 512;  // the last 128 are held out
constexpr auto immediate = xt::evaluation_strategy::immediate;  // lazy sums inside of larger expressions are slow

/// a [n, k] times b [k, m], as a sum over the axis in the middle.
matrix product(const matrix& a, const matrix& b) {
  return xt::sum(xt::view(a, xt::all(), xt::all(), xt::newaxis()) * xt::view(b, xt::newaxis(), xt::all(), xt::all()),
                 {1}, immediate);
}

struct network {
  matrix w1, w2;  ///< [inputs, width], [width, classes]

  network(std::size_t width, float scale)
      : w1(xt::random::randn<float>({inputs, width})), w2(scale * xt::random::randn<float>({width, classes})) {}
  [[nodiscard]] matrix inside(const matrix& x) const { return xt::tanh(product(x, w1)); }

  void step(float rate, const matrix& x, const matrix& inner, const matrix& gradient) {
    const matrix before = product(gradient, xt::transpose(w2)) * (1.0F - inner * inner);
    w2 -= rate * product(xt::transpose(inner), gradient);
    w1 -= rate * product(xt::transpose(x), before);
  }
};

/// The mean Jensen-Shannon divergence of two batches of logits, [samples, classes]. The gradient with respect to the
/// student's is written over whatever `gradient` holds. Parts of a tensor, as xt::view makes them, are taken as well.
double divergence(const limbeck::xtensor_memory auto& student, const limbeck::xtensor_memory auto& teacher,
                  matrix& gradient) {
  const limbeck::soft_target<limbeck::jensen_shannon> goal{.temperature = 1};
  xt::xtensor<float, 1> value = xt::zeros<float>({student.shape()[0]});  // of each sample; values are added
  gradient.resize({student.shape()[0], classes});
  limbeck::write_gradient(goal, limbeck::cpu_executor<>{.threads = 1},
                          limbeck::signals<const float>{.logits = limbeck::tensor_view<2>(student)},
                          limbeck::signals<const float>{.logits = limbeck::tensor_view<2>(teacher)},
                          limbeck::targets<float>{},
                          limbeck::sink<float, limbeck::cpu>{.value = limbeck::tensor_view<1>(value),
                                                             .gradient = {.logits = limbeck::tensor_view<2>(gradient)},
                                                             .per = {.rows = static_cast<double>(student.shape()[0])}});
  return static_cast<double>(xt::sum(value, immediate)());
}

using exact_matrix = xt::xtensor<double, 2>;

/// What each row of a matrix sums to, [rows, 1].
exact_matrix row_sums(const exact_matrix& m) { return xt::sum(m, {1}, xt::keep_dims | immediate); }

/// The gradient of the divergence by the textbook, in double: the slope with respect to log p is p log(p / m) / 2, m
/// being the mean of the two distributions; the rest is the softmax's derivative.
exact_matrix reference(const matrix& student, const matrix& teacher) {
  const auto softmax = [](const matrix& logits) {
    const exact_matrix e = xt::exp(xt::cast<double>(logits));
    return exact_matrix(e / row_sums(e));
  };
  const exact_matrix p = softmax(student), q = softmax(teacher), slope = 0.5 * p * xt::log(2.0 * p / (p + q));
  return (slope - p * row_sums(slope)) / static_cast<double>(p.shape()[0]);
}

}  // namespace

int main() {
  xt::random::seed(7);
  const matrix x = xt::random::randn<float>({samples, inputs});
  const network wide(64, 0.5F);
  network student(16, 0.1F);
  const matrix answers = product(wide.inside(x), wide.w2);  // the teacher's logits
  const auto to_learn = xt::view(answers, xt::range(0, training)),
             held_out = xt::view(answers, xt::range(training, samples));
  const matrix seen = xt::view(x, xt::range(0, training)), unseen = xt::view(x, xt::range(training, samples));

  matrix gradient;
  const double start = divergence(product(student.inside(unseen), student.w2), held_out, gradient);
  for (int step = 0; step < 200; ++step) {
    const matrix inner = student.inside(seen);
    divergence(product(inner, student.w2), to_learn, gradient);
    student.step(2.0F, seen, inner, gradient);
  }

  const matrix logits = product(student.inside(unseen), student.w2);
  const double end = divergence(logits, held_out, gradient);
  const exact_matrix exact = reference(logits, held_out);
  const exact_matrix off = xt::abs(gradient - exact), size = xt::abs(exact);
  const double error = xt::amax(off, immediate)() / xt::amax(size, immediate)();
  std::printf("held-out loss %.4f, at the start %.4f; gradient off by %.1e of its largest entry\n", end, start, error);
  return end < 0.8 * start && error < 1e-5 ? 0 : 1;
}
