// Holds what the library makes of the worked cases of losses to the tolerances of their file.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "golden/loss_case.hpp"

namespace limbeck_test {

inline double largest(const std::vector<double>& numbers) {
  double size = 0;
  for (const double x : numbers) size = std::max(size, std::abs(x));
  return size;
}

/// As the file's `conventions` say: relative to 1 at least, or, where the name says _f32_, to the number itself.
inline void check_close(const loss_case& c, const std::string& what, const tensor& got, const tensor& want,
                        double tolerance) {
  INFO(c.name() << ": " << what);
  REQUIRE(got.data.size() == want.data.size());
  const double size = largest(want.data);
  const double allowed = tolerance * (c.name().find("_f32_") == std::string::npos ? std::max(1.0, size) : size);
  for (std::size_t i = 0; i < want.data.size(); ++i) {
    INFO("entry " << i << ": " << got.data[i] << ", wanted " << want.data[i] << " within " << allowed);
    CHECK((got.data[i] == want.data[i] || std::abs(got.data[i] - want.data[i]) <= allowed));
  }
}

inline void check_case(const loss_case& c, const loss_outcome& got, double tolerance) {
  if (got.compared) return;
  if (c.json.has("value")) {
    REQUIRE(got.value.has_value());
    check_close(c, "value", tensor({}, std::vector<double>{*got.value}),
                tensor({}, std::vector<double>{c.json.required<double>("value")}), tolerance);
  }
  const auto each = [&](const char* kind, const std::map<std::string, tensor>& made) {
    if (!c.json.has(kind)) return;
    for (const auto& [name, want] : c.json.at(kind).members()) {
      INFO(c.name() << " has no " << kind << " " << name);
      REQUIRE(made.count(name) == 1);
      check_close(c, std::string(kind) + " " + name, made.at(name), tensor(want), tolerance);
    }
  };
  each("grads", got.grads);
  each("outputs", got.outputs);
  for (const loss_outcome& other : got.other_paths) check_case(c, other, tolerance);
}

/// Runs the cases that can be run; returns how many.
inline int run_cases(bool in_double) {
  int count = 0;
  for (const loss_case& c : loss_cases()) {
    const auto runner = loss_runners().find(c.loss());
    if (runner == loss_runners().end()) continue;
    const auto& run = in_double ? runner->second.in_double : runner->second.in_float;
    const auto stated = [&](const char* key, double otherwise) {
      return c.json.has("tol") ? c.json.at("tol").optional(key, otherwise) : otherwise;
    };
    check_case(c, run(c), in_double ? stated("f64_rel", 1e-10) : stated("f32_rel", 2e-5));
    ++count;
  }
  return count;
}

}  // namespace limbeck_test
