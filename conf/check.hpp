// `posthouse check` beyond syntax: whether the folders, files and users that the configuration
// names are there and fit to use. Asks the machine through the Host port, writes nothing. Called by
// app/ before a start, on a reload and for `check`; blocking, on the caller's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "conf/load.hpp"

namespace posthouse::conf {

// What stat(2) says; symbolic links are followed, because certificates usually are links.
struct FileFacts {
  bool is_dir = false;
  bool is_regular = false;
  unsigned mode = 0;  // permission bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// A Unix user with its groups.
struct Identity {
  std::string name;
  std::uint32_t uid = 0;
  std::vector<std::uint32_t> groups;  // primary and supplementary
};

// Facts about the machine that a check needs; tests bring their own.
class Host {
 public:
  virtual ~Host() = default;
  virtual base::Result<FileFacts> facts(const std::string& path) = 0;
  [[nodiscard]] virtual std::optional<Identity> user(const std::string& name) = 0;
  [[nodiscard]] virtual std::optional<Identity> user(std::uint32_t uid) = 0;
  // Who this process is (effective ids).
  [[nodiscard]] virtual Identity self() = 0;
};
// The real machine; lives for the whole program.
[[nodiscard]] Host& system_host();

// Looks at everything that `loaded` names and returns its diagnostics together with what was found,
// sorted. Needs no settings to exist: without them only the old diagnostics come back.
[[nodiscard]] std::vector<Diagnostic> check(const Loaded& loaded, Host& host);

// For checks that need more than conf/ knows (the user file, certificates, who sysadmin is): adds a
// problem at the place where `setting` is written (line 1 of the main file when it is not).
void add_diagnostic(const Loaded& loaded, std::vector<Diagnostic>& diagnostics,
                    std::string_view setting, Diagnostic problem);

// By file (the main file first) and line; the order of one line's problems is kept.
void sort_diagnostics(const Loaded& loaded, std::vector<Diagnostic>& diagnostics);

// The user the server will run as when started as root: run_user, else "posthouse" if there is
// one, else the owner of work_path, else nobody known.
[[nodiscard]] std::optional<Identity> run_identity(const Settings& settings, Host& host);

}  // namespace posthouse::conf
