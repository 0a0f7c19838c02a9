// The way of the octets through the session core: input to lines, lines to handlers (commands.cpp,
// auth.cpp), body octets to chunks, and from one step to the next. No I/O, no clock; one thread.
// After end_session() every event leads to Step::close.
#include "smtpd/session.hpp"

#include <utility>

#include "base/assert.hpp"
#include "smtpd/work.hpp"

namespace posthouse::smtpd {

namespace {

constexpr std::string_view kCrlf = "\r\n";
constexpr std::size_t kKeptCapacity = 256;  // buffers of an idle session keep no more than this

void release(std::string& buffer) {
  if (buffer.capacity() > kKeptCapacity) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

// RFC 5321 2.3.8: CR and LF come only as CRLF; 4.1.2 knows no NUL in any argument.
bool has_forbidden_octet(std::string_view line) {
  for (const char c : line) {
    if (c == '\r' || c == '\n' || c == '\0') {
      return true;
    }
  }
  return false;
}

// RFC 5321 4.1.1: trailing white space is tolerated.
std::string_view trim_end(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) {
    line.remove_suffix(1);
  }
  return line;
}

}  // namespace

Session::Session(const SessionConfig& config, PeerInfo peer, SessionObserver* observer)
    : config_(config), observer_(observer), peer_(std::move(peer)) {}

Session::~Session() = default;

Step Session::start(bool tls) {
  tls_ = tls;
  output_ += "220 ";
  output_ += config_.host_name;
  output_ += " ESMTP Posthouse\r\n";
  return Step::read;
}

Step Session::on_bytes(std::string_view data) {
  PH_ASSERT(pending_ == Pending::none, "octets came while the session waits for an answer");
  if (held_.empty()) {
    input_ = data;
    const Step step = pump();
    held_.assign(input_);
    input_ = {};
    return step;
  }
  held_.append(data);
  return resume();
}

// Goes on with the octets that waited for the answer to the last step or for the end of a line.
Step Session::resume() {
  input_ = std::string_view(held_).substr(held_used_);
  const Step step = pump();
  held_used_ = held_.size() - input_.size();
  if (input_.empty()) {
    release(held_);
    held_used_ = 0;
  } else if (step == Step::read) {
    // Only an unfinished line is left; many steps of one read must not move the rest each time.
    held_.erase(0, held_used_);
    held_used_ = 0;
  }
  input_ = {};
  return step;
}

Step Session::proceed() { return resume(); }

Step Session::pump() {
  for (;;) {
    if (state_ == State::closed) {
      input_ = {};
      return Step::close;
    }
    if (output_.size() >= kMaxHeldOutput) {
      return Step::write;
    }
    const Next next = state_ == State::body ? next_body_octets() : next_line();
    if (next) {
      return *next;
    }
  }
}

std::size_t Session::line_limit() const {
  if (state_ == State::auth) {
    return kMaxAuthLine;
  }
  // RFC 4954 4: an initial response may make the AUTH command itself as long.
  const bool auth = input_.size() > 5 && (input_[0] | 0x20) == 'a' && (input_[1] | 0x20) == 'u' &&
                    (input_[2] | 0x20) == 't' && (input_[3] | 0x20) == 'h' && input_[4] == ' ';
  return auth ? kMaxAuthLine : kMaxCommandLine;
}

// Only CRLF ends a line (RFC 5321 2.3.8): a bare LF or CR stays inside the line and makes it a
// syntax error when the CRLF comes. The answer never depends on how the octets were split.
Session::Next Session::next_line() {
  const std::size_t end = input_.find(kCrlf);
  if (end == std::string_view::npos) {
    return unfinished_line();
  }
  const std::string_view line = input_.substr(0, end);
  const std::size_t length = skipped_ + end;
  const bool too_long = skipping_ || end > line_limit();
  input_.remove_prefix(end + kCrlf.size());
  skipping_ = false;
  skipped_ = 0;
  ++progress_;
  if (length > kMaxEndlessLine) {
    return say_421("4.7.0", "Line too long, closing connection");
  }
  if (state_ == State::auth) {
    return too_long ? auth_error("500 5.5.6 Authentication exchange line is too long")
                    : on_auth_line(line);
  }
  verb_ = {};
  if (too_long) {
    return error("500 5.5.2 Line too long");
  }
  if (has_forbidden_octet(line)) {
    return error("500 5.5.2 NUL, bare CR or bare LF in command");
  }
  return dispatch(trim_end(line));
}

// No CRLF yet. Waits for more, and past the limit of the line throws its octets away at once.
Session::Next Session::unfinished_line() {
  // A CR at the end may be half of the CRLF.
  const std::size_t half = !input_.empty() && input_.back() == '\r' ? 1 : 0;
  const std::size_t octets = input_.size() - half;
  if (skipped_ + octets > kMaxEndlessLine) {
    return say_421("4.7.0", "Line too long, closing connection");
  }
  if (skipping_ || octets > line_limit()) {
    skipping_ = true;
    skipped_ += octets;
    input_.remove_prefix(octets);
  }
  return Step::read;
}

Session::Next Session::dispatch(std::string_view line) {
  const std::size_t space = line.find(' ');
  const std::string_view verb = line.substr(0, space);
  std::string_view args = space == std::string_view::npos ? std::string_view() : line.substr(space);
  while (!args.empty() && args.front() == ' ') {
    args.remove_prefix(1);
  }
  const Command* command = find_command(verb);
  if (command == nullptr) {
    return error("500 5.5.2 Command not recognized");
  }
  verb_ = command->verb;
  if ((command->states & (1U << static_cast<unsigned>(state_))) == 0) {
    return out_of_sequence(*command);
  }
  if (!command->takes_argument && !args.empty()) {
    return error("501 5.5.4 No argument allowed");
  }
  return (this->*command->handler)(args);
}

Session::Next Session::say(std::string_view reply) {
  output_ += reply;
  output_ += kCrlf;
  return std::nullopt;
}

Session::Next Session::refuse(std::string_view argument, std::string_view reply) {
  if (observer_ != nullptr) {
    observer_->on_refused(verb_, argument, reply);
  }
  return say(reply);
}

Session::Next Session::error(std::string_view reply) {
  refuse({}, reply);
  if (++errors_ >= config_.max_errors) {
    return say_421("4.7.0", "Too many errors, closing connection");
  }
  return std::nullopt;
}

// Passes on the reply of somebody else: the recipient check or the queue.
void Session::answer(std::string_view argument, const mail::Reply& reply) {
  const std::size_t begin = output_.size();
  mail::append_reply(output_, reply);
  if (!reply.positive() && observer_ != nullptr) {
    const std::string_view text = std::string_view(output_).substr(begin);
    observer_->on_refused(verb_, argument, text.substr(0, text.size() - kCrlf.size()));
  }
  if (reply.code == 421) {
    state_ = State::closed;  // RFC 5321 3.8: whoever says 421 also closes
  }
}

// RFC 5321 3.8: the server says 421 before it closes of its own accord.
Session::Next Session::say_421(std::string_view enhanced, std::string_view text) {
  std::string reply = "421 ";
  reply += enhanced;
  reply += ' ';
  reply += config_.host_name;
  reply += ' ';
  reply += text;
  return end_session(reply);
}

Session::Next Session::end_session(std::string_view reply) {
  say(reply);
  work_.reset();
  exchange_.reset();
  state_ = State::closed;
  return std::nullopt;
}

void Session::end_transaction() {
  work_.reset();
  if (state_ == State::closed) {
    return;
  }
  if (state_ != State::start) {
    state_ = State::ready;
  }
  if (stopping_) {
    say_421("4.3.2", "Service is shutting down, closing connection");
  }
}

void Session::expect(Pending pending) {
  PH_ASSERT(pending_ == pending, "an answer came that the session did not ask for");
  pending_ = Pending::none;
}

// Decodes all that is there of the body; what follows CRLF.CRLF stays for the next command.
Session::Next Session::next_body_octets() {
  if (work_->decoder.finished()) {
    return finish_body();
  }
  if (input_.empty()) {
    return Step::read;
  }
  Work& work = *work_;
  const std::size_t before = work.chunk.size();
  const mail::DotDecoder::Fed fed = work.decoder.feed(input_, work.chunk);
  input_.remove_prefix(fed.consumed);
  ++progress_;
  work.header.feed(std::string_view(work.chunk).substr(before));
  if (work.sink_open && (is_too_large() || work.decoder.bare_newline())) {
    // It will be refused: keep nothing of it, but read on to its end (RFC 5321 4.1.1.4).
    work.sink_open = false;
    work.decoder.discard_rest();
    std::string().swap(work.chunk);
    return Step::abort_body;
  }
  if (work.decoder.finished()) {
    return finish_body();
  }
  return work.chunk.size() >= kBodyChunk ? Next(Step::body) : std::nullopt;
}

bool Session::is_too_large() const {
  return config_.msg_max_size != 0 && work_->decoder.octets() > config_.msg_max_size;
}

// The verdict on a complete message. The order of the checks is fixed, so that the reply does not
// depend on how the octets came in.
Session::Next Session::finish_body() {
  Work& work = *work_;
  work.header.finish();
  std::string_view reply;
  if (work.decoder.bare_newline()) {
    // A bare CR or LF is how one message is made to look like two (SMTP smuggling).
    reply = "550 5.6.0 Message contains bare CR or LF";
  } else if (is_too_large()) {
    reply = "552 5.3.4 Message is larger than the limit";  // RFC 1870 6.1
  } else if (work.header.received() > config_.max_received) {
    reply = "554 5.4.6 Too many Received fields, this is a mail loop";  // RFC 5321 6.3
  }
  if (reply.empty()) {
    pending_ = Pending::stored;
    return Step::commit;
  }
  const bool abort = work.sink_open;
  verb_ = "message";
  refuse(reverse_path_text(), reply);
  end_transaction();
  return abort ? Next(Step::abort_body) : std::nullopt;
}

Step Session::on_stored(const mail::Reply& reply) {
  expect(Pending::stored);
  verb_ = "message";
  answer({}, reply);
  end_transaction();
  return resume();
}

Step Session::on_tls() {
  expect(Pending::tls);
  // RFC 3207 4.2: nothing the client said before the handshake is known any more.
  helo_.clear();
  auth_user_.clear();
  extended_ = false;
  mail_refused_ = false;
  tls_ = true;
  state_ = State::start;
  return Step::read;
}

Step Session::on_timeout() {
  if (state_ != State::closed) {
    say_421("4.4.2", "Timeout, closing connection");
  }
  return Step::close;
}

Step Session::on_shutdown() {
  stopping_ = true;
  if (state_ != State::closed && work_ == nullptr) {
    say_421("4.3.2", "Service is shutting down, closing connection");
  }
  return state_ == State::closed ? Step::close : Step::read;
}

void Session::clear_output() { release(output_); }

std::uint64_t Session::declared_size() const { return work_ ? work_->declared_size : 0; }

const mail::Address& Session::pending_rcpt() const {
  PH_ASSERT(work_ != nullptr, "no recipient is pending");
  return work_->pending;
}

std::string Session::reverse_path_text() const {
  return "<" + work_->transaction.envelope.reverse_path.text() + ">";
}

const mail::Envelope& Session::envelope() const {
  PH_ASSERT(work_ != nullptr, "no transaction is open");
  return work_->transaction.envelope;
}

std::string& Session::body_chunk() {
  PH_ASSERT(work_ != nullptr, "no body is being read");
  return work_->chunk;
}

std::uint64_t Session::body_size() const { return work_ ? work_->decoder.octets() : 0; }

Transaction Session::take_transaction() {
  PH_ASSERT(pending_ == Pending::stored && work_ != nullptr, "no message is complete");
  return std::move(work_->transaction);
}

}  // namespace posthouse::smtpd
