// The names that Hugging Face gives to the parameters of the model families known here.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// The names of one layer's tensors. Weights are stored [out, in], or [in, out] where `transposed`.
struct layer_names {
  std::vector<std::string> qkv_weight, qkv_bias;  ///< three tensors, or one that holds all three
  std::string out_weight, out_bias, attention_gain, attention_bias, w1, b1, w2, b2, output_gain, output_bias;
};

/// The names of a whole model. Empty: the family has no such tensor.
struct model_names {
  std::string word, position, type, embedding_gain, embedding_bias;
  layer_names (*layer)(index number) = nullptr;
  bool transposed = false;
  std::string final_gain, final_bias;
  std::string pooler_weight, pooler_bias, classifier_weight, classifier_bias;
  std::string transform_weight, transform_bias, transform_gain, transform_norm_bias, vocabulary_bias;
};

[[nodiscard]] inline model_names bert_names() {
  const std::string e = "bert.embeddings.", h = "cls.predictions.";
  return {.word = e + "word_embeddings.weight",
          .position = e + "position_embeddings.weight",
          .type = e + "token_type_embeddings.weight",
          .embedding_gain = e + "LayerNorm.weight",
          .embedding_bias = e + "LayerNorm.bias",
          .layer =
              [](index number) {
                const std::string l = "bert.encoder.layer." + std::to_string(number) + ".", a = l + "attention.self.",
                                  o = l + "attention.output.";
                return layer_names{{a + "query.weight", a + "key.weight", a + "value.weight"},
                                   {a + "query.bias", a + "key.bias", a + "value.bias"},
                                   o + "dense.weight",
                                   o + "dense.bias",
                                   o + "LayerNorm.weight",
                                   o + "LayerNorm.bias",
                                   l + "intermediate.dense.weight",
                                   l + "intermediate.dense.bias",
                                   l + "output.dense.weight",
                                   l + "output.dense.bias",
                                   l + "output.LayerNorm.weight",
                                   l + "output.LayerNorm.bias"};
              },
          .transposed = false,
          .final_gain = "",
          .final_bias = "",
          .pooler_weight = "bert.pooler.dense.weight",
          .pooler_bias = "bert.pooler.dense.bias",
          .classifier_weight = "classifier.weight",
          .classifier_bias = "classifier.bias",
          .transform_weight = h + "transform.dense.weight",
          .transform_bias = h + "transform.dense.bias",
          .transform_gain = h + "transform.LayerNorm.weight",
          .transform_norm_bias = h + "transform.LayerNorm.bias",
          .vocabulary_bias = h + "bias"};
}

[[nodiscard]] inline model_names distilbert_names() {
  const std::string e = "distilbert.embeddings.";
  return {.word = e + "word_embeddings.weight",
          .position = e + "position_embeddings.weight",
          .type = "",
          .embedding_gain = e + "LayerNorm.weight",
          .embedding_bias = e + "LayerNorm.bias",
          .layer =
              [](index number) {
                const std::string l = "distilbert.transformer.layer." + std::to_string(number) + ".",
                                  a = l + "attention.";
                return layer_names{{a + "q_lin.weight", a + "k_lin.weight", a + "v_lin.weight"},
                                   {a + "q_lin.bias", a + "k_lin.bias", a + "v_lin.bias"},
                                   a + "out_lin.weight",
                                   a + "out_lin.bias",
                                   l + "sa_layer_norm.weight",
                                   l + "sa_layer_norm.bias",
                                   l + "ffn.lin1.weight",
                                   l + "ffn.lin1.bias",
                                   l + "ffn.lin2.weight",
                                   l + "ffn.lin2.bias",
                                   l + "output_layer_norm.weight",
                                   l + "output_layer_norm.bias"};
              },
          .transposed = false,
          .final_gain = "",
          .final_bias = "",
          .pooler_weight = "pre_classifier.weight",
          .pooler_bias = "pre_classifier.bias",
          .classifier_weight = "classifier.weight",
          .classifier_bias = "classifier.bias",
          .transform_weight = "vocab_transform.weight",
          .transform_bias = "vocab_transform.bias",
          .transform_gain = "vocab_layer_norm.weight",
          .transform_norm_bias = "vocab_layer_norm.bias",
          .vocabulary_bias = "vocab_projector.bias"};
}

[[nodiscard]] inline model_names gpt2_names() {
  return {.word = "transformer.wte.weight",
          .position = "transformer.wpe.weight",
          .type = "",
          .embedding_gain = "",
          .embedding_bias = "",
          .layer =
              [](index number) {
                const std::string l = "transformer.h." + std::to_string(number) + ".";
                return layer_names{{l + "attn.c_attn.weight"}, {l + "attn.c_attn.bias"}, l + "attn.c_proj.weight",
                                   l + "attn.c_proj.bias",     l + "ln_1.weight",        l + "ln_1.bias",
                                   l + "mlp.c_fc.weight",      l + "mlp.c_fc.bias",      l + "mlp.c_proj.weight",
                                   l + "mlp.c_proj.bias",      l + "ln_2.weight",        l + "ln_2.bias"};
              },
          .transposed = true,
          .final_gain = "transformer.ln_f.weight",
          .final_bias = "transformer.ln_f.bias",
          .pooler_weight = "",
          .pooler_bias = "",
          .classifier_weight = "",
          .classifier_bias = "",
          .transform_weight = "",
          .transform_bias = "",
          .transform_gain = "",
          .transform_norm_bias = "",
          .vocabulary_bias = ""};
}

}  // namespace limbeck
