// Whole models: gradients of every signal against central differences.
#include "catch.hpp"
#include "limbeck/models/parameter_sharing.hpp"
#include "models/trial.hpp"

namespace limbeck {
namespace {

using limbeck_test::every_signal, limbeck_test::owned_batch, limbeck_test::packed, limbeck_test::trial;

const transformer_sizes small_sizes{
    .vocabulary = 20, .positions = 8, .layers = 3, .width = 6, .heads = 2, .inner = 7, .epsilon = 1e-3};
constexpr pass_mode dropping{.dropout = 0.2, .attention_dropout = 0.2, .seed = 3, .step = 4};
constexpr double tolerance = 1e-7;

TEST_CASE("the gradients of a BERT classifier agree with central differences, with dropout and without") {
  trial t(make_bert_classifier(small_sizes, 3));
  CHECK(t.error(packed, every_signal) < tolerance);
  CHECK(t.error(packed, every_signal, dropping) < tolerance);
}

TEST_CASE("the gradients of each signal alone agree with central differences") {
  trial t(make_bert_classifier(small_sizes, 3));
  for (unsigned bit = 1; bit <= unsigned(signal::values); bit *= 2) {
    INFO("signal " << bit);
    CHECK(t.error(packed, signal_set{bit}, {}, 3) < tolerance);
  }
}

TEST_CASE("the gradients of a DistilBERT regressor agree with central differences") {
  trial t(make_distilbert_classifier(small_sizes, 1));
  owned_batch batch = packed;
  batch.types.clear();
  CHECK(t.error(batch, every_signal, dropping) < tolerance);
}

TEST_CASE("the gradients of a masked language model agree with central differences, for all tokens and for some") {
  trial t(make_bert_masked_language_model(small_sizes));
  owned_batch batch = packed;
  CHECK(t.error(batch, every_signal, dropping) < tolerance);
  batch.logit_tokens = {1, 2, 5, 6};
  CHECK(t.error(batch, every_signal, dropping) < tolerance);
}

TEST_CASE("the gradients of a GPT-2 language model agree with central differences, for all tokens and for some") {
  trial t(make_gpt2_language_model(small_sizes));
  owned_batch batch = packed;
  batch.types.clear();
  CHECK(t.error(batch, every_signal, dropping) < tolerance);
  CHECK(t.error(batch, signal::logits) < tolerance);
  CHECK(t.error(batch, signal::hidden) < tolerance);
  batch.logit_tokens = {3, 5};
  CHECK(t.error(batch, signal::logits | signal::embeddings) < tolerance);
}

TEST_CASE("the gradients of odd batches agree with central differences") {
  trial t(make_bert_classifier(small_sizes, 3));
  CHECK(t.error({.ids = {5, 6, 7}, .rows = {{0, 3, 3}}}, every_signal) < tolerance);  // one sample
  CHECK(t.error({.ids = {5, 6, 7}, .rows = {{0, 1, 1}, {1, 1, 1}, {2, 1, 1}}}, every_signal) < tolerance);  // length 1
  const owned_batch with_no_rows{.ids = {5, 6, 7}, .rows = {{0, 1, 1}, {1, 0, 0}, {1, 2, 2}}};
  CHECK(t.error(with_no_rows, every_signal) < tolerance);
  CHECK(t.error(with_no_rows, signal::logits) < tolerance);
  CHECK(t.error({.ids = {5, 9, 8, 7, 8, 8}, .rows = {{0, 3, 2}, {3, 3, 1}}}, every_signal) < tolerance);  // padded rows
  CHECK(t.error({.ids = {5, 9, 0, 7, 8, 0}, .rows = {{0, 2, 2}, {3, 2, 2}}}, every_signal) < tolerance);  // gaps
  CHECK(t.error({.ids = {5, 9, 8}, .positions = {4, 4, 7}, .rows = {{0, 3, 3}}}, every_signal) < tolerance);
}

TEST_CASE("the gradient of shared layers agrees with central differences") {
  transformer_sizes shared = small_sizes;
  shared.layer_sources = {{0}, {1}, {0}};
  trial bert(make_bert_classifier(shared, 3));
  CHECK(bert.error(packed, every_signal, dropping) < tolerance);
  shared.layer_sources = {{0}, {0}, {0}};
  trial gpt2(make_gpt2_language_model(shared));
  owned_batch batch = packed;
  batch.types.clear();
  CHECK(gpt2.error(batch, every_signal, dropping) < tolerance);
}

TEST_CASE("the gradients under shuffled parameter sharing agree with central differences") {
  transformer_sizes shared = small_sizes;
  shared.layers = 4;
  shared.layer_sources = shared_layers(shuffled_parameter_sharing, 2);
  trial bert(make_bert_classifier(shared, 3));
  CHECK(bert.error(packed, every_signal, dropping) < tolerance);
  CHECK(bert.error(packed, signal::logits, dropping) < tolerance);  // the last layer answers for first tokens alone
  owned_batch batch = packed;
  batch.types.clear();
  trial distilbert(make_distilbert_classifier(shared, 1));
  CHECK(distilbert.error(batch, signal::logits | signal::scores) < tolerance);
  trial gpt2(make_gpt2_language_model(shared));  // pre-norm and causal, weights [in, out]
  CHECK(gpt2.error(batch, every_signal, dropping) < tolerance);
}

TEST_CASE("a backward pass adds to the gradient that is there") {
  trial t(make_bert_classifier(small_sizes, 3));
  (void)t.differentiate(packed, every_signal);
  const limbeck_test::matrix<> once = t.gradient;
  t.model.backward(t.on, t.weights.seen_flat(), t.pass, t.gradient.flat());
  for (index i = 0; i < once.count(); i += 7) CHECK(t.gradient.data()[i] == Approx(2 * once.data()[i]).margin(1e-13));
}

}  // namespace
}  // namespace limbeck
