// Random words in vectors are those that come one by one.
#include "limbeck/backend/philox_vectors.hpp"

#include <vector>

#include "catch.hpp"
#include "limbeck/backend/simd.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

struct words_kernel {
  template <int Bytes>
  LIMBECK_HD static void run(const random_stream& stream, std::uint32_t first, std::vector<std::uint32_t>& words) {
    words.resize(philox_words<Bytes>);
    philox_run<Bytes>(stream, first, words.data());
  }
};

TEST_CASE("philox_run gives the words of random_stream, whatever the vectors, also where positions start anew") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const random_stream& s : {random_stream{}, random_stream{11, 3, 5},
                                   random_stream{0x123456789ABCDEFULL, 0xFEDCBA9876543210ULL, 0xFFFFFFFFU}})
      for (const std::uint32_t first : {0U, 7U, 0x7FFFFFFEU, 0xFFFFFFFDU}) {
        std::vector<std::uint32_t> words;
        simd_dispatch<words_kernel>(s, first, words);
        INFO(name_of(level) << ", position " << first);
        for (std::size_t i = 0; i < words.size(); ++i)
          CHECK(words[i] == s.at(first + static_cast<std::uint32_t>(i / 4)).word[i % 4]);
      }
  }
}

struct below_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const std::uint32_t* words, std::uint32_t threshold, std::vector<T>& below) {
    using V = simd_of_bytes<T, Bytes>;
    below.resize(V::width);
    store(below.data(), where(words_below<V>(words, threshold), V(T(1)), V(T(0))));
  }
};

TEMPLATE_TEST_CASE("words_below compares without a sign", "", float, double) {
  std::vector<std::uint32_t> words;
  for (const std::uint32_t w : {0U, 1U, 0x7FFFFFFFU, 0x80000000U, 0x80000001U, 0xFFFFFFFFU, 429496730U, 429496729U})
    words.push_back(w);
  words.insert(words.end(), words.rbegin(), words.rend());
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const std::uint32_t threshold : {0U, 1U, 429496730U, 0x80000000U, 0xFFFFFFFFU}) {
      std::vector<TestType> below;
      simd_dispatch<below_kernel>(words.data(), threshold, below);
      for (std::size_t i = 0; i < below.size(); ++i) CHECK(below[i] == (words[i] < threshold ? 1 : 0));
    }
  }
}

}  // namespace
}  // namespace limbeck
