// SASL as a client speaks it to a gateway or provider: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195)
// and SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding. No I/O and no encoding: messages
// are octets, base64 and the framing belong to the protocol that carries them. One object serves
// one exchange on one thread; after an error it is only good for why(). Holds the password until
// destroyed and never shows it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace posthouse::net {

enum class SaslMechanism : std::uint8_t { scram_sha_256, plain, login, cram_md5 };

[[nodiscard]] std::string_view sasl_name(SaslMechanism mechanism);

// A set of mechanisms, as a server offers them.
class SaslMechanisms {
 public:
  void add(SaslMechanism mechanism) { bits_ = static_cast<std::uint8_t>(bits_ | bit(mechanism)); }
  // Takes one name of a list; unknown ones are ignored.
  void add(std::string_view name);
  void remove(SaslMechanism mechanism) {
    bits_ = static_cast<std::uint8_t>(bits_ & ~bit(mechanism));
  }
  [[nodiscard]] bool has(SaslMechanism mechanism) const { return (bits_ & bit(mechanism)) != 0; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  // The one to try first: SCRAM, which also proves the server, before those that show the password
  // to a server inside TLS; CRAM-MD5 last, because servers offer it without being able to check it.
  [[nodiscard]] std::optional<SaslMechanism> best() const;

 private:
  static unsigned bit(SaslMechanism mechanism) { return 1U << static_cast<unsigned>(mechanism); }
  std::uint8_t bits_ = 0;
};

inline constexpr std::uint32_t kMinScramIterations = 4096;    // RFC 7677 4
inline constexpr std::uint32_t kMaxScramIterations = 200000;  // LIMIT: about 0.1 s of our time
inline constexpr std::size_t kMaxSaslMessage = 8192;          // LIMIT: of a decoded challenge

class SaslClient {
 public:
  virtual ~SaslClient() = default;
  // What may be sent together with the mechanism's name; nullopt when the server speaks first.
  [[nodiscard]] virtual std::optional<std::string> initial() = 0;
  // The answer to a challenge; nullopt when the challenge is wrong or one too many: see why().
  [[nodiscard]] virtual std::optional<std::string> respond(std::string_view challenge) = 0;
  // Whether the server's "you are in" may be believed now: all was said, and a mechanism that
  // proves the server, too, has seen that proof.
  [[nodiscard]] virtual bool complete() const = 0;
  [[nodiscard]] std::string_view why() const { return why_; }

 protected:
  std::nullopt_t fail(std::string_view why) {
    why_ = why;
    return std::nullopt;
  }

 private:
  std::string_view why_;
};

struct SaslCredentials {
  std::string user;
  base::Secret password;
};

// `credentials` must outlive the object. `nonce` is used by SCRAM alone: printable ASCII without a
// comma, never used before, at least 18 random octets in base64 (RFC 5802 5.1).
// nullptr when the name or password cannot be sent with this mechanism (a NUL in PLAIN).
//
// User and password are used as they are, in UTF-8: the preparation of RFC 4013 changes nothing in
// ASCII.
[[nodiscard]] std::unique_ptr<SaslClient> make_sasl_client(SaslMechanism mechanism,
                                                           const SaslCredentials& credentials,
                                                           std::string_view nonce);

}  // namespace posthouse::net
