// The trace fields a server writes: Received: (RFC 5321 4.4), Return-Path: and Delivered-To:.
// Whatever a client said about itself ends up here in a form that can neither end the line nor the
// comment it stands in. Pure; nothing fails.
#pragma once

#include <string>
#include <string_view>

#include "base/time.hpp"
#include "mail/address.hpp"
#include "mail/eol.hpp"

namespace posthouse::mail {

struct ReceivedInfo {
  std::string helo;         // argument of HELO or EHLO as given; empty: none
  std::string client_ip;    // "192.0.2.1" or "2001:db8::1"; empty: came in locally
  std::string client_name;  // verified name of that address (reverse and forward DNS), or empty
  std::string by;           // our host name
  std::string id;           // queue id
  base::WallTime time;
  bool esmtp = false;
  bool tls = false;
  bool authenticated = false;
  std::string tls_version;  // "TLSv1.3"
  std::string tls_cipher;   // "TLS_AES_256_GCM_SHA384"
  std::string auth_user;    // shown in a comment when not empty
  Address rcpt;             // shown when not empty: set it for exactly one recipient only, so that
                            // blind copies stay blind (RFC 5321 7.6)
};

// RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPA or ESMTPSA.
[[nodiscard]] std::string_view with_protocol(bool esmtp, bool tls, bool authenticated);

// The whole field with its line end, folded below 78 columns wherever a word allows it.
[[nodiscard]] std::string build_received(const ReceivedInfo& info, LineEnd end = LineEnd::crlf);

// "Return-Path: <…>" with its line end; "<>" for the null reverse-path.
[[nodiscard]] std::string build_return_path(const Address& reverse_path,
                                            LineEnd end = LineEnd::crlf);
[[nodiscard]] std::string build_delivered_to(const Address& rcpt, LineEnd end = LineEnd::crlf);

// `text` fit to stand inside a comment (RFC 5322 3.2.2): parentheses, backslashes, controls and
// octets beyond ASCII become '?', cut at `limit` octets.
[[nodiscard]] std::string comment_text(std::string_view text, std::size_t limit = 128);

}  // namespace posthouse::mail
