// Loading and checking a configuration; on the main thread of each command.
#include "app/load_config.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "accounts/user_file.hpp"
#include "app/snapshot.hpp"
#include "base/disk.hpp"
#include "conf/check.hpp"

namespace posthouse::app {
namespace {

using conf::Diagnostic;
using conf::Severity;

void add(const conf::Loaded& loaded, std::vector<Diagnostic>& diagnostics, std::string_view setting,
         Severity severity, std::string message) {
  Diagnostic problem;
  problem.severity = severity;
  problem.message = std::move(message);
  conf::add_diagnostic(loaded, diagnostics, setting, std::move(problem));
}

// Problems of the user file, and the users whose names cannot be mailboxes.
forward::Lookups check_users(const conf::Loaded& loaded, const Snapshot& snapshot,
                             std::vector<Diagnostic>& diagnostics) {
  forward::Lookups known;
  const std::string& path = loaded.settings->user_file;
  const auto file = accounts::load_user_file(base::system_disk(), path);
  if (!file) {
    add(loaded, diagnostics, "user_file", Severity::error,
        fmt::format("the user file cannot be read: {}", file.error().message()));
    return known;
  }
  for (const auto& problem : file->problems) {
    Diagnostic diagnostic;
    diagnostic.severity = Severity::warning;
    diagnostic.where.file = path;
    diagnostic.where.line = static_cast<unsigned>(problem.line);
    diagnostic.message = problem.text + (problem.skipped ? " (the line is skipped)" : "");
    diagnostics.push_back(std::move(diagnostic));
  }
  for (const auto& entry : file->entries) {
    known.users[entry.address.key()] = forward::UserState::exists;
    Diagnostic diagnostic;
    diagnostic.severity = Severity::warning;
    diagnostic.where.file = path;
    diagnostic.where.line = static_cast<unsigned>(entry.line);
    const auto domain = snapshot.tables->find_domain(entry.address.domain);
    if (!domain) {
      diagnostic.message = fmt::format(
          "{}: {} is not a domain of this server; add a host_domain or "
          "vdomain line, or remove the user",
          entry.address.text(), entry.address.domain);
      diagnostics.push_back(std::move(diagnostic));
      continue;
    }
    const auto box = snapshot.box_of(forward::LocalTarget{entry.address, *domain});
    if (box) continue;
    diagnostic.message = fmt::format("{} cannot have a mailbox: {}; rename the user",
                                     entry.address.text(), mailbox::describe(box.error()));
    diagnostics.push_back(std::move(diagnostic));
  }
  return known;
}

// Where mail for postmaster goes (RFC 5321 4.5.1 demands that it goes somewhere).
void check_postmaster(const conf::Loaded& loaded, const Snapshot& snapshot, forward::Lookups known,
                      std::vector<Diagnostic>& diagnostics) {
  mail::Address postmaster;
  postmaster.local = "postmaster";
  forward::Resolution route = forward::resolve(*snapshot.tables, postmaster, known);
  if (!route.needs.empty()) {
    for (const auto& need : route.needs) known.users[need.key()] = forward::UserState::missing;
    route = forward::resolve(*snapshot.tables, postmaster, known);
  }
  if (route.targets.empty()) return;
  const mail::Address& account = route.targets.front().account;
  if (account.local_key() != "postmaster") return;
  if (known.users.contains(account.key())) return;
  add(loaded, diagnostics, "sysadmin", Severity::warning,
      fmt::format(
          "mail for postmaster goes to the mailbox `postmaster', which no user reads; write "
          "sysadmin USER@{} with a user of this server",
          loaded.settings->host_domain.front()));
}

}  // namespace

bool has_error(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::vector<Diagnostic> check_everything(const conf::Loaded& loaded) {
  std::vector<Diagnostic> diagnostics = conf::check(loaded, conf::system_host());
  if (loaded.settings == nullptr) return diagnostics;
  const auto whole = build_snapshot(loaded.settings);
  if (!whole && !has_error(diagnostics)) {
    add(loaded, diagnostics, "tls_cert", Severity::error, whole.error().message());
  }
  const Snapshot names = naming_snapshot(loaded.settings);
  forward::Lookups known = check_users(loaded, names, diagnostics);
  check_postmaster(loaded, names, std::move(known), diagnostics);
  conf::sort_diagnostics(loaded, diagnostics);
  return diagnostics;
}

std::optional<conf::Loaded> load_or_explain(const std::string& option) {
  conf::Loaded loaded = conf::load_file(conf::find_config(option), conf::system_environment());
  if (loaded.ok()) return loaded;
  conf::sort_diagnostics(loaded, loaded.diagnostics);
  for (const auto& diagnostic : loaded.diagnostics) fmt::print(stderr, "{}\n", diagnostic.text());
  return std::nullopt;
}

}  // namespace posthouse::app
