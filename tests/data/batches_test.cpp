// Batches: every sample once, an order of seed and epoch alone, results back in their place, tokens packed.
#include "limbeck/data/batches.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "catch.hpp"
#include "limbeck/data/packed_tokens.hpp"

using limbeck::evaluation_batches;
using limbeck::training_batches;
using numbers = std::vector<std::ptrdiff_t>;

namespace {

numbers some_lengths(std::ptrdiff_t samples) {
  numbers lengths;
  for (std::ptrdiff_t i = 0; i < samples; ++i) lengths.push_back(3 + i * i % 61);
  return lengths;
}

numbers sorted(numbers values) {
  std::sort(values.begin(), values.end());
  return values;
}

numbers first(std::ptrdiff_t count) {
  numbers values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), std::ptrdiff_t{0});
  return values;
}

}  // namespace

TEST_CASE("training_batches has each sample exactly once, whatever the sizes") {
  for (const std::ptrdiff_t samples : {0, 1, 2, 7, 31, 32, 33, 1000})
    for (const std::ptrdiff_t size : {1, 2, 7, 32, 5000}) {
      const auto lengths = some_lengths(samples);
      const auto order = training_batches(lengths, {.batch_size = size, .seed = 5, .window = 4}, 2);
      CHECK(sorted(order.samples()) == first(samples));
      CHECK(order.size() == (samples + size - 1) / size);
      std::ptrdiff_t full = 0;
      for (std::ptrdiff_t b = 0; b < order.size(); ++b)
        if (static_cast<std::ptrdiff_t>(order[b].size()) == size) ++full;
      CHECK(full == samples / size);
    }
}

TEST_CASE("training_batches depends on seed and epoch alone") {
  const auto lengths = some_lengths(500);
  const auto order = [&](std::uint64_t seed, std::uint64_t epoch) {
    return training_batches(lengths, {.batch_size = 8, .seed = seed}, epoch).samples();
  };
  CHECK(order(1, 3) == order(1, 3));
  CHECK(order(1, 3) != order(1, 4));
  CHECK(order(1, 3) != order(2, 3));
  CHECK(order(1, 2) != order(2, 1));
}

TEST_CASE("training_batches gives the same order on every platform") {
  const auto order = training_batches(numbers(8, 1), {.batch_size = 2, .seed = 7}, 1);
  CHECK(order.samples() == numbers{1, 5, 0, 3, 6, 2, 7, 4});
}

TEST_CASE("training_batches brings samples of like length together") {
  const auto lengths = some_lengths(4096);
  const auto kept = [&](std::ptrdiff_t window) {  // the share of a padded batch that is no padding
    const auto order = training_batches(lengths, {.batch_size = 16, .seed = 1, .window = window}, 0);
    double tokens = 0, padded = 0;
    for (std::ptrdiff_t b = 0; b < order.size(); ++b) {
      std::ptrdiff_t longest = 0;
      for (const std::ptrdiff_t i : order[b]) {
        longest = std::max(longest, lengths[static_cast<std::size_t>(i)]);
        tokens += static_cast<double>(lengths[static_cast<std::size_t>(i)]);
      }
      padded += static_cast<double>(longest * static_cast<std::ptrdiff_t>(order[b].size()));
    }
    return tokens / padded;
  };
  CHECK(kept(32) > 0.9);
  CHECK(kept(1) < 0.7);
}

TEST_CASE("training_batches mixes a small set from epoch to epoch") {
  const auto lengths = some_lengths(64);
  const auto first_batches = [&](std::uint64_t epoch) {
    const auto order = training_batches(lengths, {.batch_size = 8, .seed = 1, .window = 64}, epoch);
    std::vector<numbers> sets;
    for (std::ptrdiff_t b = 0; b < order.size(); ++b) sets.push_back(sorted({order[b].begin(), order[b].end()}));
    std::sort(sets.begin(), sets.end());
    return sets;
  };
  CHECK(first_batches(0) != first_batches(1));
}

TEST_CASE("shuffler puts each value in each place equally often") {
  std::vector<std::vector<int>> seen(4, std::vector<int>(4));
  for (std::uint64_t epoch = 0; epoch < 8000; ++epoch) {
    std::vector<int> values{0, 1, 2, 3};
    limbeck::detail::shuffler shuffle(11, epoch);
    shuffle(values);
    for (std::size_t i = 0; i < 4; ++i) ++seen[i][static_cast<std::size_t>(values[i])];
  }
  for (const auto& row : seen)
    for (const int count : row) CHECK((count > 1800 && count < 2200));  // five standard deviations
}

TEST_CASE("evaluation_batches starts with the longest and puts results back in their place") {
  const numbers lengths{3, 9, 5, 9};
  const auto order = evaluation_batches(lengths, {.samples = 3});
  CHECK(order.size() == 2);
  CHECK(order.samples() == numbers{1, 3, 2, 0});
  std::vector<int> results;
  for (const std::ptrdiff_t i : order.samples()) {
    results.push_back(static_cast<int>(10 * i));
    results.push_back(static_cast<int>(10 * i + 1));
  }
  CHECK(order.restored(std::span<const int>(results), 2) == std::vector<int>{0, 1, 10, 11, 20, 21, 30, 31});
  CHECK_THROWS_WITH(order.restored(std::span<const int>(results), 3), "batch_order: 8 values, expected 4 times 3");
}

TEST_CASE("evaluation_batches end where the next sample would be a token too many") {
  const auto sizes = [](const numbers& lengths, const limbeck::batch_limits& most) {
    const auto order = evaluation_batches(lengths, most);
    numbers count;
    for (std::ptrdiff_t b = 0; b < order.size(); ++b) count.push_back(static_cast<std::ptrdiff_t>(order[b].size()));
    return count;
  };
  const numbers lengths{2, 7, 3, 3, 12, 5};  // 12 7 5 3 3 2
  CHECK(sizes(lengths, {.tokens = 8}) == numbers{1, 1, 2, 2});
  CHECK(sizes(lengths, {.tokens = 7}) == numbers{1, 1, 1, 2, 1});
  CHECK(sizes(lengths, {.tokens = 1}) == numbers{1, 1, 1, 1, 1, 1});
  CHECK(sizes(lengths, {.tokens = 8, .samples = 1}) == numbers{1, 1, 1, 1, 1, 1});
  CHECK(sizes(lengths, {.tokens = 32, .samples = 4}) == numbers{4, 2});
  CHECK(sizes(lengths, {}) == numbers{6});
  CHECK(sizes({}, {}).empty());
  CHECK(sizes({0, 0}, {.tokens = 1}) == numbers{2});

  const auto order = evaluation_batches(some_lengths(300), {.tokens = 100});
  auto samples = order.samples();
  std::sort(samples.begin(), samples.end());
  for (std::ptrdiff_t i = 0; i < 300; ++i) CHECK(samples[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("batches refuse sizes that make none") {
  const numbers lengths{3, 4};
  CHECK_THROWS_WITH(training_batches(lengths, {.batch_size = 0}, 0), "batch_size: must be positive, not 0");
  CHECK_THROWS_WITH(training_batches(lengths, {.window = 0}, 0), "window: must be positive, not 0");
  CHECK_THROWS_WITH(evaluation_batches(lengths, {.samples = -1}), "batch_size: must be positive, not -1");
  CHECK_THROWS_WITH(evaluation_batches(lengths, {.tokens = 0}), "batch_limits: tokens must be positive, not 0");
  CHECK_THROWS_WITH(evaluation_batches(numbers{-2}), "batches: a sample of length -2");
}

TEST_CASE("pack lays the chosen samples end to end, without padding") {
  const std::vector<limbeck::encoding> samples{
      {{2, 7, 3}, {0, 0, 0}}, {{2, 3}, {0, 0}}, {{2, 8, 3, 9, 3}, {0, 0, 0, 1, 1}}};
  CHECK(limbeck::lengths_of(samples) == numbers{3, 2, 5});
  const auto p = limbeck::pack(samples, numbers{2, 0});
  CHECK(p.ids == std::vector<std::int32_t>{2, 8, 3, 9, 3, 2, 7, 3});
  CHECK(p.types == std::vector<std::int32_t>{0, 0, 0, 1, 1, 0, 0, 0});
  CHECK(p.positions == std::vector<std::int32_t>{0, 1, 2, 3, 4, 0, 1, 2});
  CHECK(p.begin == numbers{0, 5});
  CHECK(p.length == numbers{5, 3});
  CHECK(p.tokens() == 8);
  CHECK(p.samples() == 2);
}

TEST_CASE("pack forgets the batch before and refuses samples that do not exist") {
  const std::vector<limbeck::encoding> samples{{{2, 3}, {0, 0}}, {{2, 3}, {0}}};
  limbeck::packed_tokens into;
  limbeck::pack(samples, numbers{0, 0}, into);
  limbeck::pack(samples, numbers{0}, into);
  CHECK(into.tokens() == 2);
  CHECK(into.begin == numbers{0});
  CHECK_THROWS_WITH(limbeck::pack(samples, numbers{2}), "pack: sample 2 of 2");
  CHECK_THROWS_WITH(limbeck::pack(samples, numbers{1}), "pack: sample 1 has 2 ids and 1 types");
}
