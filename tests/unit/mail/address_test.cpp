// Addresses, paths and domains: tables from the grammar of RFC 5321 4.1.2 and 4.1.3, RFC 6531.
#include "mail/address.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.hpp"

namespace posthouse::mail {
namespace {

const std::string kLocal64(64, 'a');
const std::string kLabel63(63, 'b');
// 255 octets: three labels of 63, one of 61, and the dots between and after them.
const std::string kDomain255 =
    kLabel63 + "." + kLabel63 + "." + kLabel63 + "." + std::string(61, 'c') + ".d";

struct Accepted {
  std::string text;
  std::string local;
  std::string domain;
  std::string printed;  // empty: as `text`
};

TEST(Address, ParsesValidOnes) {
  const Accepted cases[] = {
      {"smith@foo.com", "smith", "foo.com", ""},
      {"SMITH@FOO.COM", "SMITH", "foo.com", "SMITH@foo.com"},
      {"a.b.c@x", "a.b.c", "x", ""},
      {"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~", "example.org", ""},
      {"\"a b\"@example.org", "a b", "example.org", ""},
      {"\"joe\"@example.org", "joe", "example.org", "joe@example.org"},
      {"\"j\\oe\"@example.org", "joe", "example.org", "joe@example.org"},
      {"\"a\\\"b\\\\c\"@example.org", "a\"b\\c", "example.org", ""},
      {"\"a..b\"@example.org", "a..b", "example.org", ""},
      {"\"a@b\"@example.org", "a@b", "example.org", ""},
      {"\"\"@example.org", "", "example.org", ""},
      {"\"\\ \"@example.org", " ", "example.org", "\" \"@example.org"},
      {"x@[192.0.2.1]", "x", "[192.0.2.1]", ""},
      {"x@[192.000.002.001]", "x", "[192.000.002.001]", ""},
      {"x@[IPv6:2001:DB8::1]", "x", "[ipv6:2001:db8::1]", "x@[ipv6:2001:db8::1]"},
      {"x@1.2.3.4", "x", "1.2.3.4", ""},
      {"x@a-b--c.example", "x", "a-b--c.example", ""},
      {kLocal64 + "@example.org", kLocal64, "example.org", ""},
      {"x@" + kLabel63 + ".example", "x", kLabel63 + ".example", ""},
      {"j\xc3\xbcrgen@example.org", "j\xc3\xbcrgen", "example.org", ""},
      {"\"j\xc3\xbcr gen\"@example.org", "j\xc3\xbcr gen", "example.org", ""},
      {"x@b\xc3\xbc"
       "cher.example",
       "x", "xn--bcher-kva.example", "x@xn--bcher-kva.example"},
      {"x@B\xc3\x9c"
       "CHER.example",
       "x", "xn--bcher-kva.example", "x@xn--bcher-kva.example"},
  };
  for (const Accepted& one : cases) {
    const auto address = parse_address(one.text);
    ASSERT_TRUE(address) << one.text;
    EXPECT_EQ(address->local, one.local) << one.text;
    EXPECT_EQ(address->domain, one.domain) << one.text;
    EXPECT_EQ(address->text(), one.printed.empty() ? one.text : one.printed);
    EXPECT_EQ(parse_address(address->text()), address);
  }
}

TEST(Address, RefusesInvalidOnes) {
  const std::string cases[] = {"",
                               "@",
                               "a",
                               "a@",
                               "@b",
                               "postmaster",
                               "a@b@c",
                               " a@b",
                               "a@b ",
                               "a b@c",
                               "a@b c",
                               ".a@b",
                               "a.@b",
                               "a..b@c",
                               "a,b@c",
                               "a:b@c",
                               "a;b@c",
                               "(c)a@b",
                               "a(c)@b",
                               "a<b@c",
                               "<a@b>",
                               "a\\b@c",
                               "a\"b@c",
                               "\"a@b",
                               "\"a\"b@c",
                               "\"a\\@b",
                               "\"a\\\"@b",
                               "\"a\nb\"@c",
                               "\"a\\\nb\"@c",
                               "\"a\tb\"@c",
                               "\"a\x7f\"@c",
                               "a\x7f@c",
                               "a\t@c",
                               std::string("a\0b@c", 5),
                               std::string("\"a\0\"@c", 6),
                               "a@b.",
                               "a@.b",
                               "a@b..c",
                               "a@-b",
                               "a@b-",
                               "a@b.-c",
                               "a@b_c",
                               "a@b!c",
                               "a@b.c-",
                               "a@" + std::string(64, 'b'),
                               "a@" + kDomain255,
                               std::string(65, 'a') + "@b",
                               "\"" + std::string(63, 'a') + "\"@b",
                               "a@[",
                               "a@[]",
                               "a@[192.0.2]",
                               "a@[192.0.2.1",
                               "a@[192.0.2.256]",
                               "a@[192.0.2.0001]",
                               "a@[192.0.2.1.1]",
                               "a@[192.0.2.-1]",
                               "a@[192.0.2. 1]",
                               "a@[2001:db8::1]",
                               "a@[IPv6:]",
                               "a@[IPv6:192.0.2.1]",
                               "a@[IPv6:1::2::3]",
                               "a@[IPv6:12345::]",
                               "a@[IPv6:::g]",
                               "a@[192.0.2.1]b",
                               "a@[192.0.2.1].b",
                               "a@[tag:]",
                               "a@[:x]",
                               "a@[-:]",
                               "a@[tag-:x]",
                               "a@[tag:a b]",
                               "a@[tag:a\\b]",
                               "a@[tag:a[b]",
                               "a@[IPv6:x]",
                               "\xff@b",
                               "a\xc3@b",
                               "\xc0\xaf@b",
                               "\xed\xa0\x80@b",
                               "\xc2\x85@b",
                               "a@\xff.example",
                               "a@\xe2\x80\xa8.example",
                               "a@x\xef\xbc\x8f.example"};
  for (const std::string& text : cases) {
    EXPECT_EQ(parse_address(text), std::nullopt) << base::printable(text);
  }
}

TEST(Address, WholeLengthIsLimitedByThePath) {
  const std::string domain = std::string(61, 'b') + "." + kLabel63 + "." + kLabel63;  // 189
  EXPECT_TRUE(parse_address(kLocal64 + "@" + domain));                                // 254
  EXPECT_TRUE(parse_path("<" + kLocal64 + "@" + domain + ">", PathKind::forward));    // 256
  EXPECT_FALSE(parse_address(kLocal64 + "@b" + domain));
  EXPECT_FALSE(parse_path("<" + kLocal64 + "@b" + domain + ">", PathKind::forward));
}

TEST(Domain, TableOfRfc5321) {
  for (const std::string& good :
       {std::string("a"), std::string("localhost"), std::string("xn--bcher-kva.example"),
        std::string("9.example"), kDomain255, std::string("[127.0.0.1]"), std::string("[IPv6:::]"),
        std::string("[IPv6:::1]"), std::string("[ipv6:1:2:3:4:5:6:7:8]"),
        std::string("[IPv6:1:2:3:4:5:6::]"), std::string("[IPv6:1:2:3:4:5:6:192.0.2.1]"),
        std::string("[IPv6:::ffff:192.0.2.1]"), std::string("[IPv6:1:2:3:4::192.0.2.1]"),
        std::string("[x400:c=de;a=b]"), std::string("[A-1:!]")}) {
    EXPECT_TRUE(is_valid_domain(good)) << good;
    EXPECT_EQ(is_address_literal(good), good[0] == '[') << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a."), std::string("a b"), std::string("a\n"),
        kDomain255 + "e", "e" + kDomain255, std::string("[IPv6:1:2:3:4:5:6:7::]"),
        std::string("[IPv6:1:2:3:4:5::192.0.2.1]"), std::string("[1.2.3.4"),
        std::string("[IPv6:1:2:3:4:5:6:7:8:9]"), std::string("[IPv6:fe80::1%eth0]"),
        std::string("[IPv6:::1\0]", 11)}) {
    EXPECT_FALSE(is_valid_domain(bad)) << base::printable(bad);
    EXPECT_FALSE(is_address_literal(bad)) << base::printable(bad);
  }
}

TEST(Domain, NormalFormIsOneForAllSpellings) {
  EXPECT_EQ(normalize_domain("EXAMPLE.org"), "example.org");
  EXPECT_EQ(normalize_domain("b\xc3\xbc"
                             "cher.example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(normalize_domain("bu\xcc\x88"
                             "cher.example"),
            "xn--bcher-kva.example");  // NFD
  EXPECT_EQ(normalize_domain("XN--BCHER-KVA.Example"), "xn--bcher-kva.example");
  EXPECT_EQ(normalize_domain("fa\xc3\x9f.example"), "xn--fa-hia.example");  // IDNA 2008, not "fass"
  EXPECT_EQ(normalize_domain(std::string(200, 'x') + "\xc3\xbc"), std::nullopt);
}

struct PathCase {
  std::string text;
  std::string printed;
  std::size_t consumed;
  bool route;
};

TEST(Path, ParsesAndLeavesTheRest) {
  const PathCase cases[] = {
      {"<a@b> SIZE=1", "a@b", 5, false},
      {"<a@b>", "a@b", 5, false},
      {"<@x:a@b>", "a@b", 8, true},  // RFC 5321 3.6.1
      {"<@x,@[192.0.2.1]:a@b>>", "a@b", 21, true},
      {"<\"a>b\"@c>x", "\"a>b\"@c", 9, false},
  };
  for (const PathCase& one : cases) {
    for (const PathKind kind : {PathKind::reverse, PathKind::forward}) {
      const auto path = parse_path(one.text, kind);
      ASSERT_TRUE(path) << one.text;
      EXPECT_EQ(path->address.text(), one.printed);
      EXPECT_EQ(path->consumed, one.consumed) << one.text;
      EXPECT_EQ(path->source_route, one.route);
      EXPECT_FALSE(path->null);
    }
  }
}

TEST(Path, RefusesInvalidOnes) {
  for (const char* text : {"", "a@b", "<", "<a@b", "<a>", "< a@b>", "<a@b >", " <a@b>", "<@x>",
                           "<@x:>", "<@x,a@b>", "<@x,:a@b>", "<@x,@y a@b>", "<x:a@b>", "<<a@b>>",
                           "<a@b\r\n>", "<@x:postmaster>", "<@-x:a@b>"}) {
    EXPECT_FALSE(parse_path(text, PathKind::reverse)) << text;
    EXPECT_FALSE(parse_path(text, PathKind::forward)) << text;
  }
}

TEST(Path, NullAndPostmaster) {
  const auto null = parse_path("<> BODY=8BITMIME", PathKind::reverse);
  ASSERT_TRUE(null);
  EXPECT_TRUE(null->null);
  EXPECT_TRUE(null->address.empty());
  EXPECT_EQ(null->consumed, 2U);
  EXPECT_FALSE(parse_path("<>", PathKind::forward));
  const auto postmaster = parse_path("<PostMaster>", PathKind::forward);
  ASSERT_TRUE(postmaster);
  EXPECT_EQ(postmaster->address.local, "PostMaster");
  EXPECT_EQ(postmaster->address.key(), "postmaster");
  EXPECT_TRUE(postmaster->address.domain.empty());
  EXPECT_FALSE(parse_path("<postmaster>", PathKind::reverse));
  EXPECT_FALSE(parse_path("<abuse>", PathKind::forward));
}

TEST(Address, KeysCompareWithoutCaseAndInNfc) {
  const auto key = [](std::string_view text) { return parse_address(text)->key(); };
  EXPECT_EQ(key("Alice.B@Example.ORG"), "alice.b@example.org");
  EXPECT_EQ(key("J\xc3\x9cRGEN@example.org"), key("ju\xcc\x88rgen@example.org"));
  EXPECT_NE(key("jurgen@example.org"), key("j\xc3\xbcrgen@example.org"));
  EXPECT_EQ(key("\"joe\"@example.org"), key("joe@example.org"));
  EXPECT_EQ((Address{"\xff"
                     "A",
                     "b"}
                 .key()),
            "\xff"
            "a@b");  // not UTF-8: octets stay
  EXPECT_EQ(Address().text(), "");
  EXPECT_EQ(Address().key(), "");
}

// Any local part and domain built from the grammar parse, and print to something that parses alike.
RC_GTEST_PROP(Address, PrintedFormsParse, ()) {
  const std::string octets = "ab.@\" \\<>(),;:[]!Z0";
  std::string local = *rc::gen::container<std::string>(rc::gen::elementOf(octets));
  local.resize(std::min<std::size_t>(local.size(), 20));
  const Address address{local, "example.org"};
  RC_ASSERT(parse_address(address.text()) == address);
  const auto path = parse_path("<" + address.text() + "> x", PathKind::reverse);
  RC_ASSERT(path.has_value());
  RC_ASSERT(path->address == address);
  RC_ASSERT(path->consumed == address.text().size() + 2);
}

RC_GTEST_PROP(Address, KeyIsItsOwnKey, ()) {
  std::string local;
  for (const auto code : *rc::gen::container<std::vector<std::uint32_t>>(
           rc::gen::inRange<std::uint32_t>(0xa0, 0x2000))) {
    local += static_cast<char>(code < 0x800 ? 0xc0 | code >> 6 : 0xe0 | code >> 12);
    if (code >= 0x800) {
      local += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    }
    local += static_cast<char>(0x80 | (code & 0x3f));
  }
  RC_ASSERT(base::is_utf8(local));
  const std::string key = Address{local, ""}.local_key();
  RC_ASSERT((Address{key, ""}.local_key()) == key);
}

}  // namespace
}  // namespace posthouse::mail
