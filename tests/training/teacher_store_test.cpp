// Tests of limbeck/training/teacher_store.hpp and teacher_store_writer.hpp.
#include "limbeck/training/teacher_store.hpp"

#include <cstring>
#include <span>
#include <string>
#include <variant>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/losses/relations.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/training/teacher_store_writer.hpp"

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
  store.expects_temperature(2);
  CHECK_THROWS_WITH(store.expects_temperature(4),
                    (folder / "s").string() + ": was made for temperature 2.000000, expected 4.000000");
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
  CHECK(altered(R"("limbeck_teacher_store":"2")", R"("limbeck_teacher_store":"1")") ==
        file + ": is a teacher store of version 1, expected 2; limbeck store makes it again");
  CHECK(altered("limbeck_teacher_store", "limbeck_teacher_stone") ==
        file + ": metadata: has no limbeck_teacher_store, expected a teacher store");
  CHECK(altered(R"("classes":"2")", R"("classes":"3")") == file + ": has 2 logits a sample of 3 classes");
  CHECK(altered(R"("classes":"2")", R"("classes":"x")") == file + ": metadata: has the classes x");
}

TEST_CASE("a teacher store whose parts do not fit one another is refused, its checksum right or not") {
  const scratch_folder folder;
  const std::string file = (folder / "s").string();
  const std::vector<std::int64_t> ids{1, 2, 3};
  const std::vector<float> numbers(12, 1);
  using record_list = std::vector<tensor_record>;
  const auto refusal = [&](const record_list& more) {
    record_list all{{"sample_ids", dtype::i64, {3}, ids.data()}};
    all.insert(all.end(), more.begin(), more.end());
    std::uint64_t sum = fnv1a_start;
    for (const tensor_record& t : all)
      std::visit(
          [&](const auto* data) {
            std::uint64_t count = 0;
            (void)multiply(t.shape, 1, count);
            sum = fnv1a_of_words(std::as_bytes(std::span(data, static_cast<std::size_t>(count))), sum);
          },
          t.data);
    write_safetensors(folder / "s", all,
                      {{"limbeck_teacher_store", teacher_store_version},
                       {"model", "m"},
                       {"vocabulary", "v"},
                       {"task", "t"},
                       {"classes", "2"},
                       {"layers", "2"},
                       {"temperature", "1"},
                       {"checksum", hash_text(sum)}});
    return message_of<file_error>([&] { (void)teacher_store(folder / "s"); });
  };
  const tensor_record logits{"logits", dtype::f32, {3, 2}, numbers.data()},
      hidden{"last_hidden", dtype::f32, {3, 4}, numbers.data()};
  const auto rows = [](const char* name, const std::vector<std::int64_t>& from) {
    return tensor_record{name, dtype::i64, {static_cast<index>(from.size())}, from.data()};
  };
  CHECK(refusal({logits}).empty());
  CHECK(refusal({}) == file + ": keeps nothing of the teacher, expected logits, last_hidden or states");
  CHECK(refusal({{"logits", dtype::f32, {2, 2}, numbers.data()}}) ==
        file + ": has logits [2, 2] of type F32, expected [3, 1 or more] of F32, F16 or BF16");
  CHECK(refusal({logits, {"log_rest", dtype::f32, {3}, numbers.data()}}) ==
        file + ": has one of kept_classes and log_rest, expected both");
  CHECK(refusal({{"last_hidden", dtype::f64, {3, 4}, std::vector<double>(12).data()}}) ==
        file + ": has last_hidden [3, 4] of type F64, expected [3, 1 or more] of F32");
  CHECK(refusal({hidden}) == file + ": tensor \"batch_begin\": is missing");
  CHECK(refusal({hidden, rows("batch_begin", {0, 2, 3})}).empty());
  CHECK(refusal({hidden, rows("batch_begin", {0, 2, 9})}) == file + ": has batches of 9 samples, expected 3");
  for (const std::vector<std::int64_t>& wrong : {std::vector<std::int64_t>{1, 3}, {0, 2, 1, 3}, {0, -2, 3}, {}})
    CHECK(refusal({hidden, rows("batch_begin", wrong)}) == file + ": has batch_begin that does not rise from 0");
  const tensor_record keys{"keys_1", dtype::f32, {6, 2}, numbers.data()};
  CHECK(refusal({rows("token_begin", {0, 1, 3, 6}), keys}).empty());
  CHECK(refusal({rows("token_begin", {0, 1, 3, 7}), keys}) ==
        file + ": has keys_1 [6, 2] of type F32, expected [7, 1 or more] of F32, F16 or BF16");
  CHECK(refusal({rows("token_begin", {0, 1, 6}), keys}) ==
        file + ": has token_begin [3] of type I64, expected [samples + 1]");
  CHECK(refusal({rows("token_begin", {0, 5, 3, 6}), keys}) == file + ": has token_begin that does not rise from 0");
}

TEST_CASE("a teacher store says what it takes before it takes it") {
  const stored s;
  CHECK(teacher_store_bytes({.samples = 1000, .logits = 3}, dtype::f32) == 1000 * (8 + 12));
  CHECK(teacher_store_bytes({.samples = 1000, .logits = 16, .top_k = true}, dtype::f16) == 1000 * (8 + 16 * 6 + 4));
  CHECK(teacher_store_bytes({.samples = 1000, .last_hidden = 32, .batches = 7}, dtype::f16) == 1000 * (8 + 128) + 64);
  CHECK(teacher_store_bytes({.samples = 10, .tokens = 99, .states = 24}, dtype::bf16) == 80 + 99 * 24 * 2 + 88);
  CHECK_THROWS_WITH(s.write({.limit = 79}), "teacher store: 5 samples take 80 bytes, at most 79 are allowed");
  CHECK(s.folder.names().empty());
  s.write({.limit = 80});
  CHECK_THROWS_WITH(s.write({.storage = dtype::i32}), "teacher store: cannot keep numbers as I32");
  const teacher_outputs wrong{.logits = view<const float, 2>(s.logits.data(), 5, 2), .classes = 3};
  CHECK_THROWS_WITH(write_teacher_store(s.file, s.who, ids_of(s.set), wrong),
                    "teacher store: logits [5, 2] of 3 classes for 5 samples");
  CHECK_THROWS_WITH(write_teacher_store(s.file, s.who, ids_of(s.set), {.classes = 2}),
                    "teacher store: nothing is to be kept");
}

TEST_CASE("a teacher store keeps no number that its type cannot hold") {
  stored s;
  s.logits[3] = 1e6F;
  CHECK_THROWS_WITH(s.write({.storage = dtype::f16}),
                    "write_safetensors: tensor \"logits\" has a number that is infinite as F16");
  CHECK(s.folder.names().empty());
  s.write({.storage = dtype::bf16});
}

/// States of 3 samples of 2, 1 and 3 tokens, with a gap before the second and between the columns of a row.
struct kept_layers {
  std::vector<sample_rows> rows{{0, 2, 2}, {3, 1, 1}, {4, 3, 3}};
  std::vector<float> numbers;
  signals<const float> states;

  kept_layers() {
    for (int i = 0; i < 7 * 24; ++i) numbers.push_back(static_cast<float>((i * 37) % 101) / 16);
    const auto columns = [&](index first, index width) {
      return view<const float, 2>(numbers.data() + first, {{7, width}}, {{24, 1}});
    };
    states.rows = view<const sample_rows, 1>(rows.data(), 3);
    states.embeddings = columns(0, 4);
    states.queries = states.values = per_layer<view<const float, 2>>(5);
    states.queries[3] = columns(4, 8);
    states.values[3] = columns(12, 8);
    states.hidden = per_layer<view<const float, 2>>(5);
    states.hidden[4] = columns(20, 4);
  }
};

TEST_CASE("a teacher store gives back the states of each sample's tokens, in whatever order") {
  const scratch_folder folder;
  const sample_set set = stored_samples({10, 11, 12});
  const kept_layers kept;
  for (const dtype type : {dtype::f32, dtype::bf16}) {
    write_teacher_store(folder / "s", {"m", "v", "t"}, ids_of(set), {.classes = 2, .states = kept.states},
                        {.storage = type, .limit = 24U + (type == dtype::f32 ? 4U : 2U) * 6 * 24 + 32});
    const teacher_store store(folder / "s");
    CHECK(store.holds() == (signal::embeddings | signal::hidden | signal::queries | signal::values));
    CHECK(store.kept() == 0);
    const std::vector<index> wanted{2, 0};
    kept_batch batch;
    store.prefetch(wanted);  // changes nothing
    store.gather(wanted, batch);
    const signals<const float> seen = batch.seen();
    CHECK(seen.logits.empty());
    CHECK(seen.keys.empty());
    REQUIRE(seen.rows.extent(0) == 2);
    CHECK((seen.rows(0).begin == 0 && seen.rows(0).length == 3 && seen.rows(1).begin == 3 && seen.rows(1).keys == 2));
    const auto same = [&](const view<const float, 2>& found, const view<const float, 2>& want) {
      REQUIRE(found.extent(0) == 5);
      REQUIRE(found.extent(1) == want.extent(1));
      bool all = true;
      for (index t = 0; t < 5; ++t)
        for (index c = 0; c < want.extent(1); ++c) {
          const float number = want(t < 3 ? 4 + t : t - 3, c);
          all = all && found(t, c) == (type == dtype::f32 ? number : static_cast<float>(bfloat16(number)));
        }
      return all;
    };
    CHECK(same(seen.embeddings, kept.states.embeddings));
    REQUIRE((seen.hidden.size() == 5 && seen.queries.size() == 5 && seen.values.size() == 5));
    CHECK(same(seen.hidden[4], kept.states.hidden[4]));
    CHECK(same(seen.queries[3], kept.states.queries[3]));
    CHECK(same(seen.values[3], kept.states.values[3]));
    CHECK(seen.values[4].empty());
  }
}

TEST_CASE("a teacher store refuses states that do not fit their samples") {
  const scratch_folder folder;
  const sample_set set = stored_samples({10, 11, 12});
  kept_layers kept;
  const auto refusal = [&] {
    return message_of<contract_error>(
        [&] { write_teacher_store(folder / "s", {}, ids_of(set), {.classes = 2, .states = kept.states}); });
  };
  kept.rows[2].length = kept.rows[2].keys = 4;
  CHECK(refusal() == "teacher store: sample 2 has rows 4 to 8 and 4 keys of 7 tokens");
  kept.rows[2].length = kept.rows[2].keys = 3;
  kept.states.values[1] = row_block(kept.states.values[3], 0, 6);
  CHECK(refusal() == "teacher store: values_1 [6, 8] for 7 tokens");
  kept.states.rows = view<const sample_rows, 1>(kept.rows.data(), 2);
  CHECK(refusal() == "teacher store: states of 2 samples, expected 3");
  CHECK(folder.names().empty());
}

TEST_CASE("a loss that wants a layer which a teacher store does not keep is told so") {
  const scratch_folder folder;
  const sample_set set = stored_samples({10, 11, 12});
  const kept_layers kept;
  write_teacher_store(folder / "s", {"m", "v", "t"}, ids_of(set), {.classes = 2, .states = kept.states});
  kept_batch batch;
  const teacher_store store(folder / "s");
  store.gather(store.rows_of(set), batch);
  std::vector<float> values(3, 0);
  const auto loss_of = [&](std::size_t layer) {
    const value_relation relation(top_mapping{.teacher = layer}, {.heads = 2});
    signals<const float> student = batch.seen();
    student.values = per_layer<view<const float, 2>>(1);
    student.values[0] = batch.seen().queries[3];
    relation(cpu_executor<>{}, student, batch.seen(), targets<float>{},
             sink<float, cpu>{view<float, 1>(values.data(), 3)});
  };
  CHECK_THROWS_WITH(loss_of(4), "value_relation: the teacher's pass kept no states");
  loss_of(3);
  CHECK((values[0] > 0 && values[1] == 0 && values[2] > 0));  // a token alone has nothing to relate to
}

}  // namespace
}  // namespace limbeck
