// Compares the answers that layers would give by heads of their own, each student layer with a mixture of the
// teacher's.
#pragma once

#include <array>
#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/losses/answering_heads.hpp"
#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/losses/layer_attention.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/universal_kd_cuda.hpp"
#else
#include "limbeck/losses/universal_kd_cpu.hpp"
#endif
#include "limbeck/mappings/block.hpp"

namespace limbeck {

/// value[sample] += temperature^2 * the sum over student layers of KL(softmax(c / temperature) || softmax(z /
/// temperature)), divided by the count of `over`. z: the logits of the layer's head at the sample's first token; c: the
/// mean of the teacher's z_i there with the weights softmax over i of scale * <z, z_i> (Wu et al. 2021, "Universal-KD",
/// section 3). Heads: a linear_projection [classes, width] for each layer, of the student to be learned, of the teacher
/// as they are, their gradients never wanted; none at all: states are logits. A student layer looks at the teacher
/// layers that the mapping pairs it with, as in alp_kd. Samples of weight 0 are skipped, garbage and all. Throws
/// contract_error where heads, classes, widths, samples, depths or weights do not fit, or temperature <= 0.
template <class T, mapping_policy Map = all_layers_mapping, backend B = cpu>
struct universal_kd {
  static constexpr signal_set reads = signal::hidden;
  Map map{};
  std::vector<linear_projection<T, B>> student_heads{}, teacher_heads{};
  universal_kd_options options{};

  template <launchable E, class S, class U, class A, class G>
    requires std::same_as<backend_of<E>, B>
  void operator()(const E& on, const signals<const S, B>& student, const signals<const U, B>& teacher,
                  const targets<A, B>&, const sink<A, B, G>& out) const {
    static_assert(std::same_as<A, T>, "the heads are of the type that the loss is computed in");
    detail::expects_state_pairs("universal_kd", map, detail::any_widths{}, student, teacher, out);
    expects(options.temperature > 0,
            [&] { return message("universal_kd: temperature ", options.temperature, ", must be positive"); });
    const depths layers{student.hidden.size(), teacher.hidden.size()};
    index classes = 0;
    std::array<bool, max_layers> seen{};
    map(layers, [&](layer_pair p) {
      const index count =
          detail::classes_of("student", student_heads, layers.student, p.student, student.hidden[p.student].extent(1));
      if (classes == 0) classes = count;
      for (const index other : {count, detail::classes_of("teacher", teacher_heads, layers.teacher, p.teacher,
                                                          teacher.hidden[p.teacher].extent(1))})
        expects(other == classes, [&] {
          return message("universal_kd: student layer ", p.student, " and teacher layer ", p.teacher, ": ", other,
                         " classes, ", classes, " elsewhere");
        });
      seen[p.teacher] = true;
    });
    for (std::size_t m = 0; m < layers.student; ++m) (void)detail::layers_attended("universal_kd", map, layers, m);
    const auto tokens = detail::tokens_answering(B{}, student, teacher, count_of(out.per, options.over), out);
    detail::universal_kd_rows(B{}, on, *this, classes, seen, layers, tokens, student, teacher, out);
  }
};

}  // namespace limbeck
