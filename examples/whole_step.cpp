// A whole distillation step on models, losses and an optimiser of limbeck: what a training loop of one's own calls.
#include <limbeck/limbeck.hpp>
#include <limbeck/training/adamw.hpp>
#include <limbeck/training/gradient_norm.hpp>

#include <cstdint>
#include <cstdio>

int main() {
  const limbeck::cpu_executor<> on{.threads = 2};
  const auto teacher =
      limbeck::make_bert_classifier({.vocabulary = 100, .layers = 4, .width = 64, .heads = 2, .inner = 128}, 3);
  const auto student =
      limbeck::make_bert_classifier({.vocabulary = 100, .layers = 2, .width = 32, .heads = 2, .inner = 64}, 3);

  // What is learned: the student, and behind it a projection of its hidden states.
  limbeck::parameter_table table = student.parameters();
  const limbeck::slot wide = table.declare("projection.weight", 64, 32);
  limbeck::buffer<float> weights(table.size()), gradient(table.size()), theirs(teacher.parameters().size());
  limbeck::initialise(table, 1, weights.all());
  limbeck::initialise(teacher.parameters(), 2, theirs.all());  // a real one comes from a file
  limbeck::adamw<float> optimiser(table, {.weight_decay = 0.01});
  limbeck::touched_rows touched = limbeck::touched_rows_of(student);  // of its words: those that have a gradient

  // Two samples, of three and of two tokens, one behind the other.
  const std::int32_t ids[] = {2, 17, 3, 2, 3}, labels[] = {0, 2};
  const limbeck::sample_rows rows[] = {{0, 3, 3}, {3, 2, 2}};  // begin, length, keys
  const limbeck::token_batch<> batch{.ids = limbeck::view<const std::int32_t, 1>(ids, 5),
                                     .rows = limbeck::view<const limbeck::sample_rows, 1>(rows, 2)};
  const limbeck::targets<float> given{.labels = limbeck::view<const std::int32_t, 1>(labels, 2)};

  const limbeck::linear_projection<float> to_teacher{.weight = wide.matrix(limbeck::read_only(weights.all())),
                                                     .weight_gradient = wide.matrix(gradient.all())};
  const auto goal = 0.9 * limbeck::soft_target_kl{.temperature = 2} + 0.1 * limbeck::cross_entropy{} +
                    limbeck::hidden_mse{limbeck::uniform_mapping{}, to_teacher};

  limbeck::bert_classifier::pass<float> student_pass, teacher_pass;  // their memory is used again from step to step
  limbeck::buffer<float> value(2);
  limbeck::normaliser per = limbeck::counts_of(batch.rows);
  per.rows = 2;  // every sample has one row of logits

  for (std::uint64_t step = 0; step < 3; ++step) {
    touched.clear(on, gradient.all());
    value.fill(0);
    const limbeck::pass_mode training{.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 7, .step = step};
    const auto seen = student.forward(on, limbeck::read_only(weights.all()), batch, goal.reads, training, student_pass);
    const auto shown =
        teacher.forward(on, limbeck::read_only(theirs.all()), batch, goal.reads, limbeck::inference, teacher_pass);
    goal(on, seen, shown, given, per,
         limbeck::sink<float, limbeck::cpu>{.value = value.all(), .gradient = student_pass.gradient});
    touched.mark(batch.ids);
    student.backward(on, limbeck::read_only(weights.all()), student_pass, gradient.all());
    const double norm = limbeck::norm_of(on, limbeck::read_only(gradient.all()), touched);
    optimiser.update(on, 1e-3, limbeck::clip_scale(norm, 1), limbeck::read_only(gradient.all()), weights.all(),
                     touched);
    std::printf("loss %.5f\n", static_cast<double>(value.data()[0] + value.data()[1]));
  }
}
