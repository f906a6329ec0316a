// Tests of limbeck/training/held_out.hpp.
#include "limbeck/training/held_out.hpp"

#include <map>
#include <set>
#include <vector>

#include "catch.hpp"
#include "training/small_samples.hpp"

namespace limbeck {
namespace {

using limbeck_test::small_samples;

TEST_CASE("a share of the labelled samples is held out, drawn by seed, and nothing is lost") {
  sample_set set = small_samples(50, false);
  for (const std::size_t unlabelled : {3u, 17u, 49u}) set.labels[unlabelled] = no_label;
  std::set<std::vector<std::ptrdiff_t>> drawn;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const divided_set d = hold_out(set, 0.2, seed), again = hold_out(set, 0.2, seed);
    REQUIRE(d.held_out.size() == 9);  // of 47
    REQUIRE(d.kept.size() == 41);
    CHECK(d.held_out.numbers == again.held_out.numbers);
    drawn.insert(d.held_out.numbers);
    std::set<std::ptrdiff_t> all(d.kept.numbers.begin(), d.kept.numbers.end());
    all.insert(d.held_out.numbers.begin(), d.held_out.numbers.end());
    CHECK(all.size() == 50);
    for (const sample_set* part : {&d.kept, &d.held_out})
      for (index i = 0; i < part->size(); ++i) {
        const auto number = static_cast<std::size_t>(part->number(i));
        CHECK(part->tokens[static_cast<std::size_t>(i)].ids == set.tokens[number].ids);
        CHECK(part->labels[static_cast<std::size_t>(i)] == set.labels[number]);
        CHECK((part == &d.kept || part->labelled(i)));
      }
  }
  CHECK(drawn.size() == 4);
}

TEST_CASE("every sample is as likely as another to be held out") {
  const sample_set set = small_samples(40, false);
  std::vector<int> times(40, 0);
  for (std::uint64_t seed = 0; seed < 400; ++seed)
    for (const std::ptrdiff_t i : hold_out(set, 0.25, seed).held_out.numbers) ++times[static_cast<std::size_t>(i)];
  for (const int t : times) CHECK((t > 60 && t < 140));  // 100 and 4.6 deviations
}

TEST_CASE("parts of parts know the numbers of the whole") {
  const sample_set set = small_samples(20, true), kept = hold_out(set, 0.5, 1).kept;
  const sample_set part = part_of(kept, 2, 6);
  for (index i = 0; i < 4; ++i) CHECK(part.scores[static_cast<std::size_t>(i)] == static_cast<double>(part.number(i)));
  CHECK(set.number(7) == 7);
}

TEST_CASE("a share that leaves nothing on one side is refused with both numbers") {
  const sample_set set = small_samples(4, false);
  CHECK_THROWS_WITH(hold_out(set, 0.1, 0),
                    "meta-share: 0.100000 of 4 labelled training samples, expected one at least, and not all");
  CHECK_THROWS_AS(hold_out(set, 0.9, 0), contract_error);
}

TEST_CASE("endless batches show every sample as often as another, and the n-th is a function of n") {
  endless_batches batches(10, 4, 3), others(10, 4, 4);
  std::map<std::ptrdiff_t, int> times;
  std::vector<std::vector<std::ptrdiff_t>> seen;
  for (std::uint64_t n = 0; n < 15; ++n) {  // six times all
    const auto batch = batches(n);
    REQUIRE(batch.size() == 4);
    for (const std::ptrdiff_t i : batch) ++times[i];
    seen.emplace_back(batch.begin(), batch.end());
  }
  REQUIRE(times.size() == 10);
  for (const auto& [sample, count] : times) CHECK(count == 6);
  endless_batches anew(10, 4, 3);
  bool differ = false;
  for (const std::uint64_t n : {14u, 2u, 7u, 0u}) {
    const auto batch = anew(n), other = others(n);
    CHECK(std::vector(batch.begin(), batch.end()) == seen[n]);
    differ = differ || !std::equal(other.begin(), other.end(), batch.begin());
  }
  CHECK(differ);
  CHECK(endless_batches(3, 8, 0).batch_size() == 3);
  CHECK_THROWS_WITH(endless_batches(3, 0, 0), "endless_batches: batches of 0 out of 3 samples");
}

}  // namespace
}  // namespace limbeck
