// Real text for the demo: what Debian says of its packages. Read at run time, never kept.
#pragma once

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <limbeck/core/error.hpp>
#include <limbeck/core/fnv.hpp>
#include <limbeck/core/philox.hpp>

namespace demo {

/// A package: the section it belongs to, in a line of English, and the source it is built from.
struct package {
  std::string source, section, text;
};

/// Reads the stanzas that `apt-cache dumpavail` prints. Packages without a description are left out, as are texts that
/// another package has word for word.
inline std::vector<package> read_packages(const std::string& file) {
  std::ifstream in(file);
  std::vector<package> all;
  std::set<std::string> seen;
  package p;
  std::string name;
  const auto finish = [&] {
    if (p.source.empty()) p.source = name;
    if (!p.section.empty() && !p.text.empty() && seen.insert(p.text).second) all.push_back(p);
    p = {};
    name.clear();
  };
  const auto field = [](const std::string& line, std::string_view key, std::string& out) {
    if (line.starts_with(key)) out = line.substr(key.size(), line.find(" (", key.size()) - key.size());
  };
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) finish();
    field(line, "Package: ", name);
    field(line, "Source: ", p.source);
    field(line, "Section: ", p.section);
    for (const std::string_view key : {"Description: ", "Description-en: "})
      if (line.starts_with(key)) p.text = line.substr(key.size());
  }
  finish();
  return all;
}

/// Made-up packages, for machines without Debian's lists: each section has words of its own among common ones.
inline std::vector<package> make_packages(std::size_t count) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> sections{
      {"net", {"server", "client", "protocol", "packet", "proxy", "daemon"}},
      {"sound", {"audio", "player", "synthesizer", "music", "midi", "codec"}},
      {"games", {"puzzle", "level", "player", "arcade", "board", "quest"}},
      {"math", {"matrix", "solver", "algebra", "numeric", "polynomial", "integer"}}};
  const std::vector<const char*> common{"a", "simple", "fast", "library", "tool", "for", "and", "with", "the", "of"};
  std::vector<package> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    const limbeck::random_stream random{42, i, 0};
    const auto& [section, words] = sections[i % sections.size()];
    package p{"source" + std::to_string(i), section, ""};
    for (std::uint32_t w = 0; w < 8; ++w) {
      const auto draw = random.at(w);
      const bool own = draw.word[0] % 3 == 0;
      p.text += (w > 0 ? " " : "") +
                std::string(own ? words[draw.word[1] % words.size()] : common[draw.word[1] % common.size()]);
    }
    all.push_back(std::move(p));
  }
  return all;
}

/// The packages of the `count` largest sections, in an order that depends on their sources' names alone, so that one
/// source's packages stay together and no text of the training set has a sibling in the dev set.
inline std::vector<package> largest_sections(const std::vector<package>& all, std::size_t count) {
  std::map<std::string, std::size_t> sizes;
  for (const package& p : all) ++sizes[p.section];
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& [section, size] : sizes) order.emplace_back(size, section);
  std::sort(order.rbegin(), order.rend());
  order.resize(std::min(order.size(), count));
  std::vector<package> kept;
  for (const package& p : all)
    if (std::any_of(order.begin(), order.end(), [&](const auto& o) { return o.second == p.section; }))
      kept.push_back(p);
  const auto place = [](const package& p) { return std::pair(limbeck::fnv1a(p.source), p.source); };
  std::stable_sort(kept.begin(), kept.end(), [&](const package& a, const package& b) { return place(a) < place(b); });
  return kept;
}

}  // namespace demo
