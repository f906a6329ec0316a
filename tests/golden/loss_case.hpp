// The worked cases of losses: a list of what can run them, and the tensors they are written in. Holds no formula.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/io/json.hpp"
#include "limbeck/io/tensor_entry.hpp"

namespace limbeck_test {

/// Numbers with a shape, row-major. What JSON has no number for stands in the file as the strings inf, -inf and nan.
struct tensor {
  std::vector<std::ptrdiff_t> shape;
  std::vector<double> data;

  tensor() = default;
  tensor(std::vector<std::ptrdiff_t> s, std::vector<double> d) : shape(std::move(s)), data(std::move(d)) {}
  template <class T>
  tensor(std::vector<std::ptrdiff_t> s, const std::vector<T>& d) : shape(std::move(s)), data(d.begin(), d.end()) {}
  /// Throws limbeck::file_error unless there is a number for each place of the shape, and at least one.
  explicit tensor(const limbeck::json_value& j) : shape(j.at("shape").as<std::vector<std::ptrdiff_t>>()) {
    for (const limbeck::json_value& x : j.at("data").elements()) data.push_back(number(x));
    std::uint64_t places = 0;
    if (!limbeck::multiply(shape, 1, places) || places == 0 || places != data.size())
      j.refuse("has " + std::to_string(data.size()) + " numbers, expected those of shape " + limbeck::text_of(shape));
  }

  /// The product of all extents but the last; the last.
  [[nodiscard]] std::ptrdiff_t rows() const { return columns() == 0 ? 0 : std::ptrdiff_t(data.size()) / columns(); }
  [[nodiscard]] std::ptrdiff_t columns() const { return shape.empty() ? 1 : shape.back(); }
  template <class T>
  [[nodiscard]] std::vector<T> as() const {
    std::vector<T> out;
    for (const double x : data) out.push_back(static_cast<T>(x));
    return out;
  }

 private:
  static double number(const limbeck::json_value& x) {
    if (!x.raw().is_string()) return x.as<double>();
    const auto text = x.as<std::string>();
    if (text == "inf") return std::numeric_limits<double>::infinity();
    if (text == "-inf") return -std::numeric_limits<double>::infinity();
    if (text != "nan") x.refuse("is " + limbeck::detail::shown(x.raw()) + ", expected a number, inf, -inf or nan");
    return std::numeric_limits<double>::quiet_NaN();
  }
};

/// One case of the file. What it lacks throws limbeck::file_error that names it.
struct loss_case {
  limbeck::json_value json;

  [[nodiscard]] std::string name() const { return json.required<std::string>("name"); }
  [[nodiscard]] std::string loss() const { return json.required<std::string>("loss"); }
  template <class T>
  [[nodiscard]] T param(const char* key, T otherwise) const {
    return json.at("params").optional(key, otherwise);
  }
  [[nodiscard]] double param(const char* key) const { return json.at("params").required<double>(key); }
  [[nodiscard]] std::string text(const char* key) const { return json.at("params").required<std::string>(key); }
  [[nodiscard]] bool has_input(const char* key) const { return json.at("inputs").has(key); }
  [[nodiscard]] tensor input(const char* key) const { return tensor(json.at("inputs").at(key)); }
};

/// What the library made of a case: as much of it as the case has.
struct loss_outcome {
  std::optional<double> value{};
  std::map<std::string, tensor> grads{}, outputs{};
  std::vector<loss_outcome> other_paths{};  ///< the same by other ways through the library
  bool compared = false;                    ///< the runner has held the case to its results: they are no tensors
};

/// A case's runner, in double and in float.
struct loss_runner {
  std::function<loss_outcome(const loss_case&)> in_double, in_float;
};
inline std::map<std::string, loss_runner>& loss_runners() {
  static std::map<std::string, loss_runner> all;
  return all;
}

/// Makes a loss of the case file known: `const bool known = runs_loss("cosine", cosine{});`, at namespace scope of any
/// tests/golden/*_test.cpp. The runner's call operator is a template over what is computed in:
/// `template <class A> loss_outcome operator()(const loss_case&, A) const`.
template <class Runner>
bool runs_loss(const std::string& loss, Runner run) {
  loss_runners()[loss] = {[run](const loss_case& c) { return run(c, double{}); },
                          [run](const loss_case& c) { return run(c, float{}); }};
  return true;
}

/// Whether what limbeck does not have is passed over: LIMBECK_KNOWN_ONLY=1.
inline bool known_cases_only() {
  const char* set = std::getenv("LIMBECK_KNOWN_ONLY");
  return set != nullptr && std::string(set) == "1";
}

/// The cases of a parsed file, each with its name and loss.
inline std::vector<loss_case> loss_cases_in(const limbeck::json_value& file) {
  std::vector<loss_case> cases;
  for (limbeck::json_value& c : file.at("cases").elements()) {
    cases.push_back(loss_case{std::move(c)});
    (void)cases.back().name();
    (void)cases.back().loss();
  }
  if (cases.empty()) file.refuse("holds no case");
  return cases;
}

/// The cases, from the file that LIMBECK_LOSS_CASES names or from the copy beside this one.
inline std::vector<loss_case> loss_cases() {
  const char* named = std::getenv("LIMBECK_LOSS_CASES");
  return loss_cases_in(
      limbeck::read_json(named != nullptr && *named != 0 ? named : LIMBECK_TEST_GOLDEN_DIR "/loss_cases.json"));
}

}  // namespace limbeck_test
