// What dialogues cannot say about the session core: the order of steps, chunks of a body, and who
// is told about refusals.
#include "smtpd/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace posthouse::smtpd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Listener final : SessionObserver {
  void on_refused(std::string_view command, std::string_view argument,
                  std::string_view reply) override {
    heard.push_back(std::string(command) + "|" + std::string(argument) + "|" +
                    std::string(reply.substr(0, 3)));
  }
  std::vector<std::string> heard;
};

const mail::Reply kYes(250, "2.1.5", "OK");

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() : session_(config_, PeerInfo("127.0.0.1", true, false), &listener_) {
    EXPECT_EQ(session_.start(false), Step::read);
  }
  // Up to the body of a message to one recipient.
  void begin_body() {
    EXPECT_EQ(session_.on_bytes("HELO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n"),
              Step::check_space);
    EXPECT_EQ(session_.on_space(kYes), Step::verify_rcpt);
    EXPECT_EQ(session_.pending_rcpt().text(), "x@y.test");
    EXPECT_EQ(session_.on_rcpt(kYes), Step::begin_body);
    EXPECT_EQ(session_.on_space(kYes), Step::read);
    session_.clear_output();
  }

  SessionConfig config_;
  Listener listener_;
  Session session_;
};

TEST_F(SessionTest, BodyComesInChunks) {
  begin_body();
  EXPECT_EQ(session_.on_bytes(std::string(kBodyChunk - 1, 'x')), Step::read);
  EXPECT_EQ(session_.on_bytes("y"), Step::body);
  EXPECT_EQ(session_.body_chunk().size(), kBodyChunk);
  session_.body_chunk().clear();
  EXPECT_EQ(session_.proceed(), Step::read);
  EXPECT_EQ(session_.on_bytes("z\r\n.\r\nNOOP\r\n"), Step::commit);
  EXPECT_EQ(session_.body_chunk(), "z\r\n");
  EXPECT_EQ(session_.body_size(), kBodyChunk + 3);
  const Transaction transaction = session_.take_transaction();
  EXPECT_EQ(transaction.rcpts.size(), 1U);
  EXPECT_EQ(session_.output(), "");
  EXPECT_EQ(session_.on_stored(mail::Reply(250, "2.0.0", "queued")), Step::read);
  EXPECT_EQ(session_.output(), "250 2.0.0 queued\r\n250 2.0.0 OK\r\n");
  EXPECT_FALSE(session_.in_transaction());
}

TEST_F(SessionTest, NothingOfARefusedBodyIsHandedOut) {
  begin_body();
  EXPECT_EQ(session_.on_bytes("bare\nlf"), Step::abort_body);
  EXPECT_EQ(session_.body_chunk(), "");
  EXPECT_EQ(session_.proceed(), Step::read);
  EXPECT_EQ(session_.on_bytes(std::string(3 * kBodyChunk, 'x')), Step::read);
  EXPECT_EQ(session_.body_chunk(), "");
  EXPECT_EQ(session_.on_bytes("\r\n.\r\n"), Step::read);
  EXPECT_THAT(session_.output(), HasSubstr("550 5.6.0"));
  EXPECT_THAT(listener_.heard, ElementsAre("message|<a@b.test>|550"));
}

TEST_F(SessionTest, ManyAnswersAreWrittenInParts) {
  std::string commands;
  for (int i = 0; i < 4000; ++i) {
    commands += "NOOP\r\n";
  }
  Step step = session_.on_bytes(commands);
  std::size_t octets = 0;
  int writes = 0;
  while (step == Step::write) {
    EXPECT_LT(session_.output().size(), 2 * kMaxHeldOutput);
    octets += session_.output().size();
    session_.clear_output();
    ++writes;
    step = session_.proceed();
  }
  EXPECT_EQ(step, Step::read);
  octets += session_.output().size();
  EXPECT_EQ(octets, 4000 * 14U + std::string("220 localhost ESMTP Posthouse\r\n").size());
  EXPECT_EQ(writes, 3);
}

TEST_F(SessionTest, RefusalsAreTold) {
  EXPECT_EQ(session_.on_bytes("FOO\r\nHELO c\r\nRCPT TO:<a@b.test>\r\nMAIL FROM:<a@b.test>\r\n"),
            Step::check_space);
  EXPECT_EQ(session_.on_space(mail::Reply(452, "4.3.1", "Full")), Step::read);
  EXPECT_EQ(session_.on_bytes("MAIL FROM:<a@b.test>\r\nRCPT TO:<x@y.test>\r\n"), Step::check_space);
  EXPECT_EQ(session_.on_space(kYes), Step::verify_rcpt);
  EXPECT_EQ(session_.on_rcpt(mail::Reply(550, "5.1.1", "No such user")), Step::read);
  EXPECT_THAT(listener_.heard,
              ElementsAre("||500", "RCPT||503", "MAIL|<a@b.test>|452", "RCPT|x@y.test|550"));
}

// A password never leaves the core but as a Secret.
TEST_F(SessionTest, PasswordsAreNotTold) {
  EXPECT_EQ(session_.on_bytes("EHLO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"), Step::authenticate);
  Credentials credentials = session_.take_credentials();
  EXPECT_EQ(credentials.user, "alice");
  EXPECT_EQ(credentials.password.view(), "secret");
  EXPECT_EQ(session_.on_auth(AuthOutcome::refused, {}), Step::sleep);
  EXPECT_EQ(session_.delay(), std::chrono::seconds(1));
  EXPECT_THAT(listener_.heard, ElementsAre("AUTH|alice|535"));
  EXPECT_THAT(session_.output(), Not(HasSubstr("secret")));
  EXPECT_EQ(session_.proceed(), Step::read);
}

TEST_F(SessionTest, ProgressIsALineOrABodyOctet) {
  const std::uint32_t start = session_.progress();
  EXPECT_EQ(session_.on_bytes("NOOP"), Step::read);
  EXPECT_EQ(session_.progress(), start);
  EXPECT_EQ(session_.on_bytes("\r\n"), Step::read);
  EXPECT_NE(session_.progress(), start);
  begin_body();
  const std::uint32_t body = session_.progress();
  EXPECT_EQ(session_.on_bytes("x"), Step::read);
  EXPECT_NE(session_.progress(), body);
}

// What waits behind a step is used in order, with more octets arriving in between.
TEST_F(SessionTest, HeldInputKeepsItsOrder) {
  EXPECT_EQ(session_.on_bytes("HELO c\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nVRF"),
            Step::check_space);
  EXPECT_EQ(session_.on_space(kYes), Step::check_space);
  EXPECT_EQ(session_.on_space(kYes), Step::read);
  session_.clear_output();
  EXPECT_EQ(session_.on_bytes("Y a\r\nNO"), Step::read);
  EXPECT_EQ(session_.on_bytes("OP\r"), Step::read);
  EXPECT_EQ(session_.on_bytes("\nQUIT\r\nNOOP\r\n"), Step::close);
  EXPECT_THAT(session_.output(), ::testing::MatchesRegex("252 .*\r\n250 2.0.0 OK\r\n221 .*\r\n"));
}

using SessionDeathTest = SessionTest;

TEST_F(SessionDeathTest, AnAnswerNobodyAskedForIsOurBug) {
  EXPECT_DEATH((void)session_.on_rcpt(kYes), "did not ask");
}

}  // namespace
}  // namespace posthouse::smtpd
