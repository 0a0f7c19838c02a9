// What is written into a mailbox: header fields, line ends, quoting.
#include "mailbox/content.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "temp_dir.hpp"

namespace posthouse::mailbox {
namespace {

std::string render(const Delivery& delivery, Format format, Rendition** kept = nullptr) {
  static std::unique_ptr<Rendition> last;
  last = std::make_unique<Rendition>(base::system_disk(), delivery, format);
  std::string all;
  std::string piece;
  for (auto more = last->next(&piece);; more = last->next(&piece)) {
    EXPECT_TRUE(more) << more.error().message();
    if (!more || !*more) break;
    all += piece;
  }
  if (kept != nullptr) *kept = last.get();
  return all;
}

constexpr std::string_view kHead =
    "Return-Path: <alice@example.net>\nDelivered-To: bob@example.org\n";

TEST(Content, WritesReturnPathAndDeliveredToOnce) {
  const Delivery delivery = make_delivery(
      "/x", "1.a-0",
      "Received: by mx\r\n\tfor <bob@example.org>\r\nReturn-Path: <old@example.com>\r\n"
      "return-path :\r\n <folded@example.com>\r\nDelivered-To: list@example.org\r\n"
      "Subject: x\r\n\r\nReturn-Path: <body>\r\n");
  EXPECT_EQ(render(delivery, Format::maildir),
            std::string(kHead) +
                "Received: by mx\n\tfor <bob@example.org>\nDelivered-To: list@example.org\n"
                "Subject: x\n\nReturn-Path: <body>\n");
}

TEST(Content, NullReversePathAndHostileAddress) {
  Delivery delivery = make_delivery("/x", "1.a-0", "A: b\r\n\r\n");
  delivery.reverse_path.clear();
  delivery.recipient = "bob\r\nX-Evil: 1";
  EXPECT_EQ(render(delivery, Format::maildir),
            "Return-Path: <>\nDelivered-To: bob??X-Evil: 1\nA: b\n\n");
}

TEST(Content, SizesAreThoseOfTheOctets) {
  Rendition* rendition = nullptr;
  const Delivery delivery = make_delivery("/x", "1.a-0", "A: b\r\n\r\none\r\ntwo");
  const std::string text = render(delivery, Format::maildir, &rendition);
  EXPECT_EQ(text, std::string(kHead) + "A: b\n\none\ntwo\n");  // ends with a line end
  EXPECT_EQ(rendition->octets(), text.size());
  EXPECT_EQ(rendition->wire_octets(), text.size() + 6);
}

TEST(Content, MessageWithoutHeaderAndEmptyMessage) {
  EXPECT_EQ(render(make_delivery("/x", "u", "\r\nReturn-Path: <x>\r\n"), Format::maildir),
            std::string(kHead) + "\nReturn-Path: <x>\n");
  EXPECT_EQ(render(make_delivery("/x", "u", ""), Format::maildir), kHead);
}

TEST(Content, MboxQuotesSeparatorsAndRenamesTheMarker) {
  const Delivery delivery =
      make_delivery("/x", "u",
                    "X-Posthouse-UID: forged; size=1; crc=00000000\r\nA: b\r\n\r\n"
                    "From me\r\n>From me\r\n From me\r\nFromage\r\nFrom\r\n");
  EXPECT_EQ(render(delivery, Format::mbox),
            std::string(kHead) +
                "X-Original-Posthouse-UID: forged; size=1; crc=00000000\nA: b\n\n"
                ">From me\n>>From me\n From me\nFromage\nFrom\n");
}

TEST(Content, LargeFileIsReadBehindTheTrace) {
  const TempDir dir;
  std::string body = "Return-Path: <old>\r\nSubject: big\r\n\r\n";
  while (body.size() < 700'000) body += "From here\r\nline " + std::to_string(body.size()) + "\r\n";
  write_all(dir / "body", body);
  Delivery large = make_delivery("/x", "u", "Received: trace\r\n");
  large.large_file = dir / "body";
  const Delivery small = make_delivery("/x", "u", "Received: trace\r\n" + body);
  for (const Format format : {Format::maildir, Format::mbox}) {
    EXPECT_EQ(render(large, format), render(small, format));
  }
  Rendition* rendition = nullptr;
  const std::string text = render(large, Format::maildir, &rendition);
  EXPECT_EQ(rendition->octets(), text.size());
}

TEST(Content, MissingLargeFileIsAnError) {
  Delivery delivery = make_delivery("/x", "u", "");
  delivery.large_file = "/nonexistent/body";
  Rendition rendition(base::system_disk(), delivery, Format::maildir);
  std::string piece;
  EXPECT_FALSE(rendition.next(&piece));
}

TEST(FromQuoter, PropertyUnquoteRevertsQuoteForAnySplit) {
  EXPECT_TRUE(rc::check([] {
    const auto text =
        *rc::gen::container<std::string>(rc::gen::elementOf(std::string(">>>FFrroomm   \n\n\nx")));
    const auto cuts = *rc::gen::container<std::vector<std::size_t>>(
        rc::gen::inRange<std::size_t>(0, text.size() + 1));
    const auto run = [&](FromQuoter::Mode mode, const std::string& in) {
      FromQuoter quoter(mode);
      std::string out;
      std::size_t at = 0;
      std::vector<std::size_t> sorted = cuts;
      std::sort(sorted.begin(), sorted.end());
      for (const std::size_t cut : sorted) {
        const std::size_t to = std::min(cut, in.size());
        if (to > at) quoter.feed(std::string_view(in).substr(at, to - at), out);
        at = std::max(at, to);
      }
      quoter.feed(std::string_view(in).substr(at), out);
      quoter.finish(out);
      return out;
    };
    const std::string quoted = run(FromQuoter::Mode::quote, text);
    RC_ASSERT(("\n" + quoted).find("\nFrom ") == std::string::npos);
    RC_ASSERT(run(FromQuoter::Mode::unquote, quoted) == text);
  }));
}

TEST(FromQuoter, FinishDecidesHeldLine) {
  FromQuoter quoter(FromQuoter::Mode::quote);
  std::string out;
  quoter.feed(">>Fro", out);
  EXPECT_EQ(out, "");
  quoter.finish(out);
  EXPECT_EQ(out, ">>Fro");
}

}  // namespace
}  // namespace posthouse::mailbox
