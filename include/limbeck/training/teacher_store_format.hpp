// The file that keeps what a teacher said of samples: how its tensors are called, how large it is, whose it is.
//
// A safetensors file, so that anything reads it: `sample_ids` [samples] I64, and some of these; the checksum takes them
// in this order (fnv1a_of_words, tensor by tensor):
//   logits [samples, classes] of the storage type; or, of the k likeliest classes, logits and kept_classes [samples, k]
//     I32 and log_rest [samples] F32
//   last_hidden [samples, width] F32, what the head reads, and batch_begin [batches + 1] I64: it read the samples from
//     batch_begin[b] to batch_begin[b + 1] at once
//   token_begin [samples + 1] I64 and states [tokens, width] of the storage type: hidden_0 (the embedding output),
//     hidden_1 (after layer 0), ..., queries_0, ..., keys_0, ..., values_0, ... of any layers
// Its metadata name version, teacher, vocabulary, task, classes, temperature (of log_rest), layers (of the teacher) and
// the checksum of the data.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/data/encoding.hpp"
#include "limbeck/io/tensor_entry.hpp"

namespace limbeck {

/// The version of the file's format that is written and read.
inline constexpr const char* teacher_store_version = "2";

/// Who said it, and in what terms.
struct teacher_identity {
  std::string model;       ///< a hash of configuration and weights
  std::string vocabulary;  ///< a hash of the pieces in their order
  std::string task;        ///< with its labels, whose order is that of the logits
};

/// A sample's number by what the teacher saw of it: other tokens have another. Labels do not count.
[[nodiscard]] inline std::int64_t sample_id(const encoding& tokens) {
  std::uint64_t hash = fnv1a(std::uint64_t{tokens.ids.size()}, fnv1a_start);
  for (const std::int32_t id : tokens.ids) hash = fnv1a(std::uint64_t{static_cast<std::uint32_t>(id)}, hash);
  for (const std::int32_t type : tokens.types) hash = fnv1a(std::uint64_t{static_cast<std::uint32_t>(type)}, hash);
  return std::bit_cast<std::int64_t>(hash);
}

struct teacher_store_options {
  dtype storage = dtype::f32;  ///< of logits and states: f32, f16 or bf16; what a head reads is F32 whatever it says
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();  ///< bytes that the store may take
};

/// What a store is to hold; 0: none of it.
struct teacher_store_sizes {
  index samples = 0;
  index logits = 0;  ///< of a sample: of all classes, or of the k likeliest
  bool top_k = false;
  index last_hidden = 0;  ///< numbers of a sample
  index batches = 0;      ///< beside last_hidden
  index tokens = 0;
  index states = 0;  ///< numbers of a token
};

/// The bytes that a store takes, its header apart.
[[nodiscard]] constexpr std::uint64_t teacher_store_bytes(const teacher_store_sizes& of, dtype storage) {
  const auto count = [](index number) { return static_cast<std::uint64_t>(number); };
  const std::uint64_t number = storage == dtype::f32 ? 4 : 2;
  std::uint64_t a_sample = sizeof(std::int64_t) + count(of.logits) * number + count(of.last_hidden) * sizeof(float);
  if (of.top_k) a_sample += count(of.logits) * sizeof(std::int32_t) + sizeof(float);
  std::uint64_t bytes = count(of.samples) * a_sample + count(of.tokens) * count(of.states) * number;
  if (of.last_hidden > 0) bytes += (count(of.batches) + 1) * sizeof(std::int64_t);
  if (of.states > 0) bytes += (count(of.samples) + 1) * sizeof(std::int64_t);
  return bytes;
}

/// Throws contract_error where a store would take more than it may: before a teacher has worked for it.
inline void expects_room(const teacher_store_sizes& of, const teacher_store_options& options) {
  const std::uint64_t bytes = teacher_store_bytes(of, options.storage);
  expects(bytes <= options.limit, [&] {
    return message("teacher store: ", of.samples, " samples take ", bytes, " bytes, at most ", options.limit,
                   " are allowed");
  });
}

namespace detail {

/// A tensor of states: which signal of which layer.
struct state_tensor {
  signal_set what;
  std::size_t layer;
  std::string name;
};

/// All that a teacher of so many layers may leave, in the order of the file, under the names of traces.
[[nodiscard]] inline std::vector<state_tensor> state_tensors(std::size_t layers) {
  std::vector<state_tensor> all{{signal::embeddings, 0, "hidden_0"}};
  const auto add = [&](signal_set what, const char* name, std::size_t first) {
    for (std::size_t l = 0; l < layers; ++l) all.push_back({what, l, name + std::to_string(first + l)});
  };
  add(signal::hidden, "hidden_", 1);
  add(signal::queries, "queries_", 0);
  add(signal::keys, "keys_", 0);
  add(signal::values, "values_", 0);
  return all;
}

/// The layers of a signal: hidden, queries, keys or values.
template <class S>
[[nodiscard]] auto& layers_of(S& all, signal_set what) {
  return what == signal::hidden    ? all.hidden
         : what == signal::queries ? all.queries
         : what == signal::keys    ? all.keys
                                   : all.values;
}
/// One of state_tensors(): empty where it is not there.
template <class T>
[[nodiscard]] view<T, 2> state_of(const signals<T>& all, signal_set what, std::size_t layer) {
  if (what == signal::embeddings) return all.embeddings;
  const auto& layers = layers_of(all, what);
  return layer < layers.size() ? layers[layer] : view<T, 2>{};
}

}  // namespace detail
}  // namespace limbeck
