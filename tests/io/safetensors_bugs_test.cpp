// Known bugs of others, heading 35: safetensors files whose headers lie. Each is refused before a number of it is used.
#include "limbeck/io/safetensors.hpp"

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/core/half.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::safetensors_file;

namespace {

/// What opening a file with those bytes complains about, less the folder; empty: nothing.
std::string complaint(const std::string& bytes) {
  const scratch_folder folder;
  put(folder / "m", bytes);
  const std::string said = message_of<limbeck::file_error>([&] { safetensors_file file(folder / "m"); });
  if (!said.empty()) CHECK(said.starts_with((folder / "m").string() + ": "));
  CHECK(said.find('\n') == std::string::npos);
  return said;
}

/// The same for a header and `size` bytes of data.
std::string complaint(const std::string& header, std::size_t size) {
  return complaint(safetensors_bytes(header, std::string(size, '\0')));
}

std::string tensor(const std::string& name, const std::string& type, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + rest;
}

}  // namespace

TEST_CASE("bug_35a: a header length beyond the file is refused", "[bugs]") {
  const std::string header = "{" + tensor("a", "F32", "[1]", "[0,4]") + "}";
  CHECK(complaint(header, 4).empty());
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  CHECK(most + 8 < 8 + header.size());  // the naive check, `8 + length <= size`, wraps and passes
  CHECK_THAT(complaint(with_length(most, header + "....")),
             Contains("header: is said to have 18446744073709551615 bytes"));
  CHECK_THAT(complaint(with_length(header.size() + 1, header)),
             Contains("header: is said to have " + std::to_string(header.size() + 1) + " bytes, expected at most " +
                      std::to_string(header.size())));
  CHECK_THAT(complaint(std::string(7, '\0')), Contains("has 7 bytes, expected a safetensors file"));
  CHECK_THAT(complaint(with_length(0, "")), Contains("does not start with {"));
  CHECK_THAT(complaint(with_length(header.size() - 1, header)), Contains("is not valid JSON"));
}

TEST_CASE("bug_35b: offsets that run backwards, are negative or go past the end are refused", "[bugs]") {
  const auto with_offsets = [](const std::string& offsets) {
    return complaint("{" + tensor("a", "F32", "[1]", offsets) + "}", 4);
  };
  CHECK(with_offsets("[0,4]").empty());
  CHECK_THAT(with_offsets("[4,0]"), Contains("tensor \"a\": F32 [1] with data_offsets [4, 0] runs backwards"));
  CHECK_THAT(with_offsets("[-4,0]"), Contains("tensor \"a\": data_offsets holds -4, expected two numbers from 0"));
  CHECK_THAT(with_offsets("[4,8]"), Contains("data_offsets [4, 8] goes past the end, expected at most 4"));
  CHECK_THAT(with_offsets("[18446744073709551612,0]"), Contains("runs backwards"));
  CHECK_THAT(with_offsets("[0,18446744073709551615]"), Contains("goes past the end"));
  CHECK_THAT(with_offsets("[0,18446744073709551616]"), Contains("expected two numbers from 0"));
  CHECK_THAT(with_offsets("[0,4.0]"), Contains("data_offsets holds 4.0, expected two numbers"));
  CHECK_THAT(with_offsets("[0]"), Contains("expected two"));
  CHECK_THAT(with_offsets("[0,4,8]"), Contains("data_offsets holds 8, expected two numbers"));
  CHECK_THAT(with_offsets("null"), Contains("data_offsets holds null, expected an array"));
  const std::uint64_t begin = 4, end = 0;  // naive: looks at the end alone
  CHECK((end <= 4 && end - begin > std::uint64_t{1} << 63));
}

TEST_CASE("bug_35c: a shape whose product wraps is refused", "[bugs]") {
  const std::uint64_t side = std::uint64_t{1} << 32;
  CHECK(side * side == 0);  // the naive product, which agrees with a span of no bytes
  const auto with_shape = [](const std::string& shape) {
    return complaint("{" + tensor("a", "F32", shape, "[0,0]") + "}", 0);
  };
  CHECK(with_shape("[4294967296,0]").empty());
  CHECK_THAT(with_shape("[4294967296,4294967296]"),
             Contains("tensor \"a\": F32 [4294967296, 4294967296]") && Contains("is larger than any file"));
  CHECK_THAT(with_shape("[4611686018427387904]"), Contains("is larger than any file"));  // 2^62 times 4 bytes
  CHECK_THAT(with_shape("[18446744073709551615]"), Contains("shape holds 18446744073709551615, expected numbers"));
  CHECK_THAT(with_shape("[-1]"), Contains("shape holds -1, expected numbers"));
  CHECK_THAT(with_shape("[" + std::string(2000, '1') + "]"), Contains("header"));  // infinite to a parser
  std::string ones = "[1";
  for (int i = 0; i < 100; ++i) ones += ",1";
  CHECK_THAT(with_shape(ones + "]"), Contains("has more than 32 extents"));
}

TEST_CASE("bug_35d: an unknown type is refused, whatever its offsets", "[bugs]") {
  CHECK_THAT(complaint("{" + tensor("a", "F31", "[1]", "[0,99999999999]") + "}", 4),
             Contains("tensor \"a\": has the unknown dtype \"F31\", expected F32"));
  CHECK_THAT(complaint("{" + tensor("a", "f32", "[1]", "[0,4]") + "}", 4), Contains("has the unknown dtype \"f32\""));
  CHECK_THAT(complaint(R"({"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}})", 4),
             Contains("dtype holds 32, expected the text of a type"));
  const auto naive_size = [](const std::string& type) { return type == "F32" ? 4 : 0; };  // unknown: nothing to check
  CHECK(naive_size("F31") == 0);
}

TEST_CASE("bug_35e: tensors that overlap, leave a gap or share a name are refused", "[bugs]") {
  const auto pair = [](const std::string& first, const std::string& second, const std::string& name, std::size_t size) {
    return complaint("{" + tensor("a", "F32", "[2]", first) + "," + tensor(name, "F32", "[2]", second) + "}", size);
  };
  CHECK(pair("[0,8]", "[8,16]", "b", 16).empty());
  CHECK(pair("[8,16]", "[0,8]", "b", 16).empty());
  CHECK_THAT(pair("[0,8]", "[4,12]", "b", 12),
             Contains("tensor \"b\": begins at byte 4 of the data, expected 8") && Contains("overlap"));
  CHECK_THAT(pair("[0,8]", "[0,8]", "b", 8), Contains("overlap"));
  CHECK_THAT(pair("[0,8]", "[12,20]", "b", 20), Contains("begins at byte 12 of the data, expected 8"));
  CHECK_THAT(pair("[4,12]", "[12,20]", "b", 20), Contains("begins at byte 4 of the data, expected 0"));
  CHECK_THAT(pair("[0,8]", "[8,16]", "b", 20), Contains("has 20 bytes of data, expected the tensors' 16"));
  CHECK_THAT(pair("[0,8]", "[8,16]", "a", 16), Contains("tensor \"a\": is there twice"));
  for (const auto& [begin, end] : {std::pair(0, 8), std::pair(4, 12)})  // naive: each by itself
    CHECK((end - begin == 8 && end <= 12));
}

TEST_CASE("bug_35f: a shape that does not need the bytes it has is refused", "[bugs]") {
  CHECK_THAT(complaint("{" + tensor("a", "F32", "[3]", "[0,8]") + "}", 8),
             Contains("tensor \"a\": F32 [3] with data_offsets [0, 8] has bytes for another shape, expected 12"));
  CHECK_THAT(complaint("{" + tensor("a", "F16", "[3]", "[0,12]") + "}", 12), Contains("expected 6"));
  CHECK_THAT(complaint("{" + tensor("a", "F32", "[]", "[0,0]") + "}", 0), Contains("expected 4"));
  const std::size_t span = 8, naive = span / sizeof(float);  // as many numbers as there are bytes for: 2 of 3
  CHECK(naive == 2);
}

TEST_CASE("bug_35g: BF16 and F16 are not taken for each other", "[bugs]") {
  const scratch_folder folder;
  const std::string header = "{" + tensor("b", "BF16", "[1]", "[0,2]") + "," + tensor("h", "F16", "[1]", "[2,4]") + "}";
  put(folder / "m", safetensors_bytes(header, std::string("\x80\x3F\x00\x3C", 4)));
  const safetensors_file file(folder / "m");
  CHECK(file.read<float>("b", {1}) == std::vector{1.0F});
  CHECK(file.read<float>("h", {1}) == std::vector{1.0F});
  limbeck::float16 exchanged_b{};
  limbeck::bfloat16 exchanged_h{};
  exchanged_b.bits = 0x3F80;
  exchanged_h.bits = 0x3C00;
  CHECK(static_cast<float>(exchanged_b) == 1.875F);
  CHECK(static_cast<float>(exchanged_h) == 0.0078125F);
}

TEST_CASE("bug_35, other headers: any other form is refused with the place of what is wrong", "[bugs]") {
  const std::string good = tensor("a", "U8", "[0]", "[0,0]");
  CHECK(complaint("{" + good + "}   ", 0).empty());
  CHECK(complaint("{}", 0).empty());
  CHECK(complaint(R"({"__metadata__":{"format":"pt"},)" + good + "}", 0).empty());
  CHECK_THAT(complaint("{}", 1), Contains("has 1 bytes of data"));
  CHECK_THAT(complaint("[]", 0), Contains("does not start with {"));
  CHECK_THAT(complaint("{" + good + "} x", 0), Contains("header, line 1, column "));
  CHECK_THAT(complaint("{" + good, 0), Contains("is not valid JSON"));
  CHECK_THAT(complaint(R"({"a":1})", 0), Contains("tensor \"a\": holds 1, expected an object"));
  CHECK_THAT(complaint(R"({"a":[]})", 0), Contains("tensor \"a\": holds an array, expected an object"));
  CHECK_THAT(complaint(R"({"a":{}})", 0), Contains("tensor \"a\": has no dtype"));
  CHECK_THAT(complaint(R"({"a":{"dtype":"U8","shape":[]}})", 0), Contains("has no data_offsets"));
  CHECK_THAT(complaint(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0), Contains("has dtype twice"));
  CHECK_THAT(complaint(R"({"a":{"type":"U8"}})", 0), Contains("has the key \"type\""));
  CHECK_THAT(complaint(R"({"a":{"dtype":{}}})", 0), Contains("dtype holds an object"));
  CHECK_THAT(complaint(R"({"a":{"dtype":["U8"]}})", 0), Contains("dtype holds an array"));
  CHECK_THAT(complaint(R"({"a":{"shape":[[1]]}})", 0), Contains("shape holds an array"));
  CHECK_THAT(complaint(R"({"a":{"shape":[{}]}})", 0), Contains("shape holds an object"));
  CHECK_THAT(complaint(R"({"a":{"shape":[1e999]}})", 0), Contains("header"));
  CHECK_THAT(complaint(R"({"__metadata__":{"a":1}})", 0), Contains("\"__metadata__\": \"a\" holds 1, expected a text"));
  CHECK_THAT(complaint(R"({"__metadata__":{"a":"b","a":"c"}})", 0), Contains("twice"));
  CHECK_THAT(complaint(R"({"__metadata__":{},"__metadata__":{}})", 0), Contains("is there twice"));
  CHECK_THAT(complaint(R"({"__metadata__":"x"})", 0), Contains("expected an object"));
  CHECK_THAT(complaint("{\"a\xFF\":{}}", 0), Contains("is not valid JSON"));
  CHECK_THAT(complaint("{\"a\":" + std::string(1'000'000, '['), 0), Contains("holds an array"));
}

TEST_CASE("bug_35, any byte: a file cut or altered at any byte is refused or read within its bounds", "[bugs]") {
  const std::string header = R"({"__metadata__":{"f":"p"},)" + tensor("a", "F32", "[2]", "[0,8]") + "," +
                             tensor("b", "BF16", "[2,1]", "[8,12]") + "}";
  const std::string good = safetensors_bytes(header, std::string(12, '\1'));
  const scratch_folder folder;
  int refused = 0, touched = 0;
  const auto attempt = [&](const std::string& bytes) {
    put(folder / "m", bytes);
    try {
      const safetensors_file file(folder / "m");
      for (const auto& entry : file.tensors())
        for (const std::byte byte : file.bytes(entry)) touched += std::to_integer<int>(byte);
    } catch (const limbeck::file_error&) {
      ++refused;
    }
  };
  for (std::size_t size = 0; size < good.size(); ++size) attempt(good.substr(0, size));
  CHECK(refused == static_cast<int>(good.size()));
  for (std::size_t at = 0; at < good.size(); ++at)
    for (const char byte : {'\0', '0', '9', '"', '[', '}', ',', '-', '\x7F', '\xFF'}) {
      std::string bytes = good;
      bytes[at] = byte;
      attempt(bytes);
    }
  CHECK(touched > 0);
}
