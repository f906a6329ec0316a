// A loss whose type is forgotten, for objectives that are put together at run time.
#pragma once

#include <memory>
#include <utility>

#include "limbeck/losses/loss_policy.hpp"

namespace limbeck {

/// Holds any loss for executor E and element type T. Costs one virtual call a batch.
template <launchable E, class T>
class any_loss {
 public:
  using place = backend_of<E>;
  signal_set reads;

  template <class Loss>  // any_loss itself is ruled out first: asking whether it can be copied leads back here
    requires(!std::same_as<Loss, any_loss>) && loss_policy<Loss, E, T, T, T>
  any_loss(Loss loss) : reads(loss.reads), held_(std::make_shared<const model<Loss>>(std::move(loss))) {}

  void operator()(const E& on, const signals<const T, place>& student, const signals<const T, place>& teacher,
                  const targets<T, place>& given, const sink<T, place>& out) const {
    held_->call(on, student, teacher, given, out);
  }

 private:
  struct concept_of {
    virtual ~concept_of() = default;
    virtual void call(const E&, const signals<const T, place>&, const signals<const T, place>&,
                      const targets<T, place>&, const sink<T, place>&) const = 0;
  };
  template <class Loss>
  struct model final : concept_of {
    explicit model(Loss l) : loss(std::move(l)) {}
    void call(const E& on, const signals<const T, place>& student, const signals<const T, place>& teacher,
              const targets<T, place>& given, const sink<T, place>& out) const override {
      loss(on, student, teacher, given, out);
    }
    Loss loss;
  };
  std::shared_ptr<const concept_of> held_;
};

}  // namespace limbeck
