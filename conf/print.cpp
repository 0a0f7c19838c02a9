// Listings and documents from the settings table. Every fact comes from a row; only the sentences
// around them are here.
#include "conf/print.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "conf/setting.hpp"
#include "conf/writer.hpp"

namespace posthouse::conf {
namespace {

constexpr std::size_t kTextWidth = 92;

// Words of `text` filled into lines of at most `width` octets, each begun with `lead`.
std::string fill(std::string_view text, std::string_view lead, std::size_t width) {
  std::string result;
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) result += fmt::format("{}{}\n", lead, line);
    line.clear();
  };
  for (const auto word : base::split_words(text)) {
    if (!line.empty() && lead.size() + line.size() + 1 + word.size() > width) flush();
    if (!line.empty()) line += ' ';
    line += word;
  }
  flush();
  return result;
}

std::string_view heritage_word(Heritage heritage) {
  switch (heritage) {
    case Heritage::kept:
      return "kept from DMail";
    case Heritage::modernised:
      return "changed from DMail";
    case Heritage::added:
      return "new";
  }
  return "";
}

std::string heritage_text(const Setting& row) {
  if (row.dmail.empty()) return std::string(heritage_word(row.heritage));
  return fmt::format("{}: {}", heritage_word(row.heritage), row.dmail);
}

std::string_view reload_text(Reload reload) {
  return reload == Reload::live ? "takes effect on reload" : "takes effect after a restart";
}

std::string_view repeat_text(const Setting& row) {
  return row.repeatable ? "may be written several times" : "one line";
}

// In a table cell a bar would end the cell.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

// Markdown takes `…' for the start of code; the documents use typographic backquotes on both sides.
std::string markdown(std::string_view text) {
  std::string result;
  bool open = false;
  for (const char c : text) {
    if (c == '`') open = true;
    if (c == '\'' && open) {
      open = false;
      result += '`';
    } else if (c == '<' || c == '*') {
      result += '\\';
      result += c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string describe(const Setting& row) {
  std::string text = fmt::format("{} {}\n", row.name, row.arguments);
  text += fill(row.help, "    ", kTextWidth);
  text += fill(row.documentation, "    ", kTextWidth);
  text += fmt::format("    default: {}\n", row.default_text);
  text +=
      fmt::format("    unit: {}; {}; {}\n", row.unit, repeat_text(row), reload_text(row.reload));
  text += fmt::format("    used by: {}; since {}\n", row.applies, row.since);
  text += fill(heritage_text(row), "    DMail: ", kTextWidth);
  text += fmt::format("    example: {}\n", row.example);
  return text;
}

std::string markdown_row(const Setting& row) {
  std::string text = fmt::format("### `{}`\n\n", row.name);
  text += fmt::format("    {} {}\n\n", row.name, row.arguments);
  text += fill(markdown(row.help), "", kTextWidth);
  text += '\n';
  text += fill(markdown(row.documentation), "", kTextWidth);
  text += "\n| | |\n|---|---|\n";
  text += fmt::format("| Default | `{}` |\n", cell(row.default_text));
  text += fmt::format("| Unit | {} |\n", cell(row.unit));
  text += fmt::format("| Lines | {} |\n", row.compulsory
                                              ? fmt::format("{}; compulsory", repeat_text(row))
                                              : std::string(repeat_text(row)));
  text += fmt::format("| Used by | {} |\n", row.applies);
  text += fmt::format("| Change | {} |\n", reload_text(row.reload));
  if (row.secrecy == Secrecy::names_secret_file) {
    text += "| Secret | names a file that others must not be able to read |\n";
  } else if (row.secrecy == Secrecy::hidden) {
    text += "| Secret | never shown |\n";
  }
  text += fmt::format("| Since | {} |\n", row.since);
  text += fmt::format("| DMail | {} |\n", cell(markdown(heritage_text(row))));
  text += fmt::format("| Example | `{}` |\n\n", cell(row.example));
  return text;
}

std::string title(Group group) {
  std::string name(group_name(group));
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

const Assignment* find_line(const Loaded& loaded, std::string_view name, std::size_t index) {
  for (const auto& assignment : loaded.assignments) {
    if (assignment.name == name && index-- == 0) return &assignment;
  }
  return nullptr;
}

void add_values(const Loaded& loaded, const Setting& row, std::vector<EffectiveValue>& values) {
  const auto shown = [&](std::span<const std::string> words) {
    return row.secrecy == Secrecy::hidden ? std::string("(hidden)") : dmail_words(words);
  };
  const bool written = find_line(loaded, row.name, 0) != nullptr;
  if (written && row.repeatable) {
    // As written, so that each value has the line it came from.
    for (std::size_t i = 0; const auto* line = find_line(loaded, row.name, i); ++i) {
      values.push_back({std::string(row.name), shown(line->words), line->origin.text(), false});
    }
    return;
  }
  const auto lines = row.get(*loaded.settings);
  std::string origin = row.name == "host_name" ? "system" : "default";
  if (written) origin = find_line(loaded, row.name, 0)->origin.text();
  if (lines.empty()) {
    values.push_back({std::string(row.name), std::string(row.default_text), origin, !written});
  }
  for (const auto& words : lines) {
    values.push_back({std::string(row.name), shown(words), origin, !written});
  }
}

}  // namespace

std::string EffectiveValue::text() const { return fmt::format("{} {}  # {}", name, value, origin); }

std::vector<EffectiveValue> effective_values(const Loaded& loaded, bool with_defaults) {
  PH_ASSERT(loaded.settings != nullptr, "effective values of a configuration with errors");
  std::vector<EffectiveValue> values;
  for (const auto& row : table()) {
    if (with_defaults || find_line(loaded, row.name, 0) != nullptr) add_values(loaded, row, values);
  }
  return values;
}

std::vector<EffectiveValue> effective_value(const Loaded& loaded, std::string_view name) {
  PH_ASSERT(loaded.settings != nullptr, "effective values of a configuration with errors");
  std::vector<EffectiveValue> values;
  const Setting* row = find_setting(name);
  if (row != nullptr) add_values(loaded, *row, values);
  return values;
}

std::string docs_text(std::string_view name) {
  const Setting* row = find_setting(name);
  return row == nullptr ? std::string() : describe(*row);
}

std::string docs_text() {
  std::string text;
  for (const auto& row : table()) {
    if (!text.empty()) text += '\n';
    text += describe(row);
  }
  return text;
}

std::string docs_markdown() {
  std::string text =
      "# Settings\n\n"
      "This page is made from the settings table (`conf/table_*.cpp`) by `posthouse config --docs "
      "markdown`;\na test compares them. Edit the table, not the page.\n\n"
      "`dmail.conf` has one setting a line: the name, then its words. Names may be written in "
      "upper "
      "or lower\ncase. Double quotes group words (`\\\"` and `\\\\` stand for a quote and a "
      "backslash "
      "inside them); a line whose\nfirst mark is `#` is a comment; `include FILE` (or `#include "
      "FILE`) reads another file, counted from\nthe folder of the file it is written in, eight "
      "deep "
      "at most. A line does not continue on the next.\nAn unknown setting is a warning; a bad "
      "value "
      "is an error and the server does not start.\n\n"
      "The same settings can be written as YAML in a file that ends in `.yaml`: one mapping; a "
      "repeated\nsetting is a list; a value of several words is a list of words; `include:` takes "
      "a "
      "file or a list.\n\n"
      "Times take `s m h d w`, sizes `K M G` (powers of 1024). A path is absolute, or begins with "
      "`./` or `../`\nand then counts from the folder of the file it is written in. Several lines "
      "of "
      "a setting that takes one\nare a warning, and the last one counts.\n\n";
  for (const Group group : kGroups) {
    text += fmt::format("- [{}](#{}):", title(group), group_name(group));
    std::string_view comma = " ";
    for (const auto& row : table()) {
      if (row.group != group) continue;
      text += fmt::format("{}[{}](#{})", comma, row.name, row.name);
      comma = ", ";
    }
    text += '\n';
  }
  for (const Group group : kGroups) {
    text += fmt::format("\n## {}\n\n", title(group));
    for (const auto& row : table()) {
      if (row.group == group) text += markdown_row(row);
    }
  }
  text +=
      "## No longer supported\n\nThese settings of DMail are accepted with a warning and do "
      "nothing.\n\n| setting | instead |\n|---|---|\n";
  for (const auto& row : obsolete_table()) {
    text += fmt::format("| `{}` | {} |\n", row.name, cell(markdown(row.advice)));
  }
  return text;
}

std::string example_file() {
  std::string text =
      "# Example configuration of Posthouse, made from its settings table. Take away the # before "
      "a\n"
      "# setting to use it. `posthouse check' reads what you wrote and says what is wrong;\n"
      "# `posthouse config --docs' and docs/settings.md say more about each setting.\n";
  for (const Group group : kGroups) {
    text += fmt::format("\n# ---- {} ----\n", group_name(group));
    for (const auto& row : table()) {
      if (row.group != group) continue;
      text += '\n';
      text += fill(row.help, "# ", kTextWidth);
      if (!row.compulsory) text += fmt::format("# default: {}\n", row.default_text);
      text += fmt::format("{}{}\n", row.compulsory ? "" : "#", row.example);
    }
  }
  return text;
}

}  // namespace posthouse::conf
