// Tests of limbeck/models/remapping.hpp.
#include "limbeck/models/remapping.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

namespace limbeck {
namespace {

transformer_sizes sizes_of(index layers) {
  return {.vocabulary = 20, .positions = 8, .layers = layers, .width = 6, .heads = 2, .inner = 7};
}

TEST_CASE("a student's layers are paired with those that are named, everything else with its namesake") {
  const auto student = make_bert_masked_language_model(sizes_of(3));
  const std::vector<index> layers{1, 0, 1};
  index of_layers = 0;
  for_each_counterpart(student.parameters(), bert_names(), sizes_of(2), layers,
                       [&](const parameter& to, const std::string& from) {
                         const std::string stem = "bert.encoder.layer.";
                         if (!to.name.starts_with(stem)) {
                           CHECK(to.name == from);
                           return;
                         }
                         const auto m = static_cast<std::size_t>(to.name[stem.size()] - '0');
                         CHECK(from == stem + std::to_string(layers[m]) + to.name.substr(stem.size() + 1));
                         ++of_layers;
                       });
  CHECK(of_layers == 3 * 16);
}

TEST_CASE("a teacher's layer that shares weights stands for those that it shares, one that is not there is refused") {
  const auto student = make_bert_masked_language_model(sizes_of(1));
  transformer_sizes teacher = sizes_of(2);
  teacher.layer_sources = {{0}, {0}};
  const std::vector<index> last{1}, none{2};
  for_each_counterpart(student.parameters(), bert_names(), teacher, last,
                       [&](const parameter& to, const std::string& from) { CHECK(to.name == from); });
  CHECK(limbeck_test::message_of<contract_error>([&] {
          for_each_counterpart(student.parameters(), bert_names(), teacher, none, [](const auto&, const auto&) {});
        }) == "student: layer 0 starts from layer 2 of the teacher, which has 2 (they count from 0)");
}

}  // namespace
}  // namespace limbeck
