// Header sections: what well-formed and broken ones are read as, and that splits change nothing.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "mail/header_scanner.hpp"

namespace posthouse::mail {
namespace {

struct Seen {
  std::string name;
  std::string value;
  std::size_t offset;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> fields_of(std::string_view message) {
  std::vector<Seen> seen;
  for_each_field(message, [&](std::string_view name, std::string_view value, std::size_t offset) {
    seen.push_back({std::string(name), std::string(value), offset});
  });
  return seen;
}

TEST(FieldReader, ReadsFieldsWithEitherLineEnd) {
  const std::string crlf = "To: a\r\nSubject: b\r\n c\r\n\td\r\nX:\r\n\r\nBody: no\r\n";
  EXPECT_EQ(fields_of(crlf),
            (std::vector<Seen>{{"To", " a", 0}, {"Subject", " b\r\n c\r\n\td", 7}, {"X", "", 27}}));
  FieldReader reader(crlf);
  while (reader.next()) {
  }
  EXPECT_EQ(crlf.substr(reader.body_offset()), "Body: no\r\n");
  EXPECT_EQ(fields_of("To: a\nCc: b\n c\n\nX: y\n"),
            (std::vector<Seen>{{"To", " a", 0}, {"Cc", " b\n c", 6}}));
}

TEST(FieldReader, ToleratesGarbage) {
  EXPECT_TRUE(fields_of("").empty());
  EXPECT_TRUE(fields_of("\r\nTo: body\r\n").empty());
  EXPECT_TRUE(fields_of("From a@b Sun Nov 22 03:24:14 2026\n").empty());
  EXPECT_TRUE(fields_of(": no name\r\nno colon\r\n To: continued\r\n").empty());
  EXPECT_TRUE(fields_of("na\x80me: x\r\nna me: x\r\n").empty());
  EXPECT_EQ(fields_of("Old \t: x"), (std::vector<Seen>{{"Old", " x", 0}}));  // RFC 5322 4.5
  EXPECT_EQ(fields_of("A:1\rB:2\r\n"), (std::vector<Seen>{{"A", "1\rB:2", 0}}));
  const std::string nul("A:\0\r\n\0B: x\r\nC:d", 15);
  EXPECT_EQ(fields_of(nul), (std::vector<Seen>{{"A", std::string(1, '\0'), 0}, {"C", "d", 12}}));
  FieldReader reader("x\r\n y\r\nA: b\r\n");
  const auto garbage = reader.next();
  ASSERT_TRUE(garbage);
  EXPECT_TRUE(garbage->name.empty());
  EXPECT_EQ(garbage->size, 7U);
}

TEST(FieldReader, TakesAHeaderOfTenMegabytes) {
  std::string header = "Subject: ";
  header += std::string(10 << 20, 'x');
  header += "\r\n y\r\nTo: z\r\n\r\n";
  const auto seen = fields_of(header);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].value.size(), (10U << 20) + 5);
  EXPECT_EQ(seen[1].name, "To");
}

TEST(FieldReader, CallbackMayEndTheWalk) {
  int calls = 0;
  const auto end = for_each_field("A: 1\r\nB: 2\r\nC: 3\r\n\r\n",
                                  [&](std::string_view name, std::string_view, std::size_t) {
                                    ++calls;
                                    return name != "B";
                                  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(end, 12U);
}

TEST(HeaderScanner, CountsKnownFields) {
  HeaderScanner scanner;
  EXPECT_FALSE(scanner.feed("Received: a\r\n\tReceived: folded\r\nRECEIVED:b\r\n"));
  EXPECT_FALSE(scanner.feed("Received-SPF: pass\r\nreceived : c\nX-Other: d\r\nMessage-"));
  EXPECT_TRUE(scanner.feed("ID: e\r\ngarbage\r\n\r\nReceived: body\r\n"));
  EXPECT_EQ(scanner.received(), 3U);
  EXPECT_EQ(scanner.count(KnownField::message_id), 1U);
  EXPECT_EQ(scanner.count(KnownField::date), 0U);
  EXPECT_EQ(scanner.count(KnownField::other), 2U);
  EXPECT_EQ(scanner.header_octets(), 115U);
  EXPECT_TRUE(scanner.feed("Received: body\r\n"));
  EXPECT_EQ(scanner.received(), 3U);
}

TEST(HeaderScanner, KnowsEachName) {
  const std::pair<const char*, KnownField> names[] = {{"Received", KnownField::received},
                                                      {"Return-Path", KnownField::return_path},
                                                      {"Delivered-To", KnownField::delivered_to},
                                                      {"Date", KnownField::date},
                                                      {"From", KnownField::from},
                                                      {"Sender", KnownField::sender},
                                                      {"To", KnownField::to},
                                                      {"Cc", KnownField::cc},
                                                      {"Bcc", KnownField::bcc},
                                                      {"Subject", KnownField::subject},
                                                      {"Message-ID", KnownField::message_id},
                                                      {"MIME-Version", KnownField::mime_version},
                                                      {"Tox", KnownField::other}};
  for (const auto& [name, field] : names) {
    HeaderScanner scanner;
    scanner.feed(std::string(name) + ": x");
    EXPECT_EQ(scanner.count(field), 0U);
    scanner.finish();
    EXPECT_EQ(scanner.count(field), 1U) << name;
    EXPECT_TRUE(scanner.done());
  }
}

RC_GTEST_PROP(HeaderScanner, SplitsChangeNothingAndTheReaderAgrees, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "Received: x\r\n", "received :\n", "\t folded\r\n", " \r\n", "\r\n", "\n", "\r", "Date", ":",
      "garbage\r\n", "X: " + std::string(100, 'y') + "\r\n", std::string(1, '\0')));
  std::string text;
  for (const std::string& piece : pieces) {
    text += piece;
  }
  HeaderScanner whole;
  whole.feed(text);
  whole.finish();
  HeaderScanner split;
  for (std::string_view rest = text; !rest.empty();) {
    const auto size = *rc::gen::inRange<std::size_t>(1, rest.size() + 1);
    split.feed(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  split.finish();
  std::uint32_t received = 0;
  const auto body = for_each_field(text, [&](std::string_view name, std::string_view, std::size_t) {
    received += name == "Received" || name == "received" ? 1 : 0;
  });
  RC_ASSERT(whole.header_octets() == body);
  RC_ASSERT(split.header_octets() == body);
  RC_ASSERT(whole.received() == received);
  RC_ASSERT(split.received() == received);
  RC_ASSERT(split.count(KnownField::other) == whole.count(KnownField::other));
}

TEST(Unfold, MakesOneLine) {
  EXPECT_EQ(unfold(" a\r\n b\r\n\tc\n d "), "a b\tc d");
  EXPECT_EQ(unfold(" \r\n \t"), "");
  EXPECT_EQ(unfold(""), "");
  EXPECT_EQ(unfold("a\rb\nc\r\nd"), "a b c d");
  EXPECT_EQ(unfold(std::string_view("a\0b", 3)), "a b");
  EXPECT_EQ(unfold("abcdef", 3), "abc");
}

}  // namespace
}  // namespace posthouse::mail
