// Every loss of losses/every_loss.hpp as C functions, for every_loss.py: a batch of numbers of our own is made, looked
// at, and its loss called as often as wanted. Gradients of logits are written; those of states and maps are added to,
// so every call sets them to zero first, which is part of its time. Threads: as many as OpenMP gives.
#include "losses/every_loss.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>

#include "every_thread.hpp"
#include "limbeck/ops/elementwise.hpp"

namespace {

using namespace limbeck_bench;
using size = std::int64_t;
using float_batch = batch<float, float, float>;
using float_losses = named_losses<float, float, float>;

/// A batch and the call of its loss.
struct held {
  std::shared_ptr<float_batch> batch;
  std::function<void(const executor&)> call;
};

template <class Batch, class... Sizes>
std::unique_ptr<held> made_of(const float_losses& losses, const char* name, Sizes... sizes) {
  for (const auto& loss : losses)
    if (loss.name == name) {
      auto made = std::make_unique<held>(held{std::make_shared<Batch>(sizes...), {}});
      made->call = loss.prepare(*made->batch);
      return made;
    }
  return nullptr;
}

executor here() { return on_every_thread<provider>(); }

}  // namespace

extern "C" {

/// A batch for the loss of that name, or null where no loss of the kind has it. Sizes of the kind `logits`: rows,
/// classes; `states`, `relations`, `vectors`: samples, tokens each, width, the teacher's; `maps`: samples, heads,
/// tokens each.
void* every_loss_make(const char* kind, const char* name, const size* n) {
  const auto is = [kind](const char* one) { return std::strcmp(kind, one) == 0; };
  using states = states_batch<float, float, float>;
  if (is("logits")) {
    using logits = logits_batch<float, float, float>;
    auto made = made_of<logits>(divergence_losses<float, float, float, writing>(), name, n[0], n[1]);
    if (made == nullptr) made = made_of<logits>(logit_losses<float, float, float, writing>(), name, n[0], n[1]);
    return made.release();
  }
  if (is("states")) return made_of<states>(state_losses<float, float, float>(), name, n[0], n[1], n[2], n[3]).release();
  if (is("vectors"))
    return made_of<states>(vector_losses<float, float, float>(), name, n[0], n[1], n[2], n[3]).release();
  if (is("relations"))
    return made_of<states>(relation_losses<float, float, float>(), name, n[0], n[1], n[2], n[3], true).release();
  if (is("maps"))
    return made_of<maps_batch<float, float, float>>(map_losses<float, float, float>(), name, n[0], n[1], n[2])
        .release();
  return nullptr;
}

void every_loss_free(void* made) { delete static_cast<held*>(made); }

/// The student's numbers, the teacher's, and the student's gradient; labels, null where there are none.
void every_loss_memory(void* made, float** student, float** teacher, float** gradient, const std::int32_t** labels) {
  float_batch& b = *static_cast<held*>(made)->batch;
  *student = b.mine.data();
  *teacher = b.theirs.data();
  *gradient = b.gradient.data();
  *labels = b.labels.empty() ? nullptr : b.labels.data();
}

/// The sum of the samples' values, and a fresh gradient.
double every_loss_run(void* made) {
  held& of = *static_cast<held*>(made);
  float_batch& b = *of.batch;
  limbeck::ops::fill(here(), 0.0F, b.value.all());
  if (b.out.gradient.logits.empty()) limbeck::ops::fill(here(), 0.0F, b.gradient.all());
  of.call(here());
  return std::accumulate(b.value.data(), b.value.data() + b.value.count(), 0.0);
}
}
