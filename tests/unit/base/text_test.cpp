// Text helpers: tables, and properties against simple reference forms.
#include "base/text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace posthouse::base {
namespace {

TEST(Text, ChangesCaseOfAsciiOnly) {
  EXPECT_EQ(to_lower("AbZ@[`{\xc3\x84"), "abz@[`{\xc3\x84");
  EXPECT_EQ(to_upper("aBz@[`{\xc3\xa4"), "ABZ@[`{\xc3\xa4");
  EXPECT_TRUE(iequals("MaiL", "mAIl"));
  EXPECT_FALSE(iequals("mail", "mails"));
  EXPECT_FALSE(iequals("[", "{"));
  EXPECT_TRUE(istarts_with("MAIL FROM:<>", "mail from:"));
  EXPECT_FALSE(istarts_with("MAI", "MAIL"));
}

TEST(Text, Trims) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \r\n\t"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Text, Splits) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(split_words("  a \t bc "), (std::vector<std::string_view>{"a", "bc"}));
  EXPECT_TRUE(split_words(" \t").empty());
}

TEST(Text, ParsesUnsignedNumbersStrictly) {
  EXPECT_EQ(parse_u64("0"), 0U);
  EXPECT_EQ(parse_u64("007"), 7U);
  EXPECT_EQ(parse_u64("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "0x1", "1.0", "a"}) {
    EXPECT_EQ(parse_u64(bad), std::nullopt) << bad;
  }
}

TEST(Text, PrintableEscapesAndCuts) {
  EXPECT_EQ(printable("a b\r\n\x7f\xc3"), "a b\\x0d\\x0a\\x7f\\xc3");
  EXPECT_EQ(printable("abcdef", 3), "abc");
  EXPECT_EQ(printable("ab\n", 5), "ab");  // an escape is not cut in two
}

TEST(Text, KnowsUtf8) {
  for (const char* good : {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << printable(good);
  }
  for (const char* bad : {"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2\x41",
                          "\xe0\x9f\xbf", "\xed\xa0\x80", "\xef\xbf", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << printable(bad);
  }
}

TEST(Text, ComparesInConstantTime) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_constant_time("secret", "secreu"));
  EXPECT_FALSE(equal_constant_time("xecret", "secret"));
  EXPECT_FALSE(equal_constant_time("secret", "secret "));
}

TEST(Text, MeasuresEditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("smtp_port", "smtp_prot"), 2U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_GT(edit_distance(std::string(65, 'a'), "a"), 1000U);
}

RC_GTEST_PROP(Text, EditDistanceIsAMetric, ()) {
  const auto word = rc::gen::container<std::string>(rc::gen::elementOf(std::string("abc")));
  const auto cut = [](std::string text) { return text.substr(0, 12); };
  const std::string a = cut(*word);
  const std::string b = cut(*word);
  const std::string c = cut(*word);
  RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
  RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
  RC_ASSERT(edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c));
}

TEST(Text, Base64TestVectors) {  // RFC 4648 section 10
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(base64_encode(plain), coded);
    EXPECT_EQ(base64_decode(coded), plain);
  }
}

TEST(Text, Base64RefusesWhatIsNotCanonical) {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "=",
                          "====", "Zg==Zg==", "Zh==", "Zm9=", "Z g=", "Zm9v\n", "Zm-_", "Zm=v"}) {
    EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
  }
}

RC_GTEST_PROP(Text, Base64RoundTrips, (const std::string& data)) {
  const std::string coded = base64_encode(data);
  RC_ASSERT(coded.size() % 4 == 0U);
  RC_ASSERT(base64_decode(coded) == data);
}

}  // namespace
}  // namespace posthouse::base
