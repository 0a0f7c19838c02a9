// The vocabulary of the SMTP client: what is to be sent, on what terms, and how it ended for each
// recipient. Plain values without behaviour; used by smtp_client, relay and whoever reads results.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"
#include "mail/dsn_params.hpp"
#include "mail/reply.hpp"
#include "net/sasl.hpp"

namespace posthouse::deliver {

enum class Disposition : std::uint8_t {
  delivered,  // the peer took the responsibility
  deferred,   // try again
  failed,     // never
};

// Where in the dialogue something was decided.
enum class Phase : std::uint8_t {
  connect,
  greeting,
  hello,
  start_tls,
  auth,
  reset,
  mail,
  rcpt,
  data,
  body,         // while the message is being sent
  final_reply,  // after the final dot or the last chunk
};
[[nodiscard]] std::string_view phase_name(Phase phase);

// What a verdict is about, so that the caller knows whether another host may do better: one of
// scope host is final only when no other host is left, even if it says "failed" (a 554 greeting,
// RFC 5321 3.1).
enum class Scope : std::uint8_t {
  recipient,  // this recipient
  message,    // every recipient of this message
  host,       // the host or the connection to it: another host may be tried at once
};

// How it ended for one recipient.
struct RcptOutcome {
  Disposition disposition = Disposition::deferred;
  Phase phase = Phase::connect;
  Scope scope = Scope::recipient;
  int code = 0;          // as the peer said it, or 0 when the verdict is ours
  std::string enhanced;  // RFC 3463, never empty; its class agrees with the disposition
  std::string text;      // the peer's words in one line, or our sentence when code is 0
  // The whole message was sent and its answer never understood: the peer may have taken it, and the
  // next try may deliver it twice (RFC 5321 6.1 prefers that to losing it). Always deferred.
  bool perhaps_delivered = false;
  // The connection was in use before and ended before the peer said anything about this message:
  // worth another connection at once, and no attempt in the sense of the retry schedule.
  bool untried = false;
  // "Too many recipients" (RFC 5321 4.5.3.1.10): worth another transaction at once when others of
  // this message were accepted.
  bool too_many = false;
  // Delivered to a peer that speaks DSN: reports about its fate are the peer's business now
  // (RFC 3461 5.2.1); false asks for a "relayed" report where SUCCESS was wanted (5.2.2).
  bool peer_does_dsn = false;
};

struct ClientRcpt {
  mail::Address address;
  mail::DsnRcpt dsn;
};

// A message for one transaction. The octets come later and in pieces.
struct ClientMessage {
  mail::Address reverse_path;  // empty: the null reverse-path
  std::vector<ClientRcpt> rcpts;
  std::uint64_t size = 0;    // octets with CRLF line ends (RFC 1870 3); 0: unknown
  bool eight_bit = false;    // the body has octets beyond ASCII
  bool utf8_header = false;  // the header has (RFC 6532), so the peer must speak SMTPUTF8
  mail::DsnMail dsn;
};

struct MessageResult {
  const ClientMessage* message = nullptr;
  std::vector<RcptOutcome> rcpts;  // one for each of message->rcpts, in that order
};

// What the peer said it can do (RFC 5321 4.1.1.1); all false after HELO.
struct Capabilities {
  std::string name;  // as the peer calls itself
  bool pipelining = false;
  bool size = false;
  std::uint64_t max_size = 0;  // 0: no fixed limit
  bool eight_bit_mime = false;
  bool smtp_utf8 = false;
  bool dsn = false;
  bool chunking = false;
  bool start_tls = false;
  bool enhanced_codes = false;
  net::SaslMechanisms auth;
};
// From the text of a positive reply to EHLO, lines separated by '\n'.
[[nodiscard]] Capabilities parse_capabilities(std::string_view text);

enum class ClientTls : std::uint8_t {
  none,     // never
  may,      // when the peer offers it
  require,  // or not at all
};

// RFC 5321 4.5.3.2: these are the least that are allowed there, the last three ours.
struct ClientTimeouts {
  std::chrono::seconds greeting = std::chrono::minutes(5);
  std::chrono::seconds mail = std::chrono::minutes(5);
  std::chrono::seconds rcpt = std::chrono::minutes(5);
  std::chrono::seconds data = std::chrono::minutes(2);
  std::chrono::seconds block = std::chrono::minutes(3);
  std::chrono::seconds final_reply = std::chrono::minutes(10);
  std::chrono::seconds command = std::chrono::minutes(5);  // EHLO, AUTH, STARTTLS, RSET
  std::chrono::seconds handshake = std::chrono::minutes(1);
  std::chrono::seconds quit = std::chrono::seconds(10);
};

// The terms of one connection.
struct SmtpClientConfig {
  std::string helo_name = "localhost";  // RFC 5321 4.1.1.1: our name or address literal
  ClientTls tls = ClientTls::may;
  bool tls_active = false;  // the TLS layer is there already (implicit TLS)
  const net::SaslCredentials* credentials = nullptr;  // of a gateway; must outlive the session
  std::string nonce;              // for SCRAM, see net::make_sasl_client(); needed with credentials
  bool auth_without_tls = false;  // the peer is loopback, or the administrator allows it
  bool use_pipelining = true;
  bool use_chunking = true;
  ClientTimeouts timeouts;
};

}  // namespace posthouse::deliver
