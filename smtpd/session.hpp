// The SMTP server's side of one connection as a state machine without I/O, clock or threads
// (RFC 5321, with PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES, STARTTLS and AUTH).
//
// Owns the protocol state, the octets that wait and the replies not yet written. Called by the
// driver (driver.cpp), by tests and by the fuzzer, from one thread. Every event returns the next
// Step; the caller performs it and answers with the event named there. The core never fails: what a
// peer does wrong becomes a reply, and an event that does not fit the last Step is our own bug.
// smtpd/README.md has the table of states.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "mail/address.hpp"
#include "mail/dot_decoder.hpp"
#include "mail/envelope.hpp"
#include "mail/header_scanner.hpp"
#include "mail/reply.hpp"
#include "smtpd/auth_outcome.hpp"
#include "smtpd/config.hpp"

namespace posthouse::smtpd {

// What the caller does next. Replies wait in output(): they must be written before read, start_tls
// and close (and at write); the other steps leave them to be sent together with what follows.
enum class Step : std::uint8_t {
  read,          // write output, read octets -> on_bytes (or on_timeout, on_shutdown)
  write,         // many replies are waiting: write output -> proceed
  check_space,   // may a message of declared_size() begin? -> on_space
  verify_rcpt,   // ask about pending_rcpt() -> on_rcpt
  authenticate,  // take_credentials() -> on_auth
  start_tls,     // write output, do the handshake -> on_tls (a failed handshake: just close)
  begin_body,    // may a message begin now? -> on_space; when positive keep a body ready
  body,          // take the octets of body_chunk() away -> proceed
  abort_body,    // throw away the body begun -> proceed
  commit,        // take body_chunk() and take_transaction(), store them -> on_stored
  sleep,         // write nothing for delay() -> proceed
  close,         // write output, close the connection
};

// Is told what was refused, so that the driver can log it. Never sees passwords.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  // `command` is the verb ("RCPT", "message" for a refused body), `argument` what it was about.
  virtual void on_refused(std::string_view command, std::string_view argument,
                          std::string_view reply) = 0;
};

struct Transaction {
  mail::Envelope envelope;
  std::vector<mail::Address> rcpts;
};

struct Credentials {
  std::string user;
  base::Secret password;
};

class Session {
 public:
  // `config` and `observer` (may be null) must outlive the session.
  Session(const SessionConfig& config, PeerInfo peer, SessionObserver* observer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The connection is there; `tls` when the TLS layer came first (implicit TLS). Greets.
  [[nodiscard]] Step start(bool tls);
  // Octets from the client. All of them are used or kept; the view may go away afterwards.
  [[nodiscard]] Step on_bytes(std::string_view data);
  [[nodiscard]] Step on_space(const mail::Reply& reply);
  [[nodiscard]] Step on_rcpt(const mail::Reply& reply);
  // `canonical` is the account's address when accepted.
  [[nodiscard]] Step on_auth(AuthOutcome outcome, std::string canonical);
  [[nodiscard]] Step on_tls();
  [[nodiscard]] Step on_stored(const mail::Reply& reply);
  [[nodiscard]] Step proceed();
  // Instead of on_bytes: nothing came for too long (421 4.4.2), or the server is stopping. A
  // transaction that is open at shutdown goes on and the session ends after it (421 4.3.2).
  [[nodiscard]] Step on_timeout();
  [[nodiscard]] Step on_shutdown();

  [[nodiscard]] const std::string& output() const { return output_; }
  void clear_output();

  // For check_space and begin_body: SIZE= as announced, 0 when unknown.
  [[nodiscard]] std::uint64_t declared_size() const;
  [[nodiscard]] const mail::Address& pending_rcpt() const;
  [[nodiscard]] const mail::Envelope& envelope() const;  // while a transaction is open
  [[nodiscard]] std::string& body_chunk();               // at body and commit; must be left empty
  [[nodiscard]] std::uint64_t body_size() const;         // decoded octets so far
  [[nodiscard]] Transaction take_transaction();          // at commit, once
  [[nodiscard]] Credentials take_credentials();          // at authenticate, once
  [[nodiscard]] std::chrono::seconds delay() const { return delay_; }

  [[nodiscard]] bool in_transaction() const { return work_ != nullptr; }
  [[nodiscard]] bool extended() const { return extended_; }  // EHLO was said
  [[nodiscard]] bool tls() const { return tls_; }
  [[nodiscard]] const std::string& auth_user() const { return auth_user_; }
  // Moves whenever a command line is complete or octets of a body came. Only then the deadline is
  // put off, so that no client stretches one command over hours (RFC 5321 4.5.3.2.7).
  [[nodiscard]] std::uint32_t progress() const { return progress_; }

 private:
  enum class State : std::uint8_t { start, ready, mail, rcpt, body, auth, closed };
  enum class Pending : std::uint8_t { none, space_mail, space_data, rcpt, auth, tls, stored };
  enum class Mechanism : std::uint8_t { plain, login_user, login_password };
  using Next = std::optional<Step>;  // nullopt: go on with the next command
  struct Command;
  struct Work;
  struct AuthExchange;

  static const Command* find_command(std::string_view verb);

  // session.cpp: input, lines and the way from step to step
  Step pump();
  Step resume();
  Next next_line();
  Next unfinished_line();
  Next dispatch(std::string_view line);
  Next next_body_octets();
  [[nodiscard]] bool is_too_large() const;
  Next finish_body();
  Next end_session(std::string_view reply);
  void end_transaction();
  void expect(Pending pending);
  void answer(std::string_view argument, const mail::Reply& reply);
  [[nodiscard]] std::string reverse_path_text() const;
  [[nodiscard]] std::size_t line_limit() const;
  Next say(std::string_view reply);  // complete line(s) without CRLF
  Next refuse(std::string_view argument, std::string_view reply);
  Next error(std::string_view reply);  // refuse, and one step nearer to the limit of errors
  Next say_421(std::string_view enhanced, std::string_view text);

  // commands.cpp
  Next on_hello(std::string_view args, bool extended);
  void say_extensions();
  Next on_helo(std::string_view args);
  Next on_ehlo(std::string_view args);
  Next on_mail(std::string_view args);
  Next on_rcpt_command(std::string_view args);
  Next on_data(std::string_view args);
  Next on_rset(std::string_view args);
  Next on_noop(std::string_view args);
  Next on_quit(std::string_view args);
  Next on_vrfy(std::string_view args);
  Next on_help(std::string_view args);
  Next on_starttls(std::string_view args);
  Next on_not_implemented(std::string_view args);
  Next on_http(std::string_view args);
  Next out_of_sequence(const Command& command);

  // auth.cpp
  Next on_auth_command(std::string_view args);
  Next on_auth_line(std::string_view line);
  Next on_auth_data(std::string_view encoded);
  Next auth_error(std::string_view reply);
  Next auth_refused();
  [[nodiscard]] bool auth_permitted() const { return tls_ || peer_.loopback; }

  const SessionConfig& config_;
  SessionObserver* observer_;
  PeerInfo peer_;
  std::string helo_;
  std::string auth_user_;
  std::string output_;
  std::string held_;        // input that waits: an unfinished line, or what follows a step
  std::string_view input_;  // what is being consumed now; into held_ or the caller's octets
  std::string_view verb_;   // of the command being handled; points into the table
  std::unique_ptr<Work> work_;
  std::unique_ptr<AuthExchange> exchange_;
  std::size_t held_used_ = 0;  // octets at the front of held_ that are done
  std::size_t skipped_ = 0;    // octets of an overlong line thrown away so far
  std::chrono::seconds delay_{0};
  std::uint32_t progress_ = 0;
  std::uint16_t errors_ = 0;
  std::uint16_t auth_failures_ = 0;
  State state_ = State::start;
  Pending pending_ = Pending::none;
  bool extended_ = false;
  bool tls_ = false;
  bool skipping_ = false;      // inside an overlong line
  bool mail_refused_ = false;  // commands pipelined behind a refused MAIL are no errors
  bool stopping_ = false;
};

}  // namespace posthouse::smtpd
