// Whole models: layouts of a batch, sharing, threads, memory, and the messages about what does not fit.
#include "limbeck/models/model.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "catch.hpp"
#include "limbeck/models/parameter_sharing.hpp"
#include "models/trial.hpp"

namespace limbeck {
namespace {

using limbeck_test::every_signal, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::objective,
    limbeck_test::owned_batch, limbeck_test::packed, limbeck_test::same_bits, limbeck_test::trial;

const transformer_sizes sizes{.vocabulary = 20, .positions = 16, .layers = 3, .width = 8, .heads = 2, .inner = 12};
// The samples of `packed` in a [3, 5] matrix.
const owned_batch right_padded{.ids = {1, 2, 3, 4, 0, 5, 6, 0, 0, 0, 7, 0, 0, 0, 0},
                               .types = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                               .rows = {{0, 4, 4}, {5, 2, 2}, {10, 1, 1}}};
const owned_batch left_padded{.ids = {0, 1, 2, 3, 4, 0, 0, 0, 5, 6, 0, 0, 0, 0, 7},
                              .types = {0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0},
                              .rows = {{1, 4, 4}, {8, 2, 2}, {14, 1, 1}}};

owned_batch without_types(owned_batch batch) {
  batch.types.clear();
  return batch;
}

template <class Model>
void check_layouts(Model model, bool types) {
  trial t(std::move(model));
  const auto of = [&](const owned_batch& batch) { return types ? batch : without_types(batch); };
  const double value = t.differentiate(of(packed), every_signal);
  const matrix<> gradient = t.gradient;
  for (const owned_batch* padded : {&right_padded, &left_padded}) {
    CHECK(t.differentiate(of(*padded), every_signal) == Approx(value).epsilon(1e-12));
    CHECK(largest_gap(t.gradient.seen(), gradient.seen()) < 1e-11);
  }
  owned_batch told = of(left_padded);  // positions as a caller may give them
  told.positions = {9, 0, 1, 2, 3, 9, 9, 9, 0, 1, 9, 9, 9, 9, 0};
  CHECK(t.differentiate(told, every_signal) == Approx(value).epsilon(1e-12));
  CHECK(largest_gap(t.gradient.seen(), gradient.seen()) < 1e-11);
}

TEST_CASE("packed, right-padded and left-padded batches have the same values and gradients") {
  check_layouts(make_bert_classifier(sizes, 3), true);
  check_layouts(make_distilbert_classifier(sizes, 2), false);
  check_layouts(make_bert_masked_language_model(sizes), true);
  check_layouts(make_gpt2_language_model(sizes), false);
}

TEST_CASE("what a padding token is does not matter") {
  trial t(make_bert_classifier(sizes, 3));
  const double value = t.differentiate(right_padded, every_signal);
  const matrix<> gradient = t.gradient;
  owned_batch other = right_padded;
  other.ids[4] = other.ids[8] = other.ids[14] = 19;
  other.types[4] = 1;
  CHECK(t.differentiate(other, every_signal) == value);
  CHECK(same_bits(t.gradient.seen(), gradient.seen()));
}

TEST_CASE("a sample has the same logits alone and in a batch") {
  trial t(make_bert_classifier(sizes, 3));
  const matrix<> together = [&] {
    const auto seen = t.forward(packed, signal::logits, inference);
    matrix<> m(3, 3);
    ops::copy(t.on, seen.logits, m.all());
    return m;
  }();
  const auto first =
      t.forward({.ids = {1, 2, 3, 4}, .types = {0, 1, 1, 0}, .rows = {{0, 4, 4}}}, signal::logits, inference);
  CHECK(largest_gap(first.logits, row_block(together.seen(), 0, 1)) < 1e-13);
  const auto last = t.forward({.ids = {7}, .rows = {{0, 1, 1}}}, signal::logits, inference);
  CHECK(largest_gap(last.logits, row_block(together.seen(), 2, 1)) < 1e-13);
}

TEST_CASE("logits alone cost the last layer its first tokens only, and are the same") {
  const auto check = [](auto model, const owned_batch& batch) {
    trial t(std::move(model));
    matrix<> logits(3, t.model.head().classes());
    const auto layers = t.model.backbone().sizes().layers;
    const double value = t.differentiate(batch, signal::logits | signal::embeddings);
    CHECK(t.pass.batch.layout.answers() == 3);
    CHECK(t.pass.backbone.layer[static_cast<std::size_t>(layers - 1)].middle.extent(0) == 3);
    ops::copy(t.on, read_only(t.pass.seen.logits), logits.all());
    const matrix<> gradient = t.gradient;

    // The same objective with the layers read as well, and nothing wanted of them.
    t.gradient.fill(0);
    const auto seen = t.forward(batch, signal::logits | signal::embeddings | signal::hidden, {.keeps = true});
    CHECK(t.pass.batch.layout.answers() == batch.seen().ids.extent(0));
    CHECK(largest_gap(seen.logits, logits.seen()) < 1e-13);
    signals<const double> read = seen;
    read.hidden = {};
    CHECK(objective<double>(batch, read, &t.pass.gradient) == Approx(value).epsilon(1e-12));
    t.model.backward(t.on, t.weights.seen_flat(), t.pass, t.gradient.flat());
    CHECK(largest_gap(t.gradient.seen(), gradient.seen()) < 1e-12);
  };
  for (const owned_batch* batch : {&packed, &right_padded, &left_padded}) {
    check(make_bert_classifier(sizes, 3), *batch);
    check(make_distilbert_classifier(sizes, 2), without_types(*batch));
  }
}

TEST_CASE("a language model reads every token, whatever else is read") {
  trial t(make_gpt2_language_model(sizes));
  (void)t.forward(without_types(packed), signal::logits, inference);
  CHECK(t.pass.batch.layout.answers() == 7);
}

TEST_CASE("a sample without rows has the logits of a first token of zeros, and passes nothing back") {
  trial t(make_bert_classifier(sizes, 2));
  const owned_batch batch{.ids = {1, 2}, .rows = {{0, 2, 2}, {2, 0, 0}}};
  const auto seen = t.forward(batch, signal::logits | signal::hidden, inference);
  CHECK(seen.logits.extent(0) == 2);
  CHECK(std::isfinite(seen.logits(1, 0)));
  const auto none = t.forward({.ids = {1}, .rows = {}}, signal::logits | signal::scores, inference);
  CHECK(none.logits.extent(0) == 0);
}

TEST_CASE("no token types are token types of 0") {
  trial t(make_bert_classifier(sizes, 3));
  owned_batch zeros = packed;
  zeros.types.assign(7, 0);
  const double value = t.differentiate(zeros, every_signal);
  const matrix<> gradient = t.gradient;
  CHECK(t.differentiate(without_types(packed), every_signal) == value);
  CHECK(largest_gap(t.gradient.seen(), gradient.seen()) < 1e-12);
  CHECK(t.differentiate(packed, every_signal) != value);
}

TEST_CASE("a padding id's word vector gets no gradient, wherever it stands") {
  trial t(make_bert_classifier(sizes, 3));
  owned_batch batch = right_padded;
  batch.ids[1] = 0;  // in the middle of a sample
  (void)t.differentiate(batch, every_signal);
  const parameter& words = *t.model.parameters().find("bert.embeddings.word_embeddings.weight");
  const view<const double, 2> rows(t.gradient.data() + words.offset, words.rows, words.columns);
  CHECK(same_bits(row_block(rows, 0, 1), matrix<>(1, 8).seen()));
  CHECK_FALSE(same_bits(row_block(rows, 1, 1), matrix<>(1, 8).seen()));
  trial gpt2(make_gpt2_language_model(sizes));
  (void)gpt2.differentiate({.ids = {1, 0, 2}, .rows = {{0, 3, 3}}}, signal::embeddings);
  CHECK(gpt2.gradient(0, gpt2.model.parameters().find("transformer.wte.weight")->offset) != 0);
}

TEST_CASE("an inference has the bits of a pass that keeps, for every signal") {
  const auto check = [](auto model, const owned_batch& batch) {
    trial t(std::move(model));
    auto other = trial(t.model);
    const auto kept = t.forward(batch, every_signal, {.keeps = true});
    const auto left = other.forward(batch, every_signal, inference);
    CHECK(objective<double>(batch, kept, nullptr) == objective<double>(batch, left, nullptr));
    CHECK(same_bits(kept.logits, left.logits));
    for (std::size_t l = 0; l < 3; ++l) {
      CHECK(same_bits(kept.hidden[l], left.hidden[l]));
      CHECK(same_bits(kept.values[l], left.values[l]));
    }
    const auto only_logits = other.forward(batch, signal::logits, inference);
    CHECK(largest_gap(kept.logits, only_logits.logits) < 1e-13);  // of products of other sizes
    const auto kept_logits = t.forward(batch, signal::logits, {.keeps = true});
    CHECK(same_bits(kept_logits.logits, only_logits.logits));
  };
  check(make_bert_classifier(sizes, 3), packed);
  check(make_bert_masked_language_model(sizes), left_padded);
  check(make_gpt2_language_model(sizes), without_types(packed));
}

TEST_CASE("a pass gives the signals that are read and no others") {
  trial t(make_bert_classifier(sizes, 3));
  const auto none = t.forward(packed, signal::none, inference);
  CHECK(none.logits.empty());
  CHECK(none.hidden.empty());
  CHECK(none.scores.empty());
  const auto some = t.forward(packed, signal::hidden | signal::probabilities, inference);
  CHECK(some.logits.empty());
  CHECK(some.embeddings.empty());
  CHECK(some.scores.empty());
  CHECK(some.queries.empty());
  CHECK(some.hidden.size() == 3);
  CHECK(some.probabilities.size() == 3);
  CHECK(some.rows.extent(0) == 3);
  CHECK(t.pass.gradient.hidden.empty());
  double sum = 0;
  for (index c = 0; c < 4; ++c) sum += some.probabilities[1].map(0, 1)(2, c);
  CHECK(sum == Approx(1));
}

TEST_CASE("rows of a language model's logits say which sample they belong to") {
  trial t(make_gpt2_language_model(sizes));
  owned_batch batch = without_types(left_padded);
  const auto all = t.forward(batch, signal::logits, inference);
  CHECK(all.logits.extent(0) == 15);
  CHECK(all.logits.extent(1) == 20);
  for (index i = 0; i < 3; ++i)
    for (index r = 0; r < batch.seen().rows(i).length; ++r) CHECK(all.row_sample(batch.seen().rows(i).begin + r) == i);
  matrix<> kept(15, 20);
  ops::copy(t.on, all.logits, kept.all());
  batch.logit_tokens = {2, 4, 8, 14};
  const auto some = t.forward(batch, signal::logits, inference);
  CHECK(some.logits.extent(0) == 4);
  const int samples[] = {0, 0, 1, 2};
  for (index i = 0; i < 4; ++i) {
    CHECK(some.row_sample(i) == samples[i]);
    CHECK(largest_gap(row_block(some.logits, i, 1),
                      row_block(kept.seen(), batch.logit_tokens[static_cast<std::size_t>(i)], 1)) < 1e-13);
  }
}

TEST_CASE("one model serves two passes at once") {
  trial t(make_bert_classifier(sizes, 3));
  const owned_batch other{.ids = {9, 8, 7}, .rows = {{0, 3, 3}}};
  const pass_mode mode{.keeps = true, .dropout = 0.2, .attention_dropout = 0.1, .seed = 1, .step = 2};
  (void)t.differentiate(packed, every_signal, mode);
  const matrix<> first = t.gradient;
  (void)t.differentiate(other, every_signal, mode);
  const matrix<> second = t.gradient;

  bert_classifier::pass<double> a, b;
  const auto seen_a = t.model.forward(t.on, t.weights.seen_flat(), packed.seen(), every_signal, mode, a);
  const auto seen_b = t.model.forward(t.on, t.weights.seen_flat(), other.seen(), every_signal, mode, b);
  (void)objective<double>(packed, seen_a, &a.gradient);
  (void)objective<double>(other, seen_b, &b.gradient);
  t.gradient.fill(0);
  t.model.backward(t.on, t.weights.seen_flat(), a, t.gradient.flat());
  CHECK(same_bits(t.gradient.seen(), first.seen()));
  t.gradient.fill(0);
  t.model.backward(t.on, t.weights.seen_flat(), b, t.gradient.flat());
  CHECK(same_bits(t.gradient.seen(), second.seen()));
}

/// Samples of many lengths, enough work for several threads.
owned_batch large_batch() {
  owned_batch batch;
  for (const index length : {70, 3, 41, 1, 128}) {
    batch.rows.push_back({static_cast<index>(batch.ids.size()), length, length});
    for (index t = 0; t < length; ++t) batch.ids.push_back(static_cast<std::int32_t>((t * 31 + length) % 100));
  }
  return batch;
}
const transformer_sizes large{.vocabulary = 100, .positions = 128, .layers = 2, .width = 48, .heads = 4, .inner = 160};

TEST_CASE("models agree to 1e-12 for 1 and 3 threads, and have the same bits again") {
  const pass_mode mode{.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 5, .step = 1};
  const auto check = [&](auto model) {
    trial one(std::move(model), 0.05);
    trial three(one.model, 0.05), again(one.model, 0.05);
    three.on.threads = again.on.threads = 3;
    const owned_batch batch = large_batch();
    const signal_set reads = signal::logits | signal::hidden;
    const double value = one.differentiate(batch, reads, mode);
    CHECK(three.differentiate(batch, reads, mode) == Approx(value).epsilon(1e-12));
    double largest = 0;
    for (index i = 0; i < one.gradient.count(); ++i) largest = std::max(largest, std::abs(one.gradient.data()[i]));
    CHECK(largest_gap(one.gradient.seen(), three.gradient.seen()) < 1e-12 * std::max(1.0, largest));
    for (int run = 0; run < 3; ++run) {
      (void)again.differentiate(batch, reads, mode);
      CHECK(same_bits(again.gradient.seen(), three.gradient.seen()));
    }
  };
  check(make_bert_classifier(large, 3));
  check(make_gpt2_language_model(large));
}

TEST_CASE("models in float agree with double") {
  const auto check = [](auto model) {
    trial exact(model, 0.05);
    trial<decltype(model), float> t(std::move(model), 0.05);
    const owned_batch batch = large_batch();
    const signal_set reads = signal::logits | signal::hidden | signal::probabilities;
    const pass_mode mode{.keeps = true, .dropout = 0.1, .attention_dropout = 0.1, .seed = 5, .step = 1};
    CHECK(t.differentiate(batch, reads, mode) ==
          Approx(exact.differentiate(batch, reads, mode)).epsilon(1e-5).margin(1e-2));
    double largest = 0;
    for (index i = 0; i < exact.gradient.count(); ++i) largest = std::max(largest, std::abs(exact.gradient.data()[i]));
    CHECK(largest_gap(t.gradient.seen(), exact.gradient.seen()) < 1e-4 * std::max(1.0, largest));
  };
  check(make_bert_classifier(large, 3));
  check(make_gpt2_language_model(large));
}

index memory_of(index length, signal_set reads, bool keeps) {
  transformer_sizes s = large;
  s.positions = 1024;
  owned_batch batch{.ids = std::vector<std::int32_t>(static_cast<std::size_t>(length), 1),
                    .rows = {{0, length, length}}};
  trial<bert_classifier, float> t(make_bert_classifier(s, 2), 0.05);
  if (keeps)
    (void)t.differentiate(batch, reads);
  else
    (void)t.forward(batch, reads, inference);
  return t.pass.memory.capacity();
}

TEST_CASE("attention needs memory for length x length maps only where maps are read") {
  for (const bool keeps : {false, true}) {
    const index short_one = memory_of(512, signal::logits, keeps), long_one = memory_of(1024, signal::logits, keeps);
    CHECK(long_one <= 2 * short_one + (index{1} << 20));  // the arena grows by blocks of 1 MiB or more
    CHECK(long_one < 2 * 4 * 1024 * 1024 * 4 / 2);        // two layers, four heads, floats: half of one signal's maps
    CHECK(memory_of(1024, signal::logits | signal::scores, keeps) > 2 * 4 * 1024 * 1024 * 4);
  }
}

TEST_CASE("the memory of a pass grows no more after the second pass of a size") {
  trial t(make_bert_classifier(large, 2), 0.05);
  const owned_batch batch = large_batch();
  (void)t.differentiate(batch, every_signal);
  (void)t.differentiate(batch, every_signal);
  const index held = t.pass.memory.capacity();
  for (int run = 0; run < 3; ++run) (void)t.differentiate(batch, every_signal);
  CHECK(t.pass.memory.capacity() == held);
}

TEST_CASE("layers that share weights own them once, and their gradient is the sum of the uses") {
  transformer_sizes shared = sizes, own = sizes;
  shared.layers = own.layers = 2;
  shared.layer_sources = {{0}, {0}};
  trial one(make_bert_classifier(shared, 3)), two(make_bert_classifier(own, 3));
  const index w = sizes.width, layer = 4 * w * w + 2 * w * sizes.inner + 9 * w + sizes.inner;
  CHECK(two.model.parameters().size() - one.model.parameters().size() == layer);
  CHECK(one.model.parameters().find("bert.encoder.layer.1.output.dense.weight") == nullptr);

  const auto name_in_first = [](std::string name) {
    const auto at = name.find("layer.1.");
    if (at != std::string::npos) name[at + 6] = '0';
    return name;
  };
  for (const parameter& p : two.model.parameters().entries()) {  // both layers hold the shared weights
    const parameter& from = *one.model.parameters().find(name_in_first(p.name));
    std::copy_n(one.weights.data() + from.offset, p.count(), two.weights.data() + p.offset);
  }
  CHECK(one.differentiate(packed, every_signal) == two.differentiate(packed, every_signal));
  for (const parameter& p : one.model.parameters().entries()) {
    for (index i = 0; i < p.count(); ++i) {
      double sum = 0;
      for (const parameter& q : two.model.parameters().entries())
        if (name_in_first(q.name) == p.name) sum += two.gradient.data()[q.offset + i];
      if (std::abs(one.gradient.data()[p.offset + i] - sum) > 1e-11 * std::max(1.0, std::abs(sum))) FAIL(p.name << i);
    }
  }
}

// A model of shared layers that is as deep as they are used, with `layers` layers' weights.
transformer_sizes deepened(index layers) {
  transformer_sizes s = sizes;
  s.layers = effective_layers(layers);
  s.layer_sources = shared_layers(shuffled_parameter_sharing, layers);
  return s;
}

TEST_CASE("shuffled parameter sharing adds no parameter and no memory for weights") {
  for (const index layers : {1, 2, 3, 4, 6}) {
    transformer_sizes plain = sizes;
    plain.layers = layers;
    const bert_classifier student = make_bert_classifier(plain, 3), deep = make_bert_classifier(deepened(layers), 3);
    CHECK(deep.backbone().sizes().layers == effective_layers(layers));
    CHECK(deep.parameters().size() == student.parameters().size());
    const auto &a = deep.parameters().entries(), &b = student.parameters().entries();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].name == b[i].name);
      CHECK(a[i].offset == b[i].offset);
      CHECK(a[i].count() == b[i].count());
    }
  }
  transformer_sizes plain = sizes;
  plain.layers = 2;
  trial student(make_bert_classifier(plain, 3));
  const bert_classifier deep = make_bert_classifier(deepened(2), 3);
  bert_classifier::pass<double> pass;
  const auto seen = student.forward(packed, signal::hidden, inference);
  const auto deeper =  // with the same buffer of weights: the first uses are the plain layers
      deep.forward(student.on, student.weights.seen_flat(), packed.seen(), signal::hidden, inference, pass);
  for (std::size_t l = 0; l < 2; ++l) CHECK(same_bits(deeper.hidden[l], seen.hidden[l]));
}

TEST_CASE("the second use of a layer on the same input has the transposed scores") {
  trial t(make_bert_classifier(deepened(1), 3));
  for (const parameter& p : t.model.parameters().entries()) {  // sublayers add nothing and norms change nothing
    if (p.name.find("encoder") == std::string::npos && p.name.find("embeddings.LayerNorm") == std::string::npos)
      continue;
    const bool norm = p.name.find("LayerNorm") != std::string::npos;
    if (norm || p.name.find("output.dense") != std::string::npos)
      std::fill_n(t.weights.data() + p.offset, p.count(), norm && p.name.ends_with("weight") ? 1.0 : 0.0);
  }
  const auto seen = t.forward(packed, every_signal, inference);
  CHECK(largest_gap(seen.hidden[0], seen.embeddings) < 1e-9);
  CHECK(largest_gap(seen.queries[0], seen.keys[0]) > 0.1);
  CHECK(largest_gap(seen.queries[1], seen.keys[0]) < 1e-9);
  CHECK(largest_gap(seen.keys[1], seen.queries[0]) < 1e-9);
  CHECK(largest_gap(seen.values[1], seen.values[0]) < 1e-9);
  for (index sample = 0; sample < 3; ++sample)
    for (index head = 0; head < sizes.heads; ++head)
      CHECK(largest_gap(seen.scores[1].map(sample, head), transposed(seen.scores[0].map(sample, head))) < 1e-9);
}

TEST_CASE("an exchanged layer is a layer of its own with queries and keys exchanged, and their gradients add up") {
  transformer_sizes own = sizes;
  own.layers = 4;
  trial one(make_bert_classifier(deepened(2), 3)), four(make_bert_classifier(own, 3));
  const auto original = [](std::string name) {  // layers 2 and 3 use the weights of 0 and 1 again
    const auto layer = name.find("layer.");
    if (layer == std::string::npos || name[layer + 6] < '2') return name;
    name[layer + 6] = static_cast<char>(name[layer + 6] - 2);
    for (const auto& [from, to] : {std::pair{"query", "key"}, std::pair{"key", "query"}}) {
      const auto at = name.find(from);
      if (at != std::string::npos) return name.replace(at, std::string(from).size(), to);
    }
    return name;
  };
  for (const parameter& p : four.model.parameters().entries())
    std::copy_n(one.weights.data() + one.model.parameters().find(original(p.name))->offset, p.count(),
                four.weights.data() + p.offset);
  for (const signal_set reads : {every_signal, signal::logits}) {
    CHECK(one.differentiate(packed, reads) == Approx(four.differentiate(packed, reads)).epsilon(1e-12));
    matrix<> sum(1, one.gradient.count());
    sum.fill(0);
    for (const parameter& p : four.model.parameters().entries())
      for (index i = 0, to = one.model.parameters().find(original(p.name))->offset; i < p.count(); ++i)
        sum.data()[to + i] += four.gradient.data()[p.offset + i];
    CHECK(largest_gap(one.gradient.seen(), sum.seen()) < 1e-11);
  }
}

TEST_CASE("an exchanged layer of a decoder is a layer with the first two thirds of its tensor exchanged") {
  transformer_sizes own = sizes;
  own.layers = 2;
  trial one(make_gpt2_language_model(deepened(1))), two(make_gpt2_language_model(own));
  const index w = sizes.width;
  for (const parameter& p : two.model.parameters().entries()) {
    std::string original = p.name;
    const auto layer = original.find(".h.1.");
    if (layer != std::string::npos) original[layer + 3] = '0';
    const index from = one.model.parameters().find(original)->offset;
    const bool exchanged = layer != std::string::npos && p.name.find("c_attn") != std::string::npos;
    for (index i = 0; i < p.count(); ++i) {
      const index part = exchanged ? i / w % 3 : 2;  // of a row of queries, keys and values
      two.weights.data()[p.offset + i] = one.weights.data()[from + i + (part == 0 ? w : part == 1 ? -w : 0)];
    }
  }
  const owned_batch batch = without_types(packed);
  CHECK(one.value(batch, every_signal, inference) == Approx(two.value(batch, every_signal, inference)).epsilon(1e-12));
}

TEST_CASE("a layer that exchanges again what its source exchanged has the first one's queries") {
  transformer_sizes chain = sizes, same = sizes;
  chain.layer_sources = {{0}, {0, true}, {1, true}};
  same.layer_sources = {{0}, {0, true}, {0}};
  trial a(make_bert_classifier(chain, 3)), b(make_bert_classifier(same, 3));
  CHECK(a.differentiate(packed, every_signal) == b.differentiate(packed, every_signal));
  CHECK(same_bits(a.gradient.seen(), b.gradient.seen()));
}

TEST_CASE("a batch that does not fit the model is an error that names what does not fit") {
  trial t(make_bert_classifier(sizes, 3));
  const auto run = [&](const owned_batch& batch) { (void)t.forward(batch, every_signal, inference); };
  owned_batch longer{.ids = std::vector<std::int32_t>(17, 1), .rows = {{0, 17, 17}}};
  CHECK_THROWS_WITH(run(longer), "transformer: a sample has 17 tokens, the model 16 positions");
  longer.positions.assign(17, 3);
  CHECK_NOTHROW(run(longer));
  longer.positions[5] = 16;
  CHECK_THROWS_WITH(run(longer), "embedding: id 16 at place 5 is not in a table of 16 rows");
  CHECK_THROWS_WITH(run({.ids = {1, 20}, .rows = {{0, 2, 2}}}),
                    "embedding: id 20 at place 1 is not in a table of 20 rows");
  CHECK_THROWS_WITH(run({.ids = {-1, 2}, .rows = {{0, 2, 2}}}),
                    "embedding: id -1 at place 0 is not in a table of 20 rows");
  CHECK_THROWS_WITH(run({.ids = {1, 2}, .types = {0, 2}, .rows = {{0, 2, 2}}}),
                    "embedding: id 2 at place 1 is not in a table of 2 rows");
  CHECK_THROWS_WITH(run({.ids = {1, 2}, .types = {0}, .rows = {{0, 2, 2}}}), "token_batch: 1 types for 2 tokens");
  CHECK_THROWS_WITH(run({.ids = {1, 2}, .positions = {0, 1, 2}, .rows = {{0, 2, 2}}}),
                    "token_batch: 3 positions for 2 tokens");
  CHECK_THROWS_WITH(run({.ids = {1, 2}, .rows = {{0, 1, 1}, {1, 2, 2}}}),
                    "token_batch: sample 1 has rows 1 to 3 and 2 keys in a batch of 2 tokens");
  CHECK_THROWS_WITH(run({.ids = {1, 2}, .rows = {{0, 2, 3}}}),
                    "token_batch: sample 0 has rows 0 to 2 and 3 keys in a batch of 2 tokens");
  CHECK_THROWS_AS(run({.ids = {1, 2}, .rows = {{-1, 2, 2}}}), contract_error);
  CHECK_NOTHROW(run(packed));  // an error leaves the pass fit for use

  const matrix<> few(1, 3);
  CHECK_THROWS_WITH(t.model.forward(t.on, few.seen_flat(), packed.seen(), signal::logits, inference, t.pass),
                    "model: 3 weights given, " + std::to_string(t.model.parameters().size()) + " needed");
  (void)t.forward(packed, signal::logits, inference);
  CHECK_THROWS_WITH(t.model.backward(t.on, t.weights.seen_flat(), t.pass, t.gradient.flat()),
                    "model: backward() after a pass that kept nothing");
}

TEST_CASE("sizes that make no model are an error that names them") {
  const auto with = [](auto change) {
    transformer_sizes s = sizes;
    change(s);
    (void)make_bert_classifier(s, 3);
  };
  CHECK_THROWS_WITH(with([](auto& s) { s.heads = 3; }), "attention: 3 heads do not divide a width of 8");
  CHECK_THROWS_WITH(
      with([](auto& s) { s.layers = 0; }),
      "transformer: sizes must be positive: vocabulary 20, positions 16, layers 0, width 8, heads 2, inner 12");
  CHECK_THROWS_WITH(with([](auto& s) { s.layers = 65; }), "transformer: 65 layers, at most 64");
  CHECK_THROWS_WITH(with([](auto& s) { s.layer_sources = {{0}}; }), "transformer: 1 layer_sources for 3 layers");
  CHECK_THROWS_WITH(with([](auto& s) {
                      s.layer_sources = {{0}, {2}, {0}};
                    }),
                    "transformer: layer 1 cannot share the weights of layer 2");
  CHECK_THROWS_WITH(with([](auto& s) {
                      s.layer_sources = {{0}, {-1}, {0}};
                    }),
                    "transformer: layer 1 cannot share the weights of layer -1");
  CHECK_THROWS_WITH(with([](auto& s) {
                      s.layer_sources = {{0}, {0, true}, {2, true}};
                    }),
                    "transformer: layer 2 is exchanged, but looks at weights of its own");
  CHECK_THROWS_WITH(make_bert_classifier(sizes, 0), "classification_head: needs a class");
}

}  // namespace
}  // namespace limbeck
