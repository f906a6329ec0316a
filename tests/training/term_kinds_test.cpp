// Tests of limbeck/training/term_kinds.hpp.
#include "limbeck/training/term_kinds.hpp"

#include <set>
#include <string>

#include "catch.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/relations.hpp"

namespace limbeck {
namespace {

known_term read_term(const std::string& text) { return known_term(term_spec(text)); }
std::string term_refusal(const std::string& text) {
  try {
    (void)read_term(text);
  } catch (const contract_error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("no value of any setting is taken unread, and what is refused shows the text and the setting") {
  std::set<std::string> names;
  for (const term_kind& kind : term_kinds()) {
    CHECK(names.insert(kind.name).second);
    std::set<std::string> keys;
    for (const term_setting& s : kind.settings) {
      const std::string text = kind.name + ":" + s.key + "=" + (s.form == setting_form::name ? "" : "?!");
      INFO(text);
      CHECK(keys.insert(s.key).second);
      CHECK_THAT(term_refusal(text), Catch::StartsWith("loss: " + text + ": ") && Catch::Contains("expected "));
      if (!s.otherwise.empty()) CHECK(term_refusal(kind.name + ":" + s.key + "=" + s.otherwise).empty());
    }
  }
  CHECK(names.size() == 30);
}

TEST_CASE("settings that are not named have the defaults of the losses") {
  CHECK(read_term("decoupled_kd").number("temperature") == decoupled_kd{}.temperature);
  CHECK(read_term("decoupled_kd").number("beta") == decoupled_kd{}.beta);
  CHECK(read_term("normalised_kd").number("gamma") == normalised_kd{}.gamma);
  CHECK(read_term("skew_kl").number("skew") == skew_kl{}.skew);
  CHECK(read_term("annealing_kd").number("most_temperature") == annealing_kd{}.most_temperature);
  CHECK(read_term("minilm_relations").whole("heads") == minilm_relations_options{}.heads);
  CHECK(read_term("info_nce").layer("student_layer") == last_layer);
  CHECK_FALSE(read_term("info_nce").flag("symmetric"));
  CHECK(read_term("cosine_loss").schedule("weight")(0.5) == 1);
}

TEST_CASE("settings are read as what they are") {
  const known_term t = read_term("info_nce:temperature=linear:1:0.1,symmetric=true,student_layer=2,weight=learned");
  CHECK(t.schedule("temperature")(1) == Approx(0.1));
  CHECK(t.flag("symmetric"));
  CHECK(t.layer("student_layer") == 2);
  CHECK(t.learns_weight());
  CHECK(t.names("symmetric"));
  CHECK_FALSE(t.names("pooling"));
  CHECK(t.word("pooling") == "first_token");
  CHECK_THROWS_WITH(t.number("gamma"), "loss: info_nce has no setting gamma");
}

TEST_CASE("values that a setting cannot have are refused with what it can") {
  CHECK_THAT(term_refusal("kl"), Catch::StartsWith("loss: unknown term kl, expected one of soft_target_kl, "));
  CHECK_THAT(term_refusal("info_nce:temperature=linear:1:0"), Catch::EndsWith("a positive number, or positive ends"));
  CHECK_THAT(term_refusal("relational_angle:delta=0"), Catch::EndsWith(": delta=0, expected a positive number"));
  CHECK_THAT(term_refusal("minilm_relations:heads=2.5"), Catch::EndsWith("expected a whole number, 1 or more"));
  CHECK_THAT(term_refusal("minilm_relations:heads=0"), Catch::EndsWith("expected a whole number, 1 or more"));
  CHECK_THAT(term_refusal("minilm_relations:keys=-1"), Catch::EndsWith(": keys=-1, expected 0 or more"));
  CHECK_THAT(term_refusal("cross_entropy:label_smoothing=1.5"), Catch::EndsWith("=1.5, expected 0 to 1"));
  CHECK_THAT(term_refusal("info_nce:teacher_layer=-1"), Catch::EndsWith("expected last, or a layer from 0"));
  CHECK_THAT(term_refusal("patience:scale=mean"), Catch::EndsWith("expected one of sum, samples, mean_element"));
  CHECK_THAT(term_refusal("hidden_mse:mapping=middle"),
             Catch::StartsWith("loss: hidden_mse:mapping=middle: mapping: middle: expected uniform, first"));
  CHECK_THAT(term_refusal("cross_entropy:samples=adakd"),
             Catch::StartsWith("loss: cross_entropy:samples=adakd: samples=adakd, expected all, confident:LEAST"));
  CHECK_THAT(term_refusal("cross_entropy:weight=learnt"),
             Catch::EndsWith("weight=learnt, expected a number, or learned"));
}

}  // namespace
}  // namespace limbeck
