// The rules between settings, each violation with its exact text and each harmless neighbour.
#include <gtest/gtest.h>

#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

TEST(Rules, HostNameShouldBeQualified) {
  EXPECT_EQ(
      problems(load("host_name mail\nhost_domain example.org\nwork_path /w\n").diagnostics),
      "t.conf:1: warning: host_name is `mail', which is not fully qualified, and some servers "
      "refuse mail from such a name; write for example `host_name mail.example.org'\n");
  EXPECT_EQ(
      problems(load_text("host_domain example.org\nwork_path /w\n", "t.conf", {"box"}).diagnostics),
      "t.conf:1: warning: host_name is `box', which is not fully qualified, and some servers "
      "refuse mail from such a name; write for example `host_name mail.example.org'\n");
}

TEST(Rules, HostDomainTwice) {
  EXPECT_EQ(
      problems_of("host_domain Example.ORG\n"),
      "t.conf:3: warning: `host_domain example.org' is written already at t.conf:1; remove this "
      "line\n");
}

TEST(Rules, VirtualDomainsAreNobodyElses) {
  const Case cases[] = {
      {"vdomain a @a.example example.org /d",
       "t.conf:1: error: `vdomain': example.org is a host_domain too, and a domain cannot be both; "
       "remove one of the lines\n"},
      {"vdomain a @example.org a.example /d",
       "t.conf:1: error: `vdomain': the login suffix @example.org is a host_domain, so a login "
       "could "
       "mean two users; write @a.example\n"},
      {"vdomain a @a.example a.example /d\nvdomain b @b.example A.example /e",
       "t.conf:2: error: `vdomain': a.example has a line already at t.conf:1; remove one of "
       "them\n"},
      {"vdomain a @x a.example /d\nvdomain b @X b.example /e",
       "t.conf:2: error: `vdomain': the login suffix @x is used already at t.conf:1; write "
       "another, "
       "for example @b.example\n"},
      {"vdomain a @b.example a.example /d\nvdomain b @x b.example /e",
       "t.conf:1: error: `vdomain': the login suffix @b.example is the domain of t.conf:2, so a "
       "login "
       "could mean two users; write @a.example\n"},
      {"vdomain a @a.example a.example /d\nvdomain b @b.example b.example /e", ""},
      {"vdomain a @sa a.example /d\nvdomain b @sb b.example /e", ""},
  };
  for (const auto& entry : cases)
    EXPECT_EQ(problems_of(entry.input + "\n"), entry.expected) << entry.input;
}

std::string clash(const std::string& where, const std::string& who, const std::string& other,
                  const std::string& folder, bool prefix) {
  return where + ": error: `vdomain': the mailboxes of " + who + " and of " + other +
         " would be the same files in " + folder + "; write another folder" +
         (prefix ? " or another prefix\n" : "\n");
}

TEST(Rules, MailboxesStayApart) {
  const std::string two = "a.example";
  const Case cases[] = {
      // Same folder, same prefix.
      {"vdomain p @a a.example /d\nvdomain p @b b.example /d",
       clash("t.conf:2", "b.example", "a.example", "/d", true)},
      {"vdomain p @a a.example /d\nvdomain P @b b.example /d",
       clash("t.conf:2", "b.example", "a.example", "/d", true)},
      {"vdomain p @a a.example /d\nvdomain p @b b.example /d/../d/",
       clash("t.conf:2", "b.example", "a.example", "/d", true)},
      // Same folder, no prefix.
      {"vdomain \"\" @a a.example /d\nvdomain \"\" @b b.example /d",
       clash("t.conf:2", "b.example", "a.example", "/d", true)},
      // p + b_x and p_b + x would be one name.
      {"vdomain p @a a.example /d\nvdomain p_b @b b.example /d",
       clash("t.conf:2", "b.example", "a.example", "/d", true)},
      {"vdomain p_b @a a.example /d\nvdomain p @b b.example /d",
       clash("t.conf:2", "b.example", "a.example", "/d", true)},
      // The main domain's folder without a prefix.
      {"vdomain \"\" @a a.example /work/drop",
       clash("t.conf:1", "a.example", "the main domain", "/work/drop", true)},
      {"drop_prefix false\nvdomain p @a a.example /work/drop",
       clash("t.conf:2", "a.example", "the main domain", "/work/drop", false)},
      // drop_prefix false takes the prefix away.
      {"drop_prefix false\nvdomain p @a a.example /d\nvdomain q @b b.example /d",
       clash("t.conf:3", "b.example", "a.example", "/d", false)},
      // Kept apart.
      {"vdomain p @a a.example /d\nvdomain q @b b.example /d", ""},
      {"vdomain p @a a.example /d\nvdomain p @b b.example /e", ""},
      {"vdomain p @a a.example /d\nvdomain pq @b b.example /d", ""},
      {"vdomain p @a a.example /work/drop", ""},
      {"vdomain_separator -\nvdomain p @a a.example /d\nvdomain p_b @b b.example /d", ""},
      {"vdomain \"\" @a a.example /d\nvdomain q @b b.example /d", ""},
      {"drop_prefix false\nvdomain p @a a.example /d\nvdomain q @b b.example /e", ""},
  };
  for (const auto& entry : cases)
    EXPECT_EQ(problems_of(entry.input + "\n"), entry.expected) << entry.input;
}

TEST(Rules, ListenAddresses) {
  EXPECT_EQ(
      problems_of("listen 127.0.0.1\nlisten 127.0.0.1\n"),
      "t.conf:2: error: `listen': 127.0.0.1 is written already at t.conf:1; remove one of the "
      "lines\n");
  EXPECT_EQ(
      problems_of("listen ::1\nlisten [::1]\n"),
      "t.conf:2: error: `listen': ::1 is written already at t.conf:1; remove one of the lines\n");
  EXPECT_EQ(
      problems_of("listen 127.0.0.1\nlisten *\n"),
      "t.conf:2: error: `listen': * means all addresses and cannot stand beside others; remove "
      "the other lines\n");
  EXPECT_EQ(
      problems_of("listen *\nlisten ::1\n"),
      "t.conf:1: error: `listen': * means all addresses and cannot stand beside others; remove "
      "the other lines\n");
  EXPECT_EQ(problems_of("listen 127.0.0.1\nlisten ::1\n"), "");
}

TEST(Rules, PortsDiffer) {
  const Case cases[] = {
      {"smtp_port 2525\npop_port 2525",
       "t.conf:2: error: `pop_port': port 2525 is smtp_port too; write another number, or 0 to "
       "turn one "
       "off\n"},
      {"pop_port 25",
       "t.conf:1: error: `pop_port': port 25 is smtp_port too; write another number, or 0 "
       "to turn one off\n"},
      {"smtp_port 110",
       "t.conf:1: error: `smtp_port': port 110 is pop_port too; write another number, "
       "or 0 to turn one off\n"},
      {"smtp_port 587\nsubmission_port 25", ""},
      {"smtp_port 0\npop_port 0", ""},
      {"submission_port 0\nsmtp_port 587", ""},
      {"smtp_port 1\nsubmission_port 1\npop_port 1",
       "t.conf:2: error: `submission_port': port 1 is smtp_port too; write another number, or 0 to "
       "turn "
       "one off\n"
       "t.conf:3: error: `pop_port': port 1 is smtp_port too; write another number, or 0 to turn "
       "one "
       "off\n"
       "t.conf:3: error: `pop_port': port 1 is submission_port too; write another number, or 0 to "
       "turn "
       "one off\n"},
      {"smtp_port 0\nsubmission_port 0\nsubmissions_port 0\npop_port 0\npops_port 0",
       "t.conf:1: warning: every port is 0, so nothing listens; write for example `smtp_port "
       "25'\n"},
  };
  for (const auto& entry : cases)
    EXPECT_EQ(problems_of(entry.input + "\n"), entry.expected) << entry.input;
}

TEST(Rules, CertificatesAndKeys) {
  EXPECT_EQ(problems_of("tls_cert /c\n"),
            "t.conf:1: error: there are 1 tls_cert and 0 tls_key; write one tls_key for each "
            "tls_cert, in "
            "the same order\n");
  EXPECT_EQ(problems_of("tls_cert /c\ntls_key /k\ntls_key /l\n"),
            "t.conf:3: error: there are 1 tls_cert and 2 tls_key; write one tls_key for each "
            "tls_cert, in "
            "the same order\n");
  EXPECT_EQ(problems_of("tls_key /k\n"),
            "t.conf:1: error: there are 0 tls_cert and 1 tls_key; write one tls_key for each "
            "tls_cert, in "
            "the same order\n");
  EXPECT_EQ(problems_of("tls_key /k\ntls_cert /c\n"), "");
  const auto without = load(kRest);
  ASSERT_EQ(without.diagnostics.size(), 1U);
  EXPECT_EQ(
      without.diagnostics[0].text(),
      "t.conf:1: warning: no tls_cert: implicit-TLS ports stay closed, STARTTLS and STLS are not "
      "offered; write tls_cert and tls_key");
  EXPECT_TRUE(without.settings);
  EXPECT_TRUE(load(std::string("tls_key /k\ntls_cert /c\n") + kRest).diagnostics.empty());
}

TEST(Rules, RelayingIsNotForEverybody) {
  const auto open = [](const std::string& where, const std::string& item) {
    return where + ": warning: `forward_from_ip': " + item +
           " lets a large part of the Internet send mail through this server (an open relay); "
           "write "
           "your own networks\n";
  };
  EXPECT_EQ(problems_of("forward_from_ip 0.0.0.0/0\n"), open("t.conf:1", "0.0.0.0/0"));
  EXPECT_EQ(problems_of("forward_from_ip 127.0.0.1,::/0\n"), open("t.conf:1", "::/0"));
  EXPECT_EQ(problems_of("forward_from_ip 127.0.0.1\nforward_from_ip 128.0.0.0/1\n"),
            open("t.conf:2", "128.0.0.0/1"));
  EXPECT_EQ(problems_of("forward_from_ip 10.*\nforward_from_ip 192.168.*\n"), "");
  EXPECT_EQ(problems_of("forward_from_ip none\n"), "");
  EXPECT_EQ(problems_of("forward_from_ip ::1\nforward_from_ip none\n"),
            "t.conf:2: error: `forward_from_ip': none means nobody and cannot stand beside others; "
            "remove it\n");
}

TEST(Rules, FewRecipients) {
  EXPECT_EQ(
      problems_of("max_rcpts 99\n"),
      "t.conf:1: warning: `max_rcpts': 99 is fewer than the 100 recipients every server must take; "
      "write 100 or more\n");
  EXPECT_EQ(problems_of("max_rcpts 100\n"), "");
}

TEST(Rules, NotAppliedToWhatIsBrokenAnyway) {
  EXPECT_EQ(
      problems_of("smtp_port x\npop_port 25\nmax_rcpts 1\n"),
      "t.conf:1: error: `smtp_port': `x' is not a port; write a number from 1 to 65535, or 0 to "
      "turn the port off\n");
}

}  // namespace
}  // namespace posthouse::conf::test
