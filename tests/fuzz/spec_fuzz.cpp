// Fuzzes what a command line says in a line of text: terms with their mappings and schedules, and students.
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "limbeck/io/model_config.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/models/student_spec.hpp"
#include "limbeck/training/term_spec.hpp"
#include "limbeck/training/terms.hpp"

namespace limbeck_test {
namespace {

limbeck::model_config teacher_config() {
  limbeck::model_config config;
  config.sizes = {.vocabulary = 20, .positions = 8, .types = 2, .layers = 4, .width = 8, .heads = 2, .inner = 16};
  return config;
}

void check_term(const limbeck::term_spec& term, std::string_view text) {
  must(term.text() == text && text.starts_with(term.name()) && !term.name().empty(), "a term keeps its text");
  const auto weight = accepted([&] { return term.schedule("weight", 1); });
  if (weight) must(std::isfinite(weight->from) && std::isfinite(weight->to), "a weight is finite at both ends");
  limbeck::term_context context{.student = teacher_config().sizes, .teacher = teacher_config().sizes};
  context.student.layers = 2;
  for (const limbeck::index width : {8, 4}) {
    limbeck::parameter_table table;
    context.student.width = width;
    (void)accepted([&] { return limbeck::term_builder({term, term}, context, table); });
    for (const limbeck::parameter& p : table.entries())
      must(p.name.starts_with("log_variance.")
               ? p.count() == 1
               : p.rows == context.teacher->width && (p.columns == 0 || p.columns == width),
           "a projection has both widths, a learned weight is a number");
  }
}

void check_mapping(const limbeck::any_mapping& mapping) {
  constexpr limbeck::depths models{.student = 2, .teacher = 4};
  (void)accepted([&] {
    mapping(models, [&](limbeck::layer_pair pair) {
      must(pair.student < models.student && pair.teacher < models.teacher, "a mapping names layers that there are");
    });
    return true;
  });
}

void check_student(const limbeck::student_spec& spec) {
  const auto student = accepted([&] { return limbeck::student_config(spec, teacher_config()); });
  if (!student) return;
  must(student->sizes.layers == spec.depth(), "a student has the layers that were asked for");
  limbeck::index own = 0;
  for (limbeck::index layer = 0; layer < student->sizes.layers; ++layer)
    own += weights_of_layer(student->sizes, layer).layer == layer ? 1 : 0;
  must(own == spec.layers, "a student has the weights that were asked for");
  const std::string text = limbeck::config_text(*student);
  const auto again = limbeck::parse_model_config(limbeck::parse_json(text, "again"));
  must(limbeck::config_text(again) == text, "a student that was saved can be loaded");
}

void read_spec(std::string_view text) {
  if (const auto term = accepted([&] { return limbeck::term_spec(text); })) check_term(*term, text);
  if (const auto mapping = accepted([&] { return limbeck::parse_mapping(text); })) check_mapping(*mapping);
  if (const auto student = accepted([&] { return limbeck::parse_student_spec(text); })) check_student(*student);
}

const bool spec_is_known = fuzzes("spec", read_spec);

}  // namespace
}  // namespace limbeck_test
