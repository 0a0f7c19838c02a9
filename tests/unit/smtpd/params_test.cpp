// Parameters of MAIL and RCPT.
#include "smtpd/params.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthouse::smtpd {
namespace {

std::string mail_trouble(std::string_view text) {
  MailParams params;
  return std::string(parse_mail_params(text, &params)).substr(0, 9);
}

TEST(Params, MailValues) {
  MailParams params;
  EXPECT_EQ(parse_mail_params(" SIZE=18446744073709551615 body=8bitmime AUTH=<>", &params), "");
  EXPECT_EQ(params.size, 18446744073709551615ULL);
  EXPECT_EQ(params.body, mail::BodyKind::eight_bit);
  MailParams none;
  EXPECT_EQ(parse_mail_params("", &none), "");
  EXPECT_EQ(none.size, 0U);
  EXPECT_EQ(none.body, mail::BodyKind::seven_bit);
}

TEST(Params, MailMistakes) {
  EXPECT_EQ(mail_trouble(" SIZE=1 X-Y=1"), "555 5.5.4");
  EXPECT_EQ(mail_trouble(" X_Y=1"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" SIZE=-1"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" SIZE=1a"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" SIZE=18446744073709551616"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" SIZE=000000000000000000001"), "501 5.5.4");  // RFC 1870 4: 20 digits
  EXPECT_EQ(mail_trouble(" SIZE=00000000000000000001"), "");
  EXPECT_EQ(mail_trouble(" BODY"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" BODY=7BIT BODY=7BIT"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" AUTH"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" AUTH=a=b"), "501 5.5.4");
  EXPECT_EQ(mail_trouble("SIZE=1"), "501 5.5.4");
  EXPECT_EQ(mail_trouble(" \tSIZE=1"), "501 5.5.4");
}

TEST(Params, Rcpt) {
  EXPECT_EQ(parse_rcpt_params(""), "");
  EXPECT_EQ(parse_rcpt_params("  "), "");
  EXPECT_EQ(parse_rcpt_params(" NOTIFY=NEVER").substr(0, 3), "555");
  EXPECT_EQ(parse_rcpt_params(" NOTIFY=").substr(0, 3), "501");
  EXPECT_EQ(parse_rcpt_params("x").substr(0, 3), "501");
}

}  // namespace
}  // namespace posthouse::smtpd
