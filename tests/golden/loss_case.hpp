// The worked cases of losses: a list of what can run them, and the tensors they are written in. Holds no formula.
#pragma once

#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace limbeck_test {

/// Numbers with a shape, row-major. Infinities stand in the file as the strings inf and -inf.
struct tensor {
  std::vector<std::ptrdiff_t> shape;
  std::vector<double> data;

  tensor() = default;
  tensor(std::vector<std::ptrdiff_t> s, std::vector<double> d) : shape(std::move(s)), data(std::move(d)) {}
  template <class T>
  tensor(std::vector<std::ptrdiff_t> s, const std::vector<T>& d) : shape(std::move(s)), data(d.begin(), d.end()) {}
  explicit tensor(const nlohmann::json& j) {
    if (!j.is_object()) return;
    shape = j.at("shape").get<std::vector<std::ptrdiff_t>>();
    for (const auto& x : j.at("data")) data.push_back(number(x));
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
  static double number(const nlohmann::json& x) {
    if (!x.is_string()) return x.get<double>();
    const auto text = x.get<std::string>();
    const double infinity = std::numeric_limits<double>::infinity();
    return text == "inf" ? infinity : text == "-inf" ? -infinity : std::numeric_limits<double>::quiet_NaN();
  }
};

/// One case of the file.
struct loss_case {
  nlohmann::json json;

  [[nodiscard]] std::string name() const { return json.at("name"); }
  [[nodiscard]] std::string loss() const { return json.at("loss"); }
  template <class T>
  [[nodiscard]] T param(const char* key, T otherwise) const {
    return json.at("params").value(key, otherwise);
  }
  [[nodiscard]] double param(const char* key) const { return json.at("params").at(key).get<double>(); }
  [[nodiscard]] std::string text(const char* key) const { return json.at("params").at(key).get<std::string>(); }
  [[nodiscard]] bool has_input(const char* key) const { return json.at("inputs").contains(key); }
  [[nodiscard]] tensor input(const char* key) const { return tensor(json.at("inputs").at(key)); }
};

/// What the library made of a case: as much of it as the case has.
struct loss_outcome {
  std::optional<double> value{};
  std::map<std::string, tensor> grads{}, outputs{};
  bool compared = false;  ///< the runner has held the case to its results: they are no tensors
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

/// The cases, from the file that LIMBECK_LOSS_CASES names or from the copy beside this one.
inline std::vector<loss_case> loss_cases() {
  const char* named = std::getenv("LIMBECK_LOSS_CASES");
  const std::string path = named != nullptr && *named != 0 ? named : LIMBECK_TEST_GOLDEN_DIR "/loss_cases.json";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("loss cases: cannot read " + path);
  std::vector<loss_case> cases;
  const nlohmann::json all = nlohmann::json::parse(file);
  for (const auto& c : all.at("cases")) cases.push_back(loss_case{c});
  if (cases.empty()) throw std::runtime_error("loss cases: none in " + path);
  return cases;
}

}  // namespace limbeck_test
