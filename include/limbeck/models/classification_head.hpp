// From the first token of each sample to the scores of classes, or to a number.
#pragma once

#include <algorithm>
#include <cstdint>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/names.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/models/token_batch.hpp"
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
  template <class T>
  struct kept {
    view<const T, 2> first;  ///< the hidden state itself where its rows are first tokens already
    view<T, 2> before, pooled;
  };

  /// Fills seen.logits [samples, classes] from the last hidden state [tokens, width].
  template <launchable E, class T>
  void forward(const E& on, view<const T, 1> weights, const token_batch<>&, const batch_layout<>& layout,
               const pass_mode& mode, view<const T, 2> hidden, arena& memory, kept<T>& k, signals<T>& seen) const {
    const index samples = layout.rows.extent(0);
    k = {row_a_sample(layout) ? hidden : first_tokens(layout, hidden, memory), memory.matrix<T>(samples, width_),
         memory.matrix<T>(samples, width_)};
    ops::linear(on, k.first, pooler_.matrix(weights), pooler_bias_.vector(weights), k.before);
    with_activation([&](const auto& f) { ops::transform(on, f, read_only(k.before), k.pooled); });
    ops::dropout(on, mode.dropout, mode.at(site), k.pooled);
    seen.logits = memory.matrix<T>(samples, classes_);
    ops::linear(on, read_only(k.pooled), classifier_.matrix(weights), classifier_bias_.vector(weights), seen.logits);
  }

  /// Writes d hidden from d logits, 0 where no logit looks; adds the gradients of the parameters.
  template <launchable E, class T>
  void backward(const E& on, view<const T, 1> weights, const token_batch<>&, const batch_layout<>& layout,
                const pass_mode& mode, const kept<T>& k, view<const T, 2> dlogits, view<T, 2> dhidden,
                view<T, 1> gradient, arena& memory) const {
    const auto mark = memory.here();
    const index samples = layout.rows.extent(0);
    const bool gathered = row_a_sample(layout);
    const view<T, 2> d = memory.matrix<T>(samples, width_),
                     dfirst = gathered ? dhidden : memory.matrix<T>(samples, width_);
    ops::linear_backward(on, read_only(k.pooled), classifier_.matrix(weights), dlogits, classifier_.matrix(gradient),
                         classifier_bias_.vector(gradient), d);
    ops::dropout(on, mode.dropout, mode.at(site), d);
    with_activation([&](const auto& f) { ops::transform_backward(on, f, read_only(k.before), read_only(d), d); });
    ops::linear_backward(on, k.first, pooler_.matrix(weights), read_only(d), pooler_.matrix(gradient),
                         pooler_bias_.vector(gradient), dfirst);
    if (!gathered) return_first_tokens(on, layout, read_only(dfirst), dhidden);
    memory.rewind(mark);
  }

 private:
  /// [samples, width]; 0 for a sample without a token, which gather_rows() cannot give.
  template <class T>
  view<const T, 2> first_tokens(const batch_layout<>& layout, view<const T, 2> hidden, arena& memory) const {
    const view<T, 2> first = memory.matrix<T>(layout.rows.extent(0), width_);
    for (index i = 0; i < first.extent(0); ++i)
      if (layout.rows(i).length > 0)
        std::copy_n(&hidden(layout.rows(i).begin, 0), width_, &first(i, 0));
      else
        std::fill_n(&first(i, 0), width_, T(0));
    return first;
  }
  /// The way back; the other rows get 0.
  template <class E, class T>
  void return_first_tokens(const E& on, const batch_layout<>& layout, view<const T, 2> dfirst,
                           view<T, 2> dhidden) const {
    ops::fill(on, T(0), dhidden);
    for (index i = 0; i < dfirst.extent(0); ++i)
      if (layout.rows(i).length > 0) std::copy_n(&dfirst(i, 0), width_, &dhidden(layout.rows(i).begin, 0));
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
