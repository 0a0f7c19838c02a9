// AUTH PLAIN and LOGIN (RFC 4954, RFC 4616). Part of the session core (session.hpp). Passwords live
// in base::Secret or are wiped before the function returns; none goes to the observer.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "smtpd/session.hpp"
#include "smtpd/work.hpp"

namespace posthouse::smtpd {

namespace {

constexpr std::string_view kAskUser = "334 VXNlcm5hbWU6";      // "Username:"
constexpr std::string_view kAskPassword = "334 UGFzc3dvcmQ6";  // "Password:"

// RFC 4616 2: [authzid] NUL authcid NUL passwd. False when malformed.
bool split_plain(std::string_view message, std::string_view* authzid, Credentials* credentials) {
  const std::size_t first = message.find('\0');
  const std::size_t second =
      first == std::string_view::npos ? first : message.find('\0', first + 1);
  if (second == std::string_view::npos ||
      message.find('\0', second + 1) != std::string_view::npos) {
    return false;
  }
  *authzid = message.substr(0, first);
  credentials->user = message.substr(first + 1, second - first - 1);
  credentials->password = base::Secret(message.substr(second + 1));
  return true;
}

}  // namespace

Session::Next Session::on_auth_command(std::string_view args) {
  if (args.empty()) {
    return error("501 5.5.4 Syntax: AUTH mechanism [initial-response]");
  }
  if (!auth_user_.empty()) {
    return error("503 5.5.1 Already authenticated");  // RFC 4954 4
  }
  const std::string_view name = args.substr(0, args.find(' '));
  const bool plain = base::iequals(name, "PLAIN");
  if (!plain && !base::iequals(name, "LOGIN")) {
    return error("504 5.5.4 Authentication mechanism not supported");
  }
  if (!auth_permitted()) {
    return error("538 5.7.11 Encryption required for this mechanism");  // RFC 4954 6
  }
  args.remove_prefix(name.size());
  while (!args.empty() && args.front() == ' ') {
    args.remove_prefix(1);
  }
  exchange_ = std::make_unique<AuthExchange>();
  exchange_->mechanism = plain ? Mechanism::plain : Mechanism::login_user;
  if (!args.empty()) {
    return on_auth_data(args == "=" ? std::string_view() : args);
  }
  state_ = State::auth;
  return say(plain ? "334 " : kAskUser);
}

Session::Next Session::on_auth_line(std::string_view line) {
  verb_ = "AUTH";
  if (line == "*") {
    return auth_error("501 5.7.0 Authentication cancelled");  // RFC 4954 4
  }
  return on_auth_data(line);
}

// One base64 message of the client, from the AUTH line or from a line of its own.
Session::Next Session::on_auth_data(std::string_view encoded) {
  auto decoded = base::base64_decode(encoded);
  if (!decoded) {
    return auth_error("501 5.5.2 Cannot decode that as base64");
  }
  base::Secret message(std::move(*decoded));
  Credentials& credentials = exchange_->credentials;
  switch (exchange_->mechanism) {
    case Mechanism::login_user:
      credentials.user = message.view();
      exchange_->mechanism = Mechanism::login_password;
      state_ = State::auth;
      return say(kAskPassword);
    case Mechanism::login_password:
      credentials.password = std::move(message);
      break;
    case Mechanism::plain: {
      std::string_view authzid;
      if (!split_plain(message.view(), &authzid, &credentials)) {
        return auth_error("501 5.5.2 Malformed PLAIN message");
      }
      if (!authzid.empty() && authzid != credentials.user) {
        return auth_refused();  // nobody may act for another
      }
      break;
    }
  }
  state_ = State::ready;
  if (credentials.user.empty() || credentials.password.empty()) {
    return auth_refused();
  }
  pending_ = Pending::auth;
  return Step::authenticate;
}

// Ends the exchange without a look at any password.
Session::Next Session::auth_error(std::string_view reply) {
  exchange_.reset();
  state_ = State::ready;
  verb_ = "AUTH";
  return error(reply);
}

// A wrong password: the answer waits 1, 2, 4, 8, 15 s, so that guessing is slow.
Session::Next Session::auth_refused() {
  const std::string user = exchange_ ? base::printable(exchange_->credentials.user) : std::string();
  exchange_.reset();
  state_ = State::ready;
  verb_ = "AUTH";
  refuse(user, "535 5.7.8 Authentication credentials invalid");
  delay_ =
      std::min(kMaxAuthDelay, std::chrono::seconds(1U << std::min<unsigned>(auth_failures_, 10)));
  if (++auth_failures_ >= config_.max_auth_failures) {
    say_421("4.7.0", "Too many failed logins, closing connection");
  }
  return Step::sleep;
}

Credentials Session::take_credentials() {
  PH_ASSERT(pending_ == Pending::auth && exchange_ != nullptr, "no credentials were given");
  Credentials credentials;
  credentials.user = exchange_->credentials.user;
  credentials.password = std::move(exchange_->credentials.password);
  return credentials;
}

Step Session::on_auth(AuthOutcome outcome, std::string canonical) {
  expect(Pending::auth);
  switch (outcome) {
    case AuthOutcome::refused: {
      const Next next = auth_refused();
      return next.value_or(Step::read);
    }
    case AuthOutcome::unavailable:
      exchange_.reset();
      verb_ = "AUTH";
      refuse({}, "454 4.7.0 Temporary authentication failure");
      break;
    case AuthOutcome::accepted:
      PH_ASSERT(!canonical.empty(), "an accepted login has a name");
      exchange_.reset();
      auth_user_ = std::move(canonical);
      say("235 2.7.0 Authentication successful");
      break;
  }
  return resume();
}

}  // namespace posthouse::smtpd
