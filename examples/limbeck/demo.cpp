// The main job from end to end: a vocabulary and a teacher made from real text, then a student trained twice, with
// labels alone and distilled from the teacher with unlabelled text beside them.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <limbeck/data/vocabulary_trainer.hpp>
#include <limbeck/recipes/distill.hpp>
#include <limbeck/recipes/evaluate.hpp>
#include <limbeck/recipes/fine_tune.hpp>

#include "package_texts.hpp"
#include "verbs.hpp"

namespace demo {
namespace {

namespace fs = std::filesystem;

struct options {
  std::string packages, encoder, folder = "build/demo-run";
  int threads = 2;
  limbeck::index labelled = 1500, unlabelled = 12000, dev = 1500, vocabulary = 6000, sections = 8;
};

/// One line of the table.
struct outcome {
  std::string name;
  limbeck::evaluation_report report;
  double megabytes = 0, seconds = 0;
};

/// Writes the texts as a task of limbeck: teacher/ has labels on everything, student/ on a few, and transfer.txt has
/// the rest of the texts without.
void write_task(const options& o, const std::vector<package>& packages) {
  const auto row = [](const package& p) { return p.text + "\t" + p.section + "\n"; };
  std::string dev, few, all, transfer, corpus;
  limbeck::index i = 0;
  for (const package& p : packages) {
    if (i < o.dev) {
      dev += row(p);
    } else if (i < o.dev + o.labelled + o.unlabelled) {
      all += row(p);
      corpus += p.text + "\n";
      if (i < o.dev + o.labelled)
        few += row(p);
      else
        transfer += p.text + "\n";
    }
    ++i;
  }
  const fs::path folder(o.folder);
  for (const char* part : {"teacher-data", "student-data"}) {
    fs::create_directories(folder / part);
    limbeck::write_file(folder / part / "dev.tsv", dev);
  }
  limbeck::write_file(folder / "teacher-data/train.tsv", all);
  limbeck::write_file(folder / "student-data/train.tsv", few);
  limbeck::write_file(folder / "transfer.txt", transfer);
  limbeck::write_file(folder / "corpus.txt", corpus);
}

void train_vocabulary(const options& o) {
  limbeck::vocabulary_trainer trainer({.size = o.vocabulary});
  const std::string text = limbeck::read_text_file(fs::path(o.folder) / "corpus.txt");
  limbeck::text_lines lines(text);
  for (std::string_view line; lines.next(line);) trainer.add(line);
  std::ostringstream out;
  trainer.train().write(out);
  limbeck::write_file(fs::path(o.folder) / "vocab.txt", out.str());
}

void shared_settings(limbeck::task_training_options& t, const options& o, const char* data, const char* output) {
  t.task.data = fs::path(o.folder) / data;
  t.task.task = "tsv";
  t.task.columns = {.text_column = 0, .label_column = 1, .metric = "accuracy"};
  t.task.max_length = 32;
  t.output = fs::path(o.folder) / output;
  fs::remove_all(t.output);
}

outcome score(const program::executor& on, const options& o, const char* name, const char* folder, double seconds,
              limbeck::console& out) {
  limbeck::evaluate_options e;
  e.model = fs::path(o.folder) / folder;
  e.teacher = fs::path(o.folder) / "teacher";
  e.task.data = fs::path(o.folder) / "student-data";
  e.task.task = "tsv";
  e.task.columns = {.text_column = 0, .label_column = 1, .metric = "accuracy"};
  e.task.max_length = 32;
  const auto bytes = fs::file_size(e.model / "model.safetensors");
  return {name, limbeck::evaluate(on, e, out).front(), static_cast<double>(bytes) / 1e6, seconds};
}

double make_teacher(const program::executor& on, const options& o, limbeck::console& out) {
  limbeck::fine_tune_options t;
  shared_settings(t, o, "teacher-data", "teacher");
  if (o.encoder.empty()) {
    t.from_scratch = "layers=3,width=192,heads=4,inner=768";
    t.vocabulary = fs::path(o.folder) / "vocab.txt";
    t.training.epochs = 4;
    t.training.learning_rate = 7e-4;
  } else {
    t.model = o.encoder;
    t.training.epochs = 1;
    t.training.learning_rate = 1e-4;
  }
  return limbeck::fine_tune(on, t, out).seconds;
}

constexpr const char* student_sizes = "layers=1,width=96,heads=2,inner=384";

double make_student(const program::executor& on, const options& o, bool distilled, limbeck::console& out) {
  limbeck::distill_options t;
  shared_settings(t, o, "student-data", distilled ? "student-distilled" : "student-labels");
  t.teacher = fs::path(o.folder) / "teacher";
  t.student = student_sizes;
  t.training.learning_rate = 2e-3;
  if (distilled) {
    t.transfer = fs::path(o.folder) / "transfer.txt";
    t.training.epochs = 6;
  } else {
    t.losses = {"cross_entropy"};
    t.training.epochs = 12;
  }
  return limbeck::distill(on, t, out).seconds;
}

void print_table(const std::vector<outcome>& rows) {
  std::printf("\n%-34s %9s %10s %11s %6s %10s %8s\n", "", "accuracy", "agreement", "parameters", "MB", "samples/s",
              "seconds");
  for (const outcome& r : rows)
    std::printf("%-34s %9.4f %10.4f %11td %6.1f %10.0f %8.1f\n", r.name.c_str(),
                r.report.metrics.front().second.value_or(0), r.report.teacher_agreement.value_or(1),
                r.report.parameters, r.megabytes, r.report.samples_per_second, r.seconds);
}

int run(const options& o) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // in step with the progress on stderr
  const program::executor on{.threads = o.threads};
  limbeck::console out;
  fs::create_directories(o.folder);
  std::vector<package> packages = o.packages.empty() ? std::vector<package>{} : read_packages(o.packages);
  const bool real = packages.size() >= 4000;
  if (!real) packages = make_packages(static_cast<std::size_t>(o.dev + o.labelled + o.unlabelled));
  std::printf(
      real ? "Text: %zu descriptions of Debian packages; the task is to tell the section.\n"
           : "Text: no package lists were found here, so %zu made-up descriptions stand in; the task is to tell the "
             "section.\n",
      packages.size());
  packages = largest_sections(packages, static_cast<std::size_t>(o.sections));
  write_task(o, packages);
  if (o.encoder.empty()) {
    train_vocabulary(o);
    out.say("vocabulary of " + std::to_string(o.vocabulary) + " pieces trained");
  }
  out.say("-- the teacher, labels on all texts");
  const double teacher = make_teacher(on, o, out);
  out.say("-- the student, labels on " + std::to_string(o.labelled) + " texts alone");
  const double labels = make_student(on, o, false, out);
  out.say("-- the student, distilled: the same labels, and the teacher's opinion of all texts");
  const double distilled = make_student(on, o, true, out);
  print_table({score(on, o, "teacher", "teacher", teacher, out),
               score(on, o, "student, labels alone", "student-labels", labels, out),
               score(on, o, "student, distilled", "student-distilled", distilled, out)});
  std::printf(
      "\nThe models are in %s, readable by limbeck and by transformers. With a model and data of your own:\n"
      "  limbeck distill --teacher TEACHER --student %s \\\n"
      "    --data FOLDER --task tsv --text-column 0 --label-column 1 --transfer TEXTS --output STUDENT\n"
      "`limbeck distill --help` tells the rest.\n",
      o.folder.c_str(), student_sizes);
  return program::success;
}

}  // namespace
}  // namespace demo

namespace program {

work add_demo(CLI::App& app) {
  const auto o = std::make_shared<demo::options>();
  CLI::App* verb = app.add_subcommand("demo", "Make a teacher from real text and distil a small model from it");
  verb->add_option("--packages", o->packages, "What `apt-cache dumpavail` printed; none: made-up text");
  verb->add_option("--encoder", o->encoder, "Folder of a pretrained encoder for the teacher; none: from scratch");
  verb->add_option("--folder", o->folder, "Where everything is written")->capture_default_str();
  verb->add_option("--threads", o->threads, "Threads")->check(CLI::PositiveNumber)->capture_default_str();
  return [o] { return demo::run(*o); };
}

}  // namespace program
