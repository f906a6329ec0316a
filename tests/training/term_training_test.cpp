// Every term that text can name trains a small student, obeys each of its settings, and goes on after a stop.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "training/small_run.hpp"

namespace limbeck {
namespace {

using limbeck_test::get, limbeck_test::same_bits, limbeck_test::scratch_folder, limbeck_test::small_executor,
    limbeck_test::small_run, limbeck_test::small_samples;

/// A student of two layers that learns one term from a teacher of four, without dropout, all samples in each step.
class one_term {
 public:
  explicit one_term(const std::string& text, index student_heads = 2) : student_heads_(student_heads) {
    const bool regression = text.starts_with("regression_mse");
    if (regression) classes_ = 1;
    set_ = small_samples(8, regression);
    for (double& score : set_.scores) score /= 10;
    student_ = make_bert_classifier(sizes(2, student_heads_), classes_);
    teacher_ = make_bert_classifier(sizes(4, 2), classes_);
    table_ = student_->parameters();
    const term_builder builder(
        {term_spec(text)},
        {.student = sizes(2, student_heads_), .teacher = sizes(4, 2), .classes = classes_, .regression = regression},
        table_);
    weights_ = buffer<float>(table_.size());
    gradients_ = buffer<float>(table_.size());
    shown_ = buffer<float>(teacher_->parameters().size());
    initialise(teacher_->parameters(), 3, shown_.all(), 0.3);
    initialise(table_, 7, weights_.all(), 0.1);
    step_.emplace(*student_, taught_by<bert_classifier, float>{&*teacher_, read_only(shown_.all()), {}},
                  builder.build<small_executor, float>(read_only(weights_.all()), gradients_.all()));
    logits_ = logits_of(small_executor{1}, *teacher_, read_only(shown_.all()), set_);
    step_->use_logits(view<const float, 2>(logits_.data(), set_.size(), classes_));
    optimiser_.emplace(table_);
    std::iota(all_.begin(), all_.end(), 0);
  }

  /// The term's value with the weights as they are; leaves the gradient.
  double value(std::uint64_t epoch = 0, double progress = 0) {
    const std::vector<std::span<const std::ptrdiff_t>> micro{all_};
    std::fill_n(gradients_.data(), gradients_.count(), 0.0F);
    std::vector<double> values{0};
    step_->begin_epoch(epoch);
    step_->accumulate({1}, set_, all_, counts_of_step(micro, set_, classes_), {.keeps = true}, progress,
                      read_only(weights_.all()), gradients_.all(), values);
    return values[0];
  }
  void train(int updates) {
    for (int u = 0; u < updates; ++u) {
      (void)value();
      optimiser_->update(small_executor{1}, 1e-2, 1, read_only(gradients_.all()), weights_.all());
    }
  }
  void forget_logits() { step_->use_logits({}); }
  [[nodiscard]] double gradient_norm() const { return norm_of(small_executor{1}, read_only(gradients_.all())); }
  [[nodiscard]] const parameter_table& table() const { return table_; }
  /// What is learned beside the student.
  [[nodiscard]] std::vector<float> learned() const {
    return {weights_.data() + student_->parameters().size(), weights_.data() + table_.size()};
  }

 private:
  [[nodiscard]] static transformer_sizes sizes(index layers, index heads) {
    return {.vocabulary = 20, .positions = 12, .types = 2, .layers = layers, .width = 8, .heads = heads, .inner = 16};
  }

  index student_heads_;
  index classes_ = 3;  // with two, half of the divergences say the same
  sample_set set_;
  std::optional<bert_classifier> student_, teacher_;
  parameter_table table_;
  buffer<float> weights_, gradients_, shown_;
  std::vector<float> logits_;
  std::optional<distiller<bert_classifier, small_executor, float>> step_;
  std::optional<adamw<float>> optimiser_;
  std::vector<std::ptrdiff_t> all_ = std::vector<std::ptrdiff_t>(8);
};

/// The term in text, with what must differ from the defaults for models as small as these.
std::string small_term(const std::string& name, const std::string& settings = "") {
  std::string more = settings;
  const auto unless_named = [&](const std::string& kind, const std::string& key, const std::string& value) {
    if (name == kind && more.find(key) == std::string::npos) more += (more.empty() ? "" : ",") + key + "=" + value;
  };
  unless_named("minilm_relations", "heads", "2");
  unless_named("annealing_kd", "most_temperature", "1");
  return more.empty() ? name : name + ":" + more;
}

TEST_CASE("every term trains, whatever its form") {
  std::vector<std::string> texts{"cosine_loss:projection=linear",
                                 "hidden_mse:projection=linear_bias,mapping=random:3",
                                 "embedding_mse:projection=linear",
                                 "alp_kd:projection=linear_bias,attention_grad=false,tokens=every",
                                 "attention_mse:of=probabilities",
                                 "attention_kl:of=probabilities,measure=cross_entropy",
                                 "soft_target_kl:temperature=exponential:4:1,weight=learned",
                                 "cross_entropy:samples=adakd_rest:1"};
  for (const term_kind& kind : term_kinds()) texts.push_back(small_term(kind.name));
  for (const std::string& text : texts) {
    INFO(text);
    one_term run(text);
    const double before = run.value();
    run.train(25);
    const double after = run.value();
    CHECK(std::isfinite(after));
    CHECK(after < before - 1e-3 * std::abs(before));
  }
}

TEST_CASE("every setting of every term changes its value or its gradient") {
  const std::map<std::string, std::string> others{{"temperature", "3"},
                                                  {"t_squared", "false"},
                                                  {"beta", "0.3"},
                                                  {"skew", "0.3"},
                                                  {"alpha", "0.3"},
                                                  {"gamma", "0.4"},
                                                  {"label_smoothing", "0.2"},
                                                  {"most_temperature", "4"},
                                                  {"mapping", "top:0"},
                                                  {"of", "probabilities"},
                                                  {"heads", "4"},
                                                  {"measure", "cross_entropy"},
                                                  {"queries", "0.5"},
                                                  {"keys", "0.5"},
                                                  {"values", "0.5"},
                                                  {"projection", "linear"},
                                                  {"scale", "2"},
                                                  {"attention_grad", "false"},
                                                  {"tokens", "every"},
                                                  {"pooling", "mean_of_tokens"},
                                                  {"student_layer", "0"},
                                                  {"teacher_layer", "0"},
                                                  {"delta", "0.001"},
                                                  {"symmetric", "true"},
                                                  {"weight", "2"},
                                                  {"samples", "adakd:1"}};
  for (const term_kind& kind : term_kinds())
    for (const term_setting& s : kind.settings) {
      if (s.key == "shared" || kind.name == "regression_mse") continue;      // a name; a term of other tasks
      if (s.key == "heads" && kind.subject == term_subject::maps) continue;  // models with other heads, below
      const std::string base = s.key == "t_squared" ? "temperature=2" : "";
      const std::string value = kind.name == "patience" && s.key == "scale" ? "sum" : others.at(s.key);
      const std::string changed = small_term(kind.name, base + (base.empty() ? "" : ",") + s.key + "=" + value);
      INFO(changed);
      one_term one(small_term(kind.name, base)), other(changed);
      const double value_before = one.value(), value_after = other.value();
      CHECK((value_before != value_after || one.gradient_norm() != other.gradient_norm()));
    }
  one_term projection("hidden_mse:projection=linear,shared=mine");
  CHECK(projection.table().find("projection.mine.weight") != nullptr);
}

TEST_CASE("attention maps of other numbers of heads are compared by their means if the text says so") {
  for (const std::string name : {"attention_mse", "attention_kl"}) {
    CHECK_THROWS_WITH(one_term(name, 4), "loss: " + name + ": 4 heads of the student, 2 of the teacher");
    one_term run(name + ":heads=mean", 4);
    const double before = run.value();
    run.train(10);
    CHECK(run.value() < before);
  }
  CHECK_THROWS_WITH(one_term("value_relation", 4), "loss: value_relation: 4 heads of the student, 2 of the teacher");
}

TEST_CASE("layers drawn per epoch are those of seed and epoch, whichever epochs were seen before") {
  one_term run("hidden_mse:mapping=random:7:per_epoch"), once("hidden_mse:mapping=random:7");
  const double first = once.value();
  bool moved = false;
  for (const std::uint64_t epoch : {2U, 0U, 1U, 2U, 3U}) {
    std::string pairs = "hidden_mse:mapping=explicit";
    random_mapping{.seed = 7, .epoch = epoch}(depths{2, 4}, [&](layer_pair p) {
      pairs += ":" + std::to_string(p.student) + "-" + std::to_string(p.teacher);
    });
    const double drawn = run.value(epoch);
    CHECK(drawn == one_term(pairs).value());
    CHECK(once.value(epoch) == first);
    moved = moved || drawn != first;
  }
  CHECK(moved);
}

TEST_CASE("a temperature's schedule follows the run") {
  one_term run("soft_target_kl:temperature=linear:4:1"), hot("soft_target_kl:temperature=4"), cold("soft_target_kl");
  CHECK(run.value(0, 0) == hot.value());
  CHECK(run.value(0, 1) == cold.value());
}

TEST_CASE("a weight that is learned starts at half the term and moves with the student") {
  one_term run("soft_target_kl:weight=learned"), plain("soft_target_kl");
  CHECK(run.learned() == std::vector<float>{0});
  CHECK(run.value() == Approx(plain.value() / 2));
  run.train(3);
  CHECK(run.learned()[0] != 0);
}

TEST_CASE("terms that weigh samples ask for the teacher's logits and read the samples that count") {
  one_term all("soft_target_kl"), some("soft_target_kl:samples=confident:0.3"),
      none("soft_target_kl:samples=confident:1");
  CHECK(some.value() == all.value());
  CHECK(none.value() == 0);
  one_term taught("cross_entropy:samples=adakd:1"), rest("cross_entropy:samples=adakd_rest:1"), plain("cross_entropy");
  CHECK(taught.value() + rest.value() == Approx(plain.value()));
  taught.forget_logits();
  CHECK_THROWS_WITH(taught.value(),
                    "distiller: cross_entropy weighs samples by the teacher's logits, which use_logits() gives");
}

TEST_CASE("bug_20, terms: those that learn and draw, stopped and resumed, leave the bits of an unbroken run",
          "[bugs]") {
  const scratch_folder whole, parts;
  small_run unbroken;
  unbroken.teacher_layers = 4;
  unbroken.train = small_samples(8, false);
  unbroken.dev = small_samples(5, false, 100);
  unbroken.losses = {"soft_target_kl:weight=learned,temperature=linear:4:1",
                     "cosine_loss:projection=linear_bias,mapping=random:5:per_epoch", "alp_kd:projection=linear",
                     "hidden_mse:projection=linear,shared=alp_kd,mapping=random:6:per_epoch",
                     "cross_entropy:samples=adakd_rest:1"};
  unbroken.settings = {{"loss", unbroken.losses}};
  small_run run = unbroken;
  unbroken(whole.path);
  for (const std::size_t stop : {6U, 4U, 0U}) {
    run.stop_at = stop;
    run(parts.path);
    CHECK(run.crashed == (stop > 0));
    run.resume = true;
  }
  CHECK(same_bits(run.weights, unbroken.weights));
  CHECK(get(parts / "checkpoint.safetensors") == get(whole / "checkpoint.safetensors"));
  CHECK(get(parts / "run.jsonl") == get(whole / "run.jsonl"));
  const json_value start = read_run_record(whole / "run.jsonl").front();
  CHECK(start.required<std::string>("event") == "start");
  CHECK(start.raw().at("settings").at("loss") == json(unbroken.losses));

  // What no checkpoint holds cannot go on: the table has grown by a projection.
  run.losses.push_back("embedding_mse:projection=linear");
  run.resume = true;
  CHECK_THROWS_AS(run(parts.path), file_error);
}

}  // namespace
}  // namespace limbeck
