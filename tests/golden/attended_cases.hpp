// Runs the worked cases of losses in which a student's layer chooses among the teacher's, in the one place that a test
// has.
#pragma once

#include <stdexcept>
#include <utility>
#include <vector>

#include "golden/golden_place.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/universal_kd.hpp"

namespace limbeck_test {

/// One student layer [samples, width] and several teacher layers [samples, layers, width], a token a sample.
template <class A, class Loss>
loss_outcome of_several_layers(const loss_case& c, const Loss& loss) {
  using B = golden_backend;
  using limbeck::view;
  const auto shape = c.input("teacher").shape;
  const index samples = shape.at(0), depth = shape.at(1), width = shape.at(2);
  const auto student = c.input("student").as<A>(), teacher = c.input("teacher").as<A>();
  std::vector<A> gradient(student.size()), value(static_cast<std::size_t>(samples));
  std::vector<limbeck::sample_rows> rows;
  for (index i = 0; i < samples; ++i) rows.push_back({i, 1, 1});
  golden_place where;
  limbeck::signals<const A, B> mine, theirs;
  mine.rows = theirs.rows = view<const limbeck::sample_rows, 1, B>(where.bring(std::as_const(rows)), samples);
  mine.hidden = limbeck::per_layer<view<const A, 2, B>>(1);
  mine.hidden[0] = view<const A, 2, B>(where.bring(student), samples, width);
  theirs.hidden = limbeck::per_layer<view<const A, 2, B>>(static_cast<std::size_t>(depth));
  const A* const shown = where.bring(teacher);
  for (index n = 0; n < depth; ++n)
    theirs.hidden[static_cast<std::size_t>(n)] =
        view<const A, 2, B>(shown + n * width, {{samples, width}}, {{depth * width, 1}});
  limbeck::sink<A, B> out{view<A, 1, B>(where.bring(value), samples)};
  out.gradient.hidden = limbeck::per_layer<view<A, 2, B>>(1);
  out.gradient.hidden[0] = view<A, 2, B>(where.bring(gradient), samples, width);
  out.per.samples = static_cast<double>(samples);  // both reductions are means over samples
  loss(where.executor, mine, theirs, limbeck::targets<A, B>{}, out);
  where.bring_back();
  double sum = 0;
  for (const A v : value) sum += static_cast<double>(v);
  return {sum, {{"student", tensor({samples, width}, gradient)}}};
}

struct chosen_states {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    if (c.text("reduction") != "mean_elements") throw std::runtime_error("alp_kd: another reduction");
    return of_several_layers<A>(
        c, limbeck::alp_kd{limbeck::all_layers_mapping{},
                           limbeck::no_projection{},
                           {.scale = c.param("scale"), .attention_grad = c.param("attention_grad", true)}});
  }
};

struct chosen_logits {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    if (c.text("reduction") != "batchmean") throw std::runtime_error("universal_kd: another reduction");
    limbeck::universal_kd<A, limbeck::all_layers_mapping, golden_backend> loss;
    loss.options = {.temperature = c.param("T"),
                    .t_squared = c.param("t_squared", false),
                    .attention_grad = c.param("attention_grad", false)};
    return of_several_layers<A>(c, loss);
  }
};

[[maybe_unused]] inline const bool attended_known =
    runs_loss("alp_kd", chosen_states{}) && runs_loss("universal_kd", chosen_logits{});

}  // namespace limbeck_test
