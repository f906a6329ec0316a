// Tests of limbeck/training/terms.hpp.
#include "limbeck/training/terms.hpp"

#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/student_spec.hpp"

namespace limbeck {
namespace {

transformer_sizes sizes(index width, index layers = 2, index heads = 2) {
  return {.vocabulary = 9, .positions = 8, .layers = layers, .width = width, .heads = heads, .inner = 8};
}
const term_context classification{.student = sizes(4), .teacher = sizes(6, 4), .classes = 3};
const term_context regression{.student = sizes(4), .teacher = sizes(6, 4), .classes = 1, .regression = true};

/// Builds the terms and returns their names; `table` gets what they learn.
std::vector<named_term<cpu_executor<>, float>> built(const std::vector<std::string>& texts, const term_context& context,
                                                     parameter_table& table) {
  std::vector<term_spec> specs;
  for (const std::string& text : texts) specs.emplace_back(text);
  const term_builder builder(specs, context, table);
  static std::vector<float> weights, gradients;
  weights.assign(static_cast<std::size_t>(table.size()) + 1, 0);
  gradients = weights;
  return builder.build<cpu_executor<>, float>(view<const float, 1>(weights.data(), table.size()),
                                              view<float, 1>(gradients.data(), table.size()));
}
std::string refusal(const std::string& text, const term_context& context = classification) {
  try {
    parameter_table table;
    (void)built({text}, context, table);
  } catch (const contract_error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("terms read what their losses read, and know whether that is the labels") {
  parameter_table table;
  const auto terms = built({"soft_target_kl:temperature=2", "cross_entropy", "attention_mse:of=probabilities",
                            "attention_mse", "hidden_mse", "embedding_mse", "logits_mse", "soft_target_reverse_kl"},
                           classification, table);
  const std::vector<signal_set> reads{signal::logits, signal::logits,     signal::probabilities, signal::scores,
                                      signal::hidden, signal::embeddings, signal::logits,        signal::logits};
  const std::vector<std::string> names{"soft_target_kl", "cross_entropy", "attention_mse", "attention_mse_2",
                                       "hidden_mse",     "embedding_mse", "logits_mse",    "soft_target_reverse_kl"};
  REQUIRE(terms.size() == 8);
  for (std::size_t t = 0; t < terms.size(); ++t) {
    CHECK(terms[t].name == names[t]);
    CHECK(terms[t].loss.reads == reads[t]);
    CHECK(terms[t].reads_labels == (t == 1));
    CHECK(terms[t].reads_teacher == (t != 1));
  }
}

TEST_CASE("every divergence is a term, with its parameters") {
  parameter_table table;
  const auto terms = built(
      {"soft_cross_entropy", "jensen_shannon:beta=0.2", "scaled_jensen_shannon", "skew_kl:skew=0.3", "skew_reverse_kl",
       "total_variation:temperature=2", "squared_hellinger:t_squared=false", "alpha_beta:alpha=0.2,beta=0.7"},
      classification, table);
  const std::vector<float> student{1, 0, -1}, teacher{0, 2, 1};
  const signals<const float, cpu> seen{.logits = view<const float, 2>(student.data(), 1, 3)};
  const signals<const float, cpu> shown{.logits = view<const float, 2>(teacher.data(), 1, 3)};
  const auto value = [&](const auto& loss) {
    float sum = 0;
    loss(cpu_executor<>{}, seen, shown, targets<float>{}, sink<float, cpu>{.value = view<float, 1>(&sum, 1)});
    return sum;
  };
  const std::vector<float> wanted{value(soft_target<soft_label_cross_entropy>{}),
                                  value(soft_target<jensen_shannon>{.divergence = {0.2}}),
                                  value(soft_target<scaled_jensen_shannon>{}),
                                  value(soft_target<skew_kl>{.divergence = {0.3}}),
                                  value(soft_target<skew_reverse_kl>{}),
                                  value(soft_target<total_variation>{.temperature = 2}),
                                  value(soft_target<squared_hellinger>{.t_squared = false}),
                                  value(soft_target<alpha_beta>{.divergence = {0.2, 0.7}})};
  REQUIRE(terms.size() == wanted.size());
  for (std::size_t t = 0; t < terms.size(); ++t) {
    CHECK(value(terms[t].loss) == wanted[t]);
    CHECK_FALSE(terms[t].reads_labels);
  }
  CHECK(refusal("jensen_shannon:beta=2").find("beta 2") != std::string::npos);
  CHECK(refusal("skew_kl:beta=0.1").find("beta") != std::string::npos);
  CHECK(refusal("total_variation", regression).find("compares classes") != std::string::npos);
}

TEST_CASE(
    "of a teacher that keeps its likeliest classes only their KL is a term, at their temperature, samples alike") {
  term_context likeliest = classification;
  likeliest.top_k_temperature = 2;
  CHECK(refusal("soft_target_kl:temperature=2", likeliest).empty());
  CHECK(refusal("cosine_loss", likeliest).empty());
  CHECK_THAT(refusal("soft_target_kl", likeliest), Catch::EndsWith("are kept for temperature 2.000000"));
  CHECK_THAT(refusal("soft_target_kl:temperature=linear:2:1", likeliest), Catch::Contains("are kept for temperature"));
  for (const char* text : {"dist_kd", "annealing_kd", "soft_cross_entropy:temperature=2"})
    CHECK_THAT(refusal(text, likeliest), Catch::EndsWith("likeliest are kept; take soft_target_kl"));
  CHECK_THAT(refusal("cross_entropy:samples=adakd_rest:1", likeliest), Catch::Contains("weighed by all classes"));
}

TEST_CASE("terms of the label and the other classes read labels and teacher") {
  parameter_table table;
  const auto terms = built({"decoupled_kd:beta=2", "normalised_kd:temperature=2,gamma=1"}, classification, table);
  REQUIRE(terms.size() == 2);
  for (const auto& term : terms) CHECK((term.reads_labels && term.reads_teacher));
  CHECK(refusal("decoupled_kd:gamma=2").find("gamma") != std::string::npos);
  CHECK(refusal("normalised_kd", regression).find("compares classes") != std::string::npos);
  term_context alone = classification;
  alone.teacher.reset();
  CHECK(refusal("decoupled_kd", alone).find("needs a teacher") != std::string::npos);
}

TEST_CASE("a term of states declares its projection behind the student's parameters") {
  parameter_table table;
  (void)table.declare("student", 2, 3);
  (void)built({"hidden_mse", "embedding_mse:projection=linear_bias"}, classification, table);
  REQUIRE(table.entries().size() == 4);
  CHECK(table.entries()[1].name == "projection.hidden.weight");
  CHECK(table.entries()[1].rows == 6);
  CHECK(table.entries()[1].columns == 4);
  CHECK(table.entries()[1].offset == 6);
  CHECK(table.entries()[2].name == "projection.embeddings.weight");
  CHECK(table.entries()[3].name == "projection.embeddings.bias");
  CHECK_FALSE(table.entries()[3].decays());
}

TEST_CASE("widths that agree need no projection, and may have one") {
  term_context same = classification;
  same.teacher->width = 4;
  parameter_table none, one;
  (void)built({"hidden_mse"}, same, none);
  CHECK(none.size() == 0);
  (void)built({"hidden_mse:projection=linear"}, same, one);
  CHECK(one.size() == 16);
}

TEST_CASE("terms that name one projection share it") {
  parameter_table table;
  (void)built({"hidden_mse:shared=all,mapping=last", "embedding_mse:shared=all"}, classification, table);
  REQUIRE(table.entries().size() == 1);
  CHECK(table.entries()[0].name == "projection.all.weight");
  parameter_table two;
  CHECK_THROWS_WITH(
      built({"hidden_mse:shared=all", "embedding_mse:shared=all,projection=linear_bias"}, classification, two),
      "loss: embedding_mse:shared=all,projection=linear_bias: the shared projection has another form elsewhere");
}

TEST_CASE("terms of layers tell the layers that they compare, by their names in records") {
  parameter_table table;
  const auto pairs_of = [&](const std::vector<std::string>& texts, const term_context& context) {
    std::vector<term_spec> specs(texts.begin(), texts.end());
    return term_builder(specs, context, table).layer_pairs();
  };
  const auto found =
      pairs_of({"cross_entropy", "attention_mse:mapping=last,heads=mean", "attention_mse:mapping=uniform,heads=mean",
                "relational_angle:teacher_layer=1", "embedding_mse", "hidden_mse:mapping=random:3:per_epoch"},
               classification);
  REQUIRE(found.size() == 4);
  CHECK(found[0].first == "attention_mse");
  CHECK(found[0].second == std::vector<layer_pair>{{0, 2}, {1, 3}});
  CHECK(found[1].first == "attention_mse_2");
  CHECK(found[1].second == std::vector<layer_pair>{{0, 1}, {1, 3}});
  CHECK(found[2].first == "relational_angle");
  CHECK(found[2].second == std::vector<layer_pair>{{1, 1}});
  CHECK(found[3].second.size() == 2);
  CHECK(pairs_of({"cross_entropy"}, {.student = sizes(4)}).empty());
}

TEST_CASE("terms that share their samples are one of the teacher and one of the label, for classes and for scores") {
  parameter_table table;
  const auto terms =
      built({"soft_target_kl:samples=rw_kd", "cross_entropy:samples=rw_kd_rest", "hidden_mse"}, classification, table);
  CHECK(terms[0].samples.by == sample_weighting::rule::rw_kd);
  CHECK(terms[1].samples.by == sample_weighting::rule::rw_kd_rest);
  CHECK_FALSE(terms[1].reads_teacher);
  CHECK_FALSE(terms[2].samples.shared());
  parameter_table scores;
  CHECK(built({"logits_mse:samples=rw_kd", "regression_mse:samples=rw_kd_rest"}, regression, scores).size() == 2);

  CHECK(refusal("cross_entropy:samples=rw_kd_rest") ==
        "loss: cross_entropy:samples=rw_kd_rest: needs a term with samples=rw_kd beside it");
  CHECK(refusal("soft_target_kl:samples=rw_kd") ==
        "loss: soft_target_kl:samples=rw_kd: needs a term with samples=rw_kd_rest beside it");
  for (const char* text : {"cross_entropy:samples=rw_kd", "soft_target_kl:samples=rw_kd_rest",
                           "decoupled_kd:samples=rw_kd_rest", "hidden_mse:samples=rw_kd", "dist_kd:samples=rw_kd"})
    CHECK(refusal(text) == "loss: " + std::string(text) +
                               ": samples=rw_kd is for terms that compare a sample's class scores with the teacher's, "
                               "rw_kd_rest for those that read labels alone");
  CHECK(refusal("soft_target_kl:samples=rw_kd,weight=learned") ==
        "loss: soft_target_kl:samples=rw_kd,weight=learned: a weight cannot be learned where samples are shared");
  term_context kept = classification;
  kept.top_k_temperature = 1;
  CHECK(refusal("soft_target_kl:samples=rw_kd", kept) ==
        "loss: soft_target_kl:samples=rw_kd: samples are weighed by all classes, the teacher's likeliest are kept");
}

TEST_CASE("a weight in text is the term's weight over the run") {
  parameter_table table;
  const auto terms =
      built({"cross_entropy:weight=0.1", "soft_target_kl:weight=linear:4:1", "logits_mse"}, classification, table);
  CHECK(terms[0].weight(0.5) == 0.1);
  CHECK(terms[1].weight(0.5) == 2.5);
  CHECK(terms[2].weight(0.5) == 1);
}

TEST_CASE("terms that are not known, or settings that a term does not have, are refused with those that are") {
  CHECK(refusal("kl") == "loss: unknown term kl, expected one of " + term_builder::known_terms());
  CHECK(refusal("soft_target_kl:temp=2") ==
        "loss: soft_target_kl:temp=2: unknown setting temp, expected one of samples, t_squared, temperature, weight");
  CHECK(refusal("cross_entropy:temperature=2") ==
        "loss: cross_entropy:temperature=2: unknown setting temperature, expected one of label_smoothing, samples, "
        "weight");
  CHECK(refusal("regression_mse:temperature=2", regression) ==
        "loss: regression_mse:temperature=2: unknown setting temperature, expected one of samples, weight");
  CHECK_THAT(refusal("attention_mse:projection=none"), Catch::Contains("unknown setting projection"));
  parameter_table table;
  CHECK_THROWS_WITH(built({}, classification, table), "loss: an objective needs a term");
}

TEST_CASE("a value that a term cannot have is refused before anything is built") {
  for (const char* text : {"soft_target_kl:temperature=0", "soft_target_kl:t_squared=2", "attention_mse:of=keys"}) {
    parameter_table table;
    CHECK_THROWS_AS(term_builder({term_spec(text)}, classification, table), contract_error);
  }
}

TEST_CASE("values that a term cannot have are refused") {
  CHECK(refusal("soft_target_kl:temperature=0") ==
        "loss: soft_target_kl:temperature=0: temperature=0, expected a positive number, or positive ends");
  CHECK_THAT(refusal("soft_target_kl:temperature=warm"), Catch::EndsWith("temperature=warm, expected a number"));
  CHECK_THAT(refusal("soft_target_kl:t_squared=2"), Catch::EndsWith("t_squared=2, expected one of true, false"));
  CHECK_THAT(refusal("attention_mse:of=keys"), Catch::EndsWith("of=keys, expected one of scores, probabilities"));
  CHECK_THAT(refusal("hidden_mse:projection=yes"),
             Catch::EndsWith("projection=yes, expected one of none, linear, linear_bias"));
  CHECK_THAT(refusal("cross_entropy:weight=linear"), Catch::EndsWith("weight=linear, expected a number, or learned"));
  CHECK_FALSE(refusal("hidden_mse:mapping=middle").empty());
  CHECK_FALSE(refusal("hidden_mse:mapping=explicit:0-1:1-4").empty());
}

TEST_CASE("a label smoothing that is no share is refused") {
  CHECK_FALSE(refusal("cross_entropy:label_smoothing=1.5").empty());
  CHECK_FALSE(refusal("cross_entropy:label_smoothing=-0.1").empty());
}

TEST_CASE("a projection's name without a projection is refused, for it would mean nothing") {
  term_context same = classification;
  same.teacher->width = 4;
  CHECK_FALSE(refusal("hidden_mse:shared=all", same).empty());
  CHECK_FALSE(refusal("hidden_mse:projection=none,shared=all", same).empty());
}

TEST_CASE("terms that do not fit the models or the task are refused before anything runs") {
  const term_context alone{.student = sizes(4), .teacher = {}, .classes = 3};
  CHECK(refusal("soft_target_kl", alone) == "loss: soft_target_kl needs a teacher");
  CHECK(refusal("hidden_mse", alone) == "loss: hidden_mse needs a teacher");
  CHECK(refusal("cross_entropy", alone).empty());
  CHECK(refusal("cross_entropy", regression) ==
        "loss: cross_entropy compares classes, the task is a regression; take logits_mse and regression_mse");
  CHECK_THAT(refusal("soft_target_kl", regression), Catch::Contains("compares classes"));
  CHECK(refusal("regression_mse") == "loss: regression_mse compares scores, the task has classes; take cross_entropy");
  CHECK(refusal("hidden_mse:projection=none") ==
        "loss: hidden_mse:projection=none: without a projection the widths must agree, student 4, teacher 6");
  term_context heads = classification;
  heads.teacher->heads = 3;
  CHECK(refusal("attention_mse", heads) == "loss: attention_mse: 2 heads of the student, 3 of the teacher");
  CHECK(refusal("hidden_mse", heads).empty());
}

TEST_CASE("a term is shown as many student layers as are used, not as many as have weights") {
  term_context deep = classification;
  model_config teacher;
  teacher.sizes = *deep.teacher;
  deep.student = student_config(parse_student_spec("layers=3,width=4,heads=2,sharing=sps"), teacher).sizes;
  CHECK(refusal("hidden_mse:mapping=explicit:0-0:1-0:2-1:3-2:4-2:5-3", deep).empty());
  CHECK_FALSE(refusal("hidden_mse:mapping=explicit:0-0:1-0:2-1", deep).empty());  // layers 3 to 5 have no pair
  deep.teacher->width = 4;
  CHECK(refusal("info_nce:student_layer=5", deep).empty());
}

}  // namespace
}  // namespace limbeck
