// Known bugs of other projects' caches of what a teacher said, each beside the naive form that has it.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/training/stored_teacher.hpp"
#include "limbeck/training/teacher_store_writer.hpp"
#include "limbeck/training/terms.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::message_of, limbeck_test::put, limbeck_test::scratch_folder;

/// Three samples of four words, as a tokeniser gives them that cuts after `most` tokens.
sample_set cached_samples(index most = 6) {
  sample_set set;
  for (const std::vector<std::int32_t>& words :
       {std::vector<std::int32_t>{10, 11, 12, 13}, {10, 11, 12, 14}, {15, 16, 17, 18}}) {
    set.tokens.push_back(frame({2, 3}, words, {}, most));
    set.lengths.push_back(set.tokens.back().length());
    set.labels.push_back(0);
    set.scores.push_back(0);
  }
  return set;
}

/// A store of their logits, sample i's being i and -i.
struct cached_teacher {
  scratch_folder folder;
  std::filesystem::path file = folder / "s";
  teacher_identity who{"weights", "vocabulary", "sst-2,0,1"};
  std::vector<float> logits{0, 0, 1, -1, 2, -2};

  explicit cached_teacher(const sample_set& set) {
    std::vector<std::int64_t> ids;
    for (const encoding& tokens : set.tokens) ids.push_back(sample_id(tokens));
    write_teacher_store(file, who, ids, {.logits = view<const float, 2>(logits.data(), 3, 2), .classes = 2});
  }
};

TEST_CASE(
    "bug_24c: a sample of which augmentation changed one token misses the store, the others meet their own logits",
    "[bugs]") {
  const cached_teacher cached(cached_samples());
  const teacher_store store(cached.file);
  sample_set augmented = cached_samples();
  augmented.tokens[1].ids[2] = 19;
  CHECK(store.find_rows(augmented) == std::vector<index>{0, teacher_store::no_row, 2});
  CHECK_THROWS_WITH(stored_teacher(std::make_shared<const teacher_store>(cached.file), augmented),
                    cached.file.string() + ": has no sample of the tokens of sample 1 of 3");
  const float naive = cached.logits[1 * 2];  // the sample's number says where: what the teacher said of other words
  CHECK(naive == 1);
  augmented.tokens[1].ids[2] = 11;
  CHECK(store.find_rows(augmented) == std::vector<index>{0, 1, 2});
}
TEST_CASE("bug_24c, maximum length: samples that are cut elsewhere miss the store", "[bugs]") {
  const cached_teacher cached(cached_samples(5));
  const teacher_store store(cached.file);
  const std::vector<index> none(3, teacher_store::no_row);
  CHECK(store.find_rows(cached_samples(6)) == none);
  // cut to three words the first two samples are equal, and yet each has its own row; of longer texts nothing is left
  CHECK(store.find_rows(cached_samples(5)) == std::vector<index>{0, 1, 2});
  CHECK(store.find_rows(cached_samples(4)) == none);
}
TEST_CASE(
    "bug_24c, teacher: a store of other weights, another vocabulary or another order of labels is refused by name",
    "[bugs]") {
  const cached_teacher cached(cached_samples());
  const teacher_store store(cached.file);
  const std::string file = cached.file.string();
  const auto refusal = [&](const teacher_identity& wanted) {
    return message_of<file_error>([&] { store.expects_identity(wanted); });
  };
  CHECK(refusal({"weights'", "vocabulary", "sst-2,0,1"}) ==
        file + ": was made with another teacher: weights, expected weights'");
  CHECK(refusal({"weights", "vocabulary'", "sst-2,0,1"}) ==
        file + ": was made with another vocabulary: vocabulary, expected vocabulary'");
  CHECK(refusal({"weights", "vocabulary", "sst-2,1,0"}) ==
        file + ": was made with another task: sst-2,0,1, expected sst-2,1,0");
  store.expects_identity(cached.who);
}
TEST_CASE("bug_24c, temperature: what is kept of the likeliest classes at 2 is no use at 4, and a term at 4 is refused",
          "[bugs]") {
  const std::vector<float> teacher{3, 1, 0, -2}, student{0, 1, 2, -1};
  const auto loss_at = [&](double temperature, double kept_at) {
    std::vector<std::int32_t> classes(2);
    std::vector<float> kept(2), rest(1), value(1, 0);
    signals<const float> shown;
    keep_top_k(cpu_executor<>{}, view<const float, 2>(teacher.data(), 1, 4), kept_at,
               view<std::int32_t, 2>(classes.data(), 1, 2), view<float, 2>(kept.data(), 1, 2),
               view<float, 1>(rest.data(), 1));
    shown.logits = view<const float, 2>(kept.data(), 1, 2);
    shown.kept_classes = view<const std::int32_t, 2>(classes.data(), 1, 2);
    shown.log_rest = view<const float, 1>(rest.data(), 1);
    top_k_kl{.temperature = temperature}(cpu_executor<>{},
                                         signals<const float>{view<const float, 2>(student.data(), 1, 4)}, shown,
                                         targets<float>{}, sink<float, cpu>{view<float, 1>(value.data(), 1)});
    return value[0];
  };
  CHECK(std::abs(loss_at(4, 4) - loss_at(4, 2)) > 0.1F);  // naive: nobody asks

  parameter_table table;
  const auto refusal = [&](const char* term) {
    return message_of<contract_error>([&] {
      const term_builder builder({term_spec(term)},
                                 {.teacher = transformer_sizes{}, .classes = 4, .top_k_temperature = 2}, table);
    });
  };
  CHECK(refusal("soft_target_kl:temperature=4") ==
        "loss: soft_target_kl:temperature=4: temperature 4, the teacher's likeliest classes are kept for "
        "temperature "
        "2.000000");
  CHECK(refusal("skew_kl:temperature=2") ==
        "loss: skew_kl:temperature=2 reads all classes, the teacher's likeliest are kept; take soft_target_kl");
  CHECK(refusal("soft_target_kl:temperature=2").empty());
  CHECK(refusal("cross_entropy").empty());
}

TEST_CASE("bug_24d: a store that was cut short anywhere is refused by name, and so is one with bytes behind its end",
          "[bugs]") {
  const cached_teacher cached(cached_samples());
  const std::string whole = get(cached.file), name = cached.file.string();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(cached.file, std::string_view(whole).substr(0, length));
    const std::string refusal = message_of<file_error>([&] { (void)teacher_store(cached.file); });
    INFO(length);
    CHECK(refusal.starts_with(name + ": "));
  }
  put(cached.file, whole + '\0');
  CHECK(message_of<file_error>([&] { (void)teacher_store(cached.file); }).starts_with(name + ": "));
  put(cached.file, whole);
  CHECK(teacher_store(cached.file).samples() == 3);

  // naive: whatever comes is read into numbers that were made before; sample 2 is taught 0 and 0
  std::vector<float> numbers(6);
  const std::string data = std::string(reinterpret_cast<const char*>(cached.logits.data()), 24).substr(0, 16);
  std::memcpy(numbers.data(), data.data(), data.size());
  CHECK(numbers == std::vector<float>{0, 0, 1, -1, 0, 0});
}

}  // namespace
}  // namespace limbeck
