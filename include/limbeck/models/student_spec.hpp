// A student described in a line of text: layers copied from its teacher, or sizes of a fresh model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model_config.hpp"
#include "limbeck/models/parameter_sharing.hpp"
#include "limbeck/models/remapping.hpp"

namespace limbeck {

/// Either `from_teacher` names the teacher's layers, from 0, that become the student's in that order; or a fresh model
/// has these sizes. The rest (vocabulary, positions, token types, classes, labels, dropout) is the teacher's.
struct student_spec {
  index layers = 0;  ///< with weights of their own: with `sharing` the student is deeper
  std::vector<index> from_teacher{};
  index width = 0, heads = 0, inner = 0;  ///< 0 with from_teacher
  std::optional<parameter_sharing> sharing{};

  /// The student's layers, shared ones counted as often as they are used.
  [[nodiscard]] index depth() const { return sharing ? effective_layers(layers) : layers; }
};

namespace detail {

/// No size may be larger: products of two of them, and their sum over all layers, must fit.
inline constexpr index largest_in_spec = index{1} << 24;

/// Throws contract_error unless the whole of `text` is a number from `least` to largest_in_spec.
[[nodiscard]] inline index number_in_spec(std::string_view key, std::string_view text, index least) {
  constexpr index most = largest_in_spec;
  const auto number = number_in<index>(text);
  expects(number && *number >= least && *number <= most,
          [&] { return message("student: ", key, "=", text, ", expected a number from ", least, " to ", most); });
  return *number;
}

/// Calls visit(piece) for each piece between separators; an empty text has one, which is empty.
template <class Visit>
void for_each_piece(std::string_view text, char separator, Visit&& visit) {
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = text.find(separator);
    visit(text.substr(0, end));
    if (end != std::string_view::npos) text.remove_prefix(end + 1);
  }
}

inline void check_spec(const student_spec& spec) {
  const auto copied = static_cast<index>(spec.from_teacher.size());
  if (copied > 0) {
    expects(spec.layers == copied,
            [&] { return message("student: layers=", spec.layers, ", but from-teacher names ", copied); });
    expects(spec.width == 0 && spec.heads == 0 && spec.inner == 0,
            "student: from-teacher copies the teacher's sizes, so width, heads and inner cannot be given");
  } else {
    expects(spec.layers > 0 && spec.width > 0 && spec.heads > 0, [&] {
      return message("student: layers=", spec.layers, ", width=", spec.width, ", heads=", spec.heads,
                     "; a fresh student needs all three, one of copied layers from-teacher");
    });
    expects(spec.width % spec.heads == 0,
            [&] { return message("student: heads=", spec.heads, " does not divide width=", spec.width); });
  }
  expects(spec.depth() <= static_cast<index>(max_layers), [&] {
    return message("student: layers=", spec.layers,
                   spec.sharing ? message(" make ", spec.depth(), " with sharing") : std::string(), ", at most ",
                   max_layers);
  });
}

}  // namespace detail

/// Reads `layers=3,from-teacher=0:2:4` (`layers` may be left out) or `layers=2,width=128,heads=2,inner=512` (`inner` is
/// 4 * width where it is left out), either with `sharing=` as parse_sharing() reads it. Throws contract_error that
/// names key and value.
[[nodiscard]] inline student_spec parse_student_spec(std::string_view text) {
  student_spec spec;
  std::vector<std::string_view> seen;
  detail::for_each_piece(text, ',', [&](std::string_view piece) {
    const std::size_t equals = piece.find('=');
    const std::string_view key = piece.substr(0, equals);
    expects(equals != std::string_view::npos, [&] {
      return message("student: \"", piece, "\" is no key=value, as in layers=2,width=128,heads=2,inner=512");
    });
    expects(std::ranges::count(seen, key) == 0, [&] { return message("student: ", key, " is given twice"); });
    seen.push_back(key);
    const std::string_view value = piece.substr(equals + 1);
    index* const size = key == "layers"  ? &spec.layers
                        : key == "width" ? &spec.width
                        : key == "heads" ? &spec.heads
                        : key == "inner" ? &spec.inner
                                         : nullptr;
    expects(size != nullptr || key == "from-teacher" || key == "sharing", [&] {
      return message("student: unknown key ", key, "=", value,
                     ", expected layers, from-teacher, width, heads, inner or sharing");
    });
    if (size != nullptr)
      *size = detail::number_in_spec(key, value, 1);
    else if (key == "sharing")
      spec.sharing = parse_sharing(value);
    else
      detail::for_each_piece(value, ':', [&](std::string_view layer) {
        spec.from_teacher.push_back(detail::number_in_spec(key, layer, 0));
      });
  });
  if (spec.layers == 0) spec.layers = static_cast<index>(spec.from_teacher.size());
  detail::check_spec(spec);
  if (spec.from_teacher.empty() && spec.inner == 0) {
    spec.inner = 4 * spec.width;
    expects(spec.inner <= detail::largest_in_spec, [&] {
      return message("student: width=", spec.width, " makes inner=", spec.inner, ", at most ", detail::largest_in_spec);
    });
  }
  return spec;
}

/// The student's config. Throws contract_error for a layer that the teacher does not have.
[[nodiscard]] inline model_config student_config(const student_spec& spec, const model_config& teacher) {
  detail::check_spec(spec);
  model_config student = teacher;
  student.sizes.layer_sources.clear();
  if (spec.sharing) student.sizes.layer_sources = shared_layers(*spec.sharing, spec.layers);
  student.sizes.layers = spec.depth();
  for (const index layer : spec.from_teacher)
    expects(layer >= 0 && layer < teacher.sizes.layers, [&] {
      return message("student: from-teacher names layer ", layer, ", the teacher has ", teacher.sizes.layers,
                     " (they count from 0)");
    });
  if (spec.from_teacher.empty()) {
    student.sizes.width = spec.width;
    student.sizes.heads = spec.heads;
    student.sizes.inner = spec.inner > 0 ? spec.inner : 4 * spec.width;
  }
  return student;
}

/// A model and its first weights.
template <class T>
struct initialised_student {
  model_config config;
  bert_classifier model;
  buffer<T> weights;
};

/// Makes the student: with from_teacher its embeddings, those layers and its head are the teacher's (a copy each, also
/// where the teacher's layers share), as Sanh et al. 2019 (arXiv:1910.01108, section 3) start DistilBERT; otherwise all
/// is random. `table` and `weights` are the teacher's; the table may declare more. Throws contract_error where they do
/// not fit its config, and as student_config() does.
template <class T>
[[nodiscard]] initialised_student<T> initialise_student(const student_spec& spec, const model_config& teacher,
                                                        const parameter_table& table, view<const T, 1> weights,
                                                        std::uint64_t seed) {
  model_config config = student_config(spec, teacher);
  bert_classifier model = make_classifier(config);
  buffer<T> mine(model.parameters().size());
  if (spec.from_teacher.empty()) {
    initialise(model.parameters(), seed, mine.all());
  } else {
    expects(weights.extent(0) >= table.size(), [&] {
      return message("initialise_student: ", weights.extent(0), " weights given, the teacher's table has ",
                     table.size());
    });
    const auto copy = [&](const parameter& to, const std::string& from) {
      const parameter* const p = table.find(from);
      expects(p != nullptr && p->rows == to.rows && p->columns == to.columns, [&] {
        return message("initialise_student: the teacher's table has no ", from, " of its config's shape");
      });
      std::copy_n(weights.data() + p->offset, p->count(), mine.data() + to.offset);
    };
    std::vector<index> sources;  // of layers that share, those of the layer whose weights they look at
    for (index l = 0, copied = 0; l < config.sizes.layers; ++l) {
      const index own = weights_of_layer(config.sizes, l).layer;
      sources.push_back(own == l ? spec.from_teacher[static_cast<std::size_t>(copied++)]
                                 : sources[static_cast<std::size_t>(own)]);
    }
    for_each_counterpart(model.parameters(), names_of(config.family), teacher.sizes, sources, copy);
  }
  return {std::move(config), std::move(model), std::move(mine)};
}

}  // namespace limbeck
