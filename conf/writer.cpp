// Writers of both syntaxes. Words hold no control character but the tab and are UTF-8 (the readers
// saw to it), so quotes are all that has to be decided here.
#include "conf/writer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/text.hpp"
#include "conf/setting.hpp"

namespace posthouse::conf {
namespace {

bool is_alnum(char c) {
  const char low = base::ascii_lower(c);
  return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
}

// Words that mean themselves in YAML without quotes. Narrow on purpose: a word more in quotes costs
// nothing, one too few changes its meaning.
bool is_plain_yaml(std::string_view word) {
  if (word.empty() || base::iequals(word, "null")) return false;
  if (!is_alnum(word.front()) && word.front() != '/') return false;
  return std::all_of(word.begin(), word.end(), [](char c) {
    return is_alnum(c) || std::string_view("/._-").find(c) != std::string_view::npos;
  });
}

// Code points that a YAML reader might take for a line break, a byte order mark or rubbish.
bool must_escape(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 || code == 0x2029 ||
         code == 0xfeff || (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

struct CodePoint {
  std::uint32_t code = 0;
  std::size_t length = 1;
};

// The first code point of well-formed UTF-8.
CodePoint first_code_point(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(i < text.size() ? text[i] : '\0'));
  };
  const std::uint32_t lead = at(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {(lead & 0x1f) << 6 | (at(1) & 0x3f), 2};
  if (lead < 0xf0) return {(lead & 0x0f) << 12 | (at(1) & 0x3f) << 6 | (at(2) & 0x3f), 3};
  return {(lead & 0x07) << 18 | (at(1) & 0x3f) << 12 | (at(2) & 0x3f) << 6 | (at(3) & 0x3f), 4};
}

std::string yaml_word(std::string_view word) {
  if (is_plain_yaml(word)) return std::string(word);
  std::string result = "\"";
  while (!word.empty()) {
    const CodePoint point = first_code_point(word);
    if (point.code == '"' || point.code == '\\') {
      result += '\\';
      result += static_cast<char>(point.code);
    } else if (point.code == '\t') {
      result += "\\t";
    } else if (must_escape(point.code) && point.code > 0xffff) {
      result += fmt::format("\\U{:08x}", point.code);
    } else if (must_escape(point.code)) {
      result += fmt::format("\\u{:04x}", point.code);
    } else {
      result += word.substr(0, point.length);
    }
    word.remove_prefix(std::min(point.length, word.size()));
  }
  return result + "\"";
}

// [a, "b c"]
std::string yaml_flow(std::span<const std::string> words) {
  std::string result = "[";
  for (const auto& word : words) {
    if (result.size() > 1) result += ", ";
    result += yaml_word(word);
  }
  return result + "]";
}

std::string yaml_value(const Assignment& assignment) {
  return assignment.words.size() == 1 ? yaml_word(assignment.words[0])
                                      : yaml_flow(assignment.words);
}

std::string yaml_entry(std::string_view name, std::span<const Assignment* const> lines) {
  const Setting* row = find_setting(name);
  const bool repeatable = row == nullptr || row->repeatable;
  if (!repeatable) return fmt::format("{}: {}\n", yaml_word(name), yaml_value(*lines.back()));
  if (lines.size() == 1 && lines[0]->words.size() == 1) {
    return fmt::format("{}: {}\n", yaml_word(name), yaml_word(lines[0]->words[0]));
  }
  std::string text = fmt::format("{}:\n", yaml_word(name));
  for (const auto* line : lines) text += fmt::format("  - {}\n", yaml_value(*line));
  return text;
}

}  // namespace

std::string dmail_word(std::string_view word) {
  // A # would begin a comment only as the first octet of a line, where the name stands.
  const bool plain = !word.empty() && word.find_first_of(" \t\"") == std::string_view::npos;
  if (plain) return std::string(word);
  std::string result = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string dmail_words(std::span<const std::string> words) {
  std::string result;
  for (const auto& word : words) {
    if (!result.empty()) result += ' ';
    result += dmail_word(word);
  }
  return result;
}

std::string write_dmail(std::span<const Assignment> assignments) {
  std::string text;
  for (const auto& line : assignments) {
    text += line.name;
    for (const auto& word : line.words) {
      text += ' ';
      text += dmail_word(word);
    }
    text += '\n';
  }
  return text;
}

std::string write_yaml(std::span<const Assignment> assignments) {
  std::vector<std::string_view> order;
  std::map<std::string_view, std::vector<const Assignment*>> lines;
  for (const auto& assignment : assignments) {
    auto& entry = lines[assignment.name];
    if (entry.empty()) order.push_back(assignment.name);
    entry.push_back(&assignment);
  }
  std::string text;
  for (const auto name : order) text += yaml_entry(name, lines[name]);
  return text;
}

}  // namespace posthouse::conf
