// Runs the worked cases of losses on attention distributions and self-attention relations, in the one place that a test
// has.
#pragma once

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "golden/golden_place.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/losses/attention_kl.hpp"
#include "limbeck/losses/relations.hpp"

namespace limbeck_test {

using limbeck::view;

/// The samples of a padded batch, and where their maps lie; each valid from its first token on, as far as a mask says.
struct relation_samples {
  std::vector<limbeck::sample_rows> rows;
  std::vector<limbeck::block> blocks;

  relation_samples(const loss_case& c, index samples, index heads, index length) {
    for (index b = 0; b < samples; ++b) {
      index valid = length;
      if (c.has_input("mask")) {
        const std::vector<double> masks = c.input("mask").data;
        const auto mask = masks.begin() + b * length;
        valid = std::find(mask, mask + length, 0.0) - mask;
        if (std::count(mask, mask + length, 0.0) != length - valid)
          throw std::runtime_error("loss case " + c.name() + ": a mask with a hole is not known");
      }
      rows.push_back({b * length, valid, valid});
      blocks.push_back({b * heads * length * length, length});
    }
  }
  [[nodiscard]] view<const limbeck::sample_rows, 1> all() const {
    return view<const limbeck::sample_rows, 1>(rows.data(), rows.size());
  }
  [[nodiscard]] view<const limbeck::sample_rows, 1, golden_backend> rows_in(golden_place& where) const {
    return view<const limbeck::sample_rows, 1, golden_backend>(where.bring(rows), rows.size());
  }
};

/// The means of the cases are over valid rows.
template <class A, class Loss>
double relation_value(const loss_case& c, const Loss& loss, const std::string& reduction, golden_place& where,
                      const relation_samples& valid, const limbeck::signals<const A, golden_backend>& student,
                      const limbeck::signals<const A, golden_backend>& teacher,
                      const limbeck::signals<A, golden_backend>& gradient) {
  if (c.text("reduction") != reduction)
    throw std::runtime_error("loss case " + c.name() + ": reduction " + c.text("reduction") + " is not known");
  std::vector<A> value(static_cast<std::size_t>(student.rows.extent(0)));
  limbeck::sink<A, golden_backend> out{.value = view<A, 1, golden_backend>(where.bring(value), value.size()),
                                       .gradient = gradient};
  out.per = limbeck::counts_of(valid.all());
  loss(where.executor, student, teacher, limbeck::targets<A, golden_backend>{}, out);
  where.bring_back();
  double sum = 0;
  for (const A v : value) sum += static_cast<double>(v);
  return sum;
}

/// Scores [samples, heads, length, length].
struct attention_distributions {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto shape = c.input("student").shape;
    const auto student = c.input("student").as<A>(), teacher = c.input("teacher").as<A>();
    std::vector<A> gradient(student.size());
    const relation_samples valid(c, shape.at(0), shape.at(1), shape.at(2));
    golden_place where;
    const auto seen = [&](auto& numbers) {
      auto* const data = where.bring(numbers);
      limbeck::signals<std::remove_pointer_t<decltype(data)>, golden_backend> s;
      s.rows = valid.rows_in(where);
      s.scores = std::remove_cvref_t<decltype(s.scores)>(1);
      s.scores[0] = {data, shape[1],
                     view<const limbeck::block, 1, golden_backend>(where.bring(valid.blocks), valid.blocks.size())};
      return s;
    };
    const double value = relation_value<A>(c, limbeck::attention_kl{}, "mean_valid_rows", where, valid, seen(student),
                                           seen(teacher), seen(gradient));
    return {value, {{"student", tensor(shape, gradient)}}};
  }
};

/// Matrices [samples, length, width] of one layer. The names of a model's: queries, keys, values; an empty name is
/// none.
template <class A>
struct layer_of_vectors {
  std::vector<A> data[3];
  index width = 0;

  layer_of_vectors(const loss_case& c, const std::array<std::string, 3>& names) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (names[i].empty()) continue;
      data[i] = c.input(names[i].c_str()).as<A>();
      width = c.input(names[i].c_str()).columns();
    }
  }
  void clear() {
    for (auto& d : data) d.assign(d.size(), A(0));
  }
  template <class T>
  [[nodiscard]] limbeck::signals<T, golden_backend> seen(golden_place& where, const relation_samples& valid) {
    limbeck::signals<T, golden_backend> s;
    s.rows = valid.rows_in(where);
    limbeck::per_layer<view<T, 2, golden_backend>>* const to[3] = {&s.queries, &s.keys, &s.values};
    for (std::size_t i = 0; i < 3; ++i) {
      if (data[i].empty()) continue;
      *to[i] = limbeck::per_layer<view<T, 2, golden_backend>>(1);
      (*to[i])[0] = view<T, 2, golden_backend>(where.bring(data[i]), static_cast<index>(data[i].size()) / width, width);
    }
    return s;
  }
};

template <class A, class Loss>
loss_outcome relation_case_of(const loss_case& c, const Loss& loss, const std::array<std::string, 3>& students,
                              const std::array<std::string, 3>& teachers) {
  const auto shape = c.input(students[2].c_str()).shape;
  const relation_samples valid(c, shape.at(0), 1, shape.at(1));
  layer_of_vectors<A> student(c, students), teacher(c, teachers), gradient = student;
  gradient.clear();
  loss_outcome got;
  golden_place where;
  got.value = relation_value<A>(c, loss, "mean_rows", where, valid, student.template seen<const A>(where, valid),
                                teacher.template seen<const A>(where, valid), gradient.template seen<A>(where, valid));
  for (std::size_t i = 0; i < 3; ++i)
    if (!students[i].empty()) got.grads[students[i]] = tensor(shape, gradient.data[i]);
  return got;
}

struct relation_of_values {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const limbeck::value_relation loss{limbeck::top_mapping{}, {.heads = c.param("heads", index{0})}};
    return relation_case_of<A>(c, loss, {"", "", "student"}, {"", "", "teacher"});
  }
};
struct relations_of_all {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto weights = c.json.at("params").at("weights").template as<std::vector<double>>();
    const limbeck::minilm_relations loss{
        limbeck::top_mapping{},
        {.heads = c.param("relation_heads", index{0}), .weights = {weights.at(0), weights.at(1), weights.at(2)}}};
    return relation_case_of<A>(c, loss, {"student_q", "student_k", "student_v"},
                               {"teacher_q", "teacher_k", "teacher_v"});
  }
};

[[maybe_unused]] inline const bool relation_known = runs_loss("attention_kl", attention_distributions{}) &&
                                                    runs_loss("minilm_value_relation", relation_of_values{}) &&
                                                    runs_loss("minilmv2", relations_of_all{});

}  // namespace limbeck_test
