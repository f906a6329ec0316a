// Tests of limbeck/training/stored_teacher.hpp, kept_maps.hpp and kept_states.hpp: a teacher that is read from a file.
#include "limbeck/training/stored_teacher.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "limbeck/training/kept_maps.hpp"
#include "limbeck/training/kept_states.hpp"
#include "limbeck/training/teacher_store_writer.hpp"
#include "training/small_run.hpp"

namespace limbeck {
namespace {

using limbeck_test::same_bits, limbeck_test::scratch_folder, limbeck_test::small_run, limbeck_test::small_samples;

constexpr signal_set attention_states = signal::queries | signal::keys;

/// The teacher of small_run.
struct small_teacher {
  bert_classifier model = make_bert_classifier(small_run::sizes(8), 1);
  buffer<float> weights{model.parameters().size()};

  small_teacher() { initialise(model.parameters(), 3, weights.all(), 0.2); }
  [[nodiscard]] view<const float, 1> parameters() const { return read_only(weights.all()); }

  /// `samples`: that it sees at once; beside others its numbers are rounded otherwise.
  [[nodiscard]] teacher_store keep(const std::filesystem::path& file, const sample_set& set, signal_set states,
                                   index samples = 1) const {
    const kept_states read = states_of(cpu_executor<>{}, model, parameters(), set, states, {.samples = samples});
    std::vector<std::int64_t> ids;
    for (const std::ptrdiff_t i : read.samples) ids.push_back(sample_id(set.tokens[static_cast<std::size_t>(i)]));
    const signals<const float> said = read.said.seen();
    write_teacher_store(file, {"m", "v", "t"}, ids, {.logits = said.logits, .classes = 1, .states = said});
    return teacher_store(file);
  }
  [[nodiscard]] stored_teacher stored(const std::filesystem::path& file, const sample_set& set, signal_set states,
                                      index heads) const {
    return {std::make_shared<const teacher_store>(keep(file, set, states)), set, heads};
  }
};

/// Shows what it is asked for, and what it was told before.
class watched_teacher final : public kept_teacher<float> {
 public:
  explicit watched_teacher(stored_teacher from) : from_(std::move(from)) {}
  signal_set holds() const override { return from_.holds(); }
  index samples() const override { return from_.samples(); }
  index heads() const override { return from_.heads(); }
  signals<const float> of(std::span<const std::ptrdiff_t> chosen, signal_set wanted) override {
    asked.emplace_back(chosen.begin(), chosen.end());
    signals_asked = signals_asked | wanted;
    return from_.of(chosen, wanted);
  }
  void announce(std::span<const std::ptrdiff_t> chosen) override {
    told.emplace_back(chosen.begin(), chosen.end());
    from_.announce(chosen);
  }
  std::vector<std::vector<std::ptrdiff_t>> asked, told;
  signal_set signals_asked = signal::none;

 private:
  stored_teacher from_;
};

TEST_CASE("a run that reads logits, states and maps from a store ends where one does that asks its teacher") {
  const scratch_folder folder, one, two;
  small_run online;
  online.losses = {"logits_mse", "hidden_mse:projection=linear_bias", "embedding_mse", "attention_mse:of=scores",
                   "attention_kl:measure=kl"};
  online.training.batch_size = 1;  // beside others the teacher's numbers are rounded otherwise
  online.training.accumulate = 2;
  online.cached = false;
  small_run stored = online;
  online(one.path);
  const signal_set states = signal::embeddings | signal::hidden | attention_states;
  watched_teacher teacher(small_teacher().stored(folder / "s", online.train, states, small_run::sizes(8).heads));
  CHECK(teacher.holds() == (signal::logits | states));
  stored.kept = &teacher;
  stored(two.path);
  CHECK(same_bits(stored.weights, online.weights));
  CHECK(teacher.signals_asked == (signal::logits | states));

  // each batch is announced while the one before it is at work, but for the first of each of 3 epochs
  REQUIRE(teacher.asked.size() == 24);
  REQUIRE(teacher.told.size() == 21);
  std::size_t told = 0;
  for (std::size_t b = 0; b < teacher.asked.size(); ++b)
    if (b % 8 != 0) CHECK(teacher.asked[b] == teacher.told[told++]);
}

TEST_CASE("a stored teacher is asked for what terms read, less logits that are given") {
  const scratch_folder folder, one, two;
  small_run run;
  run.losses = {"logits_mse", "hidden_mse:projection=linear_bias"};
  watched_teacher teacher(small_teacher().stored(folder / "s", run.train, signal::hidden | attention_states, 0));
  run.kept = &teacher;
  run.cached = false;
  run(one.path);
  CHECK(teacher.signals_asked == (signal::logits | signal::hidden));
  teacher.signals_asked = signal::none;
  run.cached = true;
  run(two.path);
  CHECK(teacher.signals_asked == signal::hidden);
}

TEST_CASE("a stored teacher gives what is wanted and kept") {
  const scratch_folder folder;
  const sample_set set = small_samples(5, false);
  const small_teacher teacher;
  const std::vector<std::ptrdiff_t> chosen{3, 0};
  stored_teacher blind = teacher.stored(folder / "a", set, attention_states, 0);
  CHECK(blind.holds() == (signal::logits | attention_states));
  const signals<const float> states = blind.of(chosen, signal::all);
  CHECK((states.queries.size() == 2 && states.keys.size() == 2 && !states.logits.empty()));
  CHECK((states.hidden.empty() && states.scores.empty() && states.probabilities.empty()));
  const signals<const float> logits = blind.of(chosen, signal::logits);
  CHECK((!logits.logits.empty() && logits.queries.empty() && logits.rows.empty()));
  CHECK(teacher.stored(folder / "b", set, signal::queries | signal::hidden, 2).holds() ==
        (signal::logits | signal::queries | signal::hidden));
}

TEST_CASE("maps are made of queries and keys that were kept where the heads are known, those that are wanted") {
  const scratch_folder folder;
  const sample_set set = small_samples(5, false);
  const small_teacher teacher;
  using maps_here = kept_maps<float, cpu>;
  CHECK(maps_here::that_come_of(teacher.stored(folder / "a", set, attention_states, 0), signal::all) == signal::none);
  CHECK(maps_here::that_come_of(teacher.stored(folder / "b", set, signal::queries | signal::hidden, 2), signal::all) ==
        signal::none);
  stored_teacher seeing = teacher.stored(folder / "c", set, attention_states, 2);
  CHECK(maps_here::that_come_of(seeing, signal::all) == (signal::scores | signal::probabilities));
  CHECK(maps_here::that_come_of(seeing, signal::hidden | signal::scores) == signal::scores);

  const std::vector<std::ptrdiff_t> chosen{3, 0};
  signals<const float> seen = seeing.of(chosen, attention_states);
  maps_here maps;
  arena memory;
  maps.lay_out(seen.rows, seeing.heads());
  maps.bring([](const auto& from, auto& to) { to = from; });
  maps.make(cpu_executor<>{2}, signal::probabilities, seen, memory);
  REQUIRE((seen.probabilities.size() == 2 && seen.scores.empty()));
  for (index sample = 0; sample < 2; ++sample) {
    const view<const float, 2> map = seen.probabilities[1].map(sample, 1);
    REQUIRE(map.extent(0) == set.lengths[static_cast<std::size_t>(chosen[static_cast<std::size_t>(sample)])]);
    for (index q = 0; q < map.extent(0); ++q) {
      float sum = 0;
      for (index k = 0; k < map.extent(1); ++k) sum += map(q, k);
      CHECK(sum == Approx(1));
    }
  }
}

TEST_CASE("the states of a set are those of its batches, of which no more are kept than is asked for") {
  const sample_set set = small_samples(7, false);
  const small_teacher teacher;
  const cpu_executor<> on;
  const signal_set states = signal::embeddings | signal::values;
  const kept_states read = states_of(on, teacher.model, teacher.parameters(), set, states, {.samples = 3});
  CHECK(numbers_of_a_token(small_run::sizes(8), states) == 8 * (1 + 2));
  CHECK(numbers_of_a_token(small_run::sizes(8), signal::of_layers | signal::embeddings) == 8 * (1 + 4 * 2));
  const std::vector<float> logits = logits_of(on, teacher.model, teacher.parameters(), set, {.samples = 3});
  for (const signal_set wrong : {signal::none, signal::hidden | signal::scores})
    CHECK_THROWS_WITH(states_of(on, teacher.model, teacher.parameters(), set, wrong),
                      "states_of: can keep any of embeddings, hidden, queries, keys and values");
  const signals<const float> all = read.said.seen();
  CHECK((all.hidden.empty() && all.queries.empty() && all.keys.empty() && all.values.size() == 2));
  bert_classifier::pass<float> pass;
  sample_batch<float> batch;
  for (std::size_t i = 0; i < read.samples.size(); ++i) {
    batch.fill(set, std::vector<std::ptrdiff_t>{read.samples[i]});
    const auto seen = teacher.model.forward(on, teacher.parameters(), batch.tokens(), states, inference, pass);
    const sample_rows here = all.rows(static_cast<index>(i));
    CHECK(read.said.logits[i] == Approx(logits[static_cast<std::size_t>(read.samples[i])]).margin(1e-5));
    REQUIRE(here.length == seen.values[1].extent(0));
    for (index t = 0; t < here.length; ++t)
      for (index c = 0; c < 8; ++c) {
        CHECK(all.values[1](here.begin + t, c) == Approx(seen.values[1](t, c)).margin(1e-5));
        CHECK(all.embeddings(here.begin + t, c) == Approx(seen.embeddings(t, c)).margin(1e-5));
      }
  }
}

}  // namespace
}  // namespace limbeck
