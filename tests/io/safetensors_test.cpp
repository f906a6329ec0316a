// Tests of limbeck/io: safetensors files written, read, converted; models in one file and in several.
#include "limbeck/io/safetensors.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/io/tensor_source.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::contract_error;
using limbeck::dtype;
using limbeck::file_error;
using limbeck::safetensors_file;
using limbeck::tensor_record;
using limbeck::tensor_source;
using limbeck::write_safetensors;

namespace {

const std::vector<float> numbers{1.0F, -2.5F, 0.0F, 3.0F, 65504.0F, 0.125F};

void write_one(const std::filesystem::path& file, const std::string& name) {
  write_safetensors(file, std::vector<tensor_record>{{name, dtype::f32, {2, 3}, numbers.data()}});
}

}  // namespace

TEST_CASE("tensors come back as they were written, in every floating-point type") {
  const scratch_folder folder;
  const dtype type = GENERATE(dtype::f32, dtype::f64, dtype::f16, dtype::bf16);
  write_safetensors(folder / "a", std::vector<tensor_record>{{"a", type, {2, 3}, numbers.data()}});
  const safetensors_file file(folder / "a");
  CHECK(file.at("a").type == type);
  CHECK(file.at("a").elements() == 6);
  std::vector<float> want = numbers;
  if (type == dtype::bf16) want[4] = 65536.0F;
  CHECK(file.read<float>("a", {2, 3}) == want);
  CHECK(file.read<double>("a", {2, 3}) == std::vector<double>(want.begin(), want.end()));
}

TEST_CASE("integers, bytes, single numbers, empty tensors and odd names survive, each tensor aligned to its elements") {
  const scratch_folder folder;
  const std::vector<std::int64_t> longs{-1, std::int64_t{1} << 40};
  const std::vector<std::int32_t> ints{-7, 7};
  const double pi = 3.141592653589793;
  const std::byte flags[3]{std::byte{1}, std::byte{0}, std::byte{1}};
  const std::string odd = "na\"me\n\xC3\xA9";
  const std::vector<tensor_record> tensors{{"flags", dtype::boolean, {3}, flags},
                                           {"half", dtype::f16, {3}, numbers.data()},
                                           {odd, dtype::f32, {1, 1, 3}, numbers.data()},
                                           {"longs", dtype::i64, {2}, longs.data()},
                                           {"ints", dtype::i32, {2}, ints.data()},
                                           {"pi", dtype::f64, {}, &pi},
                                           {"none", dtype::f32, {0, 4}, static_cast<const float*>(nullptr)}};
  write_safetensors(folder / "a", tensors, {{"format", "pt"}, {"note", "x \xE2\x82\xAC"}});
  const safetensors_file file(folder / "a");
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"note", "x \xE2\x82\xAC"}});
  CHECK(file.read<std::int64_t>("longs", {2}) == longs);
  CHECK(file.read<std::int32_t>("ints", {2}) == ints);
  CHECK(file.read<std::int64_t>("ints", {2}) == std::vector<std::int64_t>{-7, 7});
  CHECK(file.read<double>("pi", {}) == std::vector{pi});
  CHECK(file.read<float>(odd, {1, 1, 3})[1] == -2.5F);
  CHECK(file.read<float>("none", {0, 4}).empty());
  CHECK(std::vector(file.bytes(file.at("flags")).begin(), file.bytes(file.at("flags")).end()) ==
        std::vector(flags, flags + 3));
  for (const auto& tensor : file.tensors())
    CHECK(reinterpret_cast<std::uintptr_t>(file.bytes(tensor).data()) % size_of(tensor.type) == 0);
}

TEST_CASE("data at any alignment is read") {
  const scratch_folder folder;
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"b":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
  put(folder / "a", safetensors_bytes(header, std::string("\x07\0\0\x80\x3F", 5)));
  const safetensors_file file(folder / "a");
  CHECK(file.read<float>("a", {1}) == std::vector{1.0F});
  CHECK(file.read<std::int32_t>("b", {}) == std::vector{7});
}

TEST_CASE("what is asked for and is not so is refused with file, tensor and expectation") {
  const scratch_folder folder;
  const double large = 1e300;
  const std::int64_t wide = std::int64_t{1} << 31;
  write_safetensors(folder / "m", std::vector<tensor_record>{{"a", dtype::f32, {2, 3}, numbers.data()},
                                                             {"large", dtype::f64, {1}, &large},
                                                             {"wide", dtype::i64, {1}, &wide}});
  const safetensors_file file(folder / "m");
  const auto message = [&](auto&& call) {
    const std::string said = message_of<file_error>(call);
    return said.substr(std::min(said.size(), folder.path.string().size()));
  };
  CHECK(message([&] { (void)file.read<float>("b", {2}); }) == "/m: tensor \"b\": is missing");
  CHECK(message([&] { (void)file.read<float>("a", {3, 2}); }) == "/m: tensor \"a\": has shape [2, 3], expected [3, 2]");
  CHECK(message([&] {
          (void)file.read<std::int32_t>("a", {2, 3});
        }) == "/m: tensor \"a\": has type F32, expected I64, I32, I16, I8 or U8");
  CHECK(message([&] { (void)file.read<float>("wide", {1}); }) ==
        "/m: tensor \"wide\": has type I64, expected F32, F16, BF16 or F64");
  CHECK(message([&] { (void)file.read<std::int32_t>("wide", {1}); }) ==
        "/m: tensor \"wide\": has a number of type I64 that is beyond the range of int32");
  CHECK(message([&] { (void)file.read<float>("large", {1}); }) ==
        "/m: tensor \"large\": has a number of type F64 that is beyond the range of float32");
  CHECK(file.read<double>("large", {1}) == std::vector{large});
}

TEST_CASE("NaN and infinity are numbers like others to reader and writer") {
  const scratch_folder folder;
  const double odd[2]{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
  const dtype type = GENERATE(dtype::f64, dtype::f32, dtype::f16, dtype::bf16);
  write_safetensors(folder / "a", std::vector<tensor_record>{{"a", type, {2}, odd}});
  const auto back = safetensors_file(folder / "a").read<float>("a", {2});
  CHECK(std::isinf(back[0]));
  CHECK(std::isnan(back[1]));
}

TEST_CASE("the writer refuses what no file can hold, and leaves the old file") {
  const scratch_folder folder;
  put(folder / "a", "old");
  const float large = 1e6F;
  const auto message = [&](const std::vector<tensor_record>& tensors) {
    return message_of<contract_error>([&] { write_safetensors(folder / "a", tensors); });
  };
  const float* const data = numbers.data();
  CHECK_THAT(message({{"x", dtype::f32, {1}, data}, {"x", dtype::f32, {1}, data}}),
             Contains("\"x\" is a name that is taken"));
  CHECK_THAT(message({{"__metadata__", dtype::f32, {1}, data}}), Contains("is a name that is taken"));
  CHECK_THAT(message({{"x", dtype::f32, {-1}, data}}), Contains("\"x\" has the impossible shape [-1]"));
  CHECK_THAT(message({{"x", dtype::f32, {1L << 32, 1L << 32}, data}}), Contains("has the impossible shape"));
  CHECK_THAT(message({{"x", dtype::f16, {1}, &large}}), Contains("\"x\" has a number that is infinite as F16"));
  CHECK_THAT(message({{"x", dtype::i64, {1}, data}}), Contains("cannot be written as I64"));
  CHECK_THAT(message({{"x", dtype::f32, {1}, static_cast<const float*>(nullptr)}}), Contains("has no elements"));
  CHECK_THAT(message({{"\xFF", dtype::f32, {1}, data}}), Contains("is not UTF-8"));
  CHECK(get(folder / "a") == "old");
  CHECK(folder.names() == std::vector<std::string>{"a"});
}

TEST_CASE("a model of one file and a model of several read alike") {
  const scratch_folder folder;
  CHECK_THAT(message_of<file_error>([&] { tensor_source nothing(folder.path); }), Contains("has no model.safetensors"));
  write_one(folder / "one.safetensors", "a");
  write_one(folder / "two.safetensors", "b");
  put(folder / "model.safetensors.index.json",
      R"({"metadata": {"total_size": 48}, "weight_map": {"b": "two.safetensors", "a": "one.safetensors"}})");
  const tensor_source several(folder.path);
  CHECK(several.names() == std::vector<std::string>{"a", "b"});
  CHECK(several.read<float>("b", {2, 3}) == numbers);
  CHECK(several.metadata().at("format") == "pt");
  CHECK(!several.contains("c"));
  CHECK_THAT(message_of<file_error>([&] { (void)several.at("c"); }), Contains("tensor \"c\": is missing"));
  write_one(folder / "model.safetensors", "a");
  const tensor_source one(folder.path);
  CHECK(one.names() == std::vector<std::string>{"a"});
  CHECK(tensor_source(folder / "two.safetensors").at("b").shape == limbeck::tensor_shape{2, 3});
}

TEST_CASE("an index that leads outside, or disagrees with its files, is refused") {
  const scratch_folder folder;
  std::filesystem::create_directory(folder / "model");
  write_one(folder / "outside.safetensors", "a");
  write_one(folder / "model/one.safetensors", "a");
  const auto message = [&](const std::string& map) {
    put(folder / "model/model.safetensors.index.json", "{\"weight_map\": " + map + "}");
    return message_of<file_error>([&] { tensor_source source(folder / "model"); });
  };
  CHECK(message(R"({"a": "one.safetensors"})").empty());
  for (const std::string file : {"../outside.safetensors", "..", ".", "", "sub/one.safetensors", "/outside.safetensors",
                                 "one.safetensors\\u0000x"})
    CHECK_THAT(message("{\"a\": \"" + file + "\"}"),
               Contains("weight_map.a: is ") && Contains("expected the plain name"));
  CHECK_THAT(message(R"({"a": 3})"), Contains("weight_map.a: is 3, expected a string"));
  CHECK_THAT(message(R"({"b": "one.safetensors"})"), Contains("which has no such tensor"));
  CHECK_THAT(message(R"({"a": "two.safetensors"})"), Contains("two.safetensors: cannot be read"));
  CHECK_THAT(message(R"({})"), Contains("names no file"));
  write_one(folder / "model/two.safetensors", "b");
  write_safetensors(
      folder / "model/both.safetensors",
      std::vector<tensor_record>{{"a", dtype::f32, {1}, numbers.data()}, {"b", dtype::f32, {1}, numbers.data()}});
  CHECK_THAT(message(R"({"a": "one.safetensors", "b": "both.safetensors"})"), Contains("\"a\": is not placed here"));
}
