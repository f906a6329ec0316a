// Tests of limbeck/recipes/report_chart.hpp, and of the axes and courses that it draws.
#include "limbeck/recipes/report_chart.hpp"

#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"

namespace limbeck::report {
namespace {

std::vector<std::string> texts(const axis& a) {
  std::vector<std::string> out;
  for (const tick& t : a.ticks) out.push_back(t.text);
  return out;
}

TEST_CASE("ticks are round numbers with as many digits as they need") {
  CHECK(texts(straight_axis(0, 1)) == std::vector<std::string>{"0", "0.5", "1.0"});
  CHECK(texts(straight_axis(0.81, 0.87)) == std::vector<std::string>{"0.82", "0.84", "0.86"});
  CHECK(texts(straight_axis(0, 5e-5)) == std::vector<std::string>{"0", "2e-5", "4e-5"});
  CHECK(texts(straight_axis(0, 2105)) == std::vector<std::string>{"0", "1000", "2000"});
  CHECK(texts(straight_axis(-0.02, 0.013)) == std::vector<std::string>{"-0.02", "-0.01", "0", "0.01"});
  CHECK(texts(straight_axis(0, 40000)) == std::vector<std::string>{"0", "10k", "20k", "30k", "40k"});
  CHECK(texts(power_axis(0.01, 100)) == std::vector<std::string>{"0.01", "0.1", "1", "10", "100"});
  CHECK(texts(power_axis(3, 70)) == std::vector<std::string>{"5", "10", "20", "50"});
  CHECK(texts(counting_axis(3)) == std::vector<std::string>{"1", "2", "3"});
  CHECK(texts(counting_axis(40)) == std::vector<std::string>{"5", "10", "15", "20", "25", "30", "35", "40"});
}

TEST_CASE("the ends of a rounded axis are ticks") {
  for (const auto& [low, high] : {std::pair{0.476, 0.7969}, {0.2, 40.0}, {-3.0, 17.0}, {0.0, 1.0}}) {
    const axis a = rounded_axis(low, high);
    CHECK((a.low <= low && a.high >= high));
    CHECK(a.ticks.front().at == Approx(a.low).margin(1e-12));
    CHECK(a.ticks.back().at == Approx(a.high));
  }
}

TEST_CASE("an axis has a range and a tick whatever it is given") {
  for (const auto& [low, high] : {std::pair{3.0, 3.0},
                                  {0.0, 0.0},
                                  {-1e-9, 1e-9},
                                  {1e9, 1e9 + 1},
                                  {1e17, 1e17 + 16},
                                  {-7.0, -7.0},
                                  {-1e308, 1e308}}) {
    for (const axis& a : {straight_axis(low, high), rounded_axis(low, high)}) {
      CHECK(a.low < a.high);
      CHECK((a.low <= std::max(low, -largest) && a.high >= std::min(high, largest)));
      CHECK_FALSE(a.ticks.empty());
      CHECK(a.ticks.size() <= 12);
      for (const tick& t : a.ticks) CHECK((a.share(t.at) > -1e-6 && a.share(t.at) < 1 + 1e-6));
    }
  }
  const axis powers = power_axis(0.1, 1000);
  CHECK(powers.share(0.1) == 0);
  CHECK(powers.share(10) == Approx(0.5));
  CHECK(powers.share(1000) == Approx(1));
}

TEST_CASE("thousands of steps become some stretches that hold every step's mean, lowest and highest value") {
  std::vector<std::int64_t> steps(1000);
  std::iota(steps.begin(), steps.end(), 5);
  std::vector<double> values;
  for (const std::int64_t s : steps) values.push_back(std::sin(static_cast<double>(s)) + 0.01 * static_cast<double>(s));
  const auto all = in_stretches(steps, values, 64);
  REQUIRE(all.size() == 63);  // of 16 steps, the last of 8
  CHECK(all.front().first == 5);
  CHECK(all.back().last == 1004);
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) CHECK(all[i].first == all[i - 1].last + 1);
    const double steps_of_it = all[i].last - all[i].first + 1;
    sum += all[i].mean * steps_of_it;
    count += steps_of_it;
    CHECK((all[i].lowest <= all[i].mean && all[i].mean <= all[i].highest));
  }
  CHECK(count == 1000);
  CHECK(sum == Approx(std::accumulate(values.begin(), values.end(), 0.0)));
  CHECK(*std::max_element(values.begin(), values.end()) ==
        std::max_element(all.begin(), all.end(), [](auto& a, auto& b) { return a.highest < b.highest; })->highest);
}

TEST_CASE("few steps are stretches of their own, and steps without the number take no part") {
  const double none = std::nan("");
  const auto each = in_stretches({0, 1, 2}, {1, none, 3}, 3);
  REQUIRE(each.size() == 3);
  CHECK((each[0].mean == 1 && each[0].lowest == 1 && each[0].highest == 1));
  CHECK((std::isnan(each[1].mean) && std::isnan(each[1].lowest)));
  const auto pairs = in_stretches({0, 1, 2, 3}, {none, 4, 6, 8}, 2);
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].mean == 4);
  CHECK((pairs[1].mean == 7 && pairs[1].lowest == 6 && pairs[1].highest == 8));
  CHECK(in_stretches({}, {}).empty());
}

TEST_CASE("a course is drawn in pieces around what is missing, inside of the chart") {
  chart drawn("name", "title", straight_axis(0, 6), straight_axis(0, 1), {"x", "y"});
  const double none = std::nan("");
  drawn.course(in_stretches({0, 1, 2, 3, 4, 5, 6}, {0.1, 0.4, none, 0.2, none, 99, 0.5}), "c0");
  const std::string svg = drawn.str();
  const auto count = [&](const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++found;
    return found;
  };
  CHECK(count("<polyline") == 2);
  CHECK(count("<circle") == 1);  // a step between two gaps
  CHECK(count("nan") == 0);
  CHECK(svg.find(" -") == std::string::npos);  // what is above the chart is drawn at its edge
}

TEST_CASE("a label that is too long is cut between letters") {
  CHECK(fitted("short", 100) == "short");
  CHECK(fitted("a long label", 50) == "a long…");
  CHECK(fitted("ääääääääää", 40) == "ääää…");
}

}  // namespace
}  // namespace limbeck::report
