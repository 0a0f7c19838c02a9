// Reading the configuration for a command: load, check what it names, print what is wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/load.hpp"

namespace posthouse::app {

// Loads the configuration that `option` (-c) selects. With an error in it every diagnostic is
// printed to standard error and nullopt returned; warnings alone stay silent (`check` shows them).
[[nodiscard]] std::optional<conf::Loaded> load_or_explain(const std::string& option);

// Everything `check` finds: the readers' diagnostics, the files the configuration names,
// certificates, the user file, where postmaster's mail goes. Sorted.
[[nodiscard]] std::vector<conf::Diagnostic> check_everything(const conf::Loaded& loaded);

[[nodiscard]] bool has_error(const std::vector<conf::Diagnostic>& diagnostics);

}  // namespace posthouse::app
