// Schemes of parameter sharing: exact tables, their names in text, and what is refused.
#include "limbeck/models/parameter_sharing.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/mappings/without_last.hpp"
#include "mappings/pairs.hpp"

namespace limbeck {
namespace {

constexpr auto sps = shuffled_parameter_sharing;
using table = std::vector<layer_source>;

TEST_CASE("shuffled parameter sharing uses all of up to three layers twice, and above the upper half") {
  CHECK(shared_layers(sps, 1) == table{{0}, {0, true}});
  CHECK(shared_layers(sps, 2) == table{{0}, {1}, {0, true}, {1, true}});
  CHECK(shared_layers(sps, 3) == table{{0}, {1}, {2}, {0, true}, {1, true}, {2, true}});
  CHECK(shared_layers(sps, 4) == table{{0}, {1}, {2}, {3}, {2, true}, {3, true}});
  CHECK(shared_layers(sps, 5) == table{{0}, {1}, {2}, {3}, {4}, {2, true}, {3, true}, {4, true}});
  CHECK(shared_layers(sps, 6) == table{{0}, {1}, {2}, {3}, {4}, {5}, {3, true}, {4, true}, {5, true}});
}

TEST_CASE("the other orders of Pea-KD's ablations use the same layers twice") {
  CHECK(shared_layers({}, 2) == table{{0}, {1}, {0}, {1}});
  CHECK(shared_layers({.order = sharing_order::sequence}, 3) == table{{0}, {0}, {2}, {2}, {4}, {4}});
  CHECK(shared_layers({sharing_order::sequence, true}, 2) == table{{0}, {0, true}, {2}, {2, true}});
  CHECK(shared_layers({sharing_order::sequence, true}, 4) == table{{0}, {1}, {2}, {2, true}, {4}, {4, true}});
  CHECK(shared_layers({sharing_order::cycle_rev, true}, 3) == table{{0}, {1}, {2}, {2, true}, {1, true}, {0, true}});
  CHECK(shared_layers({.order = sharing_order::cycle_rev}, 5) == table{{0}, {1}, {2}, {3}, {4}, {4}, {3}, {2}});
}

TEST_CASE("every scheme has the depth that it is said to have, and sources that stand before what looks at them") {
  for (const auto order : {sharing_order::cycle, sharing_order::sequence, sharing_order::cycle_rev})
    for (index layers = 1; layers <= 40; ++layers) {
      const table all = shared_layers({order, true}, layers);
      REQUIRE(static_cast<index>(all.size()) == effective_layers(layers));
      index own = 0;
      for (std::size_t l = 0; l < all.size(); ++l) {
        const auto here = static_cast<index>(l);
        own += all[l].layer == here ? 1 : 0;
        REQUIRE(all[l].layer <= here);
        REQUIRE(all[l].exchanged == (all[l].layer < here));
        REQUIRE(all[static_cast<std::size_t>(all[l].layer)].layer == all[l].layer);  // one that has weights
      }
      CHECK(own == layers);
    }
}

// Patience matches effective layers (papers count from one, tables here from zero): 6 of a student with 3 layers'
// weights, 9 of one with 6.
static_assert(effective_layers(1) == 2 && effective_layers(3) == 6 && effective_layers(6) == 9);
static_assert(limbeck_test::pairs<5>(pkd_skip_mapping{}, {effective_layers(3), 12}) ==
              limbeck_test::in_order(1, 3, 5, 7, 9));
static_assert(limbeck_test::pairs<8>(pkd_skip_mapping{}, {effective_layers(6), 12}) ==
              limbeck_test::in_order(1, 2, 3, 5, 6, 7, 9, 10));
static_assert(limbeck_test::pairs<1>(pkd_skip_mapping{}, {effective_layers(1), 12}) == limbeck_test::in_order(5));

TEST_CASE("schemes have names in text") {
  CHECK(parse_sharing("sps") == sps);
  CHECK(parse_sharing("cycle:exchanged") == sps);
  CHECK(parse_sharing("cycle") == parameter_sharing{});
  CHECK(parse_sharing("sequence") == parameter_sharing{sharing_order::sequence, false});
  CHECK(parse_sharing("cycle_rev:exchanged") == parameter_sharing{sharing_order::cycle_rev, true});
  for (const std::string text : {"", ":exchanged", "sps:exchanged", "cycle:", "cycle:shuffled", "mirrored"})
    CHECK_THROWS_WITH(parse_sharing(text), "sharing: \"" + text +
                                               "\", expected sps, or cycle, sequence or cycle_rev, or these with "
                                               ":exchanged");
}

TEST_CASE("a scheme needs a layer") {
  CHECK_THROWS_WITH(shared_layers(sps, 0), "shared_layers: 0 layers");
  CHECK_THROWS_WITH(shared_layers(sps, -3), "shared_layers: -3 layers");
}

}  // namespace
}  // namespace limbeck
