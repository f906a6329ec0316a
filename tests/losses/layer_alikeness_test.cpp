// Linear centred kernel alignment of layers: against the formula in the other space, its limits, and a mapping from it.
#include "limbeck/losses/layer_alikeness.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/mappings/monotone.hpp"

namespace {

using limbeck_test::matrix;

// Two models' states over the same tokens.
struct alike_case {
  std::vector<matrix<>> student, teacher;
  std::vector<limbeck::sample_rows> rows{{0, 5, 4}, {5, 3, 3}}, teacher_rows{{1, 5, 4}, {8, 3, 3}};

  static limbeck::signals<const double> seen(const std::vector<matrix<>>& layers,
                                             const std::vector<limbeck::sample_rows>& at) {
    limbeck::signals<const double> s;
    s.rows = limbeck::view<const limbeck::sample_rows, 1>(at.data(), at.size());
    s.hidden = limbeck::per_layer<limbeck::view<const double, 2>>(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) s.hidden[i] = layers[i].seen();
    return s;
  }
  [[nodiscard]] limbeck::layer_table operator()(limbeck::index most = 256) const {
    return limbeck::layer_alikeness(seen(student, rows), seen(teacher, teacher_rows), most);
  }
};

// Valid rows, centred, [tokens, width].
matrix<> centred(const matrix<>& states, const std::vector<limbeck::sample_rows>& rows) {
  std::vector<limbeck::index> tokens;
  for (const auto& s : rows)
    for (limbeck::index r = 0; r < s.keys; ++r) tokens.push_back(s.begin + r);
  matrix<> out(static_cast<limbeck::index>(tokens.size()), states.columns());
  for (limbeck::index c = 0; c < out.columns(); ++c) {
    double mean = 0;
    for (const auto t : tokens) mean += states(t, c) / static_cast<double>(tokens.size());
    for (limbeck::index i = 0; i < out.rows(); ++i) out(i, c) = states(tokens[static_cast<std::size_t>(i)], c) - mean;
  }
  return out;
}
// |A' B|^2, the Frobenius norm.
double cross(const matrix<>& a, const matrix<>& b) {
  double sum = 0;
  for (limbeck::index i = 0; i < a.columns(); ++i)
    for (limbeck::index k = 0; k < b.columns(); ++k) {
      double product = 0;
      for (limbeck::index t = 0; t < a.rows(); ++t) product += a(t, i) * b(t, k);
      sum += product * product;
    }
  return sum;
}

}  // namespace

TEST_CASE("layer_alikeness is the alignment that the products of columns give, over valid tokens alone") {
  alike_case c;
  for (unsigned i = 0; i < 2; ++i) c.student.emplace_back(8, 3, 1 + i);
  for (unsigned i = 0; i < 3; ++i) c.teacher.emplace_back(11, 6, 11 + i);
  c.student[0](4, 1) = c.teacher[1](0, 2) = c.teacher[1](7, 0) = std::nan("");  // beyond the keys, between samples
  const auto alike = c();
  for (std::size_t m = 0; m < 2; ++m)
    for (std::size_t n = 0; n < 3; ++n) {
      const matrix<> x = centred(c.student[m], c.rows), y = centred(c.teacher[n], c.teacher_rows);
      CHECK(alike(m, n) == Approx(cross(x, y) / std::sqrt(cross(x, x) * cross(y, y))).epsilon(1e-12));
    }
}

TEST_CASE("layer_alikeness of rotated, scaled and moved states is 1, of equal states 0") {
  alike_case c;
  c.teacher_rows = c.rows;
  c.student.emplace_back(8, 2, 1);
  matrix<> turned(8, 2), constant(8, 2);
  constant.fill(3);
  for (limbeck::index t = 0; t < 8; ++t) {
    turned(t, 0) = 5 * (0.6 * c.student[0](t, 0) - 0.8 * c.student[0](t, 1)) + 7;
    turned(t, 1) = 5 * (0.8 * c.student[0](t, 0) + 0.6 * c.student[0](t, 1));
  }
  c.teacher.push_back(turned);
  c.teacher.push_back(constant);
  CHECK(c()(0, 0) == Approx(1).epsilon(1e-13));
  CHECK(c()(0, 1) == 0);
}

TEST_CASE("layer_alikeness leads to the layers that a student was copied from") {
  alike_case c;
  for (unsigned i = 0; i < 6; ++i) c.teacher.emplace_back(8, 4, 11 + i);
  c.teacher_rows = c.rows;
  for (const std::size_t copied : {1U, 2U, 5U}) c.student.push_back(c.teacher[copied]);
  CHECK(limbeck::monotone_mapping(c()).pairs == std::vector<limbeck::layer_pair>{{0, 1}, {1, 2}, {2, 5}});
}

TEST_CASE("layer_alikeness looks at no more tokens than it is told, and says what does not fit") {
  alike_case c;
  c.student.emplace_back(8, 3, 1);
  c.teacher.emplace_back(11, 6, 11);
  const auto three = c(3);
  c.rows = {{0, 3, 3}};
  c.teacher_rows = {{1, 3, 3}};
  CHECK(c().entries() == three.entries());
  CHECK_THROWS_WITH(c(1), "layer_alikeness: needs two tokens or more, there are 1");
  c.teacher_rows = {{1, 3, 2}};
  CHECK_THROWS_WITH(c(), "layer_alikeness: sample 0 has 3 keys in the student, 2 in the teacher");
  c.teacher_rows = {{1, 3, 3}, {4, 1, 1}};
  CHECK_THROWS_WITH(c(), "layer_alikeness: 1 samples of the student, 2 of the teacher");
}
