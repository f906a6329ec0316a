// Tests of limbeck/io/json.hpp: typed access, and what the complaints say.
#include "limbeck/io/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

using namespace limbeck_test;
using limbeck::file_error;
using limbeck::json_value;
using limbeck::parse_json;

TEST_CASE("json_value gives required and optional members in their types") {
  const json_value config =
      parse_json(R"({"layers": 12, "rate": 1e-3, "whole": 2, "act": "gelu", "tied": true, "gone": null,
                                           "sizes": [1, 2, 3], "labels": {"b": 1, "a": 0}})",
                 "config.json");
  CHECK(config.required<std::int64_t>("layers") == 12);
  CHECK(config.required<double>("rate") == 1e-3);
  CHECK(config.required<double>("whole") == 2);
  CHECK(config.required<std::string>("act") == "gelu");
  CHECK(config.required<bool>("tied"));
  CHECK(config.required<std::vector<int>>("sizes") == std::vector{1, 2, 3});
  CHECK(config.optional<int>("layers", 6) == 12);
  CHECK(config.optional<int>("missing", 6) == 6);
  CHECK(config.optional<int>("gone", 6) == 6);
  CHECK(!config.has("gone"));
  const auto labels = config.at("labels").members();
  CHECK(labels[0].first == "a");
  CHECK(labels[1].second.as<int>() == 1);
}

TEST_CASE("a json_value outlives the one it was taken from") {
  std::optional<json_value> inner;
  { inner = parse_json(R"({"a": {"b": [7]}})", "f").at("a").at("b").elements()[0]; }
  CHECK(inner->as<int>() == 7);
}

TEST_CASE("complaints about a value name file, key, what was found and what was expected") {
  const json_value config = parse_json(
      R"({"layers": "12", "big": 300, "below": -1, "half": 1.5, "huge": 18446744073709551615, "deep": {"list": [1, "x"]}})",
      "config.json");
  const auto message = [](auto&& call) { return message_of<file_error>(call); };
  CHECK(message([&] { (void)config.required<int>("heads"); }) == "config.json: has no key \"heads\"");
  CHECK(message([&] { (void)config.required<std::int8_t>("layers"); }) ==
        "config.json: layers: is \"12\", expected an integer from -128 to 127");
  CHECK(message([&] { (void)config.required<std::uint8_t>("big"); }) ==
        "config.json: big: is 300, expected an integer from 0 to 255");
  CHECK_THROWS_AS(config.required<std::uint64_t>("below"), file_error);
  CHECK_THROWS_AS(config.required<int>("half"), file_error);
  CHECK_THROWS_AS(config.required<std::int64_t>("huge"), file_error);
  CHECK(config.required<std::uint64_t>("huge") == UINT64_MAX);
  CHECK(message([&] { (void)config.optional<bool>("layers", false); }) ==
        "config.json: layers: is \"12\", expected true or false");
  CHECK(message([&] { (void)config.at("deep").required<std::vector<int>>("list"); }) ==
        "config.json: deep.list[1]: is \"x\", expected an integer from -2147483648 to 2147483647");
  CHECK(message([&] { (void)config.at("deep").at("list").at("x"); }) ==
        "config.json: deep.list: is [1,\"x\"], expected an object");
  CHECK(message([&] { (void)config.elements(); }).size() < 120);
  CHECK(message([&] { config.at("big").refuse("is no head count"); }) == "config.json: big: is no head count");
}

TEST_CASE("text that is no JSON is refused with line and column") {
  const auto message = [](const std::string& text) {
    return message_of<file_error>([&] { (void)parse_json(text, "f.json"); });
  };
  CHECK(message("{\"a\": 1,\n  x}").starts_with("f.json: line 2, column 3: is not valid JSON: syntax error"));
  CHECK(message("{\"a\": 1").starts_with("f.json: line 1, column 8: is not valid JSON: "));
  CHECK(message("").starts_with("f.json: line 1, column 1: "));
  CHECK(message("{\"a\": 1} 2").starts_with("f.json: line 1, column 10: "));
  CHECK(message("{\"a\": NaN}").starts_with("f.json: line 1, column "));
  CHECK(message("[1e999]").starts_with("f.json: is not valid JSON: number overflow"));
  CHECK(message("[\"\xFF\"]").starts_with("f.json: line 1, column 3: is not valid JSON: "));
  CHECK(message("[\"" + std::string(100'000, 'x')).size() < 300);
}

TEST_CASE("JSON that is nested absurdly deep, or says a key twice, is refused") {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  CHECK_NOTHROW(parse_json(nested(64), "f"));
  CHECK(message_of<file_error>([&] { (void)parse_json(nested(65), "f"); }) == "f: is nested deeper than 64 levels");
  CHECK_THROWS_AS(parse_json(std::string(5'000'000, '['), "f"), file_error);
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  CHECK_THROWS_AS(parse_json(objects, "f"), file_error);
  CHECK(message_of<file_error>([] {
          (void)parse_json(R"({"a": 1, "b": [{"a": 1}, {"a": 1}], "a": 2})", "f", "line 7");
        }) == "f: line 7: has the key \"a\" twice");
}

TEST_CASE("read_json reads a file and names it when it is missing") {
  const scratch_folder folder;
  put(folder / "a.json", "{\"a\": 1}\n");
  CHECK(limbeck::read_json(folder / "a.json").required<int>("a") == 1);
  CHECK_THROWS_AS(limbeck::read_json(folder / "b.json"), file_error);
}

TEST_CASE("a complaint is one line, whatever the keys on the way hold") {
  const json_value value = parse_json(R"({"a": {"b\nc": {"d": 1}}})", "f").at("a").at("b\nc").at("d");
  CHECK(message_of<file_error>([&] { (void)value.as<std::string>(); }) == "f: a.\"b\\nc\".d: is 1, expected a string");
}
