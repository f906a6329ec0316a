// fine-tune and distill, and what a teacher keeps for the latter.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <limbeck/recipes/distill.hpp>
#include <limbeck/recipes/fine_tune.hpp>
#include <limbeck/recipes/pea_kd.hpp>
#include <limbeck/recipes/rw_kd.hpp>
#include <limbeck/recipes/store.hpp>
#include <limbeck/recipes/tinybert.hpp>

#include "device.hpp"
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
  add_training(verb, *o, o->backend);
  add_common(verb, *o);
  add_seed(verb, *o);
  verb.final_callback([o] {
    if (o->model.empty() && o->from_scratch.empty()) throw CLI::RequiredError("--model or --from-scratch");
  });
  return [o] {
    o->training.seed = o->task.noise.seed = o->seed;
    o->device = device_of(o->backend, o->precision);
    limbeck::console out = o->out();
    return report(limbeck::fine_tune(o->on(), *o, out), o->output.string(), o->json);
  };
}

namespace {

/// What `--recipe rw-kd` is told beside the terms.
struct rw_kd_arguments {
  std::string variant = "look-ahead", goal = "label-and-teacher";
  double share = 0.1;
  std::optional<double> rate;
  limbeck::index batch = 0;

  [[nodiscard]] limbeck::sharing_options options() const {
    limbeck::sharing_options o{
        .rule = variant == "look-ahead"     ? limbeck::sharing_rule::look_ahead
                : variant == "meta-network" ? limbeck::sharing_rule::meta_network
                                            : limbeck::sharing_rule::naive,
        .meta_share = share,
        .meta_batch = batch,
        .goal = goal == "label" ? limbeck::meta_goal::label : limbeck::meta_goal::label_and_teacher};
    if (rate) o.network.learning_rate = o.naive_rate = *rate;
    return o;
  }
};

/// What `--recipe` chooses among, and what the recipes have for themselves.
struct distill_arguments : common_options, limbeck::distill_options {
  std::string recipe = "none";
  limbeck::pea_kd_options pea_kd;
  rw_kd_arguments rw_kd;
  limbeck::tinybert_options tinybert;
};
using recipe = limbeck::task_training_report (*)(const distill_arguments&, limbeck::console&);

const std::map<std::string, recipe>& recipes() {
  static const std::map<std::string, recipe> all{
      {"none", [](const distill_arguments& o, limbeck::console& out) { return limbeck::distill(o.on(), o, out); }},
      {"pea-kd",
       [](const distill_arguments& o, limbeck::console& out) { return limbeck::pea_kd(o.on(), o, o.pea_kd, out); }},
      {"rw-kd", [](const distill_arguments& o,
                   limbeck::console& out) { return limbeck::rw_kd(o.on(), o, o.rw_kd.options(), out); }},
      {"tinybert", [](const distill_arguments& o, limbeck::console& out) {
         return limbeck::tinybert(o.on(), o, o.tinybert, out);
       }}};
  return all;
}

/// The options of one recipe, which are refused beside another.
struct recipe_options {
  CLI::App& verb;
  std::string recipe;
  std::vector<CLI::Option*> mine{};

  template <class T>
  CLI::Option* add(const char* name, T& value, const char* text) {
    return mine.emplace_back(verb.add_option(name, value, recipe + ": " + text));
  }
  /// An option that also needs another one to be `wanted`.
  void also(const CLI::Option* option, const char* wanted, std::function<bool()> holds) {
    needs.push_back({option, wanted, std::move(holds)});
  }
  void expects(const std::string& chosen) const {
    for (const CLI::Option* option : mine)
      if (option->count() > 0 && chosen != recipe) throw CLI::RequiresError(option->get_name(), "--recipe " + recipe);
    for (const auto& [option, wanted, holds] : needs)
      if (option->count() > 0 && !holds()) throw CLI::RequiresError(option->get_name(), wanted);
  }

  struct need {
    const CLI::Option* option;
    const char* wanted;
    std::function<bool()> holds;
  };
  std::vector<need> needs{};
};

recipe_options add_pea_kd(CLI::App& verb, limbeck::pea_kd_options& o) {
  recipe_options all{verb, "pea-kd"};
  all.add("--ptp-epochs", o.ptp_epochs, "of the pretraining with the teacher's predictions")->capture_default_str();
  all.add("--ptp-learning-rate", o.ptp_learning_rate, "in that stage")->capture_default_str();
  all.add("--ptp-thresholds", o.ptp_thresholds,
          "confidence where the teacher is right and where it is wrong, as in 0.95:0.7, or paper, or auto")
      ->capture_default_str();
  return all;
}

recipe_options add_rw_kd(CLI::App& verb, rw_kd_arguments& o) {
  recipe_options all{verb, "rw-kd"};
  all.add("--variant", o.variant, "how shares are found: look-ahead, meta-network or naive")
      ->check(CLI::IsMember({"look-ahead", "meta-network", "naive"}))
      ->capture_default_str();
  const char* const naive_has_none = "--variant look-ahead or meta-network";
  for (CLI::Option* option :
       {all.add("--meta-share", o.share, "share of the labelled training samples that is held out")
            ->capture_default_str(),
        all.add("--meta-batch", o.batch, "samples of a held-out batch; 0: as many as --batch-size")
            ->capture_default_str(),
        all.add("--meta-goal", o.goal, "held-out loss that counts: label-and-teacher or label")
            ->check(CLI::IsMember({"label-and-teacher", "label"}))
            ->capture_default_str()})
    all.also(option, naive_has_none, [&o] { return o.variant != "naive"; });
  all.also(all.add("--meta-rate", o.rate, "learning rate of the network (0.001) or of the naive shares (0.01)"),
           "--variant meta-network or naive", [&o] { return o.variant != "look-ahead"; });
  return all;
}

recipe_options add_tinybert(CLI::App& verb, limbeck::tinybert_options& o) {
  recipe_options all{verb, "tinybert"};
  all.add("--general-teacher", o.general_teacher, "folder with an encoder that no task has changed");
  all.add("--corpus", o.corpus, "texts of the general stage, one a line");
  all.add("--general-epochs", o.general_epochs, "times that each of them is seen")->capture_default_str();
  all.add("--general-learning-rate", o.general_learning_rate, "in that stage")->capture_default_str();
  all.add("--intermediate-epochs", o.intermediate_epochs, "of the stage on layers")->capture_default_str();
  all.add("--intermediate-learning-rate", o.intermediate_learning_rate, "in that stage")->capture_default_str();
  all.add("--augment", o.augmentation.copies, "copies of each text in which words give way to like ones")
      ->capture_default_str();
  all.add("--intermediate-loss", o.intermediate_losses,
          "term of the stages general and intermediate; --loss is of the last");
  return all;
}

/// What `limbeck store --what` and --states call so.
const std::map<std::string, limbeck::kept_outputs>& kept_outputs_by_name() {
  using enum limbeck::kept_outputs;
  static const std::map<std::string, limbeck::kept_outputs> all{
      {"logits", logits}, {"top-k", top_k}, {"last-hidden", last_hidden}, {"layers", layers}};
  return all;
}
limbeck::signal_set states_called(const std::string& name) {
  using namespace limbeck::signal;
  return name == "hidden" ? embeddings | hidden : name == "attention" ? queries | keys : values;
}

}  // namespace

work add_distill(CLI::App& app) {
  const auto o = std::make_shared<distill_arguments>();
  CLI::App& verb = *app.add_subcommand("distill", "Train a small student to imitate a teacher");
  verb.add_option("--teacher", o->teacher, "Folder with a fine-tuned model")->required();
  verb.add_option("--student", o->student,
                  "Folder, or layers=3,from-teacher=0:2:4, or layers=2,width=128,heads=2,inner=512")
      ->required();
  verb.add_option("--transfer", o->transfer, "Texts, one a line, that the teacher labels");
  CLI::Option* const store =
      verb.add_option("--store", o->store, "File in which limbeck store kept the teacher's outputs");
  verb.add_option("--keep-logits", o->keep_logits,
                  "Such a file to write, of the teacher's logits of all training samples")
      ->excludes(store);
  std::vector<std::string> names;
  for (const auto& known : recipes()) names.push_back(known.first);
  verb.add_option("--recipe", o->recipe, "The paper to follow")->check(CLI::IsMember(names))->capture_default_str();
  const std::vector<recipe_options> of_recipes{add_pea_kd(verb, o->pea_kd), add_rw_kd(verb, o->rw_kd),
                                               add_tinybert(verb, o->tinybert)};
  add_task(verb, o->task);
  add_training(verb, *o, o->backend);
  add_common(verb, *o);
  add_seed(verb, *o);
  verb.final_callback([o, of_recipes] {
    for (const recipe_options& of : of_recipes) of.expects(o->recipe);
  });
  return [o] {
    o->training.seed = o->task.noise.seed = o->seed;
    o->device = device_of(o->backend, o->precision);
    limbeck::console out = o->out();
    return report(recipes().at(o->recipe)(*o, out), o->output.string(), o->json);
  };
}

work add_store(CLI::App& app) {
  struct options : common_options, limbeck::store_options {
    std::string what_to_keep = "logits", storage = "f32", precision = "float32";
    std::vector<std::string> of_layers;
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("store", "Keep what a teacher says of a task's training samples");
  verb.add_option("--teacher", o->teacher, "Folder with a fine-tuned model")->required();
  verb.add_option("--transfer", o->transfer, "Texts, one a line, behind the training samples");
  verb.add_option("--output", o->output, "File to write; in a folder that is there, teacher.safetensors")->required();
  verb.add_option("--what", o->what_to_keep, "Kept of a sample: logits, top-k, last-hidden or layers")
      ->check(CLI::IsMember(kept_outputs_by_name()))
      ->capture_default_str();
  const auto* states = verb.add_option("--states", o->of_layers, "Kept of layers: hidden, attention or values")
                           ->check(CLI::IsMember({"hidden", "attention", "values"}))
                           ->delimiter(',')
                           ->default_str("hidden,attention");
  const auto* k = verb.add_option("--k", o->k, "Classes that top-k keeps, the likeliest");
  const auto* temperature = verb.add_option("--temperature", o->temperature, "Temperature at which students read top-k")
                                ->capture_default_str();
  verb.add_option("--storage", o->storage, "Type of the numbers kept: f32, f16 or bf16")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->capture_default_str();
  verb.add_option("--store-limit", o->how.limit, "Most bytes that the file may take, such as 500MB")
      ->transform(CLI::AsSizeValue(true));
  verb.add_option("--limit", o->task.limit, "Rows of train.tsv, from the first");
  verb.add_option("--precision", o->precision, "Numbers that products are made of: float32 or bf16")
      ->check(CLI::IsMember({"float32", "bf16"}))
      ->capture_default_str();
  add_task(verb, o->task);
  add_common(verb, *o);
  verb.final_callback([o, k, temperature, states] {
    o->what = kept_outputs_by_name().at(o->what_to_keep);
    const bool top_k = o->what == limbeck::kept_outputs::top_k;
    if (states->count() > 0) {
      if (o->what != limbeck::kept_outputs::layers) throw CLI::RequiresError("--states", "--what layers");
      o->states = limbeck::signal::none;
      for (const std::string& which : o->of_layers) o->states = o->states | states_called(which);
    }
    if (top_k && k->count() == 0) throw CLI::RequiredError("--k");
    for (const auto* option : {k, temperature})
      if (!top_k && option->count() > 0) throw CLI::RequiresError(option->get_name(), "--what top-k");
  });
  return [o] {
    use_precision(o->precision);
    o->how.storage = o->storage == "f32"   ? limbeck::dtype::f32
                     : o->storage == "f16" ? limbeck::dtype::f16
                                           : limbeck::dtype::bf16;
    limbeck::console out = o->out();
    const limbeck::store_report kept = limbeck::keep_teacher(o->on(), *o, out);
    if (o->json)
      std::printf("%s\n", limbeck::json{{"output", kept.file.string()},
                                        {"samples", kept.samples},
                                        {"classes", kept.classes},
                                        {"bytes", kept.bytes},
                                        {"seconds", kept.seconds}}
                              .dump()
                              .c_str());
    else
      std::printf("%td samples of %td classes in %.1f s; written to %s\n", kept.samples, kept.classes, kept.seconds,
                  kept.file.string().c_str());
    return success;
  };
}

}  // namespace program
