// Tests of limbeck/training/rw_kd.hpp and of what it is made of, shared_losses.hpp and meta_step.hpp.
#include "limbeck/training/rw_kd.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "training/small_run.hpp"
#include "training/small_samples.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::same_bits, limbeck_test::scratch_folder, limbeck_test::slope_at_0,
    limbeck_test::small_run, limbeck_test::small_samples;
using executor_type = cpu_executor<>;

constexpr auto to_teacher = sample_weighting::rule::rw_kd, to_label = sample_weighting::rule::rw_kd_rest;

template <class T>
std::vector<named_term<executor_type, T>> two_terms() {
  std::vector<named_term<executor_type, T>> terms;
  terms.push_back(
      {"soft", {.from = 0.7}, soft_target_kl{.temperature = 2, .over = divisor::samples}, false, true, {to_teacher}});
  terms.push_back(
      {"hard", {}, cross_entropy{.ignore_index = no_label, .over = divisor::rows}, true, false, {to_label}});
  return terms;
}

template <class T>
std::vector<T> made_up(index count, std::uint64_t seed, double size) {
  std::vector<T> numbers;
  for (index i = 0; i < count; ++i)
    numbers.push_back(static_cast<T>(
        size * (2 * unit_interval(random_stream{seed, 0, 9}.at(static_cast<std::uint32_t>(i)).word[0]) - 1)));
  return numbers;
}

/// A whole small BERT in double with dropout, a batch that it is on the point of being trained on, and held-out
/// samples.
struct small_bert {
  static constexpr index samples = 5;
  bert_classifier model = make_bert_classifier(small_run::sizes(6), 2);
  executor_type on{1};
  sample_set train = small_samples(9, false), held_out = small_samples(6, false, 100);
  std::vector<double> shown = made_up<double>(18, 1, 2), shown_held_out = made_up<double>(12, 2, 2);
  buffer<double> weights{model.parameters().size()};
  std::vector<std::ptrdiff_t> chosen{7, 2, 4, 0, 5};
  std::vector<double> shown_here;
  sample_batch<double> batch;
  bert_classifier::pass<double> pass;
  sharing_batch<double> asked;

  small_bert() {
    initialise(model.parameters(), 3, weights.all(), 0.3);
    train.labels[4] = no_label;
    batch.fill(train, chosen);
    for (const std::ptrdiff_t i : chosen)
      for (const std::ptrdiff_t c : {0, 1}) shown_here.push_back(shown[static_cast<std::size_t>(2 * i + c)]);
    asked = {.chosen = chosen,
             .tokens = batch.tokens(),
             .given = batch.given(),
             .seen = {},
             .shown = {},
             .mode = {.keeps = true, .dropout = 0.2, .attention_dropout = 0.2, .seed = 4, .step = 11},
             .weights = read_only(weights.all())};
    asked.given.row_weight = batch.labelled();
    asked.shown.logits = view<const double, 2>(shown_here.data(), samples, 2);
    asked.seen = forward(read_only(weights.all()));
  }
  signals<const double> forward(view<const double, 1> at) {
    return model.forward(on, at, asked.tokens, signal::logits, asked.mode, pass);
  }
  /// The gradient of the sum of weight[k][i] times loss k of sample i, k 0 for the label, by the pass that trains.
  buffer<double> gradient(const std::vector<double>& of_label, const std::vector<double>& of_teacher) {
    buffer<double> sum(weights.count());
    (void)forward(read_only(weights.all()));
    const double labelled = 4, all = samples;
    for (const auto& term : two_terms<double>()) {
      const bool teacher = term.samples.by == to_teacher;
      const auto& weight = teacher ? of_teacher : of_label;
      targets<double> given = asked.given;
      if (teacher) given.row_weight = {};
      term.loss(on, pass.seen, asked.shown, given,
                sink<double, cpu>{.gradient = pass.gradient,
                                  .weight = view<const double, 1>(weight.data(), samples),
                                  .scale = teacher ? 0.7 : all / labelled});
    }
    model.backward(on, read_only(weights.all()), pass, sum.all());
    return sum;
  }
  /// The mean over a batch of held-out samples of both losses, nothing dropped.
  double held_out_loss(const std::vector<std::ptrdiff_t>& which, view<const double, 1> at) {
    sample_batch<double> part;
    part.fill(held_out, which);
    bert_classifier::pass<double> here;
    const auto seen = model.forward(on, at, part.tokens(), signal::logits, inference, here);
    std::vector<double> theirs, value(which.size());
    for (const std::ptrdiff_t i : which)
      for (const std::ptrdiff_t c : {0, 1}) theirs.push_back(shown_held_out[static_cast<std::size_t>(2 * i + c)]);
    signals<const double> teacher;
    teacher.logits = view<const double, 2>(theirs.data(), which.size(), 2);
    for (const auto& term : two_terms<double>())
      term.loss(on, seen, teacher, part.given(),
                sink<double, cpu>{.value = view<double, 1>(value.data(), value.size()),
                                  .scale = term.samples.by == to_teacher ? 0.7 : 1});
    return std::accumulate(value.begin(), value.end(), 0.0) / static_cast<double>(which.size());
  }
  /// The weights less `by` times a gradient.
  buffer<double> stepped(const buffer<double>& along, double by) const {
    buffer<double> there(weights.count());
    for (index i = 0; i < there.count(); ++i) there.data()[i] = weights.data()[i] - by * along.data()[i];
    return there;
  }
  template <class Sharing>
  void teach(Sharing& sharing) {
    sharing.meta().step().use_logits(view<const double, 2>(shown_held_out.data(), 6, 2));
  }
  [[nodiscard]] std::vector<std::ptrdiff_t> meta_batch(index size) const {
    endless_batches batches(held_out.size(), size, 8);
    const auto found = batches(asked.mode.step);
    return {found.begin(), found.end()};
  }
};
std::vector<double> one_at(index i) {
  std::vector<double> weight(small_bert::samples, 0);
  weight[static_cast<std::size_t>(i)] = 1;
  return weight;
}

using look_ahead = look_ahead_sharing<bert_classifier, executor_type, double>;
using meta_network = meta_network_sharing<bert_classifier, executor_type, double>;

TEST_CASE("RW-KD's shares are those of finite differences on a whole small BERT") {
  small_bert b;
  const double rate = 1e-3;
  const std::vector<double> none(small_bert::samples, 0);
  for (const index size : {index{6}, index{2}}) {
    const auto which = b.meta_batch(size);
    std::vector<double> u[2];
    for (int k = 0; k < 2; ++k)
      for (index i = 0; i < small_bert::samples; ++i) {
        const buffer<double> own = k == 0 ? b.gradient(one_at(i), none) : b.gradient(none, one_at(i));
        const auto held_out_at = [&](double e) {
          const buffer<double> there = b.stepped(own, e * rate);
          return b.held_out_loss(which, there.all());
        };
        u[k].push_back(std::max(-slope_at_0(held_out_at, 0.1), 1e-8));
      }
    look_ahead sharing(b.model, {}, two_terms<double>(), b.held_out, {.batch_size = size, .seed = 8},
                       {.learning_rate = rate});
    b.teach(sharing);
    std::vector<double> share(small_bert::samples);
    sharing.shares(b.on, b.asked, view<double, 1>(share.data(), share.size()));
    bool some = false;
    for (std::size_t i = 0; i < share.size(); ++i) {
      INFO("held-out batch of " << size << ", sample " << i << ", label " << u[0][i] << ", teacher " << u[1][i]);
      CHECK(share[i] == Approx(u[1][i] / (u[0][i] + u[1][i])).epsilon(1e-6));
      some = some || (u[0][i] > 1e-8 && u[1][i] > 1e-8);
    }
    CHECK(some);  // not all of them are clamped
  }
}

TEST_CASE("products of a direction with samples' gradients are exact to seven digits, and of both losses") {
  small_bert b;
  const shared_losses<executor_type, double> losses(two_terms<double>());
  meta_step<bert_classifier, executor_type, double> meta(b.model, {}, losses, b.held_out, {.batch_size = 3, .seed = 8});
  meta.step().use_logits(view<const double, 2>(b.shown_held_out.data(), 6, 2));
  const auto direction = meta.gradient(b.on, 11, 0, read_only(b.weights.all()));
  gradient_products<bert_classifier, executor_type, double> of(b.model);
  std::vector<double> products(2 * small_bert::samples), kept(b.weights.data(), b.weights.data() + b.weights.count());
  of(b.on, losses, b.asked, direction, view<double, 2>(products.data(), 2, small_bert::samples));
  const std::vector<double> none(small_bert::samples, 0);
  for (index i = 0; i < small_bert::samples; ++i)
    for (index k = 0; k < 2; ++k) {
      const buffer<double> own = k == 0 ? b.gradient(one_at(i), none) : b.gradient(none, one_at(i));
      const double want = std::inner_product(own.data(), own.data() + own.count(), direction.data(), 0.0);
      CHECK(products[static_cast<std::size_t>(k * small_bert::samples + i)] == Approx(want).epsilon(1e-7).margin(1e-9));
    }
  CHECK(products[2] == 0);  // it has no label
  CHECK(std::equal(kept.begin(), kept.end(), b.weights.data()));
}

TEST_CASE("the held-out gradient is that of the mean of both losses, or of the label's alone") {
  small_bert b;
  const shared_losses<executor_type, double> losses(two_terms<double>());
  const auto which = b.meta_batch(4);
  meta_step<bert_classifier, executor_type, double> both(b.model, {}, losses, b.held_out, {.batch_size = 4, .seed = 8}),
      label(b.model, {}, losses, b.held_out, {.batch_size = 4, .goal = meta_goal::label, .seed = 8});
  CHECK(both.step().reads_teacher_logits());
  CHECK_FALSE(label.step().reads_teacher_logits());
  both.step().use_logits(view<const double, 2>(b.shown_held_out.data(), 6, 2));
  const auto found = both.gradient(b.on, 11, 0, read_only(b.weights.all()));
  CHECK(limbeck_test::slope_error(
            b.weights.all(), found, [&] { return b.held_out_loss(which, b.weights.all()); }, 7) < 1e-8);
  const auto alone = label.gradient(b.on, 11, 0, read_only(b.weights.all()));
  CHECK(std::fabs(alone(alone.extent(0) - 1) - found(found.extent(0) - 1)) > 1e-6);
}

TEST_CASE("RW-KD's shares do not change with the rate of the step that is looked ahead") {
  small_bert b;
  std::vector<double> share[2];
  for (const int n : {0, 1}) {
    look_ahead sharing(b.model, {}, two_terms<double>(), b.held_out, {.batch_size = 6, .seed = 8},
                       {.learning_rate = n == 0 ? 1 : 1e-2, .least = n == 0 ? 1e-8 : 1e-10});
    b.teach(sharing);
    share[n].resize(small_bert::samples);
    sharing.shares(b.on, b.asked, view<double, 1>(share[n].data(), share[n].size()));
  }
  for (std::size_t i = 0; i < share[0].size(); ++i) CHECK(share[0][i] == Approx(share[1][i]).epsilon(1e-12));
}

TEST_CASE("the meta-network's gradient is that of the held-out loss after a step with its shares") {
  small_bert b;
  const double rate = 0.05;
  meta_network sharing(b.model, {}, two_terms<double>(), b.held_out, {.batch_size = 4, .seed = 8},
                       {.hidden = 3, .learning_rate = 0, .look_ahead_rate = rate});
  b.teach(sharing);
  auto state = sharing.state();
  for (index i = 0; i < state[0].numbers.extent(0); ++i)
    state[0].numbers(i) = 0.4 * std::sin(static_cast<double>(3 * i + 1));
  std::vector<double> phi(state[0].numbers.data(), state[0].numbers.data() + state[0].numbers.extent(0));
  REQUIRE(phi.size() == 13);
  std::vector<double> losses(2 * small_bert::samples), share(small_bert::samples);
  const shared_losses<executor_type, double> of(two_terms<double>());
  of.values(b.on, b.asked.seen, b.asked, view<double, 2>(losses.data(), 2, small_bert::samples));
  const auto which = b.meta_batch(4);
  const auto held_out_by = [&](const std::vector<double>& parameters) {
    const meta_weight_network<double> network{view<const double, 1>(parameters.data(), parameters.size()), 3};
    std::vector<double> mine(small_bert::samples), rest;
    network.shares(view<const double, 2>(losses.data(), 2, small_bert::samples),
                   view<double, 1>(mine.data(), mine.size()));
    mine[2] = 1;  // it has no label
    for (double& x : mine) rest.push_back((1 - x) / small_bert::samples);
    for (double& x : mine) x /= small_bert::samples;
    const buffer<double> there = b.stepped(b.gradient(rest, mine), rate);
    return b.held_out_loss(which, there.all());
  };
  sharing.shares(b.on, b.asked, view<double, 1>(share.data(), share.size()));
  state = sharing.state();
  for (std::size_t p = 0; p < phi.size(); ++p) {
    const double slope = slope_at_0(
        [&](double h) {
          auto moved = phi;
          moved[p] += h;
          return held_out_by(moved);
        },
        1e-2);
    INFO("parameter " << p);
    CHECK(state[1].numbers(static_cast<index>(p)) / 0.1 == Approx(slope).epsilon(1e-4).margin(1e-9));  // Adam's beta1
  }
}

TEST_CASE("the meta-network decides by what it has just learned") {
  small_bert b;
  std::vector<double> share[2];
  for (const int n : {0, 1}) {
    meta_network sharing(b.model, {}, two_terms<double>(), b.held_out, {.batch_size = 4, .seed = 8},
                         {.hidden = 100, .learning_rate = n == 0 ? 0 : 0.1});
    b.teach(sharing);
    share[n].resize(small_bert::samples);
    sharing.shares(b.on, b.asked, view<double, 1>(share[n].data(), share[n].size()));
    CHECK(sharing.state()[0].numbers.extent(0) == meta_weight_network<double>::size(100));
  }
  for (std::size_t i = 0; i < share[0].size(); ++i) {
    CHECK(std::fabs(share[0][i] - 0.5) < 0.1);  // a fresh network has no opinion
    CHECK(std::fabs(share[1][i] - share[0][i]) > 0.05);
  }
  CHECK_THROWS_WITH(meta_network(b.model, {}, two_terms<double>(), b.held_out, {}, {.hidden = 0}),
                    "meta_network_sharing: 0 hidden units, expected 1 or more");
}

TEST_CASE("naive shares begin at one half and run to the smaller loss, no further than 0 and 1") {
  small_bert b;
  std::vector<double> losses(2 * small_bert::samples), share(small_bert::samples);
  const shared_losses<executor_type, double> of(two_terms<double>());
  of.values(b.on, b.asked.seen, b.asked, view<double, 2>(losses.data(), 2, small_bert::samples));
  naive_sharing<executor_type, double> sharing(two_terms<double>(), b.train.size(), 0.01);
  const auto ask = [&] { sharing.shares(b.on, b.asked, view<double, 1>(share.data(), share.size())); };
  ask();
  CHECK(share == std::vector<double>(small_bert::samples, 0.5));
  ask();
  for (std::size_t i = 0; i < share.size(); ++i) {
    const double smaller = losses[small_bert::samples + i] < losses[i] ? 0.01 : -0.01;  // Adam's first step is its rate
    CHECK(share[i] == Approx(0.5 + (i == 2 ? 0 : smaller)).epsilon(1e-5));              // the third has no label
  }
  CHECK(sharing.state()[0].numbers(1) == 0.5);  // never came
  for (int n = 0; n < 80; ++n) ask();
  for (std::size_t i = 0; i < share.size(); ++i)
    if (i != 2) CHECK((share[i] == 0 || share[i] == 1));
}

// --- In training
// --------------------------------------------------------------------------------------------------------

/// Samples whose class is in their words, shown by a teacher that knows it, or has no idea.
struct told_by_words {
  sample_set set;
  std::vector<float> shown;

  told_by_words(index count, std::uint64_t seed, bool useless) {
    set.task.labels = set.task.label_names = {"no", "yes"};
    for (index i = 0; i < count; ++i) {
      const random_words r = random_stream{seed, 0, 1}.at(static_cast<std::uint32_t>(i));
      const auto label = static_cast<std::int32_t>(r.word[0] % 2);
      encoding tokens;
      for (std::uint32_t t = 0; t < 5; ++t) {
        const std::uint32_t word = random_stream{seed, 1, t}.at(static_cast<std::uint32_t>(i)).word[0];
        tokens.ids.push_back(t == 0
                                 ? 2
                                 : static_cast<std::int32_t>(
                                       t < 3 ? 5 + 5 * static_cast<std::uint32_t>(label) + word % 5 : 15 + word % 5));
        tokens.types.push_back(0);
      }
      set.tokens.push_back(tokens);
      set.lengths.push_back(5);
      set.labels.push_back(label);
      set.scores.push_back(std::nan(""));
      const auto known = static_cast<float>(label == 1 ? 3 : -3);
      const auto random = static_cast<float>(6 * unit_interval(r.word[1]) - 3);
      shown.insert(shown.end(), {useless ? -random : -known, useless ? random : known});
    }
  }
};

/// Mean shares of some samples and of the others in the second half of a short training with RW-KD.
struct trained_shares {
  double some = 0, others = 0;
};
trained_shares train_small_bert(bool useless_teacher, index flipped, meta_goal goal) {
  const executor_type on{1};
  told_by_words train(64, 1, useless_teacher), held_out(64, 2, useless_teacher);
  for (index i = 0; i < flipped; ++i) train.set.labels[static_cast<std::size_t>(i)] ^= 1;
  const bert_classifier student = make_bert_classifier(small_run::sizes(12), 2);
  buffer<float> weights(student.parameters().size()), gradient(student.parameters().size());
  initialise(student.parameters(), 5, weights.all(), 0.1);
  distiller<bert_classifier, executor_type, float> step(student, {}, two_terms<float>());
  step.use_logits(view<const float, 2>(train.shown.data(), 64, 2));
  look_ahead_sharing<bert_classifier, executor_type, float> sharing(student, {}, step.terms(), held_out.set,
                                                                    {.batch_size = 16, .goal = goal});
  sharing.meta().step().use_logits(view<const float, 2>(held_out.shown.data(), 64, 2));
  step.use_sharing(&sharing);
  adamw<float> adam(student.parameters());
  endless_batches batches(64, 16, 3);
  trained_shares mean;
  double counts[2]{};
  for (std::uint64_t s = 0; s < 80; ++s) {
    const auto chosen = batches(s);
    const std::vector<std::span<const std::ptrdiff_t>> all{chosen};
    std::vector<double> values(2);
    step.clear(on, gradient.all());
    step.accumulate(on, train.set, chosen, counts_of_step(all, train.set, 2),
                    {.keeps = true, .dropout = 0.1, .step = s}, 0, read_only(weights.all()), gradient.all(), values);
    adam.update(on, 3e-3, 1, read_only(gradient.all()), weights.all());
    for (std::size_t i = 0; s >= 40 && i < step.shares().samples.size(); ++i) {
      const bool is_some = step.shares().samples[i] < flipped;
      (is_some ? mean.some : mean.others) += static_cast<double>(step.shares().shares[i]);
      counts[is_some ? 0 : 1] += 1;
    }
  }
  if (counts[0] > 0) mean.some /= counts[0];
  mean.others /= counts[1];
  return mean;
}

TEST_CASE("samples with a wrong label come to listen to the teacher, and a useless teacher is not heard") {
  const trained_shares wrong_labels = train_small_bert(false, 12, meta_goal::label_and_teacher),
                       useless = train_small_bert(true, 0, meta_goal::label),
                       useful = train_small_bert(false, 0, meta_goal::label);
  INFO("wrong labels " << wrong_labels.some << ", right ones " << wrong_labels.others << "; a useless teacher "
                       << useless.others << ", a useful one " << useful.others);
  CHECK(wrong_labels.some > 0.95);
  CHECK(wrong_labels.others < 0.9);
  CHECK(useless.others < 0.3);
  CHECK(useful.others > 0.7);
}

/// A run of the trainer whose samples are shared as `rule` says.
small_run shared_run(const std::string& rule) {
  small_run run;
  run.train = small_samples(12, false);
  run.dev = small_samples(5, false, 100);
  run.train.labels[3] = no_label;
  run.training.batch_size = 3;
  run.training.accumulate = 2;
  run.losses = {"cross_entropy:samples=rw_kd_rest", "soft_target_kl:temperature=2,weight=linear:1:2,samples=rw_kd",
                "hidden_mse:projection=linear_bias"};
  run.sharing = [rule](const bert_classifier& student, taught_by<bert_classifier, float> teacher,
                       const std::vector<named_term<limbeck_test::small_executor, float>>& terms,
                       index samples) -> std::unique_ptr<sample_sharing<limbeck_test::small_executor, float>> {
    using E = limbeck_test::small_executor;
    static const sample_set held_out = small_samples(7, false, 50);
    if (rule == "look-ahead")
      return std::make_unique<look_ahead_sharing<bert_classifier, E, float>>(student, teacher, terms, held_out,
                                                                             meta_step_options{.batch_size = 3});
    if (rule == "meta-network")
      return std::make_unique<meta_network_sharing<bert_classifier, E, float>>(student, teacher, terms, held_out,
                                                                               meta_step_options{.batch_size = 3});
    return std::make_unique<naive_sharing<E, float>>(terms, samples);
  };
  return run;
}

TEST_CASE("a run that shares its samples and is killed anywhere ends with the bytes of an unbroken one") {
  for (const char* rule : {"look-ahead", "meta-network", "naive"}) {
    INFO(rule);
    const scratch_folder whole;
    small_run unbroken = shared_run(rule);
    unbroken(whole.path);
    REQUIRE(unbroken.result.end == run_end::complete);
    for (const std::size_t at : {3U, 8U, 15U}) {
      const scratch_folder parts;
      small_run run = shared_run(rule);
      run.crash_in(at, parts.path).go_on(parts.path);
      CHECK(same_bits(run.weights, unbroken.weights));
      for (const char* file : {"run.jsonl", "sample_shares.jsonl", "checkpoint.safetensors"})
        CHECK(get(parts / file) == get(whole / file));
    }
  }
}

TEST_CASE("a run without shares leaves no record of an earlier one's") {
  const scratch_folder folder;
  small_run first = shared_run("naive"), second;
  first(folder.path);
  CHECK(std::filesystem::exists(folder / "sample_shares.jsonl"));
  second(folder.path);
  CHECK(folder.names() == std::vector<std::string>{"checkpoint.safetensors", "run.jsonl"});
}

TEST_CASE("a run records the share of every sample, and where they lie in a step") {
  const scratch_folder folder;
  small_run run = shared_run("look-ahead");
  run.train.numbers = {20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  run(folder.path);
  const auto lines = read_run_record(folder / "sample_shares.jsonl");
  REQUIRE(lines.size() == 6);
  std::size_t line = 0;
  for (const json_value& step : read_run_record(folder / "run.jsonl")) {
    if (step.required<std::string>("event") != "step") continue;
    const json shares = lines[line].raw().at("shares"), samples = lines[line].raw().at("samples");
    CHECK(lines[line].raw().at("step") == step.raw().at("step"));
    REQUIRE(shares.size() == 6);
    REQUIRE(samples.size() == 6);
    double mean = 0;
    for (std::size_t i = 0; i < 6; ++i) {
      const double share = shares[i].get<double>();
      CHECK((share >= 0 && share <= 1));
      CHECK((samples[i] >= 20 && samples[i] < 32));
      if (samples[i] == 23) CHECK(share == 1);  // it has no label
      mean += share / 6;
    }
    const json told = step.raw().at("sample_shares");
    CHECK(told.at("mean").get<double>() == Approx(mean).margin(1e-4));
    REQUIRE(told.at("quartiles").size() == 3);
    CHECK(told.at("quartiles")[0].get<double>() <= told.at("quartiles")[2].get<double>());
    ++line;
  }
  CHECK(line == 6);
}

}  // namespace
}  // namespace limbeck
