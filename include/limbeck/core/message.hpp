// Messages of words and numbers, put together in one place: a check that is compiled often should weigh little.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace limbeck {
namespace detail {

/// What a message is made of. Looks at the words that it was given.
class message_part {
 public:
  message_part(std::string_view words) : words_(words) {}
  message_part(const std::string& words) : words_(words) {}
  message_part(const char* words) : words_(words) {}
  template <std::signed_integral T>
  message_part(T number) : kind_(kind::integer), integer_(number) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  message_part(T number) : kind_(kind::natural), natural_(number) {}
  template <std::floating_point T>
  message_part(T number) : kind_(kind::real), real_(static_cast<double>(number)) {}

  void append_to(std::string& text) const {
    switch (kind_) {
      case kind::words: text += words_; break;
      case kind::integer: text += std::to_string(integer_); break;
      case kind::natural: text += std::to_string(natural_); break;
      case kind::real: text += std::to_string(real_); break;
    }
  }

 private:
  enum class kind { words, integer, natural, real } kind_ = kind::words;
  std::string_view words_;
  union {
    long long integer_ = 0;
    unsigned long long natural_;
    double real_;
  };
};

[[gnu::noinline]] inline std::string joined(std::initializer_list<message_part> parts) {
  std::string text;
  for (const message_part& part : parts) part.append_to(text);
  return text;
}

}  // namespace detail

/// The parts, one behind the other: message("layer ", 3, " of ", 2, " layers") is "layer 3 of 2 layers". Numbers look
/// as std::to_string shows them.
template <class... Parts>
  requires(sizeof...(Parts) > 0)
[[nodiscard]] std::string message(const Parts&... parts) {
  return detail::joined({detail::message_part(parts)...});
}

}  // namespace limbeck
