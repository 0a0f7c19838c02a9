// The SMTP commands: the table of verbs, states and handlers, and the handlers themselves. Part of
// the session core (session.hpp); AUTH is in auth.cpp, parameters are in params.cpp.
#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "smtpd/params.hpp"
#include "smtpd/session.hpp"
#include "smtpd/work.hpp"

namespace posthouse::smtpd {

namespace {

constexpr std::uint8_t kStart = 1U << 0U;
constexpr std::uint8_t kReady = 1U << 1U;
constexpr std::uint8_t kMail = 1U << 2U;
constexpr std::uint8_t kRcpt = 1U << 3U;
constexpr std::uint8_t kAny = kStart | kReady | kMail | kRcpt;

constexpr std::string_view kHelloFirst = "503 5.5.1 Send HELO or EHLO first";
constexpr std::string_view kMailFirst = "503 5.5.1 Send MAIL first";
constexpr std::string_view kInTransaction = "503 5.5.1 Not while a mail transaction is open";

// A name the client gives itself: any printable word, for many clients send no valid domain and
// RFC 5321 4.1.4 forbids to refuse mail for that.
bool is_acceptable_helo(std::string_view name) {
  if (name.empty() || name.size() > kMaxHelo || !base::is_utf8(name)) {
    return false;
  }
  return std::none_of(name.begin(), name.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= 0x20 || octet == 0x7f;
  });
}

bool has_eight_bit(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// Strips "FROM:" or "TO:". Spaces behind the colon are forbidden by RFC 5321 3.3 but common; taking
// them harms nobody.
bool strip_keyword(std::string_view keyword, std::string_view* args) {
  if (!base::istarts_with(*args, keyword)) {
    return false;
  }
  args->remove_prefix(keyword.size());
  while (!args->empty() && args->front() == ' ') {
    args->remove_prefix(1);
  }
  return true;
}

}  // namespace

// The most frequent verbs first. `wrong` is the 503 for a client that has said HELO.
const Session::Command* Session::find_command(std::string_view verb) {
  static constexpr auto kTable = std::to_array<Command>({
      {"MAIL", &Session::on_mail, kReady, true, kInTransaction},
      {"RCPT", &Session::on_rcpt_command, kMail | kRcpt, true, kMailFirst},
      {"DATA", &Session::on_data, kMail | kRcpt, false, kMailFirst},
      {"EHLO", &Session::on_ehlo, kAny, true, {}},
      {"HELO", &Session::on_helo, kAny, true, {}},
      {"QUIT", &Session::on_quit, kAny, false, {}},
      {"RSET", &Session::on_rset, kAny, false, {}},
      {"NOOP", &Session::on_noop, kAny, true, {}},
      {"AUTH", &Session::on_auth_command, kReady, true, kInTransaction},
      {"STARTTLS", &Session::on_starttls, kStart | kReady, false, kInTransaction},
      {"VRFY", &Session::on_vrfy, kAny, true, {}},
      {"HELP", &Session::on_help, kAny, true, {}},
      {"EXPN", &Session::on_not_implemented, kAny, true, {}},
      {"BDAT", &Session::on_not_implemented, kAny, true, {}},
      {"ETRN", &Session::on_not_implemented, kAny, true, {}},
      {"ATRN", &Session::on_not_implemented, kAny, true, {}},
      {"TURN", &Session::on_not_implemented, kAny, true, {}},
      {"SEND", &Session::on_not_implemented, kAny, true, {}},
      {"SOML", &Session::on_not_implemented, kAny, true, {}},
      {"SAML", &Session::on_not_implemented, kAny, true, {}},
      {"GET", &Session::on_http, kAny, true, {}},
      {"POST", &Session::on_http, kAny, true, {}},
      {"PUT", &Session::on_http, kAny, true, {}},
      {"HEAD", &Session::on_http, kAny, true, {}},
      {"OPTIONS", &Session::on_http, kAny, true, {}},
      {"CONNECT", &Session::on_http, kAny, true, {}},
      {"DELETE", &Session::on_http, kAny, true, {}},
      {"PATCH", &Session::on_http, kAny, true, {}},
      {"TRACE", &Session::on_http, kAny, true, {}},
      {"PRI", &Session::on_http, kAny, true, {}},  // RFC 9113 3.4: opening line of HTTP/2
  });
  for (const Command& command : kTable) {
    if (base::iequals(command.verb, verb)) {
      return &command;
    }
  }
  return nullptr;
}

Session::Next Session::out_of_sequence(const Command& command) {
  if (mail_refused_ && command.wrong == kMailFirst) {
    // RFC 2920 3.1: pipelined behind a MAIL that was refused; the client could not know.
    return refuse({}, kMailFirst);
  }
  return error(state_ == State::start ? kHelloFirst : command.wrong);
}

Session::Next Session::on_helo(std::string_view args) { return on_hello(args, false); }
Session::Next Session::on_ehlo(std::string_view args) { return on_hello(args, true); }

// RFC 5321 4.1.1.1
Session::Next Session::on_hello(std::string_view args, bool extended) {
  const std::string_view name = args.substr(0, args.find(' '));
  if (!is_acceptable_helo(name)) {
    return error(args.empty() ? "501 5.5.4 Your host name is missing"
                              : "501 5.5.4 That is not a host name");
  }
  helo_ = name;
  extended_ = extended;
  mail_refused_ = false;
  state_ = State::ready;
  if (extended) {
    say_extensions();
  } else {
    output_ += "250 ";
    say(config_.host_name);
  }
  end_transaction();  // RFC 5321 4.1.4: a second EHLO acts as RSET
  return std::nullopt;
}

// RFC 2034 4: no enhanced codes here.
void Session::say_extensions() {
  output_ += "250-";
  say(config_.host_name);
  say("250-PIPELINING");
  output_ += "250-SIZE ";
  say(std::to_string(config_.msg_max_size));
  if (config_.starttls && !tls_) {
    say("250-STARTTLS");  // RFC 3207 4.2: not offered again under TLS
  }
  if (auth_permitted() && auth_user_.empty()) {
    say("250-AUTH PLAIN LOGIN");
  }
  say("250-8BITMIME");
  say("250 ENHANCEDSTATUSCODES");
}

// RFC 5321 4.1.1.2
Session::Next Session::on_mail(std::string_view args) {
  mail_refused_ = true;  // until it is accepted
  if (config_.kind == ListenerKind::submission && auth_user_.empty() && !peer_.trusted) {
    return refuse({}, "530 5.7.0 Authentication required");  // RFC 6409 4.3
  }
  if (!strip_keyword("FROM:", &args)) {
    return error("501 5.5.4 Syntax: MAIL FROM:<address>");
  }
  const auto path = mail::parse_path(args, mail::PathKind::reverse);
  if (!path) {
    return error("501 5.1.7 Bad sender address syntax");
  }
  if (has_eight_bit(args.substr(0, path->consumed))) {
    return error("553 5.6.7 SMTPUTF8 is not supported");  // RFC 6531 3.5
  }
  MailParams params;
  const std::string_view trouble = parse_mail_params(args.substr(path->consumed), &params);
  if (!trouble.empty()) {
    return error(trouble);
  }
  if (config_.msg_max_size != 0 && params.size > config_.msg_max_size) {
    return refuse(path->address.text(),
                  "552 5.3.4 Message is larger than the limit");  // RFC 1870 6.1
  }
  work_ = std::make_unique<Work>();
  work_->declared_size = params.size;
  mail::Envelope& envelope = work_->transaction.envelope;
  envelope.reverse_path = path->address;
  envelope.body = params.body;
  envelope.arrival =
      config_.kind == ListenerKind::submission ? mail::Arrival::submission : mail::Arrival::smtp;
  envelope.client = peer_.client_ip;
  envelope.helo = helo_;
  envelope.auth_user = auth_user_;
  pending_ = Pending::space_mail;
  return Step::check_space;
}

Step Session::on_space(const mail::Reply& reply) {
  const bool at_mail = pending_ == Pending::space_mail;
  expect(at_mail ? Pending::space_mail : Pending::space_data);
  if (!reply.positive()) {
    answer(reverse_path_text(), reply);
    if (at_mail) {
      end_transaction();
    }
    return resume();
  }
  if (at_mail) {
    mail_refused_ = false;
    state_ = State::mail;
    say("250 2.1.0 OK");
  } else {
    work_->sink_open = true;
    state_ = State::body;
    say("354 End data with <CR><LF>.<CR><LF>");
  }
  return resume();
}

// RFC 5321 4.1.1.3
Session::Next Session::on_rcpt_command(std::string_view args) {
  if (!strip_keyword("TO:", &args)) {
    return error("501 5.5.4 Syntax: RCPT TO:<address>");
  }
  auto path = mail::parse_path(args, mail::PathKind::forward);
  ++work_->tried;
  if (!path) {
    return error("501 5.1.3 Bad recipient address syntax");
  }
  if (has_eight_bit(args.substr(0, path->consumed))) {
    return error("553 5.6.7 SMTPUTF8 is not supported");
  }
  const std::string_view trouble = parse_rcpt_params(args.substr(path->consumed));
  if (!trouble.empty()) {
    return error(trouble);
  }
  if (work_->transaction.rcpts.size() >= config_.max_rcpts) {
    return refuse(path->address.text(), "452 4.5.3 Too many recipients");  // RFC 5321 4.5.3.1.10
  }
  work_->pending = std::move(path->address);
  pending_ = Pending::rcpt;
  return Step::verify_rcpt;
}

Step Session::on_rcpt(const mail::Reply& reply) {
  expect(Pending::rcpt);
  if (reply.positive()) {
    mail::append_reply(output_, reply);
    work_->transaction.rcpts.push_back(std::move(work_->pending));
    state_ = State::rcpt;
  } else {
    answer(work_->pending.text(), reply);
  }
  return resume();
}

// RFC 5321 4.1.1.4
Session::Next Session::on_data(std::string_view) {
  if (work_->transaction.rcpts.empty()) {
    // RFC 2920 3.1: DATA is pipelined with RCPT, so this is no fault of the client.
    return work_->tried != 0 ? refuse({}, "554 5.5.1 No valid recipients")
                             : error("503 5.5.1 Send RCPT first");
  }
  pending_ = Pending::space_data;
  return Step::begin_body;
}

Session::Next Session::on_rset(std::string_view) {
  mail_refused_ = false;
  say("250 2.0.0 OK");
  end_transaction();
  return std::nullopt;
}

Session::Next Session::on_noop(std::string_view) { return say("250 2.0.0 OK"); }

Session::Next Session::on_quit(std::string_view) { return end_session("221 2.0.0 Bye"); }

// RFC 5321 3.5.3: whether a mailbox exists is told at RCPT only.
Session::Next Session::on_vrfy(std::string_view args) {
  if (args.empty()) {
    return error("501 5.5.4 Syntax: VRFY address");
  }
  return say("252 2.0.0 Cannot verify, but will take the message and try");
}

Session::Next Session::on_help(std::string_view) {
  return say("214 2.0.0 HELO EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS AUTH");
}

// RFC 3207 4
Session::Next Session::on_starttls(std::string_view) {
  if (!config_.starttls) {
    return error("502 5.5.1 STARTTLS is not available");
  }
  if (tls_) {
    return error("503 5.5.1 TLS is already active");
  }
  say("220 2.0.0 Ready to start TLS");
  // What was sent in clear behind STARTTLS could come from anybody: it is never read as a command.
  input_ = {};
  pending_ = Pending::tls;
  return Step::start_tls;
}

Session::Next Session::on_not_implemented(std::string_view) {
  return error("502 5.5.1 Command not implemented");
}

// A browser, or a page that makes one talk to us: nothing of what follows may be obeyed.
Session::Next Session::on_http(std::string_view) {
  if (observer_ != nullptr) {
    observer_->on_refused(verb_, {}, "HTTP request");
  }
  return say_421("4.7.0", "This is not a web server, closing connection");
}

}  // namespace posthouse::smtpd
