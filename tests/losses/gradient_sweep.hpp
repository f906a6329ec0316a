// The gradient of every loss against central differences of its value: one sweep over random shapes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/projection.hpp"
#include "losses/random_shapes.hpp"

namespace limbeck_test {

/// A loss in one shape, as a function of a list of numbers: logits, states, weights that are learned.
struct gradient_case {
  std::vector<double> at;
  /// The sum of the values at `x`; where `gradient` is not null, it takes the slopes.
  std::function<double(const std::vector<double>& x, std::vector<double>* gradient)> loss;
};
using made_case = std::function<gradient_case(draws&)>;

struct sweep_outcome {
  double worst = 0;  ///< |central difference - gradient| / max(1, |gradient|)
  unsigned seed = 0;
  std::string where{};

  void take(double error, unsigned of_seed, const std::string& place) {
    if (worse(worst, error) == worst) return;
    *this = {error == error ? error : infinity, of_seed, place};
  }
};

/// The error of a gradient along a direction; a shorter step decides where the loss bends too much for the first.
inline double error_along(const std::vector<double>& direction, const gradient_case& c,
                          const std::vector<double>& gradient) {
  std::vector<double> x = c.at;
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = c.at[i] + by * direction[i];
    return c.loss(x, nullptr);
  };
  const double wanted = std::inner_product(gradient.begin(), gradient.end(), direction.begin(), 0.0);
  const double error = slope_error(slope_at_0(moved, 1e-4), wanted);
  if (error <= 1e-8) return error;
  const double shorter = slope_error(slope_at_0(moved, 1e-5), wanted);
  return shorter >= error ? error : shorter;  // a NaN of the shorter step counts
}

/// One shape a seed: along a direction of steps of 1 and -1, in which every number takes part, and along two numbers by
/// themselves.
inline sweep_outcome sweep_gradients(const made_case& made, unsigned first_seed, unsigned shapes) {
  constexpr int alone = 2;
  sweep_outcome found;
  for (unsigned seed = first_seed; seed < first_seed + shapes; ++seed) {
    draws random(seed);
    const gradient_case c = made(random);
    std::vector<double> gradient, direction;
    (void)c.loss(c.at, &gradient);
    if (gradient.size() != c.at.size() || c.at.empty()) return {infinity, seed, "of another size"};
    while (direction.size() < c.at.size()) direction.push_back(random.pick({-1.0, 1.0}));
    found.take(error_along(direction, c, gradient), seed, "along a direction");
    for (int probe = 0; probe < alone; ++probe) {
      const auto one = static_cast<std::size_t>(random.between(0, static_cast<index>(c.at.size()) - 1));
      direction.assign(c.at.size(), 0);
      direction[one] = 1;
      found.take(error_along(direction, c, gradient), seed, "of number " + std::to_string(one));
    }
  }
  return found;
}

/// Holds a loss to 1e-7 over 200 shapes. The name begins with those of the losses that it sweeps;
/// tests/house/gradients.py finds them there.
inline void check_gradients(const std::string& name, const made_case& made) {
  constexpr unsigned first_seed = 1, shapes = 200;
  const sweep_outcome found = sweep_gradients(made, first_seed, shapes);
  std::cout << "gradient of " << name << ": seeds " << first_seed << " to " << first_seed + shapes - 1
            << ", largest error " << found.worst << std::endl;
  INFO(name << ", seed " << found.seed << ": " << found.where);
  CHECK(found.worst <= 1e-7);
}

/// A loss whose type is forgotten, so that what calls it is compiled once.
using erased_loss = limbeck::any_loss<limbeck::cpu_executor<>, double>;

/// By the student's logits.
inline gradient_case gradient_of(logit_case<double> c, const erased_loss& loss) {
  std::vector<double> at = c.student;
  return {std::move(at), [c = std::move(c), loss](const std::vector<double>& x, std::vector<double>* gradient) mutable {
            c.student = x;
            c.gradient_wanted = gradient != nullptr;
            auto got = c(loss);
            if (gradient != nullptr) *gradient = std::move(got.gradient);
            return got.total();
          }};
}

/// A linear map that is learned with the student, and where its gradient goes.
struct learned_map {
  index out, in;
  std::vector<double> weight, bias, weight_gradient{}, bias_gradient{};

  learned_map(draws& random, index out, index in, bool has_bias)
      : out(out), in(in), weight(random.numbers(out * in, -1, 1)) {
    if (has_bias) bias = random.numbers(out, -1, 1);
  }
  /// Whose gradient is 0 then, if it is wanted.
  [[nodiscard]] limbeck::linear_projection<double> seen(bool wanted) {
    using limbeck::view;
    weight_gradient.assign(weight.size(), 0);
    bias_gradient.assign(bias.size(), 0);
    limbeck::linear_projection<double> p{view<const double, 2>(weight.data(), out, in)};
    if (!bias.empty()) p.bias = view<const double, 1>(bias.data(), out);
    if (wanted) p.weight_gradient = view<double, 2>(weight_gradient.data(), out, in);
    if (wanted && !bias.empty()) p.bias_gradient = view<double, 1>(bias_gradient.data(), out);
    return p;
  }
};
using learned_maps = std::vector<learned_map>;
using loss_of_maps = std::function<erased_loss(const std::vector<limbeck::linear_projection<double>>&)>;

/// The numbers of several lists, one behind the other.
inline std::vector<double> joined(const std::vector<std::vector<double>*>& lists) {
  std::vector<double> all;
  for (const auto* list : lists) all.insert(all.end(), list->begin(), list->end());
  return all;
}
/// And back.
inline void split(const std::vector<double>& all, const std::vector<std::vector<double>*>& lists) {
  auto next = all.begin();
  for (auto* list : lists)
    for (double& x : *list) x = *next++;
}

/// By the student's maps or states, and by the linear maps that the loss learns.
inline gradient_case gradient_of(representation_case<> c, learned_maps maps, const loss_of_maps& loss) {
  const auto moved = [](representation_case<>& of, learned_maps& by) {
    std::vector<std::vector<double>*> lists;
    for (grid& layer : of.student) lists.push_back(&layer.data);
    for (learned_map& map : by) lists.insert(lists.end(), {&map.weight, &map.bias});
    return lists;
  };
  std::vector<double> at = joined(moved(c, maps));
  return {std::move(at), [=](const std::vector<double>& x, std::vector<double>* gradient) mutable {
            split(x, moved(c, maps));
            c.gradient_wanted = gradient != nullptr;
            std::vector<limbeck::linear_projection<double>> seen;
            for (learned_map& map : maps) seen.push_back(map.seen(c.gradient_wanted));
            auto got = c(loss(seen));
            if (gradient == nullptr) return got.total();
            std::vector<std::vector<double>*> slopes;
            for (grid& layer : got.gradient) slopes.push_back(&layer.data);
            for (learned_map& map : maps) slopes.insert(slopes.end(), {&map.weight_gradient, &map.bias_gradient});
            *gradient = joined(slopes);
            return got.total();
          }};
}
inline gradient_case gradient_of(const representation_case<>& c, const erased_loss& loss) {
  return gradient_of(c, {}, [loss](const auto&) { return loss; });
}

/// By states of mapped layers and, half of the time, by a projection to the teacher's width; made(map, projection): the
/// loss.
template <class Made>
gradient_case gradient_of_states(draws& random, limbeck::mask_mode mask, const Made& made) {
  const auto width_of = [&] { return random.once_in(10) ? random.pick<index>({16, 17, 33}) : random.between(2, 9); };
  const bool projected = random.once_in(2);
  const index width = width_of(), teacher_width = projected ? width_of() : width;
  const auto layers = std::size_t(random.between(1, 2)), teacher_layers = std::size_t(random.between(1, 3));
  auto c = random_layers(random, limbeck::signal::hidden, width, teacher_width, layers, teacher_layers);
  c.mask = mask;
  const limbeck::explicit_mapping map = draw_mapping(random, layers, teacher_layers);
  if (!projected) return gradient_of(c, made(map, limbeck::no_projection{}));
  const bool has_bias = random.once_in(2);
  return gradient_of(c, {learned_map(random, teacher_width, width, has_bias)},
                     [=](const auto& seen) -> erased_loss { return made(map, seen[0]); });
}

}  // namespace limbeck_test
