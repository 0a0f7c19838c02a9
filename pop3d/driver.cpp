// The POP3 driver's loop. Output is gathered in the core and written when the core wants to read,
// at 64 KiB, and before a wait, a handshake or a removal; a pipelined batch costs one write.
#include "pop3d/driver.hpp"

#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "pop3d/session.hpp"

namespace posthouse::pop3d {

namespace {

// The deadline is moved at most this often, and set so much later: moving a timer for each of
// thousands of small messages would cost more than sending them.
constexpr base::Duration kDeadlineSlack = std::chrono::seconds(5);

SessionOptions options_of(const ConnectionArgs& args) {
  SessionOptions options;
  options.tls_active = args.implicit_tls;
  options.tls_offered = args.tls != nullptr;
  options.trusted_client = args.cleartext_passwords || args.stream->peer().address.is_loopback();
  return options;
}

class Connection {
 public:
  explicit Connection(ConnectionArgs args) : args_(std::move(args)), session_(options_of(args_)) {}

  net::Task<> run();

 private:
  [[nodiscard]] net::Task<bool> perform(Step step);
  [[nodiscard]] net::Task<bool> flush();
  [[nodiscard]] net::Task<bool> read();
  [[nodiscard]] net::Task<bool> shake_hands();
  [[nodiscard]] net::Task<> login();
  [[nodiscard]] net::Task<> fetch(Step step);
  [[nodiscard]] net::Task<> remove();
  [[nodiscard]] net::Task<> wait(base::Duration delay);
  void move_deadline();
  void log_handshake(const base::Error& error) const;
  void log_login(LoginOutcome outcome) const;
  void log_end(std::string_view how) const;

  ConnectionArgs args_;
  Session session_;
  std::unique_ptr<Maildrop> drop_;
  std::string piece_;                // octets of a message on their way from drop to core
  base::MonoTime deadline_base_{};   // when the deadline was last moved
  std::uint64_t commands_seen_ = 0;  // of session_.stats() when the deadline was last considered
};

void Connection::move_deadline() {
  const base::MonoTime now = args_.timer->clock().mono();
  if (deadline_base_ != base::MonoTime{} && now - deadline_base_ < kDeadlineSlack) return;
  deadline_base_ = now;
  args_.stream->set_deadline(now + kIdleTimeout + kDeadlineSlack);
}

net::Task<bool> Connection::flush() {
  if (session_.output().empty()) co_return true;
  move_deadline();  // a client that takes our output is not idle
  const base::Result<> written = co_await args_.stream->write(session_.output());
  session_.clear_output();
  co_return written.has_value();
}

net::Task<bool> Connection::read() {
  // Only complete commands count as activity (RFC 1939 3), so that single octets sent now and then
  // cannot keep a mailbox locked for ever.
  if (commands_seen_ != session_.stats().commands) {
    commands_seen_ = session_.stats().commands;
    move_deadline();
  }
  const base::Result<std::string_view> octets = co_await args_.stream->read();
  if (!octets || octets->empty()) co_return false;
  session_.on_bytes(*octets);
  co_return true;
}

net::Task<bool> Connection::shake_hands() {
  const base::MonoTime now = args_.timer->clock().mono();
  args_.stream->set_deadline(now + kHandshakeTimeout);
  deadline_base_ = base::MonoTime{};
  const base::Result<net::TlsInfo> info = co_await args_.stream->start_tls(args_.tls);
  if (!info) {
    log_handshake(info.error());
  } else {
    move_deadline();
  }
  co_return info.has_value();
}

net::Task<> Connection::login() {
  Credentials credentials = session_.credentials();
  std::unique_ptr<Maildrop> drop;
  const LoginOutcome outcome = co_await args_.maildrops->login(
      std::move(credentials.user), std::move(credentials.password), &drop);
  PH_ASSERT(outcome != LoginOutcome::ok || drop != nullptr, "a login without a maildrop");
  if (outcome == LoginOutcome::ok) drop_ = std::move(drop);
  session_.on_login(outcome, drop_ ? &drop_->messages() : nullptr);
  log_login(outcome);
}

net::Task<> Connection::fetch(Step step) {
  bool done = false;
  piece_.clear();
  const DropStatus status =
      co_await drop_->read(step.index, step.offset, step.limit, &piece_, &done);
  session_.on_piece(status, piece_, done);
}

net::Task<> Connection::remove() {
  std::vector<std::size_t> indexes = session_.deleted();
  const DropStatus status = co_await drop_->remove(std::move(indexes));
  session_.on_removed(status);
}

net::Task<> Connection::wait(base::Duration delay) {
  const base::MonoTime until = args_.timer->clock().mono() + delay;
  co_await args_.timer->sleep_until(until);
}

// False when the connection is over.
net::Task<bool> Connection::perform(Step step) {
  switch (step.kind) {
    case Step::Kind::read: {
      const bool flushed = co_await flush();
      if (!flushed) co_return false;
      if (piece_.capacity() > 0) std::string().swap(piece_);
      co_return co_await read();
    }
    case Step::Kind::flush:
      co_return co_await flush();
    case Step::Kind::wait: {
      const bool flushed = co_await flush();
      if (!flushed) co_return false;
      co_await wait(step.delay);
      co_return true;
    }
    case Step::Kind::start_tls: {
      const bool flushed = co_await flush();
      if (!flushed) co_return false;
      const bool ok = co_await shake_hands();
      session_.on_tls(ok);
      co_return ok;
    }
    case Step::Kind::login:
      co_await login();
      co_return true;
    case Step::Kind::fetch:
      co_await fetch(step);
      co_return true;
    case Step::Kind::remove: {
      // A batch "RETR, DELE, QUIT" whose client is gone ends here, with everything kept.
      const bool flushed = co_await flush();
      if (!flushed) co_return false;
      co_await remove();
      co_return true;
    }
    case Step::Kind::close:
      // First the lock, then the +OK: a client that logs in again at once must not find it held.
      drop_.reset();
      co_await flush();
      co_return false;
  }
  co_return false;
}

void Connection::log_handshake(const base::Error& error) const {
  base::log_event(base::LogLevel::info, "pop3d", args_.id, "handshake failed",
                  {{"client", args_.stream->peer().text()}, {"why", error.message()}});
}

void Connection::log_login(LoginOutcome outcome) const {
  static constexpr std::string_view kEvents[] = {"login", "login refused", "login unavailable",
                                                 "mailbox in use"};
  base::log_event(base::LogLevel::info, "pop3d", args_.id,
                  kEvents[static_cast<std::size_t>(outcome)],
                  {{"user", session_.user()}, {"client", args_.stream->peer().text()}});
}

void Connection::log_end(std::string_view how) const {
  const SessionStats& stats = session_.stats();
  base::log_event(base::LogLevel::info, "pop3d", args_.id, how,
                  {{"user", session_.user()},
                   {"retrieved", stats.retrieved},
                   {"octets", stats.octets},
                   {"removed", stats.removed}});
}

net::Task<> Connection::run() {
  bool alive = true;
  if (args_.implicit_tls) alive = co_await shake_hands();
  if (alive) move_deadline();
  bool said_goodbye = false;
  while (alive) {
    const Step step = session_.next();
    said_goodbye = step.kind == Step::Kind::close;
    alive = co_await perform(step);
  }
  if (session_.logged_in()) log_end(said_goodbye ? "logout" : "connection lost");
  drop_.reset();
  args_.stream->close();
}

}  // namespace

net::Task<> serve(ConnectionArgs args) {
  Connection connection(std::move(args));
  co_await connection.run();
}

}  // namespace posthouse::pop3d
