// Students described in text, and their first weights.
#include "limbeck/models/student_spec.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "io/small_model.hpp"

namespace {

using namespace limbeck_test;
using limbeck::parse_student_spec;

std::string complaint(const std::string& text) {
  try {
    (void)parse_student_spec(text);
  } catch (const limbeck::contract_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a student's sizes are read from text") {
  const auto copied = parse_student_spec("layers=3,from-teacher=0:2:4");
  CHECK(copied.layers == 3);
  CHECK(copied.from_teacher == std::vector<limbeck::index>{0, 2, 4});
  CHECK(parse_student_spec("from-teacher=5").layers == 1);
  const auto fresh = parse_student_spec("layers=2,width=128,heads=2,inner=500");
  CHECK(fresh.from_teacher.empty());
  CHECK(fresh.layers == 2);
  CHECK(fresh.width == 128);
  CHECK(fresh.heads == 2);
  CHECK(fresh.inner == 500);
  CHECK(parse_student_spec("heads=2,width=128,layers=2").inner == 512);
  CHECK_FALSE(fresh.sharing);
  CHECK(fresh.depth() == 2);
  const auto shared = parse_student_spec("from-teacher=0:2:4,sharing=sps");
  CHECK(shared.sharing == limbeck::shuffled_parameter_sharing);
  CHECK(shared.layers == 3);
  CHECK(shared.depth() == 6);
  CHECK(parse_student_spec("layers=42,width=8,heads=2,sharing=sps").depth() == 63);
}

TEST_CASE("a text that describes no student is refused with key and value") {
  CHECK(complaint("layers=3,from-teacher=0:2") == "student: layers=3, but from-teacher names 2");
  CHECK(complaint("layers=x") == "student: layers=x, expected a number from 1 to 16777216");
  CHECK(complaint("layers=0,width=8,heads=2") == "student: layers=0, expected a number from 1 to 16777216");
  CHECK(complaint("layers=2,width=8 ,heads=2") == "student: width=8 , expected a number from 1 to 16777216");
  CHECK(complaint("layers=99999999999999999999") ==
        "student: layers=99999999999999999999, expected a number from 1 to 16777216");
  CHECK(complaint("from-teacher=0::2") == "student: from-teacher=, expected a number from 0 to 16777216");
  CHECK(complaint("from-teacher=-1") == "student: from-teacher=-1, expected a number from 0 to 16777216");
  CHECK(complaint("depth=2") ==
        "student: unknown key depth=2, expected layers, from-teacher, width, heads, inner or sharing");
  CHECK(complaint("layers=2,layers=3") == "student: layers is given twice");
  CHECK(complaint("from-teacher=1,from-teacher=2") == "student: from-teacher is given twice");
  CHECK(complaint("layers=1,width=8388608,heads=1") == "student: width=8388608 makes inner=33554432, at most 16777216");
  CHECK(complaint("layers") == "student: \"layers\" is no key=value, as in layers=2,width=128,heads=2,inner=512");
  CHECK(complaint("") == "student: \"\" is no key=value, as in layers=2,width=128,heads=2,inner=512");
  CHECK(complaint("from-teacher=0,width=8") ==
        "student: from-teacher copies the teacher's sizes, so width, heads and inner cannot be given");
  CHECK(complaint("layers=2,width=8") ==
        "student: layers=2, width=8, heads=0; a fresh student needs all three, one of copied layers from-teacher");
  CHECK(complaint("layers=2,width=8,heads=3") == "student: heads=3 does not divide width=8");
  CHECK(complaint("layers=65,width=8,heads=2") == "student: layers=65, at most 64");
  CHECK(complaint("layers=43,width=8,heads=2,sharing=sps") == "student: layers=43 make 65 with sharing, at most 64");
  CHECK(complaint("from-teacher=0,sharing=spss") ==
        "sharing: \"spss\", expected sps, or cycle, sequence or cycle_rev, or these with :exchanged");
}

TEST_CASE("a student of copied layers is its teacher without the others") {
  for (const auto family : {limbeck::model_family::bert, limbeck::model_family::distilbert}) {
    auto config = small_config(family);
    config.sizes.layers = 4;
    config.sizes.layer_sources = {{0}, {1}, {1}, {3}};
    config.dropout = 0.3;
    const small_model<> teacher(config);
    const auto student = limbeck::initialise_student(parse_student_spec("from-teacher=2:0:2"), teacher.config,
                                                     teacher.table(), teacher.all(), 9);
    CHECK(student.config.sizes.layers == 3);
    CHECK(student.config.sizes.layer_sources.empty());
    CHECK(student.config.sizes.width == config.sizes.width);
    CHECK(student.config.labels == config.labels);
    CHECK(student.config.dropout == 0.3);
    const auto names = names_of(family);
    const auto values = [&](const std::string& name) {
      const auto* const p = student.model.parameters().find(name);
      return std::vector<float>(student.weights.data() + p->offset, student.weights.data() + p->offset + p->count());
    };
    const limbeck::index source[] = {1, 0, 1};  // layer 2 of the teacher looks at its layer 1
    for (limbeck::index l = 0; l < 3; ++l)
      for (std::size_t i = 0; i < all_names(names.layer(l)).size(); ++i)
        CHECK(values(all_names(names.layer(l))[i]) == teacher.values(all_names(names.layer(source[l]))[i]));
    for (const auto& name : {names.word, names.position, names.embedding_gain, names.pooler_weight, names.pooler_bias,
                             names.classifier_weight, names.classifier_bias})
      CHECK(values(name) == teacher.values(name));
  }
}

TEST_CASE("a student of shared layers has the copied layers where they are used first") {
  auto config = small_config();
  config.sizes.layers = 4;
  config.sizes.layer_sources = {{0}, {1}, {2}, {0, true}};
  const small_model<> teacher(config);
  const auto names = limbeck::bert_names();
  const auto of = [&](const std::string& text) {
    return limbeck::initialise_student(parse_student_spec(text), teacher.config, teacher.table(), teacher.all(), 9);
  };
  const auto plain = of("from-teacher=1:2"), shared = of("from-teacher=1:2,sharing=sps");
  CHECK(shared.config.sizes.layers == 4);
  CHECK(shared.config.sizes.layer_sources == shared_layers(limbeck::shuffled_parameter_sharing, 2));
  CHECK(same_bits(shared.weights, plain.weights));

  const auto other = of("from-teacher=1:3,sharing=sequence");  // the teacher's layer 3 has exchanged weights of layer 0
  CHECK(other.config.sizes.layer_sources == std::vector<limbeck::layer_source>{{0}, {0}, {2}, {2}});
  const auto values = [&](const std::string& name) {
    const auto* const p = other.model.parameters().find(name);
    REQUIRE(p != nullptr);
    return std::vector<float>(other.weights.data() + p->offset, other.weights.data() + p->offset + p->count());
  };
  CHECK(values(names.layer(0).w1) == teacher.values(names.layer(1).w1));
  CHECK(values(names.layer(2).w1) == teacher.values(names.layer(0).w1));
  CHECK(values(names.layer(2).qkv_weight[0]) == teacher.values(names.layer(0).qkv_weight[1]));
  CHECK(values(names.layer(2).qkv_weight[1]) == teacher.values(names.layer(0).qkv_weight[0]));
  CHECK(values(names.layer(2).qkv_bias[2]) == teacher.values(names.layer(0).qkv_bias[2]));

  const auto few = of("layers=2,width=4,heads=2"), deep = of("layers=2,width=4,heads=2,sharing=sps");
  CHECK(deep.config.sizes.layers == 4);
  CHECK(same_bits(deep.weights, few.weights));
}

TEST_CASE("a fresh student has its own sizes and the teacher's vocabulary and labels") {
  const small_model<> teacher;
  const auto spec = parse_student_spec("layers=2,width=4,heads=2,inner=6");
  const auto student = limbeck::initialise_student(spec, teacher.config, teacher.table(), teacher.all(), 9);
  const auto &a = student.config.sizes, &b = teacher.config.sizes;
  CHECK(a.layers == 2);
  CHECK(a.width == 4);
  CHECK(a.heads == 2);
  CHECK(a.inner == 6);
  CHECK(a.vocabulary == b.vocabulary);
  CHECK(a.positions == b.positions);
  CHECK(a.types == b.types);
  CHECK(student.config.labels == teacher.config.labels);
  limbeck::buffer<float> expected(student.model.parameters().size());
  initialise(student.model.parameters(), 9, expected.all());
  CHECK(same_bits(student.weights, expected));
}

TEST_CASE("a layer that the teacher does not have cannot be copied") {
  const small_model<> teacher;
  CHECK_THROWS_WITH(limbeck::student_config(parse_student_spec("from-teacher=0:3"), teacher.config),
                    "student: from-teacher names layer 3, the teacher has 3 (they count from 0)");
  auto deeper = teacher.config;
  deeper.sizes.layers = 4;
  const auto last = parse_student_spec("from-teacher=3");
  CHECK_THROWS_WITH(
      limbeck::initialise_student(last, deeper, teacher.table(), teacher.all(), 1),
      "initialise_student: the teacher's table has no bert.encoder.layer.3.attention.self.query.weight of "
      "its config's shape");
}
