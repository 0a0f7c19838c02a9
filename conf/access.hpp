// How the rows of the settings table reach a member of Settings: ready-made setters, getters and
// copiers for the common shapes (one word, one path, a list). Included by table_*.cpp alone.
#pragma once

#include <fmt/core.h>

#include <array>

#include "base/text.hpp"

#include "conf/setting.hpp"
#include "conf/values.hpp"

namespace posthouse::conf {

using Problem = std::optional<std::string>;

template <auto Member>
void copy_member(Settings& to, const Settings& from) {
  to.*Member = from.*Member;
}

// One word, turned into the member's value by `Parse` (a function from std::string_view).
template <auto Member, auto Parse>
Problem set_word(Settings& settings, Given& given) {
  auto value = Parse(given.words[0]);
  if (!value) return std::move(value).error();
  settings.*Member = *std::move(value);
  return std::nullopt;
}

template <auto Member, auto Format>
std::vector<Words> get_word(const Settings& settings) {
  return {{Format(settings.*Member)}};
}

// Text that is absent when empty.
template <auto Member>
std::vector<Words> get_text(const Settings& settings) {
  if ((settings.*Member).empty()) return {};
  return {{settings.*Member}};
}

template <auto Member>
Problem set_path(Settings& settings, Given& given) {
  auto path = parse_path(given.words[0], given.folder);
  if (!path) return std::move(path).error();
  given.words[0] = *path;
  settings.*Member = *std::move(path);
  return std::nullopt;
}

// A repeatable path.
template <auto Member>
Problem add_path(Settings& settings, Given& given) {
  auto path = parse_path(given.words[0], given.folder);
  if (!path) return std::move(path).error();
  given.words[0] = *path;
  (settings.*Member).push_back(*std::move(path));
  return std::nullopt;
}

// A repeatable text: one line for each entry.
template <auto Member>
std::vector<Words> get_list(const Settings& settings) {
  std::vector<Words> lines;
  for (const auto& entry : settings.*Member) lines.push_back({entry});
  return lines;
}

inline std::string format_number(const std::uint64_t& value) { return fmt::format("{}", value); }
inline std::string format_port(const std::uint16_t& value) { return fmt::format("{}", value); }

template <std::uint64_t Least, std::uint64_t Most>
Parsed<std::uint64_t> number_between(std::string_view text) {
  return parse_count(text, Least, Most);
}

// One of a fixed set of words; `Choices` is a constant array of these.
template <class Value>
struct Choice {
  std::string_view word;
  Value value;
};

template <auto Member, auto& Choices>
Problem set_choice(Settings& settings, Given& given) {
  std::string known;
  for (const auto& choice : Choices) {
    if (base::iequals(choice.word, given.words[0])) {
      settings.*Member = choice.value;
      return std::nullopt;
    }
    if (!known.empty()) known += ", ";
    known += choice.word;
  }
  if (Choices.size() == 1) {
    return fmt::format("{} is not available; write {}", in_quotes(given.words[0]), known);
  }
  return fmt::format("{} is not known; write one of {}", in_quotes(given.words[0]), known);
}

template <auto Member, auto& Choices>
std::vector<Words> get_choice(const Settings& settings) {
  for (const auto& choice : Choices) {
    if (choice.value == settings.*Member) return {{std::string(choice.word)}};
  }
  return {};
}

}  // namespace posthouse::conf
