// `posthouse user …`: edits the built-in user file. Works whether the server runs or not; a running
// server notices the new file by itself.
#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <optional>

#include "accounts/hasher.hpp"
#include "accounts/login_name.hpp"
#include "accounts/user_file.hpp"
#include "app/commands.hpp"
#include "app/load_config.hpp"
#include "app/places.hpp"
#include "app/snapshot.hpp"
#include "base/disk.hpp"

namespace posthouse::app {
namespace {

int fail(const std::string& sentence) {
  fmt::print(stderr, "posthouse: {}\n", sentence);
  return kExitFailed;
}

// One line from the terminal without echo, or from standard input.
std::string read_secret_line(const char* prompt) {
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  termios before{};
  if (terminal) {
    fmt::print(stderr, "{}", prompt);
    ::tcgetattr(STDIN_FILENO, &before);
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  std::string line;
  std::getline(std::cin, line);
  if (terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fmt::print(stderr, "\n");
  }
  return line;
}

// The password from --password-stdin or, typed twice, from the terminal. nullopt: the reason was
// printed.
std::optional<base::Secret> ask_password(const UserOptions& options, bool twice) {
  if (!options.password_stdin && ::isatty(STDIN_FILENO) != 1) {
    fail("no terminal to ask for the password; use --password-stdin");
    return std::nullopt;
  }
  base::Secret first(read_secret_line("Password: "));
  if (first.empty()) {
    fail("the password is empty");
    return std::nullopt;
  }
  if (twice && !options.password_stdin) {
    const base::Secret second(read_secret_line("Again: "));
    if (first.view() != second.view()) {
      fail("the two passwords differ");
      return std::nullopt;
    }
  }
  return first;
}

accounts::UserChange labels_of(const UserOptions& options) {
  accounts::UserChange change;
  const auto add = [&change](const char* name, const std::string& value) {
    if (value.empty()) {
      change.remove.emplace_back(name);
    } else {
      change.set.push_back(accounts::Label{name, value});
    }
  };
  if (options.quota_given) add("quota", options.quota);
  if (options.fwd_given) add("fwd", options.fwd);
  return change;
}

int report(const base::Result<accounts::UserEdit>& edit, const std::string& address,
           const std::string& path) {
  if (!edit) return fail(edit.error().message());
  switch (*edit) {
    case accounts::UserEdit::exists:
      return fail(
          fmt::format("{} is there already; to change the password: posthouse user passwd {}",
                      address, address));
    case accounts::UserEdit::missing:
      return fail(fmt::format("{} is not in {}", address, path));
    case accounts::UserEdit::done:
      break;
  }
  if (auto given = adopt_folder_owner(path); !given) return fail(given.error().message());
  return kExitOk;
}

int list_users(const std::string& path, bool json) {
  const auto file = accounts::load_user_file(base::system_disk(), path);
  if (!file) return fail(file.error().message());
  for (const auto& problem : file->problems) {
    fmt::print(stderr, "{}:{}: {}: {}\n", path, problem.line, problem.skipped ? "error" : "warning",
               problem.text);
  }
  for (const auto& entry : file->entries) {
    if (!json) {
      std::string labels;
      for (const auto& label : entry.labels)
        labels += fmt::format(" {}=\"{}\"", label.name, label.value);
      fmt::print("{}{}\n", entry.address.text(), labels);
      continue;
    }
    boost::json::object object;
    object["address"] = entry.address.text();
    for (const auto& label : entry.labels) object[label.name] = label.value;
    fmt::print("{}\n", boost::json::serialize(object));
  }
  return kExitOk;
}

int verify_user(const UserOptions& options, const std::string& path, const mail::Address& address) {
  auto password = ask_password(options, false);
  if (!password) return kExitFailed;
  const auto file = accounts::load_user_file(base::system_disk(), path);
  if (!file) return fail(file.error().message());
  for (const auto& entry : file->entries) {
    if (entry.address.key() != address.key()) continue;
    if (accounts::verify_hash(password->view(), entry.hash)) {
      fmt::print("{}: the password is right\n", address.text());
      return kExitOk;
    }
    return fail(fmt::format("{}: the password is wrong", address.text()));
  }
  return fail(fmt::format("{} is not in {}", address.text(), path));
}

int add_user(const UserOptions& options, const Snapshot& snapshot, const mail::Address& address) {
  const auto domain = snapshot.tables->find_domain(address.domain);
  if (!domain) {
    return fail(fmt::format("{} is not a domain of this server; add a host_domain or vdomain line",
                            address.domain));
  }
  const auto box = snapshot.box_of(forward::LocalTarget{address, *domain});
  if (!box) {
    return fail(fmt::format("{} cannot have a mailbox: {}", address.text(),
                            mailbox::describe(box.error())));
  }
  auto password = ask_password(options, true);
  if (!password) return kExitFailed;
  auto hash = accounts::make_hash(*password, base::system_random());
  if (!hash) return fail("this password cannot be used: " + hash.error().message());
  accounts::UserEntry entry;
  entry.address = address;
  entry.hash = *std::move(hash);
  entry.labels = labels_of(options).set;
  const std::string& path = snapshot.settings->user_file;
  return report(accounts::add_user(base::system_disk(), path, entry), address.text(), path);
}

int change_user(const UserOptions& options, const std::string& path, const mail::Address& address) {
  accounts::UserChange change = labels_of(options);
  const bool labels_only = (options.quota_given || options.fwd_given) && !options.password_stdin;
  if (!labels_only) {
    auto password = ask_password(options, true);
    if (!password) return kExitFailed;
    auto hash = accounts::make_hash(*password, base::system_random());
    if (!hash) return fail("this password cannot be used: " + hash.error().message());
    change.hash = *std::move(hash);
  }
  return report(accounts::change_user(base::system_disk(), path, address, change), address.text(),
                path);
}

}  // namespace

int run_user(const UserOptions& options) {
  auto loaded = load_or_explain(options.config);
  if (!loaded) return kExitConfig;
  const std::string path = loaded->settings->user_file;
  if (options.action == UserOptions::Action::list) return list_users(path, options.json);
  Snapshot snapshot = naming_snapshot(loaded->settings);
  const auto address = accounts::canonical_login(options.address, snapshot.logins);
  if (!address) return fail(fmt::format("\"{}\" is no mail address", options.address));
  // The user file may be the first file of a new house.
  if (auto made = prepare_user_folder(*loaded->settings); !made) {
    return fail(made.error().message());
  }
  switch (options.action) {
    case UserOptions::Action::add:
      return add_user(options, snapshot, *address);
    case UserOptions::Action::remove:
      return report(accounts::remove_user(base::system_disk(), path, *address), address->text(),
                    path);
    case UserOptions::Action::passwd:
      return change_user(options, path, *address);
    case UserOptions::Action::verify:
      return verify_user(options, path, *address);
    case UserOptions::Action::list:
      break;
  }
  return kExitUsage;
}

}  // namespace posthouse::app
