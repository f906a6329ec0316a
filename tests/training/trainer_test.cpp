// Tests of limbeck/training/trainer.hpp.
#include "limbeck/training/trainer.hpp"

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "training/small_run.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::message_of, limbeck_test::put, limbeck_test::same_bits,
    limbeck_test::scratch_folder, limbeck_test::small_run, limbeck_test::small_samples;

std::vector<json_value> lines_of(const scratch_folder& folder, const std::string& event) {
  std::vector<json_value> lines;
  for (const json_value& line : read_run_record(folder / "run.jsonl"))
    if (line.required<std::string>("event") == event) lines.push_back(line);
  return lines;
}

TEST_CASE("a run leaves a record of every update and evaluation, and a checkpoint") {
  const scratch_folder folder;
  small_run run;
  run(folder.path);
  CHECK(run.result.end == run_end::complete);
  CHECK(run.result.at.updates == 12);
  CHECK(run.result.at.epoch == 3);
  CHECK(folder.names() == std::vector<std::string>{"checkpoint.safetensors", "run.jsonl"});
  const auto steps = lines_of(folder, "step");
  REQUIRE(steps.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    const index step = static_cast<index>(i);
    CHECK(steps[i].required<index>("step") == step);
    CHECK(steps[i].required<index>("epoch") == step / 4);
    const double rate = i < 4 ? 1e-2 * static_cast<double>(i) / 4 : 1e-2 * static_cast<double>(12 - i) / 8;
    CHECK(steps[i].required<double>("learning_rate") == Approx(rate).margin(1e-15));
    const json terms = steps[i].raw().at("terms");
    CHECK(terms.size() == 3);
    double sum = 0;
    for (const auto& [name, value] : terms.items()) sum += value.get<double>();
    CHECK(sum == Approx(steps[i].required<double>("loss")));
  }
  CHECK(lines_of(folder, "evaluation").size() == 3);
}

TEST_CASE("shares of the gradient are noted at the first update and the last, and change no bit of the run") {
  const scratch_folder plain, with;
  small_run without, run;
  without(plain.path);
  run.training.gradient_shares = 20;
  run(with.path);
  CHECK(same_bits(run.weights, without.weights));
  const auto lines = lines_of(with, "gradient_shares");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].required<index>("step") == 0);
  CHECK(lines[1].required<index>("step") == 11);
  for (const json_value& line : lines) {
    double norms = 0, shares = 0;
    CHECK(line.at("shares").members().size() == 3);
    for (const auto& [name, norm] : line.at("norms").members()) norms += norm.as<double>();
    for (const auto& [name, share] : line.at("shares").members()) {
      CHECK(share.as<double>() == Approx(line.at("norms").required<double>(name) / norms));
      shares += share.as<double>();
    }
    CHECK(shares == Approx(1));
    CHECK(norms > 0);
  }
  CHECK(lines_of(plain, "gradient_shares").empty());

  const scratch_folder alone;
  small_run one;
  one.training.gradient_shares = 20;
  one.losses.resize(1);
  one(alone.path);
  CHECK(lines_of(alone, "gradient_shares").empty());
}

TEST_CASE("a run that is stopped between shares of the gradient goes on to the bytes of the unbroken one") {
  const scratch_folder whole, parts;
  small_run unbroken, run;
  unbroken.training.gradient_shares = run.training.gradient_shares = 20;
  unbroken(whole.path);
  for (const std::size_t crash_at : {2u, 7u, 1u}) {
    run.stop_at = crash_at;
    run(parts.path);
    CHECK(run.crashed);
    run.resume = true;
  }
  run.stop_at = 0;
  run(parts.path);
  CHECK(same_bits(run.weights, unbroken.weights));
  CHECK(get(parts / "run.jsonl") == get(whole / "run.jsonl"));
}

TEST_CASE("two runs with one seed leave the same bytes, another seed others") {
  const scratch_folder one, two, three;
  small_run a, b, c;
  a(one.path);
  b(two.path);
  c.training.seed = 6;
  c(three.path);
  CHECK(same_bits(a.weights, b.weights));
  CHECK(get(one / "run.jsonl") == get(two / "run.jsonl"));
  CHECK(get(one / "checkpoint.safetensors") == get(two / "checkpoint.safetensors"));
  CHECK_FALSE(same_bits(a.weights, c.weights));
}

TEST_CASE("an asked-for stop saves the state, and the resumed run ends with the same bytes") {
  const scratch_folder whole, parts;
  small_run unbroken, run;
  unbroken(whole.path);
  run.training.save_every = 1e9;
  run.stop_at = 6;
  run.instead = [] { std::raise(SIGINT); };
  run(parts.path);
  CHECK(run.result.end == run_end::interrupted);
  CHECK(run.result.at.updates == 6);  // the update under way is finished
  run.stop_at = 1;
  run.instead = [] { std::raise(SIGTERM); };
  run.resume = true;
  run(parts.path);
  CHECK(run.result.end == run_end::interrupted);
  CHECK(run.result.at.updates == 7);
  run.stop_at = 0;
  run(parts.path);
  CHECK(run.result.end == run_end::complete);
  CHECK(same_bits(run.weights, unbroken.weights));
  CHECK(get(parts / "run.jsonl") == get(whole / "run.jsonl"));
  CHECK(get(parts / "checkpoint.safetensors") == get(whole / "checkpoint.safetensors"));
}

TEST_CASE("a resume without a checkpoint starts from the beginning") {
  const scratch_folder folder;
  small_run run;
  run.resume = true;
  run(folder.path);
  CHECK(run.result.at.updates == 12);
  CHECK(lines_of(folder, "step").size() == 12);
}

TEST_CASE("a resumed run that was complete changes nothing") {
  const scratch_folder folder;
  small_run run;
  run(folder.path);
  const auto weights = run.weights;
  const std::string record = get(folder / "run.jsonl"), checkpoint = get(folder / "checkpoint.safetensors");
  run.resume = true;
  run(folder.path);
  CHECK(run.result.end == run_end::complete);
  CHECK(same_bits(run.weights, weights));
  CHECK(run.batches.empty());
  CHECK(get(folder / "run.jsonl") == record);
  CHECK(get(folder / "checkpoint.safetensors") == checkpoint);
}

TEST_CASE("a run ends after as many evaluations without a better score as it was told, and stays ended") {
  const scratch_folder folder;
  small_run run;
  run.training.learning_rate = 0;  // nothing is learned: the first score stays the best
  run.training.epochs = 8;
  run.training.early_stop = 2;
  run(folder.path);
  CHECK(run.result.end == run_end::stopped_early);
  CHECK(run.result.at.epoch == 3);
  CHECK(run.result.at.best_epoch == 0);
  CHECK(run.bests == 1);
  const std::string record = get(folder / "run.jsonl");
  run.resume = true;  // as after a kill before the last state was written
  run(folder.path);
  CHECK(run.result.end == run_end::stopped_early);
  CHECK(run.result.at.epoch == 3);
  CHECK(run.batches.empty());
  CHECK(get(folder / "run.jsonl") == record);
}

TEST_CASE("without early stopping a run goes to its last epoch") {
  const scratch_folder folder;
  small_run run;
  run.training.learning_rate = 0;
  run.training.epochs = 5;
  run(folder.path);
  CHECK(run.result.end == run_end::complete);
  CHECK(run.result.at.epoch == 5);
}

TEST_CASE("the best state is that of the evaluation with the best score") {
  const scratch_folder folder;
  small_run run;
  run.training.epochs = 6;
  run(folder.path);
  const auto evaluations = lines_of(folder, "evaluation");
  REQUIRE(evaluations.size() == 6);
  std::size_t best = 0;
  index times = 0;
  double score = -2;
  for (std::size_t e = 0; e < 6; ++e) {
    const double now = evaluations[e].raw().at("dev").at("pearson").get<double>();
    CHECK(evaluations[e].required<bool>("best") == (now > score));
    if (now <= score) continue;
    score = now;
    best = e;
    ++times;
  }
  CHECK(run.result.at.best_epoch == static_cast<index>(best));
  CHECK(*run.result.at.best == score);
  CHECK(run.bests == times);
  small_run up_to = run;  // a run with the same schedule that is stopped right behind that evaluation
  const scratch_folder part;
  up_to.stop_at = 4 * (best + 1) + 1;
  up_to(part.path);
  CHECK(same_bits(best + 1 == 6 ? run.weights : up_to.weights, run.best_weights));
}

TEST_CASE("a loss that is not finite ends the run, naming term and step, and the last good checkpoint stays") {
  const scratch_folder folder, at_once;
  small_run run;
  run.train.scores[3] = 1e30;  // its square is no float
  run.train.scores[3] *= run.train.scores[3];
  const auto message = message_of<std::runtime_error>([&] { run(folder.path); });
  REQUIRE_FALSE(run.batches.empty());
  const std::size_t failed = run.batches.size() - 1;  // updates before it
  CHECK_THAT(message, Catch::Contains("in term regression_mse at update " + std::to_string(failed)));
  CHECK(std::filesystem::exists(folder / "checkpoint.safetensors") == (failed > 0));
  CHECK(lines_of(folder, "step").size() == failed);
  for (const float x : run.weights) REQUIRE(std::isfinite(x));

  small_run poisoned;  // the third sample that comes
  poisoned(at_once.path);
  const float sample = poisoned.batches[2][0];
  poisoned.train.scores[static_cast<std::size_t>(sample)] = std::numeric_limits<double>::infinity();
  const scratch_folder third;
  CHECK_THAT(message_of<std::runtime_error>([&] { poisoned(third.path); }),
             Catch::Contains("in term regression_mse at update 2; the last good state is in " + third.path.string()));
  CHECK(third.names() == std::vector<std::string>{"checkpoint.safetensors", "run.jsonl"});
  parameter_table table = make_bert_classifier(small_run::sizes(6), 1).parameters();
  table.declare("projection.hidden.weight", 8, 6);
  table.declare("projection.hidden.bias", 8, 0, initial::zero);
  buffer<float> weights(table.size()), first(table.size()), second(table.size());
  CHECK(load_checkpoint(third / "checkpoint.safetensors", table, poisoned.settings,
                        {weights.all(), first.all(), second.all()})
            .updates == 2);
}

TEST_CASE("a loss that is not finite in the first update does not promise a state that is not there") {
  const scratch_folder folder;
  small_run run;
  for (double& score : run.train.scores) score = std::numeric_limits<double>::infinity();
  const auto message = message_of<std::runtime_error>([&] { run(folder.path); });
  CHECK_THAT(message, Catch::Contains("in term regression_mse at update 0"));
  CHECK_THAT(message, !Catch::Contains("last good state"));
}

TEST_CASE("a checkpoint of another run is refused and nothing of the old run is touched") {
  const scratch_folder folder;
  small_run run;
  run.crash_in(6, folder.path);
  const std::string record = get(folder / "run.jsonl"), checkpoint = get(folder / "checkpoint.safetensors");
  run.resume = true;
  run.settings["seed"] = 6;
  CHECK(message_of<file_error>([&] { run(folder.path); }) ==
        (folder / "checkpoint.safetensors").string() +
            ": belongs to a run with other settings: seed is 5 in the checkpoint, 6 now");
  CHECK(get(folder / "run.jsonl") == record);
  CHECK(get(folder / "checkpoint.safetensors") == checkpoint);
}

TEST_CASE("training_options refuses what makes no run, naming the setting and its value") {
  const auto refusal = [](auto change) {
    training_options o;
    change(o);
    return message_of<contract_error>([&] { o.check(); });
  };
  CHECK(refusal([](auto&) {}).empty());
  CHECK(refusal([](auto& o) { o.epochs = 0; }) == "epochs: must be 1 or more, not 0");
  CHECK(refusal([](auto& o) { o.batch_size = -2; }) == "batch-size: must be 1 or more, not -2");
  CHECK_THAT(refusal([](auto& o) { o.learning_rate = -1e-3; }), Catch::StartsWith("learning-rate: must be in 0"));
  CHECK_THAT(refusal([](auto& o) { o.learning_rate = std::nan(""); }),
             Catch::StartsWith("learning-rate: must be in 0"));
  CHECK_THAT(refusal([](auto& o) { o.warmup = 1.5; }), Catch::StartsWith("warmup: must be in 0"));
  CHECK_THAT(refusal([](auto& o) { o.weight_decay = -1; }), Catch::StartsWith("weight-decay: must be in 0"));
  CHECK_THAT(refusal([](auto& o) { o.clip = -1; }), Catch::StartsWith("clip: must be in 0"));
  CHECK_THAT(refusal([](auto& o) { o.dropout = 1; }), Catch::StartsWith("dropout: must be in 0"));
  CHECK(refusal([](auto& o) { o.early_stop = -1; }) == "early-stop: must not be negative");
  CHECK(refusal([](auto& o) { o.steps = -1; }) == "steps: must not be negative");
  CHECK(refusal([](auto& o) { o.evaluate_every = -1; }) == "evaluate-every: must not be negative");
}

}  // namespace
}  // namespace limbeck
