// What an SMTP session is told once and never sees change: the listener's rules and the facts about
// its client. Built by app/ from the settings; a reload builds new ones and running sessions keep
// theirs. Plain values, safe to read from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace posthouse::smtpd {

// What a port is for: mail from other servers (25) or from users (587, 465; RFC 6409).
enum class ListenerKind : std::uint8_t { smtp, submission };

struct SessionConfig {
  std::string host_name = "localhost";        // greeting, EHLO answer, trace fields
  std::uint64_t msg_max_size = 25ULL << 20U;  // octets (RFC 1870); 0: no limit
  std::size_t max_rcpts = 100;                // per transaction, at least 1
  std::size_t max_errors = 20;                // syntax, unknown and sequence errors before 421
  std::size_t max_auth_failures = 5;          // refused passwords before 421
  std::size_t max_received = 50;  // Received fields in a message before it counts as a loop
  ListenerKind kind = ListenerKind::smtp;
  bool starttls = false;  // a certificate is there, so STARTTLS is offered
};

struct PeerInfo {
  std::string client_ip;  // as written into the envelope
  bool loopback = false;  // passwords may come without TLS
  bool trusted = false;   // client address is in forward_from_ip

  PeerInfo() = default;
  PeerInfo(std::string ip, bool is_loopback, bool is_trusted)
      : client_ip(std::move(ip)), loopback(is_loopback), trusted(is_trusted) {}
};

inline constexpr std::size_t kMaxCommandLine = 2048;  // LIMIT: RFC 5321 4.5.3.1.4 asks for 512
inline constexpr std::size_t kMaxAuthLine = 12288;    // LIMIT: RFC 4954 4
inline constexpr std::size_t kMaxEndlessLine =
    65536;                                            // LIMIT: no CRLF for so long ends the session
inline constexpr std::size_t kMaxHelo = 255;          // LIMIT: RFC 5321 4.5.3.1.2
inline constexpr std::size_t kBodyChunk = 65536;      // a body is handed out in pieces of this size
inline constexpr std::size_t kMaxHeldOutput = 16384;  // LIMIT: replies held before they are written
inline constexpr std::chrono::seconds kMaxAuthDelay{
    15};  // LIMIT: wait before the answer to a wrong password

}  // namespace posthouse::smtpd
