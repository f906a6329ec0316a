// The forward and backward pass of a transformer. Part of transformer.hpp.
#pragma once

#include "limbeck/models/attention_maps.hpp"
#include "limbeck/models/transformer_class.hpp"

namespace limbeck {
namespace detail {

/// What losses want of one layer; what is empty in `wanted` stays empty.
template <class T, backend B>
attention_wishes<T, B> wishes_of(const signals<T, B>& wanted, std::size_t layer) {
  attention_wishes<T, B> out;
  if (!wanted.scores.empty()) out.scores = wanted.scores[layer];
  if (!wanted.probabilities.empty()) out.probabilities = wanted.probabilities[layer];
  if (!wanted.queries.empty()) out.queries = wanted.queries[layer];
  if (!wanted.keys.empty()) out.keys = wanted.keys[layer];
  if (!wanted.values.empty()) out.values = wanted.values[layer];
  return out;
}

}  // namespace detail

template <class P, class M, class A>
void transformer<P, M, A>::complete(placed_batch<cpu>& batch, signal_set reads, arena& memory) const {
  const batch_layout<>& layout = batch.layout;
  expects(layout.longest <= sizes_.positions || !batch.tokens.positions.empty(), [&] {
    return message("transformer: a sample has ", layout.longest, " tokens, the model ", sizes_.positions, " positions");
  });
  if (batch.tokens.positions.empty()) batch.tokens.positions = counted_positions(layout, memory);
  if (has(reads, signal::scores | signal::probabilities))
    batch.maps = detail::places_of_maps(layout.rows, sizes_.heads, memory);
}

template <class P, class M, class A>
template <class E, class T, backend B>
view<T, 2, B> transformer<P, M, A>::embed(const E& on, view<const T, 1, B> weights, const placed_batch<B>& batch,
                                          const pass_mode& mode, basic_arena<B>& memory, kept<T, B>& k) const {
  const token_batch<B>& tokens = batch.tokens;
  const view<T, 2, B> x = memory.template matrix<T>(batch.layout.tokens, sizes_.width);
  ops::gather_rows(on, word_.matrix(weights), tokens.ids, x);
  ops::gather_rows(on, position_.matrix(weights), tokens.positions, x, true);
  if (sizes_.types > 0) {
    if (tokens.types.empty())
      ops::add_to_rows(on, first_type(weights), x);
    else
      ops::gather_rows(on, type_.matrix(weights), tokens.types, x, true);
  }
  if (embedding_gain_.rows > 0) {
    k.embedding_norm = layer_norm().template keep<T>(memory, batch.layout.tokens, mode.keeps);
    layer_norm().forward(on, {embedding_gain_.vector(weights), embedding_bias_.vector(weights)}, read_only(x),
                         k.embedding_norm, x);
  }
  ops::dropout(on, mode.dropout, mode.at(embedding_site), x);
  return x;
}

template <class P, class M, class A>
template <class E, class T, backend B>
void transformer<P, M, A>::embed_backward(const E& on, view<const T, 1, B> weights, const token_batch<B>& batch,
                                          const pass_mode& mode, const kept<T, B>& k, view<T, 2, B> dx,
                                          view<T, 1, B> gradient) const {
  ops::dropout(on, mode.dropout, mode.at(embedding_site), dx);
  if (embedding_gain_.rows > 0)
    layer_norm().backward(on, {embedding_gain_.vector(weights), embedding_bias_.vector(weights)}, k.embedding_norm,
                          read_only(dx), {embedding_gain_.vector(gradient), embedding_bias_.vector(gradient)}, dx);
  ops::scatter_rows(on, read_only(dx), batch.ids, word_.matrix(gradient), sizes_.pad_id);
  ops::scatter_rows(on, read_only(dx), batch.positions, position_.matrix(gradient));
  if (sizes_.types > 0) {
    if (batch.types.empty())
      ops::add_column_sums(on, read_only(dx), first_type(gradient));
    else
      ops::scatter_rows(on, read_only(dx), batch.types, type_.matrix(gradient));
  }
}

template <class P, class M, class A>
template <launchable E, class T, backend B>
view<T, 2, B> transformer<P, M, A>::forward(const E& on, view<const T, 1, B> weights, const placed_batch<B>& batch,
                                            const pass_mode& mode, signal_set reads, basic_arena<B>& memory,
                                            kept<T, B>& k, signals<T, B>& seen) const {
  const auto layers = static_cast<std::size_t>(sizes_.layers);
  const batch_layout<B>& layout = batch.layout;
  const auto maps = [&](signal_set which, per_layer<square_blocks<T, B>>& all, std::size_t layer) {
    if (!has(reads, which)) return square_blocks<T, B>{};
    if (all.empty()) all = per_layer<square_blocks<T, B>>(layers);
    return all[layer] = detail::maps_at<T>(batch.maps, sizes_.heads, M::causal, memory);
  };
  k.input = per_layer<view<T, 2, B>>(layers);
  k.layer = per_layer<typename block_type::template kept<T, B>>(layers);
  if (has(reads, signal::hidden)) seen.hidden = per_layer<view<T, 2, B>>(layers);
  for (auto* which : {&seen.queries, &seen.keys, &seen.values})
    if (has(reads, signal::queries | signal::keys | signal::values)) *which = per_layer<view<T, 2, B>>(layers);
  const bool qkv_stays = !seen.queries.empty();

  view<T, 2, B> x = embed(on, weights, batch, mode, memory, k);
  if (has(reads, signal::embeddings)) seen.embeddings = x;
  const bool stays = mode.keeps || has(reads, signal::hidden);
  view<T, 2, B> spare[2];
  for (auto& s : spare)
    if (!stays) s = memory.template matrix<T>(layout.tokens, sizes_.width);
  for (std::size_t l = 0; l < layers; ++l) {
    const attention_maps<T, B> kept_maps{maps(signal::scores, seen.scores, l),
                                         maps(signal::probabilities, seen.probabilities, l)};
    const batch_layout<B> here = l + 1 < layers ? layout.whole() : layout;
    const view<T, 2, B> y =
        stays ? memory.template matrix<T>(here.answers(), sizes_.width) : row_block(spare[l % 2], 0, here.answers());
    const view<T, 2, B> qkv =
        qkv_stays && !mode.keeps ? memory.template matrix<T>(layout.tokens, 3 * sizes_.width) : view<T, 2, B>{};
    const auto mark = memory.here();
    k.input[l] = x;
    k.layer[l] = layer_block(l).template keep<T>(memory, here, mode.keeps);
    if (!qkv.empty()) k.layer[l].attention.qkv = qkv;
    layer_block(l).forward(on, look_at(l, weights), here, mode, static_cast<std::uint32_t>(l) * block_type::sites,
                           read_only(x), k.layer[l], kept_maps, memory, y);
    if (qkv_stays) {
      seen.queries[l] = k.layer[l].attention.third(0);
      seen.keys[l] = k.layer[l].attention.third(1);
      seen.values[l] = k.layer[l].attention.third(2);
    }
    if (!mode.keeps) memory.rewind(mark);
    x = y;
    if (!seen.hidden.empty()) seen.hidden[l] = y;
  }
  if (final_gain_.rows > 0) {
    const view<T, 2, B> normed = memory.template matrix<T>(layout.answers(), sizes_.width);
    k.final_norm = layer_norm().template keep<T>(memory, layout.answers(), mode.keeps);
    layer_norm().forward(on, {final_gain_.vector(weights), final_bias_.vector(weights)}, read_only(x), k.final_norm,
                         normed);
    x = normed;
    if (!seen.hidden.empty()) seen.hidden[layers - 1] = normed;
  }
  seen.rows = layout.rows;
  return x;
}

template <class P, class M, class A>
template <launchable E, class T, backend B>
void transformer<P, M, A>::backward(const E& on, view<const T, 1, B> weights, const placed_batch<B>& batch,
                                    const pass_mode& mode, const kept<T, B>& k, const signals<T, B>& wanted,
                                    view<T, 2, B> d, view<T, 1, B> gradient, basic_arena<B>& memory) const {
  const batch_layout<B>& layout = batch.layout;
  const auto mark = memory.here();
  const auto layers = static_cast<std::size_t>(sizes_.layers);
  if (!wanted.hidden.empty()) ops::add(on, read_only(wanted.hidden[layers - 1]), d);
  const view<T, 2, B> last = row_block(d, 0, layout.answers());
  if (final_gain_.rows > 0)
    layer_norm().backward(on, {final_gain_.vector(weights), final_bias_.vector(weights)}, k.final_norm, read_only(last),
                          {final_gain_.vector(gradient), final_bias_.vector(gradient)}, last);
  for (std::size_t l = layers; l-- > 0;) {
    layer_block(l).backward(on, look_at(l, weights), l + 1 < layers ? layout.whole() : layout, mode,
                            static_cast<std::uint32_t>(l) * block_type::sites, read_only(k.input[l]), k.layer[l],
                            detail::wishes_of(wanted, l), look_at(l, gradient), memory, d);
    if (l > 0 && !wanted.hidden.empty()) ops::add(on, read_only(wanted.hidden[l - 1]), d);
  }
  if (!wanted.embeddings.empty()) ops::add(on, read_only(wanted.embeddings), d);
  embed_backward(on, weights, batch.tokens, mode, k, d, gradient);
  memory.rewind(mark);
}

}  // namespace limbeck
