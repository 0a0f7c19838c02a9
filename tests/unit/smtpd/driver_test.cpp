// The driver on a stream in the test's hand: how replies are gathered, deadlines, stopping, TLS,
// and what an idle session costs.
#include "smtpd/driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/log.hpp"
#include "tests/unit/smtpd/house.hpp"

namespace posthouse::smtpd::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kMail[] = "MAIL FROM:<a@client.test>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n";

class DriverTest : public ::testing::Test {
 protected:
  DriverTest() : world_(1), house_(world_) { house_.config->host_name = "mx.example.com"; }
  ~DriverTest() override {
    world_.shutdown();
    base::set_log_capture({});
  }

  // Starts a session on a new stream; the fixture's own unless asked for another.
  std::shared_ptr<HandStream::State> connect(bool implicit_tls = false) {
    auto state = std::make_shared<HandStream::State>(world_);
    ConnectionArgs args(std::make_unique<HandStream>(state), house_.config, house_.services());
    args.implicit_tls = implicit_tls;
    args.tls = std::make_shared<sim::SimTlsServer>();
    world_.spawn(supervise(std::move(args)), "session");
    world_.run_for(std::chrono::milliseconds(10));
    return state;
  }
  net::Task<> supervise(ConnectionArgs args) {
    co_await serve(std::move(args));
    ++ended_;
    ended_at_ = world_.now();
  }
  // Gives one piece and returns what was written in answer within a second.
  std::string say(HandStream::State& stream, std::string piece) {
    stream.writes.clear();
    stream.give(std::move(piece));
    world_.run_for(std::chrono::milliseconds(100));
    return stream.written();
  }

  sim::World world_;
  House house_;
  int ended_ = 0;
  base::MonoTime ended_at_;
};

TEST_F(DriverTest, OneWritePerRead) {
  const auto stream = connect();
  EXPECT_THAT(stream->writes, ElementsAre("220 mx.example.com ESMTP Posthouse\r\n"));
  EXPECT_THAT(say(*stream, "EHLO client.test\r\n"), StartsWith("250-mx.example.com\r\n"));
  EXPECT_EQ(say(*stream, std::string("RSET\r\n") + kMail),
            "250 2.0.0 OK\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
            "354 End data with <CR><LF>.<CR><LF>\r\n");
  EXPECT_THAT(stream->writes, SizeIs(1));
  EXPECT_EQ(say(*stream, "Subject: x\r\n\r\nbody\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\nNOOP\r\n"),
            "250 2.0.0 queued\r\n250 2.1.0 OK\r\n221 2.0.0 Bye\r\n");
  EXPECT_THAT(stream->writes, SizeIs(1));
  EXPECT_TRUE(stream->closed);
  EXPECT_EQ(ended_, 1);
  ASSERT_THAT(house_.stored, SizeIs(1));
  EXPECT_EQ(house_.stored[0].body, "Subject: x\r\n\r\nbody\r\n");
}

TEST_F(DriverTest, TraceAndEnvelope) {
  const auto stream = connect();
  (void)say(*stream, "EHLO client.test\r\n");
  (void)say(*stream, kMail);
  (void)say(*stream, "x\r\n.\r\n");
  ASSERT_THAT(house_.stored, SizeIs(1));
  const House::Stored& message = house_.stored[0];
  EXPECT_THAT(message.trace, StartsWith("Received: from client.test ([127.0.0.1])"));
  EXPECT_THAT(message.trace, HasSubstr("by mx.example.com"));
  EXPECT_THAT(message.trace, HasSubstr("with ESMTP"));
  EXPECT_THAT(message.trace, ContainsRegex("id[ \r\n\t]+" + message.id));
  EXPECT_THAT(message.trace, HasSubstr("for <alice@example.com>"));
  EXPECT_THAT(message.trace, ::testing::EndsWith("\r\n"));
  EXPECT_EQ(message.envelope.client, "127.0.0.1");
  EXPECT_EQ(message.envelope.helo, "client.test");
  EXPECT_EQ(message.envelope.reverse_path.text(), "a@client.test");
}

// RFC 5321 7.6: with several recipients none is named.
TEST_F(DriverTest, TraceKeepsBlindCopiesBlind) {
  const auto stream = connect();
  (void)say(*stream,
            "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.com>\r\n"
            "RCPT TO:<bob@example.com>\r\nDATA\r\n");
  (void)say(*stream, ".\r\n");
  ASSERT_THAT(house_.stored, SizeIs(1));
  EXPECT_THAT(house_.stored[0].rcpts, SizeIs(2));
  EXPECT_THAT(house_.stored[0].trace, Not(HasSubstr("for <")));
  EXPECT_THAT(house_.stored[0].trace, HasSubstr("with SMTP"));
}

TEST_F(DriverTest, LargeBodyWaitsForItsFile) {
  const auto stream = connect();
  house_.config->msg_max_size = 10U << 20U;
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  std::string body;
  for (int i = 0; i < 50; ++i) {
    const std::string piece = std::string(9998, static_cast<char>('a' + i % 26)) + "\r\n";
    body += piece;
    stream->give(piece);
  }
  stream->give(".\r\n");
  world_.run_for(seconds(5));
  ASSERT_THAT(house_.stored, SizeIs(1));
  EXPECT_EQ(house_.stored[0].body, body);
  EXPECT_GT(house_.slow_appends, 3);
  EXPECT_EQ(house_.bodies, 0);
}

TEST_F(DriverTest, DeclaredSizeIsAsked) {
  const auto stream = connect();
  (void)say(*stream, "HELO c\r\nMAIL FROM:<> SIZE=12345\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n");
  EXPECT_THAT(house_.asked_sizes, ElementsAre(12345U, 12345U));
}

TEST_F(DriverTest, RefusedBodyIsThrownAwayAtOnce) {
  house_.config->msg_max_size = 1000;
  const auto stream = connect();
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  EXPECT_EQ(house_.bodies, 1);
  EXPECT_EQ(say(*stream, std::string(2000, 'x')), "");
  EXPECT_EQ(house_.bodies, 0);
  EXPECT_EQ(say(*stream, "\r\n.\r\n"), "552 5.3.4 Message is larger than the limit\r\n");
  EXPECT_THAT(house_.stored, IsEmpty());
}

TEST_F(DriverTest, SaysSoWhenTimeIsUp) {
  const auto stream = connect();
  (void)say(*stream, "HELO c\r\n");
  stream->writes.clear();
  const base::MonoTime start = world_.now();
  world_.run_for(hours(1));
  EXPECT_EQ(stream->written(), "421 4.4.2 mx.example.com Timeout, closing connection\r\n");
  EXPECT_TRUE(stream->closed);
  EXPECT_LE(ended_at_ - start, kCommandTimeout);
  EXPECT_GT(ended_at_ - start, kCommandTimeout - seconds(1));
}

// One octet a minute does not keep a command open for ever.
TEST_F(DriverTest, ATricklingCommandIsCutOff) {
  const auto stream = connect();
  (void)say(*stream, "HELO c\r\n");
  for (int i = 0; i < 10 && ended_ == 0; ++i) {
    stream->give("N");
    world_.run_for(minutes(1));
  }
  EXPECT_EQ(ended_, 1);
  EXPECT_THAT(stream->written(), HasSubstr("421 4.4.2"));
}

TEST_F(DriverTest, BodyAndCommandsPutTheDeadlineOff) {
  const auto stream = connect();
  (void)say(*stream, "HELO c\r\n");
  for (int i = 0; i < 5; ++i) {
    world_.run_for(minutes(4));
    EXPECT_EQ(say(*stream, "NOOP\r\n"), "250 2.0.0 OK\r\n");
  }
  (void)say(*stream, kMail);
  for (int i = 0; i < 5; ++i) {
    world_.run_for(minutes(4));
    stream->give("text");
  }
  world_.run_for(seconds(1));
  EXPECT_EQ(say(*stream, "\r\n.\r\n"), "250 2.0.0 queued\r\n");
  world_.run_for(minutes(4));
  EXPECT_EQ(ended_, 0);
}

// A deadline that passes while the message is stored must not cost the client its answer.
TEST_F(DriverTest, StoringMayTakeLongerThanACommand) {
  house_.store_time = minutes(9);
  const auto stream = connect();
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  world_.run_for(minutes(4));
  stream->writes.clear();
  stream->give("x\r\n.\r\n");
  world_.run_for(minutes(10));
  EXPECT_EQ(stream->written(), "250 2.0.0 queued\r\n");
  EXPECT_EQ(ended_, 0);
}

TEST_F(DriverTest, StopEndsIdleSessionsAndNewOnes) {
  const auto idle = connect();
  (void)say(*idle, "HELO c\r\n");
  idle->writes.clear();
  house_.sessions.stop_all();
  world_.run_for(seconds(1));
  EXPECT_EQ(idle->written(),
            "421 4.3.2 mx.example.com Service is shutting down, closing connection\r\n");
  EXPECT_TRUE(idle->closed);
  const auto late = connect();
  EXPECT_THAT(late->written(), HasSubstr("421 4.3.2"));
  EXPECT_TRUE(late->closed);
  EXPECT_EQ(house_.sessions.size(), 0U);
}

TEST_F(DriverTest, StopLetsTransactionsEnd) {
  const auto stream = connect();
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  house_.sessions.stop_all();
  world_.run_for(minutes(1));
  EXPECT_EQ(ended_, 0);
  EXPECT_EQ(say(*stream, "x\r\n.\r\n"),
            "250 2.0.0 queued\r\n"
            "421 4.3.2 mx.example.com Service is shutting down, closing connection\r\n");
  EXPECT_EQ(ended_, 1);
  EXPECT_THAT(house_.stored, SizeIs(1));
}

TEST_F(DriverTest, AbortClosesWithoutAWord) {
  const auto stream = connect();
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  stream->writes.clear();
  house_.sessions.abort_all();
  world_.run_for(seconds(1));
  EXPECT_EQ(stream->written(), "");
  EXPECT_EQ(ended_, 1);
  EXPECT_EQ(house_.bodies, 0);
}

TEST_F(DriverTest, AbortWhileStoringStillStoresOnce) {
  house_.store_time = seconds(2);
  const auto stream = connect();
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  (void)say(*stream, "x\r\n.\r\n");
  house_.sessions.abort_all();
  world_.run_for(seconds(10));
  EXPECT_EQ(ended_, 1);
  EXPECT_THAT(house_.stored, SizeIs(1));
  EXPECT_EQ(stream->written(), "");
}

TEST_F(DriverTest, AFailedQueueEndsTheSession) {
  house_.answer = mail::Reply(421, "4.3.0", "Queue failed");
  const auto stream = connect();
  (void)say(*stream, std::string("HELO c\r\n") + kMail);
  EXPECT_EQ(say(*stream, "x\r\n.\r\nNOOP\r\n"), "421 4.3.0 Queue failed\r\n");
  EXPECT_EQ(ended_, 1);
}

TEST_F(DriverTest, WrongPasswordsAreAnsweredLater) {
  const auto stream = connect();
  (void)say(*stream, "HELO c\r\n");
  const std::string wrong = "AUTH PLAIN AGFsaWNlAHdyb25n\r\n";
  for (const int delay : {1, 2, 4, 8}) {
    EXPECT_EQ(say(*stream, wrong), "");
    world_.run_for(seconds(delay) - std::chrono::milliseconds(110));
    EXPECT_EQ(stream->written(), "") << delay;
    world_.run_for(std::chrono::milliseconds(50));
    EXPECT_EQ(stream->written(), "535 5.7.8 Authentication credentials invalid\r\n") << delay;
  }
  EXPECT_EQ(say(*stream, wrong), "");
  world_.run_for(seconds(16));
  EXPECT_THAT(stream->written(), HasSubstr("\r\n421 4.7.0"));
  EXPECT_EQ(ended_, 1);
}

TEST_F(DriverTest, LoginIsInEnvelopeAndTrace) {
  const auto stream = connect();
  (void)say(*stream, "EHLO c\r\n");
  EXPECT_EQ(say(*stream, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
            "235 2.7.0 Authentication successful\r\n");
  (void)say(*stream, "MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.test>\r\nDATA\r\n");
  EXPECT_EQ(say(*stream, "x\r\n.\r\n"), "250 2.0.0 queued\r\n");
  ASSERT_THAT(house_.stored, SizeIs(1));
  EXPECT_EQ(house_.stored[0].envelope.auth_user, "alice@example.com");
  EXPECT_THAT(house_.stored[0].trace, HasSubstr("with ESMTPA"));
}

TEST_F(DriverTest, StarttlsFlushesFirstAndForgetsPlaintext) {
  house_.config->starttls = true;
  const auto stream = connect();
  EXPECT_THAT(say(*stream, "EHLO c\r\nSTARTTLS\r\nNOOP\r\n"),
              ::testing::EndsWith("220 2.0.0 Ready to start TLS\r\n"));
  EXPECT_TRUE(stream->tls);
  EXPECT_EQ(say(*stream, kMail).substr(0, 3), "503");
  (void)say(*stream, "EHLO c\r\n");
  (void)say(*stream, kMail);
  (void)say(*stream, "x\r\n.\r\n");
  ASSERT_THAT(house_.stored, SizeIs(1));
  EXPECT_THAT(house_.stored[0].trace, HasSubstr("with ESMTPS"));
  EXPECT_THAT(house_.stored[0].trace, HasSubstr("TLS_TEST"));
}

TEST_F(DriverTest, ImplicitTlsComesBeforeTheGreeting) {
  const auto stream = connect(true);
  EXPECT_TRUE(stream->tls);
  EXPECT_THAT(stream->written(), StartsWith("220 "));
}

TEST_F(DriverTest, FailedWriteEndsTheSession) {
  const auto stream = connect();
  stream->fail_writes = true;
  stream->give("NOOP\r\n");
  world_.run_for(seconds(1));
  EXPECT_EQ(ended_, 1);
  EXPECT_EQ(house_.sessions.size(), 0U);
}

TEST_F(DriverTest, LogHasIdsAndNoPasswords) {
  std::vector<std::string> lines;
  base::set_log_capture([&lines](std::string_view line) { lines.emplace_back(line); });
  const auto stream = connect();
  (void)say(*stream, "EHLO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
  (void)say(*stream, "MAIL FROM:<>\r\nRCPT TO:<nobody@example.com>\r\nRSET\r\n");
  (void)say(*stream, std::string(kMail));
  (void)say(*stream, "x\r\n.\r\nQUIT\r\n");
  base::flush_log();
  std::string all;
  for (const std::string& line : lines) {
    EXPECT_THAT(line, HasSubstr(" t-1 ")) << line;
    all += line + "\n";
  }
  ASSERT_THAT(house_.stored, SizeIs(1));
  EXPECT_THAT(all, HasSubstr("connected"));
  EXPECT_THAT(all, HasSubstr("authenticated"));
  EXPECT_THAT(all, HasSubstr("message accepted"));
  EXPECT_THAT(all, HasSubstr(house_.stored[0].id));
  EXPECT_THAT(all, Not(HasSubstr("secret")));
  EXPECT_THAT(all, Not(HasSubstr("AGFsaWNl")));
}

TEST_F(DriverTest, ARunningSessionKeepsItsConfiguration) {
  const auto stream = connect();
  house_.config = std::make_shared<SessionConfig>();
  house_.config->host_name = "new.example.com";
  EXPECT_EQ(say(*stream, "HELO c\r\n"), "250 mx.example.com\r\n");
  EXPECT_THAT(connect()->written(), StartsWith("220 new.example.com "));
}

// An idle session that has taken mail holds no more than 2 KiB beside its stream.
TEST_F(DriverTest, IdleSessionsAreSmall) {
  constexpr int kCount = 500;
  house_.in_memory = 1U << 20U;
  base::set_log_capture([](std::string_view) {});
  std::vector<std::shared_ptr<HandStream::State>> streams;
  const auto warm = connect();
  (void)say(*warm, std::string("EHLO client.test\r\n") + kMail);
  (void)say(*warm, std::string(5000, 'x') + "\r\n.\r\n");
  streams.reserve(kCount);
  for (int i = 0; i < kCount; ++i) {
    streams.push_back(std::make_shared<HandStream::State>(world_));
  }
  world_.run_for(hours(0));
  const std::size_t before = mallinfo2().uordblks;
  if (before == 0) {
    GTEST_SKIP() << "this allocator does not count";
  }
  for (const auto& state : streams) {
    ConnectionArgs args(std::make_unique<HandStream>(state), house_.config, house_.services());
    world_.spawn(serve(std::move(args)), "idle session");
  }
  world_.run_for(seconds(1));
  for (const auto& state : streams) {
    (void)say(*state, std::string("EHLO client.test\r\n") + kMail);
    (void)say(*state, std::string(5000, 'x') + "\r\n.\r\n");
    state->writes = {};
    state->input = {};
  }
  house_.stored = {};
  house_.asked_sizes = {};
  world_.run_for(seconds(1));
  const std::size_t after = mallinfo2().uordblks;
  // The simulator's own cost of a pending deadline is part of it, which only makes this stricter.
  const double each = static_cast<double>(after - before) / kCount;
  RecordProperty("octets_per_session", std::to_string(each));
  EXPECT_LT(each, 4096) << each;
}

}  // namespace
}  // namespace posthouse::smtpd::testing
