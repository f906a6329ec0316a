// evaluate, predict and trace: what is done with a finished model.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include <limbeck/recipes/evaluate.hpp>
#include <limbeck/recipes/predict.hpp>
#include <limbeck/recipes/trace.hpp>

#include "task_arguments.hpp"

namespace program {
namespace {

void print_report(const limbeck::evaluation_report& r, bool several) {
  if (several) std::printf("%s\n", r.file.c_str());
  for (const auto& [name, value] : r.metrics)
    value ? std::printf("%s %.4f\n", name.c_str(), *value) : std::printf("%s undefined\n", name.c_str());
  if (r.teacher_agreement) std::printf("teacher agreement %.4f\n", *r.teacher_agreement);
  if (r.calibration_error) std::printf("calibration error %.4f\n", *r.calibration_error);
  std::printf("%td samples, %td parameters, %.0f samples a second\n", r.samples, r.parameters, r.samples_per_second);
}

limbeck::json json_of(const limbeck::evaluation_report& r, const std::string& suffix) {
  limbeck::json line;
  const auto put = [&](const std::string& name, const std::optional<double>& value) {
    line[name + suffix] = value ? limbeck::json(*value) : limbeck::json();
  };
  for (const auto& [name, value] : r.metrics) put(name, value);
  if (r.teacher_agreement) put("teacher_agreement", r.teacher_agreement);
  if (r.calibration_error) put("calibration_error", r.calibration_error);
  line["samples" + suffix] = r.samples;
  put("samples_per_second", r.samples_per_second);
  line["parameters"] = r.parameters;
  return line;
}

/// What tells one dev set from the first: `_mismatched` of dev_mismatched.tsv.
std::string suffix_of(const std::string& file, std::size_t number) {
  if (number == 0) return "";
  const std::string stem = std::filesystem::path(file).stem().string();
  return stem.substr(std::min(stem.find('_'), stem.size()));
}

void print_prediction(const limbeck::text_classifier& model, const limbeck::prediction& p, bool as_json) {
  if (as_json) {
    limbeck::json line;
    if (model.config.regression)
      line["score"] = p.score;
    else
      line["label"] = p.label;
    for (std::size_t c = 0; c < p.probabilities.size(); ++c)
      line["probabilities"][limbeck::label_of(model.config, static_cast<limbeck::index>(c))] = p.probabilities[c];
    std::printf("%s\n", line.dump(-1, ' ', false, limbeck::json::error_handler_t::replace).c_str());
    return;
  }
  if (model.config.regression) {
    std::printf("%.6f\n", p.score);
    return;
  }
  std::printf("%s", on_one_line(p.label).c_str());  // a model folder from elsewhere says what labels are
  for (const double probability : p.probabilities) std::printf("\t%.6f", probability);
  std::printf("\n");
}

}  // namespace

work add_evaluate(CLI::App& app) {
  struct options : common_options, limbeck::evaluate_options {};
  const auto o = std::make_shared<options>();
  CLI::App& verb =
      *app.add_subcommand("evaluate", "The task's metrics on dev, agreement with a teacher, calibration, speed");
  verb.add_option("--model", o->model, "Folder with a fine-tuned model")->required();
  verb.add_option("--teacher", o->teacher, "Folder with a model to agree with");
  verb.add_option("--batch-size", o->batches.samples, "Samples of a batch, at most")
      ->check(CLI::PositiveNumber)
      ->default_str("as many as have " + std::to_string(o->batches.tokens) + " tokens");
  add_task(verb, o->task);
  add_common(verb, *o);
  return [o] {
    limbeck::console out = o->out();
    const auto reports = limbeck::evaluate(o->on(), *o, out);
    limbeck::json line;
    for (std::size_t i = 0; i < reports.size(); ++i) {
      if (!o->json) print_report(reports[i], reports.size() > 1);
      line.update(json_of(reports[i], suffix_of(reports[i].file, i)));
    }
    if (o->json) std::printf("%s\n", line.dump().c_str());
    return success;
  };
}

work add_predict(CLI::App& app) {
  struct options : common_options {
    std::string model, input;
    limbeck::index max_length = 128;
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("predict", "Text lines in, labels and probabilities out");
  verb.add_option("--model", o->model, "Folder with a fine-tuned model")->required();
  verb.add_option("--input", o->input,
                  "File of texts, one a line, a tab before a second text; not given: standard input");
  verb.add_option("--max-length", o->max_length, "Tokens of a text; longer ones are cut")->capture_default_str();
  add_common(verb, *o);
  return [o] {
    const limbeck::text_classifier model = limbeck::load_text_classifier(o->model);
    const auto texts =
        o->input.empty() ? limbeck::read_text_stream(std::cin, "standard input") : limbeck::read_texts(o->input);
    for (const auto& p : limbeck::predict(o->on(), model, texts, o->max_length)) print_prediction(model, p, o->json);
    return success;
  };
}

work add_trace(CLI::App& app) {
  struct options : common_options {
    std::string model, input, output;
  };
  const auto o = std::make_shared<options>();
  CLI::App& verb = *app.add_subcommand("trace", "Every signal of a forward pass as safetensors");
  verb.add_option("--model", o->model, "Folder with a model")->required();
  verb.add_option("--input", o->input, "safetensors with input_ids and, optional, attention_mask, token_type_ids")
      ->required();
  verb.add_option("--output", o->output, "File to write")->required();
  add_common(verb, *o);
  return [o] {
    limbeck::trace(o->on(), o->model, o->input, o->output);
    if (o->json) std::printf("%s\n", limbeck::json{{"output", o->output}}.dump().c_str());
    return success;
  };
}

}  // namespace program
