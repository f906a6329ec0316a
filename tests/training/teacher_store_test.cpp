// Tests of limbeck/training/teacher_store.hpp.
#include "limbeck/training/teacher_store.hpp"

#include <cstring>
#include <string>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/losses/top_k.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::message_of, limbeck_test::put, limbeck_test::scratch_folder;

/// Samples that differ by their ids, of which the last comes twice.
sample_set stored_samples(std::vector<std::int32_t> words) {
  sample_set set;
  for (const std::int32_t word : words) {
    set.tokens.push_back({.ids = {2, word, 3}, .types = {0, 0, 0}});
    set.lengths.push_back(3);
    set.labels.push_back(0);
    set.scores.push_back(0);
  }
  return set;
}
std::vector<std::int64_t> ids_of(const sample_set& set) {
  std::vector<std::int64_t> ids;
  for (const encoding& tokens : set.tokens) ids.push_back(sample_id(tokens));
  return ids;
}

struct stored {
  scratch_folder folder;
  std::filesystem::path file = folder / "store.safetensors";
  teacher_identity who{"m", "v", "sst-2,0,1"};
  sample_set set = stored_samples({10, 11, 12, 13, 13});
  std::vector<float> logits{0.5F, 1, 2, 3.25F, -1, 0, 7, 8, 7.5F, 8.5F};

  void write(const teacher_store_options& options = {}) const {
    write_teacher_store(file, who, ids_of(set), {.logits = view<const float, 2>(logits.data(), 5, 2), .classes = 2},
                        options);
  }
  std::string refusal() const {
    return message_of<file_error>([&] { (void)teacher_store(file); });
  }
};

TEST_CASE("a teacher store gives back the logits of each sample, in whatever order") {
  const stored s;
  s.write();
  const teacher_store store(s.file);
  CHECK(store.samples() == 5);
  CHECK(store.classes() == 2);
  CHECK_FALSE(store.is_top_k());
  store.expects_identity(s.who);
  kept_batch all;
  store.gather(store.rows_of(s.set), all);
  CHECK(all.logits == s.logits);  // both of the equal samples have their own
  store.gather(store.rows_of(stored_samples({13, 11, 10})), all);
  CHECK(all.logits == std::vector<float>{7, 8, 2, 3.25F, 0.5F, 1});
  CHECK(all.seen().logits.extent(0) == 3);
  CHECK(all.seen().kept_classes.empty());
  CHECK(message_of<file_error>([&] {
          (void)store.rows_of(stored_samples({10, 99}));
        }) == s.file.string() + ": has no sample of the tokens of sample 1 of 2");
}

TEST_CASE("a teacher store of half the size rounds once") {
  stored s;
  s.logits = {0.1F, 1, -3.14159F, 100, 1e-3F, 0, 7, 8, 9, 10};
  for (const dtype type : {dtype::f16, dtype::bf16}) {
    s.write({.storage = type});
    kept_batch all;
    const teacher_store store(s.file);
    store.gather(store.rows_of(s.set), all);
    for (std::size_t i = 0; i < s.logits.size(); ++i)
      CHECK(all.logits[i] == (type == dtype::f16 ? static_cast<float>(float16(s.logits[i]))
                                                 : static_cast<float>(bfloat16(s.logits[i]))));
  }
}

TEST_CASE("a teacher store of the likeliest classes is what top_k_soft_target reads") {
  const scratch_folder folder;
  const sample_set set = stored_samples({10, 11, 12});
  const std::vector<float> whole{3, 1, 2, 0, -1, 5, 4, 4, 0.5F, 2, 2, 1}, student{0, 1, 2, 3, 1, 1, 0, 0, 2, 0, 1, 1};
  std::vector<std::int32_t> classes(6);
  std::vector<float> kept(6), rest(3);
  keep_top_k(cpu_executor<>{}, view<const float, 2>(whole.data(), 3, 4), 2, view<std::int32_t, 2>(classes.data(), 3, 2),
             view<float, 2>(kept.data(), 3, 2), view<float, 1>(rest.data(), 3));
  write_teacher_store(folder / "s", {"m", "v", "t"}, ids_of(set),
                      {.logits = view<const float, 2>(kept.data(), 3, 2),
                       .classes = 4,
                       .kept_classes = view<const std::int32_t, 2>(classes.data(), 3, 2),
                       .log_rest = view<const float, 1>(rest.data(), 3),
                       .temperature = 2});
  const teacher_store store(folder / "s");
  CHECK(store.is_top_k());
  CHECK(store.temperature() == 2);
  CHECK(store.kept() == 2);
  kept_batch batch;
  store.gather(store.rows_of(set), batch);
  CHECK(batch.kept_classes == classes);
  CHECK(batch.logits == kept);
  CHECK(batch.log_rest == rest);
  std::vector<float> values(3, 0);
  top_k_kl{.temperature = 2}(cpu_executor<>{}, signals<const float>{view<const float, 2>(student.data(), 3, 4)},
                             batch.seen(), targets<float>{}, sink<float, cpu>{view<float, 1>(values.data(), 3)});
  for (const float v : values) CHECK((v > 0 && v < 20));
}

TEST_CASE("a teacher store of something else is refused by name") {
  stored s;
  s.write();
  const teacher_store store(s.file);
  const auto other = [&](teacher_identity wanted) {
    return message_of<file_error>([&] { store.expects_identity(wanted); });
  };
  const std::string file = s.file.string();
  CHECK(other({"n", "v", "sst-2,0,1"}) == file + ": was made with another teacher: m, expected n");
  CHECK(other({"m", "w", "sst-2,0,1"}) == file + ": was made with another vocabulary: v, expected w");
  CHECK(other({"m", "v", "rte"}) == file + ": was made with another task: sst-2,0,1, expected rte");
}

TEST_CASE("a damaged teacher store is refused") {
  const stored s;
  s.write();
  const std::string whole = get(s.file), file = s.file.string();
  std::string bytes = whole;
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  put(s.file, bytes);
  CHECK_THAT(s.refusal(), Catch::Matchers::StartsWith(file + ": is damaged: its data have the checksum "));
  put(s.file, std::string_view(whole).substr(0, whole.size() - 1));
  CHECK_THAT(s.refusal(), Catch::Matchers::StartsWith(file));
  const auto altered = [&](std::string_view old, std::string_view now) {
    bytes = whole;
    bytes.replace(bytes.find(old), old.size(), now);
    put(s.file, bytes);
    return s.refusal();
  };
  CHECK(altered(R"("limbeck_teacher_store":"1")", R"("limbeck_teacher_store":"7")") ==
        file + ": is a teacher store of version 7, expected 1");
  CHECK(altered("limbeck_teacher_store", "limbeck_teacher_stone") ==
        file + ": metadata: has no limbeck_teacher_store, expected a teacher store");
  CHECK(altered(R"("classes":"2")", R"("classes":"3")") == file + ": has 2 logits a sample of 3 classes");
  CHECK(altered(R"("classes":"2")", R"("classes":"x")") == file + ": metadata: has the classes x");
}

TEST_CASE("a teacher store says what it takes before it takes it") {
  const stored s;
  CHECK(teacher_store_bytes(1000, 3, false, dtype::f32) == 1000 * (8 + 12));
  CHECK(teacher_store_bytes(1000, 16, true, dtype::f16) == 1000 * (8 + 16 * 6 + 4));
  CHECK_THROWS_WITH(s.write({.limit = 79}),
                    "teacher store: 5 samples of 2 logits take 80 bytes, at most 79 are allowed");
  CHECK(s.folder.names().empty());
  s.write({.limit = 80});
  CHECK_THROWS_WITH(s.write({.storage = dtype::i32}), "teacher store: cannot keep logits as I32");
  const teacher_outputs wrong{.logits = view<const float, 2>(s.logits.data(), 5, 2), .classes = 3};
  CHECK_THROWS_WITH(write_teacher_store(s.file, s.who, ids_of(s.set), wrong),
                    "teacher store: logits [5, 2] of 3 classes for 5 samples");
}

}  // namespace
}  // namespace limbeck
