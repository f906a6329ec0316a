// Texts relabelled by how a teacher did: thresholds as text, medians worked by hand, and what becomes of the task.
#include "limbeck/recipes/teacher_prediction_task.hpp"

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

using Catch::Matchers::Contains;

/// Texts of two classes, and the logits of a teacher that is as sure of class 1 as `of_one` says.
struct judged {
  dataset set;
  std::vector<float> logits;
};
judged judged_texts(const std::vector<std::int32_t>& labels, const std::vector<double>& of_one) {
  judged made{{.task = glue_task("sst-2"), .file = "train.tsv", .examples = {}}, {}};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    made.set.examples.push_back({.text = "text " + std::to_string(i), .pair = std::nullopt, .label = labels[i]});
    made.logits.push_back(0);
    made.logits.push_back(static_cast<float>(std::log(of_one[i] / (1 - of_one[i]))));
  }
  return made;
}

std::vector<std::int32_t> labels_in(const dataset& set) {
  std::vector<std::int32_t> labels;
  for (const example& e : set.examples) labels.push_back(e.label);
  return labels;
}

}  // namespace

TEST_CASE("thresholds are read from text, from the table of the tasks of Pea-KD, or left to the medians") {
  const auto given = parse_thresholds("0.9:0.25", "tsv");
  REQUIRE(given);
  CHECK((given->correct == 0.9 && given->wrong == 0.25));
  const auto of_rte = parse_thresholds("paper", "rte"),
             of_qnli = parse_thresholds("paper", glue_task("QNLI-mini").name);
  REQUIRE((of_rte && of_qnli));
  CHECK((of_rte->correct == 0.80 && of_rte->wrong == 0.60));
  CHECK((of_qnli->correct == 0.98 && of_qnli->wrong == 0.70));
  for (const char* name : {"cola", "mrpc", "sst-2"}) CHECK(parse_thresholds("paper", name));
  for (const char* name : {"tsv", "mnli", "wnli"}) CHECK_FALSE(parse_thresholds("paper", name));
  CHECK_FALSE(parse_thresholds("auto", "rte"));
  for (const char* wrong : {"", "0.9", "0.9:", ":0.9", "1.5:0.5", "0.5:-0.1", "0.9:0.7:0.5", "nan:0.5", "Auto"})
    CHECK_THROWS_WITH(parse_thresholds(wrong, "rte"), Contains("\"" + std::string(wrong) + "\", expected"));
}

TEST_CASE("thresholds at the medians part right and wrong predictions in two halves each") {
  // right with 0.9, 0.6, 0.8; wrong with 0.7, 0.95, 0.55, 0.65
  const judged texts = judged_texts({1, 0, 1, 0, 1, 1, 0}, {0.9, 0.4, 0.8, 0.7, 0.05, 0.45, 0.65});
  const confidence_thresholds above = median_thresholds_of(texts.set, texts.logits);
  CHECK(above.correct == Approx(0.8).epsilon(1e-6));
  CHECK(above.wrong == Approx(0.675).epsilon(1e-6));
  const dataset made = with_teacher_predictions(texts.set, texts.logits, above);
  CHECK(labels_in(made) == std::vector<std::int32_t>{0, 1, 1, 2, 2, 3, 3});  // the median itself is not above
  CHECK(count_teacher_predictions(made) == std::array<index, 4>{1, 2, 2, 2});
}

TEST_CASE("a teacher that is always right, or always wrong, has one median for both") {
  const judged right = judged_texts({1, 0, 1}, {0.9, 0.4, 0.8}), wrong = judged_texts({0, 1, 0}, {0.9, 0.4, 0.8});
  for (const judged* texts : {&right, &wrong}) {
    const confidence_thresholds above = median_thresholds_of(texts->set, texts->logits);
    CHECK(above.correct == Approx(0.8).epsilon(1e-6));
    CHECK(above.wrong == above.correct);
  }
  CHECK_THROWS_WITH(median_thresholds_of({.task = glue_task("rte")}, {}), Contains("no rows"));
}

TEST_CASE("relabelled texts are a task of four classes, and nothing else of them changes") {
  const judged texts = judged_texts({1, 0}, {0.99, 0.6});
  const dataset made = with_teacher_predictions(texts.set, texts.logits, {.correct = 0.98, .wrong = 0.8});
  CHECK(labels_in(made) == std::vector<std::int32_t>{0, 3});
  CHECK(made.examples[1].text == "text 1");
  CHECK(made.task.label_names == std::vector<std::string>{"confidently_correct", "unconfidently_correct",
                                                          "confidently_wrong", "unconfidently_wrong"});
  CHECK(made.task.metrics == std::vector<std::string>{"accuracy"});
  CHECK_THROWS_WITH(teacher_prediction_task(glue_task("sts-b")), Contains("sts-b is a regression"));
  CHECK_THROWS_WITH(with_teacher_predictions(judged_texts({0, 2}, {0.5, 0.5}).set, texts.logits, {}),
                    Contains("row 1 has label 2"));
  CHECK_THROWS_WITH(with_teacher_predictions(texts.set, {1, 2, 3}, {}),
                    Contains("3 logits for 2 examples of 2 classes"));
}

}  // namespace limbeck
