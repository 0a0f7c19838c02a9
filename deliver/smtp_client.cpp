// The SMTP client's events, the order of its answers, and the beginning and end of a session (see
// smtp_client.hpp). What belongs to one message is in smtp_client_transaction.cpp.
#include "deliver/smtp_client.hpp"

#include "base/assert.hpp"
#include "base/text.hpp"
#include "deliver/smtp_client_outcome.hpp"
#include "deliver/smtp_client_state.hpp"

namespace posthouse::deliver {

namespace {

std::string lost_text(Lost how, Phase phase, std::string_view detail) {
  std::string text;
  switch (how) {
    case Lost::closed:
      text = "the peer closed the connection";
      break;
    case Lost::timed_out:
      text = "no answer in time";
      break;
    case Lost::error:
      text = "the connection failed";
      break;
  }
  text += phase == Phase::body ? " while sending the message" : " at ";
  if (phase != Phase::body) {
    text += phase_name(phase);
  }
  if (!detail.empty()) {
    text += ": ";
    text += detail;
  }
  return text;
}

}  // namespace

SmtpClient::SmtpClient(SmtpClientConfig config)
    : config_(std::move(config)), tls_(config_.tls_active) {
  PH_ASSERT(config_.credentials == nullptr || !config_.nonce.empty(), "SCRAM needs a nonce");
}

SmtpClient::~SmtpClient() = default;

ClientStep SmtpClient::start() {
  PH_ASSERT(pending_ == Pending::start, "a session starts once");
  expected_.push_back(Expected{Kind::greeting});
  return pump({});
}

ClientStep SmtpClient::on_bytes(std::string_view data) {
  PH_ASSERT(pending_ == Pending::read, "octets come when read was asked for");
  return pump(data);
}

ClientStep SmtpClient::proceed() {
  PH_ASSERT(pending_ == Pending::write || pending_ == Pending::result, "nothing to proceed from");
  PH_ASSERT(!finished_, "a result must be taken");
  return pump({});
}

ClientStep SmtpClient::on_lost(Lost how, std::string_view detail) {
  PH_ASSERT(pending_ == Pending::read || pending_ == Pending::write || pending_ == Pending::tls,
            "a connection is lost while it is used");
  if (quitting_) {
    closing_ = true;  // RFC 5321 4.1.1.10: all was said
    expected_.clear();
  } else {
    const Phase phase = phase_now();
    fail_session(
        own_outcome(phase, Scope::host, "4.4.2", lost_text(how, phase, base::printable(detail))),
        false);
  }
  output_.clear();
  kept_.clear();
  return pump({});
}

ClientStep SmtpClient::on_tls() {
  PH_ASSERT(pending_ == Pending::tls, "no handshake was asked for");
  handshake_due_ = false;
  tls_ = true;
  // RFC 3207 4.2: what was learned before is forgotten.
  capabilities_ = Capabilities();
  command("EHLO " + config_.helo_name, Expected{Kind::ehlo});
  return pump({});
}

ClientStep SmtpClient::on_tls_failed(std::string_view why) {
  PH_ASSERT(pending_ == Pending::tls, "no handshake was asked for");
  tls_failed_ = true;
  fail_session(own_outcome(Phase::start_tls, Scope::host, "4.7.5",
                           "the TLS handshake failed: " + base::printable(why)),
               false);
  return pump({});
}

ClientStep SmtpClient::on_message(const ClientMessage* message) {
  PH_ASSERT(pending_ == Pending::message, "no message was asked for");
  if (message != nullptr) {
    PH_ASSERT(!message->rcpts.empty(), "a message has a recipient");
    current_ = std::make_unique<Transaction>(*message);
  } else if (expected_.empty()) {
    quitting_ = true;
    command("QUIT", Expected{Kind::quit});
  } else {
    asked_ = true;
  }
  return pump({});
}

ClientStep SmtpClient::wait(Pending pending, ClientStep step) {
  pending_ = pending;
  return step;
}

// Looks at what the peer said reply by reply, each after the commands before it were written, and
// says what can be said then. So it makes no difference how the octets came, and a peer that talks
// ahead gains nothing.
ClientStep SmtpClient::pump(std::string_view data) {
  std::string held;
  if (!kept_.empty()) {
    held = std::move(kept_);
    kept_.clear();
    held += data;
    data = held;
  }
  for (;;) {
    ClientStep step = advance();
    if (step == ClientStep::start_tls && !data.empty()) {
      // Octets that were sent before the handshake must never count as said inside it.
      fail_protocol("the peer spoke between STARTTLS and the handshake");
      continue;
    }
    if (step == ClientStep::read && !data.empty() && !output_.empty()) {
      step = wait(Pending::write, ClientStep::write);
    }
    if (step != ClientStep::read || data.empty()) {
      kept_.assign(closing_ ? std::string_view() : data);
      return step;
    }
    const auto status = parser_.feed(data);
    if (status == mail::ReplyParser::Status::malformed) {
      fail_protocol(parser_.why());
    } else if (status == mail::ReplyParser::Status::complete) {
      const mail::Reply reply = parser_.take();
      on_reply(reply);
    }
  }
}

ClientStep SmtpClient::advance() {
  for (;;) {
    if (finished_) {
      return wait(Pending::result, ClientStep::result);
    }
    using Stage = Transaction::Stage;
    if (finishing_ && finishing_->stage == Stage::done && finishing_->outstanding == 0) {
      finished_ = std::move(finishing_);
      asked_ = false;
      continue;
    }
    if (current_ && !finishing_ && current_->stage == Stage::sent) {
      finishing_ = std::move(current_);
      continue;
    }
    if (current_ && !finishing_ && current_->stage == Stage::done && current_->outstanding == 0) {
      finished_ = std::move(current_);
      continue;
    }
    if (closing_) {
      return wait(Pending::closed, ClientStep::close);
    }
    if (handshake_due_) {
      return wait(Pending::tls, ClientStep::start_tls);
    }
    if (!ready_ || quitting_) {
      return wait(Pending::read, ClientStep::read);
    }
    if (current_) {
      if (const auto step = drive(*current_)) {
        return *step;
      }
      continue;
    }
    if (expected_.empty() || (finishing_ && pipelining() && !asked_)) {
      return wait(Pending::message, ClientStep::next_message);
    }
    return wait(Pending::read, ClientStep::read);
  }
}

void SmtpClient::command(std::string_view line, const Expected& expected) {
  output_ += line;
  output_ += "\r\n";
  group_octets_ += line.size() + 2;
  expected_.push_back(expected);
  if (expected.transaction != nullptr) {
    ++expected.transaction->outstanding;
  }
}

void SmtpClient::on_reply(const mail::Reply& reply) {
  const Expected expected = expected_.front();
  expected_.pop_front();
  ++progress_;
  if (expected_.empty()) {
    group_octets_ = 0;
  }
  if (expected.transaction != nullptr) {
    --expected.transaction->outstanding;
  }
  const bool may_go_on = expected.kind == Kind::data || expected.kind == Kind::auth;
  if (reply.code >= 300 && reply.code < 400 && !may_go_on && expected.kind != Kind::quit) {
    // An answer to something else than what was asked: nothing after it can be trusted.
    if (expected.transaction != nullptr) {
      ++expected.transaction->outstanding;  // as if it had not come
    }
    expected_.push_front(expected);
    fail_protocol("the reply does not fit the command");
    return;
  }
  // RFC 5321 3.8: 421 may come in answer to any command. The message that it answers is refused.
  const bool closes = reply.code == 421 && expected.kind != Kind::quit;
  if (closes && expected.kind != Kind::last) {
    fail_session(outcome_of(reply, phase_of(expected.kind), Scope::host), false);
    return;
  }
  switch (expected.kind) {
    case Kind::greeting:
      on_greeting(reply);
      break;
    case Kind::ehlo:
      on_hello(reply, true);
      break;
    case Kind::helo:
      on_hello(reply, false);
      break;
    case Kind::start_tls:
      on_start_tls(reply);
      break;
    case Kind::auth:
      on_auth(reply);
      break;
    case Kind::reset:
      if (reply.code >= 400) {
        // RFC 5321 4.1.1.5 knows no such answer.
        fail_session(deferred(outcome_of(reply, Phase::reset, Scope::host)), true);
      }
      break;
    case Kind::quit:
      closing_ = true;
      expected_.clear();
      break;
    default:
      on_transaction_reply(expected, reply);
      break;
  }
  if (closes) {
    fail_session(outcome_of(reply, Phase::final_reply, Scope::host), false);
  }
}

void SmtpClient::on_greeting(const mail::Reply& reply) {
  if (reply.code >= 400) {
    fail_session(outcome_of(reply, Phase::greeting, Scope::host), true);  // RFC 5321 3.1
    return;
  }
  command("EHLO " + config_.helo_name, Expected{Kind::ehlo});
}

void SmtpClient::on_hello(const mail::Reply& reply, bool extended) {
  if (reply.code < 300) {
    const std::string_view text = reply.text;
    // After HELO further lines are words of welcome only (RFC 5321 4.1.1.1).
    capabilities_ = parse_capabilities(extended ? text : text.substr(0, text.find('\n')));
    secure_or_go_on();
    return;
  }
  // RFC 5321 3.2: a server without extensions. One that has reasons of its own to refuse us (RFC
  // 7504) would give them again, and one that must do TLS or AUTH is no such server.
  const bool plain_will_do = config_.tls != ClientTls::require && config_.credentials == nullptr;
  if (extended && reply.permanent() && reply.code != 554 && reply.code != 521 && plain_will_do) {
    command("HELO " + config_.helo_name, Expected{Kind::helo});
    return;
  }
  fail_session(outcome_of(reply, Phase::hello, Scope::host), true);
}

void SmtpClient::secure_or_go_on() {
  if (tls_ || config_.tls == ClientTls::none) {
    authenticate_or_go_on();
    return;
  }
  if (capabilities_.start_tls) {
    command("STARTTLS", Expected{Kind::start_tls});
    return;
  }
  if (config_.tls == ClientTls::require) {
    fail_session(own_outcome(Phase::start_tls, Scope::host, "4.7.4",
                             "TLS is required here and the peer does not offer it"),
                 true);
    return;
  }
  authenticate_or_go_on();
}

void SmtpClient::on_start_tls(const mail::Reply& reply) {
  if (reply.code < 300) {
    handshake_due_ = true;
  } else if (config_.tls == ClientTls::require) {
    // Whatever the peer's trouble is, it is no fault of the message (RFC 3207 4).
    fail_session(deferred(outcome_of(reply, Phase::start_tls, Scope::host)), true);
  } else {
    authenticate_or_go_on();
  }
}

void SmtpClient::authenticate_or_go_on() {
  if (config_.credentials == nullptr) {
    ready_ = true;
    return;
  }
  if (!tls_ && !config_.auth_without_tls) {
    fail_session(own_outcome(Phase::auth, Scope::host, "4.7.11",
                             "the password is not sent without TLS, which the peer does not offer"),
                 true);
    return;
  }
  mechanisms_ = capabilities_.auth;
  if (mechanisms_.empty()) {
    fail_session(own_outcome(Phase::auth, Scope::host, "4.7.0",
                             "the peer offers no login that we know, and one is configured"),
                 true);
    return;
  }
  try_mechanism();
}

void SmtpClient::try_mechanism() {
  while (const auto mechanism = mechanisms_.best()) {
    mechanisms_.remove(*mechanism);
    sasl_ = net::make_sasl_client(*mechanism, *config_.credentials, config_.nonce);
    if (!sasl_) {
      continue;
    }
    std::string line = "AUTH ";
    line += net::sasl_name(*mechanism);
    // RFC 4954 4: what would make the line too long waits for a challenge.
    const bool fits =
        config_.credentials->user.size() + config_.credentials->password.view().size() < 300;
    if (const auto initial = fits ? sasl_->initial() : std::nullopt) {
      // RFC 4954 4: an empty initial response is "=".
      line += ' ';
      line += initial->empty() ? "=" : base::base64_encode(*initial);
    }
    command(line, Expected{Kind::auth});
    return;
  }
  fail_session(
      own_outcome(Phase::auth, Scope::host, "4.7.0", "no login that the peer offers works"), true);
}

void SmtpClient::on_auth(const mail::Reply& reply) {
  if (reply.code >= 300 && reply.code < 400) {
    answer_challenge(reply);
    return;
  }
  if (!auth_problem_.empty()) {
    fail_session(own_outcome(Phase::auth, Scope::host, "4.7.0", auth_problem_), true);
  } else if (reply.code < 300 && sasl_->complete()) {
    sasl_.reset();
    ready_ = true;
  } else if (reply.code < 300) {
    fail_session(own_outcome(Phase::auth, Scope::host, "4.7.0",
                             "the peer says yes without having proved that it knows the password"),
                 true);
  } else if (reply.code == 504 || reply.code == 534) {
    try_mechanism();  // RFC 4954 6: this mechanism will not do; others may
  } else {
    // A wrong password of ours is for the administrator to mend; no mail is returned for it.
    fail_session(deferred(outcome_of(reply, Phase::auth, Scope::host)), true);
  }
}

void SmtpClient::answer_challenge(const mail::Reply& reply) {
  std::optional<std::string> answer;
  const auto challenge = base::base64_decode(base::trim(reply.text));
  if (!auth_problem_.empty()) {
    fail_protocol("the peer goes on with a login that was cancelled");
    return;
  }
  if (!challenge || challenge->size() > net::kMaxSaslMessage) {
    auth_problem_ = "the peer's challenge does not parse";
  } else {
    answer = sasl_->respond(*challenge);
    if (!answer) {
      auth_problem_ = sasl_->why();
    }
  }
  // RFC 4954 4: "*" cancels the exchange.
  std::string line = answer ? base::base64_encode(*answer) : "*";
  command(line, Expected{Kind::auth});
  base::wipe(line);
}

// The connection is useless from now on: whoever waits for an outcome gets it here.
void SmtpClient::fail_session(RcptOutcome outcome, bool say_quit) {
  if (closing_) {
    return;
  }
  closing_ = true;
  handshake_due_ = false;
  expected_.clear();
  output_.assign(say_quit ? "QUIT\r\n" : "");
  for (Transaction* const t : {finishing_.get(), current_.get()}) {
    if (t != nullptr) {
      break_off(*t, outcome);
    }
  }
  outcome.untried = outcome.untried || answered_ != 0;
  failure_ = std::move(outcome);
}

void SmtpClient::fail_protocol(std::string_view why) {
  fail_session(own_outcome(phase_now(), Scope::host, "4.5.0", why), false);
}

Phase SmtpClient::phase_of(Kind kind) {
  switch (kind) {
    case Kind::greeting:
      return Phase::greeting;
    case Kind::ehlo:
    case Kind::helo:
      return Phase::hello;
    case Kind::start_tls:
      return Phase::start_tls;
    case Kind::auth:
      return Phase::auth;
    case Kind::reset:
      return Phase::reset;
    case Kind::mail:
      return Phase::mail;
    case Kind::rcpt:
      return Phase::rcpt;
    case Kind::data:
      return Phase::data;
    case Kind::chunk:
      return Phase::body;
    case Kind::last:
    case Kind::quit:
      break;
  }
  return Phase::final_reply;
}

Phase SmtpClient::phase_now() const {
  if (pending_ == Pending::tls) {
    return Phase::start_tls;
  }
  const bool sending = current_ && current_->stage == Transaction::Stage::body;
  if (expected_.empty() || (sending && pending_ == Pending::write)) {
    return sending ? Phase::body : Phase::mail;
  }
  return phase_of(expected_.front().kind);
}

std::chrono::seconds SmtpClient::timeout() const {
  if (pending_ == Pending::tls) {
    return config_.timeouts.handshake;
  }
  if (pending_ == Pending::write) {
    return config_.timeouts.block;  // RFC 5321 4.5.3.2.5
  }
  if (closing_ || expected_.empty()) {
    return config_.timeouts.quit;
  }
  switch (expected_.front().kind) {
    case Kind::greeting:
      return config_.timeouts.greeting;  // RFC 5321 4.5.3.2.1
    case Kind::mail:
      return config_.timeouts.mail;  // RFC 5321 4.5.3.2.2
    case Kind::rcpt:
      return config_.timeouts.rcpt;  // RFC 5321 4.5.3.2.3
    case Kind::data:
      return config_.timeouts.data;  // RFC 5321 4.5.3.2.4
    case Kind::chunk:
      return config_.timeouts.block;
    case Kind::last:
      return config_.timeouts.final_reply;  // RFC 5321 4.5.3.2.6
    case Kind::quit:
      return config_.timeouts.quit;
    default:
      return config_.timeouts.command;
  }
}

}  // namespace posthouse::deliver
