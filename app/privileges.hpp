// Rights of the process: descriptor limit, and becoming run_user after the ports are bound.
// Called once by serve, before any thread is started.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "conf/settings.hpp"

namespace posthouse::app {

struct RunUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  // "posthouse", or the number where the account has no name
};

// The account the server runs as: `run_user`, else user "posthouse" if it exists, else the owner of
// work_path. nullopt when the process is not root: it stays what it is.
[[nodiscard]] base::Result<std::optional<RunUser>> choose_run_user(const conf::Settings& settings);

// Groups, then gid, then uid, irrevocably; the process stays undumpable, so that no password can
// end in a core file.
[[nodiscard]] base::Result<> become(const RunUser& user);

// Raises the descriptor limit to its hard limit; returns what is possible.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

}  // namespace posthouse::app
