// Reading a configuration: text to Settings plus everything there is to say about it. Pure except
// for reading the named files; used by serve, check, config and by reload alike.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/settings.hpp"

namespace posthouse::conf {

enum class Severity : std::uint8_t { warning, error };

// One problem: printed as "FILE:LINE: error|warning: MESSAGE". `message` says what to write
// instead.
struct Diagnostic {
  Severity severity = Severity::error;
  Origin where;
  std::string message;
  [[nodiscard]] std::string text() const;
};

// One setting as written: the value words (quotes removed) and where they stand.
struct Assignment {
  std::string name;  // lower case, as in the table
  std::vector<std::string> words;
  Origin origin;
};

struct Loaded {
  std::shared_ptr<const Settings> settings;  // null when there is an error
  // In the order written: known settings only, of a setting that was replaced the last line only,
  // paths absolute, domains in lower case.
  std::vector<Assignment> assignments;
  std::vector<Diagnostic> diagnostics;  // as found; sort_diagnostics() (check.hpp) for people
  std::string main_file;                // as given
  [[nodiscard]] bool ok() const;        // no error among the diagnostics
};

// Facts from outside that defaults need; tests give fixed ones.
struct Environment {
  std::string fqdn;  // system's fully qualified name
};
// Asks the kernel and /etc/hosts, never DNS.
[[nodiscard]] Environment system_environment();
// The kernel's host name completed from the text of /etc/hosts when it has no dot.
[[nodiscard]] std::string full_host_name(const std::string& system_name,
                                         std::string_view hosts_file);

// Reads `path` (YAML when it ends in .yaml or .yml) with its includes (depth at most 8).
[[nodiscard]] Loaded load_file(const std::string& path, const Environment& environment);
// The same for text in memory; `name` stands in diagnostics, includes are relative to its folder.
[[nodiscard]] Loaded load_text(std::string_view text, const std::string& name,
                               const Environment& environment);

// "-c FILE", else $POSTHOUSE_CONF, else /etc/posthouse/dmail.conf, else /etc/dmail.conf; the first
// of the last two when neither exists.
[[nodiscard]] std::string find_config(const std::string& option);

}  // namespace posthouse::conf
