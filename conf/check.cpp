// The checks against the machine, one small function for each kind of thing a setting can name.
#include "conf/check.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "conf/setting.hpp"
#include "conf/values.hpp"

namespace posthouse::conf {
namespace {

constexpr unsigned kRead = 4;
constexpr unsigned kWrite = 2;
constexpr unsigned kSearch = 1;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// The permission check of the kernel by mode bits alone; access lists are not looked at.
bool may(const Identity& who, const FileFacts& facts, unsigned wanted) {
  if (who.uid == 0) return true;
  unsigned bits = facts.mode & 7U;
  if (who.uid == facts.uid) {
    bits = (facts.mode >> 6) & 7U;
  } else if (std::find(who.groups.begin(), who.groups.end(), facts.gid) != who.groups.end()) {
    bits = (facts.mode >> 3) & 7U;
  }
  return (bits & wanted) == wanted;
}

// Checks one configuration; collects what it finds.
class Checker {
 public:
  Checker(const Loaded& loaded, Host& host)
      : loaded_(loaded), host_(host), found_(loaded.diagnostics), self_(host.self()) {
    // Started as root, the server reads certificates as root but works as run_user.
    worker_ = self_;
    if (self_.uid == 0) worker_ = run_identity(*loaded.settings, host).value_or(self_);
  }

  std::vector<Diagnostic> run() {
    const Settings& s = *loaded_.settings;
    check_configuration_files();
    check_run_user();
    check_folder("work_path", s.work_path);
    if (s.drop_path != s.work_path) check_folder("drop_path", s.drop_path);
    for (const auto& entry : s.vdomain) check_vdomain(entry);
    for (const auto* name : {"tls_cert", "tls_key"}) check_tls_files(name);
    check_user_file(s.user_file);
    check_log_file(s.log_file);
    return std::move(found_);
  }

 private:
  void report(Severity severity, std::string_view setting, const std::string& message) {
    add_diagnostic(loaded_, found_, setting,
                   Diagnostic{severity, {}, fmt::format("`{}': {}", setting, message)});
  }

  void check_configuration_files() {
    std::vector<std::string> files{loaded_.main_file};
    for (const auto& assignment : loaded_.assignments) {
      if (std::find(files.begin(), files.end(), assignment.origin.file) == files.end()) {
        files.push_back(assignment.origin.file);
      }
    }
    for (const auto& file : files) {
      const auto facts = host_.facts(file);
      if (facts && facts->is_regular && (facts->mode & kWrite) != 0) {
        found_.push_back(
            Diagnostic{Severity::error, Origin{file, 1},
                       fmt::format("everybody can change this file: chmod o-w {}", file)});
      }
    }
  }

  void check_run_user() {
    const std::string& name = loaded_.settings->run_user;
    if (!name.empty() && !host_.user(name)) {
      report(Severity::error, "run_user",
             fmt::format("there is no user {}; create it (adduser --system --group {}) or write "
                         "another",
                         in_quotes(name), name));
    } else if (self_.uid == 0 && worker_.uid == 0) {
      report(Severity::warning, "run_user",
             "the server will run as root; create a user posthouse or write run_user");
    }
  }

  // A folder the server works in: there and writable, or to be created in one that is.
  void check_folder(std::string_view setting, const std::string& path) {
    const std::string problem = folder_problem(path);
    if (!problem.empty()) report(Severity::error, setting, problem);
  }

  void check_vdomain(const VirtualDomain& entry) {
    const std::string problem = folder_problem(entry.drop_dir);
    if (problem.empty()) return;
    found_.push_back(Diagnostic{Severity::error, entry.origin, "`vdomain': " + problem});
  }

  std::string folder_problem(const std::string& path) {
    const auto facts = host_.facts(path);
    if (facts) {
      if (!facts->is_dir) return fmt::format("{} is not a folder; write another path", path);
      if (!may(worker_, *facts, kRead | kWrite | kSearch)) {
        return fmt::format("{} is not writable for user {}: chown {} {}", path, worker_.name,
                           worker_.name, path);
      }
      return {};
    }
    if (facts.error().code != std::errc::no_such_file_or_directory) {
      return fmt::format("cannot look at {}: {}; make it accessible for user {}", path,
                         facts.error().code.message(), worker_.name);
    }
    // Started as root the missing folders are created before root is given up.
    std::string above = parent_of(path);
    while (above != "/" && !host_.facts(above)) above = parent_of(above);
    const auto base = host_.facts(above);
    if (base && base->is_dir && may(self_, *base, kWrite | kSearch)) return {};
    return fmt::format(
        "{} does not exist and cannot be created in {} by user {}; create it, then "
        "chown {} {}",
        path, above, self_.name, worker_.name, path);
  }

  // Every file of a repeated setting at its own line.
  void check_tls_files(std::string_view setting) {
    const Setting* row = find_setting(setting);
    for (const auto& assignment : loaded_.assignments) {
      if (assignment.name != setting) continue;
      const std::string problem =
          secret_problem(assignment.words[0], row->secrecy == Secrecy::names_secret_file);
      if (problem.empty()) continue;
      found_.push_back(Diagnostic{Severity::error, assignment.origin,
                                  fmt::format("`{}': {}", setting, problem)});
    }
  }

  void check_user_file(const std::string& path) {
    const auto facts = host_.facts(path);
    if (!facts && facts.error().code == std::errc::no_such_file_or_directory) {
      report(Severity::warning, "user_file",
             fmt::format("{} does not exist, so there are no users yet; add one with `posthouse "
                         "user add ADDRESS'",
                         path));
      return;
    }
    std::string problem = secret_problem(path, true);
    if (problem.empty() && !may(worker_, *facts, kRead)) {
      problem = fmt::format("{} is not readable for user {}: chown {} {}", path, worker_.name,
                            worker_.name, path);
    }
    if (!problem.empty()) report(Severity::error, "user_file", problem);
  }

  std::string secret_problem(const std::string& path, bool secret) {
    const auto facts = host_.facts(path);
    if (!facts) {
      return fmt::format("cannot read {}: {}; write the right path or create the file", path,
                         facts.error().code.message());
    }
    if (!facts->is_regular) return fmt::format("{} is not a file; write another path", path);
    if (!may(self_, *facts, kRead)) {
      return fmt::format("{} is not readable for user {}: chown {} {}", path, self_.name,
                         self_.name, path);
    }
    if (secret && (facts->mode & (kRead | kWrite)) != 0) {
      return fmt::format("{} holds secrets and must not be readable by others: chmod 600 {}", path,
                         path);
    }
    return {};
  }

  void check_log_file(const std::string& path) {
    if (path.empty()) return;
    const auto facts = host_.facts(path);
    const auto folder = host_.facts(parent_of(path));
    if (facts && facts->is_dir) {
      report(Severity::error, "log_file", fmt::format("{} is a folder; write a file in it", path));
    } else if (facts && !may(worker_, *facts, kWrite)) {
      report(Severity::error, "log_file",
             fmt::format("{} is not writable for user {}: chown {} {}", path, worker_.name,
                         worker_.name, path));
    } else if (!facts && (!folder || !folder->is_dir || !may(worker_, *folder, kWrite | kSearch))) {
      report(Severity::error, "log_file",
             fmt::format("{} cannot be created by user {}; create its folder, then chown {} {}",
                         path, worker_.name, worker_.name, parent_of(path)));
    }
  }

  const Loaded& loaded_;
  Host& host_;
  std::vector<Diagnostic> found_;
  Identity self_;    // who opens ports and certificates
  Identity worker_;  // who works with spool and mailboxes
};

}  // namespace

std::optional<Identity> run_identity(const Settings& settings, Host& host) {
  if (!settings.run_user.empty()) return host.user(settings.run_user);
  if (auto posthouse = host.user("posthouse")) return posthouse;
  const auto facts = host.facts(settings.work_path);
  if (!facts) return std::nullopt;
  return host.user(facts->uid);
}

std::vector<Diagnostic> check(const Loaded& loaded, Host& host) {
  auto found = loaded.settings ? Checker(loaded, host).run() : loaded.diagnostics;
  sort_diagnostics(loaded, found);
  return found;
}

void add_diagnostic(const Loaded& loaded, std::vector<Diagnostic>& diagnostics,
                    std::string_view setting, Diagnostic problem) {
  static const Settings kUnused;
  problem.where = RuleContext{kUnused, loaded.assignments, loaded.main_file}.origin_of(setting);
  diagnostics.push_back(std::move(problem));
}

void sort_diagnostics(const Loaded& loaded, std::vector<Diagnostic>& diagnostics) {
  // By an index that keeps equals apart, because clang refuses libstdc++ 12's stable_sort
  // (a deprecated call inside it).
  struct Entry {
    std::size_t index;
    Diagnostic diagnostic;
  };
  std::vector<Entry> entries;
  for (auto& entry : diagnostics) entries.push_back({entries.size(), std::move(entry)});
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    const Origin& left = a.diagnostic.where;
    const Origin& right = b.diagnostic.where;
    const bool left_other = left.file != loaded.main_file;
    const bool right_other = right.file != loaded.main_file;
    return std::tie(left_other, left.file, left.line, a.index) <
           std::tie(right_other, right.file, right.line, b.index);
  });
  diagnostics.clear();
  for (auto& entry : entries) diagnostics.push_back(std::move(entry.diagnostic));
}

}  // namespace posthouse::conf
