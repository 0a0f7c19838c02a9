// What a reload changes: compares two snapshots by the settings table. Pure; app/ calls it on
// SIGHUP to say what happened and to keep what only a restart may change.
#pragma once

#include <string>
#include <vector>

#include "conf/settings.hpp"

namespace posthouse::conf {

struct ReloadDiff {
  std::vector<std::string> changed;       // names of settings with another effective value
  std::vector<std::string> need_restart;  // those of them that wait for a restart
  // One sentence for the log: "changed: log_level; after a restart: smtp_port" (or
  // "nothing changed yet; after a restart: …", or "nothing changed").
  [[nodiscard]] std::string text() const;
};

[[nodiscard]] ReloadDiff compare(const Settings& before, const Settings& after);

// The snapshot a running server may switch to: `after`, with the settings that need a restart as
// they are in `before`, so that no part of the program sees a change half applied.
[[nodiscard]] Settings reloadable(const Settings& before, Settings after);

}  // namespace posthouse::conf
