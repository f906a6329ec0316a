// Every signal of a forward pass as a file: to look at a model, or to compare it with another implementation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/io/model_folder.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/models/model.hpp"

namespace limbeck {
namespace detail {

/// A padded batch as a file has it.
struct traced_batch {
  index samples = 0, length = 0;
  std::vector<std::int32_t> ids, types, positions;
  std::vector<sample_rows> rows;
};

/// Reads input_ids [samples, length] and, where they are there, attention_mask and token_type_ids of that shape. The
/// valid tokens of a sample follow each other; padding may stand on either side. Positions count from the left edge,
/// padding included, as transformers does.
[[nodiscard]] inline traced_batch read_traced_batch(const std::filesystem::path& file) {
  const safetensors_file source(file);
  const tensor_entry& ids = source.at("input_ids");
  if (ids.shape.size() != 2)
    throw file_error(file.string(), "tensor input_ids", "expected the shape [samples, length]");
  traced_batch out{static_cast<index>(ids.shape[0]), static_cast<index>(ids.shape[1]), {}, {}, {}, {}};
  const auto read = [&](const char* name) {
    return source.find(name) != nullptr ? source.read<std::int32_t>(name, ids.shape) : std::vector<std::int32_t>{};
  };
  out.ids = read("input_ids");
  out.types = read("token_type_ids");
  const std::vector<std::int32_t> mask = read("attention_mask");
  for (index i = 0; i < out.samples; ++i) {
    index first = 0, count = 0;
    for (index t = 0; t < out.length; ++t) {
      out.positions.push_back(static_cast<std::int32_t>(t));
      const bool valid = mask.empty() || mask[static_cast<std::size_t>(i * out.length + t)] != 0;
      if (valid && count++ == 0) first = t;
      if (valid && first + count != t + 1)
        throw file_error(file.string(), "tensor attention_mask, row " + std::to_string(i),
                         "has a gap between valid tokens");
    }
    out.rows.push_back({i * out.length + first, count, count});
  }
  return out;
}

/// Tensors that are being gathered for a file.
class traced_tensors {
 public:
  explicit traced_tensors(const traced_batch& batch) : batch_(batch) {}

  /// Rows of valid tokens, [samples, length, width]; 0 elsewhere.
  void add_tokens(const std::string& name, view<const float, 2> x) {
    std::vector<float>& out = add(name, {batch_.samples, batch_.length, x.extent(1)});
    for (const sample_rows& s : batch_.rows)
      for (index r = s.begin; r < s.begin + s.length; ++r)
        std::copy_n(&x(r, 0), x.extent(1), out.data() + r * x.extent(1));
  }
  /// Maps, [samples, heads, length, length]; 0 where a token is padding.
  void add_maps(const std::string& name, const square_blocks<const float>& x) {
    std::vector<float>& out = add(name, {batch_.samples, x.heads, batch_.length, batch_.length});
    for (index i = 0; i < batch_.samples; ++i) {
      const sample_rows s = batch_.rows[static_cast<std::size_t>(i)];
      const index left = s.begin - i * batch_.length;
      for (index h = 0; h < x.heads; ++h)
        for (index r = 0; r < s.length; ++r)
          std::copy_n(&x.map(i, h)(r, 0), s.length,
                      out.data() + ((i * x.heads + h) * batch_.length + left + r) * batch_.length + left);
    }
  }
  void add_matrix(const std::string& name, view<const float, 2> x) {
    std::vector<float>& out = add(name, {x.extent(0), x.extent(1)});
    std::copy_n(x.data(), x.count(), out.data());
  }
  void write(const std::filesystem::path& file) const {
    std::vector<tensor_record> records;
    for (const auto& [name, shape, data] : kept_) records.push_back({name, dtype::f32, shape, data.data()});
    write_safetensors(file, records);
  }

 private:
  struct kept {
    std::string name;
    tensor_shape shape;
    std::vector<float> data;
  };
  std::vector<float>& add(const std::string& name, std::vector<index> shape) {
    std::size_t count = 1;
    for (const index e : shape) count *= static_cast<std::size_t>(e);
    kept_.push_back({name, tensor_shape(shape.begin(), shape.end()), std::vector<float>(count)});
    return kept_.back().data;
  }

  const traced_batch& batch_;
  std::vector<kept> kept_;
};

}  // namespace detail

/// Runs the model of a folder over the batch in `input` and writes hidden_0 (the embedding output), hidden_1, ...,
/// queries_0, keys_0, values_0, scores_0, probs_0, ... and, if the folder has a head, logits, to `output`. Throws
/// file_error and contract_error naming what does not fit.
template <launchable E>
void trace(const E& on, const std::filesystem::path& folder, const std::filesystem::path& input,
           const std::filesystem::path& output) {
  const loaded_model<float> loaded = load_model<float>(folder, load_options{.fresh_head = true, .seed = 0});
  const detail::traced_batch batch = detail::read_traced_batch(input);
  const auto look_at = [](const auto& v) {
    return view<const typename std::remove_cvref_t<decltype(v)>::value_type, 1>(v.empty() ? nullptr : v.data(),
                                                                                v.size());
  };
  const token_batch<> tokens{.ids = look_at(batch.ids),
                             .types = look_at(batch.types),
                             .positions = look_at(batch.positions),
                             .rows = look_at(batch.rows),
                             .logit_tokens = {}};
  bert_classifier::pass<float> pass;
  const signal_set all = signal::logits | signal::embeddings | signal::hidden | signal::scores | signal::probabilities |
                         signal::queries | signal::keys | signal::values;
  const auto seen = loaded.model.forward(on, read_only(loaded.weights.all()), tokens, all, inference, pass);
  detail::traced_tensors out(batch);
  out.add_tokens("hidden_0", seen.embeddings);
  for (std::size_t l = 0; l < seen.hidden.size(); ++l) {
    const std::string number = std::to_string(l);
    out.add_tokens("hidden_" + std::to_string(l + 1), seen.hidden[l]);
    out.add_tokens("queries_" + number, seen.queries[l]);
    out.add_tokens("keys_" + number, seen.keys[l]);
    out.add_tokens("values_" + number, seen.values[l]);
    out.add_maps("scores_" + number, seen.scores[l]);
    out.add_maps("probs_" + number, seen.probabilities[l]);
  }
  if (loaded.report.fresh.empty()) out.add_matrix("logits", seen.logits);
  out.write(output);
}

}  // namespace limbeck
