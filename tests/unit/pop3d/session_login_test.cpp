// The POP3 session core before login: capabilities, USER/PASS, AUTH, STLS, limits and garbage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"
#include "pop3d/session.hpp"

namespace posthouse::pop3d {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

using Kind = Step::Kind;

constexpr char kCleartext[] =
    "-ERR [SYS/PERM] Passwords are accepted under TLS only; use STLS first\r\n";

SessionOptions options(bool tls, bool offered, bool trusted) {
  SessionOptions result;
  result.tls_active = tls;
  result.tls_offered = offered;
  result.trusted_client = trusted;
  return result;
}

// Feeds octets up to the first step that needs an answer of the outside.
class Dialogue {
 public:
  explicit Dialogue(const SessionOptions& o) : session(o) { (void)send(""); }

  std::string send(std::string_view octets) {
    if (!octets.empty()) session.on_bytes(octets);
    return go_on();
  }
  std::string go_on() {
    std::string out;
    do {
      step = session.next();
      out += session.output();
      session.clear_output();
    } while (step.kind == Kind::flush);
    return out;
  }
  // The user and password the session wants checked.
  std::string asked() {
    Credentials credentials = session.credentials();
    return credentials.user + '|' + std::string(credentials.password.view());
  }
  std::string answer(LoginOutcome outcome) {
    session.on_login(outcome, outcome == LoginOutcome::ok ? &none : nullptr);
    return go_on();
  }

  Session session;
  Step step;
  std::vector<Listing> none;
};

std::string plain(std::string_view user, std::string_view password, std::string_view as = "") {
  std::string text(as);
  text += '\0';
  text += user;
  text += '\0';
  text += password;
  return base::base64_encode(text);
}

TEST(PopLogin, CapabilitiesFollowTheConnection) {
  const std::string tail =
      "RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nIMPLEMENTATION "
      "Posthouse\r\n.\r\n";
  const std::string head = "+OK Capability list follows\r\nTOP\r\nUIDL\r\n";
  EXPECT_EQ(Dialogue(options(false, true, false)).send("CAPA\r\n"), head + "STLS\r\n" + tail);
  EXPECT_EQ(Dialogue(options(false, true, true)).send("CAPA\r\n"),
            head + "USER\r\nSASL PLAIN\r\nSTLS\r\n" + tail);
  EXPECT_EQ(Dialogue(options(true, true, false)).send("CAPA\r\n"),
            head + "USER\r\nSASL PLAIN\r\n" + tail);
  EXPECT_EQ(Dialogue(options(false, false, false)).send("CAPA\r\n"), head + tail);
}

TEST(PopLogin, PasswordsNeedTlsOrATrustedClient) {
  Dialogue d(options(false, true, false));
  EXPECT_EQ(d.send("USER bob\r\n"), kCleartext);
  EXPECT_EQ(d.send("PASS secret\r\n"), kCleartext);
  EXPECT_EQ(d.send("AUTH PLAIN\r\n"), kCleartext);
  EXPECT_EQ(d.send("AUTH PLAIN " + plain("bob", "secret") + "\r\n"), kCleartext);
  EXPECT_EQ(d.send("AUTH\r\n"), "+OK Mechanisms follow\r\n.\r\n");
  EXPECT_EQ(d.step.kind, Kind::read);
  Dialogue without(options(false, false, false));
  EXPECT_EQ(without.send("USER bob\r\n"),
            "-ERR [SYS/PERM] Passwords are not accepted on this connection\r\n");
}

TEST(PopLogin, PassTakesTheRestOfTheLineVerbatim) {
  Dialogue d(options(true, true, false));
  (void)d.send("USER bob smith \r\nPASS  two  spaces \r\n");
  ASSERT_EQ(d.step.kind, Kind::login);
  EXPECT_EQ(d.asked(), "bob smith| two  spaces ");
}

TEST(PopLogin, PassNeedsUserEachTime) {
  Dialogue d(options(true, true, false));
  EXPECT_EQ(d.send("PASS x\r\n"), "-ERR Send USER first\r\n");
  EXPECT_EQ(d.send("USER\r\n"), "-ERR A user name is missing\r\n");
  EXPECT_EQ(d.send("USER a\x01\r\n"), "-ERR Bad user name\r\n");
  EXPECT_EQ(d.send("USER bob\r\nPASS\r\n"),
            "+OK Send your password\r\n-ERR A password is missing\r\n");
  (void)d.send("PASS wrong\r\n");
  ASSERT_EQ(d.step.kind, Kind::login);
  (void)d.asked();
  (void)d.answer(LoginOutcome::refused);
  (void)d.go_on();
  EXPECT_EQ(d.send("PASS again\r\n"), "-ERR Send USER first\r\n");
}

TEST(PopLogin, LaterUserReplacesEarlier) {
  Dialogue d(options(true, true, false));
  (void)d.send("USER one\r\nCAPA\r\nUSER two\r\nPASS x\r\n");
  ASSERT_EQ(d.step.kind, Kind::login);
  EXPECT_EQ(d.asked(), "two|x");
}

TEST(PopLogin, RefusalsAreDelayedAndCounted) {
  Dialogue d(options(true, true, false));
  const int seconds[] = {1, 2, 4, 8, 15};
  for (int i = 0; i < 5; ++i) {
    (void)d.send("USER bob\r\nPASS no\r\n");
    ASSERT_EQ(d.step.kind, Kind::login);
    (void)d.asked();
    EXPECT_EQ(d.answer(LoginOutcome::refused), "") << "no reply before the delay";
    ASSERT_EQ(d.step.kind, Kind::wait);
    EXPECT_EQ(d.step.delay, std::chrono::seconds(seconds[i]));
    EXPECT_EQ(d.go_on(), i < 4 ? "-ERR [AUTH] Authentication failed\r\n"
                               : "-ERR [AUTH] Authentication failed too often, closing\r\n");
  }
  EXPECT_EQ(d.step.kind, Kind::close);
}

TEST(PopLogin, TroubleAndLockAreTold) {
  Dialogue d(options(true, true, false));
  (void)d.send("USER bob\r\nPASS x\r\n");
  (void)d.asked();
  EXPECT_EQ(d.answer(LoginOutcome::unavailable),
            "-ERR [SYS/TEMP] The login cannot be checked now, try again later\r\n");
  (void)d.send("USER bob\r\nPASS x\r\n");
  (void)d.asked();
  EXPECT_EQ(d.answer(LoginOutcome::in_use),
            "-ERR [IN-USE] The mailbox is open in another session\r\n");
  (void)d.send("USER bob\r\nPASS x\r\n");
  (void)d.asked();
  EXPECT_EQ(d.answer(LoginOutcome::ok), "+OK Logged in\r\n");
  EXPECT_TRUE(d.session.logged_in());
}

TEST(PopLogin, CommandsBehindPassWaitForTheLogin) {
  Dialogue d(options(true, true, false));
  (void)d.send("USER bob\r\nPASS x\r\nSTAT\r\n");
  ASSERT_EQ(d.step.kind, Kind::login);
  (void)d.asked();
  EXPECT_EQ(d.answer(LoginOutcome::ok), "+OK Logged in\r\n+OK 0 0\r\n");
}

TEST(PopLogin, AuthPlain) {
  const std::string good = plain("bob@test.example", "se cret");
  for (const std::string& line :
       {"AUTH PLAIN " + good + "\r\n", "auth plain\r\n" + good + "\r\n",
        "AUTH PLAIN =\r\nAUTH PLAIN\r\n" + good + "\r\n",
        "AUTH PLAIN " + plain("bob@test.example", "se cret", "bob@test.example") + "\r\n"}) {
    Dialogue d(options(true, true, false));
    (void)d.send(line);
    ASSERT_EQ(d.step.kind, Kind::login) << line;
    EXPECT_EQ(d.asked(), "bob@test.example|se cret");
    EXPECT_EQ(d.answer(LoginOutcome::ok), "+OK Logged in\r\n");
  }
}

TEST(PopLogin, AuthChallengeAndCancel) {
  Dialogue d(options(true, true, false));
  EXPECT_EQ(d.send("AUTH PLAIN\r\n"), "+ \r\n");
  EXPECT_EQ(d.send("*\r\n"), "-ERR Authentication cancelled\r\n");
  EXPECT_EQ(d.send("AUTH\r\n"), "+OK Mechanisms follow\r\nPLAIN\r\n.\r\n");
  EXPECT_EQ(d.send("AUTH GSSAPI\r\n"), "-ERR Unknown authentication mechanism\r\n");
  EXPECT_EQ(d.send("AUTH PLAIN !!!\r\n"), "-ERR The response is not base64\r\n");
  EXPECT_EQ(d.send("AUTH PLAIN " + base::base64_encode("bob") + "\r\n"),
            "-ERR The PLAIN response has no user and password\r\n");
  EXPECT_EQ(d.send("AUTH PLAIN " + plain("", "x") + "\r\n"),
            "-ERR The PLAIN response has no user and password\r\n");
  EXPECT_EQ(d.send("AUTH PLAIN " + plain("bob", "") + "\r\n"),
            "-ERR The PLAIN response has no user and password\r\n");
}

TEST(PopLogin, ActingForAnotherUserIsRefusedLikeAWrongPassword) {
  Dialogue d(options(true, true, false));
  EXPECT_EQ(d.send("AUTH PLAIN " + plain("bob", "secret", "alice") + "\r\n"), "");
  ASSERT_EQ(d.step.kind, Kind::wait);
  EXPECT_EQ(d.go_on(), "-ERR [AUTH] Authentication failed\r\n");
}

TEST(PopLogin, StlsDiscardsWhatWasPipelined) {
  Dialogue d(options(false, true, true));
  EXPECT_EQ(d.send("USER mallory\r\nSTLS\r\nPASS injected\r\nQUIT\r\n"),
            "+OK Send your password\r\n+OK Begin TLS negotiation\r\n");
  ASSERT_EQ(d.step.kind, Kind::start_tls);
  d.session.on_tls(true);
  EXPECT_EQ(d.go_on(), "");
  ASSERT_EQ(d.step.kind, Kind::read);
  EXPECT_EQ(d.send("PASS x\r\n"), "-ERR Send USER first\r\n");
  EXPECT_EQ(d.send("STLS\r\n"), "-ERR TLS is already active\r\n");
  EXPECT_THAT(d.send("CAPA\r\n"), Not(HasSubstr("STLS")));
}

TEST(PopLogin, StlsAllowsPasswordsAndCanFail) {
  Dialogue d(options(false, true, false));
  (void)d.send("STLS\r\n");
  d.session.on_tls(true);
  (void)d.go_on();
  EXPECT_EQ(d.send("USER bob\r\n"), "+OK Send your password\r\n");
  Dialogue failed(options(false, true, false));
  (void)failed.send("STLS\r\n");
  failed.session.on_tls(false);
  (void)failed.go_on();
  EXPECT_EQ(failed.step.kind, Kind::close);
  Dialogue none(options(false, false, true));
  EXPECT_EQ(none.send("STLS\r\n"), "-ERR TLS is not available here\r\n");
}

TEST(PopLogin, CommandsHaveTheirState) {
  Dialogue d(options(true, true, false));
  for (const char* verb :
       {"STAT", "LIST", "UIDL 1", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "NOOP"}) {
    EXPECT_EQ(d.send(std::string(verb) + "\r\n"), "-ERR Log in first\r\n");
  }
  (void)d.send("USER bob\r\nPASS x\r\n");
  (void)d.asked();
  (void)d.answer(LoginOutcome::ok);
  for (const char* verb : {"USER x", "PASS x", "AUTH PLAIN", "STLS"}) {
    EXPECT_EQ(d.send(std::string(verb) + "\r\n"), "-ERR Not valid after login\r\n");
  }
  EXPECT_THAT(d.send("CAPA\r\n"), EndsWith(".\r\n"));
}

TEST(PopLogin, TwentyErrorsEndTheSession) {
  Dialogue d(options(true, true, false));
  for (int i = 0; i < 19; ++i) {
    EXPECT_EQ(d.send("APOP bob 0123\r\n"), "-ERR Unknown command\r\n");
    ASSERT_EQ(d.step.kind, Kind::read);
  }
  EXPECT_EQ(d.send("\r\nQUIT\r\n"), "-ERR Too many errors, closing\r\n");
  EXPECT_EQ(d.step.kind, Kind::close);
}

TEST(PopLogin, LineLimits) {
  Dialogue d(options(true, true, false));
  EXPECT_EQ(d.send("USER " + std::string(248, 'u') + "\r\n"), "+OK Send your password\r\n");
  EXPECT_EQ(d.send("USER " + std::string(249, 'u') + "\r\n"), "-ERR Line too long\r\n");
  EXPECT_EQ(d.step.kind, Kind::read);
  (void)d.send("PASS " + std::string(kMaxLongLine - 7, 'p') + "\r\n");
  ASSERT_EQ(d.step.kind, Kind::login);
  EXPECT_EQ(d.asked().size(), 249 + kMaxLongLine - 7);
  Dialogue longer(options(true, true, false));
  EXPECT_EQ(longer.send("USER bob\r\nPASS " + std::string(kMaxLongLine - 6, 'p') + "\r\n"),
            "+OK Send your password\r\n-ERR Line too long, closing\r\n");
  EXPECT_EQ(longer.step.kind, Kind::close);
}

TEST(PopLogin, EndlessLineEndsTheSession) {
  Dialogue d(options(true, true, false));
  std::string replies;
  int rounds = 0;
  while (d.step.kind == Kind::read && rounds < 100) {
    replies += d.send(std::string(1000, 'x'));
    ++rounds;
  }
  EXPECT_EQ(replies, "-ERR Line too long, closing\r\n");
  EXPECT_EQ(d.step.kind, Kind::close);
  EXPECT_EQ(rounds, 13);
}

TEST(PopLogin, OtherProtocolsEndTheSession) {
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("POST /x HTTP/1.0\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\n"), std::string("\x16\x03\x01\x02\x00\x01", 6),
        std::string("\0\0\r\n", 4)}) {
    Dialogue d(options(true, true, false));
    EXPECT_EQ(d.send(garbage), "-ERR This is a POP3 server, closing\r\n");
    EXPECT_EQ(d.step.kind, Kind::close);
  }
}

}  // namespace
}  // namespace posthouse::pop3d
