// Where parameters lie, what they are called, and what they hold at first.
#include "limbeck/models/parameter_table.hpp"

#include <cmath>

#include "catch.hpp"
#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model.hpp"

namespace limbeck {
namespace {

TEST_CASE("parameters lie one behind the other in the order of their declaration") {
  parameter_table table;
  const slot a = table.declare("a", 3, 4), b = table.declare("b", 5, 0, initial::zero), c = table.declare("c", 2, 2);
  CHECK(a.offset == 0);
  CHECK(b.offset == 12);
  CHECK(c.offset == 17);
  CHECK(table.size() == 21);
  CHECK(table.entries().size() == 3);
  CHECK(table.find("b")->offset == 12);
  CHECK(table.find("b")->count() == 5);
  CHECK_FALSE(table.find("b")->decays());
  CHECK(table.find("c")->decays());
  CHECK(table.find("d") == nullptr);
  CHECK_THROWS_WITH(table.declare("b", 1), "parameter_table: b is declared twice");

  buffer<float> flat(table.size());
  CHECK(&a.matrix(flat.all())(1, 2) == flat.data() + 6);
  CHECK(&b.vector(flat.all())(4) == flat.data() + 16);
}

TEST_CASE("a BERT classifier has the parameters of BERT, query, key and value one behind the other") {
  const transformer_sizes sizes{
      .vocabulary = 30522, .positions = 512, .layers = 12, .width = 768, .heads = 12, .inner = 3072};
  const auto model = make_bert_classifier(sizes, 2);
  CHECK(model.parameters().size() == 109482240 + 2 * 768 + 2);  // bert-base-uncased and a classifier
  const std::string self = "bert.encoder.layer.3.attention.self.";
  const index query = model.parameters().find(self + "query.weight")->offset;
  CHECK(model.parameters().find(self + "key.weight")->offset == query + 768 * 768);
  CHECK(model.parameters().find(self + "value.weight")->offset == query + 2 * 768 * 768);
  CHECK(model.parameters().find("bert.encoder.layer.3.output.LayerNorm.weight")->decays() == false);
}

TEST_CASE("a GPT-2 language model has the parameters of GPT-2, stored the other way round") {
  const transformer_sizes sizes{
      .vocabulary = 50257, .positions = 1024, .layers = 12, .width = 768, .heads = 12, .inner = 3072};
  const auto model = make_gpt2_language_model(sizes);
  CHECK(model.parameters().size() == 124439808);
  CHECK(model.parameters().find("transformer.h.0.attn.c_attn.weight")->rows == 768);
  CHECK(model.parameters().find("transformer.h.0.attn.c_attn.weight")->columns == 2304);
  CHECK(model.parameters().find("transformer.h.11.mlp.c_fc.weight")->rows == 768);
}

TEST_CASE("DistilBERT has no token types") {
  const transformer_sizes sizes{
      .vocabulary = 30522, .positions = 512, .layers = 6, .width = 768, .heads = 12, .inner = 3072};
  const auto model = make_distilbert_classifier(sizes, 2);
  CHECK(model.parameters().size() == 66362880 + 768 * 768 + 768 + 2 * 768 + 2);  // and the two layers of its classifier
  for (const parameter& p : model.parameters().entries()) CHECK(p.name.find("type") == std::string::npos);
}

TEST_CASE("fresh parameters are normal numbers, biases of 0 and gains of 1, by seed") {
  const auto model =
      make_bert_classifier({.vocabulary = 300, .positions = 8, .layers = 1, .width = 32, .heads = 2, .inner = 64}, 2);
  const parameter_table& table = model.parameters();
  buffer<float> a(table.size()), b(table.size()), c(table.size());
  initialise(table, 1, a.all());
  initialise(table, 1, b.all());
  initialise(table, 2, c.all());
  CHECK(std::equal(a.data(), a.data() + a.count(), b.data()));
  CHECK_FALSE(std::equal(a.data(), a.data() + a.count(), c.data()));
  const parameter& words = *table.find("bert.embeddings.word_embeddings.weight");
  double sum = 0, squares = 0;
  for (index i = 0; i < words.count(); ++i) {
    const double x = static_cast<double>(a.data()[words.offset + i]);
    sum += x;
    squares += x * x;
  }
  const auto count = static_cast<double>(words.count());
  CHECK(std::abs(sum / count) < 4 * 0.02 / std::sqrt(count));
  CHECK(std::sqrt(squares / count) == Approx(0.02).epsilon(0.05));
  CHECK(a.data()[table.find("bert.embeddings.LayerNorm.weight")->offset] == 1);
  CHECK(a.data()[table.find("classifier.bias")->offset] == 0);
  CHECK_THROWS_WITH(initialise(table, 1, view<float, 1>(a.data(), 5)),
                    "initialise: the buffer is smaller than the table");
}

}  // namespace
}  // namespace limbeck
