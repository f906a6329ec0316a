// Losses on attention distributions and relations, through whole models: the signals that they read, the gradients that
// they hand back.
#include "limbeck/losses/relations.hpp"

#include "catch.hpp"
#include "limbeck/losses/attention_kl.hpp"
#include "limbeck/losses/objective.hpp"
#include "models/trial.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::owned_batch, limbeck_test::packed, limbeck_test::slope_error,
    limbeck_test::trial;

const transformer_sizes relation_student{
    .vocabulary = 20, .positions = 8, .layers = 2, .width = 6, .heads = 2, .inner = 7, .epsilon = 1e-3};
const transformer_sizes relation_teacher{
    .vocabulary = 20, .positions = 8, .layers = 3, .width = 9, .heads = 3, .inner = 5, .epsilon = 1e-3};

// The largest slope_error() of any of the student's parameters.
template <class Model, class Loss>
double relation_slope_error(Model student_model, Model teacher_model, const owned_batch& batch, const Loss& loss) {
  trial student(std::move(student_model)), teacher(std::move(teacher_model), 0.4);
  const auto shown = teacher.forward(batch, loss.reads, {.keeps = false});
  std::vector<double> value(batch.rows.size());
  sink<double, cpu> out{.value = view<double, 1>(value.data(), value.size())};
  const auto run = [&] {
    std::fill(value.begin(), value.end(), 0);
    loss(student.on, student.forward(batch, loss.reads, {.keeps = true}), shown, targets<double>{}, out);
    double sum = 0;
    for (const double v : value) sum += v;
    return sum;
  };
  const auto seen = student.forward(batch, loss.reads, {.keeps = true});
  out.gradient = student.pass.gradient;
  loss(student.on, seen, shown, targets<double>{}, out);
  student.model.backward(student.on, student.weights.seen_flat(), student.pass, student.gradient.flat());
  out.gradient = {};
  CHECK(run() > 0.01);
  double worst = 0;
  for (const parameter& p : student.model.parameters().entries()) {
    const double e =
        slope_error(view<double, 1>(student.weights.data() + p.offset, p.count()),
                    view<const double, 1>(student.gradient.data() + p.offset, p.count()), run, 1 + p.count() / 9, 1e-4);
    worst = limbeck_test::worse(worst, e);
  }
  return worst;
}

TEST_CASE("relations of a BERT student and a wider teacher move the student along the slope of their value") {
  const auto check = [](const auto& loss) {
    for (const owned_batch& batch : {packed, owned_batch{.ids = {5, 9, 0, 7, 8, 3, 0}, .rows = {{0, 2, 2}, {3, 3, 3}}}})
      CHECK(relation_slope_error(make_bert_classifier(relation_student, 3), make_bert_classifier(relation_teacher, 3),
                                 batch, loss) < 1e-7);
  };
  check(minilm_relations{top_mapping{.teacher = 1}, {.heads = 3, .weights = {1, 0.5, 2}}});
  check(value_relation{top_mapping{}, {.heads = 3}} + attention_kl{uniform_mapping{}, {.heads = head_match::mean}});
}

TEST_CASE("attention_kl and causal relations of a GPT-2 student move it along the slope of their value") {
  owned_batch batch = packed;
  batch.types.clear();
  transformer_sizes teacher = relation_teacher;
  teacher.width = 8;
  teacher.heads = 2;
  CHECK(relation_slope_error(make_gpt2_language_model(relation_student), make_gpt2_language_model(teacher), batch,
                             attention_kl{uniform_mapping{}, {.of = attention_map::probabilities}} + attention_kl{} +
                                 minilm_relations{top_mapping{}, {.heads = 2, .causal = true}}) < 1e-7);
}

}  // namespace
}  // namespace limbeck
