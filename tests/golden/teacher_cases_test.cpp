// The worked cases of what is made of a teacher: weights of samples, mixtures, revised labels.
#include <cmath>

#include "golden/loss_case.hpp"
#include "limbeck/losses/sample_weights.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/teacher_logits.hpp"
#include "losses/logit_case.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

struct adakd {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto losses = c.input("teacher_loss").as<A>();
    std::vector<A> alpha(losses.size());
    limbeck::adakd_weights(view<const A, 1>(losses.data(), losses.size()), c.param("k"),
                           view<A, 1>(alpha.data(), alpha.size()));
    return {{}, {}, {{"alpha", tensor(c.input("teacher_loss").shape, alpha)}}};
  }
};

struct revised {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor shape = c.input("teacher");
    const auto teacher = shape.as<A>();
    const auto labels = c.input("labels").as<std::int32_t>();
    std::vector<A> out(teacher.size()), beta(labels.size());
    limbeck::revise_teacher(view<const A, 2>(teacher.data(), shape.rows(), shape.columns()),
                            view<const std::int32_t, 1>(labels.data(), labels.size()), c.param("eta"),
                            view<A, 2>(out.data(), shape.rows(), shape.columns()),
                            view<A, 1>(beta.data(), beta.size()));
    for (A& x : out) x = std::exp(x);
    return {{}, {}, {{"revised", tensor(shape.shape, out)}, {"beta", tensor({shape.rows()}, beta)}}};
  }
};

struct several_teachers {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor shape = c.input("student");
    const auto weights = c.json.at("params").at("weights").as<std::vector<double>>();
    std::vector<std::vector<A>> teachers;
    std::vector<view<const A, 2>> seen;
    for (std::size_t k = 0; k < weights.size(); ++k)
      teachers.push_back(c.input(("teacher" + std::to_string(k)).c_str()).as<A>());
    for (const auto& t : teachers) seen.emplace_back(t.data(), shape.rows(), shape.columns());
    limbeck_test::logit_case<A> batch{shape.rows(), shape.columns(), shape.as<A>(), shape.as<A>()};
    limbeck::mix_teachers<A>(seen, weights, c.param("T"),
                             view<A, 2>(batch.teacher.data(), shape.rows(), shape.columns()));
    batch.per.rows = static_cast<double>(shape.rows());
    const auto got =
        batch(limbeck::soft_target_kl{.temperature = c.param("T"), .t_squared = c.param("t_squared", false)});
    return {static_cast<double>(got.total()), {{"student", tensor(shape.shape, got.gradient)}}};
  }
};

const bool known_of_teachers = limbeck_test::runs_loss("adakd_weight", adakd{}) &&
                               limbeck_test::runs_loss("label_revision", revised{}) &&
                               limbeck_test::runs_loss("multi_teacher_kl", several_teachers{});

}  // namespace
