// Distillation in a training loop of plain C, in the manner of llm.c: a small GPT-2 in static arrays of float, forward
// and backward passes by hand, a vocabulary padded to 64 columns, prompts that are not learned. Only the loss is
// limbeck's: classifier() looks at the arrays and writes the gradient of the logits, which is all that the rest wants
// to know.
#include <limbeck/interop/pointer.hpp>
#include <limbeck/losses/cross_entropy.hpp>
#include <limbeck/losses/objective.hpp>
#include <limbeck/losses/soft_target.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace {

constexpr int B = 8, T = 16, rows = B * T;  // samples of a batch, words of a sample
constexpr int C = 32, heads = 2, layers = 2, head_width = C / heads;
constexpr int V = 61, padded = 64;  // words, and columns of logits
constexpr std::int32_t not_learned = -100;

struct layer_weights {
  float norm1[C], shift1[C], qkv[3 * C * C], qkv_bias[3 * C], mix[C * C], mix_bias[C];
  float norm2[C], shift2[C], widen[4 * C * C], widen_bias[4 * C], narrow[4 * C * C], narrow_bias[C];
};
struct all_weights {
  float words[padded * C], places[T * C];  // words: of the input and, transposed, of the logits
  layer_weights layer[layers];
  float norm[C], shift[C];
};
struct layer_values {
  float in[rows * C], normed1[rows * C], qkv[rows * 3 * C], attention[B * heads * T * T], mixed[rows * C];
  float middle[rows * C], normed2[rows * C], wide[rows * 4 * C], active[rows * 4 * C];
};

all_weights w, dw, adam_m, adam_v;
layer_values a[layers];
float out[rows * C], normed[rows * C], logits[rows * padded], d_logits[rows * padded];

// What the data say: words, the word behind each (or not_learned), and the teacher's logits, which need no padding.
std::int32_t words[rows], labels[rows];
float teacher[rows * V];

// --- Random numbers --------------------------------------------------------------------------------------------------

std::uint64_t random_state;

double uniform() {  // 0 to 1, by xorshift*
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return static_cast<double>((random_state * 0x2545F4914F6CDD1DULL) >> 40) / (1 << 24);
}
float normal(float deviation) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += uniform();
  return deviation * static_cast<float>(sum);
}
void fill_normal(float* begin, int count, float deviation) {
  for (int i = 0; i < count; ++i) begin[i] = normal(deviation);
}

// --- Data: words that depend on the two before them, so what comes next is known exactly -----------------------------

constexpr int traits = 8;
float after_last[V * traits], after_older[V * traits], meaning[V * traits];

void next_word_logits(float* next, int last, int older) {
  for (int v = 0; v < V; ++v) {
    next[v] = 0;
    for (int k = 0; k < traits; ++k)
      next[v] += (after_last[last * traits + k] + after_older[older * traits + k]) * meaning[v * traits + k];
  }
}
int sample(const float* of) {  // a word by its logit
  double sum = 0, top = *std::max_element(of, of + V);
  for (int v = 0; v < V; ++v) sum += std::exp(of[v] - top);
  double left = uniform() * sum;
  for (int v = 0; v < V; ++v)
    if ((left -= std::exp(of[v] - top)) < 0) return v;
  return V - 1;
}
void next_batch() {
  float unseen[V];
  for (int b = 0; b < B; ++b) {
    const int prompt = 2 + static_cast<int>(uniform() * 4);  // 2 to 5 words that nobody has to guess
    int older = static_cast<int>(uniform() * V), last = static_cast<int>(uniform() * V);
    for (int t = 0; t < T; ++t) {
      const int row = b * T + t;
      const bool learned = t >= prompt;  // elsewhere the teacher is not asked, its row holds anything
      float* next = learned ? teacher + row * V : unseen;
      words[row] = last;
      next_word_logits(next, last, older);
      older = last;
      last = sample(next);
      labels[row] = learned ? last : not_learned;
    }
  }
}

// --- The loss: where the loop had a softmax and a cross-entropy, it asks limbeck -------------------------------------

int count_learned() {
  return static_cast<int>(std::count_if(labels, labels + rows, [](std::int32_t l) { return l != not_learned; }));
}

/// Returns the mean loss of the rows that are learned. Writes the gradient of all logits, 0 in prompts and in padding.
double classifier() {
  static const auto goal = 0.7 * limbeck::soft_target_kl{.temperature = 2} + 0.3 * limbeck::cross_entropy{};
  static float loss[rows], learned[rows];
  for (int i = 0; i < rows; ++i) {
    loss[i] = 0;  // values are added
    learned[i] = labels[i] == not_learned ? 0 : 1;
  }
  limbeck::write_gradient(
      goal, limbeck::cpu_executor<>{.threads = 1},
      limbeck::signals<const float>{.logits = limbeck::matrix_view(logits, rows, padded), .valid_classes = V},
      limbeck::signals<const float>{.logits = limbeck::matrix_view(teacher, rows, V), .valid_classes = V},
      limbeck::targets<float>{.labels = limbeck::vector_view(labels, rows),
                              .row_weight = limbeck::vector_view(learned, rows)},
      limbeck::sink<float, limbeck::cpu>{.value = limbeck::vector_view(loss, rows),
                                         .gradient = {.logits = limbeck::matrix_view(d_logits, rows, padded)},
                                         .per = {.rows = static_cast<double>(count_learned())}});
  double sum = 0;
  for (const float of_row : loss) sum += of_row;
  return sum;
}

/// By how much d_logits misses the textbook's gradient in double, as a part of the latter's largest entry.
double gradient_error() {
  const auto probability = [](const float* z, int v, double temperature) {
    double sum = 0;
    for (int c = 0; c < V; ++c) sum += std::exp((z[c] - z[v]) / temperature);
    return 1 / sum;
  };
  double off = 0, largest = 0;
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < padded; ++v) {
      double exact = 0;
      if (labels[i] != not_learned && v < V) {
        const float *z = logits + i * padded, *zt = teacher + i * V;
        exact = 0.7 * 2 * (probability(z, v, 2) - probability(zt, v, 2)) +
                0.3 * (probability(z, v, 1) - (v == labels[i] ? 1 : 0));
      }
      exact /= count_learned();
      off = std::max(off, std::fabs(d_logits[i * padded + v] - exact));
      largest = std::max(largest, std::fabs(exact));
    }
  }
  return off / largest;
}

// --- The model, layer by layer ---------------------------------------------------------------------------------------

/// y [rows, to] = x [rows, from] * weight [to, from]^T + bias; a null bias is none.
void linear(float* y, const float* x, const float* weight, const float* bias, int from, int to) {
  for (int i = 0; i < rows; ++i) {
    for (int o = 0; o < to; ++o) {
      float sum = bias ? bias[o] : 0;
      for (int k = 0; k < from; ++k) sum += x[i * from + k] * weight[o * from + k];
      y[i * to + o] = sum;
    }
  }
}
/// Writes dx, adds to the others.
void linear_backward(float* dx, float* d_weight, float* d_bias, const float* dy, const float* x, const float* weight,
                     int from, int to) {
  std::fill_n(dx, rows * from, 0.0F);
  for (int i = 0; i < rows; ++i) {
    for (int o = 0; o < to; ++o) {
      const float d = dy[i * to + o];
      if (d_bias) d_bias[o] += d;
      for (int k = 0; k < from; ++k) {
        dx[i * from + k] += d * weight[o * from + k];
        d_weight[o * from + k] += d * x[i * from + k];
      }
    }
  }
}

struct moments {
  float mean = 0, inverse_deviation = 0;
  explicit moments(const float* x) {
    for (int k = 0; k < C; ++k) mean += x[k] / C;
    float variance = 0;
    for (int k = 0; k < C; ++k) variance += (x[k] - mean) * (x[k] - mean) / C;
    inverse_deviation = 1 / std::sqrt(variance + 1e-5F);
  }
};
void layer_norm(float* y, const float* x, const float* weight, const float* bias) {
  for (int i = 0; i < rows; ++i, x += C, y += C) {
    const moments of(x);
    for (int k = 0; k < C; ++k) y[k] = (x[k] - of.mean) * of.inverse_deviation * weight[k] + bias[k];
  }
}
/// Adds to everything: a norm stands in a branch, so dx already holds the gradient of the stream.
void layer_norm_backward(float* dx, float* d_weight, float* d_bias, const float* dy, const float* x,
                         const float* weight) {
  for (int i = 0; i < rows; ++i, x += C, dx += C, dy += C) {
    const moments of(x);
    float mean = 0, along = 0;
    for (int k = 0; k < C; ++k) {
      const float unit = (x[k] - of.mean) * of.inverse_deviation;
      d_weight[k] += dy[k] * unit;
      d_bias[k] += dy[k];
      mean += dy[k] * weight[k] / C;
      along += dy[k] * weight[k] * unit / C;
    }
    for (int k = 0; k < C; ++k) {
      const float unit = (x[k] - of.mean) * of.inverse_deviation;
      dx[k] += of.inverse_deviation * (dy[k] * weight[k] - mean - unit * along);
    }
  }
}

constexpr float attention_scale = 0.25F;  // 1 / sqrt(head_width)
static_assert(head_width == 16);

/// Of a word on itself and those before it. In a row of qkv lie C queries, C keys and C values; probabilities: [B,
/// heads, T, T].
void attention(float* y, float* probabilities, const float* qkv) {
  for (int b = 0; b < B; ++b) {
    for (int h = 0; h < heads; ++h) {
      const float* q = qkv + b * T * 3 * C + h * head_width;
      float* p = probabilities + (b * heads + h) * T * T;
      for (int t = 0; t < T; ++t, p += T) {
        for (int u = 0; u <= t; ++u) {
          p[u] = 0;
          for (int k = 0; k < head_width; ++k) p[u] += attention_scale * q[t * 3 * C + k] * q[u * 3 * C + C + k];
        }
        const float top = *std::max_element(p, p + t + 1);
        float sum = 0;
        for (int u = 0; u <= t; ++u) sum += p[u] = std::exp(p[u] - top);
        float* into = y + (b * T + t) * C + h * head_width;
        std::fill_n(into, head_width, 0.0F);
        for (int u = 0; u <= t; ++u) {
          p[u] /= sum;
          for (int k = 0; k < head_width; ++k) into[k] += p[u] * q[u * 3 * C + 2 * C + k];
        }
      }
    }
  }
}
/// Writes d_qkv.
void attention_backward(float* d_qkv, const float* dy, const float* probabilities, const float* qkv) {
  std::fill_n(d_qkv, rows * 3 * C, 0.0F);
  for (int b = 0; b < B; ++b) {
    for (int h = 0; h < heads; ++h) {
      const int first = b * T * 3 * C + h * head_width;
      const float *q = qkv + first, *p = probabilities + (b * heads + h) * T * T;
      float* dq = d_qkv + first;
      for (int t = 0; t < T; ++t, p += T) {
        const float* from = dy + (b * T + t) * C + h * head_width;
        float dp[T] = {}, along = 0;
        for (int u = 0; u <= t; ++u) {
          for (int k = 0; k < head_width; ++k) {
            dp[u] += from[k] * q[u * 3 * C + 2 * C + k];
            dq[u * 3 * C + 2 * C + k] += p[u] * from[k];
          }
          along += p[u] * dp[u];
        }
        for (int u = 0; u <= t; ++u) {
          const float d = p[u] * (dp[u] - along) * attention_scale;
          for (int k = 0; k < head_width; ++k) {
            dq[t * 3 * C + k] += d * q[u * 3 * C + C + k];
            dq[u * 3 * C + C + k] += d * q[t * 3 * C + k];
          }
        }
      }
    }
  }
}

constexpr float gelu_scale = 0.79788456F;  // sqrt(2 / pi)
void gelu(float* y, const float* x, int count) {
  for (int i = 0; i < count; ++i)
    y[i] = 0.5F * x[i] * (1 + std::tanh(gelu_scale * (x[i] + 0.044715F * x[i] * x[i] * x[i])));
}
void gelu_backward(float* d, const float* x, int count) {  // in place
  for (int i = 0; i < count; ++i) {
    const float t = std::tanh(gelu_scale * (x[i] + 0.044715F * x[i] * x[i] * x[i]));
    d[i] *= 0.5F * (1 + t) + 0.5F * x[i] * (1 - t * t) * gelu_scale * (1 + 3 * 0.044715F * x[i] * x[i]);
  }
}

void add(float* y, const float* x, const float* branch) {
  for (int i = 0; i < rows * C; ++i) y[i] = x[i] + branch[i];
}

// --- The whole net ---------------------------------------------------------------------------------------------------

void forward() {
  static float branch[rows * C];
  for (int i = 0; i < rows * C; ++i) a[0].in[i] = w.words[words[i / C] * C + i % C] + w.places[i / C % T * C + i % C];
  for (int l = 0; l < layers; ++l) {
    const layer_weights& p = w.layer[l];
    layer_norm(a[l].normed1, a[l].in, p.norm1, p.shift1);
    linear(a[l].qkv, a[l].normed1, p.qkv, p.qkv_bias, C, 3 * C);
    attention(a[l].mixed, a[l].attention, a[l].qkv);
    linear(branch, a[l].mixed, p.mix, p.mix_bias, C, C);
    add(a[l].middle, a[l].in, branch);
    layer_norm(a[l].normed2, a[l].middle, p.norm2, p.shift2);
    linear(a[l].wide, a[l].normed2, p.widen, p.widen_bias, C, 4 * C);
    gelu(a[l].active, a[l].wide, rows * 4 * C);
    linear(branch, a[l].active, p.narrow, p.narrow_bias, 4 * C, C);
    add(l + 1 < layers ? a[l + 1].in : out, a[l].middle, branch);
  }
  layer_norm(normed, out, w.norm, w.shift);
  linear(logits, normed, w.words, nullptr, C, padded);
}

void backward() {
  static float d[rows * C], branch[rows * C], wide[rows * 4 * C], qkv[rows * 3 * C];  // d: of the stream
  dw = {};
  std::fill_n(d, rows * C, 0.0F);
  linear_backward(branch, dw.words, nullptr, d_logits, normed, w.words, C, padded);
  layer_norm_backward(d, dw.norm, dw.shift, branch, out, w.norm);
  for (int l = layers; l-- > 0;) {
    const layer_weights& p = w.layer[l];
    layer_weights& dp = dw.layer[l];
    linear_backward(wide, dp.narrow, dp.narrow_bias, d, a[l].active, p.narrow, 4 * C, C);
    gelu_backward(wide, a[l].wide, rows * 4 * C);
    linear_backward(branch, dp.widen, dp.widen_bias, wide, a[l].normed2, p.widen, C, 4 * C);
    layer_norm_backward(d, dp.norm2, dp.shift2, branch, a[l].middle, p.norm2);
    linear_backward(branch, dp.mix, dp.mix_bias, d, a[l].mixed, p.mix, C, C);
    attention_backward(qkv, branch, a[l].attention, a[l].qkv);
    linear_backward(branch, dp.qkv, dp.qkv_bias, qkv, a[l].normed1, p.qkv, C, 3 * C);
    layer_norm_backward(d, dp.norm1, dp.shift1, branch, a[l].in, p.norm1);
  }
  for (int i = 0; i < rows * C; ++i) {
    dw.words[words[i / C] * C + i % C] += d[i];
    dw.places[i / C % T * C + i % C] += d[i];
  }
}

void adam(int step, float rate) {
  static_assert(sizeof(all_weights) % sizeof(float) == 0);
  float* at = reinterpret_cast<float*>(&w);  // nothing but floats, one behind the other
  float* m = reinterpret_cast<float*>(&adam_m);
  float* v = reinterpret_cast<float*>(&adam_v);
  const float* g = reinterpret_cast<const float*>(&dw);
  const double to_m = 1 - std::pow(0.9, step), to_v = 1 - std::pow(0.95, step);
  for (std::size_t i = 0; i < sizeof(all_weights) / sizeof(float); ++i) {
    m[i] = 0.9F * m[i] + 0.1F * g[i];
    v[i] = 0.95F * v[i] + 0.05F * g[i] * g[i];
    at[i] -= rate * static_cast<float>(m[i] / to_m / (std::sqrt(v[i] / to_v) + 1e-8));
  }
}

void initialise() {
  fill_normal(after_last, V * traits, 0.8F);
  fill_normal(after_older, V * traits, 0.8F);
  fill_normal(meaning, V * traits, 0.8F);
  fill_normal(w.words, padded * C, 0.05F);
  fill_normal(w.places, T * C, 0.02F);
  std::fill_n(w.norm, C, 1.0F);
  for (layer_weights& p : w.layer) {
    std::fill_n(p.norm1, C, 1.0F);
    std::fill_n(p.norm2, C, 1.0F);
    fill_normal(p.qkv, 3 * C * C, 0.1F);
    fill_normal(p.mix, C * C, 0.05F);
    fill_normal(p.widen, 4 * C * C, 0.1F);
    fill_normal(p.narrow, 4 * C * C, 0.05F);
  }
}

double held_out_loss() {
  const std::uint64_t before = random_state;
  random_state = 4711;  // the same batches every time
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    next_batch();
    forward();
    sum += classifier() / 4;
  }
  random_state = before;
  return sum;
}

}  // namespace

int main() {
  random_state = 1;
  initialise();
  const double start = held_out_loss();
  for (int step = 1; step <= 150; ++step) {
    next_batch();
    forward();
    classifier();
    backward();
    adam(step, 3e-3F);
  }
  const double end = held_out_loss(), error = gradient_error();
  std::printf("held-out loss %.4f, at the start %.4f; gradient off by %.1e of its largest entry\n", end, start, error);
  return end < 0.8 * start && error < 1e-5 ? 0 : 1;
}
