// Tests of limbeck/models/widening.hpp: what a wider student computes, and what it holds.
#include "limbeck/models/widening.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "models/trial.hpp"

namespace limbeck {
namespace {

using limbeck_test::message_of, limbeck_test::owned_batch, limbeck_test::packed, limbeck_test::trial;

const transformer_sizes narrow{
    .vocabulary = 20, .positions = 8, .layers = 2, .width = 6, .heads = 2, .inner = 7, .epsilon = 1e-12};

transformer_sizes wider(index times, index inner) {
  transformer_sizes wide = narrow;
  wide.width *= times;
  wide.heads *= times;
  wide.inner = inner;
  return wide;
}

/// Fills `student` from `teacher`, layer by layer.
template <class Model>
void start(const trial<Model>& teacher, growth how, trial<Model>& student, std::vector<index> layers = {}) {
  const transformer_sizes sizes = teacher.model.backbone().sizes();
  if (layers.empty()) {
    layers.resize(static_cast<std::size_t>(sizes.layers));
    std::iota(layers.begin(), layers.end(), index{0});
  }
  start_from<double>({sizes, teacher.model.parameters(), teacher.weights.seen_flat()}, bert_names(), layers, how, 3,
                     student.model.backbone().sizes(), student.model.parameters(), student.weights.flat());
}

/// The largest difference of two matrices, column j of the first with column from[j] of the second.
double largest_gap(view<const double, 2> a, view<const double, 2> b, const std::vector<index>& from) {
  REQUIRE(a.extent(0) == b.extent(0));
  double worst = 0;
  for (index r = 0; r < a.extent(0); ++r)
    for (index c = 0; c < a.extent(1); ++c)
      worst = std::max(worst, std::abs(a(r, c) - b(r, from[static_cast<std::size_t>(c)])));
  return worst;
}

std::vector<index> repeated(index narrow_width, index width) {
  std::vector<index> from;
  for (index j = 0; j < width; ++j) from.push_back(j % narrow_width);
  return from;
}

TEST_CASE("net2wider preserves what an encoder and a masked language model compute where the width is a multiple") {
  trial teacher(make_bert_masked_language_model(narrow));
  const auto shown = teacher.forward(packed, signal::logits | signal::hidden | signal::scores, {});
  for (const index times : {1, 2, 3}) {
    trial student(make_bert_masked_language_model(wider(times, 7 * times + times / 2)), 5.0);
    start(teacher, growth::net2wider, student);
    const auto seen = student.forward(packed, signal::logits | signal::hidden | signal::scores, {});
    INFO("times " << times);
    CHECK(largest_gap(seen.logits, shown.logits, repeated(20, 20)) < 1e-6);
    for (std::size_t l = 0; l < 2; ++l) {
      CHECK(largest_gap(seen.hidden[l], shown.hidden[l], repeated(6, 6 * times)) < 1e-6);
      CHECK(seen.scores[l].map(0, 2 * times - 1)(1, 2) == Approx(shown.scores[l].map(0, 1)(1, 2)).margin(1e-6));
    }
  }
}

TEST_CASE("net2wider preserves a classifier's logits") {
  trial teacher(make_bert_classifier(narrow, 3));
  trial student(make_bert_classifier(wider(2, 20), 3), 5.0);
  const auto shown = teacher.forward(packed, signal::logits, {});
  start(teacher, growth::net2wider, student);
  CHECK(largest_gap(student.forward(packed, signal::logits, {}).logits, shown.logits, repeated(3, 3)) < 1e-6);
}

TEST_CASE("a masked language model's logits would be as many times too large as units are copied") {
  trial teacher(make_bert_masked_language_model(narrow));
  trial student(make_bert_masked_language_model(wider(2, 7)));
  start(teacher, growth::net2wider, student);
  const model_names names = bert_names();
  for (const std::string& name : {names.transform_gain, names.transform_norm_bias}) {  // as those of other norms
    const parameter& p = *student.model.parameters().find(name);
    for (index i = 0; i < p.count(); ++i) student.weights.data()[p.offset + i] *= 2;
  }
  const auto shown = teacher.forward(packed, signal::logits, {});
  const auto seen = student.forward(packed, signal::logits, {});
  const parameter& bias = *teacher.model.parameters().find(names.vocabulary_bias);
  for (index r = 0; r < 7; ++r)
    for (index c = 0; c < 20; ++c) {
      const double b = teacher.weights.data()[bias.offset + c];
      CHECK(seen.logits(r, c) - b == Approx(2 * (shown.logits(r, c) - b)).margin(1e-9));
    }
}

TEST_CASE("units that do not come out even are all there, some of them twice, and what reads them shares them") {
  const unit_copies copies = copies_of_units(5, 8, {1, 0, 0});
  CHECK(std::vector(copies.from.begin(), copies.from.begin() + 5) == std::vector<index>{0, 1, 2, 3, 4});
  std::vector<double> sums(5, 0);
  for (std::size_t j = 0; j < 8; ++j) {
    const auto count = std::ranges::count(copies.from, copies.from[j]);
    CHECK((count == 1 || count == 2));
    CHECK(copies.share[j] == 1.0 / static_cast<double>(count));
    sums[static_cast<std::size_t>(copies.from[j])] += copies.share[j];
  }
  CHECK(sums == std::vector<double>(5, 1.0));
  CHECK(copies_of_units(5, 8, {1, 0, 0}).from == copies.from);
  bool differs = false;
  for (std::uint64_t seed = 2; seed < 12; ++seed) differs |= copies_of_units(5, 8, {seed, 0, 0}).from != copies.from;
  CHECK(differs);
}

TEST_CASE("pad puts the teacher's numbers into the first rows and columns and leaves the others") {
  trial teacher(make_bert_masked_language_model(narrow));
  trial student(make_bert_masked_language_model(wider(2, 9)));
  const limbeck_test::matrix<> before = student.weights;
  start(teacher, growth::pad, student);
  for (const parameter& p : student.model.parameters().entries()) {
    const parameter& q = *teacher.model.parameters().find(p.name);
    const index columns = std::max(p.columns, index{1}), theirs = std::max(q.columns, index{1});
    for (index r = 0; r < p.rows; ++r)
      for (index c = 0; c < columns; ++c) {
        const index at = p.offset + r * columns + c;
        const double wanted =
            r < q.rows && c < theirs ? teacher.weights.data()[q.offset + r * theirs + c] : before.data()[at];
        if (student.weights.data()[at] != wanted) FAIL(p.name << " at " << r << ", " << c);
      }
  }
}

TEST_CASE("a student of its teacher's width holds the teacher's numbers, layer by layer, by either way of growing") {
  trial teacher(make_bert_masked_language_model(narrow));
  transformer_sizes deep = narrow;
  deep.layers = 4;
  const std::vector<index> layers{0, 1, 1, 1};
  for (const growth how : {growth::pad, growth::net2wider}) {
    trial student(make_bert_masked_language_model(deep));
    start(teacher, how, student, layers);
    for_each_counterpart(
        student.model.parameters(), bert_names(), narrow, layers, [&](const parameter& p, const std::string& name) {
          const parameter& q = *teacher.model.parameters().find(name);
          CHECK(std::equal(student.weights.data() + p.offset, student.weights.data() + p.offset + p.count(),
                           teacher.weights.data() + q.offset));
        });
  }
}

TEST_CASE("what the teacher does not have stays as it was, and a narrower student or other heads are refused") {
  trial teacher(make_bert_masked_language_model(narrow));
  trial student(make_bert_classifier(narrow, 3));
  const limbeck_test::matrix<> before = student.weights;
  const std::vector<index> layers{0, 1};
  const auto start_with = [&](growth how, const transformer_sizes& sizes, auto& model, view<double, 1> weights) {
    start_from<double>({narrow, teacher.model.parameters(), teacher.weights.seen_flat()}, bert_names(), layers, how, 1,
                       sizes, model.parameters(), weights);
  };
  start_with(growth::pad, narrow, student.model, student.weights.flat());
  for (const char* name : {"bert.pooler.dense.weight", "classifier.weight"}) {
    const parameter& p = *student.model.parameters().find(name);
    CHECK(student.weights.data()[p.offset] == before.data()[p.offset]);
  }
  CHECK(student.weights.data()[0] == teacher.weights.data()[0]);
  transformer_sizes sizes = narrow;
  sizes.width = 4;
  trial thin(make_bert_masked_language_model(sizes));
  CHECK(message_of<contract_error>([&] { start_with(growth::pad, sizes, thin.model, thin.weights.flat()); }) ==
        "student: width=4 cannot hold the teacher's 6, expected no fewer");
  sizes = wider(2, 7);
  sizes.heads = 2;
  trial broad(make_bert_masked_language_model(sizes));
  CHECK(message_of<contract_error>([&] { start_with(growth::net2wider, sizes, broad.model, broad.weights.flat()); }) ==
        "net2wider: heads must be as wide as the teacher's, student 12 / 2, teacher 6 / 2");
  sizes = wider(2, 7);
  sizes.vocabulary = 21;
  trial other(make_bert_masked_language_model(sizes));
  CHECK(message_of<contract_error>([&] { start_with(growth::pad, sizes, other.model, other.weights.flat()); }) ==
        "student: bert.embeddings.word_embeddings.weight has 21 rows, the teacher's 20, expected as many");
}

}  // namespace
}  // namespace limbeck
