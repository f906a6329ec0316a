// Runs the worked cases of losses on the directions of hidden states and on vectors of samples, and of those against a
// bank, which the host alone has: loss_cases_test.cpp looks at what comes of them.
#include "golden/sample_vector_cases.hpp"

#include <numeric>

#include "limbeck/losses/contrastive.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

// neg [samples, negatives, width]: as a bank that holds each once.
struct contrastive_case {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    limbeck_test::expects_vector_case(c, c.param("one_sided", false), "a loss of both sides");
    const tensor shape = c.input("neg");
    const auto bank = shape.as<A>();
    std::vector<std::int32_t> entries(static_cast<std::size_t>(shape.rows()));
    std::iota(entries.begin(), entries.end(), 0);
    limbeck::contrastive_nce<A> loss;
    loss.bank = view<const A, 2>(bank.data(), shape.rows(), shape.columns());
    loss.negatives = view<const std::int32_t, 2>(entries.data(), shape.shape.at(0), shape.shape.at(1));
    loss.data_size = static_cast<index>(c.param("n_data"));
    loss.temperature = c.param("tau");
    return limbeck_test::vectors_of<A>(c, "pos")(loss);
  }
};

[[maybe_unused]] const bool contrastive_known = limbeck_test::runs_loss("crd", contrastive_case{});

}  // namespace
