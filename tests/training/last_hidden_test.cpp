// Tests of limbeck/training/last_hidden.hpp and stored_teacher.hpp: a model's teacher that is read from a file.
#include "limbeck/training/last_hidden.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "limbeck/training/stored_teacher.hpp"
#include "limbeck/training/teacher_store_writer.hpp"
#include "training/small_run.hpp"

namespace limbeck {
namespace {

using limbeck_test::message_of, limbeck_test::same_bits, limbeck_test::scratch_folder, limbeck_test::small_run,
    limbeck_test::small_samples;

/// A teacher whose products are large enough for blocks, rows left over and single rows.
struct wide_teacher {
  bert_classifier model;
  buffer<float> weights;

  explicit wide_teacher(index classes)
      : model(make_bert_classifier(small_run::sizes(48), classes)), weights(model.parameters().size()) {
    initialise(model.parameters(), 3, weights.all(), 0.2);
  }
  view<const float, 1> parameters() const { return read_only(weights.all()); }
};

void write_last_hidden(const std::filesystem::path& file, const wide_teacher& teacher, const sample_set& set,
                       index classes, const batch_limits& most) {
  const last_hidden_states read = last_hidden_of(cpu_executor<>{}, teacher.model, teacher.parameters(), set, most);
  std::vector<std::int64_t> ids;
  for (const std::ptrdiff_t i : read.samples) ids.push_back(sample_id(set.tokens[static_cast<std::size_t>(i)]));
  write_teacher_store(file, {"m", "v", "t"}, ids,
                      {.classes = classes,
                       .last_hidden = view<const float, 2>(read.numbers.data(), ids.size(), 48),
                       .batch_begin = view<const std::int64_t, 1>(read.batch_begin.data(), read.batch_begin.size())},
                      {.storage = dtype::bf16});  // of other numbers
}

TEST_CASE("from last hidden states the teacher's head gives its logits bit for bit, for any samples in any order") {
  for (const index classes : {1, 3}) {
    const scratch_folder folder;
    const wide_teacher teacher(classes);
    const cpu_executor<> on;
    std::vector<std::ptrdiff_t> which = detail::counted(41);
    which.insert(which.end(), {7, 7, 12});  // that come several times
    const sample_set set = part_of(small_samples(41, false), which);
    const batch_limits most{.tokens = 60, .samples = 13};
    const std::vector<float> logits = logits_of(on, teacher.model, teacher.parameters(), set, most);
    write_last_hidden(folder / "s", teacher, set, classes, most);
    const teacher_store store(folder / "s");
    CHECK(store.holds() == signal::none);
    CHECK(store.batch_begin().size() > 4);
    const auto replayed = [&](const sample_set& wanted) {
      return logits_from_last_hidden(on, teacher.model, teacher.parameters(), store, store.rows_of(wanted));
    };
    CHECK(same_bits(replayed(set), logits));
    for (const std::vector<std::ptrdiff_t>& some :
         {std::vector<std::ptrdiff_t>{5}, std::vector<std::ptrdiff_t>{40, 3, 22, 0, 17, 9},
          std::vector<std::ptrdiff_t>{2, 2}}) {
      std::vector<float> wanted;
      for (const std::ptrdiff_t i : some)
        wanted.insert(wanted.end(), logits.begin() + i * classes, logits.begin() + (i + 1) * classes);
      CHECK(same_bits(replayed(part_of(set, some)), wanted));
    }
  }
}

TEST_CASE("last hidden states of another width, and rows that are not there, are refused") {
  const scratch_folder folder;
  const wide_teacher teacher(2);
  const bert_classifier other = make_bert_classifier(small_run::sizes(8), 2);
  const buffer<float> weights(other.parameters().size());
  const sample_set set = small_samples(6, false);
  write_last_hidden(folder / "s", teacher, set, 2, {});
  const teacher_store store(folder / "s");
  const std::vector<index> rows{0}, beyond{6};
  CHECK_THROWS_WITH(logits_from_last_hidden(cpu_executor<>{}, other, weights.all(), store, rows),
                    "teacher store: last hidden states of width 48, the model has 8");
  CHECK_THROWS_WITH(logits_from_last_hidden(cpu_executor<>{}, teacher.model, teacher.parameters(), store, beyond),
                    "teacher store: row 6 is wanted of 6");
}

/// Shows what it is asked for, and what it was told before.
class watched_teacher final : public kept_teacher<float> {
 public:
  explicit watched_teacher(stored_teacher from) : from_(std::move(from)) {}
  signal_set holds() const override { return from_.holds(); }
  index samples() const override { return from_.samples(); }
  signals<const float> of(std::span<const std::ptrdiff_t> chosen) override {
    asked.emplace_back(chosen.begin(), chosen.end());
    return from_.of(chosen);
  }
  void announce(std::span<const std::ptrdiff_t> chosen) override {
    told.emplace_back(chosen.begin(), chosen.end());
    from_.announce(chosen);
  }
  std::vector<std::vector<std::ptrdiff_t>> asked, told;

 private:
  stored_teacher from_;
};

/// Logits and all hidden states of the teacher of small_run, which sees samples one by one.
void write_states(const std::filesystem::path& file, const small_run& run) {
  const bert_classifier teacher = make_bert_classifier(small_run::sizes(8), 1);
  const view<const float, 1> weights(run.teacher_weights.data(), run.teacher_weights.size());
  std::vector<std::int64_t> ids;
  std::vector<float> logits, embeddings, first, second;
  std::vector<sample_rows> rows;
  bert_classifier::pass<float> pass;
  sample_batch<float> batch;
  index tokens = 0;
  for (std::ptrdiff_t i = 0; i < run.train.size(); ++i) {
    batch.fill(run.train, std::vector<std::ptrdiff_t>{i});
    const auto seen = teacher.forward(cpu_executor<>{}, weights, batch.tokens(),
                                      signal::logits | signal::embeddings | signal::hidden, inference, pass);
    const auto append = [](std::vector<float>& to, const view<const float, 2>& from) {
      to.insert(to.end(), from.data(), from.data() + from.count());
    };
    append(logits, seen.logits);
    append(embeddings, seen.embeddings);
    append(first, seen.hidden[0]);
    append(second, seen.hidden[1]);
    const index length = batch.rows()(0).length;
    rows.push_back({tokens, length, length});
    tokens += length;
    ids.push_back(sample_id(run.train.tokens[static_cast<std::size_t>(i)]));
  }
  signals<const float> states;
  states.rows = view<const sample_rows, 1>(rows.data(), rows.size());
  states.embeddings = view<const float, 2>(embeddings.data(), tokens, 8);
  states.hidden = per_layer<view<const float, 2>>(2);
  states.hidden[0] = view<const float, 2>(first.data(), tokens, 8);
  states.hidden[1] = view<const float, 2>(second.data(), tokens, 8);
  write_teacher_store(file, {"m", "v", "t"}, ids,
                      {.logits = view<const float, 2>(logits.data(), ids.size(), 1), .classes = 1, .states = states});
}

TEST_CASE("a run that reads logits and states from a store ends where one does that asks its teacher in every step") {
  const scratch_folder folder, one, two;
  small_run online;
  online.losses = {"logits_mse", "hidden_mse:projection=linear_bias", "embedding_mse"};
  online.training.batch_size = 1;  // beside others the teacher's numbers are rounded otherwise
  online.training.accumulate = 2;
  online.cached = false;
  small_run stored = online;
  online(one.path);
  write_states(folder / "s", online);
  watched_teacher teacher({teacher_store(folder / "s"), online.train});
  CHECK(teacher.holds() == (signal::logits | signal::embeddings | signal::hidden));
  stored.kept = &teacher;
  stored(two.path);
  CHECK(same_bits(stored.weights, online.weights));

  // each batch is announced while the one before it is at work, but for the first of each of 3 epochs
  REQUIRE(teacher.asked.size() == 24);
  REQUIRE(teacher.told.size() == 21);
  std::size_t told = 0;
  for (std::size_t b = 0; b < teacher.asked.size(); ++b)
    if (b % 8 != 0) CHECK(teacher.asked[b] == teacher.told[told++]);
}

}  // namespace
}  // namespace limbeck
