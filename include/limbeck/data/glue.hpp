// Tasks: where the files of the GLUE tasks, or of any TSV, hold text and labels, and what is measured.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/data/tsv.hpp"

namespace limbeck {

/// What a reader, a model head and an evaluation need to know of a task. Columns count from 0.
struct task_description {
  std::string name{};
  std::ptrdiff_t text_column = 0;
  std::optional<std::ptrdiff_t> pair_column{};
  std::ptrdiff_t label_column = 1;  ///< or last_column
  bool header = true;
  /// As files spell them, in the order of class numbers; empty: to be read from train.
  std::vector<std::string> labels{};
  std::vector<std::string> label_names{};  ///< the same for people and for id2label; as many as labels
  std::vector<std::string> metrics{};      ///< the first one chooses the best state
  std::vector<std::string> dev_files = {"dev.tsv"};

  /// Whether the label is a number to be predicted and not a class.
  [[nodiscard]] bool regression() const {
    return !metrics.empty() && (metrics.front() == "pearson" || metrics.front() == "spearman");
  }
};

/// Every metric that a task may name.
inline constexpr std::array<std::string_view, 6> metric_names = {"accuracy", "f1",      "f1_macro",
                                                                 "matthews", "pearson", "spearman"};

/// The GLUE tasks (Wang et al. 2019, arXiv:1804.07461) that glue_task() knows.
inline constexpr std::array<std::string_view, 9> glue_names = {"cola", "sst-2", "mrpc", "sts-b", "qqp",
                                                               "mnli", "qnli",  "rte",  "wnli"};

/// Columns of a TSV of one's own. Labels are collected from its training file.
struct tsv_task_options {
  std::ptrdiff_t text_column = 0;
  std::optional<std::ptrdiff_t> pair_column{};
  std::ptrdiff_t label_column = 1;
  std::string metric = "accuracy";  ///< pearson, spearman: the label is a number
  bool header = false;
};

namespace detail {

/// Lower-cased, without hyphens and underscores; QNLI-mini, a split of one's own, is the task QNLI.
[[nodiscard]] inline std::string plain_task_name(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '-' && c != '_') plain.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  return plain == "qnlimini" ? "qnli" : plain;
}

template <class Names>
[[nodiscard]] std::string listed(const Names& names) {
  std::string text;
  for (const auto& name : names) (text += text.empty() ? "" : ", ") += name;
  return text;
}

[[nodiscard]] inline std::vector<task_description> glue_tasks() {
  const std::vector<std::string> digits = {"0", "1"}, entailment = {"entailment", "not_entailment"};
  const std::vector<std::string> relations = {"entailment", "neutral", "contradiction"};
  // clang-format off
  return {
      {.name = "cola", .text_column = 3, .label_column = 1, .header = false, .labels = digits,
       .label_names = {"unacceptable", "acceptable"}, .metrics = {"matthews"}},
      {.name = "sst-2", .text_column = 0, .label_column = 1, .labels = digits,
       .label_names = {"negative", "positive"}, .metrics = {"accuracy"}},
      {.name = "mrpc", .text_column = 3, .pair_column = 4, .label_column = 0, .labels = digits,
       .label_names = {"not_equivalent", "equivalent"}, .metrics = {"accuracy", "f1"}},
      {.name = "sts-b", .text_column = 7, .pair_column = 8, .label_column = 9, .metrics = {"pearson", "spearman"}},
      {.name = "qqp", .text_column = 3, .pair_column = 4, .label_column = 5, .labels = digits,
       .label_names = {"not_duplicate", "duplicate"}, .metrics = {"accuracy", "f1"}},
      // train has 12 columns, dev 16 (each annotator's label): gold_label is the last of either
      {.name = "mnli", .text_column = 8, .pair_column = 9, .label_column = last_column, .labels = relations,
       .label_names = relations, .metrics = {"accuracy"}, .dev_files = {"dev_matched.tsv", "dev_mismatched.tsv"}},
      {.name = "qnli", .text_column = 1, .pair_column = 2, .label_column = 3, .labels = entailment,
       .label_names = entailment, .metrics = {"accuracy"}},
      {.name = "rte", .text_column = 1, .pair_column = 2, .label_column = 3, .labels = entailment,
       .label_names = entailment, .metrics = {"accuracy"}},
      {.name = "wnli", .text_column = 1, .pair_column = 2, .label_column = 3, .labels = digits,
       .label_names = {"not_entailment", "entailment"}, .metrics = {"accuracy"}},
  };
  // clang-format on
}

}  // namespace detail

/// A GLUE task by name; case, hyphens and underscores are ignored (SST2 is sst-2), and QNLI-mini is qnli. Class numbers
/// are those of the usual data sets: entailment 0, neutral 1, contradiction 2. Throws contract_error for other names.
[[nodiscard]] inline task_description glue_task(std::string_view name) {
  const std::string plain = detail::plain_task_name(name);
  for (task_description& task : detail::glue_tasks())
    if (detail::plain_task_name(task.name) == plain) return std::move(task);
  throw contract_error("task \"" + std::string(name) + "\" is not known, expected tsv or one of " +
                       detail::listed(glue_names));
}

/// The task of any TSV. Throws contract_error for an unknown metric, a column below 0 (label_column may be
/// last_column), or a text column that is the pair or label column too.
[[nodiscard]] inline task_description tsv_task(const tsv_task_options& options) {
  expects(std::find(metric_names.begin(), metric_names.end(), options.metric) != metric_names.end(), [&] {
    return message("metric \"", options.metric, "\" is not known, expected one of ", detail::listed(metric_names));
  });
  const std::ptrdiff_t text = options.text_column, label = options.label_column,
                       pair = options.pair_column.value_or(-2);
  expects(text >= 0 && label >= last_column && (!options.pair_column || pair >= 0) && text != pair && text != label &&
              pair != label,
          [&] {
            return message("columns: text ", text, ", pair ", (options.pair_column ? std::to_string(pair) : "none"),
                           ", label ", label, ", expected different ones that count from 0");
          });
  return {.name = "tsv",
          .text_column = text,
          .pair_column = options.pair_column,
          .label_column = label,
          .header = options.header,
          .metrics = {options.metric}};
}

}  // namespace limbeck
