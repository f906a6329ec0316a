// Tests of limbeck/training/masked_documents.hpp, masked_scores.hpp, masked_evaluation.hpp and learned_parameters.hpp:
// pretraining by steps.
#include "limbeck/training/masked_documents.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/training/learned_parameters.hpp"
#include "limbeck/training/step_engine.hpp"
#include "training/small_corpus.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::letter_sizes, limbeck_test::letters, limbeck_test::message_of,
    limbeck_test::scratch_folder, limbeck_test::small_documents;
using executor_type = cpu_executor<>;

TEST_CASE("a batch shows masked samples and asks for the tokens that were there, as many as the counts say") {
  const masked_documents set = small_documents(20, masks::dynamic);
  const std::vector<std::ptrdiff_t> first{3, 0, 17}, second{5};
  const std::vector<std::span<const std::ptrdiff_t>> step{first, second};
  const normaliser counts = counts_of_step(step, set, 17);
  masked_batch<double> batch;
  for (const std::uint64_t epoch : {0u, 1u, 7u}) {
    double guessed = 0, tokens = 0, pairs = 0;
    for (const auto& chosen : step) {
      batch.fill(set, chosen, epoch);
      const token_batch<> shown = batch.tokens();
      const auto labels = batch.given().labels;
      guessed += static_cast<double>(labels.extent(0));
      tokens += static_cast<double>(shown.ids.extent(0));
      REQUIRE(shown.logit_tokens.extent(0) == labels.extent(0));
      std::vector<std::int32_t> whole(shown.ids.data(), shown.ids.data() + shown.ids.extent(0));
      for (index r = 0; r < labels.extent(0); ++r) {
        if (r > 0) CHECK(shown.logit_tokens(r - 1) < shown.logit_tokens(r));
        whole[static_cast<std::size_t>(shown.logit_tokens(r))] = labels(r);
      }
      for (std::size_t i = 0; i < chosen.size(); ++i) {
        const sample_rows rows = shown.rows(static_cast<index>(i));
        const auto sample = set.tokens()[chosen[i]];
        CHECK(std::equal(sample.begin(), sample.end(), whole.begin() + rows.begin,
                         whole.begin() + rows.begin + rows.length));
        pairs += static_cast<double>(rows.length * rows.length);
      }
    }
    CHECK(guessed == counts.rows);
    CHECK(tokens == counts.tokens);
    CHECK(pairs == counts.pairs);
    CHECK(17 * guessed == counts.elements);
  }
  CHECK(counts.samples == 4);
}

TEST_CASE("masks change with epoch, sample and seed, and fixed ones with sample and seed alone") {
  const std::vector<std::ptrdiff_t> all{0, 1, 2, 3, 4, 5};
  const auto shown = [&](const masked_documents& set, std::uint64_t epoch) {
    masked_batch<float> batch;
    batch.fill(set, all, epoch);
    const auto ids = batch.tokens().ids;
    return std::vector<std::int32_t>(ids.data(), ids.data() + ids.extent(0));
  };
  const masked_documents anew = small_documents(6, masks::dynamic), fixed = small_documents(6, masks::fixed);
  CHECK(shown(anew, 1) != shown(anew, 0));
  CHECK(shown(anew, 1) == shown(small_documents(6, masks::dynamic), 1));
  CHECK(shown(anew, 0) != shown(small_documents(6, masks::dynamic, 0, 4), 0));
  CHECK(shown(fixed, 1) == shown(fixed, 0));
  CHECK(shown(fixed, 0) == shown(anew, 0));
  const masked_documents twice = [] {  // the same text, two samples
    token_rows rows = limbeck_test::small_corpus(1);
    rows.ids.insert(rows.ids.end(), rows.ids.begin(), rows.ids.end());
    rows.end_row();
    const std::vector<std::uint32_t> both{0, 1};
    return masked_documents(cut_documents(rows, both, {2, 3}, 12), masker(letters(), {.share = 0.5}), 1,
                            masks::dynamic);
  }();
  masked_batch<float> batch;
  const std::vector<std::ptrdiff_t> one{0}, other{1};
  bool differ = false;
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
    batch.fill(twice, one, epoch);
    const auto labels = batch.given().labels;
    const std::vector<std::int32_t> first(labels.data(), labels.data() + labels.extent(0));
    batch.fill(twice, other, epoch);
    differ |= !std::equal(first.begin(), first.end(), batch.given().labels.data());
  }
  CHECK(differ);
}

TEST_CASE("samples without a token to guess are left out, and a set of nothing else is refused") {
  token_rows samples{{2, 1, 3, 2, 5, 3}, {0, 3, 6}};
  const masked_documents set(samples, masker(letters()), 1, masks::fixed);
  CHECK(set.size() == 1);
  CHECK(set.tokens().ids == std::vector<std::int32_t>{2, 5, 3});
  CHECK(set.guessed(0) == 1);
  samples = {{2, 1, 3}, {0, 3}};
  CHECK(message_of<contract_error>([&] { masked_documents(samples, masker(letters()), 1, masks::fixed); }) ==
        "masked_documents: no sample has a token to guess");
  CHECK(fingerprint_of(set) != fingerprint_of(small_documents(1, masks::fixed)));
}

/// A student and a wider teacher with terms on both, one step at a time.
struct small_step {
  bert_masked_language_model student = make_bert_masked_language_model(letter_sizes(2, 6));
  bert_masked_language_model teacher = make_bert_masked_language_model(letter_sizes(1, 8));
  buffer<double> weights{student.parameters().size()}, gradient{student.parameters().size()},
      shown{teacher.parameters().size()};
  std::vector<std::string> losses{"cross_entropy:weight=0.5", "soft_target_kl:t_squared=false,weight=linear:4:1"};
  executor_type on{1};
  std::vector<double> values{};

  small_step() {
    initialise(student.parameters(), 7, weights.all(), 0.3);
    initialise(teacher.parameters(), 3, shown.all(), 0.3);
  }
  distiller<bert_masked_language_model, executor_type, double, masked_documents> step() {
    parameter_table table = student.parameters();
    const term_builder builder(
        {losses.begin(), losses.end()},
        {.student = letter_sizes(2, 6), .teacher = letter_sizes(1, 8), .classes = 17, .of_logits = divisor::rows},
        table);
    return {student,
            {&teacher, read_only(shown.all()), {}},
            builder.template build<executor_type, double>(read_only(weights.all()), gradient.all())};
  }
  /// The loss of the micro-batches, whose gradient is left in `gradient`.
  double operator()(const masked_documents& set, const std::vector<std::span<const std::ptrdiff_t>>& micro) {
    auto distil = step();
    distil.clear(on, gradient.all());
    distil.begin_epoch(2);
    const normaliser counts = counts_of_step(micro, set, 17);
    values.assign(losses.size(), 0);
    for (const auto& chosen : micro)
      distil.accumulate(on, set, chosen, counts, {.keeps = true}, 0.5, read_only(weights.all()), gradient.all(),
                        values);
    return values[0] + values[1];
  }
};

TEST_CASE("the gradient of hard and soft loss on guessed tokens agrees with central differences") {
  const masked_documents set = small_documents(6, masks::dynamic);
  const std::vector<std::ptrdiff_t> all{2, 0, 5};
  small_step s;
  (void)s(set, {all});
  const buffer<double> gradient = [&] {
    buffer<double> copy(s.gradient.count());
    std::copy_n(s.gradient.data(), s.gradient.count(), copy.data());
    return copy;
  }();
  CHECK(limbeck_test::slope_error(
            s.weights.all(), gradient.all(), [&] { return s(set, {all}); }, 41) < 1e-8);
}

TEST_CASE("hard and soft loss are means over the guessed tokens of a step, however it is cut into batches") {
  const masked_documents set = small_documents(6, masks::dynamic);
  const std::vector<std::ptrdiff_t> all{2, 0, 5}, front{2}, back{0, 5};
  small_step s;
  const double loss = s(set, {all});
  std::vector<double> gradient(s.gradient.data(), s.gradient.data() + s.gradient.count());
  CHECK(s(set, {front, back}) == Approx(loss).epsilon(1e-12));
  for (index i = 0; i < s.gradient.count(); i += 5)
    CHECK(s.gradient.data()[i] == Approx(gradient[static_cast<std::size_t>(i)]).margin(1e-12));

  masked_batch<double> batch;
  batch.fill(set, all, 2);
  bert_masked_language_model::pass<double> mine, theirs;
  const auto z = s.student.forward(s.on, read_only(s.weights.all()), batch.tokens(), signal::logits, inference, mine);
  const auto t = s.teacher.forward(s.on, read_only(s.shown.all()), batch.tokens(), signal::logits, inference, theirs);
  const auto log_share = [](const view<const double, 2>& logits, index row, index c) {
    double sum = 0;
    for (index k = 0; k < 17; ++k) sum += std::exp(logits(row, k));
    return logits(row, c) - std::log(sum);
  };
  double hard = 0, soft = 0;
  const index rows = z.logits.extent(0);
  for (index r = 0; r < rows; ++r) {
    hard -= log_share(z.logits, r, batch.given().labels(r));
    for (index c = 0; c < 17; ++c)
      soft += std::exp(log_share(t.logits, r, c)) * (log_share(t.logits, r, c) - log_share(z.logits, r, c));
  }
  CHECK(s.values[0] == Approx(0.5 * hard / static_cast<double>(rows)).epsilon(1e-10));
  CHECK(s.values[1] == Approx(2.5 * soft / static_cast<double>(rows)).epsilon(1e-10));  // halfway from 4 to 1
}

TEST_CASE("terms cannot weigh the samples of a language model by a teacher's word on each") {
  small_step s;
  s.losses = {"soft_target_kl:samples=confident:0.5"};
  CHECK_THAT(message_of<contract_error>([&] { (void)s.step(); }),
             Catch::Contains("soft_target_kl:samples=confident:0.5: samples are weighed"));
}

TEST_CASE("scores are the mean loss and the share of right guesses of a fixed masking") {
  const masked_documents set = small_documents(9, masks::fixed);
  const auto model = make_bert_masked_language_model(letter_sizes(1, 8));
  buffer<double> weights(model.parameters().size());
  initialise(model.parameters(), 3, weights.all(), 0.5);
  const executor_type on{1};
  const masked_scores found = scores_of(on, model, read_only(weights.all()), set);
  double loss = 0, right = 0, count = 0;
  for (std::ptrdiff_t i = 0; i < set.size(); ++i) {
    const std::vector<std::ptrdiff_t> one{i};
    masked_batch<double> batch;
    batch.fill(set, one);
    bert_masked_language_model::pass<double> pass;
    const auto z = model.forward(on, read_only(weights.all()), batch.tokens(), signal::logits, inference, pass);
    for (index r = 0; r < z.logits.extent(0); ++r, ++count) {
      double sum = 0;
      index best = 0;
      for (index c = 0; c < 17; ++c) {
        sum += std::exp(z.logits(r, c));
        if (z.logits(r, c) > z.logits(r, best)) best = c;
      }
      const std::int32_t label = batch.given().labels(r);
      loss += std::log(sum) - z.logits(r, label);
      right += best == label ? 1 : 0;
    }
  }
  CHECK(found.loss == Approx(loss / count).epsilon(1e-12));
  CHECK(found.accuracy == Approx(right / count));
  CHECK(static_cast<double>(found.guessed) == count);
  CHECK(found.perplexity() == Approx(std::exp(loss / count)));
  CHECK(*evaluation_of(found).score == -found.loss);
  std::fill_n(weights.data(), weights.count(), std::nan(""));
  CHECK_THROWS_AS(scores_of(on, model, read_only(weights.all()), set), std::runtime_error);
}

/// A pretraining without a teacher that may be stopped.
struct small_pretraining {
  masked_documents train = small_documents(60, masks::dynamic), held_out = small_documents(20, masks::fixed, 60);
  training_options training{
      .epochs = 3, .batch_size = 8, .learning_rate = 1e-2, .warmup = 0.1, .seed = 5, .save_every = 0};
  index stop_at = -1;  ///< the evaluation, from 0, in which somebody asks to stop
  bool resume = false;

  std::vector<float> weights{};
  run_result result{};
  masked_scores scores{};
  index evaluations = 0;

  small_pretraining& operator()(const std::filesystem::path& folder) {
    const auto student = make_bert_masked_language_model(letter_sizes(1, 16));
    buffer<float> first(student.parameters().size());
    initialise(student.parameters(), 7, first.all(), 0.1);
    learned_parameters learner(student.parameters(), read_only(first.all()), {"cross_entropy"},
                               {.student = letter_sizes(1, 16), .classes = 17, .of_logits = divisor::rows}, 5);
    const executor_type on{1};
    distiller<bert_masked_language_model, executor_type, float, masked_documents> step(student, {},
                                                                                       learner.terms<executor_type>());
    console quiet(true);
    step_engine<bert_masked_language_model, executor_type, masked_documents> engine(
        on, student, learner.table(), learner.weights(), learner.gradients(), step);
    trainer<masked_documents> loop(
        engine, training, folder, {{"seed", 5}}, [](view<const float, 1>) {}, quiet);
    evaluations = 0;
    result = loop.run(
        train,
        [&] {
          if (evaluations++ == stop_at) std::raise(SIGTERM);
          scores = scores_of(on, student, read_only(learner.weights()), held_out);
          return evaluation_of(scores);
        },
        resume);
    weights.assign(learner.weights().data(), learner.weights().data() + learner.weights().extent(0));
    return *this;
  }
};

TEST_CASE("a small model learns which letter stands between which, far below the entropy of letters") {
  const scratch_folder folder;
  small_pretraining run;
  run.training.epochs = 60;
  run.training.dropout = 0;
  run(folder.path);
  std::map<std::int32_t, double> count;
  double tokens = 0, entropy = 0;
  for (const std::int32_t id : run.held_out.tokens().ids)
    if (run.held_out.how().is_ordinary(id)) ++count[id], ++tokens;
  for (const auto& [id, n] : count) entropy -= n / tokens * std::log(n / tokens);
  CHECK(entropy > 2.4);
  CHECK(run.scores.loss < 0.6 * entropy);
  CHECK(run.scores.accuracy > 0.5);
}

TEST_CASE("a pretraining that was stopped and resumed ends with the bytes of the unbroken one") {
  const scratch_folder whole, parts;
  small_pretraining unbroken, run;
  for (small_pretraining* one : {&unbroken, &run}) {
    one->training.steps = 20;  // an epoch has 11 updates
    one->training.evaluate_every = 6;
  }
  unbroken(whole.path);
  CHECK(unbroken.result.at.updates == 20);
  CHECK(unbroken.result.at.epoch == 1);
  CHECK(unbroken.evaluations == 4);  // behind 6, 12, 18 and 20 updates
  run.stop_at = 1;
  run(parts.path);
  CHECK(run.result.end == run_end::interrupted);
  CHECK(run.result.at.updates == 12);
  run.resume = true;
  run.stop_at = -1;
  run(parts.path);
  CHECK(run.result.end == run_end::complete);
  CHECK(run.evaluations == 2);
  CHECK(run.weights == unbroken.weights);
  for (const char* file : {"run.jsonl", "checkpoint.safetensors"}) CHECK(get(parts / file) == get(whole / file));
}

TEST_CASE("a run of so many steps has the schedule of so many, and of whole epochs is the run of those epochs") {
  const scratch_folder one, two;
  small_pretraining epochs, steps;
  epochs(one.path);
  steps.training.steps = epochs.result.at.updates;
  steps.training.epochs = 1;
  steps(two.path);
  CHECK(steps.weights == epochs.weights);
  CHECK(get(one / "run.jsonl") == get(two / "run.jsonl"));
  CHECK(steps.result.at.epoch == 3);
}

}  // namespace
}  // namespace limbeck
