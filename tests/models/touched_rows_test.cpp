// Tests of limbeck/models/touched_rows.hpp.
#include "limbeck/models/touched_rows.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "models/trial.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::owned_batch, limbeck_test::trial;

touched_rows touched_after_clear(const slot& table, const std::vector<std::int32_t>& rows) {
  touched_rows touched(table);
  touched.clear(cpu_executor<>{}, view<float, 1>(nullptr, 0));
  touched.mark(view<const std::int32_t, 1>(rows.data(), rows.size()));
  return touched;
}

/// What split() should say of each of the elements `begin` .. `end`, element by element.
std::vector<int> kinds_one_by_one(const slot& table, index begin, index end, const auto& kind_of) {
  std::vector<int> kinds;
  for (index e = begin; e < end; ++e) {
    const index grain = begin + (e - begin) / touched_rows::grain * touched_rows::grain;
    int largest = 0;
    for (index g = grain; g < grain + touched_rows::grain; ++g) {
      const index in_table = g - table.offset;
      const bool outside = in_table < 0 || in_table >= table.rows * table.columns;
      largest = std::max(largest, kind_of(outside ? -1 : in_table / table.columns));
    }
    kinds.push_back(largest);
  }
  return kinds;
}

TEST_CASE("pieces cover their elements, are as long as can be, and are cut between whole vectors") {
  for (const slot& table : {slot{0, 11, 1}, slot{3, 40, 5}, slot{16, 9, 32}, slot{50, 12, 37}, slot{1, 30, 17}}) {
    const touched_rows rows(table);
    const auto kind_of = [](index row) { return row < 0 ? 2 : static_cast<int>((row * row / 3 + row / 4) % 3); };
    for (const index begin : {0, 7, 64})
      for (const index end : {7, 65, 200, 600}) {
        INFO("table at " << table.offset << ", " << table.columns << " columns; elements " << begin << " to " << end);
        std::vector<int> kinds;
        int before = -1;
        rows.split(begin, end, kind_of, [&](index from, index to, int kind) {
          CHECK(from == begin + static_cast<index>(kinds.size()));
          CHECK((from - begin) % touched_rows::grain == 0);
          CHECK(kind != before);
          before = kind;
          kinds.insert(kinds.end(), static_cast<std::size_t>(to - from), kind);
        });
        CHECK(kinds == kinds_one_by_one(table, begin, end, kind_of));
      }
  }
}

TEST_CASE("a sweep visits every element once, on any number of threads") {
  const slot table{100, 3000, 17};
  const touched_rows rows = touched_after_clear(table, {0, 5, 6, 1999, 2999});
  for (const int threads : {1, 2, 3, 16}) {
    std::vector<int> visits(60000);
    rows.sweep(cpu_executor<>{threads}, 10, 60000, rows, [&](index begin, index end, bool) {
      for (index e = begin; e < end; ++e) ++visits[static_cast<std::size_t>(e)];
    });
    CHECK(std::count(visits.begin(), visits.end(), 1) == 59990);
    CHECK(std::count(visits.begin(), visits.begin() + 10, 0) == 10);
  }
}

TEST_CASE("the first clear sets all to 0, later ones what was touched and what belongs to no row") {
  const slot table{32, 100, 48};
  touched_rows rows(table);
  matrix<float> gradient(1, 32 + 4800 + 21);
  gradient.fill(1);
  for (const index row : {-1, 0, 99}) CHECK(rows(row));
  rows.clear(cpu_executor<>{2}, gradient.flat());
  CHECK(std::count(gradient.data(), gradient.data() + gradient.count(), 0.0F) == gradient.count());
  CHECK(rows(-1));
  for (const index row : {0, 7, 99}) CHECK_FALSE(rows(row));

  const std::int32_t marked[] = {7, 99, 7};
  rows.mark(view<const std::int32_t, 1>(marked, 3));
  gradient.fill(1);
  rows.clear(cpu_executor<>{2}, gradient.flat());
  for (index e = 0; e < gradient.count(); ++e) {
    const index row = e < 32 || e >= 32 + 4800 ? -1 : (e - 32) / 48;
    INFO("element " << e);
    REQUIRE(gradient.data()[e] == (row < 0 || row == 7 || row == 99 ? 0.0F : 1.0F));
  }
  CHECK_FALSE(rows(7));
}

TEST_CASE("without a table everything is touched, whatever is marked") {
  touched_rows none;
  const std::int32_t far[] = {1000000};
  none.mark(view<const std::int32_t, 1>(far, 1));
  matrix<float> gradient(1, 20000, 1);
  none.clear(cpu_executor<>{2}, gradient.flat());
  none.clear(cpu_executor<>{2}, gradient.flat());
  CHECK(std::count(gradient.data(), gradient.data() + gradient.count(), 0.0F) == gradient.count());
  none.split(3, 50000, none, [](index begin, index end, bool touched) {
    CHECK(begin == 3);
    CHECK(end == 50000);
    CHECK(touched);
  });
}

TEST_CASE("a row that the table does not have is refused, naming its place") {
  touched_rows rows(slot{0, 5, 2});
  const std::int32_t above[] = {4, 5}, below[] = {-1};
  CHECK_THROWS_WITH(rows.mark(view<const std::int32_t, 1>(above, 2)),
                    "touched_rows: row 5 at place 1 is not in a table of 5 rows");
  CHECK_THROWS_WITH(rows.mark(view<const std::int32_t, 1>(below, 1)),
                    "touched_rows: row -1 at place 0 is not in a table of 5 rows");
  CHECK_THROWS_AS(touched_rows(slot{0, 5, 0}), contract_error);
}

TEST_CASE("a classifier gives a gradient to the words of its batch alone") {
  const transformer_sizes sizes{
      .vocabulary = 50, .positions = 8, .types = 2, .layers = 2, .width = 8, .heads = 2, .inner = 10};
  trial<bert_classifier, float> t(make_bert_classifier(sizes, 3));
  const touched_rows all = touched_rows_of(t.model);
  CHECK(all.table() == t.model.backbone().word_embeddings());
  CHECK(all.table() != slot{});
  const owned_batch padded{.ids = {9, 3, 40, 0, 17, 0, 0, 0}, .rows = {{0, 4, 3}, {4, 4, 1}}};
  for (const owned_batch& batch : {limbeck_test::packed, padded}) {
    (void)t.differentiate(batch, limbeck_test::every_signal);
    const touched_rows rows = touched_after_clear(all.table(), batch.ids);
    const view<float, 2> words = all.table().matrix(t.gradient.flat());
    index with_gradient = 0;
    for (index row = 0; row < 50; ++row) {
      const auto is_0 = [](float x) { return x == 0; };
      const bool nothing = std::all_of(&words(row, 0), &words(row, 0) + 8, is_0);
      if (!rows(row)) CHECK(nothing);
      with_gradient += nothing ? 0 : 1;
    }
    CHECK(with_gradient >= 4);
  }
}

TEST_CASE("heads that read all words, and models that do not say, touch everything") {
  const transformer_sizes sizes{.vocabulary = 9, .positions = 8, .layers = 1, .width = 8, .heads = 2, .inner = 10};
  CHECK(touched_rows_of(make_bert_masked_language_model(sizes)).table() == slot{});
  CHECK(touched_rows_of(make_gpt2_language_model(sizes)).table() == slot{});
  struct of_another_kind {
    struct head_type {};
    [[nodiscard]] head_type head() const { return {}; }
  };
  CHECK(touched_rows_of(of_another_kind{}).table() == slot{});
}

}  // namespace
}  // namespace limbeck
