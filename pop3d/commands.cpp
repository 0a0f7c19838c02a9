// The command table of the POP3 session core and one handler a verb (RFC 1939 5 to 7, RFC 2449 5,
// RFC 2595 4, RFC 5034 4). Called by session.cpp only; a handler writes its reply into output_ or
// sets the mode in which next() goes on.
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.hpp"
#include "pop3d/session.hpp"

namespace posthouse::pop3d {

// The command table: verb, arguments, allowed before login, after login, handler.
const Session::Command* Session::find_command(std::string_view verb) {
  static constexpr std::array<Command, 14> kCommands{{
      {"RETR", Shape::number, false, true, &Session::retr},
      {"DELE", Shape::number, false, true, &Session::dele},
      {"UIDL", Shape::optional_number, false, true, &Session::uidl},
      {"LIST", Shape::optional_number, false, true, &Session::list},
      {"STAT", Shape::none, false, true, &Session::stat},
      {"TOP", Shape::two_numbers, false, true, &Session::top},
      {"NOOP", Shape::none, false, true, &Session::noop},
      {"RSET", Shape::none, false, true, &Session::rset},
      {"QUIT", Shape::none, true, true, &Session::quit},
      {"USER", Shape::rest, true, false, &Session::name_user},
      {"PASS", Shape::rest, true, false, &Session::pass},
      {"CAPA", Shape::none, true, true, &Session::capa},
      {"AUTH", Shape::rest, true, false, &Session::auth},
      {"STLS", Shape::none, true, false, &Session::stls},
  }};
  for (const Command& command : kCommands) {
    if (base::iequals(verb, command.verb)) return &command;
  }
  return nullptr;
}

namespace {

// Decimal digits only. A number too large for 64 bits is a number all the same: the largest, which
// names no message and limits no line count.
bool parse_number(std::string_view word, std::uint64_t* value) {
  if (word.empty() || word.find_first_not_of("0123456789") != std::string_view::npos) return false;
  *value = base::parse_u64(word).value_or(UINT64_MAX);
  return true;
}

}  // namespace

bool Session::parse_arguments(const Command& command, Arguments* args) {
  if (command.shape == Shape::rest) return true;
  const auto words = base::split_words(args->text);
  const std::size_t most = command.shape == Shape::two_numbers ? 2
                           : command.shape == Shape::none      ? 0
                                                               : 1;
  const std::size_t least = command.shape == Shape::optional_number ? 0 : most;
  if (words.size() > most) {
    counted_err("Too many arguments");
    return false;
  }
  if (words.size() < least) {
    counted_err("An argument is missing");
    return false;
  }
  args->given = !words.empty();
  if (!words.empty() && !parse_number(words[0], &args->first)) {
    counted_err("The message number must be decimal digits");
    return false;
  }
  if (words.size() > 1 && !parse_number(words[1], &args->second)) {
    counted_err("The line count must be decimal digits");
    return false;
  }
  return true;
}

bool Session::find_message(std::uint64_t number, std::size_t* index) {
  if (number == 0 || number > messages_->size()) {
    err("No such message");
    return false;
  }
  *index = static_cast<std::size_t>(number - 1);
  if (is_deleted(*index)) {
    err("Message is deleted");
    return false;
  }
  return true;
}

void Session::ok(std::string_view text) {
  output_ += "+OK ";
  output_ += text;
  output_ += "\r\n";
}

void Session::err(std::string_view text) {
  output_ += "-ERR ";
  output_ += text;
  output_ += "\r\n";
}

// An error that brings the session nearer to its end (kMaxErrors).
void Session::counted_err(std::string_view text) {
  ++errors_;
  if (errors_ >= kMaxErrors) {
    err("Too many errors, closing");
    mode_ = Mode::closed;
    return;
  }
  err(text);
}

void Session::put_number(std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  output_.append(digits, static_cast<std::size_t>(end - digits));
}

// RFC 2595 2.1 leaves the wording to the server. [AUTH] would say that the credentials are wrong
// and make clients forget a good password; the cause is how this service is set up: RFC 3206 4.
void Session::refuse_cleartext() {
  err(options_.tls_offered ? "[SYS/PERM] Passwords are accepted under TLS only; use STLS first"
                           : "[SYS/PERM] Passwords are not accepted on this connection");
}

void Session::capa(const Arguments&) {
  ok("Capability list follows");
  output_ += "TOP\r\nUIDL\r\n";
  // RFC 2449 6.2, 6.3: announced in both states, and only while such a login could succeed.
  if (passwords_allowed()) output_ += "USER\r\nSASL PLAIN\r\n";
  // RFC 2595 4: not to be announced once TLS is active.
  if (options_.tls_offered && !options_.tls_active) output_ += "STLS\r\n";
  output_ +=
      "RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
      "IMPLEMENTATION Posthouse\r\n.\r\n";
}

void Session::quit(const Arguments&) {
  if (deleted_count_ > 0) {
    mode_ = Mode::removing;  // RFC 1939 6: the UPDATE state
    return;
  }
  ok("Goodbye");
  mode_ = Mode::closed;
}

void Session::stls(const Arguments&) {
  if (options_.tls_active) return err("TLS is already active");
  if (!options_.tls_offered) return err("TLS is not available here");
  ok("Begin TLS negotiation");
  mode_ = Mode::start_tls;
}

void Session::name_user(const Arguments& args) {
  if (!passwords_allowed()) return refuse_cleartext();
  const std::string_view name = base::trim(args.text);
  if (name.empty()) return counted_err("A user name is missing");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return counted_err("Bad user name");
  }
  user_ = name;
  user_named_ = true;
  ok("Send your password");  // RFC 1939 7: the same for a user that does not exist
}

void Session::pass(const Arguments& args) {
  if (!passwords_allowed()) return refuse_cleartext();
  if (!user_named_) return counted_err("Send USER first");
  if (args.text.empty()) return counted_err("A password is missing");
  // RFC 1939 7: PASS has one argument, so spaces belong to it, leading and trailing ones too.
  password_ = base::Secret(args.text);
  user_named_ = false;
  mode_ = Mode::login;
}

void Session::auth(const Arguments& args) {
  const std::string_view text = base::trim(args.text);
  if (text.empty()) {
    // Not in RFC 5034, but older clients ask for the list of mechanisms like this.
    ok("Mechanisms follow");
    output_ += passwords_allowed() ? "PLAIN\r\n.\r\n" : ".\r\n";
    return;
  }
  const std::size_t space = text.find(' ');
  const std::string_view mechanism = text.substr(0, space);
  if (!base::iequals(mechanism, "PLAIN")) return counted_err("Unknown authentication mechanism");
  if (!passwords_allowed()) return refuse_cleartext();
  user_named_ = false;
  if (space != std::string_view::npos) return sasl_plain(base::trim(text.substr(space)));
  output_ += "+ \r\n";  // RFC 5034 4: an empty challenge
  mode_ = Mode::sasl_line;
}

// RFC 4616 2: [authzid] NUL authcid NUL passwd, in base64 (RFC 5034 4; "=" is the empty string).
void Session::sasl_plain(std::string_view encoded) {
  auto decoded =
      encoded == "=" ? std::optional<std::string>(std::string()) : base::base64_decode(encoded);
  if (!decoded) return counted_err("The response is not base64");
  const std::string_view text = *decoded;
  const std::size_t first = text.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : text.find('\0', first + 1);
  if (second == std::string_view::npos) {
    counted_err("The PLAIN response has no user and password");
  } else {
    const std::string_view on_behalf_of = text.substr(0, first);
    user_ = text.substr(first + 1, second - first - 1);
    password_ = base::Secret(text.substr(second + 1));
    if (user_.empty() || password_.empty()) {
      counted_err("The PLAIN response has no user and password");
    } else if (!on_behalf_of.empty() && on_behalf_of != user_) {
      // Acting for another user is not offered; it costs as much as a wrong password.
      password_ = base::Secret();
      login_refused();
    } else {
      mode_ = Mode::login;
    }
  }
  base::wipe(*decoded);
}

void Session::stat(const Arguments&) {
  output_ += "+OK ";
  put_number(messages_->size() - deleted_count_);
  output_ += ' ';
  put_number(total_octets_ - deleted_octets_);
  output_ += "\r\n";
}

void Session::list(const Arguments& args) { list_or_uidl(args, false); }
void Session::uidl(const Arguments& args) { list_or_uidl(args, true); }

void Session::list_or_uidl(const Arguments& args, bool uids) {
  listing_uids_ = uids;
  if (args.given) {
    std::size_t index = 0;
    if (!find_message(args.first, &index)) return;
    output_ += "+OK ";
    return put_listing_line(index);
  }
  output_ += "+OK ";
  put_number(messages_->size() - deleted_count_);
  output_ += " messages (";
  put_number(total_octets_ - deleted_octets_);
  output_ += " octets)\r\n";
  cursor_ = 0;
  mode_ = Mode::listing;
}

void Session::put_listing_line(std::size_t index) {
  put_number(index + 1);
  output_ += ' ';
  const Listing& message = (*messages_)[index];
  if (listing_uids_) {
    output_ += message.uid;
  } else {
    put_number(message.size);
  }
  output_ += "\r\n";
}

void Session::retr(const Arguments& args) { begin_fetch(args.first, UINT64_MAX); }
void Session::top(const Arguments& args) { begin_fetch(args.first, args.second); }

void Session::begin_fetch(std::uint64_t number, std::uint64_t body_lines) {
  std::size_t index = 0;
  if (!find_message(number, &index)) return;
  cursor_ = index;
  offset_ = 0;
  body_lines_ = body_lines;
  fetch_began_ = false;
  mode_ = Mode::fetching;
}

void Session::dele(const Arguments& args) {
  std::size_t index = 0;
  if (!find_message(args.first, &index)) return;
  if (deleted_.empty()) deleted_.resize(messages_->size());
  deleted_[index] = true;
  ++deleted_count_;
  deleted_octets_ += (*messages_)[index].size;
  ok("Message is marked");
}

void Session::rset(const Arguments&) {
  deleted_.clear();
  deleted_count_ = 0;
  deleted_octets_ = 0;
  ok("No message is marked");
}

void Session::noop(const Arguments&) { ok("Nothing done"); }

}  // namespace posthouse::pop3d
