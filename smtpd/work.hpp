// Private parts of the session core: what exists only while a transaction or an AUTH exchange is
// open, so that an idle session stays small. Included by session.cpp, commands.cpp and auth.cpp
// only.
#pragma once

#include <string>

#include "mail/dot_decoder.hpp"
#include "mail/header_scanner.hpp"
#include "smtpd/session.hpp"

namespace posthouse::smtpd {

struct Session::Work {
  Transaction transaction;
  mail::Address pending;            // recipient being asked about
  std::size_t tried = 0;            // RCPT commands that reached the recipient check or its limit
  std::uint64_t declared_size = 0;  // SIZE= of MAIL, 0 when unknown
  mail::DotDecoder decoder;
  mail::HeaderScanner header;
  std::string chunk;       // decoded octets not yet taken
  bool sink_open = false;  // the caller holds a body that must be committed or aborted
};

struct Session::AuthExchange {
  Mechanism mechanism = Mechanism::plain;
  Credentials credentials;
};

// One row of the command table (commands.cpp).
struct Session::Command {
  std::string_view verb;
  Next (Session::*handler)(std::string_view args);
  std::uint8_t states;     // bits of the states that allow it
  bool takes_argument;     // false: an argument is a syntax error (501 5.5.4)
  std::string_view wrong;  // reply in another state, when the client has said HELO
};

}  // namespace posthouse::smtpd
