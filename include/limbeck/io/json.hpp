// JSON with an address: every complaint about a value names the file and the key it came from.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/mapped_file.hpp"

namespace limbeck {

using json = nlohmann::json;

namespace detail {

/// The value as text for a message: one line, ASCII, 60 characters at most.
inline std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text.replace(57, std::string::npos, "...");
  return text;
}

/// A key for a message: as it is, but as JSON's text where it would break the line.
inline std::string key_text(const std::string& key) {
  const bool plain = std::ranges::none_of(key, [](char c) { return c >= '\0' && c < ' '; });
  return plain ? key : shown(json(key));
}

/// "line 3, column 5" of the character before `end`, which is where the parser stopped.
inline std::string text_place(std::string_view text, std::size_t end) {
  const std::string_view before = text.substr(0, std::min(end > 0 ? end - 1 : 0, text.size()));
  const std::size_t line_start = before.rfind('\n') + 1;  // where there is none, npos + 1 is 0
  return "line " + std::to_string(std::count(before.begin(), before.end(), '\n') + 1) + ", column " +
         std::to_string(before.size() - line_start + 1);
}

/// What the parser says, without its number and its own idea of the place.
inline std::string json_complaint(const std::string& what) {
  std::string words = what.substr(std::min(what.find("] ") + 2, what.size()));
  if (words.starts_with("parse error")) words = words.substr(std::min(words.find(": ") + 2, words.size()));
  return "is not valid JSON: " + words.substr(0, 160);
}

/// Sees every key while a text is parsed: throws file_error for nesting below `deepest` levels and for a key that comes
/// twice in one object, of which the parser would silently keep the last.
class json_guard {
 public:
  json_guard(std::string_view file, std::string_view place, int deepest)
      : file_(file), place_(place), deepest_(deepest) {}
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    const auto level = static_cast<std::size_t>(depth);
    const bool opens = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth >= deepest_)
      throw file_error(file_, place_, "is nested deeper than " + std::to_string(deepest_) + " levels");
    if (event == json::parse_event_t::object_start) {
      keys_.resize(std::max(keys_.size(), level + 2));
      keys_[level + 1].clear();
    } else if (event == json::parse_event_t::key && !keys_[level].insert(parsed.get_ref<std::string&>()).second) {
      throw file_error(file_, place_, "has the key " + shown(parsed) + " twice");
    }
    return true;
  }

 private:
  std::string_view file_, place_;
  int deepest_;
  std::vector<std::unordered_set<std::string>> keys_;
};

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

}  // namespace detail

/// A value inside a parsed file, with the file's name and the value's key ("label2id.positive", "layers[3]"). Copies
/// share the parsed text, which lives as long as any of them. Whatever is not as asked for throws file_error that names
/// file, key, what was found and what was expected.
class json_value {
 public:
  /// `place`: where in the file the text came from, such as "line 7"; empty for a whole file.
  json_value(json value, std::string file, std::string place = "")
      : whole_(std::make_shared<const origin>(origin{std::move(value), std::move(file), std::move(place)})),
        value_(&whole_->value) {}

  [[nodiscard]] const json& raw() const { return *value_; }
  [[nodiscard]] const std::string& file() const { return whole_->file; }
  /// Place in the file and key, for messages.
  [[nodiscard]] std::string place() const {
    return whole_->place + (whole_->place.empty() || key_.empty() ? "" : ", ") + key_;
  }
  /// A complaint of the caller's about this value.
  [[noreturn]] void refuse(std::string_view problem) const { throw file_error(file(), place(), problem); }

  /// Whether this object has the key with a value other than null.
  [[nodiscard]] bool has(const std::string& key) const {
    if (!value_->is_object()) wrong("an object");
    const auto found = value_->find(key);
    return found != value_->end() && !found->is_null();
  }
  /// The member of this object with that key, which must be there.
  [[nodiscard]] json_value at(const std::string& key) const {
    if (!value_->is_object()) wrong("an object");
    const auto found = value_->find(key);
    if (found == value_->end()) refuse("has no key \"" + key + "\"");
    return {*this, *found, (key_.empty() ? "" : key_ + ".") + detail::key_text(key)};
  }
  /// Elements of this array.
  [[nodiscard]] std::vector<json_value> elements() const {
    if (!value_->is_array()) wrong("an array");
    std::vector<json_value> all;
    for (const json& element : *value_) all.push_back({*this, element, key_ + "[" + std::to_string(all.size()) + "]"});
    return all;
  }
  /// Members of this object, sorted by key.
  [[nodiscard]] std::vector<std::pair<std::string, json_value>> members() const {
    if (!value_->is_object()) wrong("an object");
    std::vector<std::pair<std::string, json_value>> all;
    for (const auto& member : value_->items()) all.emplace_back(member.key(), at(member.key()));
    return all;
  }

  /// This value as a bool, string, integer (checked against T's range), floating-point number, or std::vector of those.
  template <class T>
  [[nodiscard]] T as() const {
    if constexpr (detail::is_vector<T>) {
      T all;
      for (const json_value& element : elements()) all.push_back(element.as<typename T::value_type>());
      return all;
    } else if constexpr (std::same_as<T, bool>) {
      if (!value_->is_boolean()) wrong("true or false");
    } else if constexpr (std::same_as<T, std::string>) {
      if (!value_->is_string()) wrong("a string");
    } else if constexpr (std::integral<T>) {
      if (!value_->is_number_integer() || !fits<T>())
        wrong("an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
              std::to_string(std::numeric_limits<T>::max()));
    } else {
      static_assert(std::floating_point<T>, "json_value::as: a bool, string, number, or std::vector of those");
      if (!value_->is_number()) wrong("a number");
    }
    if constexpr (!detail::is_vector<T>) return value_->get<T>();
  }
  /// at(key).as<T>().
  template <class T>
  [[nodiscard]] T required(const std::string& key) const {
    return at(key).template as<T>();
  }
  /// The same; `otherwise` where the key is missing or null.
  template <class T>
  [[nodiscard]] T optional(const std::string& key, T otherwise) const {
    return has(key) ? at(key).template as<T>() : std::move(otherwise);
  }

 private:
  struct origin {
    json value;
    std::string file, place;
  };
  json_value(const json_value& parent, const json& value, std::string key)
      : whole_(parent.whole_), value_(&value), key_(std::move(key)) {}

  [[noreturn]] void wrong(std::string_view expected) const {
    refuse("is " + detail::shown(*value_) + ", expected " + std::string(expected));
  }
  template <class T>
  [[nodiscard]] bool fits() const {
    return value_->is_number_unsigned() ? std::in_range<T>(value_->get<std::uint64_t>())
                                        : std::in_range<T>(value_->get<std::int64_t>());
  }

  std::shared_ptr<const origin> whole_;
  const json* value_;
  std::string key_;
};

/// Parses one JSON text that came from `file`. Throws file_error with line and column for text that is no JSON; also
/// for nesting deeper than `deepest` and for a key that comes twice in one object.
inline json_value parse_json(std::string_view text, const std::string& file, const std::string& place = "",
                             int deepest = 64) {
  try {
    return {json::parse(text.begin(), text.end(), detail::json_guard(file, place, deepest)), file, place};
  } catch (const json::parse_error& error) {
    const std::string where = detail::text_place(text, error.byte);
    throw file_error(file, place.empty() ? where : place, detail::json_complaint(error.what()));
  } catch (const json::exception& error) {  // a number too large for any type
    throw file_error(file, place, detail::json_complaint(error.what()));
  }
}

/// The same for a whole file.
inline json_value read_json(const std::filesystem::path& file, int deepest = 64) {
  const mapped_file mapped(file);
  return parse_json(mapped.text(), file.string(), "", deepest);
}

}  // namespace limbeck
