// A teacher made as deep as its student by means of layers: the mean itself, and what losses make of it.
#include "limbeck/losses/layer_means.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/mappings/block.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/representation_case.hpp"

namespace {

using limbeck::block_mapping;
using limbeck::hidden_mse;
using limbeck_test::representation_case;

representation_case<> means_case() {
  representation_case<> c{limbeck::signal::hidden, {{0, 3, 2}, {0, 1, 1}, {0, 2, 2}}, {}, {}};
  for (unsigned i = 0; i < 2; ++i) c.student.emplace_back(3, 1, 3, 4, 1 + i);
  for (unsigned i = 0; i < 5; ++i) c.teacher.emplace_back(3, 1, 3, 4, 11 + i);
  c.teacher_place = {.before = 1, .wider = 2, .padded = true};  // NaN between the samples
  return c;
}

// hidden_mse against the means, as a loss.
template <class Map>
struct mean_hidden_mse {
  static constexpr limbeck::signal_set reads = limbeck::signal::hidden;
  Map map;
  void operator()(const auto& on, const auto& student, const auto& teacher, const auto& given, const auto& out) const {
    std::vector<double> room(static_cast<std::size_t>(limbeck::layer_means_room(teacher, student.hidden.size())));
    const auto means = limbeck::layer_means(on, teacher, map, student.hidden.size(),
                                            limbeck::view<double, 1>(room.data(), room.size()));
    hidden_mse{limbeck::first_mapping{}}(on, student, means, given, out);
  }
};

}  // namespace

TEST_CASE("layer_means give squared distances the gradients of a block, and values less by the variance in it") {
  const auto c = means_case();
  const auto pairs = c(hidden_mse{block_mapping{}}), means = c(mean_hidden_mse<block_mapping>{});
  for (const std::size_t m : {0U, 1U})
    for (std::size_t i = 0; i < pairs.gradient[m].data.size(); ++i)
      CHECK(std::abs(means.gradient[m].data[i] - pairs.gradient[m].data[i]) < 1e-14);
  const std::vector<std::vector<std::size_t>> blocks{{0, 1, 2}, {3, 4}};
  for (limbeck::index b = 0; b < 3; ++b) {
    double variance = 0;
    for (const auto& block : blocks)
      for (limbeck::index r = 0; r < c.sizes[static_cast<std::size_t>(b)].keys; ++r)
        for (limbeck::index k = 0; k < 4; ++k) {
          double mean = 0, square = 0;
          for (const std::size_t n : block) {
            mean += c.teacher[n](b, 0, r, k) / static_cast<double>(block.size());
            square += c.teacher[n](b, 0, r, k) * c.teacher[n](b, 0, r, k) / static_cast<double>(block.size());
          }
          variance += (square - mean * mean) / 4;
        }
    const auto sample = static_cast<std::size_t>(b);
    CHECK(variance > 0.1);
    CHECK(pairs.value[sample] - means.value[sample] == Approx(variance).epsilon(1e-12));
  }
  CHECK(c(mean_hidden_mse<block_mapping>{}, 3).value == means.value);
}

TEST_CASE("layer_means weigh by the pairs' weights and leave student layers without a pair empty") {
  const std::vector<double> numbers{1, 2, 3, 5};
  const std::vector<limbeck::sample_rows> rows{{0, 1, 1}};
  limbeck::signals<const double> teacher;
  teacher.rows = limbeck::view<const limbeck::sample_rows, 1>(rows.data(), 1);
  teacher.hidden = limbeck::per_layer<limbeck::view<const double, 2>>(2);
  teacher.hidden[0] = limbeck::view<const double, 2>(numbers.data(), 1, 2);
  teacher.hidden[1] = limbeck::view<const double, 2>(numbers.data() + 2, 1, 2);
  std::vector<float> room(6, -7);
  const limbeck::view<float, 1> all(room.data(), 6);
  const auto means = [&](const limbeck::explicit_mapping& map, const limbeck::view<float, 1>& to) {
    return limbeck::layer_means(limbeck::cpu_executor<>{}, teacher, map, 3, to);
  };
  const auto got = means({{{2, 0, 3}, {2, 1, 1}, {0, 1, 5}}, true}, all);
  REQUIRE(got.hidden.size() == 3);
  CHECK(got.hidden[1].empty());
  CHECK(got.hidden[0](0, 1) == 5);
  CHECK(got.hidden[2](0, 0) == 1.5F);
  CHECK(got.hidden[2](0, 1) == 2.75F);
  CHECK(room[2] == -7);

  CHECK_THROWS_WITH(means({{{0, 0, 1}, {0, 1, -1}}, true}, all),
                    "layer_means: the weights of student layer 0 sum to 0");
  CHECK_THROWS_WITH(means({{{0, 0}}, true}, limbeck::view<float, 1>(room.data(), 5)),
                    "layer_means: room for 5 numbers side by side, 6 are needed");
  teacher.hidden[1] = limbeck::view<const double, 2>(numbers.data() + 2, 2, 1);
  CHECK_THROWS_WITH(means({{{0, 1}}, true}, all), "layer_means: teacher layer 1 is [2, 1], the first [1, 2]");
  CHECK_THROWS_WITH(means({{{0, 2}}, true}, all), "explicit_mapping: teacher layer 2 of 2 layers (they count from 0)");
}
