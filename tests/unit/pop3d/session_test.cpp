// The POP3 session core, driven by scripts: octets in, replies out, every step answered by a small
// fake maildrop held in memory. No I/O types.
#include "pop3d/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "base/text.hpp"

namespace posthouse::pop3d {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Kind = Step::Kind;

// Answers the steps of a session like a driver would, and keeps what was written.
class Script {
 public:
  explicit Script(SessionOptions options = trusted()) : session(options) {}

  static SessionOptions trusted() {
    SessionOptions options;
    options.trusted_client = true;
    return options;
  }

  // Feeds `octets`, performs all steps, returns what was written meanwhile.
  std::string send(std::string_view octets) {
    if (!octets.empty()) session.on_bytes(octets);
    const std::size_t before = written.size();
    while (perform(session.next())) {
    }
    return written.substr(before);
  }

  void add(std::string uid, std::string wire) {
    listing.push_back({wire.size(), std::move(uid)});
    wires.push_back(std::move(wire));
  }

  std::string log_in() { return send("USER bob\r\nPASS secret\r\n"); }

  Session session;
  std::vector<Listing> listing;
  std::vector<std::string> wires;
  std::string written;
  std::vector<std::size_t> writes;  // sizes
  std::vector<base::Duration> waits;
  std::string user, password;
  std::deque<LoginOutcome> outcomes;  // next logins; empty: "secret" is right
  DropStatus read_status = DropStatus::ok;
  std::size_t fail_reads_after = SIZE_MAX;
  std::size_t reads = 0;
  DropStatus remove_status = DropStatus::ok;
  std::vector<std::size_t> removed;
  std::size_t removals = 0;
  std::size_t handshakes = 0;
  bool closed = false;

 private:
  void write() {
    if (!session.output().empty()) writes.push_back(session.output().size());
    written += session.output();
    session.clear_output();
  }

  bool perform(const Step& step) {
    switch (step.kind) {
      case Kind::read:
        write();
        return false;
      case Kind::flush:
        write();
        return true;
      case Kind::wait:
        write();
        waits.push_back(step.delay);
        return true;
      case Kind::start_tls:
        write();
        ++handshakes;
        session.on_tls(true);
        return true;
      case Kind::login:
        login();
        return true;
      case Kind::fetch:
        fetch(step);
        return true;
      case Kind::remove:
        write();
        ++removals;
        removed = session.deleted();
        session.on_removed(remove_status);
        return true;
      case Kind::close:
        write();
        closed = true;
        return false;
    }
    return false;
  }

  void login() {
    Credentials credentials = session.credentials();
    user = credentials.user;
    password = credentials.password.view();
    LoginOutcome outcome = password == "secret" ? LoginOutcome::ok : LoginOutcome::refused;
    if (!outcomes.empty()) {
      outcome = outcomes.front();
      outcomes.pop_front();
    }
    session.on_login(outcome, outcome == LoginOutcome::ok ? &listing : nullptr);
  }

  void fetch(const Step& step) {
    if (++reads > fail_reads_after) return session.on_piece(DropStatus::unavailable, "", false);
    if (read_status != DropStatus::ok) return session.on_piece(read_status, "", false);
    std::string wire = wires[step.index];
    if (step.body_lines != UINT64_MAX) {
      std::size_t end = wire.find("\r\n\r\n") + 4;
      for (std::uint64_t i = 0; i < step.body_lines && end < wire.size(); ++i) {
        end = wire.find("\r\n", end) + 2;
      }
      wire.resize(end);
    }
    ASSERT_LE(step.limit, kMaxPiece);
    const std::string piece = wire.substr(step.offset, step.limit);
    session.on_piece(DropStatus::ok, piece, step.offset + piece.size() == wire.size());
  }
};

struct TwoMessages : Script {
  TwoMessages() {
    add("uid-1", "Subject: a\r\n\r\nline 1\r\n.line 2\r\nline 3\r\n");
    add("uid-2", "Subject: b\r\n\r\n.\r\n");
    (void)send("");
    (void)log_in();
  }
};

TEST(PopSession, GreetsWithoutApopTimestamp) {
  Script script;
  EXPECT_EQ(script.send(""), "+OK Posthouse POP3 server ready\r\n");
}

TEST(PopSession, ExampleOfRfc1939) {
  Script script;
  script.add("whqtswO00WBw418f9t5JxYwZ", "A: b\r\n\r\nx\r\n");
  script.add("QhdPYR:00WBw1Ph7x7", "A: b\r\n\r\n" + std::string(190, 'y') + "\r\n");
  (void)script.send("");
  EXPECT_EQ(script.send("USER bob\r\n"), "+OK Send your password\r\n");
  EXPECT_EQ(script.send("PASS secret\r\n"), "+OK Logged in\r\n");
  EXPECT_EQ(script.send("STAT\r\n"), "+OK 2 211\r\n");
  EXPECT_EQ(script.send("LIST\r\n"), "+OK 2 messages (211 octets)\r\n1 11\r\n2 200\r\n.\r\n");
  EXPECT_EQ(script.send("LIST 2\r\n"), "+OK 2 200\r\n");
  EXPECT_EQ(script.send("UIDL\r\n"),
            "+OK 2 messages (211 octets)\r\n1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n"
            ".\r\n");
  EXPECT_EQ(script.send("UIDL 1\r\n"), "+OK 1 whqtswO00WBw418f9t5JxYwZ\r\n");
  EXPECT_EQ(script.send("RETR 1\r\n"), "+OK 11 octets\r\nA: b\r\n\r\nx\r\n.\r\n");
  EXPECT_EQ(script.send("DELE 1\r\n"), "+OK Message is marked\r\n");
  EXPECT_EQ(script.send("STAT\r\n"), "+OK 1 200\r\n");
  EXPECT_EQ(script.send("LIST\r\n"), "+OK 1 messages (200 octets)\r\n2 200\r\n.\r\n");
  EXPECT_EQ(script.send("RETR 1\r\n"), "-ERR Message is deleted\r\n");
  EXPECT_EQ(script.send("NOOP\r\n"), "+OK Nothing done\r\n");
  EXPECT_EQ(script.send("QUIT\r\n"), "+OK Goodbye, marked messages are removed\r\n");
  EXPECT_TRUE(script.closed);
  EXPECT_EQ(script.removed, std::vector<std::size_t>{0});
  EXPECT_EQ(script.session.stats().removed, 1U);
}

TEST(PopSession, StuffsDotsAndSendsTheListedOctets) {
  TwoMessages script;
  EXPECT_EQ(script.send("RETR 1\r\n"),
            "+OK 39 octets\r\nSubject: a\r\n\r\nline 1\r\n..line 2\r\nline 3\r\n.\r\n");
  EXPECT_EQ(script.listing[0].size, 39U);
  EXPECT_EQ(script.send("RETR 2\r\n"), "+OK 17 octets\r\nSubject: b\r\n\r\n..\r\n.\r\n");
  EXPECT_EQ(script.session.stats().octets, 56U);
  EXPECT_EQ(script.session.stats().retrieved, 2U);
}

TEST(PopSession, TopSendsHeaderAndSoManyLines) {
  TwoMessages script;
  EXPECT_EQ(script.send("TOP 1 0\r\n"), "+OK\r\nSubject: a\r\n\r\n.\r\n");
  EXPECT_EQ(script.send("TOP 1 2\r\n"), "+OK\r\nSubject: a\r\n\r\nline 1\r\n..line 2\r\n.\r\n");
  EXPECT_THAT(script.send("TOP 1 99999999999999999999999\r\n"), EndsWith("line 3\r\n.\r\n"));
  EXPECT_EQ(script.send("TOP 1\r\n"), "-ERR An argument is missing\r\n");
  EXPECT_EQ(script.send("TOP 1 -1\r\n"), "-ERR The line count must be decimal digits\r\n");
  EXPECT_EQ(script.send("TOP 3 0\r\n"), "-ERR No such message\r\n");
}

TEST(PopSession, MessageNumbers) {
  TwoMessages script;
  for (const char* number : {"0", "3", "4294967297", "18446744073709551617"}) {
    EXPECT_EQ(script.send("LIST " + std::string(number) + "\r\n"), "-ERR No such message\r\n");
  }
  for (const char* word : {"-1", "+1", "1x", "0x1", "\xd9\xa1"}) {
    EXPECT_EQ(script.send("DELE " + std::string(word) + "\r\n"),
              "-ERR The message number must be decimal digits\r\n");
  }
  EXPECT_EQ(script.send("LIST 1 2\r\n"), "-ERR Too many arguments\r\n");
  EXPECT_EQ(script.send("STAT 1\r\n"), "-ERR Too many arguments\r\n");
  EXPECT_EQ(script.send("RETR\r\n"), "-ERR An argument is missing\r\n");
  EXPECT_EQ(script.send("LIST \r\n"), "+OK 2 messages (56 octets)\r\n1 39\r\n2 17\r\n.\r\n");
  EXPECT_EQ(script.send("list 2\r\n"), "+OK 2 17\r\n");
}

TEST(PopSession, RsetUnmarksAll) {
  TwoMessages script;
  (void)script.send("DELE 1\r\nDELE 2\r\n");
  EXPECT_EQ(script.send("STAT\r\n"), "+OK 0 0\r\n");
  EXPECT_EQ(script.send("DELE 2\r\n"), "-ERR Message is deleted\r\n");
  EXPECT_EQ(script.send("RSET\r\n"), "+OK No message is marked\r\n");
  EXPECT_EQ(script.send("STAT\r\n"), "+OK 2 56\r\n");
  EXPECT_EQ(script.send("QUIT\r\n"), "+OK Goodbye\r\n");
  EXPECT_EQ(script.removals, 0U);
}

TEST(PopSession, QuitSaysWhenRemovalFailed) {
  TwoMessages script;
  script.remove_status = DropStatus::unavailable;
  EXPECT_EQ(script.send("DELE 2\r\nQUIT\r\n"),
            "+OK Message is marked\r\n-ERR [SYS/TEMP] some deleted messages not removed\r\n");
  EXPECT_TRUE(script.closed);
  EXPECT_EQ(script.session.stats().removed, 0U);
}

TEST(PopSession, QuitCountsVanishedMessagesAsRemoved) {
  TwoMessages script;
  script.remove_status = DropStatus::gone;
  EXPECT_THAT(script.send("DELE 2\r\nQUIT\r\n"),
              EndsWith("+OK Goodbye, marked messages are removed\r\n"));
}

TEST(PopSession, RemovalComesOnlyFromQuit) {
  TwoMessages script;
  (void)script.send("DELE 1\r\nDELE 2\r\nNOOP\r\nSTAT\r\nLIST\r\n");
  EXPECT_EQ(script.removals, 0U);
}

TEST(PopSession, QuitBeforeLoginOnlyEnds) {
  Script script;
  EXPECT_THAT(script.send("QUIT\r\nUSER bob\r\n"), EndsWith("+OK Goodbye\r\n"));
  EXPECT_TRUE(script.closed);
  EXPECT_EQ(script.removals, 0U);
}

TEST(PopSession, PipelinedCommandsGiveOneWrite) {
  TwoMessages script;
  script.writes.clear();
  const std::string reply = script.send("STAT\r\nLIST\r\nRETR 1\r\nRETR 2\r\nUIDL 2\r\nNOOP\r\n");
  EXPECT_EQ(script.writes.size(), 1U);
  EXPECT_THAT(reply, StartsWith("+OK 2 56\r\n+OK 2 messages"));
  EXPECT_THAT(reply, EndsWith("+OK 2 uid-2\r\n+OK Nothing done\r\n"));
}

TEST(PopSession, AnySplitOfTheInputGivesTheSameReplies) {
  const std::string dialogue =
      "CAPA\r\nUSER bob\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nTOP 2 1\r\nBOGUS\r\nDELE 1\r\nLIST\r\n"
      "QUIT\r\n";
  std::string whole;
  for (const std::size_t chunk :
       {dialogue.size(), std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    Script script;
    script.add("a", "S: 1\r\n\r\nhi\r\n");
    script.add("b", "S: 2\r\n\r\n.hi\r\n");
    for (std::size_t i = 0; i < dialogue.size(); i += chunk) {
      (void)script.send(dialogue.substr(i, chunk));
    }
    EXPECT_TRUE(script.closed);
    if (whole.empty()) whole = script.written;
    EXPECT_EQ(script.written, whole) << "chunks of " << chunk;
  }
}

TEST(PopSession, BareLfEndsACommandToo) {
  Script script;
  (void)script.send("");
  EXPECT_EQ(script.send("USER bob\nPASS secret\n"), "+OK Send your password\r\n+OK Logged in\r\n");
}

TEST(PopSession, PipelinedOutputIsFlushedInPieces) {
  Script script;
  const std::string body = "S: big\r\n\r\n" + std::string(4000, 'x') + "\r\n";
  for (int i = 0; i < 100; ++i) script.add("u" + std::to_string(i), body);
  (void)script.send("");
  (void)script.log_in();
  script.writes.clear();
  std::string batch;
  for (int i = 1; i <= 100; ++i) batch += "RETR " + std::to_string(i) + "\r\n";
  const std::string reply = script.send(batch);
  EXPECT_EQ(reply.size(), 100 * (body.size() + std::string("+OK 4012 octets\r\n.\r\n").size()));
  ASSERT_GE(script.writes.size(), 5U);
  for (const std::size_t size : script.writes) EXPECT_LT(size, kFlushAt + 8192);
  EXPECT_GE(script.writes.front(), kFlushAt);
}

TEST(PopSession, LargeMessageGoesOutInPieces) {
  Script script;
  std::string body = "S: big\r\n\r\n";
  for (int i = 0; i < 40000; ++i) body += ".line " + std::to_string(i) + "\r\n";
  script.add("big", body);
  (void)script.send("");
  (void)script.log_in();
  script.writes.clear();
  const std::string reply = script.send("RETR 1\r\n");
  const std::string head = "+OK " + std::to_string(body.size()) + " octets\r\n";
  ASSERT_THAT(reply, StartsWith(head));
  // Undo the dot-stuffing and compare.
  std::string plain;
  std::string_view rest = std::string_view(reply).substr(head.size());
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n") + 2;
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    if (line == ".\r\n") break;
    if (line.starts_with('.')) line.remove_prefix(1);
    plain += line;
  }
  EXPECT_TRUE(plain == body);
  EXPECT_TRUE(rest.empty());
  for (const std::size_t size : script.writes) EXPECT_LE(size, 3 * kFlushAt);
}

TEST(PopSession, ListOfManyMessagesComesInChunks) {
  Script script;
  for (int i = 0; i < 100000; ++i) script.listing.push_back({1000, "uid" + std::to_string(i)});
  (void)script.send("");
  (void)script.log_in();
  (void)script.send("DELE 50000\r\n");
  script.writes.clear();
  const std::string reply = script.send("UIDL\r\nLIST\r\nSTAT\r\n");
  EXPECT_THAT(reply, StartsWith("+OK 99999 messages (99999000 octets)\r\n1 uid0\r\n2 uid1\r\n"));
  EXPECT_THAT(reply, EndsWith("\r\n100000 1000\r\n.\r\n+OK 99999 99999000\r\n"));
  EXPECT_EQ(reply.find("\r\n50000 "), std::string::npos);
  EXPECT_EQ(std::count(reply.begin(), reply.end(), '\n'), 2 * (99999 + 2) + 1);
  for (const std::size_t size : script.writes) EXPECT_LT(size, kFlushAt + 128);
}

TEST(PopSession, ReadTroubleBeforeTheReply) {
  TwoMessages script;
  script.read_status = DropStatus::unavailable;
  EXPECT_EQ(script.send("RETR 1\r\n"), "-ERR [SYS/TEMP] The message cannot be read now\r\n");
  script.read_status = DropStatus::gone;
  EXPECT_EQ(script.send("TOP 1 1\r\n"), "-ERR The message was removed by another program\r\n");
  script.read_status = DropStatus::ok;
  EXPECT_THAT(script.send("RETR 1\r\n"), StartsWith("+OK 39 octets\r\n"));
}

TEST(PopSession, ReadTroubleInTheMiddleEndsTheConnection) {
  Script script;
  script.add("a", "S: 1\r\n\r\n" + std::string(200000, 'x') + "\r\n");
  (void)script.send("");
  (void)script.log_in();
  (void)script.send("DELE 1\r\nRSET\r\n");
  script.fail_reads_after = 1;
  const std::string reply = script.send("RETR 1\r\nSTAT\r\n");
  EXPECT_THAT(reply, StartsWith("+OK 200010 octets\r\n"));
  EXPECT_THAT(reply, Not(HasSubstr("\r\n.\r\n")));
  EXPECT_TRUE(script.closed);
}

TEST(PopSession, EmptyMailbox) {
  Script script;
  (void)script.send("");
  (void)script.log_in();
  EXPECT_EQ(script.send("STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\n"),
            "+OK 0 0\r\n+OK 0 messages (0 octets)\r\n.\r\n+OK 0 messages (0 octets)\r\n.\r\n"
            "-ERR No such message\r\n");
}

TEST(PopSession, IdleSessionKeepsLittleMemory) {
  TwoMessages script;
  (void)script.send("RETR 1\r\nRETR 2\r\nLIST\r\n");
  EXPECT_LE(script.session.output().capacity(), 256U);
  EXPECT_LE(sizeof(Session), 512U);
}

}  // namespace
}  // namespace posthouse::pop3d
