// Distillation in a training loop of plain Eigen: a small classifier learns from a teacher and from labels, by
// limbeck's KL and cross-entropy. The matrices are Eigen's; limbeck looks at them and writes the gradient of the
// logits.
#include <limbeck/interop/eigen.hpp>
#include <limbeck/losses/cross_entropy.hpp>
#include <limbeck/losses/objective.hpp>
#include <limbeck/losses/soft_target.hpp>

#include <Eigen/Core>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // Eigen's default is by columns
using labels = Eigen::Matrix<std::int32_t, Eigen::Dynamic, 1>;
using Eigen::Index;

constexpr Index classes = 6, hidden = 32, batch = 64, batches = 16;

/// Points in twelve round clouds on a circle, opposite ones of one class. Who knows the clouds knows the probability of
/// each class at a point: there is no better teacher.
struct points {
  matrix x, teacher;  ///< [samples, 2], [samples, classes]
  labels label;       ///< [samples]

  points(Index samples, unsigned seed) : x(samples, 2), teacher(samples, classes), label(samples) {
    std::mt19937 random(seed);
    std::normal_distribution<float> spread(0, deviation);
    for (Index i = 0; i < samples; ++i) {
      const auto cloud = static_cast<Index>(random() % (2 * classes));
      label(i) = static_cast<std::int32_t>(cloud % classes);
      x.row(i) = centre(cloud);
      for (float& coordinate : x.row(i)) coordinate += spread(random);
      for (Index c = 0; c < classes; ++c)
        teacher(i, c) = std::log(density(x.row(i), c) + density(x.row(i), c + classes));
    }
  }

 private:
  static constexpr float deviation = 0.6F;
  static Eigen::RowVector2f centre(Index cloud) {
    const float angle = 3.14159265F * static_cast<float>(cloud) / classes;
    return 3 * Eigen::RowVector2f(std::cos(angle), std::sin(angle));
  }
  static float density(const Eigen::RowVector2f& at, Index cloud) {
    return std::exp((at - centre(cloud)).squaredNorm() / (-2 * deviation * deviation));
  }
};

/// The mean over a batch of what the student is trained for. Its gradient with respect to the student's logits,
/// [samples, classes], is written over whatever `gradient` holds.
double objective(const matrix& logits, const Eigen::Ref<const matrix>& teacher, const Eigen::Ref<const labels>& label,
                 matrix& gradient) {
  const auto goal = 0.9 * limbeck::soft_target_kl{.temperature = 2} + 0.1 * limbeck::cross_entropy{};
  Eigen::VectorXf value = Eigen::VectorXf::Zero(logits.rows());  // of each sample; values are added
  gradient.resize(logits.rows(), logits.cols());
  limbeck::write_gradient(goal, limbeck::cpu_executor<>{.threads = 1},
                          limbeck::signals<const float>{.logits = limbeck::matrix_view(logits)},
                          limbeck::signals<const float>{.logits = limbeck::matrix_view(teacher)},
                          limbeck::targets<float>{.labels = limbeck::vector_view(label)},
                          limbeck::sink<float, limbeck::cpu>{.value = limbeck::vector_view(value),
                                                             .gradient = {.logits = limbeck::matrix_view(gradient)},
                                                             .per = {.rows = static_cast<double>(logits.rows())}});
  return value.cast<double>().sum();
}

/// The same gradient by the textbook, in double.
Eigen::MatrixXd reference(const matrix& student, const matrix& teacher, const labels& label) {
  const auto softmax = [](const matrix& logits, double temperature) {
    Eigen::ArrayXXd p = logits.cast<double>().array() / temperature;
    p = (p.colwise() - p.rowwise().maxCoeff()).exp().eval();
    return (p.colwise() / p.rowwise().sum()).eval();
  };
  Eigen::ArrayXXd from_labels = softmax(student, 1);
  for (Index i = 0; i < label.size(); ++i) from_labels(i, label(i)) -= 1;
  const Eigen::ArrayXXd from_teacher = 2 * (softmax(student, 2) - softmax(teacher, 2));
  return (0.9 * from_teacher + 0.1 * from_labels) / static_cast<double>(label.size());
}

struct network {
  matrix w1, w2;  ///< [2, hidden], [hidden, classes]
  Eigen::RowVectorXf b1 = Eigen::RowVectorXf::Zero(hidden), b2 = Eigen::RowVectorXf::Zero(classes);

  explicit network(unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    w1 = matrix::NullaryExpr(2, hidden, [&] { return normal(random); });
    w2 = matrix::NullaryExpr(hidden, classes, [&] { return 0.05F * normal(random); });
  }
  [[nodiscard]] matrix inside(const Eigen::Ref<const matrix>& x) const { return ((x * w1).rowwise() + b1).cwiseMax(0); }
  [[nodiscard]] matrix logits(const matrix& inner) const { return (inner * w2).rowwise() + b2; }

  void step(float rate, const Eigen::Ref<const matrix>& x, const matrix& inner, const matrix& gradient) {
    const matrix before = (gradient * w2.transpose()).cwiseProduct(inner.cwiseSign());
    w2 -= rate * inner.transpose() * gradient;
    b2 -= rate * gradient.colwise().sum();
    w1 -= rate * x.transpose() * before;
    b1 -= rate * before.colwise().sum();
  }
};

}  // namespace

int main() {
  const points train(batches * batch, 1), held_out(512, 2);
  network student(3);
  matrix gradient;
  const double start =
      objective(student.logits(student.inside(held_out.x)), held_out.teacher, held_out.label, gradient);

  for (int epoch = 0; epoch < 20; ++epoch) {
    for (Index b = 0; b < batches; ++b) {
      const auto x = train.x.middleRows(b * batch, batch);
      const matrix inner = student.inside(x);
      objective(student.logits(inner), train.teacher.middleRows(b * batch, batch),
                train.label.segment(b * batch, batch), gradient);
      student.step(0.2F, x, inner, gradient);
    }
  }

  const matrix logits = student.logits(student.inside(held_out.x));
  const double end = objective(logits, held_out.teacher, held_out.label, gradient);
  const Eigen::MatrixXd exact = reference(logits, held_out.teacher, held_out.label);
  const double error = (gradient.cast<double>() - exact).cwiseAbs().maxCoeff() / exact.cwiseAbs().maxCoeff();
  std::printf("held-out loss %.4f, at the start %.4f; gradient off by %.1e of its largest entry\n", end, start, error);
  return end < 0.8 * start && error < 1e-5 ? 0 : 1;
}
