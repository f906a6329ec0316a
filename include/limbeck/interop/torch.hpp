// libtorch's tensors as views, and objectives on logits as functions that autograd goes back through. libtorch 1.13 or
// newer.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>

#include "limbeck/core/half.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/write_gradient.hpp"

namespace limbeck {

/// What libtorch calls a type of elements.
template <class T>
inline constexpr at::ScalarType torch_type = at::ScalarType::Undefined;
template <class T>
inline constexpr at::ScalarType torch_type<const T> = torch_type<T>;
template <>
inline constexpr at::ScalarType torch_type<float> = at::kFloat;
template <>
inline constexpr at::ScalarType torch_type<double> = at::kDouble;
template <>
inline constexpr at::ScalarType torch_type<bfloat16> = at::kBFloat16;
template <>
inline constexpr at::ScalarType torch_type<float16> = at::kHalf;
template <>
inline constexpr at::ScalarType torch_type<std::int32_t> = at::kInt;

/// A view of rank `Rank` of a tensor on the CPU that stores T, with its strides; it lives as long as the memory does.
/// Throws contract_error where the tensor is undefined, lies elsewhere, is sparse, or stores or ranks otherwise.
template <class T, std::size_t Rank>
  requires(torch_type<T> != at::ScalarType::Undefined)
[[nodiscard]] view<T, Rank> tensor_view(const at::Tensor& t) {
  expects(t.defined(), "tensor_view: an undefined tensor");
  expects(t.device().is_cpu() && t.layout() == at::kStrided, [&] {
    std::ostringstream place;
    place << t.layout() << " tensor on " << t.device();
    return message("tensor_view: a ", place.str(), ", expected a strided one on the CPU");
  });
  expects(t.scalar_type() == torch_type<T>, [&] {
    return message("tensor_view: elements of ", c10::toString(t.scalar_type()), ", expected ",
                   c10::toString(torch_type<T>));
  });
  expects(t.dim() == static_cast<std::int64_t>(Rank),
          [&] { return message("tensor_view: rank ", t.dim(), ", expected ", Rank); });
  dimensions<Rank> extents{}, strides{};
  for (std::size_t r = 0; r < Rank; ++r) {
    extents.at[r] = static_cast<index>(t.size(static_cast<std::int64_t>(r)));
    strides.at[r] = static_cast<index>(t.stride(static_cast<std::int64_t>(r)));
    expects(std::is_const_v<T> || strides.at[r] != 0 || extents.at[r] <= 1,
            [&] { return message("tensor_view: stride 0 along ", extents.at[r], " elements that may be written"); });
  }
  return view<T, Rank>(static_cast<T*>(t.data_ptr()), extents, strides);
}

/// What an objective compares the student's logits with, and what it counts. An undefined tensor is not there.
struct torch_targets {
  at::Tensor teacher{};     ///< [rows, classes], logits, stored as the student's; no gradient goes there
  at::Tensor labels{};      ///< [rows], of any type of integers
  at::Tensor row_weight{};  ///< [rows], of the type of sums; 0 masks
  index valid_classes = 0;  ///< the rest is padding; 0: all are valid
  normaliser per{};
  int threads = 1;
};

namespace detail {

/// A number whose gradient with respect to one tensor is known before anybody asks.
struct known_gradient : ::torch::autograd::Function<known_gradient> {
  static at::Tensor forward(::torch::autograd::AutogradContext* context, const at::Tensor& student,
                            const at::Tensor& gradient, double value) {
    context->save_for_backward({gradient});
    return at::scalar_tensor(value, student.options());
  }
  static ::torch::autograd::variable_list backward(::torch::autograd::AutogradContext* context,
                                                   const ::torch::autograd::variable_list& behind) {
    expects(!at::GradMode::is_enabled(), "autograd_loss: there is no second derivative, leave out create_graph");
    return {behind[0] * context->get_saved_variables()[0], at::Tensor(), at::Tensor()};
  }
};

}  // namespace detail

/// The sum of an objective on logits, a tensor of no dimensions that autograd goes back through: value and gradient are
/// computed in one call, with the counts of `given.per`. T: what the logits store; sums are float, or double where T
/// is. Logits: [rows, classes], any strides. Throws contract_error as tensor_view and the losses do, and from a
/// backward pass with create_graph.
template <class T = float, some_loss Goal>
[[nodiscard]] at::Tensor autograd_loss(const Goal& goal, const at::Tensor& logits, const torch_targets& given) {
  using sums = std::conditional_t<std::same_as<T, double>, double, float>;
  const cpu_executor<> on{.threads = given.threads};
  const signals<const T> student{.logits = tensor_view<const T, 2>(logits), .valid_classes = given.valid_classes};
  signals<const T> teacher{.valid_classes = given.valid_classes};
  if (given.teacher.defined()) teacher.logits = tensor_view<const T, 2>(given.teacher);
  const at::Tensor labels = given.labels.defined() ? given.labels.to(at::kInt) : at::Tensor();
  targets<sums> known;
  if (labels.defined()) known.labels = tensor_view<const std::int32_t, 1>(labels);
  if (given.row_weight.defined()) known.row_weight = tensor_view<const sums, 1>(given.row_weight);

  const at::Tensor value = at::zeros({logits.size(0)}, at::TensorOptions(torch_type<sums>));
  sink<sums, cpu, T> out{.value = tensor_view<sums, 1>(value), .per = given.per};
  const auto sum = [&] { return value.sum(at::kDouble).template item<double>(); };
  if (!at::GradMode::is_enabled() || !logits.requires_grad()) {
    goal(on, student, teacher, known, out);
    return at::scalar_tensor(sum(), logits.options());
  }
  const at::Tensor gradient = at::empty(logits.sizes(), at::TensorOptions(torch_type<T>));
  out.gradient.logits = tensor_view<T, 2>(gradient);
  write_gradient(goal, on, student, teacher, known, out);
  return detail::known_gradient::apply(logits, gradient, sum());
}

}  // namespace limbeck
