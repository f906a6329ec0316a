// Which tokens a masked language model must guess, and what it sees in their place.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/random_choice.hpp"
#include "limbeck/data/vocabulary.hpp"

namespace limbeck {

/// Shares of Devlin et al. 2019 (arXiv:1810.04805, section 3.1).
struct masking_options {
  double share = 0.15;    ///< of the ordinary tokens are guessed
  double masked = 0.8;    ///< of those [MASK] is shown
  double replaced = 0.1;  ///< an ordinary piece drawn at random; the others show themselves

  /// Throws contract_error naming the share.
  void check() const {
    const auto share_of = [](const char* name, double value, bool may_be_none) {
      expects(value <= 1 && (may_be_none ? value >= 0 : value > 0),
              [&] { return message(name, ": must be ", (may_be_none ? "0" : "above 0"), " to 1, not ", value); });
    };
    share_of("mask-share", share, false);
    share_of("masked", masked, true);
    share_of("replaced", replaced, true);
    expects(masked + replaced <= 1,
            [&] { return message("masking: ", masked, " and ", replaced, " are more than 1"); });
  }
};

/// Masks samples of one vocabulary. How many tokens of a sample are guessed depends on the sample alone, so a step's
/// counts are known before it is masked; which ones, and what is shown, on a random stream: masks are dynamic (Liu et
/// al. 2019, arXiv:1907.11692, section 4.1) where the stream names the epoch. Special pieces are neither guessed nor
/// drawn.
class masker {
 public:
  /// What one masking needs; kept from call to call.
  struct memory {
    std::vector<std::size_t> places{};
    random_choice choice{};
  };

  /// Throws contract_error as masking_options::check(), and for a vocabulary of special pieces alone.
  explicit masker(const vocabulary& pieces, masking_options options = {})
      : options_(options), mask_(pieces.mask()), special_(static_cast<std::size_t>(pieces.size()), 0) {
    options_.check();
    for (const std::int32_t id : pieces.specials()) special_[static_cast<std::size_t>(id)] = 1;
    for (std::int32_t id = 0; id < pieces.size(); ++id)
      if (is_ordinary(id)) ordinary_.push_back(id);
    expects(!ordinary_.empty(), "masking: the vocabulary has special pieces only");
  }

  [[nodiscard]] bool is_ordinary(std::int32_t id) const { return special_[static_cast<std::size_t>(id)] == 0; }
  [[nodiscard]] const masking_options& options() const { return options_; }

  /// How many tokens of a sample with so many ordinary ones are guessed: the share of them, one at least.
  [[nodiscard]] std::ptrdiff_t guessed(std::ptrdiff_t ordinary) const {
    const auto share = static_cast<std::ptrdiff_t>(std::lround(options_.share * static_cast<double>(ordinary)));
    return std::min(std::max(share, std::ptrdiff_t{1}), ordinary);
  }

  /// Masks one sample's `ids`, shown to the model, where they lie; calls visit(place, id) for each token that is to be
  /// guessed, places rising, with the id that it had.
  template <class Visit>
  void operator()(std::span<std::int32_t> ids, const random_stream& stream, memory& use, const Visit& visit) const {
    std::vector<std::size_t>& places = use.places;
    places.clear();
    for (std::size_t place = 0; place < ids.size(); ++place)
      if (is_ordinary(ids[place])) places.push_back(place);
    const auto count = static_cast<std::size_t>(guessed(static_cast<std::ptrdiff_t>(places.size())));
    for (const std::uint32_t chosen : use.choice(stream, places.size(), count)) {
      std::int32_t& id = ids[places[chosen]];
      visit(places[chosen], id);
      const random_words words = stream.at(chosen);  // its first word chose the place
      const double lot = unit_interval(words.word[1]);
      if (lot < options_.masked)
        id = mask_;
      else if (lot < options_.masked + options_.replaced)
        id = ordinary_[below(static_cast<std::uint32_t>(ordinary_.size()), words.word[2])];
    }
  }

 private:
  masking_options options_;
  std::int32_t mask_;
  std::vector<std::uint8_t> special_;   // [pieces]
  std::vector<std::int32_t> ordinary_;  // their ids
};

}  // namespace limbeck
