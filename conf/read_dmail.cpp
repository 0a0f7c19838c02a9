// dmail.conf lines: a name and words. No continuation lines, and # starts a comment only at the
// start of a line, because paths and passwords may hold one (DMail).
#include <fmt/core.h>

#include "base/text.hpp"
#include "conf/reader.hpp"
#include "conf/values.hpp"

namespace posthouse::conf {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Splits one line into words. Double quotes group, also inside a word (user="a b"), and in them \"
// and \\ stand for " and \; outside quotes a backslash is itself.
Parsed<std::vector<std::string>> split_line(std::string_view line) {
  std::vector<std::string> words;
  std::size_t i = 0;
  while (true) {
    while (i < line.size() && is_blank(line[i])) ++i;
    if (i == line.size()) return words;
    std::string word;
    bool inside = false;
    for (; i < line.size() && (inside || !is_blank(line[i])); ++i) {
      const char c = line[i];
      if (c == '"') {
        inside = !inside;
      } else if (inside && c == '\\') {
        const char next = i + 1 < line.size() ? line[i + 1] : '\0';
        if (next != '"' && next != '\\') {
          return tl::unexpected<std::string>(
              "a backslash inside double quotes must stand before \" or \\; write \\\\ for a "
              "backslash");
        }
        word += next;
        ++i;
      } else {
        word += c;
      }
    }
    if (inside) {
      return tl::unexpected<std::string>(
          "a double quote is not closed; add one at the end of the value");
    }
    words.push_back(std::move(word));
  }
}

// DMail: `#include FILE' is an include although it begins like a comment.
bool is_hash_include(std::string_view line) {
  constexpr std::string_view kWord = "#include";
  return base::istarts_with(line, kWord) && line.size() > kWord.size() &&
         is_blank(line[kWord.size()]);
}

void read_line(std::string_view line, const Origin& where, Reader& reader) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  if (line.empty()) return;
  if (line.front() == '#') {
    if (!is_hash_include(line)) return;
    line.remove_prefix(1);
  }
  if (line.size() > kMaxLineOctets) {
    reader.report(
        Severity::error, where,
        fmt::format("the line is longer than {} octets; write several lines", kMaxLineOctets));
    return;
  }
  auto words = split_line(line);
  if (!words) {
    reader.report(Severity::error, where, words.error());
    return;
  }
  for (const auto& word : *words) {
    const std::string wrong = word_problem(word);
    if (!wrong.empty()) {
      reader.report(Severity::error, where, wrong);
      return;
    }
  }
  Assignment assignment{base::to_lower((*words)[0]), {}, where};
  assignment.words.assign(std::make_move_iterator(words->begin() + 1),
                          std::make_move_iterator(words->end()));
  if (assignment.name != "include") {
    reader.add(std::move(assignment));
  } else if (assignment.words.size() != 1) {
    reader.report(Severity::error, where,
                  fmt::format("include takes one file name, not {} words; put a name with spaces "
                              "in double quotes",
                              assignment.words.size()));
  } else {
    reader.include(assignment.words[0], where);
  }
}

}  // namespace

void read_dmail(std::string_view text, const std::string& file, Reader& reader) {
  unsigned number = 0;
  while (!text.empty() && !reader.full()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    read_line(line, Origin{file, number}, reader);
  }
}

}  // namespace posthouse::conf
