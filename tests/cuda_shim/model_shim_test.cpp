// Models on CUDA's kernels, on the processor: every signal and every gradient against the host's.
#include "shimmed_ops.hpp"

#include "models/device_model_cases.hpp"
#include "models/outcome_on_cpu.hpp"

namespace {

using limbeck_test::check_model;
using limbeck_test::model_case;
using limbeck_test::model_kind;
using limbeck_test::outcome_on_cpu;

TEST_CASE("a model on CUDA kernels leaves the signals and gradients of the host") {
  limbeck_test::for_model_cases([](const model_case& c) { check_model(c, outcome_on_cpu(c)); });
}

TEST_CASE("a placed batch may be run again") {
  const model_case c;
  check_model(c, outcome_on_cpu(c), 3);
}

TEST_CASE("a pass over a model on CUDA kernels allocates nothing after the first") {
  using limbeck::cuda, limbeck::cuda_executor, limbeck::view;
  const auto model =
      limbeck::make_bert_classifier({.vocabulary = 13, .layers = 2, .width = 8, .heads = 2, .inner = 12}, 3);
  limbeck::cuda_context context;
  const cuda_executor on{.context = &context};
  limbeck_test::device_copy<float> weights(on, limbeck_test::weights_of(model)),
      gradient(on, limbeck_test::weights_of(model));
  limbeck::bert_classifier::pass<float, cuda> pass(on);
  const view<const float, 1, cuda> seen = weights.all();
  const auto step = [&](limbeck::signal_set reads) {
    (void)model.forward(on, seen, limbeck_test::packed.seen(), reads, {.keeps = true}, pass);
    model.backward(on, seen, pass, gradient.all());
  };
  step(limbeck::signal::all);
  step(limbeck::signal::all);
  const long before = limbeck_cuda_shim::allocations;
  step(limbeck::signal::all);
  step(limbeck::signal::logits);
  CHECK(limbeck_cuda_shim::allocations == before);
}

}  // namespace
