// Dot transparency and line ends: tables of what must and must not end a message, and random
// splits that may not change anything.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/text.hpp"
#include "mail/dot_decoder.hpp"
#include "mail/eol.hpp"
#include "mail/octet_masks.hpp"

namespace posthouse::mail {
namespace {

struct Decoded {
  std::string text;
  std::size_t consumed = 0;
  bool finished = false;
  bool bare = false;
  std::uint64_t octets = 0;
  std::uint64_t longest = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(const std::vector<std::string_view>& chunks) {
  DotDecoder decoder;
  Decoded result;
  for (const std::string_view chunk : chunks) {
    if (!decoder.finished()) {
      const auto fed = decoder.feed(chunk, result.text);
      result.consumed += fed.consumed;
      result.finished = fed.finished;
    }
  }
  result.bare = decoder.bare_newline();
  result.octets = decoder.octets();
  result.longest = decoder.longest_line();
  return result;
}

// Octets in which line ends, dots and stretches longer than a block are frequent.
rc::Gen<std::string> wire_text() {
  const auto piece = rc::gen::element<std::string>(
      "\r\n", "\r\n.", "\r\n..", "\r\n.\r\n", ".\r\n", "\n", "\r", ".", "x", std::string(1, '\0'),
      std::string(60, 'y'), std::string(63, 'y') + "\r\n", "a line of text\r\n");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& pieces) {
                        std::string text;
                        for (const std::string& one : pieces) {
                          text += one;
                        }
                        return text;
                      });
}

std::vector<std::string_view> random_chunks(std::string_view text) {
  std::vector<std::string_view> chunks;
  while (!text.empty()) {
    const auto size =
        *rc::gen::inRange<std::size_t>(1, std::min<std::size_t>(text.size(), 150) + 1);
    chunks.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return chunks;
}

struct DecodeCase {
  std::string wire;
  std::string text;
  bool bare;
};

TEST(DotDecoder, EndsAtCrlfDotCrlfOnly) {
  const DecodeCase cases[] = {
      {".\r\n", "", false},
      {"a\r\n.\r\n", "a\r\n", false},
      {"..\r\n.\r\n", ".\r\n", false},
      {".a\r\n...\r\n.\r\n", "a\r\n..\r\n", false},
      {"\r\n\r\n.\r\n", "\r\n\r\n", false},
      {"a.\r\nb .\r\n.\r\n", "a.\r\nb .\r\n", false},
      // What other servers took for the end, and smugglers used (RFC 5321 4.1.1.4).
      {"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", true},
      {"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true},
      {"a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", true},
      {"a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", true},
      {"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true},
      {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true},
      {"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", true},
      {"a\r\n\n.\r\nb\r\n.\r\n", "a\r\n\n.\r\nb\r\n", true},
      {"a\n\r\n.\r\n", "a\n\r\n", true},
      {"a\r\r\n.\r\n", "a\r\r\n", true},
      {".\n\r\n.\r\n", "\n\r\n", true},
      {std::string("a\0.\0\r\n.\0\r\n.\r\n", 13), std::string("a\0.\0\r\n\0\r\n", 9), false},
  };
  for (const DecodeCase& one : cases) {
    const std::string wire = one.wire + "NEXT\r\n";
    const Decoded whole = decode({wire});
    EXPECT_EQ(whole.text, one.text) << base::printable(one.wire);
    EXPECT_TRUE(whole.finished);
    EXPECT_EQ(whole.consumed, one.wire.size()) << base::printable(one.wire);
    EXPECT_EQ(whole.bare, one.bare) << base::printable(one.wire);
    EXPECT_EQ(whole.octets, one.text.size());
    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
      const std::string_view view = wire;
      EXPECT_EQ(decode({view.substr(0, cut), view.substr(cut)}), whole);
    }
    std::vector<std::string_view> octets;
    for (std::size_t i = 0; i < wire.size(); ++i) {
      octets.push_back(std::string_view(wire).substr(i, 1));
    }
    EXPECT_EQ(decode(octets), whole);
  }
}

TEST(DotDecoder, WithoutItsEndAMessageGoesOn) {
  for (const char* wire : {"", "a", "a\r\n", "a\r\n.", "a\r\n.\r", ".", ".\r", "a\r\n.\n", "\n.\n",
                           "\r.\r", "\r\n.\n", "\r\n.\r", "a.\r\n", "\n.\r\n"}) {
    const Decoded decoded = decode({wire});
    EXPECT_FALSE(decoded.finished) << base::printable(wire);
    EXPECT_EQ(decoded.consumed, std::string_view(wire).size());
  }
}

TEST(DotDecoder, CountsTheLongestLine) {
  EXPECT_EQ(decode({"ab\r\n" + std::string(1000, 'x') + "\r\nabc\r\n.\r\n"}).longest, 1000U);
  EXPECT_EQ(decode({".." + std::string(70, 'x') + "\r\n.\r\n"}).longest, 71U);
  EXPECT_EQ(decode({std::string(500, 'x')}).longest, 500U);  // not ended yet
  EXPECT_EQ(decode({"\r\n.\r\n"}).longest, 0U);
}

TEST(DotDecoder, DiscardsButCountsAndFindsTheEnd) {
  DotDecoder decoder;
  std::string text;
  decoder.feed("keep\r\n", text);
  decoder.discard_rest();
  EXPECT_EQ(decoder.feed("drop\r\n..\r\n", text).consumed, 10U);
  EXPECT_TRUE(decoder.feed(".\r\nQUIT", text).finished);
  EXPECT_EQ(text, "keep\r\n");
  EXPECT_EQ(decoder.octets(), 15U);
  decoder.reset();
  EXPECT_FALSE(decoder.finished());
  EXPECT_TRUE(decoder.feed("x\r\n.\r\n", text).finished);
  EXPECT_EQ(text, "keep\r\nx\r\n");
}

RC_GTEST_PROP(DotDecoder, SplitsChangeNothing, ()) {
  const std::string wire = *wire_text();
  RC_ASSERT(decode(random_chunks(wire)) == decode({wire}));
}

// Octet by octet in the plainest words, against the decoder that works on blocks.
RC_GTEST_PROP(DotDecoder, AgreesWithThePlainReading, ()) {
  const std::string wire = *wire_text() + "\r\n.\r\n";
  std::string text;
  std::size_t at = 0;
  for (;;) {
    const auto end = wire.find("\r\n", at);
    std::string line = wire.substr(at, end + 2 - at);
    at = end + 2;
    if (line == ".\r\n") {
      break;
    }
    text += line.starts_with('.') ? line.substr(1) : line;
  }
  const Decoded decoded = decode({wire});
  RC_ASSERT(decoded.finished);
  RC_ASSERT(decoded.consumed == at);
  RC_ASSERT(decoded.text == text);
}

std::string encode(const std::vector<std::string_view>& chunks, LineEnd form) {
  DotEncoder encoder(form);
  std::string out;
  for (const std::string_view chunk : chunks) {
    encoder.feed(chunk, out);
  }
  encoder.finish(out);
  return out;
}

TEST(DotEncoder, DoublesDotsAtLineStarts) {
  EXPECT_EQ(encode({""}, LineEnd::crlf), ".\r\n");
  EXPECT_EQ(encode({"a"}, LineEnd::crlf), "a\r\n.\r\n");
  EXPECT_EQ(encode({"a\r\n"}, LineEnd::crlf), "a\r\n.\r\n");
  EXPECT_EQ(encode({".\r\n..\r\na.\r\n"}, LineEnd::crlf), "..\r\n...\r\na.\r\n.\r\n");
  EXPECT_EQ(encode({"a\n.b"}, LineEnd::crlf), "a\n.b\r\n.\r\n");  // no line start after a bare LF
  EXPECT_EQ(encode({".\n..\na.\n"}, LineEnd::lf), "..\r\n...\r\na.\r\n.\r\n");
  EXPECT_EQ(encode({"a\n.b\r\n\n."}, LineEnd::lf), "a\r\n..b\r\n\r\n..\r\n.\r\n");
}

TEST(DotEncoder, IsReadyForTheNextMessage) {
  DotEncoder encoder(LineEnd::lf);
  std::string out;
  encoder.feed("a\r", out);
  encoder.finish(out);
  out.clear();
  encoder.feed("\n.", out);
  encoder.finish(out);
  EXPECT_EQ(out, "\r\n..\r\n.\r\n");
}

RC_GTEST_PROP(DotEncoder, DecoderGivesTheMessageBack, (bool stored)) {
  const std::string message = *wire_text();
  const LineEnd form = stored ? LineEnd::lf : LineEnd::crlf;
  const std::string wire = encode({message}, form);
  RC_ASSERT(encode(random_chunks(message), form) == wire);
  std::string expected = stored ? lf_to_crlf(message) : message;
  if (!expected.empty() && !expected.ends_with("\r\n")) {
    expected += "\r\n";
  }
  const Decoded decoded = decode({wire});
  RC_ASSERT(decoded.finished);
  RC_ASSERT(decoded.consumed == wire.size());
  RC_ASSERT(decoded.text == expected);
}

TEST(Eol, Tables) {
  EXPECT_EQ(crlf_to_lf("a\r\nb\r\n"), "a\nb\n");
  EXPECT_EQ(crlf_to_lf("\r\r\n\n\r"), "\r\n\n\r");
  EXPECT_EQ(crlf_to_lf(""), "");
  EXPECT_EQ(lf_to_crlf("a\nb\r\n\n"), "a\r\nb\r\n\r\n");
  EXPECT_EQ(lf_to_crlf("\r\r\n\r"), "\r\r\n\r");
  EXPECT_EQ(lf_to_crlf(""), "");
}

RC_GTEST_PROP(Eol, SplitsChangeNothingAndSizesAreExact, ()) {
  const std::string text = *wire_text();
  CrlfToLf to_lf;
  LfToCrlf to_crlf;
  EolCounter counter;
  std::string lf;
  std::string crlf;
  for (const std::string_view chunk : random_chunks(text)) {
    to_lf.feed(chunk, lf);
    to_crlf.feed(chunk, crlf);
    counter.feed(chunk);
  }
  to_lf.finish(lf);
  RC_ASSERT(lf == crlf_to_lf(text));
  RC_ASSERT(crlf == lf_to_crlf(text));
  RC_ASSERT(counter.octets() == text.size());
  RC_ASSERT(counter.lf_size() == lf.size());
  RC_ASSERT(counter.crlf_size() == crlf.size());
  RC_ASSERT(counter.lines() ==
            static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')));
}

RC_GTEST_PROP(Eol, ACleanMessageSurvivesBothWays, ()) {
  std::string text = *wire_text();
  text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
  RC_ASSERT(crlf_to_lf(lf_to_crlf(text)) == text);
}

RC_GTEST_PROP(OctetMasks, EachBitTellsItsOctet, ()) {
  std::string block = *wire_text();
  block.resize(kBlock, '.');
  const LineMasks masks = line_masks(block.data());
  for (std::size_t i = 0; i < kBlock; ++i) {
    RC_ASSERT((masks.cr >> i & 1) == (block[i] == '\r' ? 1U : 0U));
    RC_ASSERT((masks.lf >> i & 1) == (block[i] == '\n' ? 1U : 0U));
  }
}

}  // namespace
}  // namespace posthouse::mail
