// Runs the worked cases of losses on the directions of hidden states and on vectors of samples, in the one place that a
// test has.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "golden/golden_place.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/losses/contrastive.hpp"
#include "limbeck/losses/cosine.hpp"
#include "limbeck/losses/info_nce.hpp"
#include "limbeck/losses/patience.hpp"
#include "limbeck/losses/relational.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck_test {

using limbeck::view;

inline void expects_vector_case(const loss_case& c, bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("loss case " + c.name() + ": " + what + " is not known");
}

/// Rows [samples, layers or tokens, width] of both models, and what a loss makes of them.
template <class A>
struct vector_case {
  tensor shape_of, teacher_shape;
  std::vector<A> student, teacher, gradient;
  std::vector<limbeck::sample_rows> rows{};
  limbeck::normaliser per{};

  vector_case(const loss_case& c, const char* teacher_name)
      : shape_of(c.input("student")),
        teacher_shape(c.input(teacher_name)),
        student(shape_of.as<A>()),
        teacher(teacher_shape.as<A>()),
        gradient(student.size()) {
    per.samples = static_cast<double>(samples());
  }
  [[nodiscard]] index samples() const { return shape_of.shape[0]; }

  // Layer l of sample b is its row l.
  template <class T>
  limbeck::signals<T, golden_backend> seen(golden_place& where, T* data, index tokens, index width,
                                           index layers) const {
    limbeck::signals<T, golden_backend> s;
    s.rows = view<const limbeck::sample_rows, 1, golden_backend>(where.bring(rows), rows.size());
    s.hidden = limbeck::per_layer<view<T, 2, golden_backend>>(static_cast<std::size_t>(layers));
    for (index l = 0; l < layers; ++l)
      s.hidden[static_cast<std::size_t>(l)] =
          view<T, 2, golden_backend>(data + l * width, {{tokens / layers, width}}, {{layers * width, 1}});
    return s;
  }
  template <class Loss>
  loss_outcome operator()(const Loss& loss, index layers = 1) {
    golden_place where;
    std::vector<A> value(rows.size());
    limbeck::sink<A, golden_backend> out{view<A, 1, golden_backend>(where.bring(value), value.size())};
    out.gradient = seen(where, where.bring(gradient), shape_of.rows(), shape_of.columns(), layers);
    out.per = per;
    const auto call = [&] {  // of a loss, or of what makes one where it works
      if constexpr (std::invocable<const Loss&, golden_place&>)
        return loss(where);
      else
        return loss;
    }();
    call(where.executor, seen(where, where.bring(std::as_const(student)), shape_of.rows(), shape_of.columns(), layers),
         seen(where, where.bring(std::as_const(teacher)), teacher_shape.rows(), teacher_shape.columns(), layers),
         limbeck::targets<A, golden_backend>{}, out);
    where.bring_back();
    double sum = 0;
    for (const A v : value) sum += static_cast<double>(v);
    return {sum, {{"student", tensor(shape_of.shape, gradient)}}};
  }
};

/// States [samples, length, width] and which tokens count: each run of tokens goes in as a sample of its own.
struct cosine_case {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    expects_vector_case(c, c.text("reduction") == "mean_valid", "a reduction other than mean_valid");
    vector_case<A> batch(c, "teacher");
    const tensor mask = c.input("mask");
    double tokens = 0;
    for (std::size_t i = 0; i < mask.data.size(); ++i)
      if (mask.data[i] != 0) {
        batch.rows.push_back({static_cast<index>(i), 1, 1});
        ++tokens;
      }
    batch.per.tokens = std::max(1.0, tokens);
    return batch(limbeck::cosine_loss{});
  }
};

/// First tokens [samples, layers, width].
struct patience_case {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    expects_vector_case(c, c.param("normalize", false), "patience without normalising");
    const std::string reduction = c.text("reduction");
    const bool of_elements = reduction == "mean_elements";
    expects_vector_case(c, of_elements || reduction == "batchmean_sum_layers", "reduction " + reduction);
    vector_case<A> batch(c, "teacher");
    for (index i = 0; i < batch.samples(); ++i) batch.rows.push_back({i, 1, 1});
    return batch(limbeck::patience{limbeck::uniform_mapping{}, of_elements ? limbeck::patience_scale::mean_element
                                                                           : limbeck::patience_scale::samples},
                 batch.shape_of.shape.at(1));
  }
};

/// Vectors [samples, width], each the only token of its sample.
template <class A>
vector_case<A> vectors_of(const loss_case& c, const char* teacher_name) {
  vector_case<A> batch(c, teacher_name);
  for (index i = 0; i < batch.samples(); ++i) batch.rows.push_back({i, 1, 1});
  return batch;
}

template <class Loss>
struct relational_case {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    return vectors_of<A>(c, "teacher")(Loss{.delta = c.param("huber_delta")});
  }
};

struct info_nce_case {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    expects_vector_case(c, c.param("normalize", false), "info_nce without normalising");
    return vectors_of<A>(c, "teacher")(limbeck::info_nce{.temperature = c.param("tau")});
  }
};

/// neg [samples, negatives, width]: as a bank that holds each once.
struct bank_case {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    expects_vector_case(c, c.param("one_sided", false), "a loss of both sides");
    const tensor shape = c.input("neg");
    const auto bank = shape.as<A>();
    std::vector<std::int32_t> entries(static_cast<std::size_t>(shape.rows()));
    std::iota(entries.begin(), entries.end(), 0);
    return vectors_of<A>(c, "pos")([&](golden_place& where) {
      limbeck::contrastive_nce<A, golden_backend> loss;
      loss.bank = view<const A, 2, golden_backend>(where.bring(bank), shape.rows(), shape.columns());
      loss.negatives =
          view<const std::int32_t, 2, golden_backend>(where.bring(entries), shape.shape.at(0), shape.shape.at(1));
      loss.data_size = static_cast<index>(c.param("n_data"));
      loss.temperature = c.param("tau");
      return loss;
    });
  }
};

[[maybe_unused]] inline const bool sample_vector_known =
    runs_loss("cosine", cosine_case{}) && runs_loss("pkd", patience_case{}) &&
    runs_loss("rkd_distance", relational_case<limbeck::relational_distance>{}) &&
    runs_loss("rkd_angle", relational_case<limbeck::relational_angle>{}) && runs_loss("infonce", info_nce_case{}) &&
    runs_loss("crd", bank_case{});

}  // namespace limbeck_test
