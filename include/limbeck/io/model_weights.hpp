// The weights of a Hugging Face folder, whatever the dialect of their names, in and out of a flat buffer.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/safetensors_writer.hpp"
#include "limbeck/io/tensor_source.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model_config.hpp"
#include "limbeck/models/parameter_table.hpp"

namespace limbeck {

/// What loading did beside filling the buffer, sorted.
struct load_report {
  std::vector<std::string> fresh;   ///< parameters that the files do not have, initialised anew
  std::vector<std::string> unused;  ///< tensors of the files that the model has no place for
};

namespace detail {

/// How files of one family may name what the table names in full.
struct checkpoint_dialect {
  std::string base;                              ///< "bert.", missing where the backbone was saved alone
  std::vector<std::string> roots;                ///< what names begin with then
  std::vector<std::string> buffers;              ///< endings of what is no parameter
  std::map<std::string, std::string> tied{};     ///< a name that must hold the same as another, where it is there
  std::vector<std::vector<std::string>> head{};  ///< groups of parameters that may be fresh, a whole group at a time
  std::string resized{};                         ///< a weight whose group may be fresh where its rows differ
  std::vector<shared_tensor> shared{};           ///< copies that must hold the same as their originals

  [[nodiscard]] bool is_buffer(std::string_view name) const {
    return std::ranges::any_of(buffers, [&](const std::string& ending) { return name.ends_with(ending); });
  }
  /// The name that the table uses.
  [[nodiscard]] std::string full(std::string name) const {
    const auto rename = [&](std::string_view old, std::string_view now) {
      if (name.ends_with(old)) name.replace(name.size() - old.size(), old.size(), now);
    };
    rename(".gamma", ".weight");  // as the first BERT checkpoints have it
    rename(".beta", ".bias");
    for (const std::string& root : roots)
      if (name.starts_with(root)) return base + name;
    return name;
  }
};

/// Rows of three parts, as wide each, with the first two in each other's place: queries and keys of an exchanged layer.
[[nodiscard]] inline std::vector<std::byte> with_exchanged_parts(std::span<const std::byte> rows,
                                                                 std::size_t bytes_of_part) {
  std::vector<std::byte> out(rows.begin(), rows.end());
  for (std::byte* row = out.data(); row != out.data() + out.size(); row += 3 * bytes_of_part)
    std::swap_ranges(row, row + bytes_of_part, row + bytes_of_part);
  return out;
}
[[nodiscard]] inline std::size_t bytes_of_part(const tensor_shape& shape, dtype type) {
  return static_cast<std::size_t>(shape.back() / 3) * size_of(type);
}

/// "[100, 32]" of a parameter.
[[nodiscard]] inline tensor_shape shape_of(const parameter& p) {
  return p.columns > 0 ? tensor_shape{p.rows, p.columns} : tensor_shape{p.rows};
}

/// Where each parameter comes from; made and checked before anything is read.
class load_plan {
 public:
  load_plan(const tensor_source& source, const checkpoint_dialect& dialect, const parameter_table& own, bool fresh_head)
      : source_(source) {
    for (const std::string& name : source.names()) {
      if (dialect.is_buffer(name)) continue;
      const auto [old, is_new] = file_names_.emplace(dialect.full(name), name);
      if (!is_new) refuse(name, "stands for the same parameter as " + tensor_place(old->second));
    }
    if (fresh_head) choose_fresh(dialect, own);
    std::set<std::string> used;
    for (const parameter& p : own.entries()) {
      if (std::ranges::count(report_.fresh, p.name) > 0) continue;
      const std::string& name = file_name(p.name);
      const tensor_entry& found = source.at(name);
      if (found.shape != shape_of(p))
        refuse(name, "has shape " + text_of(found.shape) + ", expected " + text_of(shape_of(p)));
      used.insert(p.name);
    }
    for (const auto& [copy, original, exchanged_parts] : dialect.shared)
      check_same(file_name(copy), file_name(original), used, copy, exchanged_parts);
    for (const auto& [copy, original] : dialect.tied)
      if (file_names_.contains(copy)) check_same(file_name(copy), file_name(original), used, copy);
    for (const auto& [full, name] : file_names_)
      if (!used.contains(full)) report_.unused.push_back(name);
    std::ranges::sort(report_.unused);
    std::ranges::sort(report_.fresh);
  }

  [[nodiscard]] const load_report& report() const { return report_; }
  [[nodiscard]] bool is_fresh(const std::string& name) const { return std::ranges::binary_search(report_.fresh, name); }
  /// What the files call the parameter. Throws file_error where they do not have it.
  [[nodiscard]] const std::string& file_name(const std::string& full) const {
    const auto found = file_names_.find(full);
    if (found == file_names_.end())
      throw file_error(source_.path().string(), tensor_place(full),
                       "is missing, expected the weights of a whole model");
    return found->second;
  }

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& problem) const {
    throw file_error(source_.file_of(name).path().string(), tensor_place(name), problem);
  }
  void choose_fresh(const checkpoint_dialect& dialect, const parameter_table& own) {
    for (const auto& group : dialect.head) {
      const auto there = std::ranges::count_if(group, [&](const auto& name) { return file_names_.contains(name); });
      bool fresh = there == 0;
      if (there > 0 && std::ranges::count(group, dialect.resized) > 0 && file_names_.contains(dialect.resized)) {
        const tensor_shape& shape = source_.at(file_name(dialect.resized)).shape;
        const parameter* const p = own.find(dialect.resized);
        fresh = shape.size() == 2 && shape[1] == p->columns && shape[0] != p->rows;
      }
      if (fresh) report_.fresh.insert(report_.fresh.end(), group.begin(), group.end());
    }
  }
  void check_same(const std::string& copy, const std::string& original, std::set<std::string>& used,
                  const std::string& full, bool exchanged_parts = false) const {
    const auto &a = source_.at(copy), &b = source_.at(original);
    const auto left = source_.file_of(copy).bytes(a), right = source_.file_of(original).bytes(b);
    const auto same = [&] {
      return exchanged_parts ? std::ranges::equal(left, with_exchanged_parts(right, bytes_of_part(b.shape, b.type)))
                             : std::ranges::equal(left, right);
    };
    if (a.type != b.type || a.shape != b.shape || !same())
      refuse(copy, "differs from " + tensor_place(original) +
                       (exchanged_parts ? " with queries and keys exchanged" : "") +
                       ", expected the same: the config says that they are shared");
    used.insert(full);
  }

  const tensor_source& source_;
  std::map<std::string, std::string> file_names_;
  load_report report_;
};

/// The parameter of that name and shape in the caller's table, which may hold more.
[[nodiscard]] inline const parameter& place_of(const char* who, const parameter& wanted, const parameter_table& table) {
  const parameter* const p = table.find(wanted.name);
  expects(p != nullptr && p->rows == wanted.rows && p->columns == wanted.columns, [&] {
    return message(who, ": the table has ",
                   (p == nullptr ? "no " + wanted.name : wanted.name + " " + text_of(shape_of(*p))),
                   ", the config needs ", text_of(shape_of(wanted)));
  });
  return *p;
}

inline void expect_room(const char* who, index given, const parameter_table& table) {
  expects(given >= table.size(),
          [&] { return message(who, ": ", given, " weights given, the table has ", table.size()); });
}

/// Throws file_error at the first number of a parameter that is infinite or none: every result would be.
template <class T>
void expect_finite(const std::filesystem::path& file, const std::string& name, const parameter& p, const T* data) {
  const T* const found = std::find_if_not(data, data + p.count(), [](T x) { return std::isfinite(x); });
  if (found == data + p.count()) return;
  const index at = found - data;
  const std::string place =
      p.columns > 0 ? text_of(tensor_shape{at / p.columns, at % p.columns}) : text_of(tensor_shape{at});
  throw file_error(
      file.string(), tensor_place(name),
      "holds " + std::string(std::isnan(*found) ? "nan" : "infinity") + " at " + place + ", expected finite numbers");
}

/// Fills the parameters of `own` at their places in `table`.
template <readable T>
load_report load_tensors(const tensor_source& source, const load_plan& plan, const parameter_table& own,
                         const parameter_table& table, view<T, 1> flat, std::uint64_t seed) {
  expect_room("load_weights", flat.extent(0), table);
  for (const parameter& p : own.entries()) (void)place_of("load_weights", p, table);
  for (std::size_t number = 0; number < own.entries().size(); ++number) {
    const parameter& p = own.entries()[number];
    parameter here = p;
    here.offset = place_of("load_weights", p, table).offset;
    if (plan.is_fresh(p.name)) {
      initialise_parameter(here, number, seed, flat);
      continue;
    }
    const std::string& name = plan.file_name(p.name);
    source.read(name, shape_of(p), flat.data() + here.offset);
    expect_finite(source.file_of(name).path(), name, p, flat.data() + here.offset);
  }
  return plan.report();
}

/// Writes the parameters of `own`, and the copies that other layers make of them, as model.safetensors.
template <class T>
void save_tensors(const std::filesystem::path& folder, const std::vector<shared_tensor>& shared,
                  const parameter_table& own, const parameter_table& table, view<const T, 1> flat) {
  constexpr dtype type = std::same_as<T, double> ? dtype::f64 : dtype::f32;
  expect_room("save_model", flat.extent(0), table);
  std::vector<tensor_record> records;
  const auto add = [&](const std::string& name, const parameter& p) {
    records.push_back({name, type, shape_of(p), flat.data() + place_of("save_model", p, table).offset});
  };
  for (const parameter& p : own.entries()) add(p.name, p);
  std::vector<std::vector<std::byte>> rearranged;
  for (const auto& [copy, original, exchanged_parts] : shared) {
    const parameter& p = *own.find(original);
    add(copy, p);
    if (!exchanged_parts) continue;
    const std::span values(std::get<const T*>(records.back().data), static_cast<std::size_t>(p.count()));
    rearranged.push_back(with_exchanged_parts(std::as_bytes(values), bytes_of_part(shape_of(p), type)));
    records.back().data = rearranged.back().data();
  }
  write_safetensors(folder / "model.safetensors", records);
}

}  // namespace detail
}  // namespace limbeck
