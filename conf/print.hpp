// What `posthouse config` shows, and the documents made from the table: effective values with their
// origin, the description of settings, docs/settings.md and docs/dmail.conf.example. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/load.hpp"

namespace posthouse::conf {

// One line of `config`: a repeatable setting has one for each of its values.
struct EffectiveValue {
  std::string name;
  std::string value;   // words as in dmail.conf; in parentheses when there is no value to write
  std::string origin;  // "dmail.conf:12", "default", "system"
  bool is_default = false;
  // "name value  # origin" without the padding a listing adds: "smtp_port 2525  # dmail.conf:3".
  [[nodiscard]] std::string text() const;
};

// The settings as they are in force, in the order of the table: those written, or with
// `with_defaults` all. Needs loaded.settings; hidden values are shown as "(hidden)".
[[nodiscard]] std::vector<EffectiveValue> effective_values(const Loaded& loaded,
                                                           bool with_defaults);
// The values of one setting (any case), its default included; empty when the name is unknown.
[[nodiscard]] std::vector<EffectiveValue> effective_value(const Loaded& loaded,
                                                          std::string_view name);

// `config --docs [SETTING]`: plain text; empty for an unknown name.
[[nodiscard]] std::string docs_text();
[[nodiscard]] std::string docs_text(std::string_view name);
// docs/settings.md
[[nodiscard]] std::string docs_markdown();
// docs/dmail.conf.example: every setting commented out but the compulsory ones.
[[nodiscard]] std::string example_file();

}  // namespace posthouse::conf
