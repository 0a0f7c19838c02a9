// The envelope of a message (RFC 5598 2.2.1 and 4.1.1.2) as it is kept in the spool.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mail/address.hpp"

namespace posthouse::mail {

enum class BodyKind : std::uint8_t { seven_bit, eight_bit };

// How a message came in; decides the `with` clause and what routing may do.
enum class Arrival : std::uint8_t { smtp, submission, rpop, local };

struct Envelope {
  Address reverse_path;  // empty: the null reverse-path "<>"
  BodyKind body = BodyKind::seven_bit;
  Arrival arrival = Arrival::smtp;
  std::string client;     // IP address of the client, empty for local submission
  std::string helo;       // as the client named itself
  std::string auth_user;  // authenticated user, empty when none
};

}  // namespace posthouse::mail
