// Students at least as wide as their teacher that start from its weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/random_choice.hpp"
#include "limbeck/models/model_config.hpp"
#include "limbeck/models/remapping.hpp"

namespace limbeck {

/// What a student does with the room that its teacher's weights leave. Models of one width start alike by both.
enum class growth {
  pad,        ///< the teacher's numbers fill the first rows and columns; the others stay as they are
  net2wider,  ///< the teacher's units are there several times over (Chen et al. 2016, arXiv:1511.05641, section 2.3)
};

/// For each unit of a wide layer the unit of a narrow one that it is a copy of, and 1 / the number of its copies: what
/// reads them all takes that share of each.
struct unit_copies {
  std::vector<index> from{};
  std::vector<double> share{};
};

/// Every unit once, in order, again and again; in the last round, where not all have room, some that are drawn by lot.
/// Throws contract_error where wide < narrow.
[[nodiscard]] inline unit_copies copies_of_units(index narrow, index wide, const random_stream& random) {
  expects(narrow >= 1 && narrow <= wide, [&] { return message("net2wider: ", wide, " units cannot hold ", narrow); });
  unit_copies copies;
  for (index j = 0; j < wide - wide % narrow; ++j) copies.from.push_back(j % narrow);
  random_choice choice;
  for (const std::uint32_t j :
       choice(random, static_cast<std::size_t>(narrow), static_cast<std::size_t>(wide % narrow)))
    copies.from.push_back(j);
  std::vector<index> count(static_cast<std::size_t>(narrow), 0);
  for (const index j : copies.from) ++count[static_cast<std::size_t>(j)];
  for (const index j : copies.from)
    copies.share.push_back(1.0 / static_cast<double>(count[static_cast<std::size_t>(j)]));
  return copies;
}

namespace detail {

/// What the rows or columns of a parameter stand for.
enum class unit_kind {
  fixed,      ///< words, positions, classes: as many in both models
  stream,     ///< what flows from layer to layer
  attention,  ///< the heads' own
  inner,      ///< of the feed-forward net
};
struct parameter_units {
  unit_kind rows = unit_kind::fixed, columns = unit_kind::fixed;
  bool shares = false;  ///< its input has copies: each number is divided among them. A vector's: what reads it does not
};

[[nodiscard]] inline std::unordered_map<std::string, parameter_units> units_of_parameters(const model_names& names,
                                                                                          index layers) {
  using enum unit_kind;
  std::unordered_map<std::string, parameter_units> units;
  const auto put = [&](const std::string& name, parameter_units of) {
    if (!name.empty()) units.emplace(name, of);
  };
  const auto vectors = [&](unit_kind rows, std::initializer_list<std::string> some) {
    for (const std::string& name : some) put(name, {rows});
  };
  for (const std::string& name : {names.word, names.position, names.type}) put(name, {fixed, stream});
  vectors(stream, {names.embedding_gain, names.embedding_bias, names.pooler_bias, names.transform_bias});
  vectors(fixed, {names.classifier_bias, names.vocabulary_bias});
  for (const std::string& name : {names.pooler_weight, names.transform_weight}) put(name, {stream, stream, true});
  put(names.classifier_weight, {fixed, stream, true});
  // The words' vectors are not divided, so what they are multiplied with is.
  for (const std::string& name : {names.transform_gain, names.transform_norm_bias}) put(name, {stream, fixed, true});
  for (index l = 0; l < layers; ++l) {
    const layer_names n = names.layer(l);
    for (const std::string& name : n.qkv_weight) put(name, {attention, stream, true});
    for (const std::string& name : n.qkv_bias) put(name, {attention});
    put(n.out_weight, {stream, attention, true});
    put(n.w1, {inner, stream, true});
    put(n.b1, {inner});
    put(n.w2, {stream, inner, true});
    vectors(stream, {n.out_bias, n.attention_gain, n.attention_bias, n.b2, n.output_gain, n.output_bias});
  }
  return units;
}

/// The copies of each kind of unit.
class unit_table {
 public:
  unit_table(const transformer_sizes& narrow, const transformer_sizes& wide, std::uint64_t seed) {
    constexpr std::uint32_t site = 0x2002;
    const index head = narrow.width / narrow.heads;
    expects(wide.width / wide.heads == head, [&] {
      return message("net2wider: heads must be as wide as the teacher's, student ", wide.width, " / ", wide.heads,
                     ", teacher ", narrow.width, " / ", narrow.heads);
    });
    const unit_copies heads = copies_of_units(narrow.heads, wide.heads, {seed, 0, site});
    for (std::size_t h = 0; h < heads.from.size(); ++h)
      for (index k = 0; k < head; ++k) {
        attention_.from.push_back(heads.from[h] * head + k);
        attention_.share.push_back(heads.share[h]);
      }
    stream_ = copies_of_units(narrow.width, wide.width, {seed, 1, site});
    inner_ = copies_of_units(narrow.inner, wide.inner, {seed, 2, site});
  }

  /// Null for units that are as many in both models.
  [[nodiscard]] const unit_copies* of(unit_kind kind) const {
    switch (kind) {
      case unit_kind::fixed: return nullptr;
      case unit_kind::stream: return &stream_;
      case unit_kind::attention: return &attention_;
      case unit_kind::inner: return &inner_;
    }
    return nullptr;
  }

 private:
  unit_copies stream_, attention_, inner_;
};

/// Fills one parameter from another. Null: there are no copies, and units beyond the other's stay as they are. Numbers
/// that read copies are divided among them where `shares`.
template <class T>
void fill_parameter(const parameter& from, view<const T, 1> theirs, const parameter& to, view<T, 1> mine,
                    const unit_copies* rows, const unit_copies* columns, bool shares) {
  const bool vector = to.columns == 0;
  const index width = vector ? 1 : to.columns, narrow = vector ? 1 : from.columns;
  const unit_copies* const read = !shares ? nullptr : vector ? rows : columns;
  const auto unit = [](const unit_copies* copies, index i) {
    return copies != nullptr ? copies->from[static_cast<std::size_t>(i)] : i;
  };
  for (index r = 0; r < (rows != nullptr ? to.rows : from.rows); ++r)
    for (index c = 0; c < (columns != nullptr ? width : narrow); ++c) {
      const double share = read != nullptr ? read->share[static_cast<std::size_t>(vector ? r : c)] : 1;
      const T number = theirs(from.offset + unit(rows, r) * narrow + unit(columns, c));
      mine(to.offset + r * width + c) = static_cast<T>(share * static_cast<double>(number));
    }
}

inline void expects_room(const transformer_sizes& student, const transformer_sizes& teacher) {
  const auto fits = [](const char* what, index mine, index theirs) {
    expects(mine >= theirs, [&] {
      return message("student: ", what, "=", mine, " cannot hold the teacher's ", theirs, ", expected no fewer");
    });
  };
  fits("width", student.width, teacher.width);
  fits("inner", student.inner, teacher.inner);
}

}  // namespace detail

/// A model that others start from: its weights lie as `table` says.
template <class T>
struct weights_to_copy {
  const transformer_sizes& sizes;
  const parameter_table& table;
  view<const T, 1> weights;
};

/// Fills the student's parameters from the teacher's of the same names, layer m from layer layers[m]; those that the
/// teacher does not have stay as they are. By net2wider a student whose width is a multiple of the teacher's, and whose
/// layers are the teacher's, computes the teacher's function: every unit is there equally often, so norms see the same
/// mean and variance, and whatever reads the copies divides its weights among them. Heads keep their width and are
/// copied whole. The matrix of word vectors is the output matrix, too, and cannot be divided for that use alone: gain
/// and bias of the norm before it are, or logits would be as many times too large. Copies stay alike as long as their
/// gradients do, which dropout ends. `seed`: of what is drawn where the width is no multiple. Throws contract_error,
/// naming both sizes, where the student is narrower, where vocabulary, positions, types or classes differ, and for
/// net2wider where heads have another width.
template <class T>
void start_from(const weights_to_copy<T>& teacher, const model_names& names, std::span<const index> layers, growth how,
                std::uint64_t seed, const transformer_sizes& sizes, const parameter_table& table, view<T, 1> weights) {
  detail::expects_room(sizes, teacher.sizes);
  const auto units = detail::units_of_parameters(names, sizes.layers);
  std::optional<detail::unit_table> copies;
  if (how == growth::net2wider) copies.emplace(teacher.sizes, sizes, seed);
  for_each_counterpart(table, names, teacher.sizes, layers, [&](const parameter& to, const std::string& name) {
    const parameter* const from = teacher.table.find(name);
    const auto found = units.find(to.name);
    if (from == nullptr || found == units.end()) return;
    const auto [rows, columns, shares] = found->second;
    expects(rows != detail::unit_kind::fixed || to.rows == from->rows, [&] {
      return message("student: ", to.name, " has ", to.rows, " rows, the teacher's ", from->rows, ", expected as many");
    });
    detail::fill_parameter(*from, teacher.weights, to, weights, copies ? copies->of(rows) : nullptr,
                           copies ? copies->of(columns) : nullptr, shares);
  });
}

}  // namespace limbeck
