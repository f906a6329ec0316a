// A plan with a step, two factors, two tasks and two seeds, for the tests of studies.
#pragma once

#include <string>

#include "limbeck/recipes/study_plan_file.hpp"

namespace limbeck_test {

inline limbeck::json small_plan_text() {
  return limbeck::json::parse(R"({
    "name": "small",
    "question": "Which loss?",
    "places": {"data": "/somewhere/data"},
    "variables": {"rows": 64, "terms": "cross_entropy"},
    "prepare": [
      {"name": "teacher", "verb": "fine-tune",
       "arguments": {"data": "${data}/${folder}", "limit": "${rows}", "epochs": 3}}],
    "base": {"verb": "distill", "arguments": {
      "teacher": "${teacher}", "data": "${data}/${folder}", "learning-rate": 1e-4,
      "loss": ["${terms}", "${map}:weight=${w}"]}},
    "factors": [
      {"name": "map", "base": "mse", "levels": {
        "mse": {"variables": {"map": "attention_mse"}},
        "kl": {"variables": {"map": "attention_kl"}},
        "none": {"arguments": {"loss": ["${terms}"]}}}},
      {"name": "weight", "base": "1", "levels": {
        "1": {"variables": {"w": 1}},
        "0.1": {"variables": {"w": 0.1}}}}],
    "tasks": [
      {"name": "sst-2", "variables": {"folder": "SST-2"}},
      {"name": "sts-b", "metric": "spearman", "variables": {"folder": "STS-B", "terms": "regression_mse"}}],
    "seeds": [3, 5]})");
}

/// The plan with other parts, as a JSON merge patch (RFC 7386).
inline limbeck::study_plan small_plan(const limbeck::json& patch = limbeck::json::object()) {
  limbeck::json text = small_plan_text();
  text.merge_patch(patch);
  return limbeck::parse_study_plan(limbeck::json_value(text, "plan.json"));
}

}  // namespace limbeck_test
