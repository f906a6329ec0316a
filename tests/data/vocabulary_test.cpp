// The vocabulary: ids, its hash, and what it says of a broken file.
#include "limbeck/data/vocabulary.hpp"

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "data/contains.hpp"
#include "data/small_vocabulary.hpp"

using limbeck::contract_error;
using limbeck::file_error;
using limbeck::vocabulary;
using limbeck_test::contains;
using limbeck_test::small_vocabulary;

TEST_CASE("vocabulary finds each piece by its line and each line by its piece") {
  const vocabulary v = small_vocabulary("play ##ing ##s");
  REQUIRE(v.size() == 8);
  for (std::int32_t id = 0; id < v.size(); ++id) CHECK(v.find(v.piece(id)) == id);
  CHECK(v.piece(6) == "##ing");
  CHECK_FALSE(v.find("ing"));
  CHECK_FALSE(v.find(""));
  CHECK(v.pad() == 0);
  CHECK(v.unknown() == 1);
  CHECK(v.classify() == 2);
  CHECK(v.separator() == 3);
  CHECK(v.mask() == 4);
  CHECK_THROWS_WITH(v.piece(8), contains("id 8 of 8"));
  CHECK_THROWS_AS(v.piece(-1), contract_error);
}

TEST_CASE("vocabulary keeps its pieces when it is copied, moved and grows past its first table") {
  std::string pieces = "p0";
  for (int i = 1; i < 5000; ++i) pieces += " p" + std::to_string(i);
  vocabulary first = small_vocabulary(pieces);
  const vocabulary copy = first, moved = std::move(first);
  for (int i = 0; i < 5000; ++i) {
    CHECK(copy.find("p" + std::to_string(i)) == i + 5);
    CHECK(moved.piece(i + 5) == "p" + std::to_string(i));
  }
}

TEST_CASE("vocabulary reads CRLF, a byte-order mark and a last line without an end") {
  const vocabulary v = vocabulary::parse("\xEF\xBB\xBF[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nend");
  CHECK(v.find("[PAD]") == 0);
  CHECK(v.find("end") == 5);
}

TEST_CASE("vocabulary that was written is read back with the same hash") {
  const vocabulary v = small_vocabulary("a ##b \xC3\xA9");
  std::ostringstream out;
  v.write(out);
  CHECK(vocabulary::parse(out.str()).content_hash() == v.content_hash());
  CHECK(out.str() == "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n\xC3\xA9\n");
}

TEST_CASE("vocabulary tells two of equal size and other order apart by their hash") {
  const auto hash = [](std::string_view pieces) { return small_vocabulary(pieces).content_hash(); };
  CHECK(hash("a b") == hash("a b"));
  CHECK(hash("a b") != hash("b a"));
  CHECK(hash("ab c") != hash("a bc"));
}

TEST_CASE("vocabulary names file and line of what is wrong") {
  const auto parse = [](const char* text) { return vocabulary::parse(text, "v.txt"); };
  CHECK_THROWS_WITH(parse(""), "v.txt: is empty, expected one piece a line");
  CHECK_THROWS_WITH(parse("[PAD]\n[UNK]\na\n[CLS]\na\n"), "v.txt: line 5: piece \"a\" appears twice, first on line 3");
  CHECK_THROWS_WITH(parse("[PAD]\n\n[UNK]\n"), "v.txt: line 2: the line is empty, expected a piece");
  CHECK_THROWS_WITH(parse("[PAD]\n[UNK]\n[CLS]\n[MASK]\n"), "v.txt: special piece [SEP] is missing");
  CHECK_THROWS_AS(parse("[PAD]\n"), file_error);
  CHECK_THROWS_WITH(parse(std::string(513, 'a').c_str()), contains("513 bytes") && contains("at most 512"));
  CHECK_THROWS_AS(vocabulary(std::vector<std::string>{"[PAD]", "[PAD]"}), contract_error);
  CHECK_THROWS_WITH(vocabulary::read("no/such/vocab.txt"), "no/such/vocab.txt: cannot be opened");
  CHECK_THROWS_WITH(vocabulary::read("."), contains("is a folder"));
}

TEST_CASE("vocabulary refuses pieces that would not be read back from the lines they are written to") {
  const std::string specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  const std::string line_end = "a piece with a line end in it, expected one that a line of vocab.txt can hold";
  CHECK_THROWS_WITH(vocabulary::parse(specials + "a\r\r\nb\n", "v.txt"), "v.txt: line 6: " + line_end);
  CHECK(vocabulary::parse(specials + "a\rb\r\n").piece(5) == "a\rb");
  for (const char* piece : {"a\nb", "\n", "a\r"})
    CHECK_THROWS_WITH(vocabulary(std::vector<std::string>{piece}), "vocabulary: " + line_end);
  CHECK_THROWS_WITH(vocabulary::parse("\xEF\xBB\xBF\xEF\xBB\xBF[PAD]\n"),
                    contains("line 1: the first piece starts with"));
  CHECK(vocabulary::parse(specials + "\xEF\xBB\xBF").size() == 6);
}
