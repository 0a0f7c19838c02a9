// THE settings table: one row says everything about one setting. The readers, `check`, `config`,
// docs/settings.md and docs/dmail.conf.example are all made from it, so a setting that is not here
// does not exist, and one that is here is documented. Rows are in table_<group>.cpp; constant data,
// safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/load.hpp"
#include "conf/settings.hpp"

namespace posthouse::conf {

using Words = std::vector<std::string>;

enum class Group : std::uint8_t {
  identity,
  places,
  listening,
  users,
  relaying,
  limits,
  logging,
};
inline constexpr Group kGroups[] = {Group::identity, Group::places, Group::listening, Group::users,
                                    Group::relaying, Group::limits, Group::logging};
[[nodiscard]] std::string_view group_name(Group group);

// live: a reload applies it to new sessions; restart: the running program keeps the old value.
enum class Reload : std::uint8_t { live, restart };

// Whether the value must be hidden when printed, or names a file that others must not read.
enum class Secrecy : std::uint8_t { open, hidden, names_secret_file };

// Against DMail: the same, the same name with another meaning or default, or not known there.
enum class Heritage : std::uint8_t { kept, modernised, added };

// What a setter gets. `words` may be rewritten to the canonical spelling (paths become
// absolute, domains lower case).
struct Given {
  Words& words;
  const Origin& origin;
  std::string folder;  // absolute; of the file that holds the line
};

// Writes the words into the settings (a repeatable setting adds an entry), or returns the sentence
// that says what is wrong and what to write instead; then the settings are unchanged.
using Setter = std::optional<std::string> (*)(Settings& settings, Given& given);
// The effective value as words the setter reads back: one entry for each line, none when unset.
using Getter = std::vector<Words> (*)(const Settings& settings);
// Copies this setting alone from one snapshot to another.
using Copier = void (*)(Settings& to, const Settings& from);

struct Setting {
  std::string_view name;  // lower case
  Group group = Group::identity;
  std::string_view arguments;  // "PORT", "PREFIX @SUFFIX DOMAIN DROP_DIR"
  unsigned least_words = 1;
  unsigned most_words = 1;  // 0: any number
  std::string_view unit;    // "octets; a bare number counts MB", "none"
  // Words as they could be written, or in parentheses how the value is found when none is written.
  std::string_view default_text;
  bool compulsory = false;
  bool repeatable = false;
  std::string_view applies;  // which part uses it: "SMTP", "local delivery"
  Reload reload = Reload::live;
  Secrecy secrecy = Secrecy::open;
  std::string_view since;  // version of the program
  Heritage heritage = Heritage::added;
  std::string_view dmail = {};     // what it was in DMail; empty only for added settings
  std::string_view help;           // one sentence
  std::string_view documentation;  // a paragraph or two
  std::string_view example;        // one whole line
  Setter set = nullptr;
  Getter get = nullptr;
  Copier copy = nullptr;

  // True when the default is written words and not a sentence in parentheses.
  [[nodiscard]] bool has_literal_default() const {
    return !default_text.empty() && default_text.front() != '(';
  }
};

// Every setting, group by group in the order of kGroups.
[[nodiscard]] std::span<const Setting> table();
// The row of `name` (any case); null when there is none.
[[nodiscard]] const Setting* find_setting(std::string_view name);
// The known name with the smallest edit distance; never empty.
[[nodiscard]] std::string_view nearest_setting(std::string_view name);

// A DMail setting that is accepted and ignored. `advice` completes the sentence "`NAME' is
// obsolete; …" and says what to use, or that the line can go.
struct Obsolete {
  std::string_view name;
  std::string_view advice;
};
[[nodiscard]] std::span<const Obsolete> obsolete_table();
[[nodiscard]] const Obsolete* find_obsolete(std::string_view name);

// What a rule over several settings sees: the values after the defaults were filled in, and where
// each was written.
struct RuleContext {
  const Settings& settings;
  const std::vector<Assignment>& assignments;
  const std::string& main_file;
  // Where `name` was written last, else line 1 of the main file (the place to add it).
  [[nodiscard]] Origin origin_of(std::string_view name) const;
  [[nodiscard]] bool written(std::string_view name) const;
};
using Rule = void (*)(const RuleContext& context, std::vector<Diagnostic>& diagnostics);
// The rules between settings, in the order they are applied (rules.cpp).
[[nodiscard]] std::span<const Rule> rules();

// The rows of each group (table_<group>.cpp).
[[nodiscard]] std::span<const Setting> identity_rows();
[[nodiscard]] std::span<const Setting> places_rows();
[[nodiscard]] std::span<const Setting> listening_rows();
[[nodiscard]] std::span<const Setting> users_rows();
[[nodiscard]] std::span<const Setting> relaying_rows();
[[nodiscard]] std::span<const Setting> limits_rows();
[[nodiscard]] std::span<const Setting> logging_rows();

}  // namespace posthouse::conf
