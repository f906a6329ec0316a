// Losses whose settings move with the run: a temperature on a schedule, teacher layers that each epoch draws anew.
#pragma once

#include <utility>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/schedule.hpp"
#include "limbeck/mappings/random.hpp"

namespace limbeck {

/// A loss at the temperature that a schedule gives for the share of the run that is done (sink::progress). Whatever
/// else the loss makes of its temperature, such as the factor temperature^2, moves with it. Throws what the loss does.
template <schedule Temperature, some_loss Loss>
struct scheduled_temperature {
  Temperature temperature;
  Loss loss;
  signal_set reads;

  explicit constexpr scheduled_temperature(Temperature temperature, Loss loss)
      : temperature(std::move(temperature)), loss(std::move(loss)), reads(this->loss.reads) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out) const {
    Loss now = loss;
    now.temperature = temperature(out.progress);
    now(on, student, teacher, given, out);
  }
};

/// A loss on layers whose mapping is drawn anew in each epoch (sink::epoch), as RAIL-KD has it (Haidar et al. 2022,
/// arXiv:2109.10164): by drawn_in(mapping, epoch), a function of seed and epoch alone. Throws what the loss does.
template <some_loss Loss>
struct redrawn {
  Loss loss;
  signal_set reads;

  explicit constexpr redrawn(Loss loss) : loss(std::move(loss)), reads(this->loss.reads) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out) const {
    Loss now = loss;
    now.map = drawn_in(loss.map, out.epoch);
    now(on, student, teacher, given, out);
  }
};

}  // namespace limbeck
