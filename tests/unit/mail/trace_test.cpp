// Trace fields, dates and replies: exact forms, folding, and what a hostile client may try.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "mail/date.hpp"
#include "mail/header_scanner.hpp"
#include "mail/reply.hpp"
#include "mail/trace.hpp"

namespace posthouse::mail {
namespace {

using std::chrono::minutes;

base::WallTime at(std::int64_t seconds) { return base::WallTime(std::chrono::seconds(seconds)); }

constexpr std::int64_t kSunday = 1'795'317'854;  // 2026-11-22 03:24:14 UTC

TEST(Date, Rfc5322) {
  EXPECT_EQ(format_date(at(kSunday)), "Sun, 22 Nov 2026 03:24:14 +0000");
  EXPECT_EQ(format_date(at(kSunday), minutes(330)), "Sun, 22 Nov 2026 08:54:14 +0530");
  EXPECT_EQ(format_date(at(kSunday), minutes(-570)), "Sat, 21 Nov 2026 17:54:14 -0930");
  EXPECT_EQ(format_date(at(0)), "Thu, 1 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(format_date(at(951'782'400)), "Tue, 29 Feb 2000 00:00:00 +0000");
}

TEST(Date, Mbox) {
  EXPECT_EQ(format_mbox_date(at(kSunday)), "Sun Nov 22 03:24:14 2026");
  EXPECT_EQ(format_mbox_date(at(0)), "Thu Jan  1 00:00:00 1970");
}

ReceivedInfo example() {
  ReceivedInfo info;
  info.helo = "client.example";
  info.client_ip = "192.0.2.1";
  info.by = "mx.example.org";
  info.id = "1g2h3j4k5l6m7n8o9p0q1r2s";
  info.time = at(kSunday);
  info.esmtp = true;
  return info;
}

TEST(Received, PlainForm) {
  EXPECT_EQ(build_received(example()),
            "Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTP id\r\n"
            "\t1g2h3j4k5l6m7n8o9p0q1r2s; Sun, 22 Nov 2026 03:24:14 +0000\r\n");
}

TEST(Received, WithEverything) {
  ReceivedInfo info = example();
  info.client_ip = "2001:db8::1";
  info.client_name = "host.client.example";
  info.tls = true;
  info.authenticated = true;
  info.tls_version = "TLSv1.3";
  info.tls_cipher = "TLS_AES_256_GCM_SHA384";
  info.auth_user = "alice@example.org";
  info.rcpt = Address{"bob", "example.org"};
  EXPECT_EQ(build_received(info, LineEnd::lf),
            "Received: from client.example (host.client.example [IPv6:2001:db8::1]) by\n"
            "\tmx.example.org with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) (authenticated\n"
            "\tas alice@example.org) id 1g2h3j4k5l6m7n8o9p0q1r2s for <bob@example.org>;\n"
            "\tSun, 22 Nov 2026 03:24:14 +0000\n");
}

TEST(Received, LocalSubmission) {
  ReceivedInfo info = example();
  info.helo.clear();
  info.client_ip.clear();
  EXPECT_EQ(build_received(info),
            "Received: by mx.example.org (local submission) id 1g2h3j4k5l6m7n8o9p0q1r2s;\r\n"
            "\tSun, 22 Nov 2026 03:24:14 +0000\r\n");
}

TEST(Received, ProtocolsOfRfc3848) {
  EXPECT_EQ(with_protocol(false, false, false), "SMTP");
  EXPECT_EQ(with_protocol(true, false, false), "ESMTP");
  EXPECT_EQ(with_protocol(true, true, false), "ESMTPS");
  EXPECT_EQ(with_protocol(true, false, true), "ESMTPA");
  EXPECT_EQ(with_protocol(true, true, true), "ESMTPSA");
}

TEST(Received, AHeloThatIsNoNameBecomesAComment) {
  ReceivedInfo info = example();
  info.helo = "evil) by x; (\r\nBcc: victim@example.org";
  std::string field = unfold(build_received(info));
  std::replace(field.begin(), field.end(), '\t', ' ');
  EXPECT_EQ(field.find("Received: from [192.0.2.1] (HELO evil? by x; ???Bcc: "
                       "victim@example.org) ([192.0.2.1]) by "),
            0U)
      << field;
  for (const char* literal : {"[192.0.2.7]", "[IPv6:2001:db8::7]"}) {
    info.helo = literal;
    EXPECT_NE(build_received(info).find(" " + std::string(literal) + " ("), std::string::npos);
  }
  info.helo = "[tag:((]";
  EXPECT_NE(build_received(info).find("(HELO [tag:??])"), std::string::npos);
  info.helo =
      "b\xc3\xbc"
      "cher.example";
  EXPECT_NE(build_received(info).find("(HELO b??cher.example)"), std::string::npos);
}

TEST(Received, ForNamesOnlyHarmlessRecipients) {
  ReceivedInfo info = example();
  for (const Address& rcpt : {Address{"a b", "example.org"}, Address{"a\r\nb", "example.org"},
                              Address{"j\xc3\xbcrgen", "example.org"}, Address{"a>b", "c"}}) {
    info.rcpt = rcpt;
    EXPECT_EQ(build_received(info).find("for <"), std::string::npos) << rcpt.local;
  }
}

RC_GTEST_PROP(Received, AnyInputGivesOneFieldWithShortLines, ()) {
  ReceivedInfo info = example();
  const auto octets = rc::gen::container<std::string>(rc::gen::oneOf(
      rc::gen::elementOf(std::string("()\\\r\n\t ;<>[]:@\"")), rc::gen::arbitrary<char>()));
  const auto text = [&] { return (*octets).substr(0, 40); };
  info.helo = text();
  info.client_ip = text();
  info.client_name = text();
  info.auth_user = text();
  info.tls_version = text();
  info.tls_cipher = text();
  info.rcpt = Address{text(), "example.org"};
  info.tls = true;
  const std::string field = build_received(info);
  FieldReader reader(field);
  const auto read = reader.next();
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->name == "Received");
  RC_ASSERT(read->size == field.size());
  std::size_t line_begin = 0;
  for (std::size_t end = 0; (end = field.find('\n', line_begin)) != std::string::npos;) {
    RC_ASSERT(field[end - 1] == '\r');
    RC_ASSERT(end - 1 - line_begin <= 78U);
    line_begin = end + 1;
  }
  RC_ASSERT(line_begin == field.size());
  RC_ASSERT(field.find('\0') == std::string::npos);
  int depth = 0;
  for (const char c : field) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    RC_ASSERT(depth == 0 || depth == 1);
  }
  RC_ASSERT(depth == 0);
}

TEST(ReturnPath, NamesTheSenderOrNobody) {
  EXPECT_EQ(build_return_path(Address()), "Return-Path: <>\r\n");
  EXPECT_EQ(build_return_path(Address{"a b", "c"}, LineEnd::lf), "Return-Path: <\"a b\"@c>\n");
  EXPECT_EQ(build_return_path(Address{"a\r\nX: y", "c"}), "Return-Path: <\"a??X: y\"@c>\r\n");
  EXPECT_EQ(build_delivered_to(Address{"j\xc3\xbc", "c"}, LineEnd::lf),
            "Delivered-To: j\xc3\xbc@c\n");
}

std::string wire(const Reply& reply) {
  std::string out;
  append_reply(out, reply);
  return out;
}

TEST(Reply, WireForms) {
  EXPECT_EQ(wire(Reply(250, "2.1.0", "Sender ok")), "250 2.1.0 Sender ok\r\n");
  EXPECT_EQ(wire(Reply(354, "", "Go ahead")), "354 Go ahead\r\n");
  EXPECT_EQ(wire(Reply(250, "", "mx\nPIPELINING\nSIZE")),
            "250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n");
  EXPECT_EQ(wire(Reply(550, "5.1.1", "a\nb")), "550-5.1.1 a\r\n550 5.1.1 b\r\n");
  EXPECT_EQ(wire(Reply(250, "", "")), "250 \r\n");
  EXPECT_EQ(wire(Reply(250, "2.0.0", "")), "250 2.0.0\r\n");
  EXPECT_EQ(wire(Reply(500, "", std::string_view("a\r\tb\0\x1b\xc3\xbc", 8))), "500 a?\tb????\r\n");
}

TEST(Reply, CutsLongLines) {
  const std::string text = wire(Reply(550, "5.7.1", std::string(2000, 'x') + "\nshort"));
  EXPECT_EQ(text.find("\r\n"), 510U);
  EXPECT_TRUE(text.ends_with("x\r\n550 5.7.1 short\r\n"));
}

TEST(Reply, KindOfReply) {
  EXPECT_TRUE(Reply(250, "", "").positive());
  EXPECT_TRUE(Reply(354, "", "").positive());
  EXPECT_TRUE(Reply(451, "", "").transient());
  EXPECT_TRUE(Reply(550, "", "").permanent());
  EXPECT_FALSE(Reply(550, "", "").positive());
}

}  // namespace
}  // namespace posthouse::mail
