// Shared by the tests of conf/: short ways to load a text and to look at what came of it.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "conf/load.hpp"
#include "conf/reader.hpp"

namespace posthouse::conf::test {

// What every configuration needs; written behind the lines under test, so that those count from 1.
inline constexpr const char* kRest =
    "host_name mail.example.org\nhost_domain example.org\nwork_path /work\n";
inline const Environment kEnvironment{"host.example.org"};

inline Loaded load(std::string_view text, const std::string& name = "t.conf") {
  return load_text(text, name, kEnvironment);
}

// Each diagnostic on a line, without the warning about certificates that every test would repeat.
inline std::string problems(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const auto& entry : diagnostics) {
    if (entry.message.substr(0, 11) == "no tls_cert") continue;
    text += entry.text() + "\n";
  }
  return text;
}

// The diagnostics of `lines` within an otherwise complete configuration.
inline std::string problems_of(const std::string& lines) {
  std::string text = lines;
  std::istringstream rest(kRest);
  for (std::string line; std::getline(rest, line);) {
    const std::string name = line.substr(0, line.find(' '));
    if (name == "host_domain" || lines.substr(0, name.size()) != name) text += line + "\n";
  }
  return problems(load(text).diagnostics);
}

inline std::string problems_of_yaml(const std::string& text) {
  return problems(load(text, "t.yaml").diagnostics);
}

// Files in memory for the Reader.
inline FileReader files_in(std::map<std::string, std::string> files) {
  return [files = std::move(files)](const std::string& path) -> base::Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return base::fail_errno(ENOENT, "open", path);
    return found->second;
  };
}

// "t.conf:1 name [word] [word]" for each assignment, then the problems.
inline std::string shown(const Reading& reading) {
  std::string text;
  for (const auto& entry : reading.assignments) {
    text += entry.origin.text() + " " + entry.name;
    for (const auto& word : entry.words) text += " [" + word + "]";
    text += "\n";
  }
  for (const auto& entry : reading.diagnostics) text += entry.text() + "\n";
  return text;
}

inline std::string read_shown(std::string_view text, const std::string& name = "t.conf") {
  Reader reader(files_in({}));
  reader.read_main_text(text, name);
  return shown(reader.take());
}

inline std::string read_files_shown(std::map<std::string, std::string> files,
                                    const std::string& main = "t.conf") {
  Reader reader(files_in(std::move(files)));
  reader.read_main_file(main);
  return shown(reader.take());
}

// One input and what it must give; `name` in a failure message.
struct Case {
  std::string input;
  std::string expected;
};

}  // namespace posthouse::conf::test
