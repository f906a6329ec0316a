// Rows taken from those of a layer's tokens, and put back.
#include "limbeck/blocks/answers.hpp"

#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::same_bits;

TEST_CASE("a whole layer's answers are the rows of its tokens, without a copy") {
  const cpu_executor<> on;
  const batch_layout<> batch{.tokens = 3};
  const matrix<> x(3, 2, 1);
  CHECK(gather_answers(on, batch, x.seen(), view<double, 2>{}).data() == x.data());
  matrix<> d(3, 2, 2);
  const matrix<> before = d;
  scatter_answers(on, batch, x.seen(), d.all());
  for (index r = 0; r < 3; ++r)
    for (index c = 0; c < 2; ++c) CHECK(d(r, c) == before(r, c) + x(r, c));
}

TEST_CASE("a narrowed layer's answers are copied, and go back to their tokens alone") {
  const cpu_executor<> on;
  const std::vector<sample_rows> rows{{0, 3, 3}, {3, 0, 0}, {4, 1, 1}}, queries{{0, 1, 1}, {1, 0, 0}, {1, 1, 1}};
  const std::vector<std::int32_t> tokens{0, 4};
  const auto seen = []<class T>(const std::vector<T>& of) { return view<const T, 1>(of.data(), of.size()); };
  const batch_layout<> batch{.rows = seen(rows),
                             .tokens = 5,
                             .longest = 3,
                             .gaps = true,
                             .queries = seen(queries),
                             .query_tokens = seen(tokens)};
  const matrix<> x(5, 2, 1);
  matrix<> room(2, 2), d(5, 2, 2);
  const view<const double, 2> answers = gather_answers(on, batch, x.seen(), room.all());
  CHECK(answers.data() == room.data());
  CHECK(same_bits(row_block(answers, 0, 1), row_block(x.seen(), 0, 1)));
  CHECK(same_bits(row_block(answers, 1, 1), row_block(x.seen(), 4, 1)));
  const matrix<> before = d;
  scatter_answers(on, batch, answers, d.all());
  for (index r = 0; r < 5; ++r)
    for (index c = 0; c < 2; ++c) CHECK(d(r, c) == (r == 0 || r == 4 ? before(r, c) + x(r, c) : before(r, c)));
}

}  // namespace
}  // namespace limbeck
