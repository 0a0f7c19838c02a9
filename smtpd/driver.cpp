// The coroutine of one SMTP connection: performs the steps of the session core (session.hpp) and
// feeds the results back. Hot path: per command one read and one write, no further coroutine frame.
// Runs on the shard that owns the stream. Whatever happens to the stream, a body begun and not
// submitted is destroyed with the Connection, which leaves nothing behind.
#include "smtpd/driver.hpp"

#include "base/assert.hpp"
#include "base/log.hpp"
#include "mail/trace.hpp"
#include "smtpd/session.hpp"

namespace posthouse::smtpd {

namespace {

using base::LogLevel;

// The state of one connection; lives in the frame of serve().
class Connection final : public RunningSession, public SessionObserver {
 public:
  explicit Connection(ConnectionArgs args);
  ~Connection();

  [[nodiscard]] net::Task<Step> begin();
  [[nodiscard]] net::Task<Step> rare(Step step);
  [[nodiscard]] net::Task<Step> commit();
  [[nodiscard]] net::Task<> farewell();

  void stop() override;
  void abort() override;
  void on_refused(std::string_view command, std::string_view argument,
                  std::string_view reply) override;

  [[nodiscard]] bool before_read(Step* step);
  [[nodiscard]] Step on_read(const base::Result<std::string_view>& data);
  [[nodiscard]] Step on_body_begin();
  [[nodiscard]] Step lost(const base::Error& error);
  [[nodiscard]] RcptQuery rcpt_query() const;

  [[nodiscard]] Session& session() { return session_; }
  [[nodiscard]] net::Stream& stream() { return *args_.stream; }
  [[nodiscard]] RecipientOracle& oracle() { return *args_.services.oracle; }
  [[nodiscard]] MailSink& sink() { return *args_.services.sink; }
  [[nodiscard]] bool body_takes();
  [[nodiscard]] net::Task<> append_slowly();
  void drop_body() { body_.reset(); }

 private:
  [[nodiscard]] net::Task<bool> handshake();
  [[nodiscard]] net::Task<Step> authenticate();
  [[nodiscard]] Submission make_submission();
  [[nodiscard]] Step on_stored(const mail::Reply& reply);
  void allow(base::Duration time);

  ConnectionArgs args_;
  std::string id_;
  Session session_;
  std::unique_ptr<BodySink> body_;
  base::MessageId message_;
  std::unique_ptr<net::TlsInfo> tls_;
  bool reading_ = false;
  bool stop_asked_ = false;
  bool lost_ = false;
  std::size_t rcpt_count_ = 0;
  std::uint64_t message_size_ = 0;
};

PeerInfo peer_info(const ConnectionArgs& args) {
  const net::IpAddress& address = args.stream->peer().address;
  return {address.text(), address.is_loopback(), args.trusted};
}

Connection::Connection(ConnectionArgs args)
    : args_(std::move(args)),
      id_(args_.services.sessions->next_id()),
      session_(*args_.config, peer_info(args_), this) {
  args_.services.sessions->add(*this);
  stop_asked_ = args_.services.sessions->stopping();
  if (base::log_enabled(LogLevel::info)) {
    base::log_event(LogLevel::info, "smtpd", id_, "connected",
                    {{"client", args_.stream->peer().text()},
                     {"port", std::uint64_t{args_.stream->local().port}}});
  }
}

Connection::~Connection() {
  args_.services.sessions->remove(*this);
  args_.stream->close();
  if (base::log_enabled(LogLevel::info)) {
    base::log_event(LogLevel::info, "smtpd", id_, "disconnected");
  }
}

// The deadline of everything the stream does from now on. A read that it ends can still be followed
// by the 421 that says so.
void Connection::allow(base::Duration time) {
  args_.stream->set_soft_deadline(args_.services.timer->clock().mono() + time);
}

void Connection::stop() {
  stop_asked_ = true;
  if (reading_ && !session_.in_transaction()) {
    allow(base::Duration{0});  // ends the read; on_read() tells this from a time-out
  }
}

void Connection::abort() {
  lost_ = true;
  args_.stream->close();
}

void Connection::on_refused(std::string_view command, std::string_view argument,
                            std::string_view reply) {
  if (!base::log_enabled(LogLevel::info)) {
    return;
  }
  base::log_event(LogLevel::info, "smtpd", id_, "refused",
                  {{"client", args_.stream->peer().address.text()},
                   {"command", command},
                   {"about", argument},
                   {"reply", reply}});
}

net::Task<bool> Connection::handshake() {
  PH_ASSERT(args_.tls != nullptr, "TLS was offered without a certificate");
  allow(kHandshakeTimeout);
  const auto info = co_await args_.stream->start_tls(args_.tls);
  if (!info) {
    base::log_event(
        LogLevel::info, "smtpd", id_, "TLS handshake failed",
        {{"client", args_.stream->peer().address.text()}, {"error", info.error().message()}});
    lost_ = true;
    co_return false;
  }
  tls_ = std::make_unique<net::TlsInfo>(*info);
  co_return true;
}

net::Task<Step> Connection::begin() {
  if (args_.implicit_tls) {
    const bool secured = co_await handshake();
    if (!secured) {
      co_return Step::close;
    }
  }
  allow(kCommandTimeout);
  co_return session_.start(args_.implicit_tls);
}

// The steps that are not part of taking a message of ordinary size.
net::Task<Step> Connection::rare(Step step) {
  switch (step) {
    case Step::start_tls: {
      const bool secured = co_await handshake();
      allow(kCommandTimeout);
      co_return secured ? session_.on_tls() : Step::close;
    }
    case Step::authenticate: {
      const Step next = co_await authenticate();
      co_return next;
    }
    case Step::sleep: {
      const base::MonoTime until = args_.services.timer->clock().mono() + session_.delay();
      co_await args_.services.timer->sleep_until(until);
      allow(kCommandTimeout);
      co_return session_.proceed();
    }
    default:
      PH_ASSERT(false, "this step is performed by serve()");
      co_return Step::close;
  }
}

// Gives the chunk to the body when that needs no waiting; false when it does.
bool Connection::body_takes() {
  std::string& chunk = session_.body_chunk();
  if (!body_->try_append(chunk)) {
    return false;
  }
  chunk.clear();
  return true;
}

// The body does not fit into memory any more: the sink writes it to a file.
net::Task<> Connection::append_slowly() {
  co_await body_->append(session_.body_chunk());
  session_.body_chunk().clear();
  allow(kCommandTimeout);
}

net::Task<Step> Connection::authenticate() {
  Credentials credentials = session_.take_credentials();
  std::string canonical;
  const AuthOutcome outcome = co_await args_.services.authenticator->verify(
      std::move(credentials.user), std::move(credentials.password), &canonical);
  allow(kCommandTimeout);
  if (outcome == AuthOutcome::accepted) {
    base::log_event(LogLevel::info, "smtpd", id_, "authenticated", {{"user", canonical}});
  }
  co_return session_.on_auth(outcome, std::move(canonical));
}

// False when the session was asked to stop and does; `*step` is then what comes next.
bool Connection::before_read(Step* step) {
  if (stop_asked_) {
    *step = session_.on_shutdown();
    if (*step != Step::read) {
      return false;
    }
  }
  reading_ = true;
  return true;
}

Step Connection::on_read(const base::Result<std::string_view>& data) {
  reading_ = false;
  if (!data) {
    if (data.error().code == std::errc::timed_out && !lost_) {
      const bool stop = stop_asked_ && !session_.in_transaction();
      return stop ? session_.on_shutdown() : session_.on_timeout();
    }
    return lost(data.error());
  }
  if (data->empty()) {
    lost_ = true;
    return Step::close;
  }
  const std::uint32_t before = session_.progress();
  const Step step = session_.on_bytes(*data);
  if (session_.progress() != before) {
    allow(kCommandTimeout);
  }
  return step;
}

Step Connection::lost(const base::Error& error) {
  lost_ = true;
  base::log_event(LogLevel::debug, "smtpd", id_, "connection lost", {{"error", error.message()}});
  return Step::close;
}

RcptQuery Connection::rcpt_query() const {
  RcptQuery query;
  query.rcpt = session_.pending_rcpt();
  query.envelope = &session_.envelope();
  query.client_may_relay = args_.trusted;
  return query;
}

Step Connection::on_body_begin() {
  const mail::Reply reply = args_.services.sink->may_accept(session_.declared_size());
  if (reply.positive()) {
    message_ = args_.services.sink->new_id();
    body_ = args_.services.sink->new_body(message_);
  }
  return session_.on_space(reply);
}

Submission Connection::make_submission() {
  message_size_ = session_.body_size();
  Transaction transaction = session_.take_transaction();
  rcpt_count_ = transaction.rcpts.size();
  mail::ReceivedInfo info;
  info.helo = transaction.envelope.helo;
  info.client_ip = transaction.envelope.client;
  info.by = args_.config->host_name;
  info.id = base::format_message_id(message_);
  info.time = args_.services.timer->clock().wall();
  info.esmtp = session_.extended();
  info.authenticated = !transaction.envelope.auth_user.empty();
  info.auth_user = transaction.envelope.auth_user;
  if (tls_) {
    info.tls = true;
    info.tls_version = tls_->version;
    info.tls_cipher = tls_->cipher;
  }
  if (rcpt_count_ == 1) {
    info.rcpt = transaction.rcpts.front();
  }
  Submission submission;
  submission.envelope = std::move(transaction.envelope);
  submission.rcpts = std::move(transaction.rcpts);
  submission.trace = mail::build_received(info);
  submission.id = message_;
  submission.body = std::move(body_);
  allow(kCommitTimeout);
  return submission;
}

Step Connection::on_stored(const mail::Reply& reply) {
  allow(kCommandTimeout);
  if (reply.positive() && base::log_enabled(LogLevel::info)) {
    base::log_event(LogLevel::info, "smtpd", id_, "message accepted",
                    {{"id", base::format_message_id(message_)},
                     {"size", message_size_},
                     {"rcpts", std::uint64_t{rcpt_count_}}});
  }
  return session_.on_stored(reply);
}

// A frame of its own: what a submission needs would double the frame of every idle session.
net::Task<Step> Connection::commit() {
  if (!body_takes()) {
    co_await append_slowly();
  }
  Submission submission = make_submission();
  const mail::Reply reply = co_await args_.services.sink->submit(std::move(submission));
  co_return on_stored(reply);
}

// What is still to be said before the connection ends.
net::Task<> Connection::farewell() {
  if (!lost_ && !session_.output().empty()) {
    allow(kFarewellTimeout);
    const auto written = co_await args_.stream->write(session_.output());
    if (!written) {
      static_cast<void>(lost(written.error()));
    }
  }
  args_.stream->close();
}

}  // namespace

// One coroutine frame carries the dialogue; only what happens once a message or less often has
// frames of its own.
net::Task<> serve(ConnectionArgs args) {
  Connection connection(std::move(args));
  Session& session = connection.session();
  Step step = co_await connection.begin();
  while (step != Step::close) {
    switch (step) {
      case Step::read:
      case Step::write:
      case Step::start_tls: {
        if (!session.output().empty()) {
          const auto written = co_await connection.stream().write(session.output());
          if (!written) {
            step = connection.lost(written.error());
            break;
          }
          session.clear_output();
        }
        if (step == Step::write) {
          step = session.proceed();
        } else if (step == Step::start_tls) {
          step = co_await connection.rare(step);
        } else if (connection.before_read(&step)) {
          const auto data = co_await connection.stream().read();
          step = connection.on_read(data);
        }
        break;
      }
      case Step::check_space:
        step = session.on_space(connection.sink().may_accept(session.declared_size()));
        break;
      case Step::verify_rcpt: {
        const RcptQuery query = connection.rcpt_query();
        const mail::Reply reply = co_await connection.oracle().verify(query);
        step = session.on_rcpt(reply);
        break;
      }
      case Step::begin_body:
        step = connection.on_body_begin();
        break;
      case Step::body:
        if (!connection.body_takes()) {
          co_await connection.append_slowly();
        }
        step = session.proceed();
        break;
      case Step::commit:
        step = co_await connection.commit();
        break;
      case Step::abort_body:
        connection.drop_body();
        step = session.proceed();
        break;
      case Step::authenticate:
      case Step::sleep:
        step = co_await connection.rare(step);
        break;
      case Step::close:
        break;
    }
  }
  co_await connection.farewell();
}

Sessions::~Sessions() { PH_ASSERT(size_ == 0, "sessions outlive their shard's list"); }

void Sessions::add(RunningSession& session) {
  session.next_ = first_;
  session.previous_ = nullptr;
  if (first_ != nullptr) {
    first_->previous_ = &session;
  }
  first_ = &session;
  ++size_;
}

void Sessions::remove(RunningSession& session) {
  (session.previous_ != nullptr ? session.previous_->next_ : first_) = session.next_;
  if (session.next_ != nullptr) {
    session.next_->previous_ = session.previous_;
  }
  --size_;
}

void Sessions::stop_all() {
  stopping_ = true;
  for (RunningSession* session = first_; session != nullptr; session = session->next_) {
    session->stop();
  }
}

void Sessions::abort_all() {
  stopping_ = true;
  for (RunningSession* session = first_; session != nullptr; session = session->next_) {
    session->abort();  // resumes the coroutine later, through its executor
  }
}

std::string Sessions::next_id() {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  char text[13];
  std::size_t at = sizeof text;
  for (std::uint64_t rest = ++count_; rest != 0; rest /= 36) {
    text[--at] = kDigits[rest % 36];
  }
  std::string id = prefix_;
  id.append(text + at, sizeof text - at);
  return id;
}

}  // namespace posthouse::smtpd
