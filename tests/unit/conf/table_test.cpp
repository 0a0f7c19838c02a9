// The settings table itself: every row complete and true, every member of Settings reached, and the
// generated documents as the program prints them. POSTHOUSE_REGENERATE=1 rewrites the documents.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "conf/print.hpp"
#include "conf/setting.hpp"
#include "conf/values.hpp"
#include "conf/writer.hpp"
#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Member names of `struct Settings`, read from the header itself.
std::set<std::string> members_of_settings() {
  const std::string header = file_text(std::string(POSTHOUSE_SOURCE_DIR) + "/conf/settings.hpp");
  const auto begin = header.find("struct Settings {");
  std::istringstream body(header.substr(begin, header.find("\n};", begin) - begin));
  std::set<std::string> names;
  for (std::string line; std::getline(body, line);) {
    line = line.substr(0, line.find("//"));
    const auto end = line.find(';');
    if (end == std::string::npos) continue;
    std::string declaration = line.substr(0, std::min(end, line.find(" =")));
    const auto space = declaration.rfind(' ');
    names.insert(declaration.substr(space + 1));
  }
  return names;
}

TEST(Table, EveryMemberHasARowAndEveryRowAMember) {
  std::set<std::string> rows;
  for (const auto& row : table()) rows.insert(std::string(row.name));
  EXPECT_EQ(rows, members_of_settings());
  EXPECT_GE(rows.size(), 30U);
}

TEST(Table, NoRowLacksAnything) {
  for (const auto& row : table()) {
    SCOPED_TRACE(std::string(row.name));
    EXPECT_FALSE(row.name.empty());
    for (const char c : row.name)
      EXPECT_TRUE(std::islower(c) != 0 || c == '_' || std::isdigit(c) != 0);
    EXPECT_FALSE(row.arguments.empty());
    EXPECT_FALSE(row.unit.empty());
    EXPECT_FALSE(row.default_text.empty());
    EXPECT_FALSE(row.applies.empty());
    EXPECT_FALSE(row.since.empty());
    EXPECT_FALSE(row.help.empty());
    EXPECT_FALSE(row.documentation.empty());
    EXPECT_FALSE(row.example.empty());
    EXPECT_NE(row.set, nullptr);
    EXPECT_NE(row.get, nullptr);
    EXPECT_NE(row.copy, nullptr);
    EXPECT_GE(row.least_words, 1U);
    EXPECT_TRUE(row.most_words == 0 || row.most_words >= row.least_words);
    if (row.heritage == Heritage::added) {
      EXPECT_EQ(row.dmail, "");
    } else {
      EXPECT_NE(row.dmail, "") << "what it was in DMail";
    }
    // Help is one sentence that fits a listing.
    EXPECT_EQ(row.help.back(), '.');
    EXPECT_LE(row.help.size(), 100U);
    EXPECT_EQ(row.documentation.back(), '.');
    if (!row.has_literal_default()) {
      EXPECT_EQ(row.default_text.back(), ')');
    }
    EXPECT_FALSE(row.compulsory && row.has_literal_default());
  }
}

TEST(Table, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const auto& row : table()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
  for (const auto& row : obsolete_table()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

TEST(Table, GroupsStandTogetherInTheirOrder) {
  std::vector<Group> order;
  for (const auto& row : table()) {
    if (order.empty() || order.back() != row.group) order.push_back(row.group);
  }
  EXPECT_EQ(order, std::vector<Group>(std::begin(kGroups), std::end(kGroups)));
  for (const Group group : kGroups) EXPECT_FALSE(group_name(group).empty());
}

// The row's words put through its setter on fresh settings.
std::optional<std::string> try_set(const Setting& row, Words words, Settings& settings) {
  const Origin origin{"t.conf", 1};
  Given given{words, origin, "/"};
  return row.set(settings, given);
}

TEST(Table, ExamplesParseAndComeBack) {
  for (const auto& row : table()) {
    SCOPED_TRACE(std::string(row.name));
    Reader reader(files_in({}));
    reader.read_main_text(row.example, "t.conf");
    const auto reading = reader.take();
    EXPECT_TRUE(reading.diagnostics.empty());
    ASSERT_EQ(reading.assignments.size(), 1U);
    EXPECT_EQ(reading.assignments[0].name, row.name);
    Settings settings;
    const auto problem = try_set(row, reading.assignments[0].words, settings);
    EXPECT_FALSE(problem) << *problem;
    // What get() says, set() reads back to the same.
    Settings again;
    for (const auto& words : row.get(settings)) {
      const auto second = try_set(row, words, again);
      EXPECT_FALSE(second) << *second;
    }
    EXPECT_EQ(row.get(again), row.get(settings));
    // The example shows something else than the default, or there would be no reason to write it.
    if (row.name != "authent_method") {
      EXPECT_NE(row.get(settings), row.get(Settings{}));
    }
    // copy() carries it over.
    Settings copied;
    row.copy(copied, settings);
    EXPECT_EQ(row.get(copied), row.get(settings));
  }
}

TEST(Table, CopiesTouchOneMemberAlone) {
  const auto loaded = load(
      "host_name a.example\nhost_domain example.org\nwork_path /other\nsmtp_port 1\nlog_level "
      "debug\n");
  ASSERT_TRUE(loaded.settings);
  for (const auto& row : table()) {
    Settings target;
    row.copy(target, *loaded.settings);
    for (const auto& other : table()) {
      const auto& wanted = other.name == row.name ? *loaded.settings : Settings{};
      EXPECT_EQ(other.get(target), other.get(wanted)) << row.name << " and " << other.name;
    }
  }
}

TEST(Table, DefaultsPassTheirOwnSetter) {
  for (const auto& row : table()) {
    if (!row.has_literal_default()) continue;
    SCOPED_TRACE(std::string(row.name));
    Settings settings;
    const auto problem = try_set(row, {std::string(row.default_text)}, settings);
    EXPECT_FALSE(problem) << *problem;
    // And the header's initialiser says the same, but for lists, which begin empty.
    if (row.name != "forward_from_ip") {
      EXPECT_EQ(row.get(settings), row.get(Settings{}));
    }
  }
}

TEST(Table, DerivedDefaultsPassTheirOwnSetter) {
  const auto loaded = load(kRest);
  ASSERT_TRUE(loaded.settings);
  for (const auto& row : table()) {
    Settings settings;
    for (const auto& words : row.get(*loaded.settings)) {
      const auto problem = try_set(row, words, settings);
      EXPECT_FALSE(problem) << row.name << ": " << *problem;
    }
    EXPECT_EQ(row.get(settings), row.get(*loaded.settings)) << row.name;
  }
}

TEST(Table, ARefusedValueChangesNothing) {
  for (const auto& row : table()) {
    Settings settings;
    const Words bad(row.least_words, std::string("\x01 nothing takes this"));
    const auto problem = try_set(row, bad, settings);
    ASSERT_TRUE(problem) << row.name;
    EXPECT_NE(problem->find("write"), std::string::npos) << "no remedy in: " << *problem;
    EXPECT_EQ(row.get(settings), row.get(Settings{})) << row.name;
  }
}

TEST(Table, LookUp) {
  EXPECT_EQ(find_setting("SMTP_PORT")->name, "smtp_port");
  EXPECT_EQ(find_setting("smtp_por"), nullptr);
  EXPECT_EQ(find_setting(""), nullptr);
  EXPECT_EQ(find_obsolete("Bin_Path")->name, "bin_path");
  EXPECT_EQ(find_obsolete("smtp_port"), nullptr);
  EXPECT_EQ(nearest_setting("smtp_prot"), "smtp_port");
  EXPECT_FALSE(nearest_setting("").empty());
}

TEST(Table, ObsoleteSettingsNameOnlyWhatExists) {
  for (const auto& row : obsolete_table()) {
    SCOPED_TRACE(std::string(row.name));
    EXPECT_EQ(find_setting(row.name), nullptr);
    const bool use = row.advice.substr(0, 4) == "use ";
    EXPECT_TRUE(use || row.advice.substr(0, 11) == "remove it: ");
    for (auto open = row.advice.find('`'); open != std::string_view::npos;
         open = row.advice.find('`', open + 1)) {
      const auto name =
          row.advice.substr(open + 1, row.advice.find_first_of(" '", open) - open - 1);
      EXPECT_NE(find_setting(name), nullptr) << name;
    }
  }
}

void compare_with_file(const std::string& name, const std::string& text) {
  const std::string path = std::string(POSTHOUSE_SOURCE_DIR) + "/docs/" + name;
  if (std::getenv("POSTHOUSE_REGENERATE") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  EXPECT_EQ(file_text(path), text) << "docs/" << name
                                   << " is not what the table says; run this test once with "
                                      "POSTHOUSE_REGENERATE=1";
}

TEST(Documents, SettingsPageIsGenerated) { compare_with_file("settings.md", docs_markdown()); }

TEST(Documents, ExampleIsGenerated) { compare_with_file("dmail.conf.example", example_file()); }

TEST(Documents, ExampleWorksAsItIsAndWithEverythingTakenIn) {
  const auto plain = load(example_file(), "/etc/posthouse/dmail.conf");
  EXPECT_TRUE(plain.settings) << problems(plain.diagnostics);
  EXPECT_EQ(problems(plain.diagnostics), "");
  // Every commented setting of it, with the comment mark taken away.
  std::istringstream lines(example_file());
  std::string everything;
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
    if (!line.empty() && line[0] != '#') ++count;
    everything += line + "\n";
  }
  const auto full = load(everything, "/etc/posthouse/dmail.conf");
  EXPECT_TRUE(full.settings) << problems(full.diagnostics);
  EXPECT_EQ(problems(full.diagnostics), "");
  EXPECT_EQ(count, table().size());
  EXPECT_EQ(full.assignments.size(), table().size());
}

TEST(Documents, EverySettingIsDescribed) {
  for (const auto& row : table()) {
    const std::string text = docs_text(row.name);
    const std::string begin = std::string(row.name) + " " + std::string(row.arguments) + "\n";
    EXPECT_EQ(text.substr(0, begin.size()), begin);
    EXPECT_NE(text.find(row.default_text), std::string::npos) << row.name;
    EXPECT_NE(text.find(row.example), std::string::npos) << row.name;
    EXPECT_NE(docs_text().find(text), std::string::npos) << row.name;
    EXPECT_NE(docs_markdown().find("### `" + std::string(row.name) + "`"), std::string::npos)
        << row.name;
  }
  EXPECT_EQ(docs_text("no_such"), "");
  std::istringstream lines(docs_text());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120U) << line;
}

}  // namespace
}  // namespace posthouse::conf::test
