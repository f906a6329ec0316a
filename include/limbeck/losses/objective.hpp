// The algebra of objectives: terms are scaled by a number or a schedule in front, and added.
#pragma once

#include <concepts>
#include <optional>
#include <tuple>
#include <utility>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/schedule.hpp"
#include "limbeck/losses/write_gradient.hpp"

namespace limbeck {

/// A loss times a factor: a number, or a function of the share of the run that is done.
template <schedule Factor, some_loss Loss>
struct scaled {
  Factor factor;
  Loss loss;
  signal_set reads = loss.reads;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out) const {
    sink<A, backend_of<E>, G> here = out;
    here.scale *= factor(out.progress);
    if (here.scale != 0) loss(on, student, teacher, given, here);
  }

  /// The same for a gradient of the logits that may hold anything. A loss of factor 0 is called then: it writes zeros.
  template <executor E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>& given, const sink<A, cpu, G>& out, gradient_holds before) const {
    if (before == gradient_holds::a_sum) return (*this)(on, student, teacher, given, out);
    sink<A, cpu, G> here = out;
    here.scale *= factor(out.progress);
    write_gradient(loss, on, student, teacher, given, here);
  }
};

template <schedule F, some_loss L>
inline constexpr bool writes_in_place<scaled<F, L>> = writes_in_place<L>;

namespace detail {

/// What a term is going to do on the host; nothing where its factor is 0 and it need not write.
template <some_loss L, class S, class U, class A, class G>
[[nodiscard]] auto work_of(const L& loss, const signals<const S>& student, const signals<const U>& teacher,
                           const targets<A>& given, const sink<A, cpu, G>& out, gradient_holds before)
  requires requires { loss.work(student, teacher, given, out, before); }
{
  return std::optional(loss.work(student, teacher, given, out, before));
}
template <schedule F, some_loss L, class S, class U, class A, class G>
[[nodiscard]] auto work_of(const scaled<F, L>& term, const signals<const S>& student, const signals<const U>& teacher,
                           const targets<A>& given, sink<A, cpu, G> out, gradient_holds before)
  requires requires { work_of(term.loss, student, teacher, given, out, before); }
{
  out.scale *= term.factor(out.progress);
  using work = decltype(work_of(term.loss, student, teacher, given, out, before));
  return out.scale == 0 && before == gradient_holds::a_sum ? work()
                                                           : work_of(term.loss, student, teacher, given, out, before);
}
template <class L, class... Arguments>
concept has_work = requires(const L& loss, const Arguments&... arguments) { work_of(loss, arguments...); };

}  // namespace detail

/// Losses that are called in turn and add to one sink. Where all of them are losses on the rows of the host's logits
/// they go through these together, and memory is read once. Its `reads` joins theirs.
template <some_loss... Losses>
struct sum {
  std::tuple<Losses...> terms;
  signal_set reads = std::apply([](const auto&... term) { return (signal::none | ... | term.reads); }, terms);

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out) const {
    if constexpr (std::same_as<backend_of<E>, cpu>)
      (*this)(on, student, teacher, given, out, gradient_holds::a_sum);
    else
      std::apply([&](const auto&... term) { (term(on, student, teacher, given, out), ...); }, terms);
  }

  /// The same for a gradient of the logits that may hold anything: the first term writes it, the others add.
  template <executor E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S>& student, const signals<const U>& teacher,
                  const targets<A>& given, const sink<A, cpu, G>& out, gradient_holds before) const {
    using detail::has_work;
    constexpr bool by_rows =
        sizeof...(Losses) > 1 &&
        (has_work<Losses, signals<const S>, signals<const U>, targets<A>, sink<A, cpu, G>, gradient_holds> && ...);
    const auto next_finds = [&before] { return std::exchange(before, gradient_holds::a_sum); };
    const auto call = [&](const auto& term) {
      if constexpr (by_rows)
        return detail::work_of(term, student, teacher, given, out, next_finds());
      else if (next_finds() == gradient_holds::anything)
        write_gradient(term, on, student, teacher, given, out);
      else
        term(on, student, teacher, given, out);
    };
    if constexpr (by_rows) {
      const auto works = std::apply([&](const auto&... term) { return std::tuple{call(term)...}; }, terms);
      std::apply([&](const auto&... work) { carry_out(on, work...); }, works);
    } else {
      std::apply([&](const auto&... term) { (call(term), ...); }, terms);
    }
  }

  /// The objective with the caller's counts in place of those of `out`.
  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const normaliser& per, const sink<A, backend_of<E>, G>& out) const {
    sink<A, backend_of<E>, G> here = out;
    here.per = per;
    (*this)(on, student, teacher, given, here);
  }
};

/// Makes a loss of another namespace a word of the algebra: `0.5 * limbeck::term(mine::margin{})`.
template <some_loss Loss>
[[nodiscard]] constexpr auto term(const Loss& loss) {
  return sum<Loss>{{loss}};
}

namespace detail {

template <class L>
inline constexpr bool is_sum = false;
template <class... L>
inline constexpr bool is_sum<sum<L...>> = true;

template <some_loss L>
constexpr auto terms_of(const L& loss) {
  if constexpr (is_sum<L>)
    return loss.terms;
  else
    return std::tuple<L>(loss);
}

template <some_loss... Losses>
constexpr sum<Losses...> sum_of(const std::tuple<Losses...>& terms) {
  return {terms};  // from a lambda it would be no constant expression in clang 14
}

}  // namespace detail

template <some_loss Loss>
[[nodiscard]] constexpr auto operator*(double factor, const Loss& loss) {
  return scaled<constant, Loss>{constant{factor}, loss};
}
template <schedule Factor, some_loss Loss>
[[nodiscard]] constexpr auto operator*(const Factor& factor, const Loss& loss) {
  return scaled<Factor, Loss>{factor, loss};
}
template <some_loss Left, some_loss Right>
[[nodiscard]] constexpr auto operator+(const Left& left, const Right& right) {
  return detail::sum_of(std::tuple_cat(detail::terms_of(left), detail::terms_of(right)));
}

}  // namespace limbeck
