// NOTIFY, ORCPT, RET, ENVID and their encodings: RFC 3461 4 and 5, RFC 6533 3.
#include "mail/dsn_params.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace posthouse::mail {
namespace {

constexpr std::uint8_t kS = Notify::kSuccess;
constexpr std::uint8_t kF = Notify::kFailure;
constexpr std::uint8_t kD = Notify::kDelay;

Notify bits(unsigned value) { return Notify::from_bits(static_cast<std::uint8_t>(value)).value(); }

std::string mail_error(std::string_view keyword, std::string_view value, DsnMail params = {}) {
  const DsnMail before = params;
  const DsnParam taken = take_dsn_param(keyword, value, params);
  EXPECT_TRUE(taken.known) << keyword;
  EXPECT_TRUE(taken.error.empty() || params == before) << value;
  return std::string(taken.error.substr(0, 9));
}

std::string rcpt_error(std::string_view keyword, std::string_view value, bool smtputf8 = false) {
  DsnRcpt params;
  const DsnParam taken = take_dsn_param(keyword, value, smtputf8, params);
  EXPECT_TRUE(taken.known) << keyword;
  EXPECT_TRUE(taken.error.empty() || params == DsnRcpt()) << value;
  return std::string(taken.error.substr(0, 9));
}

TEST(DsnParams, NotifyTable) {
  const std::pair<std::string_view, unsigned> good[] = {
      {"NEVER", Notify::kNever},
      {"never", Notify::kNever},
      {"SUCCESS", kS},
      {"failure", kF},
      {"Delay", kD},
      {"SUCCESS,FAILURE,DELAY", kS | kF | kD},
      {"DELAY,success", kS | kD},
      {"FAILURE,FAILURE", kF},
  };
  for (const auto& [text, expected] : good) {
    const auto notify = parse_notify(text);
    ASSERT_TRUE(notify) << text;
    EXPECT_EQ(*notify, bits(expected)) << text;
    EXPECT_EQ(parse_notify(format_notify(*notify)), notify) << text;
  }
  for (const std::string_view text : {"", "NEVER,DELAY", "SUCCESS,NEVER", "SUCCESS,", ",DELAY",
                                      "SUCCESS, DELAY", "SUCCES", "ALWAYS", "SUCCESS;DELAY"}) {
    EXPECT_FALSE(parse_notify(text)) << text;
    EXPECT_EQ(rcpt_error("NOTIFY", text), "501 5.5.4") << text;
  }
  EXPECT_EQ(format_notify(Notify()), "");
}

TEST(DsnParams, NotifyBits) {
  for (unsigned value = 0; value < 256; ++value) {
    const bool good = value == 0 || value == 1 || (value % 2 == 0 && value <= 14);
    EXPECT_EQ(Notify::from_bits(static_cast<std::uint8_t>(value)).has_value(), good) << value;
  }
  EXPECT_EQ(bits(kS | kF).without_success(), bits(kF));
  EXPECT_EQ(bits(kS).without_success(), Notify::never());
  EXPECT_EQ(Notify().without_success(), Notify());
  EXPECT_EQ(Notify::never().without_success(), Notify::never());
}

TEST(DsnParams, RetAndEnvid) {
  DsnMail params;
  EXPECT_EQ(take_dsn_param("ret", "Hdrs", params).error, "");
  EXPECT_EQ(take_dsn_param("EnvId", "QQ+20314+3D", params).error, "");
  EXPECT_EQ(params.ret, Ret::hdrs);
  EXPECT_EQ(params.envid, "QQ+20314+3D");
  EXPECT_EQ(format_dsn_params(params), " RET=HDRS ENVID=QQ+20314+3D");
  EXPECT_EQ(mail_error("RET", "FULL"), "");
  for (const std::string_view bad : {"", "BODY", "FULL,HDRS", "FUL"}) {
    EXPECT_EQ(mail_error("RET", bad), "501 5.5.4") << bad;
  }
  const std::string longest(kMaxEnvid, 'e');
  EXPECT_EQ(mail_error("ENVID", longest), "");
  for (const std::string& bad :
       {std::string(), longest + "e", std::string("a=b"), std::string("a+0D+0Ab"),
        std::string("a+4"), std::string("a+4g"), std::string("a+e9"), std::string("a+E9"),
        std::string("a+7F"), std::string("a b"), std::string("\xc3\xa9"), std::string("+00")}) {
    EXPECT_EQ(mail_error("ENVID", bad), "501 5.5.4") << bad;
  }
  EXPECT_EQ(format_dsn_params(DsnMail()), "");
}

TEST(DsnParams, OnlyOnce) {  // RFC 3461 4.5
  EXPECT_EQ(mail_error("RET", "FULL", {Ret::full, ""}), "501 5.5.4");
  EXPECT_EQ(mail_error("ENVID", "a", {Ret::none, "a"}), "501 5.5.4");
  DsnRcpt rcpt{bits(kF), "rfc822;a@b"};
  EXPECT_EQ(take_dsn_param("NOTIFY", "NEVER", false, rcpt).error.substr(0, 9), "501 5.5.4");
  EXPECT_EQ(take_dsn_param("ORCPT", "rfc822;c@d", false, rcpt).error.substr(0, 9), "501 5.5.4");
  EXPECT_EQ(rcpt, (DsnRcpt{bits(kF), "rfc822;a@b"}));
}

TEST(DsnParams, OthersAreNotTaken) {
  DsnMail mail;
  DsnRcpt rcpt;
  for (const std::string_view keyword : {"SIZE", "BODY", "NOTIFY", "ORCPT", "RETX", ""}) {
    EXPECT_FALSE(take_dsn_param(keyword, "1", mail).known) << keyword;
  }
  for (const std::string_view keyword : {"RET", "ENVID", "NOTIF", ""}) {
    EXPECT_FALSE(take_dsn_param(keyword, "1", false, rcpt).known) << keyword;
  }
  EXPECT_EQ(mail, DsnMail());
  EXPECT_EQ(rcpt, DsnRcpt());
}

TEST(DsnParams, OrcptTable) {
  struct Row {
    std::string_view wire, type, address;
  };
  const Row good[] = {
      {"rfc822;bob@example.org", "rfc822", "bob@example.org"},
      {"RFC822;Bob+2Btag@example.org", "RFC822", "Bob+tag@example.org"},
      {"rfc822;+22a+20b+22@x", "rfc822", "\"a b\"@x"},
      {"x400;/C=de/", "x400", ""},  // "=" must be encoded
      {"x400;/C+3Dde/", "x400", "/C=de/"},
      {"rfc822;a;b@x", "rfc822", "a;b@x"},
      {"utf-8;bob@example.org", "utf-8", "bob@example.org"},
      {"utf-8;j\\x{FC}rgen@example.org", "utf-8", "j\xc3\xbcrgen@example.org"},
      {"UTF-8;j\\x{fc}r\\x{2B}gen@x", "UTF-8", "j\xc3\xbcr+gen@x"},
      {"utf-8;\\x{1F600}\\x{10FFFF}@x", "utf-8", "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf@x"},
      {"utf-8;\\x{20}\\x{5C}\\x{3D}@x", "utf-8", " \\=@x"},
      // Not the syntax of utf-8, yet xtext: left as it is (RFC 6533 3).
      {"utf-8;a+2Bb@x", "utf-8", "a+2Bb@x"},
      {"utf-8;a\\x{0D}\\x{0A}b@x", "utf-8", "a\\x{0D}\\x{0A}b@x"},
      {"utf-8;a\\x{D800}b@x", "utf-8", "a\\x{D800}b@x"},
      {"utf-8;a\\x{41}b@x", "utf-8", "a\\x{41}b@x"},
      {"utf-8;a\\x{00FC}b@x", "utf-8", "a\\x{00FC}b@x"},
      {"utf-8;a\\x{80}@x", "utf-8", "a\\x{80}@x"},
      {"utf-8;a\\x{110000}@x", "utf-8", "a\\x{110000}@x"},
      {"utf-8;a\\x{FC@x", "utf-8", "a\\x{FC@x"},
  };
  for (const Row& row : good) {
    const auto decoded = decode_orcpt(row.wire);
    ASSERT_EQ(decoded.has_value(), !row.address.empty()) << row.wire;
    EXPECT_EQ(rcpt_error("ORCPT", row.wire), decoded ? "" : "501 5.5.4") << row.wire;
    if (decoded) {
      EXPECT_EQ(decoded->type, row.type) << row.wire;
      EXPECT_EQ(decoded->address, row.address) << row.wire;
    }
  }
  for (const std::string_view bad :
       {"", "bob@example.org", ";bob@x", "rfc822;", "rf c;a@x", "rf(c);a", "rfc822;a+0Ab",
        "rfc822;a+", "rfc822;a+C3+BC@x", "rfc822;\xc3\xbc@x", "rfc822;a b", "utf-8;",
        "utf-8;a+0Ab@x"}) {
    EXPECT_FALSE(decode_orcpt(bad)) << bad;
    EXPECT_EQ(rcpt_error("ORCPT", bad, true), "501 5.5.4") << bad;
  }
}

TEST(DsnParams, OrcptEightBitNeedsSmtputf8) {
  const std::string wire = "utf-8;j\xc3\xbcrgen@example.org";
  EXPECT_EQ(rcpt_error("ORCPT", wire, false), "501 5.5.4");
  EXPECT_EQ(rcpt_error("ORCPT", wire, true), "");
  EXPECT_EQ(decode_orcpt(wire)->address, "j\xc3\xbcrgen@example.org");
  EXPECT_EQ(rcpt_error("ORCPT", "utf-8;a\xc2\x85@x", true), "501 5.5.4");  // U+0085
  EXPECT_EQ(rcpt_error("ORCPT", "utf-8;a\xff@x", true), "501 5.5.4");
}

TEST(DsnParams, OrcptLimit) {
  const std::string head = "rfc822;";
  EXPECT_EQ(rcpt_error("ORCPT", head + std::string(kMaxOrcpt - head.size(), 'a')), "");
  EXPECT_EQ(rcpt_error("ORCPT", head + std::string(kMaxOrcpt - head.size() + 1, 'a')), "501 5.5.4");
}

TEST(DsnParams, PassedOnUnchanged) {  // RFC 3461 5.2.1 c, d
  const DsnRcpt rcpt{bits(kS | kD), "RFC822;Bob+2Btag@Example.ORG"};
  EXPECT_EQ(format_dsn_params(rcpt, false),
            " NOTIFY=SUCCESS,DELAY ORCPT=RFC822;Bob+2Btag@Example.ORG");
  EXPECT_EQ(format_dsn_params(DsnRcpt(), true), "");
  const DsnRcpt eight{Notify::never(), "UTF-8;j\xc3\xbcr\\x{2B}gen@x"};
  EXPECT_EQ(format_dsn_params(eight, true), " NOTIFY=NEVER ORCPT=UTF-8;j\xc3\xbcr\\x{2B}gen@x");
  EXPECT_EQ(format_dsn_params(eight, false), " NOTIFY=NEVER ORCPT=UTF-8;j\\x{FC}r\\x{2B}gen@x");
  // In seven bits it would exceed what every server must take.
  std::string umlauts;
  for (int i = 0; i < 100; ++i) {
    umlauts += "\xc3\xbc";
  }
  EXPECT_EQ(format_dsn_params({Notify(), "utf-8;" + umlauts}, true), " ORCPT=utf-8;" + umlauts);
  EXPECT_EQ(format_dsn_params({Notify(), "utf-8;" + umlauts}, false), "");
  EXPECT_EQ(format_dsn_params({Notify(), "utf-8;\xff"}, false), "");
}

TEST(DsnParams, MadeFromAddress) {
  EXPECT_EQ(make_orcpt({"Bob+x", "example.org"}), "rfc822;Bob+2Bx@example.org");
  EXPECT_EQ(make_orcpt({"a b", "example.org"}), "rfc822;\"a+20b\"@example.org");
  EXPECT_EQ(make_orcpt({"j\xc3\xbcr+gen", "xn--bcher-kva.example"}),
            "utf-8;j\\x{FC}r\\x{2B}gen@xn--bcher-kva.example");
  EXPECT_EQ(make_orcpt({}), "");
  std::string smileys;
  for (int i = 0; i < 60; ++i) {
    smileys += "\xf0\x9f\x98\x80";
  }
  EXPECT_EQ(make_orcpt({smileys, "example.org"}), "");
}

RC_GTEST_PROP(DsnParams, XtextRoundTrip, (const std::string& octets)) {
  const std::string encoded = encode_xtext(octets);
  for (const char c : encoded) {
    RC_ASSERT(c >= '!' && c <= '~' && c != '=');
  }
  RC_ASSERT(decode_xtext(encoded) == octets);
}

RC_GTEST_PROP(DsnParams, Utf8AddressRoundTrip, ()) {
  const auto points = *rc::gen::nonEmpty(rc::gen::container<std::vector<char32_t>>(
      rc::gen::element<char32_t>(U'a', U'+', U'=', U'\\', U' ', U'@', 0xA0, 0xFC, 0x7FF, 0x800,
                                 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x1F600, 0x10FFFF)));
  std::string text;  // encoded by the library's converter-free rule, octet by octet
  for (const char32_t p : points) {
    if (p < 0x80) {
      text += static_cast<char>(p);
    } else if (p < 0x800) {
      text += {static_cast<char>(0xC0 | (p >> 6)), static_cast<char>(0x80 | (p & 63))};
    } else if (p < 0x10000) {
      text += {static_cast<char>(0xE0 | (p >> 12)), static_cast<char>(0x80 | ((p >> 6) & 63)),
               static_cast<char>(0x80 | (p & 63))};
    } else {
      text += {static_cast<char>(0xF0 | (p >> 18)), static_cast<char>(0x80 | ((p >> 12) & 63)),
               static_cast<char>(0x80 | ((p >> 6) & 63)), static_cast<char>(0x80 | (p & 63))};
    }
  }
  const std::string encoded = encode_utf8_address(text);
  for (const char c : encoded) {  // fit for any server (RFC 6533 3, utf-8-addr-xtext)
    RC_ASSERT(c >= '!' && c <= '~' && c != '+' && c != '=');
  }
  const auto decoded = decode_orcpt("utf-8;" + encoded);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->address == text);
}

}  // namespace
}  // namespace posthouse::mail
