// `posthouse check`: every problem of the configuration and of what it names, with the remedy.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "app/commands.hpp"
#include "app/load_config.hpp"

namespace posthouse::app {

int run_check(const CheckOptions& options) {
  const conf::Loaded loaded =
      conf::load_file(conf::find_config(options.config), conf::system_environment());
  const auto diagnostics = check_everything(loaded);
  for (const auto& diagnostic : diagnostics) {
    if (!options.json) {
      fmt::print("{}\n", diagnostic.text());
      continue;
    }
    boost::json::object object;
    object["file"] = diagnostic.where.file;
    object["line"] = diagnostic.where.line;
    object["severity"] = diagnostic.severity == conf::Severity::error ? "error" : "warning";
    object["message"] = diagnostic.message;
    fmt::print("{}\n", boost::json::serialize(object));
  }
  if (has_error(diagnostics)) return kExitConfig;
  if (!options.json && diagnostics.empty()) fmt::print("{}: no problems found\n", loaded.main_file);
  return kExitOk;
}

}  // namespace posthouse::app
