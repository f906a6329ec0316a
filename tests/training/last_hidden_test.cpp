// Tests of limbeck/training/last_hidden.hpp: the head of a teacher that is run on what a file kept.
#include "limbeck/training/last_hidden.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
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

}  // namespace
}  // namespace limbeck
