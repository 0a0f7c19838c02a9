// The mechanisms behind sasl.hpp. Pure; one thread at a time.
#include "net/sasl.hpp"

#include <array>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"

namespace posthouse::net {

namespace {

constexpr std::array<SaslMechanism, 4> kByPreference = {SaslMechanism::scram_sha_256,
                                                        SaslMechanism::plain, SaslMechanism::login,
                                                        SaslMechanism::cram_md5};

class Plain final : public SaslClient {
 public:
  explicit Plain(const SaslCredentials& credentials) : credentials_(credentials) {}

  std::optional<std::string> initial() override {
    sent_ = true;
    std::string message;
    message.reserve(credentials_.user.size() + credentials_.password.view().size() + 2);
    message += '\0';  // RFC 4616 2: no other identity to act as
    message += credentials_.user;
    message += '\0';
    message += credentials_.password.view();
    return message;
  }
  std::optional<std::string> respond(std::string_view challenge) override {
    if (sent_ || !challenge.empty()) {
      return fail("PLAIN has no further message");
    }
    return initial();
  }
  bool complete() const override { return sent_; }

 private:
  const SaslCredentials& credentials_;
  bool sent_ = false;
};

// Never became a standard; the prompts vary, so that only their order counts.
class Login final : public SaslClient {
 public:
  explicit Login(const SaslCredentials& credentials) : credentials_(credentials) {}

  std::optional<std::string> initial() override { return std::nullopt; }
  std::optional<std::string> respond(std::string_view /*challenge*/) override {
    switch (sent_++) {
      case 0:
        return credentials_.user;
      case 1:
        return std::string(credentials_.password.view());
      default:
        sent_ = 2;
        return fail("LOGIN has no third message");
    }
  }
  bool complete() const override { return sent_ == 2; }

 private:
  const SaslCredentials& credentials_;
  int sent_ = 0;
};

class CramMd5 final : public SaslClient {
 public:
  explicit CramMd5(const SaslCredentials& credentials) : credentials_(credentials) {}

  std::optional<std::string> initial() override { return std::nullopt; }
  std::optional<std::string> respond(std::string_view challenge) override {
    if (sent_ || challenge.empty()) {
      return fail("CRAM-MD5 has one challenge, which is not empty");
    }
    sent_ = true;
    // RFC 2195 2
    return credentials_.user + ' ' +
           base::hex(base::hmac_md5(credentials_.password.view(), challenge));
  }
  bool complete() const override { return sent_; }

 private:
  const SaslCredentials& credentials_;
  bool sent_ = false;
};

class ScramSha256 final : public SaslClient {
 public:
  ScramSha256(const SaslCredentials& credentials, std::string_view nonce)
      : credentials_(credentials), nonce_(nonce) {
    PH_ASSERT(!nonce.empty() && nonce.find(',') == std::string_view::npos,
              "a SCRAM nonce is printable and has no comma");
  }

  std::optional<std::string> initial() override {
    first_ = "n=" + escaped(credentials_.user) + ",r=" + nonce_;
    state_ = State::first_sent;
    return "n,," + first_;  // RFC 5802 6: we do not bind to the channel
  }
  std::optional<std::string> respond(std::string_view challenge) override {
    switch (state_) {
      case State::start:
        return challenge.empty() ? initial() : fail("SCRAM begins with the client");
      case State::first_sent:
        return answer_first(challenge);
      case State::proof_sent:
        return check_final(challenge);
      case State::verified:
        break;
    }
    return fail("SCRAM has no further message");
  }
  bool complete() const override { return state_ == State::verified; }

 private:
  enum class State { start, first_sent, proof_sent, verified };

  // RFC 5802 5.1 "saslname"
  static std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name) {
      if (c == ',') {
        out += "=2C";
      } else if (c == '=') {
        out += "=3D";
      } else {
        out += c;
      }
    }
    return out;
  }

  // The value of `letter`=… at the front of `fields`, with the comma behind it removed, too.
  static std::optional<std::string_view> take(std::string_view& fields, char letter) {
    if (fields.size() < 2 || fields[0] != letter || fields[1] != '=') {
      return std::nullopt;
    }
    const std::size_t comma = fields.find(',');
    const std::string_view value =
        fields.substr(2, comma == std::string_view::npos ? std::string_view::npos : comma - 2);
    fields.remove_prefix(comma == std::string_view::npos ? fields.size() : comma + 1);
    return value;
  }

  std::optional<std::string> answer_first(std::string_view challenge) {
    std::string_view fields = challenge;
    // An "m=" here is an extension that we would have to know (RFC 5802 5.1).
    const auto nonce = take(fields, 'r');
    const auto salt64 = take(fields, 's');
    const auto count = take(fields, 'i');
    if (!nonce || !salt64 || !count) {
      return fail("the server's SCRAM message does not parse");
    }
    if (nonce->size() <= nonce_.size() || !nonce->starts_with(nonce_)) {
      return fail("the server's SCRAM nonce does not continue ours");  // RFC 5802 5.1
    }
    const auto salt = base::base64_decode(*salt64);
    const auto iterations = base::parse_u64(*count);
    if (!salt || salt->empty() || !iterations) {
      return fail("the server's SCRAM salt or count does not parse");
    }
    if (*iterations < kMinScramIterations || *iterations > kMaxScramIterations) {
      return fail("the server's SCRAM iteration count is out of bounds");
    }
    return prove(challenge, *nonce, *salt, static_cast<std::uint32_t>(*iterations));
  }

  std::string prove(std::string_view challenge, std::string_view nonce, std::string_view salt,
                    std::uint32_t iterations) {
    // RFC 5802 3; "biws" is the base64 of the header "n,,".
    const std::string without_proof = "c=biws,r=" + std::string(nonce);
    const std::string all = first_ + ',' + std::string(challenge) + ',' + without_proof;
    const auto salted = base::pbkdf2_sha256(credentials_.password.view(), salt, iterations);
    const auto client_key = base::hmac_sha256(base::digest_view(salted), "Client Key");
    const auto stored_key = base::sha256(base::digest_view(client_key));
    auto proof = base::hmac_sha256(base::digest_view(stored_key), all);
    for (std::size_t i = 0; i < proof.size(); ++i) {
      proof[i] ^= client_key[i];
    }
    const auto server_key = base::hmac_sha256(base::digest_view(salted), "Server Key");
    server_signature_ = base::hmac_sha256(base::digest_view(server_key), all);
    state_ = State::proof_sent;
    return without_proof + ",p=" + base::base64_encode(base::digest_view(proof));
  }

  std::optional<std::string> check_final(std::string_view challenge) {
    std::string_view fields = challenge;
    const auto verifier = take(fields, 'v');
    const auto signature = verifier ? base::base64_decode(*verifier) : std::nullopt;
    if (!signature ||
        !base::equal_constant_time(*signature, base::digest_view(server_signature_))) {
      return fail("the server does not know the password");  // or said e=…
    }
    state_ = State::verified;
    return std::string();
  }

  const SaslCredentials& credentials_;
  std::string nonce_;
  std::string first_;  // client-first-message-bare
  base::Sha256 server_signature_{};
  State state_ = State::start;
};

}  // namespace

std::string_view sasl_name(SaslMechanism mechanism) {
  switch (mechanism) {
    case SaslMechanism::scram_sha_256:
      return "SCRAM-SHA-256";
    case SaslMechanism::plain:
      return "PLAIN";
    case SaslMechanism::login:
      return "LOGIN";
    case SaslMechanism::cram_md5:
      return "CRAM-MD5";
  }
  PH_ASSERT(false, "every mechanism has a name");
  return {};
}

void SaslMechanisms::add(std::string_view name) {
  for (const SaslMechanism mechanism : kByPreference) {
    if (base::iequals(name, sasl_name(mechanism))) {
      add(mechanism);
    }
  }
}

std::optional<SaslMechanism> SaslMechanisms::best() const {
  for (const SaslMechanism mechanism : kByPreference) {
    if (has(mechanism)) {
      return mechanism;
    }
  }
  return std::nullopt;
}

std::unique_ptr<SaslClient> make_sasl_client(SaslMechanism mechanism,
                                             const SaslCredentials& credentials,
                                             std::string_view nonce) {
  switch (mechanism) {
    case SaslMechanism::scram_sha_256:
      return std::make_unique<ScramSha256>(credentials, nonce);
    case SaslMechanism::plain:
      // RFC 4616 2: NUL separates the parts.
      if (credentials.user.find('\0') != std::string::npos ||
          credentials.password.view().find('\0') != std::string_view::npos) {
        return nullptr;
      }
      return std::make_unique<Plain>(credentials);
    case SaslMechanism::login:
      return std::make_unique<Login>(credentials);
    case SaslMechanism::cram_md5:
      return std::make_unique<CramMd5>(credentials);
  }
  return nullptr;
}

}  // namespace posthouse::net
