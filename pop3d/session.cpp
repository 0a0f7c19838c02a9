// The engine of the POP3 session core: cuts the input into lines, keeps the mode, and turns results
// of logins, reads and removals into replies. The verbs themselves are in commands.cpp. Called by
// the driver on the connection's thread; see session.hpp for what holds.
#include "pop3d/session.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace posthouse::pop3d {

namespace {

// Buffers larger than this are given back while the session waits for its client.
constexpr std::size_t kIdleCapacity = 256;
// A piece may be asked for although it takes the output past kFlushAt, but not a tiny one.
constexpr std::size_t kMinPiece = 16384;
// The wait before the n-th refusal of a password: 1, 2, 4 … s.
constexpr base::Duration kFirstDelay = std::chrono::seconds(1);
constexpr base::Duration kLongestDelay = std::chrono::seconds(15);

Step step_of(Step::Kind kind) {
  Step step;
  step.kind = kind;
  return step;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void release_if_large(std::string& buffer) {
  if (buffer.capacity() > kIdleCapacity) std::string().swap(buffer);
}

}  // namespace

Session::Session(const SessionOptions& options) : options_(options) {
  // RFC 1939 4. No <…> in it: that would offer APOP (RFC 1939 7).
  ok("Posthouse POP3 server ready");
}

Session::~Session() { base::wipe(input_); }

Step Session::next() {
  idle_ = false;
  for (;;) {
    switch (mode_) {
      case Mode::command:
      case Mode::sasl_line:
        if (output_.size() >= kFlushAt) return step_of(Step::Kind::flush);
        if (run_line()) break;
        compact_input();
        idle_ = true;
        return step_of(Step::Kind::read);
      case Mode::login:
        return step_of(Step::Kind::login);
      case Mode::delay: {
        mode_ = Mode::after_delay;
        Step step = step_of(Step::Kind::wait);
        step.delay = std::min(kFirstDelay * (1U << (login_failures_ - 1)), kLongestDelay);
        return step;
      }
      case Mode::after_delay:
        refuse_login();
        break;
      case Mode::start_tls:
        return step_of(Step::Kind::start_tls);
      case Mode::listing:
        continue_listing();
        if (mode_ == Mode::listing) return step_of(Step::Kind::flush);
        break;
      case Mode::fetching:
        if (output_.size() >= kFlushAt) return step_of(Step::Kind::flush);
        return fetch_step();
      case Mode::removing:
        return step_of(Step::Kind::remove);
      case Mode::closed:
        return step_of(Step::Kind::close);
    }
  }
}

void Session::on_bytes(std::string_view octets) { input_ += octets; }

void Session::clear_output() {
  output_.clear();
  if (idle_) release_if_large(output_);
}

// A line ends with CRLF; a bare LF is taken as well, because no command carries data that a
// different reading of line ends could smuggle past us. The CR is cut off.
bool Session::take_line(std::string_view* line) {
  const std::size_t from = std::max(consumed_, scanned_);
  const std::size_t end = input_.find('\n', from);
  if (end == std::string::npos) {
    scanned_ = input_.size();
    return false;
  }
  *line = std::string_view(input_).substr(consumed_, end - consumed_);
  if (!line->empty() && line->back() == '\r') line->remove_suffix(1);
  line_begin_ = consumed_;
  consumed_ = end + 1;
  return true;
}

// Handles one complete line; false when there is none yet.
bool Session::run_line() {
  std::string_view line;
  if (take_line(&line)) {
    ++stats_.commands;
    const bool may_hold_password = !logged_in();
    on_line(line);
    if (may_hold_password) explicit_bzero(input_.data() + line_begin_, consumed_ - line_begin_);
    return true;
  }
  const std::string_view pending = std::string_view(input_).substr(consumed_);
  // A TLS ClientHello on a plain port holds no line end to wait for.
  if (mode_ == Mode::command && !pending.empty() && is_foreign_protocol(pending.substr(0, 1))) {
    close_on_foreigner();
    return true;
  }
  if (pending.size() > kMaxLongLine) {
    err("Line too long, closing");
    mode_ = Mode::closed;
    return true;
  }
  return false;
}

void Session::close_on_foreigner() {
  err("This is a POP3 server, closing");
  mode_ = Mode::closed;
}

// True before login for lines that no POP3 client sends: the session is not worth a second one.
bool Session::is_foreign_protocol(std::string_view line) const {
  if (line.empty() || logged_in()) return false;
  if (is_control(line[0]) && line[0] != '\r' && line[0] != '\t') return true;
  // A browser made to speak to this port by a hostile page.
  static constexpr std::string_view kHttp[] = {"GET",     "POST",  "HEAD",  "PUT", "DELETE",
                                               "OPTIONS", "TRACE", "PATCH", "PRI", "CONNECT"};
  const std::string_view word = line.substr(0, line.find(' '));
  return word.size() < line.size() && std::ranges::find(kHttp, word) != std::end(kHttp);
}

void Session::on_line(std::string_view line) {
  if (mode_ == Mode::command && is_foreign_protocol(line)) return close_on_foreigner();
  if (line.size() + 2 > kMaxLongLine) {
    err("Line too long, closing");
    mode_ = Mode::closed;
    return;
  }
  if (mode_ == Mode::sasl_line) {
    mode_ = Mode::command;
    if (line == "*") return err("Authentication cancelled");  // RFC 5034 4
    return sasl_plain(line);
  }
  const std::size_t space = line.find(' ');
  const Command* command = find_command(line.substr(0, space));
  if (command == nullptr) return counted_err("Unknown command");
  // RFC 2449 4; only a password or a SASL response may need more.
  const bool may_be_long = command->handler == &Session::pass || command->handler == &Session::auth;
  if (!may_be_long && line.size() + 2 > kMaxCommandLine) return counted_err("Line too long");
  if (logged_in() ? !command->after_login : !command->before_login) {
    return counted_err(logged_in() ? "Not valid after login" : "Log in first");
  }
  Arguments args;
  if (space != std::string_view::npos) args.text = line.substr(space + 1);
  if (parse_arguments(*command, &args)) (this->*command->handler)(args);
}

void Session::compact_input() {
  input_.erase(0, consumed_);
  scanned_ -= std::min(scanned_, consumed_);
  consumed_ = 0;
  line_begin_ = 0;
  if (input_.empty()) release_if_large(input_);
}

void Session::on_tls(bool ok) {
  PH_ASSERT(mode_ == Mode::start_tls, "on_tls() without a handshake step");
  // RFC 2595 4, 3207 4.2: octets that came before the handshake may be an attacker's; they and all
  // that was said in clear text count for nothing.
  base::wipe(input_);
  consumed_ = scanned_ = line_begin_ = 0;
  user_.clear();
  user_named_ = false;
  options_.tls_active = ok;
  mode_ = ok ? Mode::command : Mode::closed;
}

Credentials Session::credentials() {
  PH_ASSERT(mode_ == Mode::login, "credentials() without a login step");
  return Credentials{user_, std::move(password_)};
}

void Session::on_login(LoginOutcome outcome, const std::vector<Listing>* messages) {
  PH_ASSERT(mode_ == Mode::login, "on_login() without a login step");
  mode_ = Mode::command;
  switch (outcome) {
    case LoginOutcome::ok:
      PH_ASSERT(messages != nullptr, "a login without a message list");
      messages_ = messages;
      errors_ = 0;
      for (const Listing& message : *messages) total_octets_ += message.size;
      ok("Logged in");
      return;
    case LoginOutcome::refused:
      return login_refused();
    case LoginOutcome::unavailable:  // RFC 3206 4
      return counted_err("[SYS/TEMP] The login cannot be checked now, try again later");
    case LoginOutcome::in_use:  // RFC 2449 8.1.1
      return counted_err("[IN-USE] The mailbox is open in another session");
  }
}

void Session::login_refused() {
  ++login_failures_;
  mode_ = Mode::delay;
}

// RFC 3206 5: [AUTH] says that the credentials are the problem.
void Session::refuse_login() {
  const bool last = login_failures_ >= kMaxLoginFailures;
  err(last ? "[AUTH] Authentication failed too often, closing" : "[AUTH] Authentication failed");
  mode_ = last ? Mode::closed : Mode::command;
}

void Session::continue_listing() {
  while (cursor_ < messages_->size() && output_.size() < kFlushAt) {
    if (!is_deleted(cursor_)) put_listing_line(cursor_);
    ++cursor_;
  }
  if (cursor_ < messages_->size()) return;
  output_ += ".\r\n";
  mode_ = Mode::command;
}

Step Session::fetch_step() const {
  Step step = step_of(Step::Kind::fetch);
  step.index = cursor_;
  step.offset = offset_;
  step.limit = std::clamp(kFlushAt - output_.size(), kMinPiece, kMaxPiece);
  step.body_lines = body_lines_;
  return step;
}

void Session::on_piece(DropStatus status, std::string_view piece, bool done) {
  PH_ASSERT(mode_ == Mode::fetching, "on_piece() without a fetch step");
  if (status != DropStatus::ok) {
    if (fetch_began_) {
      // The +OK is out: only a connection that ends before the final dot says "incomplete".
      mode_ = Mode::closed;
      return;
    }
    err(status == DropStatus::gone ? "The message was removed by another program"
                                   : "[SYS/TEMP] The message cannot be read now");
    mode_ = Mode::command;
    return;
  }
  PH_ASSERT(done || !piece.empty(), "a maildrop that gives nothing and is not at the end");
  const std::size_t wanted = output_.size() + piece.size() + piece.size() / 32 + 64;
  if (wanted > output_.capacity()) output_.reserve(std::max(wanted, 2 * output_.capacity()));
  if (!fetch_began_) {
    fetch_began_ = true;
    output_ += "+OK";
    if (body_lines_ == UINT64_MAX) {
      output_ += ' ';
      put_number((*messages_)[cursor_].size);
      output_ += " octets";
    }
    output_ += "\r\n";
    encoder_ = mail::DotEncoder(mail::LineEnd::crlf);
  }
  encoder_.feed(piece, output_);
  offset_ += piece.size();
  stats_.octets += piece.size();
  if (!done) return;
  encoder_.finish(output_);
  ++stats_.retrieved;
  mode_ = Mode::command;
}

std::vector<std::size_t> Session::deleted() const {
  std::vector<std::size_t> indexes;
  indexes.reserve(deleted_count_);
  for (std::size_t i = 0; i < deleted_.size(); ++i) {
    if (deleted_[i]) indexes.push_back(i);
  }
  return indexes;
}

void Session::on_removed(DropStatus status) {
  PH_ASSERT(mode_ == Mode::removing, "on_removed() without a remove step");
  mode_ = Mode::closed;
  // `gone`: another program was faster, which is what the client wanted.
  if (status == DropStatus::ok || status == DropStatus::gone) {
    stats_.removed = deleted_count_;
    return ok("Goodbye, marked messages are removed");
  }
  err("[SYS/TEMP] some deleted messages not removed");  // RFC 1939 6
}

}  // namespace posthouse::pop3d
