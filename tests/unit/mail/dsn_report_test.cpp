// Reports, read back by a small MIME reader of the test's own: RFC 6522, 3464, 6533.
#include "mail/dsn_report.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/text.hpp"
#include "mail/dsn_status.hpp"

namespace posthouse::mail {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// Splits off one line; every line of a report ends with CRLF.
std::string take_line(std::string_view& text) {
  const auto end = text.find("\r\n");
  EXPECT_NE(end, std::string_view::npos);
  const std::string line(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}

// A block of fields up to an empty line or the end, unfolded with '\n' for each line break.
Fields take_fields(std::string_view& text) {
  Fields fields;
  while (!text.empty()) {
    const std::string line = take_line(text);
    if (line.empty()) {
      break;
    }
    if (line[0] == ' ' || line[0] == '\t') {
      EXPECT_FALSE(fields.empty());
      fields.back().second += "\n" + line.substr(1);
      continue;
    }
    const auto colon = line.find(": ");
    EXPECT_NE(colon, std::string::npos) << line;
    fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  return fields;
}

std::string field(const Fields& fields, std::string_view name) {
  std::string found;
  int count = 0;
  for (const auto& [key, value] : fields) {
    if (key == name) {
      found = value;
      ++count;
    }
  }
  EXPECT_LE(count, 1) << name;
  return found;
}

std::string unquote_printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    }
  }
  return out;
}

struct ReadPart {
  std::string type;
  std::string encoding;
  std::string content;  // decoded
};
struct ReadReport {
  Fields header;
  std::vector<ReadPart> parts;
  Fields message;             // per-message fields
  std::vector<Fields> rcpts;  // per-recipient fields
};

ReadReport read(const BuiltReport& built) {
  ReadReport out;
  std::string_view text = built.text;
  out.header = take_fields(text);
  const std::string type = field(out.header, "Content-Type");
  EXPECT_EQ(type.find("multipart/report; report-type="), 0U);
  const auto at = type.find("boundary=\"");
  const std::string mark = "--" + type.substr(at + 10, type.rfind('"') - at - 10);
  const auto first = text.find("\r\n" + mark + "\r\n");
  EXPECT_NE(first, std::string_view::npos);
  text.remove_prefix(first);
  const std::string between = "\r\n" + mark;
  while (text.substr(between.size(), 2) == "\r\n") {
    text.remove_prefix(between.size() + 2);
    const auto end = text.find(between);
    EXPECT_NE(end, std::string_view::npos);
    std::string_view body = text.substr(0, end);
    text.remove_prefix(end);
    const Fields fields = take_fields(body);
    ReadPart part{field(fields, "Content-Type"), field(fields, "Content-Transfer-Encoding"), ""};
    part.content =
        part.encoding == "quoted-printable" ? unquote_printable(body) : std::string(body);
    out.parts.push_back(std::move(part));
  }
  EXPECT_EQ(text, between + "--\r\n");
  EXPECT_GE(out.parts.size(), 2U);
  std::string_view status = out.parts.at(1).content;
  out.message = take_fields(status);
  while (!status.empty()) {
    out.rcpts.push_back(take_fields(status));
  }
  return out;
}

// What holds for every report: lines within limits, no controls (but those of the original, which
// goes back as it is), 8-bit octets only as announced.
void check_octets(const BuiltReport& built, bool odd_original = false) {
  std::string_view text = built.text;
  bool eight = false;
  while (!text.empty()) {
    const std::string line = take_line(text);
    EXPECT_LE(line.size(), 998U);
    for (const char c : line) {
      const auto octet = static_cast<unsigned char>(c);
      EXPECT_TRUE(odd_original || octet >= 0x20 || c == '\t') << line;
      EXPECT_TRUE(c != '\r' && c != '\n' && c != '\0') << line;
      eight = eight || octet >= 0x80;
    }
  }
  EXPECT_TRUE(!eight || built.body == BodyKind::eight_bit);
  EXPECT_FALSE(built.smtputf8 && built.body == BodyKind::seven_bit);
}

base::WallTime at(std::int64_t seconds) {
  return base::WallTime(std::chrono::seconds(1'795'317'854 + seconds));
}

constexpr std::string_view kOriginal =
    "Received: from a by b; Sun, 22 Nov 2026 03:24:14 +0000\r\n"
    "From: Ann <ann@example.org>\r\n"
    "Subject: Minutes\r\n of Monday\r\n"
    "Message-ID: <m1@example.org>\r\n"
    "\r\n"
    "Hello Bob.\r\n"
    "\r\n"
    "--\r\n"
    "Ann\r\n";

ReportRcpt failed_rcpt() {
  ReportRcpt rcpt;
  rcpt.rcpt = {"bob", "example.net"};
  rcpt.orcpt = "rfc822;Bob+2Btag@Example.NET";
  rcpt.status = "5.1.1";
  rcpt.remote_mta = "mx.example.net";
  rcpt.reply = "550-5.1.1 No such user\n550 5.1.1 here";
  rcpt.last_attempt = at(60);
  rcpt.retry_until = at(3600);
  return rcpt;
}

Report base_report() {
  Report report;
  report.host_name = "mail.example.org";
  report.mail_domain = "example.org";
  report.id = {1, 2};
  report.now = at(61);
  report.to = {"ann", "example.org"};
  report.original_id = {3, 4};
  report.arrival = at(0);
  report.envid = "QQ+2B314";
  report.rcpts.push_back(failed_rcpt());
  report.original = kOriginal;
  return report;
}

TEST(DsnReport, FailedFieldByField) {
  const Report report = base_report();
  const BuiltReport built = build_report(report);
  check_octets(built);
  EXPECT_EQ(built.body, BodyKind::seven_bit);
  EXPECT_FALSE(built.smtputf8);
  const ReadReport got = read(built);
  EXPECT_EQ(field(got.header, "From"), "Mail Delivery System <MAILER-DAEMON@example.org>");
  EXPECT_EQ(field(got.header, "To"), "<ann@example.org>");
  EXPECT_EQ(field(got.header, "Auto-Submitted"), "auto-replied");
  EXPECT_EQ(field(got.header, "MIME-Version"), "1.0");
  EXPECT_EQ(field(got.header, "Date"), "Sun, 22 Nov 2026 03:25:15 +0000");
  EXPECT_EQ(field(got.header, "Message-ID"),
            "<" + base::format_message_id(report.id) + "@mail.example.org>");
  EXPECT_EQ(field(got.header, "In-Reply-To"), "<m1@example.org>");
  EXPECT_NE(field(got.header, "Subject"), "");
  EXPECT_NE(field(got.header, "Content-Type").find("report-type=delivery-status;"),
            std::string::npos);

  ASSERT_EQ(got.parts.size(), 3U);
  EXPECT_EQ(got.parts[0].type, "text/plain; charset=us-ascii");
  EXPECT_EQ(got.parts[1].type, "message/delivery-status");
  EXPECT_EQ(got.parts[2].type, "text/rfc822-headers");
  EXPECT_EQ(got.parts[2].content + "\r\n", kOriginal.substr(0, kOriginal.find("Hello")));

  const Fields message = {
      {"Original-Envelope-Id", "QQ+314"},
      {"Reporting-MTA", "dns; mail.example.org"},
      {"Arrival-Date", "Sun, 22 Nov 2026 03:24:14 +0000"},
      {"X-Posthouse-Queue-Id", base::format_message_id(report.original_id)},
  };
  EXPECT_EQ(got.message, message);
  ASSERT_EQ(got.rcpts.size(), 1U);
  const Fields rcpt = {
      {"Original-Recipient", "rfc822;Bob+tag@Example.NET"},
      {"Final-Recipient", "rfc822;bob@example.net"},
      {"Action", "failed"},
      {"Status", "5.1.1"},
      {"Remote-MTA", "dns; mx.example.net"},
      {"Diagnostic-Code", "smtp; 550-5.1.1 No such user\n550 5.1.1 here"},
      {"Last-Attempt-Date", "Sun, 22 Nov 2026 03:25:14 +0000"},
  };
  EXPECT_EQ(got.rcpts[0], rcpt);
}

TEST(DsnReport, WordsForPeople) {
  Report report = base_report();
  const std::string words = read(build_report(report)).parts[0].content;
  for (const std::string_view expected :
       {"mail.example.org", "could not be delivered", "<bob@example.net>",
        "There is no mailbox of that name. (5.1.1)", "Whose side:    Yours: the address.",
        "Check the spelling", "The words of mx.example.net:", "> 550-5.1.1 No such user",
        "> 550 5.1.1 here", "Minutes of Monday", "postmaster@example.org",
        "header of your message"}) {
    EXPECT_NE(words.find(expected), std::string::npos) << expected << "\n" << words;
  }
  EXPECT_EQ(words.find("tag"), std::string::npos);
  for (const auto line : base::split(words, '\n')) {
    EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(DsnReport, WhoseSide) {
  struct Row {
    std::string_view status, remote, expected;
  };
  const Row rows[] = {
      {"5.2.2", "mx.example.net", "Whose side:    The recipient's: the server mx.example.net."},
      {"5.2.2", "", "Whose side:    Ours: this server, mail.example.org."},
      {"4.4.1", "", "Whose side:    The network"},
      {"5.3.4", "mx.example.net", "Whose side:    Yours: the message itself"},
      {"5.1.10", "", "Whose side:    Yours: the address."},
      {"5.9.9", "mx.example.net", "Whose side:    The recipient's"},
  };
  for (const Row& row : rows) {
    Report report = base_report();
    report.rcpts[0].status = std::string(row.status);
    report.rcpts[0].remote_mta = std::string(row.remote);
    const std::string words = read(build_report(report)).parts[0].content;
    EXPECT_NE(words.find(row.expected), std::string::npos) << row.status << "\n" << words;
  }
}

TEST(DsnReport, AllActionsInOne) {
  Report report = base_report();
  const DsnAction actions[] = {DsnAction::expanded, DsnAction::relayed, DsnAction::delivered,
                               DsnAction::delayed, DsnAction::failed};
  report.rcpts.clear();
  for (const DsnAction action : actions) {
    ReportRcpt rcpt = failed_rcpt();
    rcpt.rcpt.local = "bob" + std::to_string(static_cast<int>(action));
    rcpt.action = action;
    rcpt.status = "";
    rcpt.orcpt = "";
    report.rcpts.push_back(rcpt);
  }
  report.envid = "";
  const ReadReport got = read(build_report(report));
  EXPECT_EQ(field(got.message, "Original-Envelope-Id"), "");
  ASSERT_EQ(got.rcpts.size(), 5U);
  const std::pair<std::string, std::string> expected[] = {{"expanded", "2.0.0"},
                                                          {"relayed", "2.0.0"},
                                                          {"delivered", "2.0.0"},
                                                          {"delayed", "4.0.0"},
                                                          {"failed", "5.0.0"}};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(field(got.rcpts[i], "Action"), expected[i].first);
    EXPECT_EQ(field(got.rcpts[i], "Status"), expected[i].second);
    EXPECT_EQ(field(got.rcpts[i], "Original-Recipient"), "");
    EXPECT_EQ(field(got.rcpts[i], "Will-Retry-Until"),
              expected[i].first == "delayed" ? "Sun, 22 Nov 2026 04:24:14 +0000" : "");
  }
  const std::string& words = got.parts[0].content;
  EXPECT_LT(words.find("could not be delivered"), words.find("has not been delivered"));
  EXPECT_NE(words.find("04:24:14 +0000"), std::string::npos);
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(words.find("<bob" + std::to_string(i) + "@example.net>"), std::string::npos);
  }
}

TEST(DsnReport, StatusCodes) {
  EXPECT_EQ(status_or_default("5.1.1", DsnAction::failed), "5.1.1");
  EXPECT_EQ(status_or_default("4.4.7", DsnAction::failed), "4.4.7");
  EXPECT_EQ(status_or_default("5.7.509", DsnAction::failed), "5.7.509");
  EXPECT_EQ(status_or_default("4.4.1", DsnAction::delayed), "4.4.1");
  EXPECT_EQ(status_or_default("5.4.1", DsnAction::delayed), "4.0.0");
  EXPECT_EQ(status_or_default("2.1.5", DsnAction::relayed), "2.1.5");
  EXPECT_EQ(status_or_default("4.1.5", DsnAction::delivered), "2.0.0");
  for (const std::string_view bad : {"", "5", "5.1", "5.1.1.1", "5.01.1", "5.1.1000", "5..1",
                                     "5.1.1 ", "55.1.1", "5.1.1\r\nX: y", "2.0.0", "5.-1.1"}) {
    EXPECT_EQ(status_or_default(bad, DsnAction::failed), "5.0.0") << bad;
  }
}

TEST(DsnReport, ReturnsTheMessageUntouched) {
  Report report = base_report();
  report.part = ReturnPart::message;
  ReadReport got = read(build_report(report));
  ASSERT_EQ(got.parts.size(), 3U);
  EXPECT_EQ(got.parts[2].type, "message/rfc822");
  EXPECT_EQ(got.parts[2].encoding, "7bit");
  EXPECT_EQ(got.parts[2].content, kOriginal);
  EXPECT_NE(got.parts[0].content.find("then your message"), std::string::npos);

  const std::string latin = std::string(kOriginal) +
                            "Gr\xfc\xdf"
                            "e\r\n no last line end";
  report.original = latin;
  const BuiltReport built = build_report(report);
  EXPECT_EQ(built.body, BodyKind::eight_bit);
  EXPECT_FALSE(built.smtputf8);
  got = read(built);
  EXPECT_EQ(field(got.header, "Content-Transfer-Encoding"), "8bit");
  EXPECT_EQ(got.parts[2].encoding, "8bit");
  EXPECT_EQ(got.parts[2].content, latin);
}

TEST(DsnReport, HeaderAloneWhereTheMessageIsNoText) {
  for (const std::string& tail : {std::string("a\rb\r\n"), std::string("a\nb\r\n"),
                                  std::string("a\0b\r\n", 5), std::string(999, 'x') + "\r\n"}) {
    Report report = base_report();
    const std::string original = std::string(kOriginal) + tail;
    report.original = original;
    report.part = ReturnPart::message;
    const BuiltReport built = build_report(report);
    check_octets(built);
    EXPECT_EQ(read(built).parts.at(2).type, "text/rfc822-headers");
  }
}

TEST(DsnReport, OddHeaders) {
  Report report = base_report();
  report.original = "";
  EXPECT_EQ(read(build_report(report)).parts.size(), 2U);
  report.original = "\r\nbody only\r\n";
  EXPECT_EQ(read(build_report(report)).parts.size(), 2U);
  report.original = "Subject: no body";
  EXPECT_EQ(read(build_report(report)).parts.at(2).content, "Subject: no body");

  const std::string broken =
      "Subject: Gr\xfc\xdf"
      "e\r\nX: a\rb\r\nTo: " +
      std::string(1200, 'y') + " \r\n\r\n";
  report.original = broken;
  BuiltReport built = build_report(report);
  check_octets(built);
  EXPECT_EQ(built.body, BodyKind::seven_bit);
  ReadReport got = read(built);
  EXPECT_EQ(got.parts.at(2).type, "text/rfc822-headers");
  EXPECT_EQ(got.parts[2].encoding, "quoted-printable");
  EXPECT_EQ(got.parts[2].content + "\r\n", broken);

  std::string huge;
  while (huge.size() < 200'000) {
    huge += "X-Line: " + std::to_string(huge.size()) + "\r\n";
  }
  report.original = huge;
  built = build_report(report);
  EXPECT_LT(built.text.size(), 80'000U);
  got = read(built);
  EXPECT_EQ(got.parts.at(2).content, huge.substr(0, got.parts[2].content.size()));
  EXPECT_EQ(got.parts[2].content.substr(got.parts[2].content.size() - 2), "\r\n");
}

TEST(DsnReport, MessageIdIsNotTakenOverBlindly) {
  for (const std::string_view bad :
       {"<a b@c>", "a@b", "<>", "<a@b", "<a@b> <c@d>", "<a\x01@b>", "<nodomain>"}) {
    Report report = base_report();
    const std::string original = "Message-ID: " + std::string(bad) + "\r\n\r\n";
    report.original = original;
    EXPECT_EQ(field(read(build_report(report)).header, "In-Reply-To"), "") << bad;
  }
}

TEST(DsnReport, Utf8Recipient) {
  Report report = base_report();
  report.rcpts[0].rcpt = {"j\xc3\xbcrgen", "example.net"};
  report.rcpts[0].orcpt = "utf-8;j\\x{FC}rgen@example.net";
  report.rcpts[0].reply = "550 5.1.1 j\xc3\xbcrgen unbekannt\xc2\x85";
  const BuiltReport built = build_report(report);
  check_octets(built);
  EXPECT_EQ(built.body, BodyKind::eight_bit);
  EXPECT_FALSE(built.smtputf8);  // the sender's address does not need it
  const ReadReport got = read(built);
  EXPECT_NE(field(got.header, "Content-Type").find("report-type=global-delivery-status;"),
            std::string::npos);
  EXPECT_EQ(got.parts[0].type, "text/plain; charset=utf-8");
  EXPECT_NE(got.parts[0].content.find("<j\xc3\xbcrgen@example.net>"), std::string::npos);
  EXPECT_EQ(got.parts[1].type, "message/global-delivery-status");
  EXPECT_EQ(got.parts[1].encoding, "8bit");
  EXPECT_EQ(field(got.rcpts.at(0), "Original-Recipient"), "utf-8;j\xc3\xbcrgen@example.net");
  EXPECT_EQ(field(got.rcpts.at(0), "Final-Recipient"), "utf-8;j\xc3\xbcrgen@example.net");
  EXPECT_EQ(field(got.rcpts.at(0), "Diagnostic-Code"), "smtp; 550 5.1.1 j\xc3\xbcrgen unbekannt?");
  EXPECT_EQ(got.parts[2].type, "text/rfc822-headers");
}

TEST(DsnReport, AsciiAddressOfTypeUtf8StaysEncoded) {
  Report report = base_report();
  report.rcpts[0].orcpt = "utf-8;a\\x{2B}b@example.net";
  report.rcpts[0].reply = "550 j\xc3\xbcrgen";
  const ReadReport got = read(build_report(report));
  EXPECT_EQ(got.parts[1].type, "message/delivery-status");
  EXPECT_EQ(field(got.rcpts.at(0), "Original-Recipient"), "utf-8;a\\x{2B}b@example.net");
  EXPECT_EQ(field(got.rcpts.at(0), "Diagnostic-Code"), "smtp; 550 j??rgen");
}

TEST(DsnReport, Utf8Message) {
  const std::string original =
      "From: J\xc3\xbcrgen <j\xc3\xbcrgen@example.org>\r\nSubject: x\r\n\r\nGr\xc3\xbc\xc3\x9f"
      "e \r\n";
  Report report = base_report();
  report.original = original;
  report.part = ReturnPart::message;
  // To an ASCII sender in an encoding that any server takes (RFC 6533 4.5).
  BuiltReport built = build_report(report);
  check_octets(built);
  EXPECT_EQ(built.body, BodyKind::seven_bit);
  ReadReport got = read(built);
  EXPECT_EQ(got.parts.at(2).type, "message/global");
  EXPECT_EQ(got.parts[2].encoding, "quoted-printable");
  EXPECT_EQ(got.parts[2].content, original);
  // To one whose address needs SMTPUTF8 anyway, as it is.
  report.to.local = "j\xc3\xbcrgen";
  built = build_report(report);
  EXPECT_TRUE(built.smtputf8);
  got = read(built);
  EXPECT_EQ(field(got.header, "To"), "<j\xc3\xbcrgen@example.org>");
  EXPECT_EQ(got.parts.at(2).encoding, "8bit");
  EXPECT_EQ(got.parts[2].content, original);
  report.part = ReturnPart::header;
  got = read(build_report(report));
  EXPECT_EQ(got.parts.at(2).type, "message/global-headers");
  EXPECT_EQ(got.parts[2].content + "\r\n", original.substr(0, original.find("Gr")));
}

TEST(DsnReport, HostNames) {
  const std::pair<std::string, std::string> hosts[] = {
      {"localhost", "x-local-hostname; localhost"},
      {"bad\r\nX: y", "x-local-hostname; bad??X: y"},
      {"mail.example.org", "dns; mail.example.org"}};
  for (const auto& [host, expected] : hosts) {
    Report report = base_report();
    report.host_name = host;
    EXPECT_EQ(field(read(build_report(report)).message, "Reporting-MTA"), expected);
  }
  const std::pair<std::string, std::string> remotes[] = {
      {"192.0.2.1", "dns; [192.0.2.1]"},
      {"2001:db8::1", "dns; [IPv6:2001:db8::1]"},
      {"[192.0.2.1]", "dns; [192.0.2.1]"},
      {"mx\r\n\r\nFinal-Recipient: x", "dns; [IPv6:mx????Final-Recipient: x]"}};
  for (const auto& [remote, expected] : remotes) {
    Report report = base_report();
    report.rcpts[0].remote_mta = remote;
    EXPECT_EQ(field(read(build_report(report)).rcpts.at(0), "Remote-MTA"), expected);
  }
}

TEST(DsnReport, OurOwnFindings) {
  Report report = base_report();
  report.rcpts[0].remote_mta = "";
  report.rcpts[0].reply = "no answer from 192.0.2.1 in 30 s";
  const ReadReport got = read(build_report(report));
  EXPECT_EQ(field(got.rcpts.at(0), "Remote-MTA"), "");
  EXPECT_EQ(field(got.rcpts[0], "Diagnostic-Code"),
            "x-posthouse; no answer from 192.0.2.1 in 30 s");
  report.rcpts[0].reply = "";
  EXPECT_EQ(field(read(build_report(report)).rcpts.at(0), "Diagnostic-Code"), "");
}

TEST(DsnReport, TranscribesReplies) {
  EXPECT_EQ(transcribe_reply({550, "5.1.1", "no\nreally"}), "550-5.1.1 no\n550 5.1.1 really");
  EXPECT_EQ(transcribe_reply({421, "", "bye"}), "421 bye");
  EXPECT_EQ(transcribe_reply({421, "", ""}), "421 ");
}

TEST(DsnReport, FloodOfReplyIsBounded) {
  Report report = base_report();
  report.rcpts[0].reply.clear();
  for (int i = 0; i < 1000; ++i) {
    report.rcpts[0].reply += "550-" + std::string(2000, 'x') + "\n\r\n";
  }
  const BuiltReport built = build_report(report);
  check_octets(built);
  EXPECT_LT(built.text.size(), 40'000U);
}

// Whatever a remote says, and whatever the original holds, every report reads back with the same
// structure, and the recipient's fields stay one group.
RC_GTEST_PROP(DsnReport, NothingEscapes, ()) {
  const auto nasty = rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::element('\r', '\n', ' ', '-', ':', '<', '>', '=', '\0', '\t'),
                     rc::gen::arbitrary<char>()));
  Report report = base_report();
  report.rcpts[0].reply = *nasty;
  report.rcpts[0].remote_mta = *nasty;
  report.rcpts[0].status = *nasty;
  report.rcpts[0].orcpt = *nasty;
  report.envid = *nasty;
  if (*rc::gen::arbitrary<bool>()) {
    report.rcpts[0].rcpt.local += "\xc3\xbc";
  }
  report.rcpts.push_back(failed_rcpt());
  const std::string original =
      *nasty + (*rc::gen::arbitrary<bool>() ? *nasty : "\r\n\r\n") + *nasty;
  report.original = original;
  report.part = *rc::gen::element(ReturnPart::header, ReturnPart::message);
  const BuiltReport built = build_report(report);
  const ReadReport got = read(built);
  check_octets(built, true);
  RC_ASSERT(got.rcpts.size() == 2U);
  RC_ASSERT(field(got.rcpts[0], "Action") == "failed");
  RC_ASSERT(field(got.rcpts[1], "Final-Recipient") == "rfc822;bob@example.net");
  RC_ASSERT(got.parts.size() <= 3U);
  if (got.parts.size() == 3 && got.parts[2].type.find("headers") == std::string::npos) {
    RC_ASSERT(got.parts[2].content == original);
  }
}

}  // namespace
}  // namespace posthouse::mail
