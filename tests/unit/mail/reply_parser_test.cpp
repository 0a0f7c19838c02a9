// Replies from the wire: what is one, what is none, and that cuts change nothing.
#include "mail/reply_parser.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/text.hpp"

namespace posthouse::mail {
namespace {

using Status = ReplyParser::Status;

struct Parsed {
  Status status = Status::more;
  Reply reply;
  std::size_t left = 0;
};

Parsed parse(std::string_view text, std::size_t piece = 0) {
  ReplyParser parser;
  Parsed out;
  while (!text.empty()) {
    std::string_view part = text.substr(0, piece == 0 ? text.size() : piece);
    const std::size_t size = part.size();
    out.status = parser.feed(part);
    text.remove_prefix(size - part.size());
    if (out.status != Status::more) {
      out.left = text.size();
      break;
    }
  }
  out.reply = parser.reply();
  return out;
}

TEST(ReplyParser, ReadsReplies) {
  struct Case {
    const char* text;
    int code;
    const char* enhanced;
    const char* words;
  };
  const Case cases[] = {
      {"250 OK\r\n", 250, "", "OK"},
      {"250 2.1.5 Recipient fine\r\n", 250, "2.1.5", "Recipient fine"},
      {"250\r\n", 250, "", ""},
      {"250 \r\n", 250, "", ""},
      {"354 go\n", 354, "", "go"},  // LF alone
      {"550-5.1.1 No\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", 550, "5.1.1", "No\nsuch\nuser"},
      {"550-5.1.1 No\r\n550 5.7.1 other\r\n", 550, "5.1.1", "No\n5.7.1 other"},
      {"550-No\r\n550 5.1.1 user\r\n", 550, "", "No\n5.1.1 user"},
      {"550 2.0.0 wrong class\r\n", 550, "", "2.0.0 wrong class"},
      {"550 5.1 short\r\n", 550, "", "5.1 short"},
      {"550 5.1.1234 long\r\n", 550, "", "5.1.1234 long"},
      {"550 5.1.1\r\n", 550, "5.1.1", ""},
      {"250-mx\r\n250-\r\n250 SIZE 10\r\n", 250, "", "mx\n\nSIZE 10"},
      {"250 tab\there \x01 \x7f bell\r\n", 250, "", "tab\there ? ? bell"},
      {"250 caf\xc3\xa9\r\n", 250, "", "caf\xc3\xa9"},
      {"250 caf\xe9\r\n", 250, "", "caf?"},
      {"299 odd\r\n", 299, "", "odd"},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : {0U, 1U, 2U, 5U}) {
      const Parsed parsed = parse(c.text, piece);
      EXPECT_EQ(parsed.status, Status::complete) << c.text;
      EXPECT_EQ(parsed.reply.code, c.code) << c.text;
      EXPECT_EQ(parsed.reply.enhanced, c.enhanced) << c.text;
      EXPECT_EQ(parsed.reply.text, c.words) << c.text;
      EXPECT_EQ(parsed.left, 0U);
    }
  }
}

TEST(ReplyParser, RefusesWhatIsNoReply) {
  for (const char* const text :
       {"\r\n", "OK\r\n", "+OK ready\r\n", "25\r\n", "2500 x\r\n", "250x\r\n", "150 hm\r\n",
        "650 hm\r\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", "HTTP/1.1 400", "\x16\x03\x01\x02"}) {
    for (const std::size_t piece : {0U, 1U}) {
      EXPECT_EQ(parse(text, piece).status, Status::malformed) << base::printable(text);
    }
  }
  EXPECT_EQ(parse("250-a\r\n250-b\r\n").status, Status::more);
  EXPECT_EQ(parse("25").status, Status::more);
}

TEST(ReplyParser, StopsAtTheEndOfEachReply) {
  ReplyParser parser;
  std::string_view input = "250 one\r\n250-two\r\n250 too\r\n3";
  ASSERT_EQ(parser.feed(input), Status::complete);
  EXPECT_EQ(parser.take().text, "one");
  EXPECT_FALSE(parser.in_reply());
  ASSERT_EQ(parser.feed(input), Status::complete);
  EXPECT_EQ(parser.take().text, "two\ntoo");
  EXPECT_EQ(parser.feed(input), Status::more);
  EXPECT_TRUE(parser.in_reply());
  EXPECT_TRUE(input.empty());
}

TEST(ReplyParser, LongLinesAndRepliesAreCut) {
  const Parsed line = parse("250 " + std::string(5000, 'x') + "\r\n", 100);
  EXPECT_EQ(line.status, Status::complete);
  EXPECT_EQ(line.reply.text, std::string(kMaxReplyLineKept - 4, 'x'));

  std::string many;
  for (int i = 0; i < 400; ++i) {
    many += "250-" + std::string(200, 'y') + "\r\n";
  }
  many += "250 end\r\n";
  const Parsed reply = parse(many);
  EXPECT_EQ(reply.status, Status::complete);
  EXPECT_LE(reply.reply.text.size(), kMaxReplyKept);
  EXPECT_GT(reply.reply.text.size(), kMaxReplyKept - 300);

  // Cut within a character: the whole character goes.
  std::string utf8 = "250 " + std::string(kMaxReplyLineKept - 5, 'a') + "\xe2\x82\xac tail\r\n";
  EXPECT_EQ(parse(utf8).reply.text, std::string(kMaxReplyLineKept - 5, 'a'));
}

TEST(ReplyParser, FloodsAreMalformed) {
  std::string lines;
  for (std::size_t i = 0; i <= kMaxReplyLines; ++i) {
    lines += "250-x\r\n";
  }
  EXPECT_EQ(parse(lines).status, Status::malformed);
  EXPECT_EQ(parse(lines.substr(7) + "250 x\r\n").status, Status::malformed);
  EXPECT_EQ(parse(lines.substr(14) + "250 x\r\n").status, Status::complete);
  const std::string endless = "250 " + std::string(kMaxReplyOctets, 'x');
  EXPECT_EQ(parse(endless, 65536).status, Status::malformed);
}

TEST(ReplyParser, CutsChangeNothing) {
  const std::string alphabet[] = {"2",    "5",    "0",      " ", "-",        "\r",  "\n",
                                  "250 ", "550-", "5.1.1 ", "x", "\xc3\xa9", "\r\n"};
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    base::SeededRandom random(seed);
    std::string text = seed % 2 == 0 ? "250-a\r\n" : "";
    for (std::uint64_t i = random.below(20); i > 0; --i) {
      text += alphabet[random.below(std::size(alphabet))];
    }
    const Parsed whole = parse(text);
    const Parsed cut = parse(text, 1 + random.below(4));
    ASSERT_EQ(whole.status, cut.status) << base::printable(text);
    if (whole.status == Status::complete) {
      ASSERT_EQ(whole.reply.code, cut.reply.code);
      ASSERT_EQ(whole.reply.text, cut.reply.text);
      ASSERT_EQ(whole.reply.enhanced, cut.reply.enhanced);
      ASSERT_EQ(whole.left, cut.left);
    }
  }
}

}  // namespace
}  // namespace posthouse::mail
