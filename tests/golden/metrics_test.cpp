// The metrics of GLUE against reference values.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "golden_files.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/training/metrics.hpp"

TEST_CASE("metrics agree with the reference", "[golden]") {
  const auto file = limbeck_test::golden_folder() / "metrics.json";
  if (!std::filesystem::exists(file)) LIMBECK_SKIP("no metrics.json in LIMBECK_GOLDEN_DIR");
  const auto cases = limbeck::read_json(file).elements();
  REQUIRE_FALSE(cases.empty());
  for (const limbeck::json_value& c : cases) {
    INFO(c.required<std::string>("name"));
    const auto compare = [&](const std::string& metric, std::optional<double> got) {
      INFO(metric);
      REQUIRE(got.has_value() == c.has(metric));
      if (got) CHECK(std::fabs(*got - c.required<double>(metric)) <= 1e-12);
    };
    if (c.required<std::string>("kind") == "class") {
      const auto labels = c.required<std::vector<std::int32_t>>("labels");
      const auto predictions = c.required<std::vector<std::int32_t>>("predictions");
      compare("accuracy", limbeck::accuracy(labels, predictions));
      if (c.has("f1")) compare("f1", limbeck::f1_of_class(labels, predictions));  // of two classes only
      compare("f1_macro", limbeck::f1_macro(labels, predictions));
      compare("matthews", limbeck::matthews(labels, predictions));
    } else {
      REQUIRE(c.required<std::string>("kind") == "score");
      const auto labels = c.required<std::vector<double>>("labels");
      const auto predictions = c.required<std::vector<double>>("predictions");
      compare("pearson", limbeck::pearson(labels, predictions));
      compare("spearman", limbeck::spearman(labels, predictions));
    }
  }
}
