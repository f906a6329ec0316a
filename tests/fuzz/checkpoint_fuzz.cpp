// Fuzzes the reader of checkpoints.
#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "fuzz/memory_file.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/training/checkpoint.hpp"

namespace limbeck_test {
namespace {

using limbeck::index;

/// What a run has in memory: weights and both moments are 1 until a checkpoint is read.
struct run_in_memory {
  limbeck::parameter_table table = declared();
  limbeck::buffer<float> weights{table.size()}, first{table.size()}, second{table.size()};
  limbeck::json settings{{"seed", 1}, {"terms", {"soft_target_kl"}}};

  run_in_memory() {
    for (float* const numbers : all()) std::fill_n(numbers, table.size(), 1.0F);
  }
  static limbeck::parameter_table declared() {
    limbeck::parameter_table table;
    (void)table.declare("weight", 2, 2);
    (void)table.declare("bias", 2, 0, limbeck::initial::zero);
    return table;
  }
  [[nodiscard]] std::array<float*, 3> all() { return {weights.data(), first.data(), second.data()}; }
  [[nodiscard]] limbeck::trained_numbers<float> room() { return {weights.all(), first.all(), second.all()}; }
  [[nodiscard]] bool is_untouched() {
    const auto is_one = [](float x) { return x == 1; };
    return std::ranges::all_of(
        all(), [&](const float* numbers) { return std::all_of(numbers, numbers + table.size(), is_one); });
  }
};

/// Lines of position, settings and parameters, as they stand in the metadata of a file that is else in order.
std::string checkpoint_of(std::string_view lines, const run_in_memory& run) {
  std::map<std::string, std::string> metadata{{"limbeck_checkpoint", "1"}};
  for (const char* key : {"position", "settings", "parameters"}) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    metadata[key] = line;
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
  }
  const std::string data(static_cast<std::size_t>(3 * run.table.size()) * sizeof(float), '\0');
  std::vector<limbeck::tensor_record> tensors;
  for (const char* name : {"weights", "first_moment", "second_moment"})
    tensors.push_back({name, limbeck::dtype::f32, {run.table.size()}, reinterpret_cast<const std::byte*>(data.data())});
  const std::string header =
      limbeck::detail::safetensors_header_text({&tensors[0], &tensors[1], &tensors[2]}, metadata);
  return safetensors_bytes(header, data);
}

void load(std::string_view bytes, run_in_memory& run) {
  const memory_file file(bytes);
  const auto at = accepted([&] { return limbeck::load_checkpoint(file.path(), run.table, run.settings, run.room()); });
  if (!at) {
    must(run.is_untouched(), "a checkpoint that is refused changes nothing");
    return;
  }
  for (const index count :
       {at->epoch, at->step_of_epoch, at->updates, at->micro_batches, at->best_epoch, at->evaluations_without_gain})
    must(count >= 0, "what is counted is not negative");
}

/// Bytes that start with { are the lines of a checkpoint, others are the whole file.
void read_checkpoint(std::string_view bytes) {
  run_in_memory run;
  if (!bytes.starts_with('{')) return load(bytes, run);
  if (const auto file = accepted([&] { return checkpoint_of(bytes, run); })) load(*file, run);
}

const bool checkpoint_is_known = fuzzes("checkpoint", read_checkpoint);

}  // namespace
}  // namespace limbeck_test
