// `posthouse config`: effective values and their origins, the configuration in either syntax, and
// the description of every setting.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "app/commands.hpp"
#include "app/load_config.hpp"
#include "conf/print.hpp"
#include "conf/setting.hpp"
#include "conf/writer.hpp"

namespace posthouse::app {
namespace {

int print_docs(const ConfigOptions& options) {
  if (options.docs == "markdown") {
    fmt::print("{}", conf::docs_markdown());
  } else if (options.docs == "example") {
    fmt::print("{}", conf::example_file());
  } else if (options.setting.empty()) {
    fmt::print("{}", conf::docs_text());
  } else {
    const std::string text = conf::docs_text(options.setting);
    if (text.empty()) {
      fmt::print(stderr, "posthouse: there is no setting `{}'; the nearest is `{}'\n",
                 options.setting, conf::nearest_setting(options.setting));
      return kExitFailed;
    }
    fmt::print("{}", text);
  }
  return kExitOk;
}

void print_value(const conf::EffectiveValue& value, bool json) {
  if (!json) {
    fmt::print("{}\n", value.text());
    return;
  }
  boost::json::object object;
  object["name"] = value.name;
  object["value"] = value.value;
  object["origin"] = value.origin;
  object["is_default"] = value.is_default;
  fmt::print("{}\n", boost::json::serialize(object));
}

}  // namespace

int run_config(const ConfigOptions& options) {
  if (!options.docs.empty()) return print_docs(options);
  const auto loaded = load_or_explain(options.config);
  if (!loaded) return kExitConfig;
  if (options.format == "dmail") {
    fmt::print("{}", conf::write_dmail(loaded->assignments));
    return kExitOk;
  }
  if (options.format == "yaml") {
    fmt::print("{}", conf::write_yaml(loaded->assignments));
    return kExitOk;
  }
  if (options.setting.empty()) {
    for (const auto& value : conf::effective_values(*loaded, options.all)) {
      print_value(value, options.json);
    }
    return kExitOk;
  }
  const auto values = conf::effective_value(*loaded, options.setting);
  if (values.empty()) {
    fmt::print(stderr, "posthouse: there is no setting `{}'; the nearest is `{}'\n",
               options.setting, conf::nearest_setting(options.setting));
    return kExitFailed;
  }
  for (const auto& value : values) print_value(value, options.json);
  return kExitOk;
}

}  // namespace posthouse::app
