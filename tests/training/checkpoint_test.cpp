// Tests of limbeck/training/checkpoint.hpp.
#include "limbeck/training/checkpoint.hpp"

#include <string>

#include "catch.hpp"
#include "central_difference.hpp"
#include "io/scratch_folder.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::matrix, limbeck_test::message_of, limbeck_test::put, limbeck_test::same_bits,
    limbeck_test::scratch_folder;

/// What a run has in memory.
struct state {
  parameter_table table;
  matrix<float> weights, first, second;
  json settings{{"seed", 1}, {"loss", {"cross_entropy"}}, {"learning-rate", 1e-4}};

  explicit state(bool projection = true, std::uint64_t seed = 0)
      : table(declared(projection)),
        weights(1, table.size(), seed),
        first(1, table.size(), seed + 1),
        second(1, table.size(), seed + 2) {}
  static parameter_table declared(bool projection) {
    parameter_table table;
    (void)table.declare("word.weight", 5, 3);
    (void)table.declare("word.bias", 3, 0, initial::zero);
    if (projection) (void)table.declare("projection.hidden.weight", 4, 3);
    return table;
  }
  void save(const std::filesystem::path& file, const run_position& at = {}) {
    save_checkpoint(file, table, settings, at, seen());
  }
  run_position load(const std::filesystem::path& file) { return load_checkpoint(file, table, settings, room()); }
  [[nodiscard]] trained_numbers<const float> seen() const {
    return {weights.seen_flat(), first.seen_flat(), second.seen_flat()};
  }
  [[nodiscard]] trained_numbers<float> room() { return {weights.flat(), first.flat(), second.flat()}; }
  std::string refusal(const std::filesystem::path& file) {
    return message_of<file_error>([&] { (void)load(file); });
  }
};

bool same(view<const float, 1> a, view<const float, 1> b) {
  return same_bits(view<const float, 2>(a.data(), 1, a.extent(0)), view<const float, 2>(b.data(), 1, b.extent(0)));
}

TEST_CASE("a checkpoint gives back weights, moments and position bit for bit") {
  const scratch_folder folder;
  state before(true, 5), after;
  const run_position at{.epoch = 2,
                        .step_of_epoch = 7,
                        .updates = 31,
                        .micro_batches = 93,
                        .best = 1.0 / 3,
                        .best_epoch = 1,
                        .evaluations_without_gain = 1};
  before.save(folder / "c", at);
  const run_position back = after.load(folder / "c");
  CHECK(same(before.weights.seen_flat(), after.weights.seen_flat()));
  CHECK(same(before.first.seen_flat(), after.first.seen_flat()));
  CHECK(same(before.second.seen_flat(), after.second.seen_flat()));
  CHECK(back.epoch == 2);
  CHECK(back.step_of_epoch == 7);
  CHECK(back.updates == 31);
  CHECK(back.micro_batches == 93);
  CHECK(back.best == 1.0 / 3);
  CHECK(back.best_epoch == 1);
  CHECK(back.evaluations_without_gain == 1);
  before.save(folder / "d");
  CHECK_FALSE(after.load(folder / "d").best);
  CHECK(folder.names() == std::vector<std::string>{"c", "d"});
}

TEST_CASE("a checkpoint keeps numbers that are learned beside the weights, and refuses others") {
  const scratch_folder folder;
  state run;
  matrix<float> mine(1, 7, 3), back(1, 7), more(1, 8);
  save_checkpoint(folder / "c", run.table, run.settings, {}, run.seen(), {{"sharing.weights", mine.flat()}});
  const auto load = [&](const std::string& name, matrix<float>& into) {
    (void)load_checkpoint(folder / "c", run.table, run.settings, run.room(), {{name, into.flat()}});
  };
  load("sharing.weights", back);
  CHECK(same(mine.seen_flat(), back.seen_flat()));
  CHECK_THAT(message_of<file_error>([&] { load("sharing.weights", more); }), Catch::Contains("expected F32 [8]"));
  CHECK_THROWS_AS(load("sharing.moment", back), file_error);
}

TEST_CASE("a checkpoint of other settings is refused with the first that differs and both values") {
  const scratch_folder folder;
  state before, after;
  before.save(folder / "c");
  const auto prefix = (folder / "c").string() + ": belongs to a run with other settings: ";
  after.settings["learning-rate"] = 2e-4;
  CHECK(after.refusal(folder / "c") == prefix + "learning-rate is 0.0001 in the checkpoint, 0.0002 now");
  after.settings = before.settings;
  after.settings["loss"].push_back("hidden_mse");
  CHECK(after.refusal(folder / "c") ==
        prefix + R"(loss is ["cross_entropy"] in the checkpoint, ["cross_entropy","hidden_mse"] now)");
  after.settings = before.settings;
  after.settings["limit"] = 5;
  CHECK(after.refusal(folder / "c") == prefix + "limit is null in the checkpoint, 5 now");
  after.settings = before.settings;
  after.settings.erase("seed");
  CHECK(after.refusal(folder / "c") == prefix + "seed is 1 in the checkpoint, not given now");
}

TEST_CASE("a refused checkpoint changes nothing in memory") {
  const scratch_folder folder;
  state before(true, 5), after;
  before.save(folder / "c");
  after.settings["seed"] = 2;
  const matrix<float> weights = after.weights;
  CHECK_FALSE(after.refusal(folder / "c").empty());
  CHECK(same_bits(weights.seen(), after.weights.seen()));
}

TEST_CASE("a damaged checkpoint is refused, whatever is missing") {
  const scratch_folder folder;
  state run;
  run.save(folder / "c");
  const std::string whole = get(folder / "c");
  for (std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{50}, whole.size() / 2, whole.size() - 1}) {
    put(folder / "cut", std::string_view(whole).substr(0, length));
    CHECK_THAT(run.refusal(folder / "cut"), Catch::StartsWith((folder / "cut").string()));
  }
  CHECK_THAT(run.refusal(folder / "none"), Catch::StartsWith((folder / "none").string()));
  const auto altered = [&](std::string_view old, std::string_view now) {
    std::string bytes = whole;
    bytes.replace(bytes.find(old), old.size(), now);
    put(folder / "altered", bytes);
    return run.refusal(folder / "altered");
  };
  CHECK(altered(R"("limbeck_checkpoint":"1")", R"("limbeck_checkpoint":"7")") ==
        (folder / "altered").string() + ": is a checkpoint of version 7, expected 1");
  CHECK_THAT(altered("limbeck_checkpoint", "limbeck_chequepoin"),
             Catch::EndsWith("metadata: has no limbeck_checkpoint"));
  CHECK_THAT(altered("step_of_epoch", "step_of_ether"), Catch::Contains("step_of_epoch"));
  CHECK_THAT(altered("second_moment", "second_monent"), Catch::Contains("second_moment"));
}

TEST_CASE("a checkpoint whose last part is wrong is refused before its first is read") {
  const scratch_folder folder;
  state before(true, 5), after;
  const matrix<float> weights = after.weights;
  const auto refused = [&](const char* file) {
    const std::string said = after.refusal(folder / file);
    CHECK(same_bits(weights.seen(), after.weights.seen()));
    return said.substr((folder / file).string().size());
  };
  run_position at;
  at.updates = -1;
  before.save(folder / "updates", at);
  CHECK(refused("updates") == ": position, updates: is -1, expected 0 to 281474976710656");
  before.save(folder / "moment");
  std::string bytes = get(folder / "moment");
  put(folder / "moment", bytes.replace(bytes.find("F32", bytes.find("second_moment")), 3, "I32"));
  CHECK(refused("moment") == ": tensor \"second_moment\": is I32 [30], expected F32 [30]");
}

TEST_CASE("complaints about a checkpoint are one line, whatever its texts hold") {
  const scratch_folder folder;
  state before, after;
  before.settings["a\nb"] = 1;
  before.save(folder / "c");
  CHECK_THAT(after.refusal(folder / "c"), Catch::EndsWith("\"a\\nb\" is 1 in the checkpoint, not given now"));
}

TEST_CASE("a safetensors file that is no checkpoint is refused") {
  const scratch_folder folder;
  const float one = 1;
  write_safetensors(folder / "model", std::vector<tensor_record>{{"weights", dtype::f32, {1}, &one}});
  CHECK(state().refusal(folder / "model") == (folder / "model").string() + ": metadata: has no limbeck_checkpoint");
}

TEST_CASE("a checkpoint of other parameters is refused") {
  const scratch_folder folder;
  state whole(true), bare(false);
  whole.save(folder / "whole");
  CHECK(bare.refusal(folder / "whole") == (folder / "whole").string() + ": holds other parameters than this run has");
}

}  // namespace
}  // namespace limbeck
