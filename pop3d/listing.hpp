// The plain values that pass between the POP3 session core and a maildrop; no I/O types here, so
// that the core and its tests do without Asio. The interfaces that use them are in pop3d/ports.hpp.
#pragma once

#include <cstdint>
#include <string>

namespace posthouse::pop3d {

// A message as POP3 numbers it. `size` counts CRLF line ends, before dot-stuffing (RFC 1939 11).
struct Listing {
  std::uint64_t size = 0;
  std::string uid;  // 1..70 printable octets, stable for ever, never reused
};

enum class DropStatus {
  ok,
  in_use,       // another session holds the lock: -ERR [IN-USE]
  unavailable,  // disk or lookup trouble: -ERR [SYS/TEMP]
  gone,         // this message was removed by another program
};

enum class LoginOutcome { ok, refused, unavailable, in_use };

}  // namespace posthouse::pop3d
