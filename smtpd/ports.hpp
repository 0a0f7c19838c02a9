// What the SMTP server needs from the rest of the house. app/ implements these over accounts/,
// forward/ and queue/; tests use small fakes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "mail/envelope.hpp"
#include "mail/reply.hpp"
#include "net/ports.hpp"
#include "smtpd/auth_outcome.hpp"

namespace posthouse::smtpd {

// A recipient the server may accept or refuse at RCPT.
struct RcptQuery {
  mail::Address rcpt;  // empty domain: bare "postmaster"
  const mail::Envelope* envelope = nullptr;
  bool client_may_relay = false;  // client address is in forward_from_ip
};

class RecipientOracle {
 public:
  virtual ~RecipientOracle() = default;
  // 250 accepts; 550 5.1.1, 550 5.7.1, 451 4.3.0 … refuse with that reply.
  [[nodiscard]] virtual net::Task<mail::Reply> verify(const RcptQuery& query) = 0;
};

// The body of one message on its way in: first in memory, beyond the limits in a file of its own
// (docs/architecture.md). Destroying it without submit leaves nothing behind.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Takes all octets out of `chunk`. May suspend to write a large body to disk. An error (no space)
  // is remembered: later calls do nothing and submit() answers it.
  [[nodiscard]] virtual net::Task<> append(std::string& chunk) = 0;
  // True while append() would not suspend: the driver then calls append_now() instead.
  [[nodiscard]] virtual bool try_append(std::string_view chunk) = 0;
};

struct Submission {
  mail::Envelope envelope;
  std::vector<mail::Address> rcpts;
  std::string
      trace;  // complete Received: field with CRLF, put before the body; "{id}" already filled
  base::MessageId id;
  std::unique_ptr<BodySink> body;
};

class MailSink {
 public:
  virtual ~MailSink() = default;
  // Whether a message of `size` octets (0: unknown) may begin now: 250, 452 4.3.1 (min_space), …
  [[nodiscard]] virtual mail::Reply may_accept(std::uint64_t size) = 0;
  [[nodiscard]] virtual base::MessageId new_id() = 0;
  [[nodiscard]] virtual std::unique_ptr<BodySink> new_body(const base::MessageId& id) = 0;
  // Returns after the flush that covers the message: 250 2.0.0 "queued as ID", or 4xx/5xx.
  [[nodiscard]] virtual net::Task<mail::Reply> submit(Submission submission) = 0;
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // `user` as typed; on accepted `*canonical` is the address of the account.
  [[nodiscard]] virtual net::Task<AuthOutcome> verify(std::string user, base::Secret password,
                                                      std::string* canonical) = 0;
};

}  // namespace posthouse::smtpd
