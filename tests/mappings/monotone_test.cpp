// monotone_mapping: the best assignment in order, against every assignment there is.
#include "limbeck/mappings/monotone.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/philox.hpp"

namespace limbeck {
namespace {

layer_table random_alikeness(depths d, std::uint64_t seed) {
  layer_table t(d);
  for (std::size_t i = 0; i < d.student * d.teacher; ++i)
    t(i / d.teacher, i % d.teacher) =
        unit_interval(random_stream{seed, 0, 1}.at(static_cast<std::uint32_t>(i)).word[0]);
  return t;
}

// The largest sum, layer m and those behind it from teacher layer `from` on.
double best_sum(const layer_table& t, std::size_t m, std::size_t from) {
  const auto [students, teachers] = t.size();
  if (m == students) return 0;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t n = from; n < teachers; ++n)
    best = std::max(best, t(m, n) + best_sum(t, m + 1, n + (students <= teachers ? 1 : 0)));
  return best;
}

TEST_CASE("monotone_mapping finds the largest sum in order") {
  for (std::size_t students = 1; students <= 5; ++students)
    for (std::size_t teachers = 1; teachers <= 7; ++teachers) {
      const std::uint64_t seed = students * 10 + teachers;
      INFO("seed " << seed);
      const layer_table t = random_alikeness({students, teachers}, seed);
      double sum = 0;
      std::vector<std::size_t> found;
      monotone_mapping(t)(t.size(), [&](layer_pair p) {
        CHECK(p.student == found.size());
        found.push_back(p.teacher);
        sum += t(p.student, p.teacher);
      });
      REQUIRE(found.size() == students);
      for (std::size_t m = 1; m < students; ++m)
        CHECK((students <= teachers ? found[m] > found[m - 1] : found[m] >= found[m - 1]));
      CHECK(sum == Approx(best_sum(t, 0, 0)).epsilon(1e-14));
    }
}

TEST_CASE("monotone_mapping takes lower layers where sums are equal") {
  const auto map = monotone_mapping(layer_table({2, 4}));
  CHECK(map.pairs == std::vector<layer_pair>{{0, 0}, {1, 1}});
}

TEST_CASE("monotone_mapping refuses what is no number") {
  layer_table t({2, 2});
  t(1, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(monotone_mapping(t),
                    "monotone_mapping: student layer 1 and teacher layer 1 have nan, expected a finite number");
}

}  // namespace
}  // namespace limbeck
