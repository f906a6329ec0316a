// The declaration of transformer; models/transformer.hpp brings its definition.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/blocks/transformer_block.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/names.hpp"
#include "limbeck/models/parameter_sharing.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/placed_batch.hpp"
#include "limbeck/models/token_batch.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck {

/// The sizes of a model. Throws nothing; transformer's constructor checks them.
struct transformer_sizes {
  index vocabulary = 0, positions = 512;
  index types = 2;  ///< token types; 0: none
  index layers = 0, width = 0, heads = 0, inner = 0;
  double epsilon = 1e-12;   ///< of layer norms
  std::int32_t pad_id = 0;  ///< its word vector is never trained; -1: none
  /// Weight sharing by construction: layer l looks at the weights that layer_sources[l] names. Empty: each at its own.
  std::vector<layer_source> layer_sources{};
};

/// Word, position and type embeddings, `layers` blocks, and, in pre-norm models, a last norm. Holds no weights: where
/// they lie was declared in a parameter_table, and every call is given the buffer.
template <class Placement = post_norm, class Mask = bidirectional_mask, class Activation = gelu>
class transformer {
 public:
  using block_type = transformer_block<Placement, Mask, Activation>;

  /// Declares the parameters. Throws contract_error for sizes that make no model.
  transformer(transformer_sizes sizes, const model_names& names, parameter_table& table);

  [[nodiscard]] const transformer_sizes& sizes() const { return sizes_; }
  [[nodiscard]] slot word_embeddings() const { return word_; }

  /// What a pass leaves behind for its backward pass.
  template <class T, backend B = cpu>
  struct kept {
    norm::kept<T, B> embedding_norm;
    per_layer<view<T, 2, B>> input;  ///< of each layer, [tokens, width]
    per_layer<typename block_type::template kept<T, B>> layer;
    norm::kept<T, B> final_norm;
  };

  /// Adds to a batch on the host what the stack needs beside its layout: positions, and places of maps that are read.
  void complete(placed_batch<cpu>& batch, signal_set reads, arena& memory) const;

  /// Runs the stack and fills the members of `seen` that `reads` names. Returns the last hidden state, [tokens, width],
  /// in `memory`; where the layout is narrowed, and nothing of the layers is read, the last layer answers for those
  /// tokens alone. An inference holds two layers at a time, and the signals that are read.
  template <launchable E, class T, backend B = backend_of<E>>
  view<T, 2, B> forward(const E& on, view<const T, 1, B> weights, const placed_batch<B>& batch, const pass_mode& mode,
                        signal_set reads, basic_arena<B>& memory, kept<T, B>& k, signals<T, B>& seen) const;

  /// From the gradient with respect to the last hidden state (`d` [tokens, width], of which a narrowed layout fills the
  /// first rows; used up) and to the signals (`wanted`, members may be empty) to that of the parameters, added to
  /// `gradient`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, view<const T, 1, B> weights, const placed_batch<B>& batch, const pass_mode& mode,
                const kept<T, B>& k, const signals<T, B>& wanted, view<T, 2, B> d, view<T, 1, B> gradient,
                basic_arena<B>& memory) const;

 private:
  struct layer_slots {
    slot qkv, qkv_bias, out, out_bias, attention_gain, attention_bias, w1, b1, w2, b2, output_gain, output_bias;
    bool exchanged = false;  // queries are made with the weights of keys, and keys with those of queries
  };
  static constexpr std::uint32_t embedding_site = 0x1000;

  layer_slots declare_layer(const layer_names& names, parameter_table& table) const;
  [[nodiscard]] block_type layer_block(std::size_t layer) const {
    return {{sizes_.width, sizes_.heads, layers_[layer].exchanged},
            {sizes_.width, sizes_.inner},
            {sizes_.width, sizes_.epsilon},
            {sizes_.width, sizes_.epsilon}};
  }
  [[nodiscard]] norm layer_norm() const { return {sizes_.width, sizes_.epsilon}; }
  /// The row of the type that every token is of in a batch without types.
  template <class T, backend B>
  [[nodiscard]] view<T, 1, B> first_type(view<T, 1, B> flat) const {
    return view<T, 1, B>(flat.data() + type_.offset, sizes_.width);
  }

  template <class T, backend B>
  [[nodiscard]] view<T, 2, B> linear_weight(const slot& s, view<T, 1, B> flat) const {
    return transposed_ ? transposed(s.matrix(flat)) : s.matrix(flat);
  }
  template <class T, backend B>
  [[nodiscard]] typename block_type::template parameters<T, B> look_at(std::size_t layer, view<T, 1, B> flat) const;

  template <class E, class T, backend B>
  view<T, 2, B> embed(const E& on, view<const T, 1, B> weights, const placed_batch<B>& batch, const pass_mode& mode,
                      basic_arena<B>& memory, kept<T, B>& k) const;
  template <class E, class T, backend B>
  void embed_backward(const E& on, view<const T, 1, B> weights, const token_batch<B>& batch, const pass_mode& mode,
                      const kept<T, B>& k, view<T, 2, B> dembedded, view<T, 1, B> gradient) const;

  transformer_sizes sizes_;
  bool transposed_;
  slot word_, position_, type_, embedding_gain_, embedding_bias_, final_gain_, final_bias_;
  std::vector<layer_slots> layers_;
};

/// BERT's encoder (Devlin et al. 2019, arXiv:1810.04805).
using bert_encoder = transformer<post_norm, bidirectional_mask, gelu>;
/// GPT-2's decoder (Radford et al. 2019, "Language models are unsupervised multitask learners").
using gpt2_decoder = transformer<pre_norm, causal_mask, gelu_tanh>;

}  // namespace limbeck
