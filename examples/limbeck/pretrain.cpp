// pretrain: masked language models, alone or with a teacher that may be weak.
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include <limbeck/recipes/pretrain.hpp>

#include "device.hpp"
#include "task_arguments.hpp"

namespace program {
namespace {

int report_pretraining(const limbeck::pretrain_report& r, const std::string& output, bool as_json) {
  if (r.end == limbeck::run_end::interrupted) return interrupted;
  limbeck::json line{{"output", output},           {"updates", r.updates}, {"best_epoch", r.best_epoch},
                     {"parameters", r.parameters}, {"tokens", r.tokens},   {"seconds", r.seconds}};
  const auto put = [&](const std::string& prefix, const std::optional<limbeck::masked_scores>& scores) {
    if (!scores) return;
    line[prefix + "loss"] = scores->loss;
    line[prefix + "log_likelihood"] = -scores->loss;  // for those who take the larger for the better
    line[prefix + "perplexity"] = scores->perplexity();
    line[prefix + "accuracy"] = scores->accuracy;
    if (!as_json)
      std::printf("%sheld-out loss %.4f, perplexity %.1f, accuracy %.4f\n", prefix.empty() ? "" : "teacher's ",
                  scores->loss, scores->perplexity(), scores->accuracy);
  };
  put("", r.held_out);
  put("teacher_", r.teacher_held_out);
  if (as_json)
    std::printf("%s\n", line.dump().c_str());
  else
    std::printf("%td parameters, %td updates in %.1f s; written to %s\n", r.parameters, r.updates, r.seconds,
                output.c_str());
  return success;
}

}  // namespace

work add_pretrain(CLI::App& app) {
  struct options : common_options, limbeck::pretrain_options {};
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("pretrain", "Train a masked language model, alone or with a (weak) teacher");
  verb.add_option("--corpus", o->corpus, "Text: documents, one a line, or with blank lines between them")->required();
  verb.add_option("--vocab", o->vocabulary, "vocab.txt; a teacher's by default");
  verb.add_flag("--cased", o->cased, "The vocabulary tells upper from lower case");
  verb.add_option("--student", o->student, "Sizes, such as layers=6,width=128,heads=2, or a folder to go on with")
      ->required();
  auto* teacher = verb.add_option("--teacher", o->teacher, "Folder with a masked language model");
  using first = limbeck::first_weights;
  static const std::map<std::string, first> starts{
      {"random", first::random}, {"remap", first::remap}, {"pad", first::pad}, {"net2wider", first::net2wider}};
  auto* init = verb.add_option("--init", o->init, "First weights: random, or the teacher's, made to fit")
                   ->transform(CLI::CheckedTransformer(starts).description("{random,remap,pad,net2wider}"))
                   ->default_str("random")
                   ->needs(teacher);
  verb.add_option("--init-layers", o->init_layers, "Mapping that names the teacher's layer for each of the student's")
      ->needs(init);
  auto* losses = add_run(verb, *o, o->backend);
  verb.add_option("--alpha-hard", o->alpha_hard, "Weight of the text's own words, or a schedule such as linear:4:1")
      ->capture_default_str()
      ->excludes(losses);
  verb.add_option("--alpha-soft", o->alpha_soft, "Weight of the teacher's distribution, or a schedule")
      ->capture_default_str()
      ->needs(teacher)
      ->excludes(losses);
  verb.add_option("--limit", o->limit, "Documents, from the first");
  verb.add_option("--max-length", o->max_length, "Tokens of a sample")->capture_default_str();
  verb.add_option("--mask-share", o->masking.share, "Share of the tokens that are guessed")->capture_default_str();
  verb.add_option("--held-out", o->held_out, "Share of the documents that the model is judged by; 0: none")
      ->capture_default_str();
  verb.add_option("--held-out-seed", o->held_out_seed, "Which ones, and how they are masked")->capture_default_str();
  verb.add_option("--steps", o->training.steps, "Updates after which the run ends")
      ->excludes(verb.get_option("--epochs"));
  verb.add_option("--evaluate-every", o->training.evaluate_every, "Updates between evaluations; else one an epoch");
  add_common(verb, *o);
  add_seed(verb, *o);
  return [o] {
    o->training.seed = o->seed;
    o->device = device_of(o->backend, o->precision);
    limbeck::console out = o->out();
    return report_pretraining(limbeck::pretrain(o->on(), *o, out), o->output.string(), o->json);
  };
}

}  // namespace program
