// Runs the worked cases of losses on attention maps, hidden states and embeddings, in the one place that a test has.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "golden/golden_place.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck_test {

using limbeck::mask_mode;
using limbeck::view;

[[noreturn]] inline void unknown(const loss_case& c, const std::string& what) {
  throw std::runtime_error("loss case " + c.name() + ": " + what + " is not known");
}

/// Where the valid tokens of a padded batch of `samples` lie, as the mask says; all of them without one.
struct valid_tokens {
  std::vector<limbeck::sample_rows> rows;
  std::vector<limbeck::block> blocks;

  valid_tokens(const loss_case& c, index samples, index heads, index length) {
    const std::vector<double> mask =
        c.has_input("mask") ? c.input("mask").data : std::vector<double>(static_cast<std::size_t>(samples * length), 1);
    for (index b = 0; b < samples; ++b) {
      const auto begin = mask.begin() + b * length, end = begin + length;
      const auto first = std::find_if(begin, end, [](double m) { return m != 0; }), last = std::find(first, end, 0.0);
      if (std::any_of(last, end, [](double m) { return m != 0; })) unknown(c, "a mask with a hole");
      const index offset = first - begin, count = last - first;
      rows.push_back({b * length + offset, count, count});
      blocks.push_back({b * heads * length * length + offset * length + offset, length});
    }
  }
  [[nodiscard]] view<const limbeck::sample_rows, 1> all() const {
    return view<const limbeck::sample_rows, 1>(rows.data(), rows.size());
  }
};

/// One layer in both models, and what a loss makes of it.
template <class A>
struct one_layer {
  tensor shape_of;
  std::vector<A> student, teacher, gradient, value;
  valid_tokens valid;
  golden_place where{};
  limbeck::normaliser per{};

  one_layer(const loss_case& c, index heads)
      : shape_of(c.input("student")),
        student(shape_of.as<A>()),
        teacher(c.input("teacher").as<A>()),
        gradient(student.size()),
        value(static_cast<std::size_t>(shape_of.shape.at(0))),
        valid(c, shape_of.shape[0], heads, shape_of.shape[shape_of.shape.size() - 2]) {}

  // signals of `data`, in the member that `put` fills
  template <class T, class Put>
  limbeck::signals<T, golden_backend> seen(T* data, index columns, Put&& put) {
    limbeck::signals<T, golden_backend> s;
    s.rows =
        view<const limbeck::sample_rows, 1, golden_backend>(where.bring(std::as_const(valid.rows)), valid.rows.size());
    put(s, data, columns);
    return s;
  }
  template <class Loss, class Put>
  loss_outcome operator()(const Loss& loss, index teacher_columns, Put&& put) {
    limbeck::sink<A, golden_backend> out{view<A, 1, golden_backend>(where.bring(value), value.size())};
    const index columns = shape_of.columns();
    out.gradient = seen(where.bring(gradient), columns, put);
    out.per = per;
    loss(where.executor, seen(where.bring(std::as_const(student)), columns, put),
         seen(where.bring(std::as_const(teacher)), teacher_columns, put), limbeck::targets<A, golden_backend>{}, out);
    where.bring_back();
    double sum = 0;
    for (const A v : value) sum += static_cast<double>(v);
    return {sum, {{"student", tensor(shape_of.shape, gradient)}}};
  }
};

/// What a mean over `counted` of `stored` divides by.
inline double divided_by(const loss_case& c, double counted, double stored) {
  const std::string reduction = c.text("reduction");
  if (reduction == "mean_valid" || reduction == "mean_valid_elements") return std::max(1.0, counted);
  if (reduction == "mean_elements") return std::max(1.0, stored);
  if (reduction == "sum") return 1;
  unknown(c, "reduction " + reduction);
}

/// Maps [samples, heads, length, length].
struct maps {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto shape = c.input("student").shape;
    one_layer<A> layer(c, shape.at(1));
    limbeck::attention_mse_options options;
    if (c.json.at("params").has("zero_below")) {
      if (c.param("zero_below") != -100) unknown(c, "zeroing below other than -100");
      options.mask = mask_mode::tinybert_zeroing;
    }
    const auto samples = static_cast<double>(shape[0]), length = static_cast<double>(shape[2]);
    layer.per.pairs = divided_by(c, limbeck::counts_of(layer.valid.all()).pairs, samples * length * length);
    return layer(limbeck::attention_mse{limbeck::uniform_mapping{}, options}, shape[3],
                 [&](auto& s, auto* data, index) {
                   s.scores = std::remove_cvref_t<decltype(s.scores)>(1);
                   s.scores[0] = {data, shape[1],
                                  view<const limbeck::block, 1, golden_backend>(
                                      layer.where.bring(std::as_const(layer.valid.blocks)), layer.valid.blocks.size())};
                 });
  }
};

/// States [samples, length, width]; the file's weight is [student width, teacher width].
template <bool Embeddings>
struct states {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    one_layer<A> layer(c, 1);
    const auto& shape = layer.shape_of.shape;
    const index tokens = shape.at(0) * shape.at(1), width = shape.at(2), teacher_width = c.input("teacher").columns();
    layer.per.tokens = divided_by(c, limbeck::counts_of(layer.valid.all()).tokens, static_cast<double>(tokens));
    const auto put = [&](auto& s, auto* data, index columns) {
      const view<std::remove_pointer_t<decltype(data)>, 2, golden_backend> all(data, tokens, columns);
      if constexpr (Embeddings) {
        s.embeddings = all;
      } else {
        s.hidden = std::remove_cvref_t<decltype(s.hidden)>(1);
        s.hidden[0] = all;
      }
    };
    const auto run = [&](const auto& projection) {
      if constexpr (Embeddings)
        return layer(limbeck::embedding_mse{projection}, teacher_width, put);
      else
        return layer(limbeck::hidden_mse{limbeck::uniform_mapping{}, projection}, teacher_width, put);
    };
    if (!c.has_input("weight")) return run(limbeck::no_projection{});

    const auto weight = c.input("weight").as<A>(),
               bias = c.has_input("bias") ? c.input("bias").as<A>() : std::vector<A>{};
    std::vector<A> weight_gradient(weight.size()), bias_gradient(bias.size());
    limbeck::linear_projection<A, golden_backend> projection;
    projection.weight = transposed(view<const A, 2, golden_backend>(layer.where.bring(weight), width, teacher_width));
    projection.weight_gradient =
        transposed(view<A, 2, golden_backend>(layer.where.bring(weight_gradient), width, teacher_width));
    if (!bias.empty()) {
      projection.bias = view<const A, 1, golden_backend>(layer.where.bring(bias), teacher_width);
      projection.bias_gradient = view<A, 1, golden_backend>(layer.where.bring(bias_gradient), teacher_width);
    }
    loss_outcome got = run(projection);
    got.grads["weight"] = tensor({width, teacher_width}, weight_gradient);
    got.grads["bias"] = tensor({teacher_width}, bias_gradient);
    return got;
  }
};

[[maybe_unused]] inline const bool states_known = runs_loss("attention_mse", maps{}) &&
                                                  runs_loss("hidden_mse", states<false>{}) &&
                                                  runs_loss("embedding_mse", states<true>{});

}  // namespace limbeck_test
