// Masked-language-model pretraining, alone or with a teacher that may be weaker than its student.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/data/documents.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/mappings/remap.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/student_spec.hpp"
#include "limbeck/models/widening.hpp"
#include "limbeck/recipes/masked_text_model.hpp"
#include "limbeck/recipes/report.hpp"
#include "limbeck/recipes/run_folder.hpp"
#include "limbeck/recipes/run_summary.hpp"
#include "limbeck/training/learned_parameters.hpp"
#include "limbeck/training/masked_documents.hpp"
#include "limbeck/training/masked_evaluation.hpp"
#include "limbeck/training/masked_scores.hpp"
#include "limbeck/training/step_engine.hpp"
#include "limbeck/training/trainer.hpp"
#include "limbeck/training/training_device.hpp"

namespace limbeck {

/// What a student of given sizes holds at first.
enum class first_weights {
  random,     ///< random numbers
  remap,      ///< its teacher's, layer by layer; one width
  pad,        ///< the same with random numbers around them, where the student is wider
  net2wider,  ///< the same with the teacher's units several times over
};

struct pretrain_options {
  std::filesystem::path corpus;      ///< documents, one a line or with blank lines between them
  std::filesystem::path vocabulary;  ///< may be left out with a teacher
  bool cased = false;                ///< the vocabulary tells upper from lower case
  std::string student;               ///< sizes in text, or the folder of a masked language model that is trained on
  std::filesystem::path teacher;     ///< empty: none
  first_weights init = first_weights::random;
  std::string init_layers;  ///< a mapping that names one teacher layer for each of the student's; empty: remap_mapping
  std::vector<std::string> losses;  ///< terms; empty: as the weights below say
  std::string alpha_hard = "1";     ///< weight, or its schedule, of the text's own words
  std::string alpha_soft = "1";     ///< of the teacher's
  masking_options masking;
  double held_out = 0.05;           ///< share of the documents that are looked at only; 0: none
  std::uint64_t held_out_seed = 0;  ///< which ones: the same for all runs that are to be compared, whatever their seed
  index max_length = 128;           ///< tokens of a sample, special ones included
  index limit = no_limit;           ///< documents, from the first
  training_options training{.learning_rate = 5e-4, .warmup = 0.05};
  std::filesystem::path output;
  std::string precision = "float32";  ///< what products are made of; a resumed run must repeat it
  /// Trains and evaluates; null: the executor does, as it does what is told of the run's end in any case. A run may be
  /// resumed elsewhere than it was begun.
  const training_device* device = nullptr;
  bool resume = false;
};

/// How a pretraining ended, for people and programs.
struct pretrain_report {
  run_end end = run_end::complete;
  index updates = 0, best_epoch = 0;
  index parameters = 0;                                         ///< of the student
  index tokens = 0;                                             ///< of an epoch
  double seconds = 0;                                           ///< of the training alone
  std::optional<masked_scores> held_out{}, teacher_held_out{};  ///< of the best state, and of the teacher
};

namespace detail {

/// Every setting that a resumed run must repeat.
[[nodiscard]] inline json settings_of(const pretrain_options& o, const masked_documents& train,
                                      const std::optional<masked_documents>& held_out) {
  const std::uint64_t samples = fingerprint_of(train);
  json all{{"verb", "pretrain"},
           {"student", o.student},
           {"teacher", o.teacher.string()},
           {"init", static_cast<int>(o.init)},
           {"init-layers", o.init_layers},
           {"max-length", o.max_length},
           {"mask-share", o.masking.share},
           {"masked", o.masking.masked},
           {"replaced", o.masking.replaced},
           {"held-out", o.held_out},
           {"held-out-seed", o.held_out_seed},
           {"steps", o.training.steps},
           {"evaluate-every", o.training.evaluate_every},
           {"precision", o.precision},
           {"loss", o.losses},
           {"fingerprint of the samples", held_out ? fingerprint_of(*held_out, samples) : samples}};
  all.update(settings_of(o.training));
  return all;
}

/// The terms where none are named: hard + soft loss of Lee et al. 2023 (arXiv:2305.18239, section 3), without the
/// factor of a squared temperature.
[[nodiscard]] inline std::vector<std::string> pretraining_terms(const pretrain_options& o) {
  std::vector<std::string> terms{"cross_entropy:weight=" + o.alpha_hard};
  if (!o.teacher.empty()) terms.push_back("soft_target_kl:t_squared=false,weight=" + o.alpha_soft);
  return terms;
}

/// For each layer of the student the teacher's that it starts from.
[[nodiscard]] inline std::vector<index> layers_to_start_from(const std::string& mapping, index student, index teacher) {
  std::vector<index> layers(static_cast<std::size_t>(student), -1);
  const auto visit = [&](layer_pair p) {
    expects(layers[p.student] < 0,
            [&] { return message("init-layers: ", mapping, " names several layers for student layer ", p.student); });
    layers[p.student] = static_cast<index>(p.teacher);
  };
  const depths d{static_cast<std::size_t>(student), static_cast<std::size_t>(teacher)};
  if (mapping.empty())
    remap_mapping{}(d, visit);
  else
    parse_mapping(mapping)(d, visit);
  for (std::size_t m = 0; m < layers.size(); ++m)
    expects(layers[m] >= 0, [&] { return message("init-layers: ", mapping, " names no layer for student layer ", m); });
  return layers;
}

/// The student's weights from its teacher's.
inline void start_from_teacher(const pretrain_options& o, const masked_text_model& teacher,
                               masked_text_model& student) {
  const transformer_sizes &mine = student.config.sizes, &theirs = teacher.config.sizes;
  expects(student.config.family == teacher.config.family, "init: student and teacher are not of one family");
  expects(o.init != first_weights::remap || (mine.width == theirs.width && mine.inner == theirs.inner), [&] {
    return message("init: remap needs models of one width, student ", mine.width, " and ", mine.inner, ", teacher ",
                   theirs.width, " and ", theirs.inner, "; take pad or net2wider");
  });
  expects(o.init != first_weights::remap || mine.heads == theirs.heads,
          [&] { return message("init: remap needs as many heads, student ", mine.heads, ", teacher ", theirs.heads); });
  const std::vector<index> layers = layers_to_start_from(o.init_layers, mine.layers, theirs.layers);
  start_from<float>({theirs, teacher.model.parameters(), teacher.parameters()}, names_of(student.config.family), layers,
                    o.init == first_weights::net2wider ? growth::net2wider : growth::pad, o.training.seed, mine,
                    student.model.parameters(), student.weights.all());
}

/// The vocabulary that student and teacher read. Throws contract_error where they would not read the same.
[[nodiscard]] inline vocabulary vocabulary_of(const pretrain_options& o, const masked_text_model* teacher) {
  expects(teacher != nullptr || !o.vocabulary.empty(), "pretrain: needs --vocab, or a teacher that has one");
  expects(teacher == nullptr || !o.cased || !teacher->config.lower_case, [&] {
    return message("cased: the teacher ", teacher->folder.string(), " does not tell upper from lower case");
  });
  if (o.vocabulary.empty()) return teacher->pieces;
  vocabulary pieces = vocabulary::read(o.vocabulary);
  if (teacher != nullptr)
    expects(pieces.content_hash() == teacher->pieces.content_hash(), [&] {
      return message("the vocabulary ", o.vocabulary.string(), " is not that of the teacher ",
                     teacher->folder.string());
    });
  return pieces;
}

/// A student with its first weights.
[[nodiscard]] inline masked_text_model make_masked_student(const pretrain_options& o,
                                                           const masked_text_model* teacher) {
  vocabulary pieces = vocabulary_of(o, teacher);
  expects(o.init == first_weights::random || teacher != nullptr, "init: there is no teacher to start from");
  expects(o.init != first_weights::random || o.init_layers.empty(), "init-layers: a random start has none");
  if (std::filesystem::is_directory(o.student)) {
    expects(o.init == first_weights::random, "init: a student that is a folder has its weights");
    masked_text_model student = load_masked_text_model(o.student);
    const bool lower_case = teacher != nullptr ? teacher->config.lower_case : !o.cased;
    expects(student.pieces.content_hash() == pieces.content_hash() && student.config.lower_case == lower_case,
            [&] { return message("the student ", o.student, " does not read the vocabulary of the corpus"); });
    return student;
  }
  const student_spec spec = parse_student_spec(o.student);
  expects(spec.from_teacher.empty(), [&] {
    return message("student: ", o.student, ": name all sizes; --init remap --init-layers copies layers");
  });
  model_config base;
  base.lower_case = !o.cased;
  base.sizes.vocabulary = pieces.size();
  base.sizes.pad_id = pieces.pad();
  if (teacher != nullptr) base = teacher->config;
  base.family = model_family::bert;
  if (base.sizes.types == 0) base.sizes.types = transformer_sizes{}.types;  // a DistilBERT has none
  model_config config = student_config(spec, base);
  config.dropout = config.attention_dropout = o.training.dropout;
  bert_masked_language_model model = make_masked_language_model(config);
  buffer<float> weights(model.parameters().size());
  initialise(model.parameters(), o.training.seed, weights.all());
  masked_text_model student{o.student, std::move(config), std::move(model), std::move(weights), std::move(pieces)};
  if (o.init != first_weights::random) start_from_teacher(o, *teacher, student);
  return student;
}

/// What a run learns from, and what it is judged by.
struct pretraining_texts {
  masked_documents train;
  std::optional<masked_documents> held_out;
  index documents = 0;
};

[[nodiscard]] inline pretraining_texts read_corpus(const pretrain_options& o, const masked_text_model& student,
                                                   const masked_text_model* teacher) {
  const auto expects_positions = [&](const char* whose, const masked_text_model& model) {
    expects(o.max_length <= model.config.sizes.positions, [&] {
      return message("max-length: ", o.max_length, ", the ", whose, " has ", model.config.sizes.positions,
                     " positions");
    });
  };
  expects_positions("student", student);
  if (teacher != nullptr) expects_positions("teacher", *teacher);
  const masker how(student.pieces, o.masking);
  const word_piece reader(student.pieces, {.lower_case = student.config.lower_case,
                                           .strip_accents = student.config.strip_accents,
                                           .isolate_ideographs = student.config.isolate_ideographs,
                                           .parse_specials = false});
  const token_rows documents = read_documents(o.corpus, reader, o.limit);
  const document_split split = split_documents(documents.size(), o.held_out, o.held_out_seed);
  const frame_pieces with{student.pieces.classify(), student.pieces.separator()};
  pretraining_texts texts{
      {cut_documents(documents, split.train, with, o.max_length), how, o.training.seed, masks::dynamic},
      {},
      documents.size()};
  if (!split.held_out.empty())
    texts.held_out.emplace(cut_documents(documents, split.held_out, with, o.max_length), how, o.held_out_seed,
                           masks::fixed);
  return texts;
}

/// What the terms are told of both models.
[[nodiscard]] inline term_context context_of(const masked_text_model& student, const masked_text_model* teacher) {
  term_context context{
      .student = student.config.sizes, .classes = student.config.sizes.vocabulary, .of_logits = divisor::rows};
  if (teacher != nullptr) context.teacher = teacher->config.sizes;
  return context;
}

/// Trains, and writes best and last state; where it was interrupted, the checkpoint alone. score(set): of the student
/// as `engine` has it by then.
template <launchable E, class Score>
void run_pretraining(const E& on, const pretrain_options& options, const masked_text_model& student,
                     const masked_text_model* teacher, const learned_parameters& learner,
                     const pretraining_texts& texts, training_engine<masked_documents>& engine, const Score& score,
                     console& out, pretrain_report& report) {
  const std::string vocabulary = student.vocabulary_text();
  const auto save_to = [&](const std::filesystem::path& folder, view<const float, 1> weights) {
    save_masked_model(folder, student.config, learner.table(), weights, vocabulary);
  };
  trainer<masked_documents> loop(
      engine, options.training, options.output, settings_of(options, texts.train, texts.held_out),
      [&](view<const float, 1> best) { save_to(options.output, best); }, out);
  evaluator scores;
  if (texts.held_out) scores = [&] { return evaluation_of(score(*texts.held_out)); };
  const run_result result = loop.run(texts.train, scores, options.resume);
  report.end = result.end;
  report.updates = result.at.updates;
  report.best_epoch = result.at.best_epoch;
  report.seconds = result.seconds;
  if (result.end == run_end::interrupted)
    return out.say("stopped at update " + std::to_string(result.at.updates) + "; go on with --resume");
  save_to(options.output / "last", engine.weights());
  loop.note_at_end(final_line(load_masked_text_model(options.output), teacher, texts.held_out.has_value()));
  write_speed(options.output, json::object(), result.seconds, on.threads);
  loop.finish();
}

/// The same by the executor, or by the device that is asked to.
template <launchable E>
void run_pretraining(const E& on, const pretrain_options& options, const masked_text_model& student,
                     const masked_text_model* teacher, learned_parameters& learner, const pretraining_texts& texts,
                     console& out, pretrain_report& report) {
  const adamw_options optimiser{.weight_decay = options.training.weight_decay};
  const auto run = [&](training_engine<masked_documents>& engine, const auto& score) {
    run_pretraining(on, options, student, teacher, learner, texts, engine, score, out, report);
  };
  if (options.device != nullptr) {
    out.say("trains on " + options.device->name());
    device_pretraining_plan plan{.student = student.model,
                                 .table = learner.table(),
                                 .terms = learner.builder(),
                                 .weights = read_only(learner.weights()),
                                 .optimiser = optimiser};
    if (teacher != nullptr) {
      plan.teacher = &teacher->model;
      plan.teacher_weights = teacher->parameters();
    }
    const std::unique_ptr<device_pretraining> there = options.device->begin(plan);
    return run(*there, [&](const masked_documents& set) { return there->scores(set); });
  }
  taught_by<bert_masked_language_model, float> from;
  if (teacher != nullptr) from = {&teacher->model, teacher->parameters(), {}};
  distiller<bert_masked_language_model, E, float, masked_documents> step(student.model, from,
                                                                         learner.template terms<E>());
  step_engine<bert_masked_language_model, E, masked_documents> engine(
      on, student.model, learner.table(), learner.weights(), learner.gradients(), step, optimiser);
  run(engine,
      [&](const masked_documents& set) { return scores_of(on, student.model, read_only(learner.weights()), set); });
}

}  // namespace detail

/// Trains a masked language model (Devlin et al. 2019, arXiv:1810.04805, without next sentences). With a teacher, of
/// the same vocabulary, its distribution over words at every guessed token is imitated too (Lee et al. 2023,
/// arXiv:2305.18239). The best state on held-out text, or the last where none is held out, is written to the output
/// folder, the last one to its folder `last`; stopped runs go on as those of train_on_task(). Nothing is written before
/// all that was asked for is known to make sense.
template <launchable E>
pretrain_report pretrain(const E& on, pretrain_options options, console& out) {
  options.training.check();
  expects(options.training.early_stop == 0 || options.held_out > 0, "early-stop: no text is held out to judge by");
  std::optional<masked_text_model> loaded;
  if (!options.teacher.empty()) loaded.emplace(load_masked_text_model(options.teacher));
  const masked_text_model* const teacher = loaded ? &*loaded : nullptr;
  const masked_text_model student = detail::make_masked_student(options, teacher);
  if (options.losses.empty()) options.losses = detail::pretraining_terms(options);
  learned_parameters learner(student.model.parameters(), student.parameters(), options.losses,
                             detail::context_of(student, teacher), options.training.seed);
  const detail::pretraining_texts texts = detail::read_corpus(options, student, teacher);
  pretrain_report report{.parameters = student.model.parameters().size(),
                         .tokens = static_cast<index>(texts.train.tokens().ids.size())};
  out.say(std::to_string(texts.documents) + " documents; " + std::to_string(report.tokens) + " tokens in " +
          std::to_string(texts.train.size()) + " samples to learn from");
  const run_lock lock = detail::claim_folder(options.output, options.resume);
  if (const auto end = options.resume ? detail::end_of_run(options.output) : std::nullopt) {
    detail::expects_settings_of_run(options.output, detail::settings_of(options, texts.train, texts.held_out));
    out.say("the run in " + options.output.string() + " is complete");
    report.updates = end->required<std::int64_t>("step");
    report.best_epoch = end->required<std::int64_t>("best_epoch");
  } else {
    detail::run_pretraining(on, options, student, teacher, learner, texts, out, report);
  }
  if (report.end == run_end::interrupted) return report;
  report_run(options.output);
  if (!texts.held_out) return report;
  const auto best = load_masked_model<float>(options.output);
  report.held_out = scores_of(on, best.model, read_only(best.weights.all()), *texts.held_out);
  if (teacher != nullptr)
    report.teacher_held_out = scores_of(on, teacher->model, teacher->parameters(), *texts.held_out);
  return report;
}

}  // namespace limbeck
