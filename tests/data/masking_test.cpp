// Tests of limbeck/data/masking.hpp: how often what is masked, and by what that is decided.
#include "limbeck/data/masking.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

/// 5 special pieces, the last of them in the middle of 60 ordinary ones.
vocabulary sixty_words() {
  std::vector<std::string> pieces{"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
  for (int i = 0; i < 60; ++i) {
    if (i == 30) pieces.emplace_back("[MASK]");
    pieces.push_back("w" + std::to_string(i));
  }
  return vocabulary(pieces);
}

struct masked_sample {
  std::vector<std::int32_t> ids;
  std::vector<std::pair<std::size_t, std::int32_t>> guessed;
  friend bool operator==(const masked_sample&, const masked_sample&) = default;
};
masked_sample masked(const masker& how, std::vector<std::int32_t> ids, const random_stream& stream) {
  masker::memory memory;
  masked_sample out{std::move(ids), {}};
  how(out.ids, stream, memory, [&](std::size_t place, std::int32_t id) { out.guessed.emplace_back(place, id); });
  return out;
}
/// [CLS], `count` ordinary pieces with an [UNK] behind every fourth, [SEP].
std::vector<std::int32_t> sample(std::int32_t count) {
  std::vector<std::int32_t> ids{2};
  for (std::int32_t i = 0; i < count; ++i) {
    ids.push_back(i % 60 < 30 ? 4 + i % 60 : 5 + i % 60);
    if (i % 4 == 3) ids.push_back(1);
  }
  ids.push_back(3);
  return ids;
}

TEST_CASE("the share of ordinary tokens is guessed, one at least, and never a special one") {
  const masker how(sixty_words());
  for (const std::int32_t count : {1, 2, 9, 10, 16, 17, 100}) {
    const auto ids = sample(count);
    const masked_sample m = masked(how, ids, {1, 2, 3});
    CHECK(static_cast<std::ptrdiff_t>(m.guessed.size()) == std::max(1L, std::lround(0.15 * count)));
    CHECK(how.guessed(count) == static_cast<std::ptrdiff_t>(m.guessed.size()));
    CHECK(std::is_sorted(m.guessed.begin(), m.guessed.end()));
    for (const auto& [place, id] : m.guessed) {
      CHECK(id == ids[place]);
      CHECK(how.is_ordinary(id));
    }
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (std::none_of(m.guessed.begin(), m.guessed.end(), [&](const auto& g) { return g.first == i; }))
        CHECK(m.ids[i] == ids[i]);
  }
  CHECK(how.guessed(0) == 0);
  CHECK(masked(how, {2, 1, 3}, {1, 2, 3}).guessed.empty());
}

TEST_CASE(
    "of the guessed tokens eight of ten show a mask, one another piece and one itself, and each place is guessed as "
    "often") {
  const masker how(sixty_words());
  const auto ids = sample(40);
  std::vector<double> at(ids.size(), 0), replaced(65, 0);
  double guesses = 0, masks = 0, kept = 0;
  for (std::uint64_t s = 0; s < 5000; ++s) {
    const masked_sample m = masked(how, ids, {7, s, 3});
    for (const auto& [place, id] : m.guessed) {
      ++guesses;
      ++at[place];
      masks += m.ids[place] == 34 ? 1 : 0;
      kept += m.ids[place] == id ? 1 : 0;
      if (m.ids[place] != 34 && m.ids[place] != id) ++replaced[static_cast<std::size_t>(m.ids[place])];
    }
  }
  CHECK(guesses == 5000 * 6);
  const auto within = [&](double count, double of, double share) {  // 4 standard deviations
    return std::abs(count - share * of) < 4 * std::sqrt(of * share * (1 - share));
  };
  CHECK(within(masks, guesses, 0.8));
  CHECK(within(kept, guesses, 0.1 + 0.1 / 60));  // a piece may be drawn in its own place
  for (std::size_t place = 0; place < ids.size(); ++place)
    if (how.is_ordinary(ids[place]))
      CHECK(within(at[place], guesses, 1.0 / 40));
    else
      CHECK(at[place] == 0);
  for (std::int32_t id = 0; id < 65; ++id)
    if (!how.is_ordinary(id))
      CHECK(replaced[static_cast<std::size_t>(id)] == 0);
    else
      CHECK(replaced[static_cast<std::size_t>(id)] > 0);
}

TEST_CASE("masks are a function of the stream: its seed, step and site") {
  const masker how(sixty_words(), {.share = 0.3});
  const auto ids = sample(50);
  const masked_sample m = masked(how, ids, {1, 2, 3});
  CHECK(masked(how, ids, {1, 2, 3}) == m);
  CHECK(masked(masker(sixty_words(), {.share = 0.3}), ids, {1, 2, 3}) == m);
  CHECK_FALSE(masked(how, ids, {2, 2, 3}) == m);
  CHECK_FALSE(masked(how, ids, {1, 3, 3}) == m);
  CHECK_FALSE(masked(how, ids, {1, 2, 4}) == m);
}

TEST_CASE("a mask share of one guesses everything, and shares that make no sense are refused") {
  const masker all(sixty_words(), {.share = 1, .masked = 1, .replaced = 0});
  const masked_sample m = masked(all, sample(20), {1, 2, 3});
  CHECK(m.guessed.size() == 20);
  CHECK(std::count(m.ids.begin(), m.ids.end(), 34) == 20);
  CHECK_THROWS_WITH(masker(sixty_words(), {.share = 0}), "mask-share: must be above 0 to 1, not 0.000000");
  CHECK_THROWS_WITH(masker(sixty_words(), {.share = 1.5}), "mask-share: must be above 0 to 1, not 1.500000");
  CHECK_THROWS_AS(masker(sixty_words(), {.masked = -1}), contract_error);
  CHECK_THROWS_AS(masker(sixty_words(), {.masked = 0.8, .replaced = 0.3}), contract_error);
  CHECK_THROWS_AS(masker(vocabulary(std::vector<std::string>(special_pieces.begin(), special_pieces.end()))),
                  contract_error);
}

}  // namespace
}  // namespace limbeck
