// The parameters behind the path of MAIL and RCPT (RFC 5321 4.1.2 esmtp-param). Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "mail/envelope.hpp"

namespace posthouse::smtpd {

struct MailParams {
  std::uint64_t size = 0;  // SIZE=, 0 when not given
  mail::BodyKind body = mail::BodyKind::seven_bit;
};

// Reads SIZE (RFC 1870), BODY (RFC 6152) and AUTH (RFC 4954 5: accepted, not used). `text` is what
// follows the path. Empty when all is well, else the reply for the client.
[[nodiscard]] std::string_view parse_mail_params(std::string_view text, MailParams* params);

// RCPT knows no parameter yet: 555 for any well-formed one, 501 for anything else.
[[nodiscard]] std::string_view parse_rcpt_params(std::string_view text);

}  // namespace posthouse::smtpd
