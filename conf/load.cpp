// From assignments to Settings: looks every name up in the table, sets the values, fills in the
// defaults, applies the rules between settings. With an error there are no settings, only
// diagnostics; the caller then refuses to start or keeps what it has.
#include "conf/load.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/text.hpp"
#include "conf/reader.hpp"
#include "conf/setting.hpp"
#include "conf/values.hpp"

namespace posthouse::conf {
namespace {

constexpr const char* kFirstConfig = "/etc/posthouse/dmail.conf";
constexpr const char* kSecondConfig = "/etc/dmail.conf";

// Builds one Loaded from what a Reader collected.
class Loader {
 public:
  Loader(Reading reading, std::string main_file)
      : reading_(std::move(reading)), main_file_(std::move(main_file)) {
    result_.main_file = main_file_;
    result_.diagnostics = std::move(reading_.diagnostics);
  }

  Loaded finish(const Environment& environment) {
    for (auto& assignment : reading_.assignments) apply(assignment);
    drop_superseded();
    apply_defaults(environment);
    const RuleContext context{settings_, result_.assignments, main_file_};
    if (result_.ok()) {
      for (const auto& rule : rules()) rule(context, result_.diagnostics);
    }
    if (result_.ok()) result_.settings = std::make_shared<const Settings>(std::move(settings_));
    return std::move(result_);
  }

 private:
  void report(Severity severity, const Origin& where, std::string message) {
    result_.diagnostics.push_back(Diagnostic{severity, where, std::move(message)});
  }

  void apply(Assignment& assignment) {
    const Setting* row = find_setting(assignment.name);
    if (row == nullptr) {
      report_unknown(assignment);
      return;
    }
    const bool first = seen_.count(row->name) == 0;
    if (!first && !row->repeatable) {
      report(Severity::warning, assignment.origin,
             fmt::format("`{}' was already set at {}; this line replaces it, remove one of them",
                         row->name, result_.assignments[seen_[row->name]].origin.text()));
    }
    seen_[row->name] = result_.assignments.size();
    const auto problem = set(*row, assignment);
    if (problem) report(Severity::error, assignment.origin, *problem);
    result_.assignments.push_back(std::move(assignment));
  }

  std::optional<std::string> set(const Setting& row, Assignment& assignment) {
    auto& words = assignment.words;
    if (words.empty()) return fmt::format("`{}' has no value; write `{}'", row.name, row.example);
    if (words[0] == "=") {
      return fmt::format("no = stands between name and value; write `{}'", row.example);
    }
    if (words.size() < row.least_words || (row.most_words != 0 && words.size() > row.most_words)) {
      const bool one = row.least_words == 1;
      return fmt::format("`{}' takes {} ({}), not {}; {}", row.name,
                         one ? std::string("one word") : fmt::format("{} words", row.least_words),
                         row.arguments, words.size(),
                         one ? std::string("put a value with spaces in double quotes")
                             : fmt::format("write `{}'", row.example));
    }
    Given given{words, assignment.origin, folder_of(assignment.origin.file)};
    auto problem = row.set(settings_, given);
    if (problem) return fmt::format("`{}': {}", row.name, *problem);
    return std::nullopt;
  }

  void report_unknown(const Assignment& assignment) {
    const Obsolete* obsolete = find_obsolete(assignment.name);
    if (obsolete != nullptr) {
      report(Severity::warning, assignment.origin,
             fmt::format("`{}' is obsolete; {}", obsolete->name, obsolete->advice));
      return;
    }
    report(Severity::warning, assignment.origin,
           fmt::format("unknown setting {} (line ignored); nearest known: `{}'",
                       in_quotes(assignment.name), nearest_setting(assignment.name)));
  }

  // A single-entry setting written twice keeps its last line alone.
  void drop_superseded() {
    std::vector<Assignment> kept;
    kept.reserve(result_.assignments.size());
    for (std::size_t i = 0; i < result_.assignments.size(); ++i) {
      auto& assignment = result_.assignments[i];
      const Setting* row = find_setting(assignment.name);
      if (row->repeatable || seen_[row->name] == i) kept.push_back(std::move(assignment));
    }
    result_.assignments = std::move(kept);
  }

  void apply_defaults(const Environment& environment) {
    for (const auto& row : table()) {
      if (seen_.count(row.name) != 0) continue;
      if (row.compulsory) {
        report(Severity::error, Origin{main_file_, 1},
               fmt::format("`{}' is missing; write for example `{}'", row.name, row.example));
      } else if (row.has_literal_default()) {
        Words words{std::string(row.default_text)};
        const Origin origin;
        Given given{words, origin, "/"};
        (void)row.set(settings_, given);  // the tests set every default of the table
      }
    }
    apply_derived_defaults(environment);
  }

  void apply_derived_defaults(const Environment& environment) {
    Settings& s = settings_;
    if (s.host_name.empty() && seen_.count("host_name") == 0) {
      const auto name = parse_domain(environment.fqdn);
      if (name) {
        s.host_name = *name;
      } else {
        report(Severity::error, Origin{main_file_, 1},
               fmt::format("the system's name {} is no domain name; write for example "
                           "`host_name mail.example.org'",
                           in_quotes(environment.fqdn)));
      }
    }
    const std::string below = s.work_path == "/" ? "/" : s.work_path + "/";
    if (s.drop_path.empty()) s.drop_path = below + "drop";
    if (s.user_file.empty()) s.user_file = below + "users";
    if (s.sysadmin.empty()) s.sysadmin = "postmaster";
    if (s.sysadmin.find('@') == std::string::npos && !s.host_domain.empty()) {
      s.sysadmin += "@" + s.host_domain.front();
    }
  }

  Reading reading_;
  std::string main_file_;
  Loaded result_;
  Settings settings_;
  std::map<std::string_view, std::size_t> seen_;  // index of the last assignment of each name
};

// The first name with a dot that /etc/hosts gives beside `name`; empty when there is none.
std::string full_name_in_hosts(std::string_view hosts, std::string_view name) {
  for (const auto line : base::split(hosts, '\n')) {
    const auto words = base::split_words(base::trim(line.substr(0, line.find('#'))));
    if (std::none_of(words.begin(), words.end(),
                     [&](const auto word) { return base::iequals(word, name); })) {
      continue;
    }
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i].find('.') != std::string_view::npos) return std::string(words[i]);
    }
  }
  return {};
}

}  // namespace

std::string Origin::text() const {
  if (file.empty()) return "default";
  return line == 0 ? file : fmt::format("{}:{}", file, line);
}

std::string Diagnostic::text() const {
  return fmt::format("{}: {}: {}", where.text(), severity == Severity::error ? "error" : "warning",
                     message);
}

bool Loaded::ok() const {
  return std::none_of(diagnostics.begin(), diagnostics.end(),
                      [](const auto& entry) { return entry.severity == Severity::error; });
}

std::string full_host_name(const std::string& system_name, std::string_view hosts_file) {
  if (system_name.find('.') != std::string::npos) return system_name;
  const std::string full = full_name_in_hosts(hosts_file, system_name);
  return full.empty() ? system_name : full;
}

Environment system_environment() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return Environment{"localhost"};
  // Not getaddrinfo: it may ask DNS and hold up a start without network for many seconds.
  return Environment{full_host_name(name, read_config_file("/etc/hosts").value_or(""))};
}

Loaded finish_loading(Reading reading, const std::string& main_file,
                      const Environment& environment) {
  return Loader(std::move(reading), main_file).finish(environment);
}

Loaded load_file(const std::string& path, const Environment& environment) {
  Reader reader(read_config_file);
  if (!reader.read_main_file(path)) {  // what is missing in it would be noise
    Loaded nothing;
    nothing.diagnostics = reader.take().diagnostics;
    nothing.main_file = path;
    return nothing;
  }
  return finish_loading(reader.take(), path, environment);
}

Loaded load_text(std::string_view text, const std::string& name, const Environment& environment) {
  Reader reader(read_config_file);
  reader.read_main_text(text, name);
  return finish_loading(reader.take(), name, environment);
}

std::string find_config(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("POSTHOUSE_CONF");
  if (variable != nullptr && *variable != '\0') return variable;
  // When neither exists the first is named, so that the message tells where to write one.
  return ::access(kFirstConfig, F_OK) != 0 && ::access(kSecondConfig, F_OK) == 0 ? kSecondConfig
                                                                                 : kFirstConfig;
}

}  // namespace posthouse::conf
