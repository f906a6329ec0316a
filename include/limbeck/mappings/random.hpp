// Teacher layers drawn at random, in order.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// The student's layers learn, in order, from as many teacher layers drawn at random, each set of them as likely as any
/// other (Haidar et al. 2022, arXiv:2109.10164). A function of seed, epoch and depths alone, so a resumed
/// run draws what the unbroken one drew: leave `epoch` for one draw a run, set it to the epoch's number for a draw
/// each. Refuses a student deeper than what is drawn from.
struct random_mapping {
  std::uint64_t seed = 0, epoch = 0;
  bool without_last = false;  ///< the teacher's last layer is not drawn

  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    const std::size_t drawn_from = d.teacher - (without_last && d.teacher > 0 ? 1 : 0);
    expects(d.student > 0 && d.student <= drawn_from, [&] {
      return message("random_mapping: the student needs 1 to as many layers as are drawn from, student ", d.student,
                     ", teacher ", d.teacher, (without_last ? " without its last layer" : ""));
    });
    const random_stream random{seed, epoch, site};
    std::size_t m = 0;
    for (std::size_t n = 0; m < d.student; ++n) {  // a layer is taken with chance wanted / left
      const std::uint64_t wanted = d.student - m, left = drawn_from - n;
      if (random.at(static_cast<std::uint32_t>(n)).word[0] * left >> 32 >= wanted) continue;
      visit(layer_pair{.student = m++, .teacher = n});
    }
  }

 private:
  static constexpr std::uint32_t site = 0x5241494CU;  // no dropout has this number
};

/// What is drawn in an epoch.
[[nodiscard]] constexpr random_mapping drawn_in(random_mapping map, std::uint64_t epoch) {
  map.epoch = epoch;
  return map;
}

}  // namespace limbeck
