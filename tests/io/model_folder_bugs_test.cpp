// Known bugs of others in model folders: names of tensors, missing ones, what an export holds (20, 23, 35).
#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "io/small_model.hpp"
#include "limbeck/io/model_folder.hpp"

namespace {

using namespace limbeck_test;

/// The weights of `made`, in a folder, each under the name that rename() gives it; "" leaves it out.
template <class Rename>
void write_renamed(const scratch_folder& folder, const small_model<>& made, Rename&& rename) {
  limbeck::save_model(folder.path, made.config, made.table(), made.all());
  std::vector<limbeck::tensor_record> records;
  for (const auto& p : made.table().entries()) {
    const std::string name = rename(p.name);
    if (!name.empty())
      records.push_back({name, limbeck::dtype::f32, limbeck::detail::shape_of(p), made.weights.data() + p.offset});
  }
  limbeck::write_safetensors(folder / "model.safetensors", records);
}

}  // namespace

TEST_CASE("bug_20c: the exported student holds no projection", "[bugs]") {
  // neuralmagic/sparseml#1272: what learns with the student but is none of it, saved with it
  const small_model<> made;
  limbeck::parameter_table table = made.table();
  table.declare("projection.weight", 3, 8);
  table.declare("projection.bias", 3, 0, limbeck::initial::zero);
  limbeck::buffer<float> flat(table.size());
  std::copy_n(made.weights.data(), made.weights.count(), flat.data());
  const scratch_folder folder;
  limbeck::save_model(folder.path, made.config, table, limbeck::read_only(flat.all()));
  const limbeck::tensor_source file(folder.path);
  CHECK(file.names().size() == made.table().entries().size());
  CHECK(table.entries().size() == file.names().size() + 2);
  for (const std::string& name : file.names()) CHECK(made.table().find(name) != nullptr);
  const auto read = limbeck::load_model<float>(folder.path);
  CHECK(same_bits(read.weights, made.weights));
  CHECK(read.report.unused.empty());

  std::vector<limbeck::tensor_record> naive;  // all that was trained
  for (const auto& p : table.entries())
    naive.push_back({p.name, limbeck::dtype::f32, limbeck::detail::shape_of(p), flat.data() + p.offset});
  limbeck::write_safetensors(folder / "model.safetensors", naive);
  CHECK(limbeck::load_model<float>(folder.path).report.unused.size() == 2);
}

TEST_CASE("bug_23c: the heads' classes are matched by name, or refused", "[bugs]") {
  // DFKI-NLP/thermostat#10: labels in another order are another opinion
  auto student = small_config(), teacher = small_config();
  teacher.labels = {"contradiction", "entailment", "neutral"};
  CHECK(limbeck::matched_classes(student, teacher) == std::vector<limbeck::index>{1, 2, 0});
  CHECK(limbeck::matched_classes(student, student) == std::vector<limbeck::index>{0, 1, 2});
  int agree = 0;  // naive: class by class, whatever it is called
  for (std::size_t i = 0; i < 3; ++i) agree += student.labels[i] == teacher.labels[i] ? 1 : 0;
  CHECK(agree == 0);
  teacher.labels[2] = "no idea";
  CHECK_THROWS_WITH(limbeck::matched_classes(student, teacher),
                    "labels: the student's class 1, \"neutral\", is none of the teacher's: \"contradiction\", "
                    "\"entailment\", \"no idea\"");
  teacher.labels.pop_back();
  teacher.classes = 2;
  CHECK_THROWS_WITH(limbeck::matched_classes(student, teacher), "labels: 3 classes of the student, 2 of the teacher");
}

TEST_CASE("bug_35h: gamma and beta are the weight and bias of a norm", "[bugs]") {
  // huggingface/transformers#11809: unknown names, so the norms stay at their start
  const scratch_folder folder;
  const small_model<> made;
  write_renamed(folder, made, [](std::string name) {
    const auto norm = name.find("LayerNorm.");
    if (norm != std::string::npos) name = name.substr(0, norm + 10) + (name.ends_with("weight") ? "gamma" : "beta");
    return name;
  });
  CHECK(limbeck::tensor_source(folder.path).contains("bert.embeddings.LayerNorm.gamma"));
  const auto read = limbeck::load_model<float>(folder.path);
  CHECK(same_bits(read.weights, made.weights));
  // naive: by the one name alone, which is not there
  CHECK_FALSE(limbeck::tensor_source(folder.path).contains("bert.embeddings.LayerNorm.weight"));
}

TEST_CASE("bug_35i: a tensor that is missing is refused, never left at its random start", "[bugs]") {
  const scratch_folder folder;
  const small_model<> made;
  for (const auto& missing : made.table().entries()) {
    write_renamed(folder, made, [&](const std::string& name) { return name == missing.name ? "" : name; });
    const auto load = [&] { (void)limbeck::load_model<float>(folder.path, {.fresh_head = true}); };
    CHECK(message_of<limbeck::file_error>(load) == folder.path.string() + ": tensor \"" + missing.name +
                                                       "\": is missing, expected the weights of a whole model");
  }
  const small_model<> fresh(small_config(), 2);  // naive: what is found is taken, and the rest stays random
  const std::string missing = "classifier.weight";
  write_renamed(folder, made, [&](const std::string& name) { return name == missing ? "" : name; });
  std::vector<float> weights(fresh.weights.data(), fresh.weights.data() + fresh.weights.count());
  const limbeck::tensor_source file(folder.path);
  for (const std::string& name : file.names()) {
    const auto values = made.values(name);
    std::copy(values.begin(), values.end(), weights.begin() + made.table().find(name)->offset);
  }
  const auto at = static_cast<std::size_t>(made.table().find(missing)->offset);
  CHECK(weights[0] == made.weights.data()[0]);
  CHECK(weights[at] == fresh.weights.data()[at]);
  CHECK(weights[at] != made.weights.data()[at]);
}
