// Work split over threads: everything is done exactly once.
#include "limbeck/backend/threads.hpp"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("shares cover everything once, in order, and differ by one item at most") {
  for (const index count : {0, 1, 2, 3, 7, 16, 101})
    for (const index parts : {1, 2, 3, 5, 7, 16}) {
      index at = 0, least = count, most = 0;
      for (index part = 0; part < parts; ++part) {
        const chunk c = share_of(count, part, parts);
        CHECK(c.begin == at);
        at = c.end;
        least = std::min(least, c.end - c.begin);
        most = std::max(most, c.end - c.begin);
      }
      CHECK(at == count);
      CHECK(most - least <= 1);
    }
}

TEST_CASE("parallel_for does every item exactly once, for odd counts too") {
  for (const int threads : {-1, 0, 1, 2, 3, 5, 16})
    for (const index count : {0, 1, 2, 3, 7, 31, 1001}) {
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
      std::atomic<int> calls{0};
      parallel_for(threads, count, [&](index begin, index end) {
        ++calls;
        for (index i = begin; i < end; ++i) ++done[static_cast<std::size_t>(i)];
      });
      CHECK(std::all_of(done.begin(), done.end(), [](const auto& n) { return n == 1; }));
      CHECK(calls <= std::max(threads, 1));
      if (count == 0) CHECK(calls == 0);
    }
}

TEST_CASE("parallel_for keeps small work on one thread") {
  std::atomic<int> calls{0};
  parallel_for(8, 100, 64, [&](index, index) { ++calls; });
  CHECK(calls == 1);
  calls = 0;
  index covered = 0;
  parallel_for(8, 200, 64, [&](index begin, index end) {
    ++calls;
#pragma omp atomic
    covered += end - begin;
  });
  CHECK(calls <= 3);
  CHECK(covered == 200);
}

TEST_CASE("parallel_for inside parallel_for does everything once") {
  std::vector<std::atomic<int>> done(60);
  parallel_for(3, 6, [&](index outer_begin, index outer_end) {
    for (index o = outer_begin; o < outer_end; ++o)
      parallel_for(2, 10, [&](index begin, index end) {
        for (index i = begin; i < end; ++i) ++done[static_cast<std::size_t>(o * 10 + i)];
      });
  });
  CHECK(std::all_of(done.begin(), done.end(), [](const auto& n) { return n == 1; }));
}

TEST_CASE("parallel_each does every item exactly once") {
  for (const int threads : {1, 2, 5})
    for (const index count : {0, 1, 7, 101}) {
      std::vector<std::atomic<int>> done(static_cast<std::size_t>(count));
      parallel_each(threads, count, [&](index item) { ++done[static_cast<std::size_t>(item)]; });
      CHECK(std::all_of(done.begin(), done.end(), [](const auto& n) { return n == 1; }));
    }
}

}  // namespace
}  // namespace limbeck
