// The coroutine of one outgoing connection (see relay.hpp): performs the steps of the client core
// and feeds the results back. What belongs to messages and not to the stream, second transactions
// for recipients that were too many, is in relay_mail.cpp.
#include "deliver/relay.hpp"

#include <array>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "deliver/relay_mail.hpp"
#include "deliver/smtp_client.hpp"
#include "deliver/smtp_client_outcome.hpp"

namespace posthouse::deliver {

namespace {

using base::LogLevel;

constexpr std::size_t kPieceOctets = 65536;

std::string make_nonce(base::Random& random) {
  std::array<std::byte, 18> octets{};
  random.fill(octets);
  return base::base64_encode(base::digest_view(octets));
}

}  // namespace

// One connection; lives in the frame of relay().
class RelaySession {
 public:
  RelaySession(RelayArgs& args, RelayMail& mail, ClientTls tls, RelayReport& report)
      : args_(args), mail_(mail), report_(report), client_(config(args, tls)) {}
  ~RelaySession() { forget_stream(); }
  RelaySession(const RelaySession&) = delete;
  RelaySession& operator=(const RelaySession&) = delete;

  [[nodiscard]] net::Task<> run();
  [[nodiscard]] const SmtpClient& client() const { return client_; }

 private:
  static SmtpClientConfig config(const RelayArgs& args, ClientTls tls);
  [[nodiscard]] net::Task<bool> connect();
  [[nodiscard]] net::Task<bool> secure_first();
  [[nodiscard]] net::Task<ClientStep> perform(ClientStep step);
  [[nodiscard]] net::Task<ClientStep> handshake();
  [[nodiscard]] net::Task<ClientStep> next_message();
  [[nodiscard]] net::Task<ClientStep> send_body();
  [[nodiscard]] net::Task<ClientStep> read_body();
  [[nodiscard]] net::Task<ClientStep> convert();
  [[nodiscard]] net::Task<> farewell();
  [[nodiscard]] ClientStep on_read(const base::Result<std::string_view>& data);
  [[nodiscard]] ClientStep lost(const base::Error& error);
  void allow(std::chrono::seconds time);
  void before_read();
  void forget_stream();
  [[nodiscard]] bool stopping() const {
    return args_.control != nullptr && args_.control->stopping();
  }

  RelayArgs& args_;
  RelayMail& mail_;
  RelayReport& report_;
  SmtpClient client_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<BodySource> body_;
  std::optional<std::string_view> memory_;  // what is left of a body in memory
  std::string converted_;
  bool use_converted_ = false;
  bool lost_ = false;
  bool deadline_due_ = true;
  std::uint32_t progress_ = 0;
};

SmtpClientConfig RelaySession::config(const RelayArgs& args, ClientTls tls) {
  SmtpClientConfig config;
  config.helo_name = args.options.helo_name;
  config.tls = tls;
  config.tls_active = args.hop.implicit_tls;
  config.credentials = args.hop.credentials.get();
  if (config.credentials != nullptr) {
    config.nonce = make_nonce(args.services.random);
  }
  config.auth_without_tls = args.hop.auth_without_tls || args.hop.endpoint.address.is_loopback();
  config.use_chunking = args.options.use_chunking;
  config.timeouts = args.options.timeouts;
  return config;
}

void RelaySession::allow(std::chrono::seconds time) {
  stream_->set_deadline(args_.services.timer.clock().mono() + time);
}

void RelaySession::forget_stream() {
  if (args_.control != nullptr) {
    args_.control->stream_ = nullptr;
  }
}

net::Task<bool> RelaySession::connect() {
  const base::MonoTime deadline =
      args_.services.timer.clock().mono() + args_.options.connect_timeout;
  auto dialed = co_await args_.services.dialer.dial(args_.hop.endpoint, deadline);
  if (!dialed) {
    report_.failure = own_outcome(Phase::connect, Scope::host, "4.4.1", dialed.error().message());
    co_return false;
  }
  stream_ = std::move(*dialed);
  report_.connected = true;
  report_.local = stream_->local();
  if (args_.control != nullptr) {
    args_.control->stream_ = stream_.get();
  }
  co_return true;
}

// Implicit TLS: the handshake comes before the first word.
net::Task<bool> RelaySession::secure_first() {
  allow(args_.options.timeouts.handshake);
  auto info = co_await stream_->start_tls_client(args_.services.tls, args_.hop.host);
  if (!info) {
    report_.failure = own_outcome(Phase::start_tls, Scope::host, "4.7.5",
                                  "the TLS handshake failed: " + info.error().message());
    stream_->close();
    co_return false;
  }
  report_.tls = std::move(*info);
  co_return true;
}

ClientStep RelaySession::lost(const base::Error& error) {
  lost_ = true;
  const bool late = error.code == std::errc::timed_out;
  return client_.on_lost(late ? Lost::timed_out : Lost::error, late ? "" : error.message());
}

ClientStep RelaySession::on_read(const base::Result<std::string_view>& data) {
  if (!data) {
    return lost(data.error());
  }
  if (data->empty()) {
    lost_ = true;
    return client_.on_lost(Lost::closed);
  }
  return client_.on_bytes(*data);
}

// A new deadline comes with each complete reply and each write, not with each octet.
void RelaySession::before_read() {
  if (deadline_due_ || client_.progress() != progress_) {
    deadline_due_ = false;
    progress_ = client_.progress();
    allow(client_.timeout());
  }
}

net::Task<ClientStep> RelaySession::handshake() {
  allow(client_.timeout());
  auto info = co_await stream_->start_tls_client(args_.services.tls, args_.hop.host);
  deadline_due_ = true;
  if (!info) {
    lost_ = true;
    co_return client_.on_tls_failed(info.error().message());
  }
  report_.tls = std::move(*info);
  co_return client_.on_tls();
}

net::Task<ClientStep> RelaySession::next_message() {
  const ClientMessage* message = stopping() ? nullptr : mail_.next();
  while (message == nullptr && !client_.waiting_for_reply() && !stopping()) {
    const bool more = co_await mail_.work().wait_for_more();
    if (!more) {
      break;
    }
    message = stopping() ? nullptr : mail_.next();
  }
  co_return client_.on_message(message);
}

// Gives the core the next piece of the message's octets.
net::Task<ClientStep> RelaySession::send_body() {
  if (use_converted_) {
    use_converted_ = false;
    const std::string text = std::move(converted_);
    converted_.clear();
    co_return client_.on_body(text, true);
  }
  if (!body_) {
    body_ = mail_.open_body(client_.body_message());
    memory_ = body_->memory();
  }
  if (memory_) {
    // In pieces, so that each has its own time on a slow line.
    const std::string_view piece = memory_->substr(0, kPieceOctets);
    memory_->remove_prefix(piece.size());
    const bool last = memory_->empty();
    const ClientStep step = client_.on_body(piece, last);
    if (last) {
      body_.reset();
    }
    co_return step;
  }
  const ClientStep step = co_await read_body();
  co_return step;
}

net::Task<ClientStep> RelaySession::read_body() {
  const base::Result<std::string_view> piece = co_await body_->read();
  if (!piece) {
    body_.reset();
    co_return client_.on_body_failed(piece.error().message());
  }
  const bool last = piece->empty();
  const ClientStep step = client_.on_body(*piece, last);
  if (last) {
    body_.reset();
  }
  co_return step;
}

net::Task<ClientStep> RelaySession::convert() {
  const std::unique_ptr<BodySource> source = mail_.open_body(client_.body_message());
  SevenBit form;
  co_await read_and_convert(*source, args_.options.max_convert, form);
  if (!form.text) {
    co_return client_.on_not_convertible(form.why);
  }
  converted_ = std::move(*form.text);
  use_converted_ = true;
  co_return client_.on_converted(converted_.size());
}

// The steps that do not write first. A body given up leaves its source open: it goes with the next
// message or the session.
net::Task<ClientStep> RelaySession::perform(ClientStep step) {
  switch (step) {
    case ClientStep::next_message:
      body_.reset();
      use_converted_ = false;
      step = co_await next_message();
      co_return step;
    case ClientStep::convert:
      step = co_await convert();
      co_return step;
    case ClientStep::need_body:
      step = co_await send_body();
      co_return step;
    case ClientStep::start_tls:
      step = co_await handshake();
      co_return step;
    case ClientStep::result:
      mail_.on_result(client_.take_result());
      co_return client_.proceed();
    default:
      PH_ASSERT(false, "this step is performed by run()");
      co_return ClientStep::close;
  }
}

net::Task<> RelaySession::farewell() {
  if (!lost_ && !client_.output().empty()) {
    allow(client_.timeout());
    (void)co_await stream_->write(client_.output());
  }
  stream_->close();
}

net::Task<> RelaySession::run() {
  const bool connected = co_await connect();
  if (!connected) {
    co_return;
  }
  if (args_.hop.implicit_tls) {
    const bool secured = co_await secure_first();
    if (!secured) {
      co_return;
    }
  }
  ClientStep step = client_.start();
  while (step != ClientStep::close) {
    const bool on_wire =
        step == ClientStep::read || step == ClientStep::write || step == ClientStep::start_tls;
    if (on_wire && !client_.output().empty()) {
      allow(args_.options.timeouts.block);  // RFC 5321 4.5.3.2.5
      const auto written = co_await stream_->write(client_.output());
      if (!written) {
        step = lost(written.error());
        continue;
      }
      client_.clear_output();
      deadline_due_ = true;
    }
    if (step == ClientStep::write) {
      step = client_.proceed();
    } else if (step == ClientStep::read) {
      before_read();
      const auto data = co_await stream_->read();
      step = on_read(data);
    } else {
      step = co_await perform(step);
    }
  }
  co_await farewell();
  report_.ready = client_.ready();
  report_.peer_name = client_.capabilities().name;
  if (client_.failure() != nullptr) {
    report_.failure = *client_.failure();
  }
}

void RelayControl::abort() {
  stopping_ = true;
  if (stream_ != nullptr) {
    stream_->close();
  }
}

net::Task<bool> RelayWork::wait_for_more() { co_return false; }

namespace {

void log_failure(const RelayArgs& args, const RelayReport& report) {
  if (!report.failure || !base::log_enabled(LogLevel::info)) {
    return;
  }
  base::log_event(LogLevel::info, "deliver", "-", "connection to next host failed",
                  {{"host", args.hop.host},
                   {"address", args.hop.endpoint.text()},
                   {"phase", phase_name(report.failure->phase)},
                   {"code", static_cast<std::uint64_t>(report.failure->code)},
                   {"status", report.failure->enhanced},
                   {"text", report.failure->text}});
}

}  // namespace

net::Task<RelayReport> relay(RelayArgs args) {
  RelayReport report;
  RelayMail mail(args.work);
  ClientTls tls = args.hop.tls;
  if (!args.services.tls) {
    PH_ASSERT(!args.hop.implicit_tls && tls != ClientTls::require,
              "TLS is demanded and there is no TLS client");
    tls = ClientTls::none;
  }
  bool again = true;
  while (again) {
    RelaySession session(args, mail, tls, report);
    co_await session.run();
    log_failure(args, report);
    // An opportunistic handshake that fails must not keep the mail (RFC 7435 3): once more without.
    again = session.client().tls_failed() && tls == ClientTls::may && !args.hop.credentials &&
            (args.control == nullptr || !args.control->stopping());
    if (again) {
      tls = ClientTls::none;
      report.tls_given_up = true;
      report.connected = false;
      report.failure.reset();
    }
  }
  mail.finish();
  report.messages = mail.count();
  co_return report;
}

namespace {

// The whole text at once.
class TextSource final : public BodySource {
 public:
  explicit TextSource(std::shared_ptr<const std::string> text) : text_(std::move(text)) {}
  std::optional<std::string_view> memory() override { return std::string_view(*text_); }
  net::Task<base::Result<std::string_view>> read() override {
    const std::string_view piece = read_ ? std::string_view() : std::string_view(*text_);
    read_ = true;
    co_return piece;
  }

 private:
  std::shared_ptr<const std::string> text_;
  bool read_ = false;
};

class ListWork final : public RelayWork {
 public:
  explicit ListWork(const std::vector<RelayItem>& items) : items_(items), outcomes_(items.size()) {}

  const ClientMessage* next() override {
    return next_ < items_.size() ? &items_[next_++].message : nullptr;
  }
  std::unique_ptr<BodySource> open_body(const ClientMessage& message) override {
    return std::make_unique<TextSource>(items_[index(message)].text);
  }
  void finished(MessageResult result) override {
    outcomes_[index(*result.message)] = std::move(result.rcpts);
  }
  std::vector<std::vector<RcptOutcome>> take(const std::optional<RcptOutcome>& failure) {
    RcptOutcome rest = failure.value_or(
        own_outcome(Phase::connect, Scope::host, "4.4.0", "the connection was closed before"));
    rest.untried = rest.untried || !failure;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (outcomes_[i].empty()) {
        outcomes_[i].assign(items_[i].message.rcpts.size(), rest);
      }
    }
    return std::move(outcomes_);
  }

 private:
  [[nodiscard]] std::size_t index(const ClientMessage& message) const {
    for (std::size_t i = 0; i < next_; ++i) {
      if (&items_[i].message == &message) {
        return i;
      }
    }
    PH_ASSERT(false, "a message that next() gave");
    return 0;
  }

  const std::vector<RelayItem>& items_;
  std::vector<std::vector<RcptOutcome>> outcomes_;
  std::size_t next_ = 0;
};

}  // namespace

net::Task<RelayListReport> relay_list(RelayListArgs args) {
  ListWork work(args.items);
  RelayArgs inner(std::move(args.hop), std::move(args.options), std::move(args.services), work);
  RelayListReport report;
  report.connection = co_await relay(std::move(inner));
  report.outcomes = work.take(report.connection.failure);
  co_return report;
}

}  // namespace posthouse::deliver
