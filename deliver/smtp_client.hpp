// The SMTP client's side of one connection as a state machine without I/O, clock or threads
// (RFC 5321, with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, CHUNKING, STARTTLS and AUTH).
//
// Owns the protocol state, the octets to be written and the unfinished reply. Called by the relay
// driver, by tests and by the fuzzer, from one thread. Every event returns the next step; the
// caller performs it and answers with the event named there. The core never fails: whatever the
// peer does, each recipient of each message that was given gets exactly one outcome, and an event
// that does not fit the last step is our own bug.
//
// With PIPELINING the envelope of the next message travels together with the end of the one before
// (RFC 2920 3.1), so next_message is also asked while an answer is outstanding.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "deliver/smtp_client_types.hpp"
#include "mail/dot_decoder.hpp"
#include "mail/eol.hpp"
#include "mail/reply_parser.hpp"

namespace posthouse::deliver {

// What the caller does next. Output waits in output() and must be written before read, start_tls
// and close, and at write; the other steps leave it to be sent together with what follows.
enum class ClientStep : std::uint8_t {
  read,          // write output, read octets within timeout() -> on_bytes, on_lost
  write,         // write output within timeout() -> proceed, on_lost
  start_tls,     // write output, do the handshake -> on_tls, on_tls_failed
  next_message,  // -> on_message at once while waiting_for_reply(), else when it suits
  convert,       // the body of body_message() must become 7-bit -> on_converted, on_not_convertible
  need_body,     // the next piece of body_message() -> on_body, on_body_failed
  result,        // take_result() -> proceed
  close,         // write output (it is a farewell), close the connection
};

enum class Lost : std::uint8_t { closed, timed_out, error };

class SmtpClient {
 public:
  explicit SmtpClient(SmtpClientConfig config);
  ~SmtpClient();
  SmtpClient(const SmtpClient&) = delete;
  SmtpClient& operator=(const SmtpClient&) = delete;

  // The connection is there.
  [[nodiscard]] ClientStep start();
  // Octets from the peer. All of them are used or kept; the view may go away afterwards.
  [[nodiscard]] ClientStep on_bytes(std::string_view data);
  // Instead of on_bytes, proceed, on_tls: the connection is gone. `detail` says why, for
  // Lost::error.
  [[nodiscard]] ClientStep on_lost(Lost how, std::string_view detail = {});
  [[nodiscard]] ClientStep on_tls();
  [[nodiscard]] ClientStep on_tls_failed(std::string_view why);
  // `message` must stay alive and unchanged until its result was taken, and have a recipient;
  // nullptr: there is none now. Without an outstanding answer that ends the session with QUIT.
  [[nodiscard]] ClientStep on_message(const ClientMessage* message);
  // The 7-bit form is ready and has `size` octets; need_body asks for it.
  [[nodiscard]] ClientStep on_converted(std::uint64_t size);
  [[nodiscard]] ClientStep on_not_convertible(std::string_view why);
  // Pieces of any size; line ends CRLF or LF, LF becomes CRLF on the way.
  [[nodiscard]] ClientStep on_body(std::string_view piece, bool last);
  // The body cannot be read any more.
  [[nodiscard]] ClientStep on_body_failed(std::string_view why);
  [[nodiscard]] ClientStep proceed();

  [[nodiscard]] const std::string& output() const { return output_; }
  // What was written before the session is ready may hold a password.
  void clear_output() { ready_ ? output_.clear() : base::wipe(output_); }
  [[nodiscard]] std::chrono::seconds timeout() const;
  // Moves with every complete reply. Only then the deadline of read is put off, so that a peer that
  // sends one octet a minute gains nothing.
  [[nodiscard]] std::uint32_t progress() const { return progress_; }

  [[nodiscard]] const ClientMessage& body_message() const;
  [[nodiscard]] MessageResult take_result();
  [[nodiscard]] bool waiting_for_reply() const { return !expected_.empty(); }

  // Why the session ended before it was asked to; nullptr after an orderly end. What it says holds
  // for messages that were never given, too (`untried` among it).
  [[nodiscard]] const RcptOutcome* failure() const { return failure_ ? &*failure_ : nullptr; }
  [[nodiscard]] bool tls_failed() const { return tls_failed_; }  // the handshake itself did
  [[nodiscard]] bool tls() const { return tls_; }
  [[nodiscard]] bool ready() const { return ready_; }  // greeting, EHLO, TLS and AUTH are done
  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
  [[nodiscard]] std::size_t answered() const { return answered_; }  // messages with a reply to MAIL

 private:
  struct Transaction;
  enum class Kind : std::uint8_t {
    greeting,
    ehlo,
    helo,
    start_tls,
    auth,
    reset,
    mail,
    rcpt,
    data,
    chunk,
    last,  // the answer to the final dot or BDAT LAST
    quit,
  };
  // An answer that must come, in the order of the commands.
  struct Expected {
    Kind kind;
    std::uint32_t rcpt = 0;
    Transaction* transaction = nullptr;
  };
  enum class Pending : std::uint8_t {
    start,
    read,
    write,
    tls,
    message,
    convert,
    body,
    result,
    closed,
  };

  // smtp_client.cpp: events, replies in general, the beginning of a session and its end
  ClientStep pump(std::string_view data);
  ClientStep advance();
  ClientStep wait(Pending pending, ClientStep step);
  void command(std::string_view line, const Expected& expected);
  void on_reply(const mail::Reply& reply);
  void on_greeting(const mail::Reply& reply);
  void on_hello(const mail::Reply& reply, bool extended);
  void on_start_tls(const mail::Reply& reply);
  void secure_or_go_on();
  void authenticate_or_go_on();
  void try_mechanism();
  void on_auth(const mail::Reply& reply);
  void answer_challenge(const mail::Reply& reply);
  void fail_session(RcptOutcome outcome, bool say_quit);
  void fail_protocol(std::string_view why);
  [[nodiscard]] Phase phase_now() const;
  static Phase phase_of(Kind kind);

  // smtp_client_transaction.cpp: from MAIL to the last answer
  // nullopt: something changed, look again.
  std::optional<ClientStep> drive(Transaction& t);
  void check(Transaction& t);
  bool check_utf8(Transaction& t);
  void send_mail(Transaction& t);
  bool send_rcpts(Transaction& t);
  bool after_rcpts(Transaction& t);
  std::optional<ClientStep> drive_body(Transaction& t);
  void flush_chunk(Transaction& t, bool last);
  void give_up_body(Transaction& t);
  void on_transaction_reply(const Expected& expected, const mail::Reply& reply);
  void on_mail_reply(Transaction& t, const mail::Reply& reply);
  void on_rcpt_reply(Transaction& t, std::size_t index, const mail::Reply& reply);
  void on_data_reply(Transaction& t, const mail::Reply& reply);
  void on_last_reply(Transaction& t, const mail::Reply& reply);
  void break_off(Transaction& t, const RcptOutcome& why);
  static void decide(Transaction& t, std::size_t index, const RcptOutcome& outcome);
  static void decide_all(Transaction& t, const RcptOutcome& outcome);
  [[nodiscard]] bool may_send() const;
  [[nodiscard]] bool pipelining() const {
    return capabilities_.pipelining && config_.use_pipelining;
  }
  [[nodiscard]] bool chunking() const { return capabilities_.chunking && config_.use_chunking; }
  [[nodiscard]] std::string mail_command(const Transaction& t) const;
  [[nodiscard]] std::string rcpt_command(const Transaction& t, const ClientRcpt& rcpt) const;

  SmtpClientConfig config_;
  mail::ReplyParser parser_;
  Capabilities capabilities_;
  std::string output_;
  std::string kept_;  // said by the peer before we asked
  std::deque<Expected> expected_;
  std::unique_ptr<Transaction> finishing_;  // all sent, its answer is outstanding
  std::unique_ptr<Transaction> current_;
  std::unique_ptr<Transaction> finished_;  // has its result
  std::unique_ptr<net::SaslClient> sasl_;
  net::SaslMechanisms mechanisms_;  // not tried yet
  std::string auth_problem_;        // ours; the exchange was cancelled for it
  std::optional<RcptOutcome> failure_;
  std::size_t group_octets_ = 0;  // of commands since the last time nothing was outstanding
  std::size_t answered_ = 0;
  std::uint32_t progress_ = 0;
  Pending pending_ = Pending::start;
  bool tls_ = false;
  bool tls_failed_ = false;
  bool handshake_due_ = false;
  bool ready_ = false;
  bool asked_ = false;       // next_message was answered with none while an answer is outstanding
  bool quitting_ = false;    // QUIT was sent
  bool closing_ = false;     // nothing will be said or heard any more
  bool need_reset_ = false;  // the peer still holds a transaction that we gave up
};

}  // namespace posthouse::deliver
