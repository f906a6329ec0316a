// AdamW on a device, as one sweep over flat buffers.
#pragma once

#include <cstring>
#include <vector>

#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/cuda_buffer.hpp"
#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/backend/cuda_upload.hpp"
#include "limbeck/models/touched_rows.hpp"
#include "limbeck/training/adamw_formula.hpp"
#include "limbeck/training/clipping.hpp"

namespace limbeck {

namespace detail {

/// The numbers of one update, of parameters that decay and of those that do not.
template <class T>
struct adamw_numbers {
  adamw_step<T> decaying, other;
};

struct adamw_fours {
  template <class T>
  __device__ void operator()(index, index first, index here, const adamw_numbers<T>* numbers,
                             const view<const index, 1, cuda>& ends, bool first_decays, const gradient_clip<cuda>& clip,
                             const T* g, T* m, T* v, T* p) const {
    const T scale = static_cast<T>(clip.scale());
    four<T> moment = load_four(m + first, here), square = load_four(v + first, here);
    four<T> weight = load_four(p + first, here), gradient = load_four(g + first, here);
    index run = run_of(ends, first);
    for (int i = 0; i < 4; ++i) {
      while (run + 1 < ends.extent(0) && first + i >= ends(run)) ++run;
      adamw_step<T> step = (run % 2 == 0) == first_decays ? numbers->decaying : numbers->other;
      step.gradient_scale = scale;
      weight.at[i] = step.update(gradient.at[i], moment.at[i], square.at[i], weight.at[i]);
    }
    store_four(m + first, here, moment);
    store_four(v + first, here, square);
    store_four(p + first, here, weight);
  }

 private:
  /// The run that element `at` lies in, by where the runs end.
  __device__ static index run_of(const view<const index, 1, cuda>& ends, index at) {
    index below = 0, end = ends.extent(0);
    while (below < end) {
      const index middle = below + (end - below) / 2;
      if (ends(middle) <= at)
        below = middle + 1;
      else
        end = middle;
    }
    return below;
  }
};

}  // namespace detail

/// The moments of AdamW on a device for the parameters of one table. Waits for nothing.
template <class T>
class adamw<T, cuda> {
 public:
  template <bool Launches>
  adamw(const basic_cuda_executor<Launches>& on, const parameter_table& table, adamw_options options = {})
      : options_(options), first_(on, table.size()), second_(on, table.size()), numbers_(on, 1) {
    std::vector<index> ends;
    for (const detail::parameter_run& r : detail::runs_of(table)) ends.push_back(r.offset + r.count);
    first_decays_ = !table.entries().empty() && table.entries().front().decays();
    ends_ = buffer<index, cuda>(on, static_cast<index>(ends.size()));
    const auto bytes = static_cast<index>(ends.size() * sizeof(index));
    if (bytes == 0) return;
    std::memcpy(upload_.room(bytes), ends.data(), static_cast<std::size_t>(bytes));
    upload_.send(on, reinterpret_cast<std::byte*>(ends_.data()), bytes);
  }

  [[nodiscard]] const adamw_options& options() const { return options_; }
  [[nodiscard]] index updates() const { return updates_; }
  [[nodiscard]] view<const T, 1, cuda> first_moment() const { return first_.all(); }
  [[nodiscard]] view<const T, 1, cuda> second_moment() const { return second_.all(); }
  [[nodiscard]] view<T, 1, cuda> first_moment() { return first_.all(); }
  [[nodiscard]] view<T, 1, cuda> second_moment() { return second_.all(); }
  /// For a resumed run: the moments are filled by the caller.
  void resume_at(index updates) { updates_ = updates; }

  /// One update of `weights` from `gradient`, clipped as `clip` says, at learning rate `rate`. The same as prepare(),
  /// then run(). All of the gradient is read, touched or not: zeros cost a device little.
  void update(const cuda_executor& on, double rate, const gradient_clip<cuda>& clip, view<const T, 1, cuda> gradient,
              view<T, 1, cuda> weights, const touched_rows& = {}) {
    prepare(on, rate);
    run(on, clip, gradient, weights);
  }

  /// The first half: sends the numbers of the next update.
  template <bool Launches>
  void prepare(const basic_cuda_executor<Launches>& on, double rate) {
    ++updates_;
    const detail::adamw_numbers<T> numbers{detail::adamw_step<T>::of(options_, updates_, rate, true, 1),
                                           detail::adamw_step<T>::of(options_, updates_, rate, false, 1)};
    constexpr auto bytes = static_cast<index>(sizeof(numbers));
    std::memcpy(upload_.room(bytes), &numbers, sizeof(numbers));
    upload_.send(on, reinterpret_cast<std::byte*>(numbers_.data()), bytes);
  }
  /// The second half, which touches nothing but the device: it may be captured as a graph.
  void run(const cuda_executor& on, const gradient_clip<cuda>& clip, view<const T, 1, cuda> gradient,
           view<T, 1, cuda> weights) {
    const index count = first_.count();
    expects(gradient.extent(0) >= count && weights.extent(0) >= count, [&] {
      return message("adamw: ", weights.extent(0), " weights, ", gradient.extent(0), " slopes, ", count, " parameters");
    });
    for_fours(on, "adamw", 1, count, detail::adamw_fours{},
              static_cast<const detail::adamw_numbers<T>*>(numbers_.data()), ends(), first_decays_, clip,
              gradient.data(), first_.data(), second_.data(), weights.data());
  }

 private:
  [[nodiscard]] view<const index, 1, cuda> ends() const { return ends_.all(); }

  adamw_options options_;
  buffer<T, cuda> first_, second_;
  buffer<detail::adamw_numbers<T>, cuda> numbers_;
  buffer<index, cuda> ends_;  ///< of runs that decay and do not in turn
  bool first_decays_ = false;
  cuda_upload upload_;
  index updates_ = 0;
};

}  // namespace limbeck
