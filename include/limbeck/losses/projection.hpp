// How a student's hidden state is brought to the teacher's width.
#pragma once

#include "limbeck/core/view.hpp"

namespace limbeck {

/// The student's hidden state as it is: the widths must agree.
struct no_projection {};

/// y = h W' + b, learned with the student and thrown away after training. Looks at memory that the caller owns, best a
/// piece of the student's flat buffers, so that the optimiser, clipping and checkpoints see it. Several losses may look
/// at one projection: TinyBERT's released code shares one for the embeddings and every layer.
template <class T, backend B = cpu>
struct linear_projection {
  view<const T, 2, B> weight{};     ///< [teacher width, student width]
  view<const T, 1, B> bias{};       ///< [teacher width]; empty: none
  view<T, 2, B> weight_gradient{};  ///< added to; empty: not wanted
  view<T, 1, B> bias_gradient{};
};

}  // namespace limbeck
