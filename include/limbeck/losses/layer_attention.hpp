// A student's layer that looks at several of the teacher's, row by row, and weighs them by how alike they are: what
// ALP-KD and Universal-KD share.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// Which tokens of a sample a loss looks at.
enum class token_choice { first, every };

namespace detail {

/// The teacher layers that one student layer looks at, with the logarithms of their pairs' weights.
struct attended_layers {
  std::size_t count = 0;
  std::array<std::size_t, max_layers> layer{};
  std::array<double, max_layers> log_weight{};
};

/// Those that `map` pairs with student layer `student`; a pair of weight 0 is none. Throws contract_error, naming the
/// loss, where a weight is negative or there are more than max_layers.
[[nodiscard]] attended_layers layers_attended(const char* loss, const auto& map, depths d, std::size_t student) {
  attended_layers found;
  map(d, [&](layer_pair p) {
    if (p.student != student || p.weight == 0) return;
    expects(p.weight > 0 && found.count < max_layers, [&] {
      return message(loss, ": student layer ", student, " looks at teacher layer ", p.teacher, " with weight ",
                     p.weight, ", expected positive ones for at most ", max_layers, " layers");
    });
    found.layer[found.count] = p.teacher;
    found.log_weight[found.count++] = std::log(p.weight);
  });
  return found;
}

/// Summed in double.
template <class A, class U>
[[nodiscard]] double dot(const A* a, const U* b, index count) {
  double sum = 0;
  for (index c = 0; c < count; ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return sum;
}

/// weight[i] = softmax over the layers of scale * <state, seen[i]> + log_weight[i]; mixture = the sum of weight[i] *
/// seen[i]. seen[i]: the row of the i-th attended layer, `width` numbers side by side.
template <class A, class U>
void attend(const attended_layers& to, double scale, const A* state, const U* const* seen, index width, double* weight,
            A* mixture) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (std::size_t i = 0; i < to.count; ++i) {
    weight[i] = scale * dot(state, seen[i], width) + to.log_weight[i];
    top = std::max(top, weight[i]);
  }
  for (std::size_t i = 0; i < to.count; ++i) sum += weight[i] = std::exp(weight[i] - top);
  for (std::size_t i = 0; i < to.count; ++i) weight[i] /= sum;
  for (index c = 0; c < width; ++c) {
    double mixed = 0;
    for (std::size_t i = 0; i < to.count; ++i) mixed += weight[i] * static_cast<double>(seen[i][c]);
    mixture[c] = static_cast<A>(mixed);
  }
}

/// What flows back through attend() to the state, added to `gradient`: slope is that with respect to the mixture.
template <class A, class U>
void attend_backward(const attended_layers& to, double scale, const A* slope, const U* const* seen, index width,
                     const double* weight, A* gradient) {
  std::array<double, max_layers> along{};
  double mean = 0;
  for (std::size_t i = 0; i < to.count; ++i) {
    along[i] = dot(slope, seen[i], width);
    mean += weight[i] * along[i];
  }
  for (index c = 0; c < width; ++c) {
    double back = 0;
    for (std::size_t i = 0; i < to.count; ++i) back += weight[i] * (along[i] - mean) * static_cast<double>(seen[i][c]);
    gradient[c] += static_cast<A>(scale * back);
  }
}

}  // namespace detail
}  // namespace limbeck
