// The writers: what the readers make of the written text is what was given, whatever the words.
#include "conf/writer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "conf/setting.hpp"
#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

// Words that readers accept: any code point but control characters, with plenty of the awkward
// ones.
std::string utf8(std::uint32_t code) {
  std::string out;
  const auto put = [&](std::uint32_t octet) { out += static_cast<char>(octet); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
  return out;
}

rc::Gen<std::string> any_code_point() {
  const std::string_view marks = "\"\\# \t':,[]{}&*!|>-?%@`~=._/naeuxNU0";
  const std::vector<std::uint32_t> awkward(marks.begin(), marks.end());
  return rc::gen::map(
      rc::gen::suchThat(
          rc::gen::weightedOneOf<std::uint32_t>(
              {{6, rc::gen::inRange<std::uint32_t>(0x20, 0x7f)},
               {4, rc::gen::elementOf(awkward)},
               {1, rc::gen::inRange<std::uint32_t>(0x80, 0x3000)},
               {1, rc::gen::inRange<std::uint32_t>(0x3000, 0x110000)},
               {1, rc::gen::element<std::uint32_t>(0x85, 0xa0, 0xfeff, 0x2028, 0x2029, 0xfffd,
                                                   0xfffe, 0xffff, 0x1fffe)}}),
          [](std::uint32_t code) { return code < 0xd800 || code > 0xdfff; }),
      utf8);
}

rc::Gen<std::string> any_word() {
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::container<std::vector<std::string>>(any_code_point()),
                   [](const std::vector<std::string>& points) {
                     std::string word;
                     for (const auto& point : points) word += point;
                     return word;
                   }),
      rc::gen::element<std::string>(
          "", "null", "Null", "~", "true", "no", "0x1", "1e3", "-", "--", "---", "...", "#x", "- x",
          "a: b", "a:b", "::1", "[x]", "{x}", "*x", "&x", "!x", "%x", "@s", "`x", "'x'", "\"x\"",
          "\\", "\\\\", "\\\"", " x", "x ", "\t", "a #b", "include", "=", "<<", "?"));
}

// Known settings (a list means repetitions for the repeatable ones alone) and unknown ones.
rc::Gen<std::vector<Assignment>> any_assignments() {
  const auto assignment = rc::gen::apply(
      [](std::string name, std::vector<std::string> words) {
        return Assignment{std::move(name), std::move(words), {}};
      },
      rc::gen::element<std::string>("host_domain", "vdomain", "listen", "tls_cert",
                                    "forward_from_ip", "smtp_port", "work_path", "log_file",
                                    "unknown_one", "x-y", "null", "1"),
      rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(any_word())));
  // Small sizes: the awkward words are short, and long lists only repeat them.
  return rc::gen::resize(25, rc::gen::container<std::vector<Assignment>>(assignment));
}

bool repeatable(const Assignment& entry) {
  const Setting* row = find_setting(entry.name);
  return row == nullptr || row->repeatable;
}

// What a loaded configuration looks like: one line of each setting that takes one.
std::vector<Assignment> without_duplicates(std::vector<Assignment> entries) {
  std::vector<Assignment> kept;
  for (auto& entry : entries) {
    const bool there = std::any_of(kept.begin(), kept.end(),
                                   [&](const auto& other) { return other.name == entry.name; });
    if (repeatable(entry) || !there) kept.push_back(std::move(entry));
  }
  return kept;
}

// The order of a YAML mapping: each setting where it came first, its lines in their order.
std::vector<Assignment> grouped(const std::vector<Assignment>& entries) {
  std::vector<std::string> order;
  for (const auto& entry : entries) {
    if (std::find(order.begin(), order.end(), entry.name) == order.end())
      order.push_back(entry.name);
  }
  std::vector<Assignment> result;
  for (const auto& name : order) {
    for (const auto& entry : entries) {
      if (entry.name == name) result.push_back(entry);
    }
  }
  return result;
}

std::string plain(const std::vector<Assignment>& entries) {
  std::string text;
  for (const auto& entry : entries) {
    text += entry.name;
    for (const auto& word : entry.words) text += " [" + word + "]";
    text += '\n';
  }
  return text;
}

std::vector<Assignment> read_back(const std::string& text, const std::string& name) {
  Reader reader(files_in({}));
  reader.read_main_text(text, name);
  auto reading = reader.take();
  EXPECT_TRUE(reading.diagnostics.empty()) << problems(reading.diagnostics) << text;
  return reading.assignments;
}

RC_GTEST_PROP(Writers, DmailReadsBack, ()) {
  const auto entries = *any_assignments();
  RC_ASSERT(plain(read_back(write_dmail(entries), "t.conf")) == plain(entries));
}

RC_GTEST_PROP(Writers, YamlReadsBack, ()) {
  const auto entries = without_duplicates(*any_assignments());
  RC_ASSERT(plain(read_back(write_yaml(entries), "t.yaml")) == plain(grouped(entries)));
}

RC_GTEST_PROP(Writers, ThereAndBackAgain, ()) {
  const auto entries = grouped(without_duplicates(*any_assignments()));
  const auto there = read_back(write_yaml(entries), "t.yaml");
  const auto back = read_back(write_dmail(there), "t.conf");
  RC_ASSERT(plain(back) == plain(entries));
  RC_ASSERT(write_yaml(back) == write_yaml(entries));
}

TEST(Writers, DmailWords) {
  EXPECT_EQ(dmail_word("x"), "x");
  EXPECT_EQ(dmail_word(""), "\"\"");
  EXPECT_EQ(dmail_word("a b"), "\"a b\"");
  EXPECT_EQ(dmail_word("a\tb"), "\"a\tb\"");
  EXPECT_EQ(dmail_word("c:\\dir"), "c:\\dir");
  EXPECT_EQ(dmail_word("c:\\my dir"), "\"c:\\\\my dir\"");
  EXPECT_EQ(dmail_word("say \"x\""), "\"say \\\"x\\\"\"");
  EXPECT_EQ(dmail_word("#x"), "#x");
}

TEST(Writers, YamlLooksAsAPersonWouldWriteIt) {
  const std::vector<Assignment> entries = {
      {"host_name", {"mail.example.org"}, {}},
      {"host_domain", {"example.org"}, {}},
      {"vdomain", {"shop", "@shop.example", "shop.example", "/var/drop"}, {}},
      {"host_domain", {"example.net"}, {}},
      {"listen", {"::1"}, {}},
      {"smtp_port", {"25"}, {}},
      {"drop_prefix", {"true"}, {}},
  };
  EXPECT_EQ(write_yaml(entries),
            "host_name: mail.example.org\n"
            "host_domain:\n  - example.org\n  - example.net\n"
            "vdomain:\n  - [shop, \"@shop.example\", shop.example, /var/drop]\n"
            "listen: \"::1\"\n"
            "smtp_port: 25\n"
            "drop_prefix: true\n");
  EXPECT_EQ(write_dmail(entries),
            "host_name mail.example.org\n"
            "host_domain example.org\n"
            "vdomain shop @shop.example shop.example /var/drop\n"
            "host_domain example.net\n"
            "listen ::1\n"
            "smtp_port 25\n"
            "drop_prefix true\n");
}

TEST(Writers, AWholeConfigurationMeansTheSameInBoth) {
  const auto first = load(
      "host_name mail.example.org\nhost_domain example.org\nvdomain shop @shop.example "
      "shop.example "
      "./shop\nwork_path ./spool\nforward_from_ip 127.0.0.1, 10.0.0.0/8\nsmtp_port 1\nsmtp_port "
      "2525\n",
      "/etc/p/t.conf");
  ASSERT_TRUE(first.settings);
  const auto as_yaml = load(write_yaml(first.assignments), "/elsewhere/t.yaml");
  ASSERT_TRUE(as_yaml.settings) << problems(as_yaml.diagnostics);
  const auto again = load(write_dmail(as_yaml.assignments), "/third/t.conf");
  ASSERT_TRUE(again.settings) << problems(again.diagnostics);
  for (const auto& row : table()) {
    EXPECT_EQ(row.get(*first.settings), row.get(*as_yaml.settings)) << row.name;
    EXPECT_EQ(row.get(*first.settings), row.get(*again.settings)) << row.name;
  }
  EXPECT_EQ(again.settings->work_path, "/etc/p/spool");
  EXPECT_EQ(again.settings->vdomain[0].drop_dir, "/etc/p/shop");
  EXPECT_EQ(again.settings->smtp_port, 2525);
}

}  // namespace
}  // namespace posthouse::conf::test
