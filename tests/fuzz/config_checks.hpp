// What both configuration targets promise for any text: reading ends, what was read can be written
// in either syntax and read back to the same, and settings exist exactly when there is no error.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "conf/print.hpp"
#include "conf/reader.hpp"
#include "conf/setting.hpp"
#include "conf/writer.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace posthouse::fuzz {

using Lines = std::vector<std::pair<std::string, std::vector<std::string>>>;

inline Lines lines_of(const std::vector<conf::Assignment>& assignments) {
  Lines lines;
  for (const auto& entry : assignments) lines.emplace_back(entry.name, entry.words);
  return lines;
}

inline conf::Reading read_config(std::string_view text, const std::string& name,
                                 std::map<std::string, std::string> others) {
  conf::Reader reader(
      [files = std::move(others)](const std::string& path) -> base::Result<std::string> {
        const auto found = files.find(path);
        if (found == files.end()) return base::fail_errno(ENOENT, "open", path);
        return found->second;
      });
  reader.read_main_text(text, name);
  return reader.take();
}

// Assignments that a writer can express: with words, and of a setting that takes one line the last.
inline std::vector<conf::Assignment> writable(const std::vector<conf::Assignment>& all) {
  std::vector<conf::Assignment> kept;
  for (const auto& entry : all) {
    const auto* row = conf::find_setting(entry.name);
    if (entry.words.empty() || entry.name == "include") continue;
    if (row != nullptr && !row->repeatable) {
      std::erase_if(kept, [&](const auto& other) { return other.name == entry.name; });
    }
    kept.push_back(entry);
  }
  return kept;
}

inline void check_writers(const std::vector<conf::Assignment>& entries) {
  // A name that holds blanks or begins a comment is no name of a setting; it cannot be written.
  for (const auto& entry : entries) {
    const bool plain =
        entry.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (!plain || entry.name.empty()) return;
  }
  const auto again = read_config(conf::write_dmail(entries), "w.conf", {});
  PH_ASSERT(again.diagnostics.empty(), "written dmail.conf is without fault");
  PH_ASSERT(lines_of(again.assignments) == lines_of(entries), "dmail.conf reads back the same");
  const auto yaml = read_config(conf::write_yaml(entries), "w.yaml", {});
  PH_ASSERT(yaml.diagnostics.empty(), "written YAML is without fault");
  // YAML keeps the order of one setting's lines, not that of different settings.
  std::map<std::string, Lines> wanted;
  std::map<std::string, Lines> found;
  for (const auto& line : lines_of(entries)) wanted[line.first].push_back(line);
  for (const auto& line : lines_of(yaml.assignments)) found[line.first].push_back(line);
  PH_ASSERT(found == wanted, "YAML reads back the same");
}

inline void check_settings(const conf::Settings& settings) {
  for (const auto& row : conf::table()) {
    conf::Settings copy;
    for (auto words : row.get(settings)) {
      const conf::Origin origin;
      conf::Given given{words, origin, "/"};
      PH_ASSERT(!row.set(copy, given), "an effective value is a good value");
    }
    PH_ASSERT(row.get(copy) == row.get(settings), std::string(row.name).c_str());
  }
}

// `text` may hold three files, separated by lines of "=====": the main file, more.conf, more.yaml.
inline void check_config(std::string_view text, const std::string& name) {
  constexpr std::string_view kCut = "\n=====\n";
  std::string files[3];
  for (auto& file : files) {
    const auto end = text.find(kCut);
    file = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + kCut.size());
  }
  auto reading = read_config(files[0], name, {{"more.conf", files[1]}, {"more.yaml", files[2]}});
  for (const auto& entry : reading.assignments) {
    PH_ASSERT(entry.origin.line > 0 && !entry.origin.file.empty(), "every setting has its place");
    for (const auto& word : entry.words) {
      PH_ASSERT(conf::word_problem(word).empty(), "words can be written");
    }
  }
  check_writers(writable(reading.assignments));
  const auto loaded = conf::finish_loading(std::move(reading), name, {"host.example.org"});
  PH_ASSERT(loaded.ok() == (loaded.settings != nullptr), "settings without error, and only then");
  for (const auto& entry : loaded.diagnostics) {
    PH_ASSERT(entry.where.line > 0 && entry.text().find('\n') == std::string::npos,
              "a diagnostic is one line with a position");
  }
  if (!loaded.settings) return;
  check_settings(*loaded.settings);
  PH_ASSERT(conf::effective_values(loaded, true).size() >= conf::table().size(), "all are listed");
}

}  // namespace posthouse::fuzz
