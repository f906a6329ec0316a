// Known bugs of other projects' training, each beside the naive form that has it where that says something.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/training/metrics.hpp"
#include "training/small_run.hpp"
#include "training/word_sum.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::message_of,
    limbeck_test::same_bits, limbeck_test::scratch_folder, limbeck_test::small_run, limbeck_test::small_samples,
    limbeck_test::word_sum;
using classes = std::vector<std::int32_t>;
using scores = std::vector<double>;
using batch_list = std::vector<std::vector<std::ptrdiff_t>>;

// --- bug 3: a gradient that does not depend on how a step is split ---------------------------------------------------

/// Adds the losses of its samples, which the scores say, divided by the step's tokens; reads logits for form's sake.
struct token_losses {
  signal_set reads = signal::logits;
  template <class E, class T>
  void operator()(const E&, const signals<const T>& student, const signals<const T>&, const targets<T>& given,
                  const sink<T, cpu>& out) const {
    for (index i = 0; i < given.scores.extent(0); ++i) {
      const index tokens = student.rows(i).length;
      out.value(i) += static_cast<T>(out.scale / out.per.tokens) * static_cast<T>(tokens) * given.scores(i);
      out.gradient.logits(i, 0) +=
          static_cast<T>(out.scale / out.per.tokens);  // its derivative is the token's id, summed
    }
  }
};

/// Value and gradient of one step over samples of `tokens` tokens whose loss is `losses` each, micro-batch by
/// micro-batch.
struct split_step {
  double value = 0;
  matrix<> gradient{20, 1};

  split_step(const std::vector<index>& tokens, const scores& losses, const batch_list& batches) {
    sample_set set;
    set.task.metrics = {"pearson"};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      encoding e;
      e.ids.assign(static_cast<std::size_t>(tokens[i]), static_cast<std::int32_t>(5 + i));
      e.types.assign(e.ids.size(), 0);
      set.tokens.push_back(e);
      set.lengths.push_back(tokens[i]);
      set.labels.push_back(no_label);
      set.scores.push_back(losses[i]);
    }
    const word_sum model(20, 1);
    const matrix<> weights(20, 1, 1);
    std::vector<named_term<cpu_executor<>, double>> terms;
    terms.push_back({"tokens", {}, token_losses{}, false});
    distiller<word_sum, cpu_executor<>, double> distil(model, {}, std::move(terms));
    const std::vector<std::span<const std::ptrdiff_t>> spans(batches.begin(), batches.end());
    const normaliser counts = counts_of_step(spans, set, 1);
    std::vector<double> values{0};
    for (const auto& batch : batches)
      distil.accumulate({}, set, batch, counts, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(), values);
    value = values[0];
  }
};

TEST_CASE("bug_03a, a step: micro-batches of 1 and 3 tokens with losses 1 and 3 give the mean 2.5", "[bugs]") {
  CHECK(split_step({1, 3}, {1, 3}, {{0}, {1}}).value == Approx(2.5));
  CHECK((1.0 + 3.0) / 2 == 2.0);  // naive: the mean of means
}
TEST_CASE("bug_03b, a step: four equal micro-batches give the gradient of the whole batch, not four times as much",
          "[bugs]") {
  const split_step whole({2, 2, 2, 2}, {1, 2, 3, 4}, {{0, 1, 2, 3}}),
      split({2, 2, 2, 2}, {1, 2, 3, 4}, {{0}, {1}, {2}, {3}});
  CHECK(same_bits(whole.gradient.seen(), split.gradient.seen()));
}
TEST_CASE("bug_03c, a step: parts with 5 and 3 tokens of loss 1 and 3 or their like give the mean over all tokens",
          "[bugs]") {
  CHECK(split_step({5, 1}, {1, 3}, {{0}, {1}}).value == Approx(4.0 / 3));
  CHECK((1.0 + 3.0) / 2 == 2.0);  // naive: ranks that average
}
TEST_CASE("bug_03d, a step: parts of 4 and 60 tokens give the same bits as the unsplit batch", "[bugs]") {
  const split_step whole({4, 60}, {1, 2}, {{0, 1}}), split({4, 60}, {1, 2}, {{0}, {1}});
  CHECK(same_bits(whole.gradient.seen(), split.gradient.seen()));
  CHECK(whole.value == Approx(split.value).epsilon(1e-15));
}

// --- bug 14: norms and clipping --------------------------------------------------------------------------------------

TEST_CASE("bug_14a: the gradient (3000, 4000), stored in float16, has norm 5000 and is clipped to (0.6, 0.8)",
          "[bugs]") {
  const float16 stored[] = {float16(3000.0F), float16(4000.0F)};
  matrix<float> x(1, 2);
  for (index i = 0; i < 2; ++i) x(0, i) = stored[i];
  const double norm = norm_of(cpu_executor<>{}, x.seen_flat());
  CHECK(norm == 5000);
  CHECK(x(0, 0) * clip_scale(norm, 1) == Approx(0.6));
  CHECK(x(0, 1) * clip_scale(norm, 1) == Approx(0.8));
  CHECK(std::isinf(static_cast<float>(float16(stored[0] * stored[0]))));  // naive: squares in what is stored
}
TEST_CASE("bug_14c: the norm of a float gradient of 1e20 is 1e20, and so small a one as 1e-30 is not 0", "[bugs]") {
  matrix<float> x(1, 1);
  x(0, 0) = 1e20F;
  const double norm = norm_of(cpu_executor<>{}, x.seen_flat());
  CHECK(norm == Approx(1e20));
  CHECK(1e20 * clip_scale(norm, 1) == Approx(1));
  x(0, 0) = 1e-30F;
  CHECK(norm_of(cpu_executor<>{}, x.seen_flat()) == Approx(1e-30));

  matrix<float> many(1, 1001);  // vectors and what is left of them
  many.fill(1e30F);
  CHECK(norm_of(cpu_executor<>{2}, many.seen_flat()) == Approx(1e30 * std::sqrt(1001.0)));
  CHECK(std::isinf(1e20F * 1e20F));  // naive
}

// --- bugs 20, 22: what learns and what does not ----------------------------------------------------------------------

/// Rewrites the checkpoint in `folder`: `change(name, numbers)` sees each of its tensors.
template <class Change>
void alter_checkpoint(const scratch_folder& folder, Change&& change) {
  std::vector<std::vector<float>> numbers;
  std::vector<tensor_record> records;
  std::map<std::string, std::string> metadata;
  {
    const safetensors_file kept(folder / "checkpoint.safetensors");
    metadata = kept.metadata();
    for (const char* name : {"weights", "first_moment", "second_moment"}) {
      numbers.push_back(kept.read<float>(name, kept.at(name).shape));
      change(std::string(name), numbers.back());
      records.push_back({name, dtype::f32, kept.at(name).shape, numbers.back().data()});
    }
  }
  write_safetensors(folder / "checkpoint.safetensors", records, metadata);
}

struct projection_at {
  std::vector<float> before, after;
};
projection_at projection_of(const small_run& run) {
  const index student = make_bert_classifier(small_run::sizes(6), 1).parameters().size();
  parameter_table table = make_bert_classifier(small_run::sizes(6), 1).parameters();
  (void)table.declare("projection.hidden.weight", 8, 6);
  (void)table.declare("projection.hidden.bias", 8, 0, initial::zero);
  matrix<float> fresh(1, table.size());
  initialise(table, 7, fresh.flat(), 0.1);
  return {{fresh.data() + student, fresh.data() + table.size()}, {run.weights.begin() + student, run.weights.end()}};
}

TEST_CASE("bug_20a: every weight and bias of a projection moves in the first step", "[bugs]") {
  const scratch_folder folder;
  small_run run;
  run.training.warmup = 0;  // else the first step has rate 0
  run.stop_at = 2;
  run(folder.path);
  const projection_at p = projection_of(run);
  REQUIRE(p.after.size() == 8 * 6 + 8);
  for (std::size_t i = 0; i < p.after.size(); ++i) CHECK(p.before[i] != p.after[i]);

  parameter_table students = make_bert_classifier(small_run::sizes(6), 1).parameters();  // naive: all it was told of
  adamw<float> naive(students);
  std::vector<float> all = run.weights, gradient(all.size(), 1);
  naive.update(cpu_executor<>{}, 1e-2, 1, view<const float, 1>(gradient.data(), students.size()),
               view<float, 1>(all.data(), students.size()));
  CHECK(all[0] != run.weights[0]);
  CHECK(std::equal(p.after.begin(), p.after.end(), all.begin() + students.size()));
}
TEST_CASE("bug_20b: five updates, a crash and five more leave the bits of ten, the projection and its moments too",
          "[bugs]") {
  const scratch_folder whole, parts;
  small_run unbroken, run;
  unbroken(whole.path);
  run.crash_in(6, parts.path).go_on(parts.path);
  CHECK(same_bits(run.weights, unbroken.weights));
  CHECK(same_bits(projection_of(run).after, projection_of(unbroken).after));
  CHECK(get(whole / "checkpoint.safetensors") == get(parts / "checkpoint.safetensors"));

  const scratch_folder other;  // naive: the projection is not in the checkpoint, and starts anew
  small_run naive;
  naive.crash_in(6, other.path);
  alter_checkpoint(other, [&](const std::string& name, std::vector<float>& numbers) {
    const std::vector<float> fresh = projection_of(naive).before;
    if (name == "weights")
      std::copy(fresh.begin(), fresh.end(), numbers.end() - static_cast<std::ptrdiff_t>(fresh.size()));
  });
  naive.go_on(other.path);
  CHECK_FALSE(same_bits(naive.weights, unbroken.weights));
}
TEST_CASE("bug_20d: a checkpoint without the projection is refused by a run that has one", "[bugs]") {
  const scratch_folder folder;
  small_run without, with;
  without.losses = {"regression_mse"};
  without.stop_at = 4;
  without(folder.path);
  with.resume = true;
  CHECK(message_of<file_error>([&] { with(folder.path); }) ==
        (folder / "checkpoint.safetensors").string() + ": holds other parameters than this run has");

  // naive: what the file has is taken, and the rest stays at its random start
  const safetensors_file kept(folder / "checkpoint.safetensors");
  const std::vector<float> found = kept.read<float>("weights", kept.at("weights").shape);
  CHECK(static_cast<index>(found.size()) + 8 * 6 + 8 == with.parameters);
}
TEST_CASE(
    "bug_22: ten steps with weight decay leave the teacher as it was, and learn the student and its projection only",
    "[bugs]") {
  const scratch_folder folder;
  small_run run;  // fails by itself where the teacher's bytes change
  run.training.weight_decay = 0.1;
  run.cached = false;
  run.stop_at = 11;
  run(folder.path);
  const index student = make_bert_classifier(small_run::sizes(6), 1).parameters().size();
  CHECK(run.parameters == student + 8 * 6 + 8);
  const safetensors_file kept(folder / "checkpoint.safetensors");
  for (const char* name : {"weights", "first_moment", "second_moment"})
    CHECK(kept.at(name).shape == tensor_shape{static_cast<tensor_shape::value_type>(run.parameters)});

  std::vector<pass_mode> modes;  // the teacher's passes keep nothing for a backward pass
  word_sum student_of_words(20, 3), teacher_of_words(20, 3);
  teacher_of_words.modes = &modes;
  std::vector<named_term<cpu_executor<>, double>> terms;
  terms.push_back({"soft", {}, soft_target_kl{}, false});
  const matrix<> shown(20, 3, 2), weights(20, 3, 1);
  distiller<word_sum, cpu_executor<>, double> distil(student_of_words, {&teacher_of_words, shown.seen_flat(), {}},
                                                     std::move(terms));
  matrix<> gradient(20, 3);
  std::vector<double> values{0};
  const std::vector<std::ptrdiff_t> chosen{0, 1};
  distil.accumulate({}, small_samples(4, false), chosen, {}, {.keeps = true, .dropout = 0.5}, 0, weights.seen_flat(),
                    gradient.flat(), values);
  REQUIRE(modes.size() == 1);
  CHECK_FALSE(modes[0].keeps);
  CHECK(modes[0].dropout == 0);

  const bert_classifier teacher = make_bert_classifier(small_run::sizes(8), 1);
  adamw<float> naive(teacher.parameters(), {.weight_decay = 0.1});  // handed to the optimiser, without a gradient
  std::vector<float> decayed = run.teacher_weights, none(decayed.size(), 0);
  naive.update(cpu_executor<>{}, 1e-2, 1, view<const float, 1>(none.data(), none.size()),
               view<float, 1>(decayed.data(), decayed.size()));
  CHECK_FALSE(same_bits(decayed, run.teacher_weights));
}

// --- bug 24: each sample meets its own teacher's logits --------------------------------------------------------------

/// Whose kept logits a sample meets: its own, or by naive books those of its place in the epoch or in its batch.
enum class kept_by { nobody, sample, place_in_epoch, place_in_batch };

/// `logits` [samples, 3] as batches in that order will meet them.
std::vector<double> as_met(const std::vector<double>& logits, const batch_list& batches, kept_by books) {
  std::vector<double> met = logits;
  std::ptrdiff_t place = 0;
  for (const auto& batch : batches) {
    if (books == kept_by::place_in_batch) place = 0;
    for (const std::ptrdiff_t sample : batch)
      std::copy_n(logits.begin() + 3 * (books == kept_by::sample ? sample : place++), 3, met.begin() + 3 * sample);
  }
  return met;
}

/// The gradient of batches in that order, from kept logits or from the teacher itself.
matrix<> gradient_of(const batch_list& batches, kept_by books) {
  const sample_set set = small_samples(5, false);
  const word_sum model(20, 3);
  const matrix<> weights(20, 3, 1), shown(20, 3, 2);
  std::vector<named_term<cpu_executor<>, double>> terms;
  terms.push_back({"soft", {}, soft_target_kl{.temperature = 2, .over = divisor::samples}, false});
  distiller<word_sum, cpu_executor<>, double> distil(model, {&model, shown.seen_flat(), {}}, std::move(terms));
  const auto logits =
      as_met(logits_of(cpu_executor<>{}, model, shown.seen_flat(), set, {.samples = 2}), batches, books);
  if (books != kept_by::nobody) distil.use_logits(view<const double, 2>(logits.data(), 5, 3));
  matrix<> gradient(20, 3);
  std::vector<double> values{0};
  for (const auto& batch : batches)
    distil.accumulate({}, set, batch, {}, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(), values);
  return gradient;
}

TEST_CASE("bug_24a: kept logits meet their own samples in every order of batches", "[bugs]") {
  for (const batch_list& order : {batch_list{{2, 0}, {3, 1}}, batch_list{{0, 3}, {1, 2}}}) {
    const matrix<> online = gradient_of(order, kept_by::nobody);
    CHECK(same_bits(gradient_of(order, kept_by::sample).seen(), online.seen()));
    CHECK(largest_gap(gradient_of(order, kept_by::place_in_epoch).seen(), online.seen()) > 0.01);
  }
}
TEST_CASE("bug_24b: kept logits meet their own samples where the last batch is smaller", "[bugs]") {
  const batch_list order{{4, 2}, {0, 3}, {1}};
  const matrix<> online = gradient_of(order, kept_by::nobody);
  CHECK(same_bits(gradient_of(order, kept_by::sample).seen(), online.seen()));
  CHECK(largest_gap(gradient_of(order, kept_by::place_in_batch).seen(), online.seen()) > 0.01);
}
TEST_CASE("bug_24b, a whole run: one with kept logits ends where one does that asks its teacher in every step",
          "[bugs]") {
  const scratch_folder one, two, three;
  small_run cached;
  cached.losses = {"logits_mse"};
  cached.train = small_samples(7, true);
  cached.training.accumulate = 2;  // four steps an epoch, the last of one sample
  // The teacher sees samples one by one, before the run as in its steps: beside others a logit is rounded otherwise.
  cached.training.batch_size = cached.kept_batch.samples = 1;
  small_run online = cached, naive = cached;
  online.cached = false;
  naive.misplaced = 1;  // each sample meets its neighbour's logits
  cached(one.path);
  online(two.path);
  naive(three.path);
  CHECK(same_bits(cached.weights, online.weights));
  CHECK(cached.batches == online.batches);
  const auto all = [](const small_run& run) { return view<const float, 2>(run.weights.data(), 1, run.weights.size()); };
  CHECK(largest_gap(all(naive), all(online)) > 1e-3);
}

// --- bugs 25, 26: resume ---------------------------------------------------------------------------------------------

/// Stops after `done` updates, resumes, and returns the micro-batches of both parts.
std::vector<std::vector<float>> batches_with_stop(small_run run, index done) {
  const scratch_folder folder;
  const index batches = (run.train.size() + run.training.batch_size - 1) / run.training.batch_size;
  const index updates = (batches + run.training.accumulate - 1) / run.training.accumulate;  // of an epoch
  run.stop_at = static_cast<std::size_t>(done / updates * batches + done % updates * run.training.accumulate + 1);
  run(folder.path);
  auto all = run.batches;
  run.stop_at = 0;
  run.resume = true;
  run(folder.path);
  all.insert(all.end(), run.batches.begin(), run.batches.end());
  return all;
}
std::vector<std::vector<float>> unbroken_batches(small_run run) {
  const scratch_folder folder;
  return run(folder.path).batches;
}
small_run plain_run(index samples, index batch_size, index epochs, index accumulate = 1) {
  small_run run;
  run.train = small_samples(samples, true);
  run.losses = {"regression_mse"};
  run.training.batch_size = batch_size;
  run.training.epochs = epochs;
  run.training.accumulate = accumulate;
  run.training.learning_rate = 1e-4;
  return run;
}

/// What a naive resume sees after `done` micro-batches, of the unbroken run's: `skipped` of the epoch `order`, as if
/// that were the one under way, and from then on epochs that follow it.
std::vector<std::vector<float>> naive_batches(const std::vector<std::vector<float>>& unbroken, index of_epoch,
                                              index done, index order, index skipped) {
  std::vector<std::vector<float>> all(unbroken.begin(), unbroken.begin() + done);
  for (index at = order * of_epoch + skipped; std::ssize(all) < std::ssize(unbroken); ++at)
    all.push_back(unbroken[static_cast<std::size_t>(at % std::ssize(unbroken))]);
  return all;
}

TEST_CASE("bug_25a: 10 samples, batches of 2, 3 epochs, stopped after update 7: the same samples in every later batch",
          "[bugs]") {
  const small_run run = plain_run(10, 2, 3);
  const auto unbroken = unbroken_batches(run);
  CHECK(batches_with_stop(run, 7) == unbroken);
  CHECK(naive_batches(unbroken, 5, 7, 0, 2) != unbroken);  // the epoch's number was lost
}
TEST_CASE("bug_25b: with accumulation 3 whole updates are skipped, not as many micro-batches", "[bugs]") {
  const small_run run = plain_run(20, 2, 3, 3);
  const auto unbroken = unbroken_batches(run);
  for (const index done : {1, 3, 4, 5}) {
    CHECK(batches_with_stop(run, done) == unbroken);
    const index epoch = done / 4, updates = done % 4;
    if (updates > 0) CHECK(naive_batches(unbroken, 10, epoch * 10 + updates * 3, epoch, updates) != unbroken);
  }
}
TEST_CASE("bug_25c: 64 samples one by one, stopped at 20: each comes once in the epoch", "[bugs]") {
  std::vector<float> seen;
  for (const auto& batch : batches_with_stop(plain_run(64, 1, 1), 20))
    seen.insert(seen.end(), batch.begin(), batch.end());
  std::sort(seen.begin(), seen.end());
  std::vector<float> want(64);
  std::iota(want.begin(), want.end(), 0.0F);
  CHECK(seen == want);

  const auto two_epochs = unbroken_batches(plain_run(64, 1, 2));  // naive: the rest of another order
  std::vector<int> times(64, 0);
  for (std::size_t i = 0; i < 64; ++i) ++times[static_cast<std::size_t>(two_epochs[i < 20 ? i : 64 + i][0])];
  CHECK(std::count(times.begin(), times.end(), 2) > 5);
  CHECK(std::count(times.begin(), times.end(), 0) == std::count(times.begin(), times.end(), 2));
}
TEST_CASE("bug_25d: the epoch after the resumed one has an order of its own, that of the unbroken run", "[bugs]") {
  const small_run run = plain_run(10, 2, 3);
  const auto with = batches_with_stop(run, 2), without = unbroken_batches(run);
  CHECK(with == without);
  const auto epoch = [&](index e) {
    return std::vector<std::vector<float>>(with.begin() + 5 * e, with.begin() + 5 * (e + 1));
  };
  CHECK(epoch(0) != epoch(1));
  CHECK(epoch(1) != epoch(2));
  auto naive = naive_batches(without, 5, 2, 0, 2);  // the resumed epoch's order comes again
  std::copy_n(naive.begin(), 5, naive.begin() + 5);
  CHECK(naive != without);
}

TEST_CASE("bug_26a: a run of 12 updates that stops at any of them ends with the bits of the unbroken run", "[bugs]") {
  const scratch_folder whole;
  small_run unbroken;  // warm-up 4, dropout 0.1, a weight from 4 to 1, a projection
  unbroken(whole.path);
  const std::string checkpoint = get(whole / "checkpoint.safetensors"), record = get(whole / "run.jsonl");
  for (std::size_t stop = 1; stop <= 12; ++stop) {
    INFO("stopped in update " << stop);
    const scratch_folder parts;
    small_run run;
    run.stop_at = stop;
    run(parts.path);
    REQUIRE(run.crashed);
    run.stop_at = 0;
    run.resume = true;
    run(parts.path);
    CHECK(same_bits(run.weights, unbroken.weights));
    CHECK(get(parts / "checkpoint.safetensors") == checkpoint);  // rate, moments, counters, best score
    CHECK(get(parts / "run.jsonl") == record);
    // save_every: a crash loses the updates since the last checkpoint, and no more than they come again
    CHECK(run.batches.size() <= 12 - (stop - 1) + 4);
  }

  const scratch_folder cold;  // naive: weights alone are kept
  small_run naive;
  naive.stop_at = 6;
  naive(cold.path);
  alter_checkpoint(cold, [](const std::string& name, std::vector<float>& numbers) {
    if (name != "weights") std::fill(numbers.begin(), numbers.end(), 0.0F);
  });
  naive.stop_at = 0;
  naive.resume = true;
  naive(cold.path);
  CHECK_FALSE(same_bits(naive.weights, unbroken.weights));
}
TEST_CASE("bug_26c, a whole run: a full disk in the middle of a save leaves the checkpoint before it, which loads",
          "[bugs]") {
  const scratch_folder folder, whole;
  small_run unbroken, run;
  unbroken(whole.path);
  run.stop_at = 7;
  std::optional<limbeck_test::small_files> full;
  run.instead = [&] { full.emplace(3000); };  // the record fits, the checkpoint does not
  const auto message = message_of<std::runtime_error>([&] { run(folder.path); });
  full.reset();
  CHECK_FALSE(message.empty());
  CHECK(folder.names() == std::vector<std::string>{"checkpoint.safetensors", "run.jsonl"});
  run.stop_at = 0;
  run.resume = true;
  run(folder.path);
  CHECK(same_bits(run.weights, unbroken.weights));
}

// --- bug 27: schedule and accumulation -------------------------------------------------------------------------------

std::vector<double> rates_of(const scratch_folder& folder) {
  std::vector<double> rates;
  for (const json_value& line : read_run_record(folder / "run.jsonl"))
    if (line.has("learning_rate")) rates.push_back(line.required<double>("learning_rate"));
  return rates;
}

TEST_CASE("bug_27a: 10 micro-batches with accumulation 4 are 3 updates at 1, 2/3 and 1/3, then 0", "[bugs]") {
  constexpr warmup_linear rate{1, 0, 3};
  static_assert(rate(0) == 1 && rate(3) == 0);
  CHECK(rate(1) == Approx(2.0 / 3));
  CHECK(rate(2) == Approx(1.0 / 3));
  const scratch_folder folder;
  small_run run = plain_run(20, 2, 1, 4);
  run.training.warmup = 0;
  run.training.learning_rate = 1e-3;
  run(folder.path);
  const auto rates = rates_of(folder);
  REQUIRE(rates.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(rates[i] == Approx(1e-3 * static_cast<double>(3 - i) / 3));
  constexpr warmup_linear naive{1, 0, 10};  // naive: counts micro-batches
  CHECK(naive(3) == Approx(0.7));
}
TEST_CASE("bug_27b: the incomplete window of an epoch is an update of its own and leaks nothing into the next",
          "[bugs]") {
  const scratch_folder folder, other;
  small_run run = plain_run(14, 2, 2, 4);  // 7 micro-batches: windows of 4 and 3
  run(folder.path);
  CHECK(run.result.at.updates == 4);
  CHECK(run.result.at.micro_batches == 14);
  CHECK(rates_of(folder).size() == 4);

  // a window of 3 is divided by its own count: with equal samples the loss of each window is the same
  small_run equal = plain_run(14, 2, 1, 4);
  for (std::size_t i = 0; i < 14; ++i) {
    equal.train.tokens[i] = equal.train.tokens[0];
    equal.train.lengths[i] = equal.train.lengths[0];
    equal.train.scores[i] = 1;
  }
  equal.training.dropout = 0;
  equal.training.learning_rate = 0;
  equal(other.path);
  std::vector<double> norms;
  for (const json_value& line : read_run_record(other / "run.jsonl"))
    if (line.has("gradient_norm")) norms.push_back(line.required<double>("gradient_norm"));
  REQUIRE(norms.size() == 2);
  CHECK(norms[0] == Approx(norms[1]).epsilon(1e-5));

  // micro-batches of one token, each with gradient 1: by plain gradient descent at rate 1 both updates are -1
  const auto moved_by = [](const matrix<>& gradient) {
    return -std::accumulate(gradient.data(), gradient.data() + gradient.count(), 0.0);
  };
  CHECK(moved_by(split_step({1, 1, 1, 1}, {1, 1, 1, 1}, {{0}, {1}, {2}, {3}}).gradient) == Approx(-1));
  const double right = moved_by(split_step({1, 1, 1}, {1, 1, 1}, {{0}, {1}, {2}}).gradient);
  CHECK(right == Approx(-1));
  const double naive = right * 3 / 4;  // divided by the full window
  CHECK(naive == Approx(-0.75));
}
TEST_CASE("bug_27c: 3 micro-batches with accumulation 4 are one update", "[bugs]") {
  const scratch_folder folder;
  small_run run = plain_run(6, 2, 1, 4);
  run.training.warmup = 0;
  run(folder.path);
  CHECK(run.result.at.updates == 1);
  CHECK(run.batches.size() == 3);
  const std::size_t naive = run.batches.size() / 4;  // only where the window is full
  CHECK(naive == 0);
}
TEST_CASE("bug_27d: accumulation 0 is refused", "[bugs]") {
  const scratch_folder folder;
  small_run run = plain_run(6, 2, 1, 0);
  CHECK(message_of<contract_error>([&] { run(folder.path); }) == "accumulate: must be 1 or more, not 0");
  CHECK(folder.names().empty());
  const double naive = 1.0 / static_cast<double>(run.training.accumulate);  // what each gradient is multiplied with
  CHECK(std::isinf(naive));
}

// --- bugs 28, 30, 31: scores -----------------------------------------------------------------------------------------

/// What naive evaluations count of `samples`: the last batch dropped, or filled up with copies of the first sample.
sample_set naive_samples(const sample_set& set, index batch_size, bool fills) {
  const index full = set.size() / batch_size * batch_size;
  sample_set seen = part_of(set, 0, fills ? set.size() : full);
  for (index i = set.size(); fills && i % batch_size != 0; ++i) {
    seen.tokens.push_back(set.tokens[0]);
    seen.lengths.push_back(set.lengths[0]);
    seen.labels.push_back(set.labels[0]);
    seen.scores.push_back(set.scores[0]);
  }
  return seen;
}

TEST_CASE("bug_28a: 10 samples in batches of 1, 4, 7 and 16 give 10 predictions in their order and the same metrics",
          "[bugs]") {
  for (const bool regression : {false, true}) {
    sample_set set = small_samples(10, regression);
    if (!regression) set.task.metrics = {"accuracy", "f1", "matthews"};
    const index outputs = regression ? 1 : 2;
    const bert_classifier model = make_bert_classifier(small_run::sizes(8), outputs);
    matrix<float> weights(1, model.parameters().size());
    initialise(model.parameters(), 4, weights.flat(), 0.3);
    const auto all = logits_of(cpu_executor<>{}, model, weights.seen_flat(), set, {.samples = 16});
    const metric_values want = metrics_of<float>(set, all, outputs);
    REQUIRE(all.size() == static_cast<std::size_t>(10 * outputs));
    for (const index batch_size : {1, 4, 7}) {
      const auto logits = logits_of(cpu_executor<>{}, model, weights.seen_flat(), set, {.samples = batch_size});
      for (std::size_t i = 0; i < all.size(); ++i) CHECK(logits[i] == Approx(all[i]).epsilon(1e-5).margin(1e-6));
      const metric_values found = metrics_of<float>(set, logits, outputs);
      for (std::size_t m = 0; m < want.size(); ++m) {
        if (regression)
          CHECK(*found[m].second == Approx(*want[m].second).margin(1e-5));
        else
          CHECK(found[m] == want[m]);
      }
    }
    const auto count = [&](bool fills) { return naive_samples(set, 4, fills).size(); };
    CHECK(count(false) == 8);
    CHECK(count(true) == 12);
    const sample_set fewer = naive_samples(set, 7, false);
    const auto some = logits_of(cpu_executor<>{}, model, weights.seen_flat(), fewer, {.samples = 7});
    CHECK(*metrics_of<float>(fewer, some, outputs)[0].second != Approx(*want[0].second));
  }
}

/// The logits of all ranks one after the other, each evaluating its share. The ranks are pieces of this process.
template <class Model, class T>
std::vector<T> logits_of_ranks(const Model& model, view<const T, 1> weights, const sample_set& set, index ranks) {
  std::vector<T> all;
  for (index rank = 0; rank < ranks; ++rank) {
    const chunk share = share_of(set.size(), rank, ranks);
    const auto part = logits_of(cpu_executor<>{}, model, weights, part_of(set, share.begin, share.end));
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// A model whose output for sample i of single tokens is i.
struct counting_model {
  word_sum model{20, 1};
  matrix<> weights{20, 1};
  sample_set set = small_samples(0, true);

  explicit counting_model(index samples) {
    for (index i = 0; i < samples; ++i) {
      weights(i, 0) = static_cast<double>(i);
      encoding e;
      e.ids = {static_cast<std::int32_t>(i)};
      e.types = {0};
      set.tokens.push_back(e);
      set.lengths.push_back(1);
      set.labels.push_back(no_label);
      set.scores.push_back(static_cast<double>(i * i));
    }
  }
};

TEST_CASE("bug_28b: two ranks of five predict nine samples once each", "[bugs]") {
  const counting_model nine(9);
  const auto whole = logits_of(cpu_executor<>{}, nine.model, nine.weights.seen_flat(), nine.set);
  const auto got = logits_of_ranks(nine.model, nine.weights.seen_flat(), nine.set, 2);
  CHECK(got == whole);
  CHECK(mean_of(got) == 4);
  CHECK(metrics_of<double>(nine.set, got, 1) == metrics_of<double>(nine.set, whole, 1));

  auto first_again = got, last_again = got;  // naive: both ranks filled up to five
  first_again.push_back(got.front());
  last_again.push_back(got.back());
  CHECK(mean_of(first_again) == Approx(3.6));
  CHECK(mean_of(last_again) == Approx(4.4));
  const double of_means = (mean_of({got.begin(), got.begin() + 5}) + mean_of({got.begin() + 5, got.end()})) / 2;
  CHECK(of_means == Approx(4.25));  // and the mean of the ranks' means
}
TEST_CASE("bug_28c: ranks without a sample change no score", "[bugs]") {
  const counting_model three(3);
  const auto whole = logits_of(cpu_executor<>{}, three.model, three.weights.seen_flat(), three.set);
  for (const index ranks : {4, 7, 16}) {
    const auto got = logits_of_ranks(three.model, three.weights.seen_flat(), three.set, ranks);
    CHECK(got == whole);
    CHECK(metrics_of<double>(three.set, got, 1) == metrics_of<double>(three.set, whole, 1));
  }
  CHECK(share_of(3, 6, 7).begin == share_of(3, 6, 7).end);
  CHECK(std::isnan(mean_of({})));  // naive: such a rank's own mean
  std::vector<double> filled = whole;
  filled.resize(7, whole[0]);  // or a copy of a sample for each
  CHECK(mean_of(filled) < 0.5 * mean_of(whole));
}

TEST_CASE("bug_30a: F1 is that of the positive class", "[bugs]") {
  const classes gold{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, predicted{0, 0, 0, 0, 0, 1, 0, 0, 0, 1};
  const classes listed{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, given{0, 0, 0, 0, 0, 1, 0, 0, 0, 1};
  CHECK(f1_of_class(gold, predicted) == Approx(1.0 / 3));
  CHECK(f1_of_class(listed, given, 0) == Approx(0.714).epsilon(1e-3));  // naive: the best class
}
TEST_CASE("bug_30b: where class 1 does not occur F1 and Matthews are 0, and no NaN", "[bugs]") {
  const classes nine(9, 0);
  CHECK(f1_of_class(nine, nine) == 0);
  CHECK(matthews(nine, nine) == 0);
  CHECK(accuracy(nine, nine) == 1);
  volatile double none = 0;  // naive: 0 / 0
  CHECK(std::isnan(none / none));
}
TEST_CASE("bug_30c: Matthews of a model that predicts one class is 0", "[bugs]") {
  CHECK(matthews(classes{0, 1, 1, 0, 1}, classes{1, 1, 1, 1, 1}) == 0);
  CHECK(matthews(classes{1, 1, 1}, classes{0, 1, 1}) == 0);
  const double tp = 3, tn = 0, fp = 2, fn = 0;  // naive: 0 / 0
  CHECK(std::isnan((tp * tn - fp * fn) / std::sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))));
}
TEST_CASE("bug_30d: Matthews of 110000 samples is not computed in 32 bits", "[bugs]") {
  classes gold, predicted;
  const auto add = [&](int count, int label, int prediction) {
    gold.insert(gold.end(), static_cast<std::size_t>(count), label);
    predicted.insert(predicted.end(), static_cast<std::size_t>(count), prediction);
  };
  add(50000, 1, 1);
  add(50000, 0, 0);
  add(5000, 0, 1);
  add(5000, 1, 0);
  CHECK(matthews(gold, predicted) == Approx(0.818182).epsilon(1e-6));
  const std::uint32_t tp = 50000, fp = 5000;  // naive: products that wrap
  const auto products = static_cast<std::int32_t>(tp * tp - fp * fp);
  CHECK(products / (55000.0 * 55000.0) == Approx(-0.6016).epsilon(1e-4));
}

/// Ranks by order alone, equal values as they come.
scores naive_ranks(const scores& x) {
  scores rank;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double before = 1;
    for (std::size_t j = 0; j < x.size(); ++j) before += x[j] < x[i] || (x[j] == x[i] && j < i) ? 1 : 0;
    rank.push_back(before);
  }
  return rank;
}
/// 1 - 6 sum d^2 / (n (n^2 - 1)), which holds without ties.
double naive_spearman(const scores& a, const scores& b) {
  double squares = 0;
  const double n = static_cast<double>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return 1 - 6 * squares / (n * (n * n - 1));
}

TEST_CASE("bug_31a: Spearman gives equal values the mean of their ranks", "[bugs]") {
  const scores a{1, 0, 4, 1, 0, 3, 0}, b{4, 0, 3, 3, 3, 1, 1};
  CHECK(*spearman(a, b) == Approx(0.352941).epsilon(1e-5));
  CHECK(naive_spearman(naive_ranks(a), naive_ranks(b)) == Approx(0.107143).epsilon(1e-5));
}
TEST_CASE("bug_31b: Spearman with ties takes no shortcut", "[bugs]") {
  const scores a{1, 1, 1, 1, 2}, b{5, 4, 3, 2, 1};
  CHECK(*spearman(a, b) == Approx(-0.707107).epsilon(1e-5));
  CHECK(naive_spearman({2.5, 2.5, 2.5, 2.5, 5}, {5, 4, 3, 2, 1}) == Approx(-0.25));
}
TEST_CASE("bug_31c: the correlation of a constant is undefined, also where its mean is rounded", "[bugs]") {
  for (const double x : {0.0, 0.1, 1.0 / 3, 1e300, -2.7}) {
    for (const std::size_t n : {3u, 7u, 10u}) {
      scores rising(n);
      std::iota(rising.begin(), rising.end(), 0.0);
      CHECK_FALSE(pearson(rising, scores(n, x)));
      CHECK_FALSE(pearson(scores(n, x), rising));
      CHECK_FALSE(spearman(rising, scores(n, x)));
    }
  }
  double mean = 0;  // naive: a variance of rounding errors
  for (int i = 0; i < 10; ++i) mean += 0.1;
  CHECK(0.1 - mean / 10 != 0);
  CHECK(naive_spearman(naive_ranks({1, 2, 3}), naive_ranks({7, 7, 7})) == 1);
}
TEST_CASE("bug_31d: scores beyond the scale are correlated as they are", "[bugs]") {
  const scores raw{-1.5, 0.5, 2, 3, 4.5, 9}, gold{0, 1, 2, 3, 4, 5};
  CHECK(*pearson(gold, raw) == Approx(0.965789).epsilon(1e-5));
  CHECK(*spearman(gold, raw) == Approx(1));
  scores clipped;
  for (const double x : raw) clipped.push_back(std::clamp(x, 0.0, 5.0));
  CHECK(*pearson(gold, clipped) == Approx(0.991117).epsilon(1e-5));  // naive
}

}  // namespace
}  // namespace limbeck
