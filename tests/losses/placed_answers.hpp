// Layers' heads wherever a test runs the loss that compares their answers.
#pragma once

#include <vector>

#include "limbeck/losses/universal_kd.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/placed_projection.hpp"

namespace limbeck_test {

/// universal_kd of student layers that look at some of three teacher layers, some of whose pairs weigh more; with a
/// head of `classes` for each layer, or, for 0, none.
template <class A, limbeck::backend B>
struct placed_answers {
  limbeck::explicit_mapping map{{{0, 0, 1}, {0, 2, 2.5}, {1, 1, 0.5}, {1, 2, 1}}};
  limbeck::universal_kd_options options{};
  std::vector<placed_projection<A, B>> student, teacher;

  placed_answers(limbeck::universal_kd_options options, index width, index teacher_width, index classes)
      : options(options) {
    if (classes == 0) return;
    student.assign(2, {width, classes});
    teacher.assign(3, {teacher_width, classes});
    for (A& x : teacher[1].weight) x = -x;  // a layer unlike the others
  }
  template <class Place>
  [[nodiscard]] limbeck::universal_kd<A, limbeck::explicit_mapping, B> in(Place& where) {
    limbeck::universal_kd<A, limbeck::explicit_mapping, B> loss{map, {}, {}, options};
    for (auto& head : student) loss.student_heads.push_back(head.in(where));
    for (auto& head : teacher) loss.teacher_heads.push_back(head.in(where));
    return loss;
  }
};

}  // namespace limbeck_test
