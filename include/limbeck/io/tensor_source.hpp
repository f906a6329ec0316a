// The tensors of a model, whether it is one safetensors file or several with an index.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/safetensors.hpp"
#include "limbeck/io/tensor_entry.hpp"

namespace limbeck {

/// Opens a safetensors file, or a folder that holds `model.safetensors` or else `model.safetensors.index.json` and the
/// files that this names. Every file is checked when it is opened. Move-only.
class tensor_source {
 public:
  /// Throws file_error for files that are missing or damaged, for an index that names a place outside the folder, and
  /// where index and files do not hold the same tensors.
  explicit tensor_source(const std::filesystem::path& model) : path_(model) {
    const auto single = model / "model.safetensors", index_file = model / "model.safetensors.index.json";
    std::error_code none;  // what cannot be looked at fails when it is opened, with its cause
    if (!std::filesystem::is_directory(model, none)) {
      open_file(model);
    } else if (std::filesystem::exists(single, none)) {
      open_file(single);
    } else if (std::filesystem::exists(index_file, none)) {
      open_shards(model, read_json(index_file));
    } else {
      throw file_error(model.string(), "", "has no model.safetensors and no model.safetensors.index.json");
    }
  }

  /// The file or folder that was opened.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Sorted.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] bool contains(std::string_view name) const { return file_of_.contains(name); }
  /// Of the first file.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return files_.front().metadata(); }

  /// What the tensor is. Throws file_error where there is none of that name.
  [[nodiscard]] const tensor_entry& at(std::string_view name) const { return file_of(name).at(name); }
  /// Where the tensor lies, for its bytes as they are. Throws as at() does.
  [[nodiscard]] const safetensors_file& file_of(std::string_view name) const {
    const auto found = file_of_.find(name);
    if (found == file_of_.end())
      throw file_error(path_.string(), detail::tensor_place(std::string(name)), "is missing");
    return files_[found->second];
  }
  /// As safetensors_file::read.
  template <readable T>
  void read(std::string_view name, const tensor_shape& expected, T* out) const {
    file_of(name).read(name, expected, out);
  }
  template <readable T>
  [[nodiscard]] std::vector<T> read(std::string_view name, const tensor_shape& expected) const {
    return file_of(name).template read<T>(name, expected);
  }

 private:
  void open_file(const std::filesystem::path& file) {
    files_.emplace_back(file);
    for (const tensor_entry& tensor : files_.back().tensors()) {
      names_.push_back(tensor.name);
      file_of_.emplace(tensor.name, files_.size() - 1);
    }
  }

  void open_shards(const std::filesystem::path& folder, const json_value& list) {
    std::map<std::string, std::size_t> shards;
    for (const auto& [name, shard] : list.at("weight_map").members()) {
      const auto file = shard.as<std::string>();
      if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos ||
          std::ranges::any_of(file, [](char c) { return static_cast<unsigned char>(c) < ' '; }))
        shard.refuse("is " + detail::shown(shard.raw()) + ", expected the plain name of a file in the same folder");
      const auto [place, is_new] = shards.emplace(file, files_.size());
      if (is_new) files_.emplace_back(folder / file);
      if (files_[place->second].find(name) == nullptr) shard.refuse("says " + file + ", which has no such tensor");
      file_of_.emplace(name, place->second);
      names_.push_back(name);
    }
    if (files_.empty()) list.refuse("names no file");
    for (const safetensors_file& file : files_)
      for (const tensor_entry& tensor : file.tensors())
        if (!contains(tensor.name) || &file_of(tensor.name) != &file)
          throw file_error(file.path().string(), detail::tensor_place(tensor.name), "is not placed here by the index");
  }

  std::filesystem::path path_;
  std::vector<safetensors_file> files_;
  std::vector<std::string> names_;
  std::map<std::string, std::size_t, std::less<>> file_of_;
};

}  // namespace limbeck
