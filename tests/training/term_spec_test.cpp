// Tests of limbeck/training/term_spec.hpp.
#include "limbeck/training/term_spec.hpp"

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("a term in text has a name, settings and what is said where one is missing") {
  const term_spec s("hidden_mse:mapping=explicit:0-1:1-3,weight=0.5,t_squared=false");
  CHECK(s.name() == "hidden_mse");
  CHECK(s.value("mapping", "") == "explicit:0-1:1-3");
  CHECK(s.number("weight", 1) == 0.5);
  CHECK(s.number("temperature", 2) == 2);
  CHECK_FALSE(s.flag("t_squared", true));
  CHECK(s.flag("other", true));
  CHECK(s.choice("of", {"scores", "probabilities"}, "scores") == "scores");
  const term_spec bare("cross_entropy");
  CHECK(bare.name() == "cross_entropy");
  CHECK(bare.text() == "cross_entropy");
  CHECK_NOTHROW(bare.allow({}));
}

TEST_CASE("a term in text that cannot be read is refused with the text and what was expected") {
  CHECK_THROWS_WITH(term_spec(""), "loss: : expected name:key=value,key=value");
  CHECK_THROWS_WITH(term_spec(":weight=1"), "loss: :weight=1: expected name:key=value,key=value");
  CHECK_THROWS_WITH(term_spec("kl:weight"), "loss: kl:weight: weight: expected key=value");
  CHECK_THROWS_WITH(term_spec("kl:=1"), "loss: kl:=1: =1: expected key=value");
  CHECK_THROWS_WITH(term_spec("kl:,weight=1"), "loss: kl:,weight=1: : expected key=value");
  CHECK_THROWS_WITH(term_spec("kl:weight=1,weight=2"), "loss: kl:weight=1,weight=2: weight comes twice");
}

TEST_CASE("values of the wrong kind are refused with key and value") {
  const term_spec s("kl:weight=1x,t_squared=yes,temperature=inf,empty=,of=keys");
  CHECK_THROWS_WITH(s.number("weight", 1), Catch::EndsWith(": weight=1x, expected a number"));
  CHECK_THROWS_WITH(s.number("temperature", 1), Catch::EndsWith(": temperature=inf, expected a number"));
  CHECK_THROWS_WITH(s.number("empty", 1), Catch::EndsWith(": empty=, expected a number"));
  CHECK_THROWS_WITH(s.flag("t_squared", true), Catch::EndsWith(": t_squared=yes, expected one of true, false"));
  CHECK_THROWS_WITH(s.choice("of", {"scores", "probabilities"}, "scores"),
                    Catch::EndsWith(": of=keys, expected one of scores, probabilities"));
}

TEST_CASE("a setting that is not known is refused with those that are") {
  CHECK_THROWS_WITH(term_spec("kl:weigth=1").allow({"temperature", "weight"}),
                    "loss: kl:weigth=1: unknown setting weigth, expected one of temperature, weight");
}

TEST_CASE("a weight is a number or moves over the run in one of three ways") {
  const auto weight = [](const char* text) { return term_spec(text).schedule("weight", 3); };
  CHECK(weight("kl")(0.7) == 3);
  CHECK(weight("kl:weight=2")(0.7) == 2);
  CHECK(weight("kl:weight=linear:4:1")(0) == 4);
  CHECK(weight("kl:weight=linear:4:1")(0.5) == 2.5);
  CHECK(weight("kl:weight=linear:0:1e1")(1) == 10);
  CHECK(weight("kl:weight=cosine:4:1")(0.5) == Approx(2.5));
  CHECK(weight("kl:weight=exponential:4:1")(0.5) == Approx(2));
}

TEST_CASE("a schedule that cannot be read is refused with what was expected") {
  const char* const expected = "expected a number or linear:FROM:TO, cosine:FROM:TO, exponential:FROM:TO";
  for (const char* text : {"kl:weight=linear:4", "kl:weight=steps:4:1", "kl:weight=:1:2"})
    CHECK_THROWS_WITH(term_spec(text).schedule("weight", 1), Catch::EndsWith(expected));
  CHECK_THROWS_WITH(term_spec("kl:weight=linear:4:x").schedule("weight", 1),
                    "loss: kl:weight=linear:4:x: weight=x, expected a number");
  CHECK_THROWS_WITH(term_spec("kl:weight=linear:4:1:0").schedule("weight", 1),
                    Catch::EndsWith("weight=1:0, expected a number"));
  CHECK_THROWS_WITH(term_spec("kl:weight=exponential:1:0").schedule("weight", 1),
                    "loss: kl:weight=exponential:1:0: weight=exponential:1:0: an exponential needs positive ends");
  CHECK_THROWS_WITH(term_spec("kl:weight=").schedule("weight", 1), Catch::EndsWith("weight=, expected a number"));
}

}  // namespace
}  // namespace limbeck
