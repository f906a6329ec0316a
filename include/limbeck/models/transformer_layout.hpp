// Where a transformer's parameters lie. Part of transformer.hpp.
#pragma once

#include "limbeck/models/transformer_class.hpp"

namespace limbeck {

template <class P, class M, class A>
transformer<P, M, A>::transformer(transformer_sizes sizes, const model_names& names, parameter_table& table)
    : sizes_(std::move(sizes)), transposed_(names.transposed) {
  const auto& s = sizes_;
  expects(s.vocabulary > 0 && s.positions > 0 && s.layers > 0 && s.width > 0 && s.heads > 0 && s.inner > 0, [&] {
    return message("transformer: sizes must be positive: vocabulary ", s.vocabulary, ", positions ", s.positions,
                   ", layers ", s.layers, ", width ", s.width, ", heads ", s.heads, ", inner ", s.inner);
  });
  ops::attention_shape{.heads = s.heads}.check(s.width);
  expects(s.layers <= static_cast<index>(max_layers),
          [&] { return message("transformer: ", s.layers, " layers, at most ", max_layers); });
  expects(s.layer_sources.empty() || static_cast<index>(s.layer_sources.size()) == s.layers,
          [&] { return message("transformer: ", s.layer_sources.size(), " layer_sources for ", s.layers, " layers"); });
  word_ = table.declare(names.word, s.vocabulary, s.width);
  position_ = table.declare(names.position, s.positions, s.width);
  if (s.types > 0) type_ = table.declare(names.type, s.types, s.width);
  if (!names.embedding_gain.empty()) {
    embedding_gain_ = table.declare(names.embedding_gain, s.width, 0, initial::one);
    embedding_bias_ = table.declare(names.embedding_bias, s.width, 0, initial::zero);
  }
  for (index l = 0; l < s.layers; ++l) {
    const layer_source from = s.layer_sources.empty() ? layer_source{l} : s.layer_sources[static_cast<std::size_t>(l)];
    expects(from.layer >= 0 && from.layer <= l,
            [&] { return message("transformer: layer ", l, " cannot share the weights of layer ", from.layer); });
    expects(from.layer < l || !from.exchanged,
            [&] { return message("transformer: layer ", l, " is exchanged, but looks at weights of its own"); });
    layers_.push_back(from.layer < l ? layers_[static_cast<std::size_t>(from.layer)]
                                     : declare_layer(names.layer(l), table));
    if (from.exchanged) layers_.back().exchanged = !layers_.back().exchanged;
  }
  if (!names.final_gain.empty()) {
    final_gain_ = table.declare(names.final_gain, s.width, 0, initial::one);
    final_bias_ = table.declare(names.final_bias, s.width, 0, initial::zero);
  }
}

template <class P, class M, class A>
auto transformer<P, M, A>::declare_layer(const layer_names& n, parameter_table& table) const -> layer_slots {
  const index w = sizes_.width, inner = sizes_.inner, parts = static_cast<index>(n.qkv_weight.size());
  const auto weight = [&](const std::string& name, index out, index in) {
    return transposed_ ? table.declare(name, in, out) : table.declare(name, out, in);
  };
  const auto vector = [&](const std::string& name, index count, initial fresh) {
    return table.declare(name, count, 0, fresh);
  };
  // Query, key and value lie one behind the other, so one product makes all three.
  layer_slots s{};
  for (std::size_t part = 0; part < n.qkv_weight.size(); ++part) {
    const slot here = weight(n.qkv_weight[part], 3 * w / parts, w);
    if (part == 0) s.qkv = transposed_ ? slot{here.offset, w, 3 * w} : slot{here.offset, 3 * w, w};
  }
  for (std::size_t part = 0; part < n.qkv_bias.size(); ++part) {
    const slot here = vector(n.qkv_bias[part], 3 * w / parts, initial::zero);
    if (part == 0) s.qkv_bias = {here.offset, 3 * w, 0};
  }
  s.out = weight(n.out_weight, w, w);
  s.out_bias = vector(n.out_bias, w, initial::zero);
  s.attention_gain = vector(n.attention_gain, w, initial::one);
  s.attention_bias = vector(n.attention_bias, w, initial::zero);
  s.w1 = weight(n.w1, inner, w);
  s.b1 = vector(n.b1, inner, initial::zero);
  s.w2 = weight(n.w2, w, inner);
  s.b2 = vector(n.b2, w, initial::zero);
  s.output_gain = vector(n.output_gain, w, initial::one);
  s.output_bias = vector(n.output_bias, w, initial::zero);
  return s;
}

template <class P, class M, class A>
template <class T, backend B>
auto transformer<P, M, A>::look_at(std::size_t layer, view<T, 1, B> flat) const ->
    typename block_type::template parameters<T, B> {
  const layer_slots& s = layers_[layer];
  return {.attention = {linear_weight(s.qkv, flat), linear_weight(s.out, flat), s.qkv_bias.vector(flat),
                        s.out_bias.vector(flat)},
          .attention_norm = {s.attention_gain.vector(flat), s.attention_bias.vector(flat)},
          .forward_net = {linear_weight(s.w1, flat), linear_weight(s.w2, flat), s.b1.vector(flat), s.b2.vector(flat)},
          .output_norm = {s.output_gain.vector(flat), s.output_bias.vector(flat)}};
}

}  // namespace limbeck
