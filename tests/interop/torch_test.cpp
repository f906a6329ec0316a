// libtorch's tensors as views, and objectives that autograd goes back through.
#include "limbeck/interop/torch.hpp"

#include <torch/torch.h>

#include "catch.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"

namespace limbeck {
namespace {

TEST_CASE("a tensor, and a part of one, is seen where it lies") {
  const torch::Tensor whole = torch::arange(24, torch::kFloat).reshape({4, 6});
  CHECK(tensor_view<const float, 2>(whole)(3, 5) == 23);
  const view<float, 2> part = tensor_view<float, 2>(whole.slice(0, 1, 3).slice(1, 2));
  CHECK(part.stride(0) == 6);
  part(1, 3) = -1;
  CHECK(whole[2][5].item<float>() == -1);
  CHECK(tensor_view<const float, 2>(whole.t())(5, 3) == 23);
}

TEST_CASE("tensors of another type, rank, layout or place are refused") {
  const torch::Tensor t = torch::zeros({2, 3});
  CHECK_THROWS_WITH((tensor_view<const double, 2>(t)), "tensor_view: elements of Float, expected Double");
  CHECK_THROWS_WITH((tensor_view<const float, 1>(t)), "tensor_view: rank 2, expected 1");
  CHECK_THROWS_WITH((tensor_view<const float, 1>(torch::Tensor())), "tensor_view: an undefined tensor");
  CHECK_THROWS_WITH((tensor_view<float, 2>(torch::zeros({1, 3}).expand({2, 3}))),
                    "tensor_view: stride 0 along 2 elements that may be written");
  CHECK_THROWS_WITH((tensor_view<const float, 2>(t.to_sparse())),
                    "tensor_view: a Sparse tensor on cpu, expected a strided one on the CPU");
}

TEST_CASE("autograd goes back through an objective as through libtorch's own losses") {
  namespace F = torch::nn::functional;
  torch::manual_seed(3);
  const torch::Tensor hidden = torch::randn({6, 4}, torch::kDouble), weight = torch::randn({5, 4}, torch::kDouble);
  const torch::Tensor teacher = torch::randn({6, 5}, torch::kDouble), labels = torch::tensor({1, 0, -100, 4, 2, 2});
  const auto goal = 0.9 * soft_target_kl{.temperature = 2} + 0.1 * cross_entropy{};

  const torch::Tensor ours = weight.clone().set_requires_grad(true), theirs = weight.clone().set_requires_grad(true);
  const torch::Tensor loss =
      autograd_loss<double>(goal, hidden.matmul(ours.t()), {.teacher = teacher, .labels = labels, .per = {.rows = 6}});
  (3 * loss).backward();
  const torch::Tensor z = hidden.matmul(theirs.t());
  const torch::Tensor expected =
      0.9 * 4 *
          F::kl_div(F::log_softmax(z / 2, 1), F::softmax(teacher / 2, 1),
                    F::KLDivFuncOptions().reduction(torch::kSum)) +
      0.1 * F::cross_entropy(z, labels, F::CrossEntropyFuncOptions().reduction(torch::kSum).ignore_index(-100));
  (3 * expected / 6).backward();

  CHECK(loss.dim() == 0);
  CHECK(loss.item<double>() == Approx(expected.item<double>() / 6).epsilon(1e-12));
  CHECK((ours.grad() - theirs.grad()).abs().max().item<double>() < 1e-12);
}

TEST_CASE("masked rows and padded columns have no gradient, whatever they hold") {
  torch::Tensor logits = torch::randn({3, 8}), teacher = torch::randn({3, 8});
  logits.slice(1, 6).fill_(limbeck_test::undefined);
  teacher[1].fill_(limbeck_test::undefined);
  logits.set_requires_grad(true);
  autograd_loss(soft_target_kl{.temperature = 1}, logits,
                {.teacher = teacher, .row_weight = torch::tensor({1.0F, 0.0F, 1.0F}), .valid_classes = 6})
      .backward();
  CHECK(logits.grad().slice(1, 6).abs().sum().item<float>() == 0);
  CHECK(logits.grad()[1].abs().sum().item<float>() == 0);
  CHECK(logits.grad()[0].abs().sum().item<float>() > 0);
}

TEST_CASE("bfloat16 logits get a gradient of bfloat16, and none where nobody asked") {
  const torch::Tensor logits = torch::randn({4, 6}).to(torch::kBFloat16).set_requires_grad(true);
  const torch::Tensor teacher = torch::randn({4, 6}).to(torch::kBFloat16);
  const torch_targets given{.teacher = teacher};
  autograd_loss<bfloat16>(soft_target_kl{.temperature = 1}, logits, given).backward();
  CHECK(logits.grad().scalar_type() == torch::kBFloat16);
  const torch::NoGradGuard no_gradient;
  CHECK_FALSE(autograd_loss<bfloat16>(soft_target_kl{.temperature = 1}, logits, given).requires_grad());
}

TEST_CASE("a second derivative is refused") {
  const torch::Tensor logits = torch::randn({2, 3}).set_requires_grad(true);
  const torch::Tensor loss = autograd_loss(soft_target_kl{.temperature = 1}, logits, {.teacher = torch::randn({2, 3})});
  CHECK_THROWS_WITH(torch::autograd::grad({loss}, {logits}, {}, true, true),
                    Catch::Contains("there is no second derivative"));
}

}  // namespace
}  // namespace limbeck
