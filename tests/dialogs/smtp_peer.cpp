// The house around the SMTP session core in dialogues: see smtp_peer.hpp.
#include "tests/dialogs/smtp_peer.hpp"

#include <utility>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::dialogs {

using smtpd::Step;

namespace {

// "452 4.3.1 some text"
mail::Reply parse_reply(const std::string& text) {
  const std::string_view view = text;
  const std::size_t first = view.find(' ');
  const std::size_t second = view.find(' ', first + 1);
  PH_ASSERT(second != std::string_view::npos, "a reply option is CODE ENHANCED TEXT");
  return {static_cast<int>(base::parse_u64(view.substr(0, first)).value_or(0)),
          view.substr(first + 1, second - first - 1), view.substr(second + 1)};
}

}  // namespace

Variables SmtpPeer::variables() {
  return {{"host", "mx.example.com"},
          {"domain", "example.com"},
          {"alice", "alice@example.com"},
          {"bob", "bob@example.com"},
          {"password", "open sesame"}};
}

smtpd::SessionConfig SmtpPeer::make_config(const Dialog& dialog) {
  smtpd::SessionConfig config;
  config.host_name = "mx.example.com";
  config.msg_max_size = dialog.number("max_size", config.msg_max_size);
  config.max_rcpts = dialog.number("max_rcpts", config.max_rcpts);
  config.max_errors = dialog.number("max_errors", config.max_errors);
  config.kind = dialog.option("kind") == "submission" ? smtpd::ListenerKind::submission
                                                      : smtpd::ListenerKind::smtp;
  config.starttls = dialog.option("tls", "available") != "off";
  return config;
}

smtpd::PeerInfo SmtpPeer::make_peer(const Dialog& dialog) {
  const std::string client = dialog.option("client", "192.0.2.7");
  return {client, client == "127.0.0.1" || client == "::1", dialog.option("trusted") == "yes"};
}

SmtpPeer::SmtpPeer(const Dialog& dialog)
    : dialog_(dialog), config_(make_config(dialog)), session_(config_, make_peer(dialog), nullptr) {
  perform(session_.start(dialog.option("tls") == "on"));
}

void SmtpPeer::send(std::string_view octets) {
  if (step_ == Step::start_tls) {
    return;  // octets in clear now meet the TLS layer, never the core
  }
  // A copy of its own, so that a view kept too long is found.
  const std::string copy(octets);
  perform(session_.on_bytes(copy));
}

std::string SmtpPeer::take_output() { return std::exchange(output_, {}); }
std::vector<std::string> SmtpPeer::take_events() { return std::exchange(events_, {}); }

void SmtpPeer::start_tls() {
  PH_ASSERT(step_ == Step::start_tls, "the dialogue starts TLS when the server does not");
  perform(session_.on_tls());
}

void SmtpPeer::trigger(const std::string& what) {
  if (what == "timeout") {
    perform(session_.on_timeout());
  } else {
    PH_ASSERT(what == "shutdown", "a trigger is timeout or shutdown");
    perform(session_.on_shutdown());
  }
}

void SmtpPeer::perform(Step step) {
  while (step != Step::read && step != Step::start_tls && step != Step::close) {
    step = perform_one(step);
  }
  output_ += session_.output();
  session_.clear_output();
  step_ = step;
}

Step SmtpPeer::perform_one(Step step) {
  switch (step) {
    case Step::write:
      output_ += session_.output();
      session_.clear_output();
      return session_.proceed();
    case Step::check_space:
      return session_.on_space(space_reply(false));
    case Step::begin_body: {
      const mail::Reply reply = space_reply(true);
      body_open_ = reply.positive();
      body_.clear();
      return session_.on_space(reply);
    }
    case Step::verify_rcpt:
      return session_.on_rcpt(rcpt_reply());
    case Step::authenticate:
      return check_password();
    case Step::body:
      PH_ASSERT(body_open_, "body octets without a body");
      body_ += std::exchange(session_.body_chunk(), {});
      return session_.proceed();
    case Step::abort_body:
      PH_ASSERT(body_open_, "no body to abort");
      body_open_ = false;
      events_.emplace_back("aborted");
      return session_.proceed();
    case Step::commit:
      return store();
    case Step::sleep:
      events_.push_back("slept " + std::to_string(session_.delay().count()));
      return session_.proceed();
    case Step::read:
    case Step::start_tls:
    case Step::close:
      break;
  }
  return step;
}

// Option "space: CODE ENHANCED TEXT" refuses at MAIL, "space_at_data: …" at DATA.
mail::Reply SmtpPeer::space_reply(bool at_data) const {
  const std::string refusal = dialog_.option(at_data ? "space_at_data" : "space");
  return refusal.empty() ? mail::Reply(250, "2.0.0", "OK") : parse_reply(refusal);
}

// Option "rcpt: ADDRESS CODE ENHANCED TEXT", else alice, bob and the postmaster live here.
mail::Reply SmtpPeer::rcpt_reply() const {
  const mail::Address& rcpt = session_.pending_rcpt();
  const std::string text = rcpt.text();
  for (const std::string& row : dialog_.all("rcpt")) {
    const std::size_t space = row.find(' ');
    if (row.substr(0, space) == text) {
      return parse_reply(row.substr(space + 1));
    }
  }
  const std::string key = rcpt.key();
  if (key == "alice@example.com" || key == "bob@example.com" || key == "postmaster" ||
      key == "postmaster@example.com") {
    return {250, "2.1.5", "OK"};
  }
  if (rcpt.domain == "example.com") {
    return {550, "5.1.1", "No such user"};
  }
  if (!session_.auth_user().empty() || dialog_.option("trusted") == "yes") {
    return {250, "2.1.5", "OK"};
  }
  return {550, "5.7.1", "Relaying denied"};
}

// Everybody's password is "open sesame"; "login: down" makes the check unavailable.
Step SmtpPeer::check_password() {
  const smtpd::Credentials credentials = session_.take_credentials();
  events_.push_back("login " + escape(credentials.user));
  if (dialog_.option("login") == "down") {
    return session_.on_auth(smtpd::AuthOutcome::unavailable, {});
  }
  if (credentials.password.view() != "open sesame") {
    return session_.on_auth(smtpd::AuthOutcome::refused, {});
  }
  const bool full = credentials.user.find('@') != std::string::npos;
  return session_.on_auth(smtpd::AuthOutcome::accepted,
                          full ? credentials.user : credentials.user + "@example.com");
}

// Option "store: CODE ENHANCED TEXT" is the queue's answer.
Step SmtpPeer::store() {
  PH_ASSERT(body_open_, "a commit without a body");
  body_open_ = false;
  body_ += std::exchange(session_.body_chunk(), {});
  PH_ASSERT(body_.size() == session_.body_size(), "body octets were lost");
  const smtpd::Transaction transaction = session_.take_transaction();
  const mail::Envelope& envelope = transaction.envelope;
  std::string event = "stored from=<" + envelope.reverse_path.text() + "> to=";
  for (const mail::Address& rcpt : transaction.rcpts) {
    event += "<" + rcpt.text() + ">";
  }
  event += envelope.body == mail::BodyKind::eight_bit ? " 8bit" : " 7bit";
  event += envelope.arrival == mail::Arrival::submission ? " submission" : " smtp";
  event += " helo=" + envelope.helo + " auth=" + envelope.auth_user;
  event += " size=" + std::to_string(body_.size());
  events_.push_back(std::move(event));
  events_.push_back("body " + escape(body_));
  const std::string answer = dialog_.option("store");
  return session_.on_stored(answer.empty() ? mail::Reply(250, "2.0.0", "queued as 0")
                                           : parse_reply(answer));
}

}  // namespace posthouse::dialogs
