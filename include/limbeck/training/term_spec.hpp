// A term of an objective as text: `name:key=value,key=value`.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/losses/schedule.hpp"

namespace limbeck {

/// A term's name and its settings, such as `hidden_mse:mapping=uniform,weight=0.5`. Lists inside a value use `:`, pairs
/// `-`: `mapping=explicit:0-1:1-3`.
class term_spec {
 public:
  /// Throws contract_error, showing the text, for a setting without `=` or one that comes twice.
  explicit term_spec(std::string_view text) : text_(text), name_(text.substr(0, text.find(':'))) {
    expects(!name_.empty(), [&] { return message("loss: ", text_, ": expected name:key=value,key=value"); });
    std::string_view rest = text.substr(std::min(name_.size() + 1, text.size()));
    while (!rest.empty()) {
      const std::string_view setting = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), setting.size() + 1));
      const std::size_t equals = setting.find('=');
      expects(equals != std::string_view::npos && equals > 0,
              [&] { return message("loss: ", text_, ": ", setting, ": expected key=value"); });
      const bool fresh = settings_.emplace(setting.substr(0, equals), setting.substr(equals + 1)).second;
      expects(fresh,
              [&] { return message("loss: ", text_, ": ", std::string(setting.substr(0, equals)), " comes twice"); });
    }
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] bool has(const std::string& key) const { return settings_.contains(key); }
  /// Gives `key` a value unless the text does.
  void otherwise(const std::string& key, const std::string& value) { settings_.emplace(key, value); }
  /// The value of `key`, or `otherwise`.
  [[nodiscard]] std::string value(const std::string& key, const std::string& otherwise) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? otherwise : found->second;
  }
  /// As a number. Throws contract_error showing what it is.
  [[nodiscard]] double number(const std::string& key, double otherwise) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? otherwise : parse_number(key, found->second);
  }
  [[nodiscard]] bool flag(const std::string& key, bool otherwise) const {
    return choice(key, {"true", "false"}, otherwise ? "true" : "false") == "true";
  }
  /// One of some words. Throws contract_error listing them.
  [[nodiscard]] std::string choice(const std::string& key, const std::vector<std::string>& allowed,
                                   const std::string& otherwise) const {
    const std::string found = value(key, otherwise);
    std::string list;
    for (const std::string& word : allowed) {
      if (word == found) return found;
      list += (list.empty() ? "" : ", ") + word;
    }
    throw contract_error("loss: " + text_ + ": " + key + "=" + found + ", expected one of " + list);
  }
  /// `0.5`, or `linear:4:1`, `cosine:4:1`, `exponential:4:1`: from the first number to the second over the run.
  [[nodiscard]] any_schedule schedule(const std::string& key, double otherwise) const;

  /// Throws contract_error for a setting that is none of `known`, listing them: nothing is parsed and ignored.
  void allow(const std::set<std::string>& known) const {
    for (const auto& [key, value] : settings_)
      expects(known.contains(key), [&, &key = key] {
        std::string list;
        for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
        return "loss: " + text_ + ": unknown setting " + key + ", expected one of " + list;
      });
  }

 private:
  [[nodiscard]] double parse_number(const std::string& key, std::string_view digits) const {
    const auto number = number_in<double>(digits);
    expects(number.has_value(),
            [&] { return message("loss: ", text_, ": ", key, "=", digits, ", expected a number"); });
    return *number;
  }

  std::string text_, name_;
  std::map<std::string, std::string> settings_;
};

inline any_schedule term_spec::schedule(const std::string& key, double otherwise) const {
  const std::string text = value(key, "");
  const std::size_t first = text.find(':');
  if (text.empty() || first == std::string::npos)
    return {.kind = schedule_kind::constant, .from = number(key, otherwise)};
  const std::string kind = text.substr(0, first);
  const std::size_t second = text.find(':', first + 1);
  expects(second != std::string::npos && (kind == "linear" || kind == "cosine" || kind == "exponential"), [&] {
    return message("loss: ", text_, ": ", key, "=", text,
                   ", expected a number or linear:FROM:TO, cosine:FROM:TO, "
                   "exponential:FROM:TO");
  });
  const any_schedule out{kind == "linear"   ? schedule_kind::linear
                         : kind == "cosine" ? schedule_kind::cosine
                                            : schedule_kind::exponential,
                         parse_number(key, std::string_view(text).substr(first + 1, second - first - 1)),
                         parse_number(key, std::string_view(text).substr(second + 1))};
  expects(out.kind != schedule_kind::exponential || (out.from > 0 && out.to > 0),
          [&] { return message("loss: ", text_, ": ", key, "=", text, ": an exponential needs positive ends"); });
  return out;
}

}  // namespace limbeck
