// The YAML syntax: shapes of values, positions, and every refusal with its exact text.
#include <gtest/gtest.h>

#include "tests/unit/conf/helper.hpp"

namespace posthouse::conf::test {
namespace {

std::string yaml(std::string_view text) { return read_shown(text, "t.yaml"); }

TEST(Yaml, Shapes) {
  const Case cases[] = {
      {"", ""},
      {"# only a comment\n", ""},
      {"---\n", ""},
      {"~", ""},
      {"{}", ""},
      {"smtp_port: 25", "t.yaml:1 smtp_port [25]\n"},
      {"---\nsmtp_port: 25\n...\n", "t.yaml:2 smtp_port [25]\n"},
      {"smtp_port: 25\r\npop_port: 110\r\n", "t.yaml:1 smtp_port [25]\nt.yaml:2 pop_port [110]\n"},
      {"SMTP_PORT: 25", "t.yaml:1 smtp_port [25]\n"},
      {"{smtp_port: 25, pop_port: 110}", "t.yaml:1 smtp_port [25]\nt.yaml:1 pop_port [110]\n"},
      {"host_domain: example.org", "t.yaml:1 host_domain [example.org]\n"},
      {"host_domain:\n  - a.example\n  - b.example\n",
       "t.yaml:2 host_domain [a.example]\nt.yaml:3 host_domain [b.example]\n"},
      {"host_domain: [a.example, b.example]",
       "t.yaml:1 host_domain [a.example]\nt.yaml:1 host_domain [b.example]\n"},
      {"vdomain:\n  - [p, \"@s\", d.example, /x]\n  - [q, \"@t\", e.example, /y]\n",
       "t.yaml:2 vdomain [p] [@s] [d.example] [/x]\nt.yaml:3 vdomain [q] [@t] [e.example] [/y]\n"},
      {"vdomain:\n  -\n    - p\n    - '@s'\n    - d.example\n    - /x\n",
       "t.yaml:3 vdomain [p] [@s] [d.example] [/x]\n"},
      {"smtp_port: [25]", "t.yaml:1 smtp_port [25]\n"},
      {"smtp_port: [25, 26]", "t.yaml:1 smtp_port [25] [26]\n"},
      {"drop_prefix: true", "t.yaml:1 drop_prefix [true]\n"},
      {"tls_min: 1.2", "t.yaml:1 tls_min [1.2]\n"},
      {"a: \"x y\"", "t.yaml:1 a [x y]\n"},
      {"a: x y", "t.yaml:1 a [x y]\n"},
      {"a: ''", "t.yaml:1 a []\n"},
      {"a: 'it''s'", "t.yaml:1 a [it's]\n"},
      {"a: \"\\u00e9\"", "t.yaml:1 a [\xc3\xa9]\n"},
      {"a: \"null\"", "t.yaml:1 a [null]\n"},
      {"a: x # comment", "t.yaml:1 a [x]\n"},
      {"a: x#y", "t.yaml:1 a [x#y]\n"},
      {"a: !!str 25", "t.yaml:1 a [25]\n"},
      {"a:", "t.yaml:1 a\n"},
      {"a: ~", "t.yaml:1 a\n"},
      {"a: null", "t.yaml:1 a\n"},
      {"a: []", "t.yaml:1 a\n"},
      {"smtp_port: []", "t.yaml:1 smtp_port\n"},
      {"a: [x, [y, z]]", "t.yaml:1 a [x]\nt.yaml:1 a [y] [z]\n"},
      {"a: [[]]", "t.yaml:1 a\n"},
      {"\xef\xbb\xbf"
       "a: b",
       "t.yaml:1 a [b]\n"},
      {"a: >-\n  x\n  y\n", "t.yaml:1 a [x y]\n"},
  };
  for (const auto& entry : cases) EXPECT_EQ(yaml(entry.input), entry.expected) << entry.input;
}

TEST(Yaml, Refused) {
  const Case cases[] = {
      {"just words",
       "t.yaml:1: error: the file must be a mapping; write lines like `host_domain: "
       "example.org'\n"},
      {"\n- a\n- b",
       "t.yaml:2: error: the file must be a mapping; write lines like `host_domain: "
       "example.org'\n"},
      {"a: b\na: c",
       "t.yaml:1 a [b]\nt.yaml:2: error: `a' stands in line 1 already; write its values "
       "as one list\n"},
      {"a: b\n\nA: c",
       "t.yaml:1 a [b]\nt.yaml:3: error: `a' stands in line 1 already; write its "
       "values as one list\n"},
      {"a: {b: c}", "t.yaml:1: error: `a': a setting takes a word or a list, not a mapping\n"},
      {"a:\n  b: c", "t.yaml:2: error: `a': a setting takes a word or a list, not a mapping\n"},
      {"a: [{b: c}]", "t.yaml:1: error: `a': write a word here, not a list or mapping\n"},
      {"a:\n  - x\n  -\n",
       "t.yaml:2 a [x]\nt.yaml:4: error: `a': a value is missing; write \"\" for "
       "an empty word\n"},
      {"smtp_port: [[25]]",
       "t.yaml:1: error: `smtp_port': write a word here, not a list or mapping\n"},
      {"a: [x, [y, [z]]]",
       "t.yaml:1: error: values are nested too deep; a setting takes a word, a "
       "list of words or a list of such lists\n"},
      {"[a]: b", "t.yaml:1: error: the name of a setting must be a word\n"},
      {"? {a: b}\n: c", "t.yaml:1: error: the name of a setting must be a word\n"},
      {"~: b", "t.yaml:1: error: the name of a setting must be a word\n"},
      {"a: &x b", "t.yaml:1: error: anchors (&name) are not supported; remove the anchor\n"},
      {"a: &x b\nc: *x",
       "t.yaml:1: error: anchors (&name) are not supported; remove the anchor\n"
       "t.yaml:2: error: aliases (*name) are not supported; write the value out\n"},
      {"a: \"x\\ny\"",
       "t.yaml:1: error: `a': a value may not hold the control character \\x0a; remove "
       "it\n"},
      {"a: |\n  x\n  y\n",
       "t.yaml:1: error: `a': a value may not hold the control character \\x0a; "
       "remove it\n"},
      {"a: \"\\0\"",
       "t.yaml:1: error: `a': a value may not hold the control character \\x00; remove "
       "it\n"},
      {"a: [x, \"\\e\"]",
       "t.yaml:1 a [x]\nt.yaml:1: error: `a': a value may not hold the control "
       "character \\x1b; remove it\n"},
      {"a: b\n---\nc: d",
       "t.yaml:3: error: the file holds more than one document; remove the line "
       "---\n"},
      {"include:", "t.yaml:1: error: include has no value; write a file name\n"},
      {"include: []", "t.yaml:1: error: include has no value; write a file name\n"},
      {"include: [[x]]", "t.yaml:1: error: include takes file names; write a list of words\n"},
      {"include: {a: b}",
       "t.yaml:1: error: `include': a setting takes a word or a list, not a "
       "mapping\n"},
      {"include: gone.yaml",
       "t.yaml:1: error: include `gone.yaml': cannot read gone.yaml: No such "
       "file or directory; write the file or remove this line\n"},
      {"include: \"a\\nb\"",
       "t.yaml:1: error: include `a\\x0ab': a value may not hold the control character \\x0a; "
       "remove "
       "it\n"},
      {"a: caf\xe9", "t.yaml:1: error: the file is not UTF-8; save it as such\n"},
      {"a: b\nc: d\ne: \xff", "t.yaml:3: error: the file is not UTF-8; save it as such\n"},
  };
  for (const auto& entry : cases) EXPECT_EQ(yaml(entry.input), entry.expected) << entry.input;
}

TEST(Yaml, SyntaxErrorsNameTheLine) {
  for (const Case& entry : {Case{"a: [b\nc: d", "t.yaml:2: error: not valid YAML: "},
                            Case{"a: \"b", "t.yaml:1: error: not valid YAML: "},
                            Case{"a: b\n\tc: d", "t.yaml:2: error: not valid YAML: "},
                            Case{"a: b\n c: d\n", "t.yaml:2: error: not valid YAML: "},
                            Case{"a: *gone", "t.yaml:1: error: not valid YAML: "},
                            Case{"a: @b", "t.yaml:1: error: not valid YAML: "}}) {
    const std::string found = yaml(entry.input);
    EXPECT_EQ(found.substr(0, entry.expected.size()), entry.expected) << entry.input << "\n"
                                                                      << found;
  }
}

TEST(Yaml, IncludesInPlace) {
  EXPECT_EQ(read_files_shown({{"/e/t.yaml", "a: 1\ninclude: [x.yaml, sub/y.conf]\nb: 2"},
                              {"/e/x.yaml", "c: 3"},
                              {"/e/sub/y.conf", "d 4\ninclude z.conf"},
                              {"/e/sub/z.conf", "e 5"}},
                             "/e/t.yaml"),
            "/e/t.yaml:1 a [1]\n/e/x.yaml:1 c [3]\n/e/sub/y.conf:1 d [4]\n/e/sub/z.conf:1 e [5]\n"
            "/e/t.yaml:3 b [2]\n");
}

TEST(Yaml, BombsHaveNothingToMultiply) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const auto last = std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) bomb += (j == 0 ? "*a" : ", *a") + last;
    bomb += "]\n";
  }
  Reader reader(files_in({}));
  reader.read_main_text(bomb, "t.yaml");
  const auto reading = reader.take();
  EXPECT_TRUE(reading.assignments.empty());
  EXPECT_EQ(reading.diagnostics.size(), 9U + 8U * 9U);
}

TEST(Yaml, DeepNestingIsRefusedNotFollowed) {
  const std::string deep = "a: " + std::string(400, '[') + std::string(400, ']');
  EXPECT_EQ(
      yaml(deep),
      "t.yaml:1: error: values are nested too deep; a setting takes a word, a list of words or "
      "a list of such lists\n");
  const std::string deeper = "a: " + std::string(100000, '[');
  EXPECT_NE(yaml(deeper).find("error: not valid YAML"), std::string::npos);
}

TEST(Yaml, ValuesFitTheOtherSyntax) {
  EXPECT_EQ(yaml("a: " + std::string(kMaxLineOctets, 'x')),
            "t.yaml:1: error: `a': the value is longer than 8192 octets; write several\n");
  const std::string longest(kMaxLineOctets - 3, 'x');
  EXPECT_EQ(yaml("a: " + longest), "t.yaml:1 a [" + longest + "]\n");
}

}  // namespace
}  // namespace posthouse::conf::test
