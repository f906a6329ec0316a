// limbeck's losses and AdamW as the C functions that kd_losses.py and adamw.py of peerbench call, each with a value and
// a fresh gradient for the student. Gradients of logits, and cosine_loss's, are written; other losses add to what is
// there, so every call sets gradient and values to zero first, which is part of its time. Threads: as many as OpenMP
// gives.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "every_thread.hpp"
#include "limbeck/losses.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/training/adamw.hpp"
#include "limits.hpp"
#include "provider.hpp"

namespace {

using limbeck::cpu, limbeck::index, limbeck::view;
using float_sink = limbeck::sink<float, cpu>;
using float_signals = limbeck::signals<const float>;

limbeck::cpu_executor<limbeck_bench::provider> here() {
  return limbeck_bench::on_every_thread<limbeck_bench::provider>();
}

/// `rows` rows of logits and, where the loss wants some, their labels and weights.
struct logits_case {
  float_signals student{}, teacher{};
  limbeck::targets<float> given{};
  view<float, 2> gradient{};
};

/// A value for each sample, zero; the memory stays from call to call.
view<float, 1> zero_values(index samples) {
  static std::vector<float> kept;
  kept.assign(static_cast<std::size_t>(samples), 0.0F);
  return view<float, 1>(kept.data(), samples);
}

double sum_of(view<const float, 1> values) {
  return std::accumulate(values.data(), values.data() + values.extent(0), 0.0);
}

/// The loss of all rows; the gradient is written, whatever was there.
template <class Loss>
double run(const Loss& loss, const logits_case& of) {
  const index rows = of.gradient.extent(0);
  float_sink out{.value = zero_values(rows)};
  out.gradient.logits = of.gradient;
  if (of.given.row_weight.empty()) out.per.rows = static_cast<double>(rows);
  limbeck::write_gradient(loss, here(), of.student, of.teacher, of.given, out);
  return sum_of(out.value);
}

/// Samples whose tokens follow each other.
std::vector<limbeck::sample_rows> samples_of(index tokens, index longest) {
  std::vector<limbeck::sample_rows> rows;
  for (index begin = 0; begin < tokens; begin += longest) {
    const index length = std::min(longest, tokens - begin);
    rows.push_back({begin, length, length});
  }
  return rows;
}

/// Padded maps [samples, heads, length, length]; of sample i the first lengths[i] rows and columns count.
struct padded_maps {
  index heads, length;
  std::vector<limbeck::sample_rows> rows{};
  std::vector<limbeck::block> blocks{};

  padded_maps(index samples, index heads_each, index longest, const std::int64_t* lengths)
      : heads(heads_each), length(longest) {
    for (index i = 0; i < samples; ++i) {
      rows.push_back({i * longest, lengths[i], lengths[i]});
      blocks.push_back({i * heads * longest * longest, longest});
    }
  }
  template <class T>
  [[nodiscard]] limbeck::signals<T> seen(T* data) const {
    limbeck::signals<T> s;
    s.rows = view<const limbeck::sample_rows, 1>(rows.data(), rows.size());
    s.scores = std::remove_cvref_t<decltype(s.scores)>(1);
    s.scores[0] = {data, heads, view<const limbeck::block, 1>(blocks.data(), blocks.size())};
    return s;
  }
  [[nodiscard]] index maps() const { return static_cast<index>(rows.size()) * heads; }
  [[nodiscard]] double pairs() const {
    double sum = 0;
    for (const limbeck::sample_rows& r : rows) sum += static_cast<double>(r.length * r.length);
    return sum;
  }
  /// Sets what counts to zero.
  void clear(float* data) const {
    limbeck::parallel_for(here().threads, maps(), [&](index begin, index end) {
      for (index map = begin; map < end; ++map)
        for (index r = 0; r < rows[map / heads].length; ++r)
          std::fill_n(data + (map * length + r) * length, rows[map / heads].length, 0.0F);
    });
  }
};

/// Packed states [tokens, width], in samples of up to 128 tokens.
struct packed_states {
  index tokens;
  std::vector<limbeck::sample_rows> rows;

  explicit packed_states(index count) : tokens(count), rows(samples_of(count, 128)) {}
  template <class T>
  [[nodiscard]] limbeck::signals<T> seen(T* data, index width) const {
    limbeck::signals<T> s;
    s.rows = view<const limbeck::sample_rows, 1>(rows.data(), rows.size());
    s.hidden = std::remove_cvref_t<decltype(s.hidden)>(1);
    s.hidden[0] = view<T, 2>(data, tokens, width);
    return s;
  }
  /// The mean over the tokens.
  template <class Loss>
  double run(const Loss& loss, const float* student, index width, const float* teacher, index teacher_width,
             float* gradient) const {
    float_sink out{.value = zero_values(static_cast<index>(rows.size())), .gradient = seen(gradient, width)};
    out.per.tokens = static_cast<double>(tokens);
    loss(here(), seen(student, width), seen(teacher, teacher_width), limbeck::targets<float>{}, out);
    return sum_of(out.value);
  }
};

struct add_everywhere_kernel {
  template <int Bytes>
  LIMBECK_HD static void run(const float* x, float* a, float* b, float* c, index count) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    for (index i = 0; i + V::width <= count; i += V::width) {
      const V here = limbeck::load<V>(x + i);
      limbeck::store(a + i, limbeck::load<V>(static_cast<const float*>(a + i)) + here);
      limbeck::store(b + i, limbeck::load<V>(static_cast<const float*>(b + i)) + here);
      limbeck::store(c + i, limbeck::load<V>(static_cast<const float*>(c + i)) + here);
    }
  }
};

}  // namespace

extern "C" {

/// weights: a factor each row, in place of 1 / rows. labels: with weight `hard`, and 1 - hard for the soft targets.
/// Both may be null. `past_caches` says how a candidate may store the gradient; limbeck decides that by itself.
void kl_fused(const float* student, const float* teacher, const std::int32_t* labels, const float* weights,
              float* gradient, std::int64_t rows, std::int64_t classes, float temperature, float hard,
              [[maybe_unused]] int past_caches, double* loss) {
  logits_case of{.gradient = view<float, 2>(gradient, rows, classes)};
  of.student.logits = view<const float, 2>(student, rows, classes);
  of.teacher.logits = view<const float, 2>(teacher, rows, classes);
  if (weights != nullptr) of.given.row_weight = view<const float, 1>(weights, rows);
  const limbeck::soft_target_kl soft{.temperature = temperature};
  if (labels == nullptr) {
    *loss = run(soft, of);
    return;
  }
  of.given.labels = view<const std::int32_t, 1>(labels, rows);
  *loss = run(hard * limbeck::cross_entropy{} + (1 - hard) * soft, of);
}

/// The mean over rows of Jensen-Shannon with beta, without a factor temperature^2.
void jsd_fused(const float* student, const float* teacher, float* gradient, std::int64_t rows, std::int64_t classes,
               float temperature, float beta, double* loss) {
  logits_case of{.gradient = view<float, 2>(gradient, rows, classes)};
  of.student.logits = view<const float, 2>(student, rows, classes);
  of.teacher.logits = view<const float, 2>(teacher, rows, classes);
  *loss = run(
      limbeck::soft_target<limbeck::jensen_shannon>{
          .temperature = temperature, .t_squared = false, .divergence = {beta}},
      of);
}

/// The mean over heads and valid pairs. `padding_is_zero`: the gradient's padding need not be set to zero.
void attn_mse(const float* student, const float* teacher, const std::int64_t* lengths, float* gradient,
              std::int64_t samples, std::int64_t heads, std::int64_t length, int padding_is_zero, double* loss) {
  const padded_maps maps(samples, heads, length, lengths);
  float_sink out{.value = zero_values(samples), .gradient = maps.seen(gradient)};
  out.per.pairs = maps.pairs();
  limbeck::attention_mse_options how;
  if (padding_is_zero != 0)
    maps.clear(gradient);
  else
    how.maps = limbeck::gradient_holds::anything;
  limbeck::attention_mse{limbeck::uniform_mapping{}, how}(here(), maps.seen(student), maps.seen(teacher),
                                                          limbeck::targets<float>{}, out);
  *loss = sum_of(out.value);
}

/// The mean over heads and valid tokens of the divergence of one relation, of vectors [samples, heads, length, width].
/// Of the gradient only what belongs to valid tokens is written.
void relation(const float* student, const float* teacher, const std::int64_t* lengths, float* gradient,
              std::int64_t samples, std::int64_t heads, std::int64_t length, std::int64_t width,
              std::int64_t teacher_width, double* loss) {
  std::vector<limbeck::sample_rows> rows;  // a head is a sample of its own
  for (limbeck::index i = 0; i < samples * heads; ++i)
    rows.push_back({i * length, lengths[i / heads], lengths[i / heads]});
  const view<const limbeck::sample_rows, 1> all(rows.data(), rows.size());
  const auto seen = [&](auto* data, limbeck::index columns) {
    limbeck::signals<std::remove_pointer_t<decltype(data)>> s;
    s.rows = all;
    s.values = std::remove_cvref_t<decltype(s.values)>(1);
    s.values[0] = std::remove_cvref_t<decltype(s.values[0])>(data, samples * heads * length, columns);
    return s;
  };
  limbeck::parallel_for(here().threads, samples * heads, [&](limbeck::index begin, limbeck::index end) {
    for (limbeck::index i = begin; i < end; ++i)
      std::fill_n(gradient + i * length * width, rows[static_cast<std::size_t>(i)].length * width, 0.0F);
  });
  float_sink out{.value = zero_values(samples * heads), .gradient = seen(gradient, width)};
  out.per = limbeck::counts_of(all);
  limbeck::value_relation{limbeck::top_mapping{}, {.heads = 1}}(
      here(), seen(student, width), seen(teacher, teacher_width), limbeck::targets<float>{}, out);
  *loss = sum_of(out.value);
}

/// The mean over tokens and the teacher's width of the squared difference of states, through a projection
/// [teacher_width, width] without a bias. `room` is not needed.
void hidden_mse(const float* student, const float* weight, const float* teacher, float* gradient,
                float* weight_gradient, [[maybe_unused]] float* room, std::int64_t tokens, std::int64_t width,
                std::int64_t teacher_width, double* loss) {
  limbeck::ops::fill(here(), 0.0F, view<float, 1>(gradient, tokens * width));
  limbeck::ops::fill(here(), 0.0F, view<float, 1>(weight_gradient, teacher_width * width));
  const limbeck::linear_projection<float> wide{
      .weight = view<const float, 2>(weight, teacher_width, width),
      .weight_gradient = view<float, 2>(weight_gradient, teacher_width, width)};
  *loss = packed_states(tokens).run(limbeck::hidden_mse{limbeck::uniform_mapping{}, wide}, student, width, teacher,
                                    teacher_width, gradient);
}

/// The mean over tokens of 1 - cos.
void cosine(const float* student, const float* teacher, float* gradient, std::int64_t tokens, std::int64_t width,
            double* loss) {
  const limbeck::cosine_loss written{
      limbeck::uniform_mapping{}, limbeck::no_projection{}, {.states = limbeck::gradient_holds::anything}};
  *loss = packed_states(tokens).run(written, student, width, teacher, width, gradient);
}

/// The traffic of a loss without its arithmetic: two reads and a write.
void probe_rrw(const float* student, const float* teacher, float* gradient, std::int64_t count, int past_caches) {
  if (past_caches != 0)
    limbeck_bench::run_triad<limbeck_bench::streaming_triad_kernel>(here().threads, student, teacher, gradient, count);
  else
    limbeck_bench::run_triad<limbeck_bench::triad_kernel>(here().threads, student, teacher, gradient, count);
}

/// The moments are the optimiser's own, which starts anew at update 1; those of the caller are left alone.
void adamw(float* weights, const float* gradient, [[maybe_unused]] float* first, [[maybe_unused]] float* second,
           std::int64_t count, float rate, float beta1, float beta2, float epsilon, float decay, std::int64_t update) {
  static std::unique_ptr<limbeck::adamw<float>> optimiser;
  if (update == 1 || !optimiser) {
    limbeck::parameter_table table;
    table.declare("all", count);
    optimiser = std::make_unique<limbeck::adamw<float>>(
        table, limbeck::adamw_options{.beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .weight_decay = decay});
  }
  optimiser->update(here(), rate, 1, view<const float, 1>(gradient, count), view<float, 1>(weights, count));
}

/// The traffic of AdamW without its arithmetic: four reads and three writes.
void probe_adamw(float* weights, const float* gradient, float* first, float* second, std::int64_t count) {
  limbeck::parallel_for(here().threads, count, [&](limbeck::index begin, limbeck::index end) {
    limbeck::simd_dispatch<add_everywhere_kernel>(gradient + begin, weights + begin, first + begin, second + begin,
                                                  end - begin);
  });
}
}
