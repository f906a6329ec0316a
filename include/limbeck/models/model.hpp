// A transformer with a head: what a loss sees of it, and what flows back.
#pragma once

#include <concepts>
#include <utility>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/classification_head.hpp"
#include "limbeck/models/language_head.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/placed_batch.hpp"
#include "limbeck/models/token_batch.hpp"
#include "limbeck/models/transformer.hpp"

namespace limbeck {

/// A backbone and a head over one flat buffer of parameters, which the caller owns: a buffer of parameters().size()
/// elements serves weights, gradients and moments alike. One instance may be used by several passes at once.
template <class Backbone, class Head>
class model {
 public:
  /// What one forward pass left: kept from pass to pass, so that a step allocates nothing after the first. Not for two
  /// passes at a time.
  template <class T, backend B = cpu>
  struct pass {
    pass() = default;
    /// In the memory that `on` works on; on a device the only way to make one.
    template <class E>
      requires std::same_as<backend_of<E>, B>
    explicit pass(const E& on) : memory(on) {}

    basic_arena<B> memory;
    typename basic_arena<B>::mark placed{};  ///< where the memory of the batch ends
    batch_mover<B> mover;
    pass_mode mode;
    signal_set reads = signal::none;
    placed_batch<B> batch;
    typename Backbone::template kept<T, B> backbone;
    typename Head::template kept<T, B> head;
    signals<T, B> seen;      ///< what was read
    signals<T, B> gradient;  ///< of a pass that keeps: with respect to `seen`, 0 at first, for losses to add to
  };

  /// `table` is the one in which backbone and head were declared; more may be declared behind them.
  model(Backbone backbone, Head head, parameter_table table)
      : backbone_(std::move(backbone)), head_(std::move(head)), table_(std::move(table)) {}

  [[nodiscard]] const parameter_table& parameters() const { return table_; }
  [[nodiscard]] const Backbone& backbone() const { return backbone_; }
  [[nodiscard]] const Head& head() const { return head_; }

  /// Runs the model and returns the signals that `reads` names, as views into `p`, valid until its next pass. Where
  /// nothing of the layers is read, the last one computes what the head looks at and no more. Throws contract_error
  /// where the batch does not fit the model. The same as place(), then run().
  template <launchable E, class T, backend B = backend_of<E>>
  signals<const T, B> forward(const E& on, view<const T, 1, B> weights, const token_batch<>& batch, signal_set reads,
                              const pass_mode& mode, pass<T, B>& p) const {
    place(on, batch, reads, p);
    return run(on, weights, mode, p);
  }

  /// The first half of forward(): looks at the batch, which lies on the host, and brings it to where the model works.
  /// The arrays of a batch on the host must live until the pass is done, those for a device until this returns.
  template <launchable E, class T, backend B = backend_of<E>>
  void place(const E& on, const token_batch<>& batch, signal_set reads, pass<T, B>& p) const {
    p.memory.reset();
    p.reads = reads;
    p.batch = p.mover(on, p.memory, [&](arena& memory) {
      placed_batch<cpu> placed{.tokens = batch, .layout = layout_of(batch)};
      backbone_.complete(placed, reads, memory);
      if (first_tokens_do() && !has(reads, signal::of_layers)) placed.layout = first_tokens_of(placed.layout, memory);
      if (has(reads, signal::logits)) placed.head = head_.rows_of(batch, placed.layout.output(), memory);
      return placed;
    });
    p.placed = p.memory.here();
  }

  /// The second half, as often as wanted for one batch: it looks at nothing but what is placed, so that on a device it
  /// may be captured as a graph.
  template <launchable E, class T, backend B = backend_of<E>>
  signals<const T, B> run(const E& on, view<const T, 1, B> weights, const pass_mode& mode, pass<T, B>& p) const {
    expects(weights.extent(0) >= table_.size(),
            [&] { return message("model: ", weights.extent(0), " weights given, ", table_.size(), " needed"); });
    p.memory.rewind(p.placed);
    p.mode = mode;
    p.seen = {};
    p.gradient = {};
    const view<T, 2, B> last = backbone_.forward(on, weights, p.batch, mode, p.reads, p.memory, p.backbone, p.seen);
    if (has(p.reads, signal::logits))
      head_.forward(on, weights, p.batch.head, mode, read_only(last), p.memory, p.head, p.seen);
    if (mode.keeps) p.gradient = zero_like(on, p.seen, p.batch.maps, p.memory);
    return p.seen;
  }

  /// From p.gradient, filled by losses, to the gradient of the parameters, which is added to `gradient`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, view<const T, 1, B> weights, pass<T, B>& p, view<T, 1, B> gradient) const {
    expects(p.mode.keeps, "model: backward() after a pass that kept nothing");
    const auto mark = p.memory.here();
    const view<T, 2, B> dlast = p.memory.template matrix<T>(p.batch.layout.tokens, backbone_.sizes().width);
    const view<T, 2, B> dhidden = row_block(dlast, 0, p.batch.layout.answers());
    if (p.gradient.logits.empty())
      ops::fill(on, T(0), dhidden);
    else
      head_.backward(on, weights, p.batch.head, p.mode, p.head, read_only(p.gradient.logits), dhidden, gradient,
                     p.memory);
    backbone_.backward(on, weights, p.batch, p.mode, p.backbone, p.gradient, dlast, gradient, p.memory);
    p.memory.rewind(mark);
  }

 private:
  /// Whether the head looks at first tokens alone; one that does not say so may look at all.
  [[nodiscard]] static constexpr bool first_tokens_do() {
    if constexpr (requires { Head::reads_first_tokens; })
      return Head::reads_first_tokens;
    else
      return false;
  }
  template <class E, class T, backend B>
  static signals<T, B> zero_like(const E& on, const signals<T, B>& seen, const detail::map_places<B>& places,
                                 basic_arena<B>& memory);

  Backbone backbone_;
  Head head_;
  parameter_table table_;
};

template <class Backbone, class Head>
template <class E, class T, backend B>
signals<T, B> model<Backbone, Head>::zero_like(const E& on, const signals<T, B>& seen,
                                               const detail::map_places<B>& places, basic_arena<B>& memory) {
  signals<T, B> zero;
  const auto matrix = [&](const view<T, 2, B>& like, view<T, 2, B>& out) {
    if (like.empty()) return;
    out = memory.template matrix<T>(like.extent(0), like.extent(1));
    ops::fill(on, T(0), out);
  };
  const auto matrices = [&](const per_layer<view<T, 2, B>>& like, per_layer<view<T, 2, B>>& out) {
    out = per_layer<view<T, 2, B>>(like.size());
    for (std::size_t l = 0; l < like.size(); ++l) matrix(like[l], out[l]);
  };
  const auto maps = [&](const per_layer<square_blocks<T, B>>& like, per_layer<square_blocks<T, B>>& out) {
    out = per_layer<square_blocks<T, B>>(like.size());
    for (std::size_t l = 0; l < like.size(); ++l) {
      out[l] = detail::maps_at<T>(places, like[l].heads, like[l].causal, memory);
      ops::fill(on, T(0), view<T, 1, B>(out[l].data, places.elements));
    }
  };
  zero.row_sample = seen.row_sample;
  zero.valid_classes = seen.valid_classes;
  zero.rows = seen.rows;
  matrix(seen.logits, zero.logits);
  matrix(seen.embeddings, zero.embeddings);
  matrices(seen.hidden, zero.hidden);
  matrices(seen.queries, zero.queries);
  matrices(seen.keys, zero.keys);
  matrices(seen.values, zero.values);
  maps(seen.scores, zero.scores);
  maps(seen.probabilities, zero.probabilities);
  return zero;
}

/// A classifier or, with one class, a regressor, of BERT's or of DistilBERT's layout.
using bert_classifier = model<bert_encoder, classification_head>;
using bert_masked_language_model = model<bert_encoder, masked_language_head>;
using gpt2_language_model = model<gpt2_decoder, language_head>;

/// A classifier with the parameters that `names` gives it.
[[nodiscard]] inline bert_classifier make_classifier(const transformer_sizes& sizes, index classes, pooling activation,
                                                     const model_names& names) {
  parameter_table table;
  bert_encoder encoder(sizes, names, table);
  const classification_head head(sizes.width, classes, activation, names, table);
  return {std::move(encoder), head, std::move(table)};
}
[[nodiscard]] inline bert_classifier make_bert_classifier(const transformer_sizes& sizes, index classes) {
  return make_classifier(sizes, classes, pooling::tanh, bert_names());
}
/// DistilBERT's layout (Sanh et al. 2019, arXiv:1910.01108) has no token types.
[[nodiscard]] inline bert_classifier make_distilbert_classifier(transformer_sizes sizes, index classes) {
  sizes.types = 0;
  return make_classifier(sizes, classes, pooling::relu, distilbert_names());
}
/// A masked language model with the parameters that `names` gives it.
[[nodiscard]] inline bert_masked_language_model make_masked_language_model(const transformer_sizes& sizes,
                                                                           const model_names& names) {
  parameter_table table;
  bert_encoder encoder(sizes, names, table);
  const masked_language_head head(encoder.word_embeddings(), sizes.epsilon, names, table);
  return {std::move(encoder), head, std::move(table)};
}
[[nodiscard]] inline bert_masked_language_model make_bert_masked_language_model(const transformer_sizes& sizes) {
  return make_masked_language_model(sizes, bert_names());
}
/// A causal language model of GPT-2's layout. No token types, and no word is left untrained.
[[nodiscard]] inline gpt2_language_model make_gpt2_language_model(transformer_sizes sizes) {
  sizes.types = 0;
  sizes.pad_id = -1;
  parameter_table table;
  gpt2_decoder decoder(sizes, gpt2_names(), table);
  const language_head head(decoder.word_embeddings());
  return {std::move(decoder), head, std::move(table)};
}

}  // namespace limbeck
