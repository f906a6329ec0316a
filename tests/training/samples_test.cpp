// Tests of limbeck/training/samples.hpp.
#include "limbeck/training/samples.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "data/small_vocabulary.hpp"
#include "training/small_samples.hpp"

namespace limbeck {
namespace {

using limbeck_test::small_samples, limbeck_test::small_vocabulary;

const word_piece pieces(small_vocabulary("a good bad film ##s"), {});

template <class T>
std::vector<T> list(view<const T, 1> v) {
  return {v.data(), v.data() + v.extent(0)};
}

TEST_CASE("samples keep the order of their file, cut to the longest length, with labels or scores") {
  dataset from;
  from.task.metrics = {"accuracy"};
  from.examples = {{.text = "a good film", .label = 1}, {.text = "bad", .pair = "a film", .label = 0}};
  const sample_set set = make_samples(from, pieces, 6);
  REQUIRE(set.size() == 2);
  CHECK(set.tokens[0].ids == std::vector<std::int32_t>{2, 5, 6, 8, 3});
  CHECK(set.tokens[1].ids == std::vector<std::int32_t>{2, 7, 3, 5, 8, 3});
  CHECK(set.tokens[1].types == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1});
  CHECK(set.lengths == std::vector<std::ptrdiff_t>{5, 6});
  CHECK(set.labels == std::vector<std::int32_t>{1, 0});
  CHECK(make_samples(from, pieces, 4).lengths == std::vector<std::ptrdiff_t>{4, 4});

  from.task.metrics = {"pearson"};
  from.examples[0].score = 2.5;
  const sample_set scores = make_samples(from, pieces, 6);
  CHECK(scores.scores[0] == 2.5);
  CHECK(scores.labels[0] == no_label);
  CHECK(scores.labelled(0));
}

TEST_CASE("a sample that only a teacher knows has no label, even where its class would be 0 or its score 0") {
  sample_set set;
  set.task.metrics = {"accuracy"};
  set.add({.text = "a film", .label = 0}, pieces, 8, false);
  CHECK_FALSE(set.labelled(0));
  CHECK(set.labels[0] == no_label);
  set.task.metrics = {"spearman"};
  set.add({.text = "a film", .score = 0}, pieces, 8, false);
  CHECK_FALSE(set.labelled(1));
  CHECK(std::isnan(set.scores[1]));
}

TEST_CASE("a part of a set holds its samples with all that belongs to them") {
  const sample_set set = small_samples(6, false), part = part_of(set, 2, 5);
  REQUIRE(part.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(part.tokens[i].ids == set.tokens[i + 2].ids);
    CHECK(part.lengths[i] == set.lengths[i + 2]);
    CHECK(part.labels[i] == set.labels[i + 2]);
  }
  CHECK(part.task.metrics == set.task.metrics);
  CHECK(part_of(set, 6, 6).size() == 0);
  CHECK(fingerprint_of(part_of(set, 0, 6)) == fingerprint_of(set));
  CHECK_THROWS_WITH(part_of(set, 4, 7), "part_of: samples 4 to 7 of 6");
}

TEST_CASE("a batch packs the chosen samples in their order, and may be filled again") {
  sample_set set = small_samples(6, false);
  set.labels[4] = no_label;
  sample_batch<float> batch;
  for (int again = 0; again < 2; ++again) {
    const std::vector<std::ptrdiff_t> chosen{4, 1};
    batch.fill(set, chosen);
    CHECK(batch.samples() == 2);
    std::vector<std::int32_t> ids = set.tokens[4].ids, types = set.tokens[4].types;
    ids.insert(ids.end(), set.tokens[1].ids.begin(), set.tokens[1].ids.end());
    types.insert(types.end(), set.tokens[1].types.begin(), set.tokens[1].types.end());
    CHECK(list(batch.tokens().ids) == ids);
    CHECK(list(batch.tokens().types) == types);
    CHECK(list(batch.tokens().positions) == std::vector<std::int32_t>{0, 1, 2, 0, 1, 2, 3});
    CHECK(list(batch.given().labels) == std::vector<std::int32_t>{no_label, 1});
    CHECK(list(batch.labelled()) == std::vector<float>{0, 1});
    CHECK(batch.rows()(1).begin == 3);
    CHECK(batch.rows()(1).length == 4);
    const std::vector<std::ptrdiff_t> all{0, 1, 2, 3, 4, 5};
    batch.fill(set, all);
    CHECK(batch.samples() == 6);
  }
}

TEST_CASE("a set's fingerprint changes with tokens, types, labels, scores and order") {
  const sample_set set = small_samples(6, false);
  const auto print = fingerprint_of(set);
  CHECK(fingerprint_of(small_samples(6, false)) == print);
  const auto changed = [&](auto change) {
    sample_set other = set;
    change(other);
    return fingerprint_of(other) != print;
  };
  CHECK(changed([](sample_set& s) { ++s.tokens[2].ids[1]; }));
  CHECK(changed([](sample_set& s) { s.tokens[2].types[1] = 1 - s.tokens[2].types[1]; }));
  CHECK(changed([](sample_set& s) { s.labels[5] = no_label; }));
  CHECK(changed([](sample_set& s) { s.scores[5] = 0; }));
  CHECK(changed([](sample_set& s) { std::swap(s.tokens[0], s.tokens[4]); }));
  CHECK(changed([](sample_set& s) { s.tokens.pop_back(); }));
}

}  // namespace
}  // namespace limbeck
