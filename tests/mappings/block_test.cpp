// block_mapping and all_layers_mapping: exact tables, weights that sum to 1.
#include "limbeck/mappings/block.hpp"

#include <vector>

#include "catch.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

using limbeck_test::pairs;

static_assert(mapping_policy<block_mapping> && mapping_policy<all_layers_mapping>);
static_assert(pairs<4>(block_mapping{}, {2, 4}) ==
              std::array<layer_pair, 4>{{{0, 0, 0.5}, {0, 1, 0.5}, {1, 2, 0.5}, {1, 3, 0.5}}});
static_assert(pairs<3>(block_mapping{}, {2, 3}) == std::array<layer_pair, 3>{{{0, 0, 0.5}, {0, 1, 0.5}, {1, 2, 1}}});
static_assert(pairs<2>(block_mapping{}, {2, 2}) == std::array<layer_pair, 2>{{{0, 0, 1}, {1, 1, 1}}});
static_assert(pairs<4>(all_layers_mapping{}, {2, 2}) ==
              std::array<layer_pair, 4>{{{0, 0, 0.5}, {0, 1, 0.5}, {1, 0, 0.5}, {1, 1, 0.5}}});
static_assert(pair_count(all_layers_mapping{}, {6, 4}) == 24, "a deeper student");

TEST_CASE("block_mapping shares out every teacher layer once, and the weights of a block sum to 1") {
  for (std::size_t teacher = 1; teacher <= 13; ++teacher)
    for (std::size_t student = 1; student <= teacher; ++student) {
      std::size_t next = 0;
      std::vector<double> sum(student);
      block_mapping{}(depths{student, teacher}, [&](layer_pair p) {
        CHECK(p.teacher == next++);
        sum.at(p.student) += p.weight;
      });
      CHECK(next == teacher);
      for (const double s : sum) CHECK(s == Approx(1).epsilon(1e-15));
    }
}

TEST_CASE("block_mapping refuses a deeper student, all_layers_mapping a model without layers, naming both depths") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_WITH(block_mapping{}(depths{6, 4}, visit),
                    "block_mapping: the student needs 1 to as many layers as the teacher, student 6, teacher 4");
  CHECK_THROWS_WITH(all_layers_mapping{}(depths{0, 4}, visit),
                    "all_layers_mapping: needs a layer on both sides, student 0, teacher 4");
}

}  // namespace
}  // namespace limbeck
