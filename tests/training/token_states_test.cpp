// Tests of limbeck/training/token_states.hpp.
#include "limbeck/training/token_states.hpp"

#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "training/small_samples.hpp"

namespace limbeck {
namespace {

using limbeck_test::small_samples;

struct small_encoder {
  bert_classifier model;
  std::vector<double> numbers;
  small_encoder(index layers, index width, std::uint64_t seed)
      : model(make_bert_classifier(
            {.vocabulary = 20, .positions = 12, .types = 2, .layers = layers, .width = width, .heads = 2, .inner = 12},
            2)),
        numbers(static_cast<std::size_t>(model.parameters().size())) {
    initialise(model.parameters(), seed, view<double, 1>(numbers.data(), numbers.size()), 0.4);
  }
  [[nodiscard]] view<const double, 1> weights() const { return view<const double, 1>(numbers.data(), numbers.size()); }
};

TEST_CASE("drawn tokens go round the samples, lie inside of them and are not all the first") {
  const sample_set set = small_samples(7, false);
  const auto drawn = draw_tokens(set, 40, 3);
  REQUIRE(drawn.size() == 40);
  index places = 0;
  for (std::size_t d = 0; d < drawn.size(); ++d) {
    CHECK(drawn[d].sample == static_cast<index>(d % 7));
    CHECK((drawn[d].token >= 0 && drawn[d].token < set.lengths[d % 7]));
    places |= index{1} << drawn[d].token;
  }
  CHECK(places == 0b111111);  // the longest samples have 6 tokens
  CHECK(draw_tokens(set, 3).size() == 3);
  CHECK(draw_tokens(small_samples(0, false), 3).empty());
}

TEST_CASE("the states of drawn tokens are those of a pass over their sample alone") {
  const small_encoder encoder(3, 8, 4);
  const sample_set set = small_samples(6, false);
  for (const index count : {4, 15}) {  // fewer than there are samples, and more
    const auto drawn = draw_tokens(set, count);
    const token_states<double> states(cpu_executor<>{}, encoder.model, encoder.weights(), set, drawn);
    const auto found = states.look();
    REQUIRE(found.hidden.size() == 3);
    REQUIRE(found.rows.extent(0) == count);
    for (index d = 0; d < count; ++d) {
      const auto [sample, token] = drawn[static_cast<std::size_t>(d)];
      bert_classifier::pass<double> pass;
      sample_batch<double> batch;
      batch.fill(set, std::vector<std::ptrdiff_t>{sample});
      const auto seen =
          encoder.model.forward(cpu_executor<>{}, encoder.weights(), batch.tokens(), signal::hidden, inference, pass);
      for (std::size_t l = 0; l < 3; ++l)
        for (index c = 0; c < 8; ++c) REQUIRE(found.hidden[l](d, c) == Approx(seen.hidden[l](token, c)).margin(1e-12));
    }
  }
}

TEST_CASE("a model's layers are as alike as can be to themselves, whatever the other model's width") {
  const small_encoder one(2, 8, 4), other(3, 10, 5);
  const sample_set set = small_samples(6, false);
  const auto drawn = draw_tokens(set, 30);
  const token_states<double> mine(cpu_executor<>{}, one.model, one.weights(), set, drawn),
      theirs(cpu_executor<>{}, other.model, other.weights(), set, drawn);
  const layer_table same = layer_alikeness(mine.look(), mine.look(), 30),
                    apart = layer_alikeness(mine.look(), theirs.look(), 30);
  for (std::size_t l = 0; l < 2; ++l) {
    CHECK(same(l, l) == Approx(1));
    for (std::size_t n = 0; n < 3; ++n) CHECK((apart(l, n) > 0 && apart(l, n) < 0.9));
  }
}

}  // namespace
}  // namespace limbeck
