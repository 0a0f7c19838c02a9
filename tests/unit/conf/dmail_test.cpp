// The dmail.conf syntax: words, quotes, comments, includes, and every refusal with its exact text.
#include <gtest/gtest.h>

#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

TEST(DmailLines, WordsAndQuotes) {
  const Case cases[] = {
      {"", ""},
      {"\n\n  \n\t\n", ""},
      {"smtp_port 25", "t.conf:1 smtp_port [25]\n"},
      {"smtp_port 25\n", "t.conf:1 smtp_port [25]\n"},
      {"smtp_port 25\r\n", "t.conf:1 smtp_port [25]\n"},
      {"smtp_port\t25", "t.conf:1 smtp_port [25]\n"},
      {"  smtp_port   25  ", "t.conf:1 smtp_port [25]\n"},
      {"SMTP_Port 25", "t.conf:1 smtp_port [25]\n"},
      {"\nsmtp_port 25", "t.conf:2 smtp_port [25]\n"},
      {"\r\n\r\na b\r\nc d\r\n", "t.conf:3 a [b]\nt.conf:4 c [d]\n"},
      {"a", "t.conf:1 a\n"},
      {"a b c d", "t.conf:1 a [b] [c] [d]\n"},
      {"a \"b c\" d", "t.conf:1 a [b c] [d]\n"},
      {"a \"\"", "t.conf:1 a []\n"},
      {"a \"\" \"\"", "t.conf:1 a [] []\n"},
      {"a b\"\"c", "t.conf:1 a [bc]\n"},
      {"a user=\"b c\" d", "t.conf:1 a [user=b c] [d]\n"},
      {"a \"b\"\"c\"", "t.conf:1 a [bc]\n"},
      {"a \"say \\\"hi\\\"\"", "t.conf:1 a [say \"hi\"]\n"},
      {"a \"c:\\\\dir\"", "t.conf:1 a [c:\\dir]\n"},
      {"a c:\\dir\\new", "t.conf:1 a [c:\\dir\\new]\n"},
      {"a b # not a comment", "t.conf:1 a [b] [#] [not] [a] [comment]\n"},
      {"a b#c", "t.conf:1 a [b#c]\n"},
      {"# a comment\n  # another\n\t#third\na b", "t.conf:4 a [b]\n"},
      {"#", ""},
      {"a \"tab\there\"", "t.conf:1 a [tab\there]\n"},
      {"a b\\", "t.conf:1 a [b\\]\n"},
      {"a b \\\nc d", "t.conf:1 a [b] [\\]\nt.conf:2 c [d]\n"},
      {"\xef\xbb\xbfhost_name x", "t.conf:1 host_name [x]\n"},
      {"a \xc3\xa9t\xc3\xa9", "t.conf:1 a [\xc3\xa9t\xc3\xa9]\n"},
      {"\"a\" b", "t.conf:1 a [b]\n"},
      {"a = b", "t.conf:1 a [=] [b]\n"},
      {"a=b", "t.conf:1 a=b\n"},
      {"a '", "t.conf:1 a [']\n"},
      {"a 'b c'", "t.conf:1 a ['b] [c']\n"},
      {"#includes are nice", ""},
      {"#included", ""},
      {"# include x", ""},
  };
  for (const auto& entry : cases) {
    EXPECT_EQ(read_shown(entry.input), entry.expected) << entry.input;
  }
}

constexpr const char* kOpenQuote =
    "error: a double quote is not closed; add one at the end of the value\n";
constexpr const char* kBackslash =
    "error: a backslash inside double quotes must stand before \" or \\; write \\\\ for a "
    "backslash\n";

TEST(DmailLines, Refused) {
  const std::string at1 = "t.conf:1: ";
  const std::string at2 = "t.conf:2: ";
  const Case cases[] = {
      {"a \"b", at1 + kOpenQuote},
      {"a b\"", at1 + kOpenQuote},
      {"a \"", at1 + kOpenQuote},
      {"a \"b\\\"", at1 + kOpenQuote},
      {"a \\\"b\\\"", at1 + kOpenQuote},
      {"\n\"", at2 + kOpenQuote},
      {"a \"b\\n\"", at1 + kBackslash},
      {"a \"b\\", at1 + kBackslash},
      {"a \"c:\\dir\"", at1 + kBackslash},
      {"\na \"\\ \"", at2 + kBackslash},
      {"a b\x01", at1 + "error: a value may not hold the control character \\x01; remove it\n"},
      {"a b\x7f", at1 + "error: a value may not hold the control character \\x7f; remove it\n"},
      {"a\rb", at1 + "error: a value may not hold the control character \\x0d; remove it\n"},
      {"a b\r\r\n", at1 + "error: a value may not hold the control character \\x0d; remove it\n"},
      {"\n\n\x1b[0m",
       "t.conf:3: error: a value may not hold the control character \\x1b; remove it\n"},
      {"a caf\xe9", at1 + "error: `caf\\xe9' is not UTF-8; save the file in UTF-8\n"},
      {"a \xed\xa0\x80", at1 + "error: `\\xed\\xa0\\x80' is not UTF-8; save the file in UTF-8\n"},
      {"include", at1 +
                      "error: include takes one file name, not 0 words; put a name with spaces in "
                      "double quotes\n"},
      {"include a b", at1 +
                          "error: include takes one file name, not 2 words; put a name with spaces "
                          "in double quotes\n"},
      {"include \"\"",
       at1 + "error: include `': write the name of a file, for example `include more.conf'\n"},
      {"#include \"x", at1 + kOpenQuote},
      {"\n#include", ""},
  };
  for (const auto& entry : cases) EXPECT_EQ(read_shown(entry.input), entry.expected) << entry.input;
}

TEST(DmailLines, ABadLineDoesNotHideTheOthers) {
  EXPECT_EQ(read_shown("a \"b\nc d\n\"\ne f"),
            "t.conf:2 c [d]\nt.conf:4 e [f]\nt.conf:1: " + std::string(kOpenQuote) +
                "t.conf:3: " + kOpenQuote);
}

TEST(DmailLines, NulMeansItIsNoText) {
  const std::string wanted =
      "error: the file holds a NUL octet, so it is not text in UTF-8; save it as such\n";
  EXPECT_EQ(read_shown(std::string("a b\nc\0d\n", 8)), "t.conf:2: " + wanted);
  EXPECT_EQ(read_shown(std::string("#\0", 2)), "t.conf:1: " + wanted);
  EXPECT_EQ(read_shown(std::string("a: b\n\n\n\0", 8), "t.yaml"), "t.yaml:4: " + wanted);
}

TEST(DmailLines, LengthLimit) {
  const std::string longest = "a " + std::string(kMaxLineOctets - 2, 'x');
  EXPECT_EQ(read_shown(longest), "t.conf:1 a [" + longest.substr(2) + "]\n");
  EXPECT_EQ(read_shown(longest + "x"),
            "t.conf:1: error: the line is longer than 8192 octets; write several lines\n");
  EXPECT_EQ(read_shown("#" + longest + longest), "");  // a comment may be long
}

TEST(DmailLines, EndlessProblemsStop) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "\"\n";
  Reader reader(files_in({}));
  reader.read_main_text(text, "t.conf");
  const auto reading = reader.take();
  ASSERT_EQ(reading.diagnostics.size(), kMaxProblems);
  EXPECT_EQ(reading.diagnostics.back().text(),
            "t.conf:1000: error: too many problems; the rest of the configuration was not read");
}

TEST(DmailLines, EndlessSettingsStop) {
  std::string text;
  for (std::size_t i = 0; i < kMaxAssignments + 5; ++i) text += "a b\n";
  Reader reader(files_in({}));
  reader.read_main_text(text, "t.conf");
  const auto reading = reader.take();
  EXPECT_EQ(reading.assignments.size(), kMaxAssignments);
  ASSERT_EQ(reading.diagnostics.size(), 1U);
  EXPECT_EQ(reading.diagnostics[0].text(),
            "t.conf:500001: error: more than 500000 settings; split the configuration");
}

TEST(Include, BothSpellingsInOrder) {
  EXPECT_EQ(read_files_shown({{"t.conf", "a 1\ninclude x.conf\nb 2\n#include \"y z.conf\"\nc 3\n"},
                              {"x.conf", "\nin x\n"},
                              {"y z.conf", "in y\n"}}),
            "t.conf:1 a [1]\nx.conf:2 in [x]\nt.conf:3 b [2]\ny z.conf:1 in [y]\nt.conf:5 c [3]\n");
  EXPECT_EQ(read_files_shown({{"t.conf", "  #INCLUDE\tx.conf\nInclude x.conf"}, {"x.conf", "a b"}}),
            "x.conf:1 a [b]\nx.conf:1 a [b]\n");
}

TEST(Include, RelativeToTheFileItStandsIn) {
  EXPECT_EQ(read_files_shown({{"/etc/p/t.conf", "include d/one.conf"},
                              {"/etc/p/d/one.conf", "include two.conf\ninclude /abs.conf"},
                              {"/etc/p/d/two.conf", "a b"},
                              {"/abs.conf", "c d"}},
                             "/etc/p/t.conf"),
            "/etc/p/d/two.conf:1 a [b]\n/abs.conf:1 c [d]\n");
}

TEST(Include, MissingFile) {
  EXPECT_EQ(read_files_shown({{"/e/t.conf", "a b\ninclude gone.conf\nc d"}}, "/e/t.conf"),
            "/e/t.conf:1 a [b]\n/e/t.conf:3 c [d]\n/e/t.conf:2: error: include `gone.conf': cannot "
            "read /e/gone.conf: No such file or directory; write the file or remove this line\n");
  EXPECT_EQ(read_files_shown({}, "/e/t.conf"),
            "/e/t.conf:1: error: cannot read the configuration: No such file or directory; write "
            "one, or name another with -c FILE\n");
}

TEST(Include, Loops) {
  const std::string loop = "': that file is being read already (a loop); remove this line\n";
  EXPECT_EQ(read_files_shown({{"t.conf", "\ninclude t.conf"}}),
            "t.conf:2: error: include `t.conf" + loop);
  EXPECT_EQ(read_files_shown({{"t.conf", "include x.conf"}, {"x.conf", "a b\ninclude t.conf"}}),
            "x.conf:1 a [b]\nx.conf:2: error: include `t.conf" + loop);
  EXPECT_EQ(read_files_shown({{"t.conf", "include ./t.conf"}, {"./t.conf", "a b"}}),
            "t.conf:1: error: include `./t.conf" + loop);
}

TEST(Include, DepthEightIsTheDeepest) {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 9; ++i) {
    files["f" + std::to_string(i) + ".conf"] = "include f" + std::to_string(i + 1) + ".conf\n";
  }
  files["f8.conf"] = "a b\n";
  EXPECT_EQ(read_files_shown(files, "f0.conf"), "f8.conf:1 a [b]\n");
  files["f8.conf"] = "a b\ninclude f9.conf\n";
  files["f9.conf"] = "c d\n";
  EXPECT_EQ(read_files_shown(files, "f0.conf"),
            "f8.conf:1 a [b]\nf8.conf:2: error: include `f9.conf': files are nested deeper than 8; "
            "include it further up\n");
}

TEST(Include, ManyFilesStop) {
  std::string text;
  for (int i = 0; i < 1200; ++i) text += "include x.conf\n";
  const auto shown_text = read_files_shown({{"t.conf", text}, {"x.conf", ""}});
  EXPECT_EQ(shown_text, "t.conf:1000: error: include `x.conf': more than 1000 files; join some\n");
}

TEST(Include, TogetherTooLarge) {
  const std::string big(1024 * 1024, '#');
  std::string text;
  for (int i = 0; i < 20; ++i) text += "include x.conf\n";
  EXPECT_EQ(read_files_shown({{"t.conf", text}, {"x.conf", big}}),
            "x.conf:1: error: the configuration is larger than 16 MB; split off what is not one\n");
}

TEST(Include, OtherSyntaxByItsName) {
  EXPECT_EQ(read_files_shown({{"t.conf", "a b\ninclude x.yaml\ninclude y.YML"},
                              {"x.yaml", "c: d\ninclude: z.conf"},
                              {"y.YML", "e: f"},
                              {"z.conf", "g h"}}),
            "t.conf:1 a [b]\nx.yaml:1 c [d]\nz.conf:1 g [h]\ny.YML:1 e [f]\n");
}

TEST(ConfigFile, OnlyRegularFiles) {
  EXPECT_EQ(read_config_file("/").error().code, std::errc::is_a_directory);
  EXPECT_EQ(read_config_file("/dev/null").error().code, std::errc::invalid_argument);
  EXPECT_EQ(read_config_file("/no/such/file").error().code, std::errc::no_such_file_or_directory);
  const auto text = read_config_file(std::string(POSTHOUSE_SOURCE_DIR) + "/conf/reader.hpp");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->substr(0, 2), "//");
}

TEST(ConfigFile, NamesAndFolders) {
  EXPECT_TRUE(is_yaml_name("a.yaml"));
  EXPECT_TRUE(is_yaml_name("/x/a.YML"));
  EXPECT_FALSE(is_yaml_name(".yaml"));
  EXPECT_FALSE(is_yaml_name("yaml"));
  EXPECT_FALSE(is_yaml_name("a.conf"));
  EXPECT_EQ(folder_of("/etc/posthouse/dmail.conf"), "/etc/posthouse");
  EXPECT_EQ(folder_of("/dmail.conf"), "/");
  EXPECT_EQ(folder_of("/etc/./x/../dmail.conf"), "/etc");
  EXPECT_EQ(folder_of("dmail.conf").front(), '/');
}

}  // namespace
}  // namespace posthouse::conf::test
