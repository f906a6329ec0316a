// The worked cases of weights that look at a validation batch: RW-KD.
#include <numeric>

#include "golden/loss_case.hpp"
#include "limbeck/losses/look_ahead.hpp"
#include "losses/linear_student.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_test::linear_batch;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

template <class A>
linear_batch<A> batch_of_case(const loss_case& c, const std::string& suffix) {
  const tensor x = c.input(("x" + suffix).c_str()), teacher = c.input(("teacher" + suffix).c_str());
  return {x.rows(),    x.columns(),     teacher.columns(),
          x.as<A>(),   teacher.as<A>(), c.input(("labels" + suffix).c_str()).template as<std::int32_t>(),
          c.param("T")};
}
template <class A>
std::vector<A> shares_of_mean(index samples) {
  return std::vector<A>(static_cast<std::size_t>(samples), A(1) / static_cast<A>(samples));
}
// The mean of (1 - share) * task + share * teacher.
template <class A>
double mixed_loss(const linear_batch<A>& batch, const std::vector<A>& w, const std::vector<A>& share) {
  const auto task = batch.loss(0, w).value, teacher = batch.loss(1, w).value;
  double sum = 0;
  for (std::size_t i = 0; i < share.size(); ++i)
    sum += static_cast<double>((1 - share[i]) * task[i] + share[i] * teacher[i]);
  return sum / static_cast<double>(share.size());
}

struct looked_ahead {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto train = batch_of_case<A>(c, ""), validation = batch_of_case<A>(c, "_val");
    const auto w = c.input("student_weight").as<A>();
    auto direction = validation.gradient(0, w, shares_of_mean<A>(validation.samples));
    const auto of_teacher = validation.gradient(1, w, shares_of_mean<A>(validation.samples));
    for (std::size_t k = 0; k < direction.size(); ++k) direction[k] += of_teacher[k];
    const auto products = train.products(w, direction);
    const index n = train.samples;
    std::vector<A> share(static_cast<std::size_t>(n));
    limbeck::look_ahead_shares(view<const A, 2>(products.data(), 2, n), view<A, 1>(share.data(), n),
                               {.learning_rate = c.param("lr"), .beta = c.param("beta"), .least = c.param("delta")});
    return {{},
            {},
            {{"lambda_kd", tensor({n}, share)},
             {"train_loss", tensor({}, std::vector<double>{mixed_loss(train, w, share)})},
             {"grad_e_ce", scaled(products, 0, n, -c.param("lr"))},
             {"grad_e_kd", scaled(products, n, n, -c.param("lr"))},
             {"u_ce", counted(products, 0, n, c)},
             {"u_kd", counted(products, n, n, c)}}};
  }

 private:
  template <class A>
  static tensor scaled(const std::vector<A>& products, index first, index n, double by) {
    std::vector<double> out;
    for (index i = 0; i < n; ++i)
      out.push_back(by * static_cast<double>(products[static_cast<std::size_t>(first + i)]));
    return tensor({n}, out);
  }
  template <class A>
  static tensor counted(const std::vector<A>& products, index first, index n, const loss_case& c) {
    tensor u = scaled(products, first, n, c.param("lr") * c.param("beta"));
    for (double& x : u.data) x = std::max(x, c.param("delta"));
    return u;
  }
};

struct meta_learned {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto train = batch_of_case<A>(c, ""), validation = batch_of_case<A>(c, "_val");
    const auto w = c.input("student_weight").as<A>(), phi = c.input("phi").as<A>();
    const index n = train.samples;
    std::vector<A> losses = train.loss(0, w).value;
    const auto of_teacher = train.loss(1, w).value;
    losses.insert(losses.end(), of_teacher.begin(), of_teacher.end());
    const view<const A, 2> seen(losses.data(), 2, n);
    std::vector<A> share(static_cast<std::size_t>(n)), d_share(share.size()), d_phi(phi.size(), A(0));
    const limbeck::meta_weight_network<A> network{view<const A, 1>(phi.data(), phi.size())};
    network.shares(seen, view<A, 1>(share.data(), n));

    std::vector<A> task_weight, teacher_weight, ahead = w;
    for (const A s : share) {
      task_weight.push_back((1 - s) / static_cast<A>(n));
      teacher_weight.push_back(s / static_cast<A>(n));
    }
    const auto task = train.gradient(0, w, task_weight), teacher = train.gradient(1, w, teacher_weight);
    for (std::size_t k = 0; k < ahead.size(); ++k) ahead[k] -= static_cast<A>(c.param("lr")) * (task[k] + teacher[k]);
    const auto mean = shares_of_mean<A>(validation.samples);
    const auto values = validation.loss(0, ahead).value;
    const auto products = train.products(w, validation.gradient(0, ahead, mean));
    limbeck::look_ahead_share_gradients(view<const A, 2>(products.data(), 2, n), c.param("lr"),
                                        view<A, 1>(d_share.data(), n));
    network.add_gradient(seen, view<const A, 1>(d_share.data(), n), view<A, 1>(d_phi.data(), d_phi.size()));
    const double meta = static_cast<double>(std::accumulate(values.begin(), values.end(), A(0))) /
                        static_cast<double>(validation.samples);
    return {{},
            {},
            {{"lambda_kd", tensor({n}, share)},
             {"train_loss", tensor({}, std::vector<double>{mixed_loss(train, w, share)})},
             {"lookahead_weight", tensor(c.input("student_weight").shape, ahead)},
             {"meta_loss", tensor({}, std::vector<double>{meta})},
             {"grad_phi", tensor(c.input("phi").shape, d_phi)}}};
  }
};

[[maybe_unused]] const bool weighting_known = limbeck_test::runs_loss("rwkd_lookahead", looked_ahead{}) &&
                                              limbeck_test::runs_loss("rwkd_metanet", meta_learned{});

}  // namespace
