// What a run trains: a student, and behind it what its terms learn, in one table and one buffer each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/io/model_weights.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/terms.hpp"

namespace limbeck {

/// One table of parameters, one buffer of weights and one of gradients.
class learned_parameters {
 public:
  /// `own` and `weights` are the student's; what the terms learn is initialised from `seed`. Throws contract_error for
  /// terms that do not fit the models that `context` describes.
  learned_parameters(const parameter_table& own, view<const float, 1> weights, const std::vector<std::string>& losses,
                     term_context context, std::uint64_t seed)
      : table_(own),
        builder_({losses.begin(), losses.end()}, std::move(context), table_),
        weights_(table_.size()),
        gradients_(table_.size()) {
    std::copy_n(weights.data(), own.size(), weights_.data());
    students_ = own.entries().size();
    for (std::size_t p = students_; p < table_.entries().size(); ++p)
      initialise_parameter(table_.entries()[p], p, seed + 1, weights_.all());
  }
  learned_parameters(const learned_parameters&) = delete;  // terms look at it
  learned_parameters& operator=(const learned_parameters&) = delete;

  /// Lets terms begin with what those of another run learned under the same names, where the shapes agree.
  void start_from(const std::filesystem::path& learned) {
    const safetensors_file kept(learned);
    for (const parameter& p : of_terms())
      if (const tensor_entry* const found = kept.find(p.name); found != nullptr && found->shape == detail::shape_of(p))
        kept.read(p.name, detail::shape_of(p), weights_.data() + p.offset);
  }
  /// Writes what terms have learned, of weights that table() lays out.
  void save_learned(const std::filesystem::path& file, view<const float, 1> weights) const {
    std::vector<tensor_record> records;
    for (const parameter& p : of_terms())
      records.push_back({p.name, dtype::f32, detail::shape_of(p), weights.data() + p.offset});
    write_safetensors(file, records);
  }

  [[nodiscard]] const parameter_table& table() const { return table_; }
  /// Whether terms share their samples (sample_sharing).
  [[nodiscard]] bool shares_samples() const { return builder_.shares_samples(); }
  [[nodiscard]] view<float, 1> weights() { return weights_.all(); }
  [[nodiscard]] view<float, 1> gradients() { return gradients_.all(); }
  /// The layers that terms compare, see term_builder::layer_pairs().
  [[nodiscard]] auto layer_pairs() const { return builder_.layer_pairs(); }
  /// What makes the terms, over weights() and gradients() or those that lie elsewhere.
  [[nodiscard]] const term_builder& builder() const { return builder_; }
  template <launchable E>
  [[nodiscard]] std::vector<named_term<E, float>> terms() {
    return builder_.template build<E, float>(read_only(weights_.all()), gradients_.all());
  }

 private:
  [[nodiscard]] std::span<const parameter> of_terms() const { return std::span(table_.entries()).subspan(students_); }

  parameter_table table_;
  term_builder builder_;
  buffer<float> weights_, gradients_;
  std::size_t students_ = 0;  // parameters before those of terms
};

}  // namespace limbeck
