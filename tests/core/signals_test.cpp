// Signals: the algebra of the masks, and const views of what a model produced.
#include "limbeck/core/signals.hpp"

#include <type_traits>

#include "catch.hpp"

namespace limbeck {
namespace {

static_assert((signal::logits | signal::hidden) == (signal::hidden | signal::logits));
static_assert((signal::logits | signal::logits) == signal::logits);
static_assert((signal::logits & signal::hidden) == signal::none);
static_assert(((signal::logits | signal::hidden) & signal::hidden) == signal::hidden);
static_assert(has(signal::logits | signal::keys, signal::keys));
static_assert(has(signal::keys, signal::queries | signal::keys), "any member is enough");
static_assert(!has(signal::logits | signal::keys, signal::values));
static_assert(!has(signal::logits, signal::none) && !has(signal::none, signal::logits));
static_assert((signal::none | signal::scores) == signal::scores);

static_assert(std::is_convertible_v<signals<float>, signals<const float>>);
static_assert(!std::is_convertible_v<signals<const float>, signals<float>>);
static_assert(!std::is_convertible_v<signals<float>, signals<const double>>);

TEST_CASE("every signal has a bit of its own") {
  const signal_set all[] = {signal::logits,        signal::embeddings, signal::hidden, signal::scores,
                            signal::probabilities, signal::queries,    signal::keys,   signal::values};
  signal_set seen = signal::none;
  for (const signal_set one : all) {
    CHECK(one != signal::none);
    CHECK_FALSE(has(seen, one));
    seen = seen | one;
  }
}

TEST_CASE("signals add const to every member") {
  float x[16] = {};
  const std::int32_t row_sample[] = {0, 0};
  const sample_rows rows[] = {{0, 2, 2}};
  const block at[] = {{0, 2}};
  signals<float> s;
  s.logits = view<float, 2>(x, 2, 3);
  s.row_sample = view<const std::int32_t, 1>(row_sample, 2);
  s.valid_classes = 2;
  s.embeddings = view<float, 2>(x + 1, 2, 2);
  const auto layers = [&](auto& member, int from) {
    member = std::remove_reference_t<decltype(member)>(2);
    member[1] = view<float, 2>(x + from, 2, 2);
  };
  layers(s.hidden, 2);
  layers(s.queries, 3);
  layers(s.keys, 4);
  layers(s.values, 5);
  s.scores = per_layer<square_blocks<float>>(1);
  s.scores[0] = {x + 6, 1, view<const block, 1>(at, 1), true};
  s.probabilities = per_layer<square_blocks<float>>(1);
  s.probabilities[0] = {x + 7, 1, view<const block, 1>(at, 1)};
  s.rows = view<const sample_rows, 1>(rows, 1);

  const signals<const float> c = s;
  CHECK(c.logits.data() == x);
  CHECK(c.row_sample.data() == row_sample);
  CHECK(c.valid_classes == 2);
  CHECK(c.embeddings.data() == x + 1);
  CHECK(c.hidden.size() == 2);
  CHECK(c.hidden[0].empty());
  CHECK(c.hidden[1].data() == x + 2);
  CHECK(c.queries[1].data() == x + 3);
  CHECK(c.keys[1].data() == x + 4);
  CHECK(c.values[1].data() == x + 5);
  CHECK(c.scores[0].data == x + 6);
  CHECK(c.scores[0].causal);
  CHECK(c.probabilities[0].data == x + 7);
  CHECK_FALSE(c.probabilities[0].causal);
  CHECK(c.rows.data() == rows);
}

TEST_CASE("all classes are valid unless some are said to be padding") {
  float x[6] = {};
  signals<float> s;
  s.logits = view<float, 2>(x, 2, 3);
  CHECK(valid_classes(s) == 3);
  s.valid_classes = 2;
  CHECK(valid_classes(s) == 2);
}

}  // namespace
}  // namespace limbeck
