// fine-tune and distill.
#include <memory>

#include <limbeck/recipes/distill.hpp>
#include <limbeck/recipes/fine_tune.hpp>

#include "task_arguments.hpp"

namespace program {

work add_fine_tune(CLI::App& app) {
  struct options : common_options, limbeck::fine_tune_options {};
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("fine-tune", "Train a classifier or regressor from an encoder, or from scratch");
  auto* model = verb.add_option("--model", o->model, "Folder with an encoder");
  auto* scratch =
      verb.add_option("--from-scratch", o->from_scratch, "Sizes, such as layers=2,width=128,heads=2,inner=512");
  auto* words = verb.add_option("--vocab", o->vocabulary, "Vocabulary of a model from scratch");
  model->excludes(scratch);
  scratch->needs(words);
  words->needs(scratch);
  verb.add_flag("--cased", o->cased, "The vocabulary tells upper from lower case")->needs(scratch);
  add_task(verb, o->task);
  add_training(verb, *o);
  add_common(verb, *o);
  verb.final_callback([o] {
    if (o->model.empty() && o->from_scratch.empty()) throw CLI::RequiredError("--model or --from-scratch");
  });
  return [o] {
    o->training.seed = o->seed;
    use_precision(o->precision);
    limbeck::console out = o->out();
    return report(limbeck::fine_tune(o->on(), *o, out), o->output.string(), o->json);
  };
}

work add_distill(CLI::App& app) {
  struct options : common_options, limbeck::distill_options {};
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("distill", "Train a small student to imitate a teacher");
  verb.add_option("--teacher", o->teacher, "Folder with a fine-tuned model")->required();
  verb.add_option("--student", o->student,
                  "Folder, or layers=3,from-teacher=0:2:4, or layers=2,width=128,heads=2,inner=512")
      ->required();
  verb.add_option("--transfer", o->transfer, "Texts, one a line, that the teacher labels");
  add_task(verb, o->task);
  add_training(verb, *o);
  add_common(verb, *o);
  return [o] {
    o->training.seed = o->seed;
    use_precision(o->precision);
    limbeck::console out = o->out();
    return report(limbeck::distill(o->on(), *o, out), o->output.string(), o->json);
  };
}

}  // namespace program
