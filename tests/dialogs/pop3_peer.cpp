// The maildrop around the POP3 session core in dialogues: see pop3_peer.hpp.
#include "tests/dialogs/pop3_peer.hpp"

#include <utility>

#include "base/assert.hpp"

namespace posthouse::dialogs {

using pop3d::DropStatus;
using pop3d::LoginOutcome;
using pop3d::Step;

Variables Pop3Peer::variables() {
  return {{"host", "mx.example.com"},
          {"domain", "example.com"},
          {"bob", "bob@example.com"},
          {"password", "open sesame"}};
}

pop3d::SessionOptions Pop3Peer::options(const Dialog& dialog) {
  const std::string tls = dialog.option("tls", "available");
  const std::string client = dialog.option("client", "127.0.0.1");
  pop3d::SessionOptions result;
  result.tls_active = tls == "on";
  result.tls_offered = tls != "off";
  result.trusted_client = client == "127.0.0.1" || client == "::1";
  return result;
}

Pop3Peer::Pop3Peer(const Dialog& dialog) : dialog_(dialog), session_(options(dialog)) {
  for (const std::string& text : dialog.all("message")) {
    wires_.push_back(unescape(text));
    listing_.push_back({wires_.back().size(), "uid-" + std::to_string(wires_.size())});
  }
  go_on();
}

void Pop3Peer::send(std::string_view octets) {
  PH_ASSERT(step_ != Step::Kind::start_tls, "the dialogue sends before its TLS line");
  const std::string copy(octets);  // so that a view kept too long is found
  session_.on_bytes(copy);
  go_on();
}

std::string Pop3Peer::take_output() { return std::exchange(output_, {}); }
std::vector<std::string> Pop3Peer::take_events() { return std::exchange(events_, {}); }

void Pop3Peer::start_tls() {
  PH_ASSERT(step_ == Step::Kind::start_tls, "the dialogue starts TLS when the server does not");
  session_.on_tls(true);
  go_on();
}

void Pop3Peer::trigger(const std::string& what) {
  PH_ASSERT(what == "timeout", "the trigger of a POP3 dialogue is timeout");
  step_ = Step::Kind::close;  // the driver closes; the core has no part in it
}

void Pop3Peer::go_on() {
  bool more = true;
  while (more) {
    const Step step = session_.next();
    step_ = step.kind;
    more = perform(step);
  }
  output_ += session_.output();
  session_.clear_output();
}

bool Pop3Peer::perform(const Step& step) {
  switch (step.kind) {
    case Step::Kind::read:
    case Step::Kind::start_tls:
    case Step::Kind::close:
      return false;
    case Step::Kind::flush:
      output_ += session_.output();
      session_.clear_output();
      return true;
    case Step::Kind::wait:
      events_.push_back(
          "slept " + std::to_string(std::chrono::ceil<std::chrono::seconds>(step.delay).count()));
      return true;
    case Step::Kind::login:
      login();
      return true;
    case Step::Kind::fetch:
      fetch(step);
      return true;
    case Step::Kind::remove:
      remove();
      return true;
  }
  return false;
}

void Pop3Peer::login() {
  const pop3d::Credentials credentials = session_.credentials();
  events_.push_back("login " + escape(credentials.user));
  LoginOutcome outcome = LoginOutcome::refused;
  const bool is_bob = credentials.user == "bob" || credentials.user == "bob@example.com";
  if (dialog_.option("login") == "down") {
    outcome = LoginOutcome::unavailable;
  } else if (is_bob && credentials.password.view() == "open sesame") {
    outcome = dialog_.option("login") == "busy" ? LoginOutcome::in_use : LoginOutcome::ok;
  }
  session_.on_login(outcome, outcome == LoginOutcome::ok ? &listing_ : nullptr);
}

void Pop3Peer::fetch(const Step& step) {
  std::string wire = wires_.at(step.index);
  if (step.body_lines != UINT64_MAX) {
    const std::size_t blank = wire.find("\r\n\r\n");
    std::size_t end = blank == std::string::npos ? wire.size() : blank + 4;
    for (std::uint64_t line = 0; line < step.body_lines && end < wire.size(); ++line) {
      end = wire.find("\r\n", end) + 2;
    }
    wire.resize(end);
  }
  const std::string piece = wire.substr(static_cast<std::size_t>(step.offset), step.limit);
  session_.on_piece(DropStatus::ok, piece, step.offset + piece.size() == wire.size());
}

void Pop3Peer::remove() {
  std::string event = "removed";
  for (const std::size_t index : session_.deleted()) event += ' ' + std::to_string(index + 1);
  events_.push_back(std::move(event));
  session_.on_removed(dialog_.option("remove") == "down" ? DropStatus::unavailable
                                                         : DropStatus::ok);
}

}  // namespace posthouse::dialogs
