// From the first token of each sample to the scores of classes, or to a number.
#pragma once

#include <cstdint>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/head_rows.hpp"
#include "limbeck/models/names.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/ops/activation.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck {

/// What follows the pooler: tanh in BERT, relu in DistilBERT. A choice at run time, so that one type serves both.
enum class pooling { tanh, relu };

/// logits = classifier(dropout(activation(pooler(first token)))): a row a sample. A regressor has one class.
class classification_head {
 public:
  static constexpr bool reads_first_tokens = true;  ///< of the last hidden state, and no others
  static constexpr bool reads_words = false;  ///< the word embeddings: their gradient is of the batch's tokens alone

  /// Declares pooler [width, width] and classifier [classes, width].
  classification_head(index width, index classes, pooling activation, const model_names& names, parameter_table& table)
      : width_(width), classes_(classes), activation_(activation) {
    expects(classes > 0, "classification_head: needs a class");
    pooler_ = table.declare(names.pooler_weight, width, width);
    pooler_bias_ = table.declare(names.pooler_bias, width, 0, initial::zero);
    classifier_ = table.declare(names.classifier_weight, classes, width);
    classifier_bias_ = table.declare(names.classifier_bias, classes, 0, initial::zero);
  }

  [[nodiscard]] index classes() const { return classes_; }

  /// What the backward pass needs, [samples, width] each.
  template <class T, backend B = cpu>
  struct kept {
    view<const T, 2, B> first;  ///< the hidden state itself where its rows are first tokens already
    view<T, 2, B> before, pooled;
  };

  /// The rows of the last hidden state that forward() reads.
  [[nodiscard]] static head_rows<cpu> rows_of(const token_batch<cpu>&, const batch_layout<cpu>& layout, arena& memory) {
    return first_rows_of(layout, memory);
  }

  /// Fills seen.logits [samples, classes] from the last hidden state [tokens, width].
  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, view<const T, 1, B> weights, const head_rows<B>& rows, const pass_mode& mode,
               view<const T, 2, B> hidden, basic_arena<B>& memory, kept<T, B>& k, signals<T, B>& seen) const {
    k = {first_tokens(on, rows, hidden, memory), memory.template matrix<T>(rows.samples, width_),
         memory.template matrix<T>(rows.samples, width_)};
    ops::linear(on, k.first, pooler_.matrix(weights), pooler_bias_.vector(weights), k.before);
    with_activation([&](const auto& f) { ops::transform(on, f, read_only(k.before), k.pooled); });
    ops::dropout(on, mode.dropout, mode.at(site), k.pooled);
    seen.logits = memory.template matrix<T>(rows.samples, classes_);
    ops::linear(on, read_only(k.pooled), classifier_.matrix(weights), classifier_bias_.vector(weights), seen.logits);
  }

  /// Writes d hidden from d logits, 0 where no logit looks; adds the gradients of the parameters.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, view<const T, 1, B> weights, const head_rows<B>& rows, const pass_mode& mode,
                const kept<T, B>& k, view<const T, 2, B> dlogits, view<T, 2, B> dhidden, view<T, 1, B> gradient,
                basic_arena<B>& memory) const {
    const auto mark = memory.here();
    const view<T, 2, B> d = memory.template matrix<T>(rows.samples, width_),
                        dfirst = rows.all ? dhidden : memory.template matrix<T>(rows.samples, width_);
    ops::linear_backward(on, read_only(k.pooled), classifier_.matrix(weights), dlogits, classifier_.matrix(gradient),
                         classifier_bias_.vector(gradient), d);
    ops::dropout(on, mode.dropout, mode.at(site), d);
    with_activation([&](const auto& f) { ops::transform_backward(on, f, read_only(k.before), read_only(d), d); });
    ops::linear_backward(on, k.first, pooler_.matrix(weights), read_only(d), pooler_.matrix(gradient),
                         pooler_bias_.vector(gradient), dfirst);
    if (!rows.all) detail::return_rows(on, rows, of_taken(on, rows, read_only(dfirst), memory), dhidden);
    memory.rewind(mark);
  }

 private:
  /// [samples, width]; 0 for a sample without a token.
  template <class E, class T, backend B>
  static view<const T, 2, B> first_tokens(const E& on, const head_rows<B>& rows, view<const T, 2, B> hidden,
                                          basic_arena<B>& memory) {
    const view<const T, 2, B> taken = detail::take_rows(on, rows, hidden, memory);
    if (taken.extent(0) == rows.samples) return taken;
    const view<T, 2, B> first = memory.template matrix<T>(rows.samples, hidden.extent(1));
    ops::fill(on, T(0), first);
    ops::scatter_rows(on, taken, rows.sample_of_row, first);
    return first;
  }
  /// Of a row for each sample those that were taken from tokens.
  template <class E, class T, backend B>
  static view<const T, 2, B> of_taken(const E& on, const head_rows<B>& rows, view<const T, 2, B> dfirst,
                                      basic_arena<B>& memory) {
    if (rows.tokens.extent(0) == rows.samples) return dfirst;
    const view<T, 2, B> dtaken = memory.template matrix<T>(rows.tokens.extent(0), dfirst.extent(1));
    ops::gather_rows(on, dfirst, rows.sample_of_row, dtaken);
    return dtaken;
  }
  void with_activation(const auto& use) const {
    if (activation_ == pooling::tanh)
      use(hyperbolic_tangent{});
    else
      use(relu{});
  }

  static constexpr std::uint32_t site = 0x1001;
  index width_, classes_;
  pooling activation_;
  slot pooler_, pooler_bias_, classifier_, classifier_bias_;
};

}  // namespace limbeck
