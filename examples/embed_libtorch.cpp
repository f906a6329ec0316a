// Distillation in a training loop of libtorch: a module learns from a wider one and from labels, by limbeck's KL and
// cross-entropy. To autograd the objective is one function whose gradient is known; modules and optimiser stay
// libtorch's.
#include <limbeck/interop/torch.hpp>
#include <limbeck/losses/cross_entropy.hpp>
#include <limbeck/losses/objective.hpp>
#include <limbeck/losses/soft_target.hpp>

#include <torch/torch.h>

#include <cstdio>

namespace {

constexpr std::int64_t inputs = 8, classes = 10, training = 768, samples = 1024;  // the last 256 are held out

torch::nn::Sequential network(std::int64_t width) {
  return torch::nn::Sequential(torch::nn::Linear(inputs, width), torch::nn::Tanh(), torch::nn::Linear(width, classes));
}

torch::Tensor objective(const torch::Tensor& student, const torch::Tensor& teacher, const torch::Tensor& labels) {
  const auto goal = 0.9 * limbeck::soft_target_kl{.temperature = 2} + 0.1 * limbeck::cross_entropy{};
  return limbeck::autograd_loss(
      goal, student, {.teacher = teacher, .labels = labels, .per = {.rows = static_cast<double>(student.size(0))}});
}

/// The gradient of the logits, by limbeck from float and by libtorch's own losses from double.
double gradient_error(const torch::Tensor& logits, const torch::Tensor& teacher, const torch::Tensor& labels) {
  namespace F = torch::nn::functional;
  const torch::Tensor z = logits.detach().clone().set_requires_grad(true);
  objective(z, teacher, labels).backward();

  const torch::Tensor exact = logits.detach().to(torch::kDouble).set_requires_grad(true);
  const torch::Tensor soft = F::kl_div(F::log_softmax(exact / 2, 1), F::softmax(teacher.to(torch::kDouble) / 2, 1),
                                       F::KLDivFuncOptions().reduction(torch::kBatchMean));
  (0.9 * 4 * soft + 0.1 * F::cross_entropy(exact, labels)).backward();
  return ((z.grad() - exact.grad()).abs().max() / exact.grad().abs().max()).item<double>();
}

}  // namespace

int main() {
  torch::manual_seed(1);
  torch::set_num_threads(1);
  torch::nn::Sequential wide = network(256), student = network(32);
  torch::Tensor x, answers;
  {
    const torch::NoGradGuard no_gradient;
    x = torch::randn({samples, inputs});
    answers = 6 * wide->forward(x);  // random weights say little: six times as sure
  }
  const torch::Tensor labels = answers.argmax(1);
  const auto held_out = [&](const torch::Tensor& t) { return t.slice(0, training); };
  const auto seen = [&](const torch::Tensor& t) { return t.slice(0, 0, training); };
  const auto held_out_loss = [&] {
    const torch::NoGradGuard no_gradient;
    return objective(student->forward(held_out(x)), held_out(answers), held_out(labels)).item<double>();
  };

  const double start = held_out_loss();
  torch::optim::Adam optimiser(student->parameters(), torch::optim::AdamOptions(1e-2));
  for (int step = 0; step < 200; ++step) {
    optimiser.zero_grad();
    objective(student->forward(seen(x)), seen(answers), seen(labels)).backward();
    optimiser.step();
  }
  const double end = held_out_loss();
  const double error = gradient_error(student->forward(held_out(x)), held_out(answers), held_out(labels));
  std::printf("held-out loss %.4f, at the start %.4f; gradient off by %.1e of its largest entry\n", end, start, error);
  return end < 0.8 * start && error < 1e-5 ? 0 : 1;
}
