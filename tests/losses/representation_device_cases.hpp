// Losses on attention maps and hidden states on a device, against the host: the cases that run on a device and, through
// the shim, without.
#pragma once

#include "catch.hpp"
#include "device_memory.hpp"
#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/attention_kl.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cosine.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/info_nce.hpp"
#include "limbeck/losses/patience.hpp"
#include "limbeck/losses/relational.hpp"
#include "limbeck/losses/relations.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/placed_answers.hpp"
#include "losses/placed_bank.hpp"
#include "losses/placed_projection.hpp"
#include "losses/representation_case.hpp"

namespace limbeck_test {

template <class A>
inline constexpr double state_tolerance = sizeof(A) == 4 ? 1e-5 : 1e-12;

/// Value and gradient of got are those of want; nothing else was written.
template <class A>
void check_outcome(const typename representation_case<A>::outcome& got,
                   const typename representation_case<A>::outcome& want) {
  CHECK(got.untouched);
  for (std::size_t i = 0; i < want.value.size(); ++i)
    CHECK(std::abs(static_cast<double>(got.value[i] - want.value[i])) <=
          state_tolerance<A> * std::max(1.0, std::abs(static_cast<double>(want.value[i]))));
  REQUIRE(got.gradient.size() == want.gradient.size());
  for (std::size_t l = 0; l < want.gradient.size(); ++l)
    CHECK(largest_gap(got.gradient[l].data, want.gradient[l].data) <= state_tolerance<A>);
}

/// Batches drawn at random, in memory with garbage around, padded or not, weighed, with and without a gradient.
template <class A, class Check>
void for_random_batches(limbeck::signal_set kind, index student_size, index teacher_size, const Check& check) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    const representation_case<> drawn = random_batch(kind, seed, student_size, teacher_size, 40);
    representation_case<A> c{kind, drawn.sizes, drawn.student, drawn.teacher};
    c.causal = drawn.causal;
    c.place = drawn.place;
    c.teacher_place = drawn.teacher_place;
    c.per = {.samples = 3, .tokens = 7, .pairs = 5};
    c.scale = 0.7;
    c.start = seed % 3 == 0 ? A(2) : A(0);
    c.gradient_wanted = seed % 4 != 3;
    if (seed % 2 == 1)
      for (std::size_t i = 0; i < c.sizes.size(); ++i) c.weight.push_back(static_cast<A>(0.5 * static_cast<double>(i)));
    INFO("seed " << seed);
    check(c);
  }
}

/// host(case, loss) is the host's outcome.
/// Heads of both models: as many, of which one model's are averaged, or both models' to one.
struct heads_of_both {
  index student, teacher;
};
inline constexpr heads_of_both matching_heads[]{{3, 3}, {2, 6}, {3, 2}};

template <class A, class Host>
void check_attention_mse(const Host& host) {
  for (const heads_of_both heads : matching_heads)
    for (const limbeck::mask_mode mask : {limbeck::mask_mode::exact, limbeck::mask_mode::tinybert_zeroing})
      for_random_batches<A>(limbeck::signal::scores, heads.student, heads.teacher, [&](representation_case<A> c) {
        const limbeck::attention_mse<> loss{{}, {.mask = mask, .heads = limbeck::head_match::mean}};
        c.mask = mask;
        device_place device;
        check_outcome<A>(c.at_place(device, loss), host(c, loss));
      });
}

template <class A, class Host>
void check_attention_kl(const Host& host, heads_of_both heads) {
  using limbeck::attention_map, limbeck::row_divergence;
  for (const row_divergence measure : {row_divergence::kl, row_divergence::cross_entropy})
    for (const attention_map of : {attention_map::scores, attention_map::probabilities})
      for_random_batches<A>(
          limbeck::detail::signal_of(of), heads.student, heads.teacher, [&](representation_case<A> c) {
            if (of == attention_map::probabilities)
              for (grid* layer : {&c.student[0], &c.teacher[0]})
                for (double& x : layer->data) x = (std::abs(x) + 0.1) / 4;  // positive is enough
            const limbeck::attention_kl<> loss{{}, {.of = of, .measure = measure, .heads = limbeck::head_match::mean}};
            device_place device;
            check_outcome<A>(c.at_place(device, loss), host(c, loss));
          });
}
template <class A, class Host>
void check_attention_kl(const Host& host) {
  for (const heads_of_both heads : matching_heads) check_attention_kl<A>(host, heads);
}

template <class A, class Host>
void check_hidden_mse(const Host& host) {
  for_random_batches<A>(limbeck::signal::hidden, 33, 33, [&](const representation_case<A>& c) {
    const limbeck::hidden_mse<> loss;
    device_place device;
    check_outcome<A>(c.at_place(device, loss), host(c, loss));
  });
}

/// Directions: of every token, and of first ones; rows that agree, nearly or wholly, and one of zeros among them.
template <class A, class Host>
void check_directions(const Host& host) {
  for_random_batches<A>(limbeck::signal::hidden, 33, 33, [&](representation_case<A> c) {
    for (index k = 0; k < 33; ++k) {
      c.teacher[0](0, 0, 0, k) = c.student[0](0, 0, 0, k) * (k % 2 == 0 ? 1.0 : 1.01);
      if (c.sizes.size() > 1) c.student[0](1, 0, 0, k) = 0;
    }
    device_place all, first;
    check_outcome<A>(c.at_place(all, limbeck::cosine_loss<>{}), host(c, limbeck::cosine_loss<>{}));
    const limbeck::patience loss{limbeck::uniform_mapping{}, limbeck::patience_scale::mean_element};
    check_outcome<A>(c.at_place(first, loss), host(c, loss));
  });
}

/// Relations by heads of few columns and of more than a warp's lanes have at one time.
template <class A, class Host>
void check_relations(const Host& host) {
  using namespace limbeck;
  for (const index heads : {1, 3})
    for_random_batches<A>(
        signal::queries | signal::keys | signal::values, heads == 1 ? 150 : 6, heads == 1 ? 5 : 9,
        [&](const representation_case<A>& c) {
          for (const bool causal : {false, true}) {
            const minilm_relations loss{top_mapping{}, {.heads = heads, .weights = {.keys = 0.5}, .causal = causal}};
            device_place device;
            check_outcome<A>(c.at_place(device, loss), host(c, loss));
          }
        });
  for_random_batches<A>(signal::values, 6, 9, [&](const representation_case<A>& c) {
    const value_relation loss{top_mapping{}, {.heads = 3}};
    device_place device;
    check_outcome<A>(c.at_place(device, loss), host(c, loss));
  });
}

/// Mixtures of three layers of the teacher's, some of whose pairs weigh more, of one token or all.
template <class A, class Host>
void check_attended_layers(const Host& host) {
  using namespace limbeck;
  for_random_batches<A>(signal::hidden, 33, 33, [&](representation_case<A> c) {
    for (const double by : {0.5, -1.5}) {
      grid& more = c.teacher.emplace_back(c.teacher[0]);
      for (double& x : more.data) x *= by;
    }
    const explicit_mapping some{{{0, 0, 1}, {0, 2, 2.5}, {0, 1, 0.5}}};
    for (const token_choice tokens : {token_choice::first, token_choice::every})
      for (const bool attention_grad : {false, true}) {
        const alp_kd loss{some, no_projection{}, {.scale = 0.1, .attention_grad = attention_grad, .tokens = tokens}};
        device_place device;
        check_outcome<A>(c.at_place(device, loss), host(c, loss));
      }
  });
}

/// Samples of one or more tokens or none, some without weight.
template <class A>
[[nodiscard]] representation_case<A> batch_of_vectors(index samples, index width, index teacher_width) {
  representation_case<A> c{
      limbeck::signal::hidden, {}, {{samples, 1, 3, width, 1}}, {{samples, 1, 3, teacher_width, 2}}};
  for (index i = 0; i < samples; ++i) {
    c.sizes.push_back({0, 1 + i % 3, i % 7 == 4 ? 0 : 1 + i % 3});
    c.weight.push_back(static_cast<A>(i % 5 == 3 ? 0 : 0.5 + 0.25 * static_cast<double>(i % 4)));
  }
  c.per.samples = static_cast<double>(samples);
  return c;
}

/// Batches of few and of many samples, two vectors alike, one of zeros.
template <class A, class Host>
void check_vectors(const Host& host, std::initializer_list<index> batches, index width, index teacher_width) {
  using namespace limbeck;
  for (const index samples : batches) {
    auto c = batch_of_vectors<A>(samples, width, teacher_width);
    for (index k = 0; k < width && samples > 5; ++k) {
      c.student[0](1, 0, 0, k) = c.student[0](0, 0, 0, k);
      c.student[0](2, 0, 0, k) = 0;
    }
    const auto check = [&](const auto& loss) {
      device_place device;
      check_outcome<A>(c.at_place(device, loss), host(c, loss));
    };
    INFO(samples << " samples");
    for (const token_pooling by : {token_pooling::mean_of_tokens, token_pooling::first_token}) {
      if (by == token_pooling::first_token && samples > 5) continue;  // a thousandfold of angles, for the same vectors
      check(relational_distance{.of = {by}, .delta = 0.3});
      check(relational_angle{.of = {by}, .delta = 0.3});
      if (width == teacher_width)
        for (const bool symmetric : {false, true})
          check(info_nce{.of = {by}, .temperature = 0.2, .symmetric = symmetric});
    }
  }
}
template <class A, class Host>
void check_vectors(const Host& host) {
  check_vectors<A>(host, {1, 2, 5}, 9, 9);
  check_vectors<A>(host, {5, 21}, 150, 70);
  if (std::same_as<A, double>)
    check_vectors<A>(host, {limbeck::detail::vector_threads + 2}, 9, 9);  // an angle each three
}

/// Telling samples from vectors of a bank: some without weight or tokens, one of zeros, an entry of zeros, and then one
/// that the bank does not have. host(case, bank) is the host's outcome.
template <class A, class Host>
void check_bank(const Host& host) {
  for (const index width : {3, 150})
    for (const index negatives : {1, 9}) {
      INFO(width << " wide, " << negatives << " negatives");
      auto c = batch_of_vectors<A>(5, width, width);
      placed_bank<A> bank(5, negatives, width, 7);
      for (index k = 0; k < width; ++k) {
        c.student[0](2, 0, 0, k) = 0;
        bank.numbers[static_cast<std::size_t>(3 * width + k)] = A(0);
      }
      device_place device;
      check_outcome<A>(c.at_place(device, bank.in(device, 0.2)), host(c, bank));
      bank.entries[0] = bank.vectors;
      device_place another;
      const auto got = c.at_place(another, bank.in(another, 0.2));
      CHECK(std::isnan(static_cast<double>(got.value[0])));
      CHECK_FALSE(std::isnan(static_cast<double>(got.value[1])));
      for (index k = 0; k < width; ++k) CHECK(got.gradient[0](0, 0, 0, k) == 0);
    }
}

/// Gradients of a projection on a device, and on the host.
template <class A>
void check_head(const placed_projection<A, limbeck::cuda>& got, const placed_projection<A, limbeck::cpu>& want) {
  const auto gap = [](const std::vector<A>& ours, const std::vector<A>& wish) {
    return largest_gap({ours.begin(), ours.end()}, {wish.begin(), wish.end()});
  };
  CHECK(gap(got.weight_gradient, want.weight_gradient) <= 10 * state_tolerance<A>);
  CHECK(gap(got.bias_gradient, want.bias_gradient) <= 10 * state_tolerance<A>);
}

/// Answers of layers with heads and without, the gradient through the choice or not. host(case, answers) is the host's
/// outcome; it fills the heads' gradients.
template <class A, class Host>
void check_answers(const Host& host) {
  struct shape {
    index width, teacher_width, classes;
  };
  for (const shape s : {shape{33, 33, 0}, {6, 9, 5}, {5, 4, 150}})
    for_random_batches<A>(limbeck::signal::hidden, s.width, s.teacher_width, [&](representation_case<A> c) {
      INFO(s.classes << " classes of heads");
      const auto another = [](grid layer, double by) {
        for (double& x : layer.data) x *= by;
        return layer;
      };
      c.student.push_back(another(c.student[0], -0.5));
      for (const double by : {0.5, -1.5}) c.teacher.push_back(another(c.teacher[0], by));
      for (const bool attention_grad : {false, true}) {
        const limbeck::universal_kd_options options{
            .temperature = 2, .t_squared = attention_grad, .scale = 0.1, .attention_grad = attention_grad};
        placed_answers<A, limbeck::cpu> wanted(options, s.width, s.teacher_width, s.classes);
        const auto want = host(c, wanted);
        device_place device;
        placed_answers<A, limbeck::cuda> there(options, s.width, s.teacher_width, s.classes);
        check_outcome<A>(c.at_place(device, there.in(device)), want);
        for (std::size_t m = 0; m < there.student.size(); ++m) check_head(there.student[m], wanted.student[m]);
      }
    });
}

/// host(case, projection) is the host's outcome of hidden_mse; it fills the projection's gradients.
template <class A, class Host>
void check_projected_mse(const Host& host) {
  for_random_batches<A>(limbeck::signal::hidden, 5, 9, [&](const representation_case<A>& c) {
    placed_projection<A, limbeck::cpu> wanted(5, 9);
    const auto want = host(c, wanted);
    device_place device;
    placed_projection<A, limbeck::cuda> there(5, 9);
    const limbeck::hidden_mse loss{limbeck::uniform_mapping{}, there.in(device)};
    check_outcome<A>(c.at_place(device, loss), want);
    check_head(there, wanted);
  });
}

}  // namespace limbeck_test
