// xtensor's containers and views of them as views.
#include "limbeck/interop/xtensor.hpp"

#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xview.hpp>

#include <concepts>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

using matrix = xt::xtensor<float, 2>;

static_assert(std::same_as<decltype(tensor_view<2>(std::declval<matrix&>())), view<float, 2>>);
static_assert(std::same_as<decltype(tensor_view<2>(std::declval<const matrix&>())), view<const float, 2>>);
static_assert(!xtensor_memory<decltype(std::declval<matrix&>() + std::declval<matrix&>())>, "a sum has no memory");

TEST_CASE("containers of fixed and free rank are seen where they lie") {
  matrix fixed = xt::zeros<float>({3, 4});
  xt::xarray<float> free = xt::zeros<float>({2, 3, 4});
  CHECK(&tensor_view<2>(fixed)(2, 1) == &fixed(2, 1));
  CHECK(&tensor_view<3>(free)(1, 2, 3) == &free(1, 2, 3));
  CHECK_THROWS_WITH(tensor_view<2>(free), "tensor_view: rank 3, expected 2");
}

TEST_CASE("a view of a part begins where the part does") {
  matrix whole = xt::zeros<float>({5, 6});
  auto part = xt::view(whole, xt::range(1, 4), xt::range(2, 5));
  const view<float, 2> seen = tensor_view<2>(part);
  CHECK(seen.stride(0) == 6);
  CHECK(&seen(0, 0) == &whole(1, 2));
  CHECK(&seen(2, 2) == &whole(3, 4));
  auto backwards = xt::view(whole, xt::range(4, xt::placeholders::_, -2), xt::all());
  CHECK(&tensor_view<2>(backwards)(1, 5) == &whole(2, 5));
}

TEST_CASE("adaptors of memory that others own are seen, read only where they are") {
  const std::vector<double> memory(6);
  const auto adapted = xt::adapt(memory, std::vector<std::size_t>{2, 3});
  const view<const double, 2> seen = tensor_view<2>(adapted);
  CHECK(&seen(1, 2) == &memory[5]);
}

}  // namespace
}  // namespace limbeck
