// Columns as vectors: against the places that are meant, element by element, at every level.
#include "limbeck/backend/simd_columns.hpp"

#include <vector>

#include "catch.hpp"
#include "limbeck/backend/simd.hpp"
#include "simd_levels.hpp"

namespace {

using limbeck::index;
using limbeck::simd_level;

index lanes_of(simd_level level, std::size_t size) {
  return (level == simd_level::avx512 ? 64 : level == simd_level::avx2 ? 32 : 16) / static_cast<index>(size);
}

template <class T>
std::vector<T> numbered(index count) {
  std::vector<T> x;
  for (index i = 0; i < count; ++i) x.push_back(static_cast<T>(static_cast<float>(i % 251)));  // exact in bfloat16
  return x;
}

struct both_ways {
  template <int Bytes, class S, class A>
  LIMBECK_HD static void run(const S* from, index step, index columns, A* across, A* spare, S* to, int groups) {
    limbeck::call_kernel<limbeck::rows_to_columns, Bytes>(from, step, columns, across, groups);
    limbeck::call_kernel<limbeck::add_columns_to_rows, Bytes>(static_cast<const A*>(across), columns, spare, to,
                                                              groups);
  }
};

template <class S, class A>
void check(simd_level level, int groups) {
  const limbeck::forced_simd_level forced(level);
  const index lanes = lanes_of(level, sizeof(A)), rows = groups * lanes;
  for (index columns = 1; columns <= 40; ++columns) {
    for (const index step : {columns, columns + 3}) {
      const bool reads_on = columns < lanes && !(step == columns && limbeck::few_dense_columns(columns));
      const auto from = numbered<S>((rows - 1) * step + (reads_on ? lanes : columns));
      std::vector<A> across(static_cast<std::size_t>(rows * columns)),
          spare(static_cast<std::size_t>(lanes * columns + lanes));
      std::vector<S> to(across.size(), S(1.0F));
      limbeck::simd_dispatch<both_ways>(from.data(), step, columns, across.data(), spare.data(), to.data(), groups);
      index wrong = 0;
      for (index i = 0; i < rows; ++i)
        for (index c = 0; c < columns; ++c) {
          const float here = static_cast<float>(from[static_cast<std::size_t>(i * step + c)]);
          const index place = (i / lanes * columns + c) * lanes + i % lanes;
          wrong += static_cast<float>(across[static_cast<std::size_t>(place)]) != here;
          wrong += static_cast<float>(to[static_cast<std::size_t>(i * columns + c)]) != here + 1;
        }
      INFO(limbeck::name_of(level) << ", " << columns << " columns, step " << step << ", " << groups << " groups");
      CHECK(wrong == 0);
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("rows become columns and are added back, for every number of columns", "", float, double,
                   limbeck::bfloat16) {
  using compute = std::conditional_t<std::is_same_v<TestType, double>, double, float>;
  for (const simd_level level : limbeck_test::simd_levels())
    for (const int groups : {1, 3}) check<TestType, compute>(level, groups);
}
