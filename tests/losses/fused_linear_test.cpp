// Losses through the last linear map in slices, against the dense losses and a chain rule written out.
#include "limbeck/losses/fused_linear.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/every_divergence.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/textbook.hpp"

namespace limbeck {
namespace {

namespace textbook = limbeck_test::textbook;
using limbeck_test::inner_product;
using limbeck_test::largest_gap;
using limbeck_test::matrix;

static_assert(is_batch_loss<dist_kd> && !is_batch_loss<soft_target_kl>);
static_assert(is_batch_loss<std::remove_cv_t<decltype(0.5 * dist_kd{} + 0.5 * cross_entropy{})>>);

constexpr index rows = 11, classes = 9, padded = 12, width = 5, teacher_width = 7;

/// Two heads, labels, weights and whose rows they are; the last classes of the weights are padding that nobody may
/// read.
struct fixture {
  matrix<double> hidden{rows, width, 1}, weight{padded, width, 2}, bias{1, padded, 3};
  matrix<double> teacher_hidden{rows, teacher_width, 4}, teacher_weight{padded, teacher_width, 5};
  std::vector<std::int32_t> labels, row_sample;
  std::vector<double> row_weight, sample_weight{1, 0.5, 2, 1};

  explicit fixture(bool masked) {
    for (index i = 0; i < rows; ++i) {
      labels.push_back(static_cast<std::int32_t>((4 * i + 1) % classes));
      row_sample.push_back(static_cast<std::int32_t>(i / 3));
      row_weight.push_back(masked && i % 3 == 1 ? 0 : 1 + 0.1 * static_cast<double>(i));
    }
    const double nobody = std::numeric_limits<double>::quiet_NaN();
    for (index c = classes; c < padded; ++c) {
      bias(0, c) = nobody;
      for (index k = 0; k < width; ++k) weight(c, k) = nobody;
      for (index k = 0; k < teacher_width; ++k) teacher_weight(c, k) = nobody;
    }
    for (index i = 0; masked && i < rows; ++i)
      for (index k = 0; row_weight[static_cast<std::size_t>(i)] == 0 && k < width; ++k)
        hidden(i, k) = teacher_hidden(i, k) = nobody;
  }
  template <class T>
  static view<const T, 1> all(const std::vector<T>& numbers) {
    return numbers.empty() ? view<const T, 1>() : view<const T, 1>(numbers.data(), numbers.size());
  }
  [[nodiscard]] linear_head<const double> student() const {
    return {hidden.seen(), weight.seen(), bias.seen_flat(), all(row_sample), classes};
  }
  [[nodiscard]] linear_head<const double> teacher() const { return {teacher_hidden.seen(), teacher_weight.seen()}; }
  [[nodiscard]] targets<double> given() const { return {all(labels), {}, all(row_weight)}; }
  [[nodiscard]] static matrix<double> logits(const matrix<double>& h, const matrix<double>& w, const double* b) {
    matrix<double> z(rows, classes);
    for (index i = 0; i < rows; ++i)
      for (index c = 0; c < classes; ++c) {
        z(i, c) = b != nullptr ? b[c] : 0;
        for (index k = 0; k < h.columns(); ++k) z(i, c) += h(i, k) * w(c, k);
      }
    return z;
  }
};

struct outcome {
  std::vector<double> value = std::vector<double>(4);
  matrix<double> hidden{rows, width}, weight{padded, width}, bias{1, padded};
};

constexpr normaliser counts{.samples = 4, .rows = 8};

template <class Loss, class Teacher>
outcome fused(const fixture& f, const Loss& loss, const Teacher& teacher, index slice, int threads = 1) {
  outcome got;
  std::vector<double> workspace(static_cast<std::size_t>(slice * fused_linear_room(f.student(), f.teacher())));
  fused_linear(loss, cpu_executor<>{threads}, f.student(), teacher, f.given(),
               sink<double, cpu>{.value = view<double, 1>(got.value.data(), 4),
                                 .weight = fixture::all(f.sample_weight),
                                 .scale = 0.5,
                                 .per = counts},
               linear_head<double>{got.hidden.all(), got.weight.all(), got.bias.flat()},
               view<double, 1>(workspace.data(), workspace.size()));
  return got;
}

/// The same by dense logits and d hidden = d logits W, d W = d logits' hidden, d bias = its column sums.
template <class Loss>
outcome dense(const fixture& f, const Loss& loss) {
  outcome want;
  const matrix<double> z = f.logits(f.hidden, f.weight, f.bias.data());
  const matrix<double> zt = f.logits(f.teacher_hidden, f.teacher_weight, nullptr);
  matrix<double> dz(rows, classes);
  loss(cpu_executor<>{}, signals<const double>{z.seen(), fixture::all(f.row_sample)},
       signals<const double>{zt.seen(), fixture::all(f.row_sample)}, f.given(),
       sink<double, cpu>{.value = view<double, 1>(want.value.data(), 4),
                         .gradient = {.logits = dz.all()},
                         .weight = fixture::all(f.sample_weight),
                         .scale = 0.5,
                         .per = counts});
  for (index i = 0; i < rows; ++i)
    for (index c = 0; f.row_weight[static_cast<std::size_t>(i)] != 0 && c < classes; ++c) {
      want.bias(0, c) += dz(i, c);
      for (index k = 0; k < width; ++k) {
        want.hidden(i, k) += dz(i, c) * f.weight(c, k);
        want.weight(c, k) += dz(i, c) * f.hidden(i, k);
      }
    }
  return want;
}

/// fused_linear in the place of dense logits: hidden states, weight and bias of its own, a workspace for some rows.
struct fused_head {
  static constexpr signal_set reads = signal::logits;
  limbeck_test::erased_loss loss = soft_target_kl{};
  index slice, width, classes;
  std::vector<double> hidden, weight, bias{}, dhidden{}, dweight{}, dbias{};

  // Puts its logits into the case, and NaN where nobody may read.
  fused_head(limbeck_test::draws& random, limbeck_test::logit_case<double>& c)
      : slice(random.between(1, c.rows)),
        width(random.between(1, 6)),
        classes(c.columns),
        hidden(random.numbers(c.rows * width, -1, 1)),
        weight(random.numbers(c.columns * width, -2, 2)) {
    if (random.once_in(2)) bias = random.numbers(c.columns, -1, 1);
    for (index r = 0; r < c.rows; ++r)
      for (index k = 0; k < c.columns; ++k) {
        double& z = c.student[std::size_t(r * c.columns + k)];
        double made = bias.empty() ? 0 : bias[std::size_t(k)];
        for (index i = 0; i < width; ++i)
          made += hidden[std::size_t(r * width + i)] * weight[std::size_t(k * width + i)];
        if (z == z)
          z = made;
        else if (k == 0)  // a row that does not count
          std::fill_n(hidden.begin() + r * width, width, z);
      }
    const auto counted = static_cast<std::size_t>(c.valid_classes > 0 ? c.valid_classes : classes);
    std::fill(weight.begin() + std::ptrdiff_t(counted) * width, weight.end(), limbeck_test::undefined);
    for (std::size_t k = counted; k < bias.size(); ++k) bias[k] = limbeck_test::undefined;
  }
  static view<double, 1> all(std::vector<double>& numbers) {
    return numbers.empty() ? view<double, 1>() : view<double, 1>(numbers.data(), numbers.size());
  }
  linear_head<double> head_of(std::vector<double>& h, std::vector<double>& w, std::vector<double>& b) {
    return {view<double, 2>(h.data(), index(h.size()) / width, width), view<double, 2>(w.data(), classes, width),
            all(b)};
  }
  double operator()(const limbeck_test::logit_case<double>& c, bool gradient) {
    std::vector<double> value(std::size_t(c.samples())), room(std::size_t(slice * (3 * classes + 2 * width)));
    const linear_head<double> own = head_of(hidden, weight, bias);
    const linear_head<const double> student{own.hidden, own.weight, own.bias, fixture::all(c.row_sample),
                                            c.valid_classes};
    for (auto [slopes, of] : {std::pair{&dhidden, &hidden}, {&dweight, &weight}, {&dbias, &bias}})
      slopes->assign(of->size(), 0);
    fused_linear(
        loss, cpu_executor<>{}, student,
        signals<const double>{view<const double, 2>(c.teacher.data(), c.rows, c.teacher_columns)},
        targets<double>{fixture::all(c.labels), {}, fixture::all(c.row_weight)},
        sink<double, cpu>{.value = all(value), .weight = fixture::all(c.sample_weight), .scale = c.scale, .per = c.per},
        gradient ? head_of(dhidden, dweight, dbias) : linear_head<double>{}, all(room));
    return std::accumulate(value.begin(), value.end(), 0.0);
  }
};
limbeck_test::gradient_case gradient_of(const limbeck_test::logit_case<double>& c, fused_head head) {
  return {limbeck_test::joined({&head.hidden, &head.weight, &head.bias}),
          [c, head](const std::vector<double>& x, std::vector<double>* gradient) mutable {
            limbeck_test::split(x, {&head.hidden, &head.weight, &head.bias});
            const double value = head(c, gradient != nullptr);
            if (gradient != nullptr) *gradient = limbeck_test::joined({&head.dhidden, &head.dweight, &head.dbias});
            return value;
          }};
}

void check_same(const outcome& got, const outcome& want) {
  for (std::size_t i = 0; i < 4; ++i) CHECK(got.value[i] == Approx(want.value[i]).epsilon(1e-12));
  CHECK(largest_gap(got.hidden.seen(), want.hidden.seen()) < 1e-13);
  CHECK(largest_gap(got.weight.seen(), want.weight.seen()) < 1e-13);
  CHECK(largest_gap(got.bias.seen(), want.bias.seen()) < 1e-13);
}

}  // namespace

TEST_CASE("fused_linear is the dense loss behind a linear map, for every workspace, masked or not") {
  for (const bool masked : {false, true}) {
    const fixture f(masked);
    const auto check = [&](const auto& loss) {
      const outcome want = dense(f, loss);
      for (const index slice : {1, 2, 3, 7, 11, 100})
        for (const int threads : {1, 2}) {
          INFO("slices of " << slice << " rows, " << threads << " threads, " << (masked ? "masked" : "whole"));
          check_same(fused(f, loss, f.teacher(), slice, threads), want);
        }
    };
    check(soft_target_kl{.temperature = 2});
    check(soft_target<jensen_shannon>{.divergence = {0.3}});
    check(cross_entropy{});
    check(0.9 * soft_target_kl{.temperature = 2} + 0.1 * cross_entropy{.label_smoothing = 0.1});
  }
}

TEST_CASE("fused_linear takes a teacher's logits that are there, or none") {
  const fixture f(true);
  const matrix<double> zt = f.logits(f.teacher_hidden, f.teacher_weight, nullptr);
  const auto want = dense(f, soft_target_kl{});
  check_same(fused(f, soft_target_kl{}, signals<const double>{zt.seen()}, 3), want);
  const matrix<float> narrow(zt);
  CHECK(fused(f, soft_target_kl{}, signals<const float>{narrow.seen()}, 3).value[0] ==
        Approx(want.value[0]).epsilon(1e-6));
  check_same(fused(f, cross_entropy{}, signals<const double>{}, 4), dense(f, cross_entropy{}));
}

TEST_CASE("the gradients of fused_linear are slopes of its value, for every divergence") {
  limbeck_test::for_each_divergence([](const std::string& name, const auto& made) {
    limbeck_test::check_gradients("fused_linear of " + name, [&](limbeck_test::draws& random) {
      auto c = random_rows(random);
      fused_head head(random, c);
      const auto divergence = made(random);
      const double temperature = random.number(0.5, 4);
      if (name == "total_variation") keep_apart(random, c, textbook::log_ratios_at(temperature));
      head.loss =
          soft_target<std::remove_cv_t<decltype(divergence)>>{.temperature = temperature, .divergence = divergence};
      return gradient_of(c, head);
    });
  });
  limbeck_test::check_gradients("fused_linear of cross_entropy", [](limbeck_test::draws& random) {
    auto c = random_rows(random);
    fused_head head(random, c);
    head.loss = cross_entropy{.label_smoothing = random.share()};
    return gradient_of(c, head);
  });
}

TEST_CASE("fused_linear adds to the gradients that are wanted, and to no others") {
  const fixture f(false);
  const outcome whole = fused(f, soft_target_kl{}, f.teacher(), 5);
  matrix<double> hidden(rows, width), weight(padded, width);
  hidden.fill(1);
  std::vector<double> workspace(static_cast<std::size_t>(5 * fused_linear_room(f.student(), f.teacher())));
  const auto call = [&](const linear_head<double>& gradient) {
    fused_linear(soft_target_kl{}, cpu_executor<>{}, f.student(), f.teacher(), f.given(),
                 sink<double, cpu>{.weight = fixture::all(f.sample_weight), .scale = 0.5, .per = counts}, gradient,
                 view<double, 1>(workspace.data(), workspace.size()));
  };
  call({.hidden = hidden.all()});
  for (index i = 0; i < hidden.count(); ++i) CHECK(hidden.data()[i] == Approx(1 + whole.hidden.data()[i]));
  call({.weight = weight.all()});
  CHECK(largest_gap(weight.seen(), whole.weight.seen()) < 1e-14);
  call({});
}

/// As fixture, with so many classes that a gradient may take the place of the logits.
struct many_classes {
  static constexpr index classes = classes_in_place + 88, padded = classes + 3;
  matrix<double> hidden{rows, width, 1}, weight{padded, width, 2}, bias{1, padded, 3};
  matrix<double> teacher_hidden{rows, teacher_width, 4}, teacher_weight{padded, teacher_width, 5};
  matrix<double> teacher_logits{rows, padded, 6};
  std::vector<std::int32_t> labels, row_sample;
  std::vector<double> row_weight;

  many_classes() {
    for (index i = 0; i < rows; ++i) {
      labels.push_back(static_cast<std::int32_t>((131 * i) % classes));
      row_sample.push_back(static_cast<std::int32_t>(i / 3));
      row_weight.push_back(i % 4 == 1 ? 0 : 1 + 0.1 * static_cast<double>(i));
    }
    for (index c = classes; c < padded; ++c)
      for (matrix<double>* m : {&weight, &teacher_weight})
        for (index k = 0; k < m->columns(); ++k) (*m)(c, k) = std::numeric_limits<double>::quiet_NaN();
  }
  [[nodiscard]] linear_head<const double> student() const {
    return {hidden.seen(), weight.seen(), bias.seen_flat(), fixture::all(row_sample), classes};
  }
  [[nodiscard]] linear_head<const double> teacher() const { return {teacher_hidden.seen(), teacher_weight.seen()}; }

  /// Values, d hidden, d weight and d bias, from a workspace for 4 rows and no more.
  template <class Loss, class Teacher>
  [[nodiscard]] std::array<matrix<double>, 4> operator()(const Loss& loss, const Teacher& shown) const {
    std::array<matrix<double>, 4> got{matrix<double>(1, 4), matrix<double>(rows, width), matrix<double>(padded, width),
                                      matrix<double>(1, padded)};
    std::vector<double> room(static_cast<std::size_t>(4 * fused_linear_room(loss, student(), shown)));
    fused_linear(
        loss, cpu_executor<>{2}, student(), shown, targets<double>{fixture::all(labels), {}, fixture::all(row_weight)},
        sink<double, cpu>{.value = got[0].flat()}, linear_head<double>{got[1].all(), got[2].all(), got[3].flat()},
        view<double, 1>(room.data(), room.size()));
    return got;
  }
};

TEST_CASE("a gradient in the place of the logits is the same, and one matrix less") {
  const many_classes f;
  const soft_target_kl kl{.temperature = 2};
  const index row = 2 * width, logits = many_classes::classes;
  const linear_head<const double> by_shape{.weight =
                                               view<const double, 2>(nullptr, many_classes::padded, teacher_width)};
  for (const auto& teacher : {f.teacher(), by_shape}) {
    CHECK(fused_linear_room(kl, f.student(), teacher) == 2 * logits + row + teacher_width);
    CHECK(fused_linear_room(term(kl), f.student(), teacher) == 3 * logits + row + teacher_width);
  }
  CHECK(fused_linear_room(cross_entropy{}, f.student(), signals<const double>{}) == logits + row);
  const auto same = [&](const auto& loss, const auto& teacher) {
    const auto got = f(loss, teacher), want = f(term(loss), teacher);  // a sum may not write in place
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(largest_gap(got[i].seen(), want[i].seen()) == 0);
      CHECK(inner_product(got[i].seen(), got[i].seen()) > 0);
    }
  };
  const signals<const double> dense{.logits = f.teacher_logits.seen(), .valid_classes = many_classes::classes};
  same(kl, f.teacher());
  same(kl, dense);
  same(0.5 * kl, f.teacher());
  same(logits_mse{}, dense);
  same(cross_entropy{.label_smoothing = 0.1}, signals<const double>{});
}

TEST_CASE("fused_linear refuses shapes that do not fit, by name") {
  const fixture f(false);
  std::vector<double> workspace(200);
  const auto call = [&](const linear_head<const double>& student, const linear_head<const double>& teacher,
                        const linear_head<double>& gradient, index room) {
    fused_linear(soft_target_kl{}, cpu_executor<>{}, student, teacher, f.given(), sink<double, cpu>{}, gradient,
                 view<double, 1>(workspace.data(), room));
  };
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(call(f.student(), f.teacher(), {}, 40), Contains("a workspace of 40 numbers, a row needs 44"));
  auto student = f.student();
  student.hidden = f.teacher_hidden.seen();
  CHECK_THROWS_WITH(call(student, f.teacher(), {}, 200), Contains("student's hidden [11, 7] for weight [12, 5]"));
  auto teacher = f.teacher();
  teacher.hidden = row_block(teacher.hidden, 0, 3);
  CHECK_THROWS_WITH(call(f.student(), teacher, {}, 200), Contains("teacher's hidden [3, 7] for 11 rows"));
  student = f.student();
  student.valid_classes = 13;
  CHECK_THROWS_WITH(call(student, f.teacher(), {}, 200), Contains("for 13 classes"));
  matrix<double> small(2, 2);
  CHECK_THROWS_WITH(call(f.student(), f.teacher(), {.hidden = small.all()}, 200), Contains("gradient of hidden"));
}

}  // namespace limbeck
