// Hidden states of a teacher made as deep as the student: each layer a mean over several.
#pragma once

#include <string>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// How many numbers layer_means() needs room for.
template <class U>
[[nodiscard]] index layer_means_room(const signals<const U>& teacher, std::size_t student_layers) {
  return teacher.hidden.empty()
             ? 0
             : static_cast<index>(student_layers) * teacher.hidden[0].extent(0) * teacher.hidden[0].extent(1);
}

/// Signals with the student's depth: hidden layer m is the mean, by the weights of their pairs, of the teacher's layers
/// that `map` pairs student layer m with; empty where there is none. Any loss on hidden states compares with them under
/// first_mapping. Squared distances then have the gradients that weights of pairs give (block_mapping in hidden_mse),
/// their values are less by the teacher's variance within a block. room: layer_means_room() numbers or more, which the
/// result looks at; tokens of no sample are neither read nor written there. Throws contract_error where the mapping
/// does not suit the depths, a layer was not kept or has another shape than the first, weights sum to 0, or the room
/// is too small.
template <class Provider, class U, class A>
[[nodiscard]] signals<const A> layer_means(const cpu_executor<Provider>& on, const signals<const U>& teacher,
                                           const mapping_policy auto& map, std::size_t student_layers,
                                           view<A, 1> room) {
  const depths layers{student_layers, teacher.hidden.size()};
  per_layer<double> sum(student_layers);
  map(layers, [&](layer_pair p) {
    const auto& states = teacher.hidden[p.teacher];
    expects(!states.empty() && states.extent(0) == teacher.hidden[0].extent(0) &&
                states.extent(1) == teacher.hidden[0].extent(1),
            [&] {
              return message("layer_means: teacher layer ", p.teacher, " is ", shape_text(states), ", the first ",
                             shape_text(teacher.hidden[0]));
            });
    sum[p.student] += p.weight;
  });
  map(layers, [&](layer_pair p) {
    expects(sum[p.student] != 0,
            [&] { return message("layer_means: the weights of student layer ", p.student, " sum to 0"); });
  });
  const index needed = layer_means_room(teacher, student_layers);
  expects(room.extent(0) >= needed && room.contiguous(), [&] {
    return message("layer_means: room for ", room.extent(0), " numbers side by side, ", needed, " are needed");
  });

  const index tokens = teacher.hidden[0].extent(0), width = teacher.hidden[0].extent(1);
  per_layer<view<A, 2>> mean(student_layers);
  const auto each_row = [&](const auto& body) {
    parallel_for(on.threads, teacher.rows.extent(0), index{1}, [&](index begin, index end) {
      for (index i = begin; i < end; ++i)
        for (index r = 0; r < teacher.rows(i).length; ++r) body(teacher.rows(i).begin + r);
    });
  };
  map(layers, [&](layer_pair p) {
    const bool fresh = mean[p.student].empty();
    if (fresh)
      mean[p.student] = view<A, 2>(room.data() + static_cast<index>(p.student) * tokens * width, tokens, width);
    const auto share = static_cast<A>(p.weight / sum[p.student]);
    const view<A, 2> to = mean[p.student];
    const auto from = teacher.hidden[p.teacher];
    each_row([&](index row) {
      for (index c = 0; c < width; ++c) to(row, c) = (fresh ? A(0) : to(row, c)) + share * static_cast<A>(from(row, c));
    });
  });
  signals<const A> made;
  made.rows = teacher.rows;
  made.hidden = per_layer<view<const A, 2>>(student_layers);
  for (std::size_t m = 0; m < student_layers; ++m) made.hidden[m] = mean[m];
  return made;
}

}  // namespace limbeck
