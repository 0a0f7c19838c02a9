// Effective values with their origins, and what a reload says.
#include "conf/print.hpp"

#include <gtest/gtest.h>

#include "conf/reload.hpp"
#include "conf/setting.hpp"
#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

std::string listing(const std::vector<EffectiveValue>& values) {
  std::string text;
  for (const auto& entry : values)
    text += entry.text() + (entry.is_default ? " (default)\n" : "\n");
  return text;
}

TEST(Effective, WhatWasWritten) {
  const auto loaded = load(
      "work_path ./spool\nhost_domain Example.org\nsmtp_port 25\nhost_domain example.net\n"
      "vdomain \"\" @a.example a.example /d\nforward_from_ip 127.0.0.1, ::1\nlog_file \"/my "
      "logs/x\"\n"
      "sysadmin bob\n",
      "/etc/p/t.conf");
  ASSERT_TRUE(loaded.settings) << problems(loaded.diagnostics);
  EXPECT_EQ(listing(effective_values(loaded, false)),
            "host_domain example.org  # /etc/p/t.conf:2\n"
            "host_domain example.net  # /etc/p/t.conf:4\n"
            "vdomain \"\" @a.example a.example /d  # /etc/p/t.conf:5\n"
            "sysadmin bob@example.org  # /etc/p/t.conf:8\n"
            "work_path /etc/p/spool  # /etc/p/t.conf:1\n"
            "smtp_port 25  # /etc/p/t.conf:3\n"
            "forward_from_ip 127.0.0.1, ::1  # /etc/p/t.conf:6\n"
            "log_file \"/my logs/x\"  # /etc/p/t.conf:7\n");
}

TEST(Effective, AllWithDefaults) {
  const auto loaded = load("host_domain example.org\nwork_path /work\n");
  ASSERT_TRUE(loaded.settings);
  const auto values = effective_values(loaded, true);
  EXPECT_GE(values.size(), table().size());
  const std::string text = listing(values);
  for (const char* line :
       {"host_name host.example.org  # system (default)\n", "host_domain example.org  # t.conf:1\n",
        "sysadmin postmaster@example.org  # default (default)\n",
        "run_user (user posthouse if there is one, else the owner of work_path)  # "
        "default (default)\n",
        "drop_path /work/drop  # default (default)\n", "listen *  # default (default)\n",
        "tls_cert (none: no TLS)  # default (default)\n",
        "forward_from_ip 127.0.0.0/8  # default (default)\n",
        "forward_from_ip ::1  # default (default)\n", "msg_max_size 25M  # default (default)\n",
        "min_space 100M  # default (default)\n", "log_file -  # default (default)\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  }
}

TEST(Effective, OneSetting) {
  const auto loaded = load(std::string("listen 127.0.0.1\nlisten ::1\n") + kRest);
  EXPECT_EQ(listing(effective_value(loaded, "LISTEN")),
            "listen 127.0.0.1  # t.conf:1\nlisten ::1  # t.conf:2\n");
  EXPECT_EQ(listing(effective_value(loaded, "pop_port")), "pop_port 110  # default (default)\n");
  EXPECT_TRUE(effective_value(loaded, "no_such").empty());
}

// A listing without the origins is a configuration with the same meaning.
TEST(Effective, TheListingIsAConfiguration) {
  const auto first =
      load(std::string("smtp_port 2525\nlisten ::1\nforward_from_ip none\n") + kRest);
  std::string text;
  for (const auto& entry : effective_values(first, true)) {
    if (entry.value[0] != '(') text += entry.name + " " + entry.value + "\n";
  }
  const auto second = load(text);
  ASSERT_TRUE(second.settings) << problems(second.diagnostics);
  for (const auto& row : table())
    EXPECT_EQ(row.get(*first.settings), row.get(*second.settings)) << row.name;
}

Settings settings_of(const std::string& lines) { return *load(lines + kRest).settings; }

TEST(ReloadDiff, NamesWhatChanged) {
  const Settings before = settings_of("smtp_port 2525\nlog_level info\n");
  EXPECT_TRUE(compare(before, before).changed.empty());
  EXPECT_EQ(compare(before, before).text(), "nothing changed");
  const Settings live = settings_of("smtp_port 2525\nlog_level debug\nmax_rcpts 200\n");
  EXPECT_EQ(compare(before, live).text(), "changed: max_rcpts, log_level");
  const Settings both = settings_of("smtp_port 2526\nlog_level debug\n");
  const auto diff = compare(before, both);
  EXPECT_EQ(diff.changed, (std::vector<std::string>{"smtp_port", "log_level"}));
  EXPECT_EQ(diff.need_restart, std::vector<std::string>{"smtp_port"});
  EXPECT_EQ(diff.text(), "changed: log_level; after a restart: smtp_port");
  EXPECT_EQ(compare(before, settings_of("smtp_port 2527\n")).text(),
            "nothing changed yet; after a restart: smtp_port");
}

TEST(ReloadDiff, EveryRowIsNoticedAndTreatedByItsClass) {
  for (const auto& row : table()) {
    const Settings before = settings_of("");
    const auto loaded = load(std::string(row.example) + "\n");
    Settings other;
    for (const auto& assignment : loaded.assignments) {
      Words words = assignment.words;
      Given given{words, assignment.origin, "/"};
      ASSERT_FALSE(row.set(other, given)) << row.name;
    }
    Settings after = before;
    row.copy(after, other);
    if (row.get(after) == row.get(before)) continue;  // the example is the default
    const auto diff = compare(before, after);
    EXPECT_EQ(diff.changed, std::vector<std::string>{std::string(row.name)});
    EXPECT_EQ(diff.need_restart.empty(), row.reload == Reload::live) << row.name;
    const Settings used = reloadable(before, after);
    EXPECT_EQ(row.get(used), row.get(row.reload == Reload::live ? after : before)) << row.name;
  }
}

}  // namespace
}  // namespace posthouse::conf::test
