// From tokens to the scores of words, with the word embeddings as output matrix.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/norm.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/head_rows.hpp"
#include "limbeck/models/names.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/ops/activation.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck {

/// logits = hidden E', E the word embeddings: GPT-2's language head. A row a token of token_batch::logit_tokens.
class language_head {
 public:
  static constexpr bool reads_first_tokens = false;  ///< but those of token_batch::logit_tokens
  static constexpr bool reads_words = true;          ///< all of them: every word embedding has a gradient

  explicit language_head(slot word_embeddings) : words_(word_embeddings) {}

  [[nodiscard]] index classes() const { return words_.rows; }

  template <class T, backend B = cpu>
  struct kept {
    view<const T, 2, B> rows;
  };

  /// The rows of the last hidden state that forward() reads.
  [[nodiscard]] static head_rows<cpu> rows_of(const token_batch<cpu>& batch, const batch_layout<cpu>& layout,
                                              arena& memory) {
    return logit_rows_of(batch, layout, memory);
  }

  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, view<const T, 1, B> weights, const head_rows<B>& rows, const pass_mode&,
               view<const T, 2, B> hidden, basic_arena<B>& memory, kept<T, B>& k, signals<T, B>& seen) const {
    k.rows = detail::take_rows(on, rows, hidden, memory);
    seen.row_sample = rows.sample_of_row;
    seen.logits = memory.template matrix<T>(k.rows.extent(0), words_.rows);
    ops::linear(on, k.rows, words_.matrix(weights), {}, seen.logits);
  }

  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, view<const T, 1, B> weights, const head_rows<B>& rows, const pass_mode&,
                const kept<T, B>& k, view<const T, 2, B> dlogits, view<T, 2, B> dhidden, view<T, 1, B> gradient,
                basic_arena<B>& memory) const {
    const auto mark = memory.here();
    const view<T, 2, B> drows = memory.template matrix<T>(k.rows.extent(0), words_.columns);
    ops::linear_backward(on, k.rows, words_.matrix(weights), dlogits, words_.matrix(gradient), {}, drows);
    detail::return_rows(on, rows, read_only(drows), dhidden);
    memory.rewind(mark);
  }

 private:
  slot words_;
};

/// logits = norm(gelu(transform(hidden))) E' + bias: BERT's masked language model head.
class masked_language_head {
 public:
  static constexpr bool reads_first_tokens = false, reads_words = true;  ///< as language_head

  /// Declares transform [width, width], its norm, and a bias a word.
  masked_language_head(slot word_embeddings, double epsilon, const model_names& names, parameter_table& table)
      : words_(word_embeddings), norm_{word_embeddings.columns, epsilon} {
    const index width = words_.columns;
    transform_ = table.declare(names.transform_weight, width, width);
    transform_bias_ = table.declare(names.transform_bias, width, 0, initial::zero);
    gain_ = table.declare(names.transform_gain, width, 0, initial::one);
    norm_bias_ = table.declare(names.transform_norm_bias, width, 0, initial::zero);
    bias_ = table.declare(names.vocabulary_bias, words_.rows, 0, initial::zero);
  }

  [[nodiscard]] index classes() const { return words_.rows; }

  template <class T, backend B = cpu>
  struct kept {
    view<const T, 2, B> rows;
    view<T, 2, B> before, transformed;
    norm::kept<T, B> normed;
  };

  /// The rows of the last hidden state that forward() reads.
  [[nodiscard]] static head_rows<cpu> rows_of(const token_batch<cpu>& batch, const batch_layout<cpu>& layout,
                                              arena& memory) {
    return logit_rows_of(batch, layout, memory);
  }

  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, view<const T, 1, B> weights, const head_rows<B>& rows, const pass_mode&,
               view<const T, 2, B> hidden, basic_arena<B>& memory, kept<T, B>& k, signals<T, B>& seen) const {
    k.rows = detail::take_rows(on, rows, hidden, memory);
    const index count = k.rows.extent(0), width = words_.columns;
    k.before = memory.template matrix<T>(count, width);
    k.transformed = memory.template matrix<T>(count, width);
    k.normed = norm_.template keep<T>(memory, count);
    ops::matmul(on, k.rows, transposed(transform_.matrix(weights)), k.before);
    ops::transform_biased(on, gelu{}, transform_bias_.vector(weights), k.before, k.transformed);
    norm_.forward(on, {gain_.vector(weights), norm_bias_.vector(weights)}, read_only(k.transformed), k.normed,
                  k.transformed);
    seen.row_sample = rows.sample_of_row;
    seen.logits = memory.template matrix<T>(count, words_.rows);
    ops::linear(on, read_only(k.transformed), words_.matrix(weights), bias_.vector(weights), seen.logits);
  }

  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, view<const T, 1, B> weights, const head_rows<B>& rows, const pass_mode&,
                const kept<T, B>& k, view<const T, 2, B> dlogits, view<T, 2, B> dhidden, view<T, 1, B> gradient,
                basic_arena<B>& memory) const {
    const auto mark = memory.here();
    const view<T, 2, B> d = memory.template matrix<T>(k.rows.extent(0), words_.columns);
    const view<T, 2, B> drows = memory.template matrix<T>(k.rows.extent(0), words_.columns);
    ops::linear_backward(on, read_only(k.transformed), words_.matrix(weights), dlogits, words_.matrix(gradient),
                         bias_.vector(gradient), d);
    norm_.backward(on, {gain_.vector(weights), norm_bias_.vector(weights)}, k.normed, read_only(d),
                   {gain_.vector(gradient), norm_bias_.vector(gradient)}, d);
    ops::transform_backward(on, gelu{}, read_only(k.before), read_only(d), d);
    ops::linear_backward(on, k.rows, transform_.matrix(weights), read_only(d), transform_.matrix(gradient),
                         transform_bias_.vector(gradient), drows);
    detail::return_rows(on, rows, read_only(drows), dhidden);
    memory.rewind(mark);
  }

 private:
  slot words_, transform_, transform_bias_, gain_, norm_bias_, bias_;
  norm norm_;
};

}  // namespace limbeck
