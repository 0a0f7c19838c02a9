// Making messages 7-bit: vectors written by hand, what is refused, and that nothing else changes.
#include "mail/transfer_encoding.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/text.hpp"

namespace posthouse::mail {
namespace {

std::string to_quoted(std::string_view text) {
  std::string out;
  append_quoted_printable(out, text);
  return out;
}

// A plain decoder, written from RFC 2045 6.7 apart from the encoder.
std::string from_quoted(std::string_view text) {
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

std::string converted(std::string_view message) {
  std::string why;
  const auto out = to_seven_bit(message, &why);
  EXPECT_TRUE(out) << why;
  return out.value_or("");
}

std::string refusal(std::string_view message) {
  std::string why;
  EXPECT_FALSE(to_seven_bit(message, &why)) << message;
  return why;
}

TEST(QuotedPrintable, Vectors) {
  EXPECT_EQ(to_quoted("caf\xc3\xa9 = 3 \r\nnext\t\r\n"), "caf=C3=A9 =3D 3=20\r\nnext=09\r\n");
  EXPECT_EQ(to_quoted(".dot\r\n--x\r\nFrom me\r\na.b--From\r\n"),
            "=2Edot\r\n=2D-x\r\n=46rom me\r\na.b--From\r\n");
  EXPECT_EQ(to_quoted("a\rb\nc"), "a=0Db=0Ac");
  EXPECT_EQ(to_quoted(std::string(76, 'x')), std::string(75, 'x') + "=\r\nx");
  EXPECT_EQ(to_quoted(std::string(75, 'x')), std::string(75, 'x'));
  EXPECT_EQ(to_quoted(std::string(74, 'x') + "\xe9"), std::string(74, 'x') + "=\r\n=E9");
  EXPECT_EQ(to_quoted(""), "");
}

TEST(QuotedPrintable, DecodesToWhatItWas) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    base::SeededRandom random(seed);
    std::string text;
    for (std::uint64_t i = random.below(400); i > 0; --i) {
      switch (random.below(6)) {
        case 0:
          text += "\r\n";
          break;
        case 1:
          text += static_cast<char>(random.below(256));
          break;
        case 2:
          text += " .-="[random.below(4)];
          break;
        default:
          text += static_cast<char>('a' + random.below(26));
      }
    }
    const std::string encoded = to_quoted(text);
    ASSERT_EQ(from_quoted(encoded), text) << "seed " << seed;
    for (const std::string_view line : base::split(encoded, '\n')) {
      ASSERT_LE(line.size(), 77U);  // 76 and the CR
      ASSERT_FALSE(line.starts_with("--"));
      ASSERT_FALSE(line.starts_with("."));
      const std::string_view text_only = line.substr(0, line.find('\r'));
      ASSERT_FALSE(text_only.ends_with(' ') || text_only.ends_with('\t'));
    }
  }
}

TEST(SevenBit, WhatIsSevenBitStays) {
  const std::string message = "Subject: x\r\nContent-Type: multipart/mixed\r\n\r\nbroken\r\n";
  EXPECT_EQ(converted(message), message);
  EXPECT_EQ(converted(""), "");
}

TEST(SevenBit, TextBecomesQuotedPrintable) {
  EXPECT_EQ(
      converted("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\nEin Caf\xc3\xa9, bitte.\r\n"),
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\nSubject: x\r\n\r\n"
      "Ein Caf=C3=A9, bitte.\r\n");
}

TEST(SevenBit, WithoutMimeFieldsTheyAreAdded) {
  EXPECT_EQ(converted("Subject: x\r\n\r\nEin Caf\xe9, bitte.\r\n"),
            "Subject: x\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=unknown-8bit\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\nEin Caf=E9, bitte.\r\n");
}

TEST(SevenBit, OtherTypesBecomeBase64) {
  EXPECT_EQ(converted("MIME-Version: 1.0\r\nContent-Type: image/png\r\n"
                      "Content-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\n"),
            "MIME-Version: 1.0\r\nContent-Type: image/png\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n");
}

TEST(SevenBit, TextInAnotherAlphabetBecomesBase64) {
  const std::string out = converted(
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
      "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n");
  EXPECT_EQ(out,
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n0J/RgNC40LLQtdGCDQo=\r\n");
}

TEST(SevenBit, PartsAreConvertedEachByItself) {
  const std::string message =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n"
      "Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n"
      "--a b\r\n\r\nplain ASCII, as it is=\r\n"
      "--a b  \r\nContent-Type: text/html\r\n\r\n<p>gr\xc3\xbc\xc3\x9f dich, liebe Leserin</p>"
      "\r\n--a b\r\nContent-Type: application/octet-stream\r\n\r\n\xff\xfe\r\n"
      "--a b--\r\nepilogue\r\n";
  EXPECT_EQ(converted(message),
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n"
            "Content-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n"
            "--a b\r\n\r\nplain ASCII, as it is=\r\n"
            "--a b  \r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n"
            "\r\n<p>gr=C3=BC=C3=9F dich, liebe Leserin</p>"
            "\r\n--a b\r\nContent-Type: application/octet-stream\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n//4=\r\n"
            "--a b--\r\nepilogue\r\n");
}

TEST(SevenBit, MessagesInsideAreConvertedWithin) {
  const std::string inner =
      "Subject: inside\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
  const std::string outer =
      "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\n";
  EXPECT_EQ(converted(outer + inner + "and a caf\xe9\r\n--x--\r\n"),
            outer +
                "Subject: inside\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\nand a caf=E9\r\n--x--\r\n");
}

TEST(SevenBit, PartsWithoutHeaderOrBody) {
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n";
  // An empty part, a part that begins with its body, a part at the very end without CRLF.
  EXPECT_EQ(converted(head + "--x\r\n--x\r\n\r\nlong enough \xe9\r\n--x--"),
            head +
                "--x\r\n--x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                "long enough =E9\r\n--x--");
}

TEST(SevenBit, Refusals) {
  const std::string mixed =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n";
  EXPECT_NE(refusal("Subject: caf\xe9\r\n\r\nx\r\n").find("header"), std::string::npos);
  EXPECT_NE(refusal("MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n--x\r\n\r\n\xe9\r\n")
                .find("boundary"),
            std::string::npos);
  EXPECT_NE(refusal(mixed + "--x\r\n\r\n\xe9\r\n").find("end"), std::string::npos);
  EXPECT_NE(refusal(mixed + "\xe9\r\n").find("part"), std::string::npos);
  EXPECT_NE(refusal(mixed + "pre\xe9\r\n--x\r\n\r\n--x--\r\n").find("outside"), std::string::npos);
  EXPECT_NE(refusal(mixed + "--x\r\n\r\n--x--\r\n\xe9pilogue").find("outside"), std::string::npos);
  EXPECT_NE(refusal("Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n\xe9\r\n--x--")
                .find("signed"),
            std::string::npos);
  EXPECT_NE(refusal("Content-Transfer-Encoding: x-uuencode\r\n\r\n\xe9").find("x-uuencode"),
            std::string::npos);
  EXPECT_NE(refusal("Content-Transfer-Encoding: base64\r\n\r\n\xe9").find("base64"),
            std::string::npos);
  EXPECT_NE(refusal("Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n\xe9").find("two"),
            std::string::npos);
  EXPECT_NE(refusal("Content-Type: nonsense\r\n\r\n\xe9").find("parse"), std::string::npos);
  EXPECT_NE(refusal("Content-Type: message/partial\r\n\r\n\xe9").find("message"),
            std::string::npos);
}

TEST(SevenBit, DepthAndPartsAreLimited) {
  std::string deep;
  for (int i = 0; i < 40; ++i) {
    deep += "Content-Type: message/rfc822\r\n\r\n";
  }
  EXPECT_NE(refusal(deep + "\r\n\xe9\r\n").find("deep"), std::string::npos);
  std::string wide = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
  for (std::size_t i = 0; i <= kMaxMimeParts; ++i) {
    wide += "--x\r\n\r\n\xe9\r\n";
  }
  EXPECT_NE(refusal(wide + "--x--\r\n").find("many"), std::string::npos);
}

// Whatever comes in: an answer comes out, and if it is a message, it is 7-bit.
TEST(SevenBit, AnyInput) {
  const std::string words[] = {"Content-Type: ",
                               "multipart/mixed; boundary=x",
                               "text/plain",
                               "message/rfc822",
                               "\r\n",
                               "\r\n\r\n",
                               "--x",
                               "--x--",
                               "\xe9",
                               "a ",
                               "Content-Transfer-Encoding: ",
                               "8bit",
                               "binary",
                               "\r\n--x\r\n",
                               "\"",
                               ";",
                               "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"};
  std::size_t good = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    base::SeededRandom random(seed);
    std::string message;
    for (std::uint64_t i = 1 + random.below(25); i > 0; --i) {
      message += words[random.below(std::size(words))];
    }
    std::string why;
    const auto out = to_seven_bit(message, &why);
    if (!out) {
      ASSERT_FALSE(why.empty());
      continue;
    }
    ++good;
    for (const char c : *out) {
      ASSERT_LT(static_cast<unsigned char>(c), 0x80U) << base::printable(message, 2000);
    }
  }
  EXPECT_GT(good, 2000U);
}

}  // namespace
}  // namespace posthouse::mail
