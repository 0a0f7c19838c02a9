// Single values: what parses, to what, and what is refused.
#include "conf/values.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace posthouse::conf {
namespace {

using std::chrono::seconds;

TEST(Duration, UnitsAndBareNumbers) {
  EXPECT_EQ(parse_duration("0"), seconds(0));
  EXPECT_EQ(parse_duration("90"), seconds(90));
  EXPECT_EQ(parse_duration("90s"), seconds(90));
  EXPECT_EQ(parse_duration("15m"), seconds(900));
  EXPECT_EQ(parse_duration("2H"), seconds(7200));
  EXPECT_EQ(parse_duration("3d"), seconds(3 * 86400));
  EXPECT_EQ(parse_duration("1W"), seconds(7 * 86400));
  EXPECT_EQ(parse_duration("120", seconds(3600)), seconds(120 * 3600));
  EXPECT_EQ(parse_duration("120m", seconds(3600)), seconds(7200));
  EXPECT_EQ(parse_duration("36500d"), seconds(36500LL * 86400));
}

TEST(Duration, Refused) {
  for (const char* bad : {"", "m", "-1", "+1", "1.5h", "1h30m", "1 m", "1y", "36501d",
                          "99999999999999999999", "18446744073709551615w", "0x10", "m1"}) {
    const auto value = parse_duration(bad);
    ASSERT_FALSE(value) << bad;
    EXPECT_EQ(value.error(), std::string("`") + bad +
                                 "' is not a time; write a number with s, m, h, d or w, for "
                                 "example 15m");
  }
}

RC_GTEST_PROP(Duration, FormatReadsBack, ()) {
  const auto value = seconds(*rc::gen::inRange<std::int64_t>(0, 100LL * 365 * 86400));
  RC_ASSERT(parse_duration(format_duration(value)) == value);
  RC_ASSERT(parse_duration(format_duration(value), seconds(3600)) == value);
}

TEST(Size, UnitsAndBareNumbers) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("1000"), 1000U);
  EXPECT_EQ(parse_size("64K"), 65536U);
  EXPECT_EQ(parse_size("64k"), 65536U);
  EXPECT_EQ(parse_size("25M"), 25U * 1024 * 1024);
  EXPECT_EQ(parse_size("2g"), 2ULL * 1024 * 1024 * 1024);
  EXPECT_EQ(parse_size("100", kMega), 100U * 1024 * 1024);
  EXPECT_EQ(parse_size("100K", kMega), 102400U);
}

TEST(Size, Refused) {
  for (const char* bad : {"", "K", "1KB", "1.5M", "-1", "5T", "1 M", "18446744073709551616",
                          "9999999999999G", "0x1M"}) {
    const auto value = parse_size(bad);
    ASSERT_FALSE(value) << bad;
    EXPECT_EQ(value.error(), std::string("`") + bad +
                                 "' is not a size; write a number with K, M or G, for example 25M");
  }
}

TEST(Size, FormatIsShort) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(25 * kMega), "25M");
  EXPECT_EQ(format_size(1024), "1K");
  EXPECT_EQ(format_size(1025), "1025");
  EXPECT_EQ(format_size(3 * kGiga), "3G");
  EXPECT_EQ(format_size(1025, kMega), "2K");  // a bare number would mean MB
}

RC_GTEST_PROP(Size, FormatReadsBack, ()) {
  const auto value = *rc::gen::inRange<std::uint64_t>(0, 1ULL << 40);
  RC_ASSERT(parse_size(format_size(value)) == value);
  const auto kilos = value / kKilo * kKilo;
  RC_ASSERT(parse_size(format_size(kilos, kMega), kMega) == kilos);
}

TEST(Bool, Words) {
  for (const char* yes : {"true", "TRUE", "yes", "Yes", "on", "ON"}) {
    EXPECT_EQ(parse_bool(yes), true) << yes;
  }
  for (const char* no : {"false", "False", "no", "NO", "off", "Off"}) {
    EXPECT_EQ(parse_bool(no), false) << no;
  }
  for (const char* bad : {"", "1", "0", "t", "y", "enable", "truee"}) {
    ASSERT_FALSE(parse_bool(bad)) << bad;
  }
  EXPECT_EQ(parse_bool("1").error(), "`1' is neither true nor false; write true or false");
}

TEST(Count, Range) {
  EXPECT_EQ(parse_count("5", 1, 10), 5U);
  EXPECT_EQ(parse_count("1", 1, 10), 1U);
  EXPECT_EQ(parse_count("10", 1, 10), 10U);
  for (const char* bad : {"0", "11", "", "x", "5K", "-5", " 5"})
    EXPECT_FALSE(parse_count(bad, 1, 10)) << bad;
  EXPECT_EQ(parse_count("11", 1, 10).error(), "`11' is not a number from 1 to 10; write one");
}

TEST(Port, Range) {
  EXPECT_EQ(parse_port("0"), 0);
  EXPECT_EQ(parse_port("25"), 25);
  EXPECT_EQ(parse_port("65535"), 65535);
  for (const char* bad : {"65536", "-1", "", "smtp", "2525x", "99999999999999999999"}) {
    EXPECT_FALSE(parse_port(bad)) << bad;
  }
}

TEST(Domain, LowerCaseAndNoLiterals) {
  EXPECT_EQ(parse_domain("Example.ORG"), "example.org");
  EXPECT_EQ(parse_domain("a-b.example"), "a-b.example");
  EXPECT_EQ(parse_domain("localhost"), "localhost");
  EXPECT_EQ(parse_domain("b\xc3\xbc"
                         "cher.example"),
            "xn--bcher-kva.example");
  for (const char* bad : {"", "exa mple.org", "-a.org", ".org", "a..b", "[127.0.0.1]", "a_b!.org",
                          "user@example.org", "*.example.org", "*"}) {
    EXPECT_FALSE(parse_domain(bad)) << bad;
  }
}

TEST(MailAddress, FullOrBare) {
  EXPECT_EQ(parse_mail_address("Bob@Example.ORG"), "Bob@example.org");
  EXPECT_EQ(parse_mail_address("bob"), "bob");
  for (const char* bad : {"", "@example.org", "bob@", "a b", "a@b@c", "<bob@example.org>", "a,b"}) {
    EXPECT_FALSE(parse_mail_address(bad)) << bad;
  }
}

TEST(UserName, Shape) {
  for (const char* good : {"posthouse", "mail", "_x", "a.b", "Debian-exim", "u1"}) {
    EXPECT_EQ(parse_user_name(good), good);
  }
  for (const char* bad :
       {"", "-a", ".a", "a b", "a:b", "a/b", "root\n", "ü", "abcdefghijklmnopqrstuvwxyz1234567"}) {
    EXPECT_FALSE(parse_user_name(bad)) << bad;
  }
}

TEST(ListenAddress, Families) {
  EXPECT_EQ(parse_listen_address("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(parse_listen_address("::1"), "::1");
  EXPECT_EQ(parse_listen_address("[::1]"), "::1");
  EXPECT_EQ(parse_listen_address("*"), "*");
  EXPECT_EQ(parse_listen_address("0.0.0.0"), "0.0.0.0");
  for (const char* bad : {"", "localhost", "127.0.0.1:25", "[::1]:25", "127.0.0", "1.2.3.256",
                          "[127.0.0.1]", "[]", "::g", "127.0.0.1/8"}) {
    EXPECT_FALSE(parse_listen_address(bad)) << bad;
  }
}

TEST(AddressList, Items) {
  using Items = std::vector<std::string>;
  EXPECT_EQ(parse_address_list("127.0.0.1"), Items{"127.0.0.1"});
  EXPECT_EQ(parse_address_list("127.0.0.1,10.0.0.0/8"), (Items{"127.0.0.1", "10.0.0.0/8"}));
  EXPECT_EQ(parse_address_list(" 1.2.3.* , ::1,"), (Items{"1.2.3.*", "::1"}));
  EXPECT_EQ(parse_address_list("2001:db8::/32"), Items{"2001:db8::/32"});
  EXPECT_EQ(parse_address_list("1.2.*"), Items{"1.2.*"});
  EXPECT_EQ(parse_address_list("1.2.*.*"), Items{"1.2.*.*"});
  EXPECT_EQ(parse_address_list("0.0.0.0/0"), Items{"0.0.0.0/0"});
  EXPECT_EQ(parse_address_list(","), Items{});
  for (const char* bad : {"localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "1.*.3.4",
                          "*", "*.*.*.*", "1.2.3.256", "1.2.3.4.5", "1.2.3.4/-1", "10.0.0.0/8/8",
                          "a.b.*", "1.2.3.0004", "1.2.3.*.*"}) {
    ASSERT_FALSE(parse_address_list(bad)) << bad;
    EXPECT_NE(parse_address_list(bad).error().find(bad), std::string::npos);
  }
}

TEST(AddressList, FixedBits) {
  EXPECT_EQ(address_item_bits("1.2.3.4"), 32U);
  EXPECT_EQ(address_item_bits("::1"), 128U);
  EXPECT_EQ(address_item_bits("10.0.0.0/8"), 8U);
  EXPECT_EQ(address_item_bits("1.2.3.*"), 24U);
  EXPECT_EQ(address_item_bits("1.*"), 8U);
  EXPECT_EQ(address_item_bits("0.0.0.0/0"), 0U);
}

TEST(Path, AbsoluteOrBesideTheFile) {
  EXPECT_EQ(parse_path("/a/b", "/etc"), "/a/b");
  EXPECT_EQ(parse_path("/a//b/", "/etc"), "/a/b");
  EXPECT_EQ(parse_path("/a/./b/../c", "/etc"), "/a/c");
  EXPECT_EQ(parse_path("./spool", "/etc/posthouse"), "/etc/posthouse/spool");
  EXPECT_EQ(parse_path("../spool", "/etc/posthouse"), "/etc/spool");
  EXPECT_EQ(parse_path("./", "/etc/posthouse"), "/etc/posthouse");
  EXPECT_EQ(parse_path("/", "/etc"), "/");
  EXPECT_EQ(parse_path("/with space/x", "/"), "/with space/x");
  for (const char* bad : {"", "spool", "~/spool", ".hidden", "..x/y", "C:\\mail"}) {
    EXPECT_FALSE(parse_path(bad, "/etc")) << bad;
  }
  EXPECT_EQ(parse_path("spool", "/etc").error(),
            "`spool' is not an absolute path; write one that begins with /, or with ./ for the "
            "folder of this configuration file");
  EXPECT_FALSE(parse_path("/" + std::string(1100, 'a'), "/"));
}

TEST(Quotes, UnprintableIsEscapedAndLongIsCut) {
  EXPECT_EQ(in_quotes("abc"), "`abc'");
  EXPECT_EQ(in_quotes(std::string("a\x01") + "b").find('\x01'), std::string::npos);
  EXPECT_LT(in_quotes(std::string(1000, 'x')).size(), 100U);
}

}  // namespace
}  // namespace posthouse::conf
