// The SMTP client against a scripted server: each dialogue, and every reply replaced once by every
// kind of trouble.
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/unit/deliver/smtp_client_rig.hpp"

namespace posthouse::deliver {
namespace {

const std::vector<std::string> kModern = {"PIPELINING", "SIZE 1000000", "8BITMIME", "DSN",
                                          "ENHANCEDSTATUSCODES"};
const std::vector<std::string> kLockStep = {"SIZE 1000000", "8BITMIME", "DSN"};
const std::vector<std::string> kChunking = {"PIPELINING", "SIZE 1000000", "CHUNKING", "8BITMIME"};
const std::vector<std::string> kChunkingLockStep = {"SIZE", "CHUNKING"};

SmtpClientConfig plain_config() {
  SmtpClientConfig config;
  config.helo_name = "us.example.org";
  return config;
}

RunResult play_one(FakeServer& server, const std::vector<Letter>& letters,
                   const RunOptions& options = {}, SmtpClientConfig config = plain_config()) {
  SmtpClient client(std::move(config));
  return play(client, server, letters, options);
}

std::string describe(const RunResult& result, const std::vector<Letter>& letters) {
  std::string text;
  for (const Letter& letter : letters) {
    const auto found = result.outcomes.find(&letter.message);
    if (found == result.outcomes.end()) {
      text += "-;";
      continue;
    }
    for (const RcptOutcome& o : found->second) {
      text += std::to_string(static_cast<int>(o.disposition)) + " " + std::to_string(o.code) + " " +
              o.enhanced + " " + o.text + "|";
    }
    text += ";";
  }
  return text;
}

TEST(SmtpClient, LockStepSaysOneCommandAtATime) {
  FakeServer server;
  server.extensions = {"SIZE"};
  const std::vector<Letter> letters = {make_letter("ann", 2)};
  const RunResult result = play_one(server, letters);
  const std::string size = std::to_string(letters[0].body.size());
  EXPECT_EQ(server.commands,
            (std::vector<std::string>{
                "EHLO us.example.org", "MAIL FROM:<ann@example.org> SIZE=" + size,
                "RCPT TO:<ann0@example.net>", "RCPT TO:<ann1@example.net>", "DATA", "QUIT"}));
  EXPECT_EQ(result.writes.size(), 7U);  // the message is one of them
  ASSERT_EQ(server.promised.size(), 1U);
  EXPECT_EQ(server.promised[0].body, letters[0].body);
  EXPECT_EQ(describe(result, letters), "0 250 2.0.0 queued|0 250 2.0.0 queued|;");
  EXPECT_FALSE(result.failure);
}

TEST(SmtpClient, PipeliningSendsTheNextEnvelopeWithTheEndOfTheMessage) {
  FakeServer server;
  server.extensions = kModern;
  const std::vector<Letter> letters = {make_letter("ann", 2), make_letter("bob", 1)};
  const RunResult result = play_one(server, letters);
  ASSERT_EQ(result.writes.size(), 5U);  // EHLO; envelope; body and envelope; body; QUIT
  EXPECT_TRUE(result.writes[1].starts_with("MAIL FROM:<ann@"));
  EXPECT_TRUE(result.writes[1].ends_with("DATA\r\n"));
  EXPECT_TRUE(result.writes[2].starts_with("Subject: ann"));
  EXPECT_NE(result.writes[2].find("\r\n.\r\nMAIL FROM:<bob@"), std::string::npos);
  EXPECT_TRUE(result.writes[2].ends_with("DATA\r\n"));
  EXPECT_EQ(server.promised.size(), 2U);
  EXPECT_EQ(result.results, 2U);
}

TEST(SmtpClient, ChunkingSendsASmallMessageWithItsEnvelope) {
  FakeServer server;
  server.extensions = kChunking;
  const std::vector<Letter> letters = {make_letter("ann", 1), make_letter("bob", 1),
                                       make_letter("cat", 1)};
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(result.results, 3U);
  ASSERT_EQ(server.promised.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(server.promised[i].body, letters[i].body);  // no dot is doubled
  }
  EXPECT_NE(result.writes[1].find("BDAT " + std::to_string(letters[0].body.size()) +
                                  " LAST\r\nSubject: ann"),
            std::string::npos);
  EXPECT_NE(result.writes[1].find("RSET\r\nMAIL FROM:<bob"), std::string::npos);
}

TEST(SmtpClient, LargeBodiesStream) {
  for (const auto& extensions : {kModern, kLockStep, kChunking, kChunkingLockStep}) {
    FakeServer server;
    server.extensions = extensions;
    std::vector<Letter> letters = {make_letter("big", 1)};
    for (int i = 0; i < 30000; ++i) {
      letters[0].body += ".line " + std::to_string(i) + "\r\n";
    }
    letters[0].message.size = letters[0].body.size();
    RunOptions options;
    options.body_octets = 7777;
    const RunResult result = play_one(server, letters, options);
    ASSERT_EQ(server.promised.size(), 1U);
    EXPECT_TRUE(server.promised[0].body == letters[0].body);
    for (const std::string& write : result.writes) {
      EXPECT_LT(write.size(), 160000U);
    }
  }
}

TEST(SmtpClient, LineEndsAndDotsAreMended) {
  for (const auto& extensions : {kModern, kChunking}) {
    FakeServer server;
    server.extensions = extensions;
    std::vector<Letter> letters = {make_letter("lf", 1)};
    letters[0].body = "Subject: x\n\n.\nQUIT\r\n.\r\nlast line without end";
    RunOptions options;
    options.body_octets = 1;
    (void)play_one(server, letters, options);
    ASSERT_EQ(server.promised.size(), 1U);
    const std::string end = extensions == kModern ? "\r\n" : "";
    EXPECT_EQ(server.promised[0].body,
              "Subject: x\r\n\r\n.\r\nQUIT\r\n.\r\nlast line without end" + end);
  }
}

TEST(SmtpClient, AfterHeloNothingExtendedIsSaid) {
  FakeServer server;
  server.knows_ehlo = false;
  std::vector<Letter> letters = {make_letter("old", 1)};
  letters[0].message.dsn.envid = "abc";
  letters[0].message.rcpts[0].dsn.notify = mail::Notify::never();
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(server.commands[1], "HELO us.example.org");
  EXPECT_EQ(server.commands[2], "MAIL FROM:<old@example.org>");
  EXPECT_EQ(server.commands[3], "RCPT TO:<old0@example.net>");
  EXPECT_EQ(describe(result, letters), "0 250 2.0.0 queued|;");
  EXPECT_FALSE(result.outcomes.begin()->second[0].peer_does_dsn);
}

TEST(SmtpClient, DsnParametersArePassedOn) {
  FakeServer server;
  server.extensions = kModern;
  std::vector<Letter> letters = {make_letter("dsn", 3)};
  ClientMessage& m = letters[0].message;
  m.size = 0;
  m.dsn.envid = "QQ314159";
  m.dsn.ret = mail::Ret::hdrs;
  m.rcpts[0].dsn.notify = *mail::parse_notify("SUCCESS,DELAY");
  m.rcpts[0].dsn.orcpt = "rfc822;dsn0@example.net";
  m.rcpts[1].dsn.notify = mail::Notify::never();
  m.rcpts[2].dsn.orcpt = "rfc822;evil NOTIFY=NEVER";  // no value: it stays at home
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(server.commands[1], "MAIL FROM:<dsn@example.org> RET=HDRS ENVID=QQ314159");
  EXPECT_EQ(server.commands[2],
            "RCPT TO:<dsn0@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;dsn0@example.net");
  EXPECT_EQ(server.commands[3], "RCPT TO:<dsn1@example.net> NOTIFY=NEVER");
  EXPECT_EQ(server.commands[4], "RCPT TO:<dsn2@example.net>");
  EXPECT_TRUE(result.outcomes.begin()->second[0].peer_does_dsn);
}

TEST(SmtpClient, RecipientsAreJudgedEachByItself) {
  for (const auto& extensions : {kModern, kLockStep, kChunking}) {
    FakeServer server;
    server.extensions = extensions;
    server.answer = [](const std::string& command) -> std::optional<std::string> {
      if (command.starts_with("RCPT TO:<mix0")) return "550 5.1.1 nobody here";
      if (command.starts_with("RCPT TO:<mix1")) return "451-4.7.1 later\r\n451 4.7.1 please";
      if (command.starts_with("RCPT TO:<mix3")) return "452 4.5.3 too many";
      return std::nullopt;
    };
    const std::vector<Letter> letters = {make_letter("mix", 4)};
    const RunResult result = play_one(server, letters);
    EXPECT_EQ(describe(result, letters),
              "2 550 5.1.1 nobody here|1 451 4.7.1 later please|0 250 2.0.0 queued|"
              "1 452 4.5.3 too many|;");
    EXPECT_TRUE(result.outcomes.begin()->second[3].too_many);
    EXPECT_FALSE(result.outcomes.begin()->second[1].too_many);
    EXPECT_EQ(result.outcomes.begin()->second[0].scope, Scope::recipient);
  }
}

TEST(SmtpClient, WhenNobodyIsAcceptedTheNextMessageStartsAnew) {
  for (const auto& extensions : {kModern, kLockStep, kChunking, kChunkingLockStep}) {
    FakeServer server;
    server.extensions = extensions;
    server.answer = [](const std::string& command) -> std::optional<std::string> {
      return command.starts_with("RCPT TO:<no") ? std::optional("550 no") : std::nullopt;
    };
    const std::vector<Letter> letters = {make_letter("no", 2), make_letter("yes", 1),
                                         make_letter("no2", 1), make_letter("yes2", 1)};
    const RunResult result = play_one(server, letters);
    EXPECT_EQ(describe(result, letters),
              "2 550 5.0.0 no|2 550 5.0.0 no|;0 250 2.0.0 queued|;2 550 5.0.0 no|;"
              "0 250 2.0.0 queued|;");
    EXPECT_EQ(server.promised.size(), 2U);
  }
}

TEST(SmtpClient, DataAcceptedForNobodyGetsAnEmptyMessage) {
  FakeServer server;
  server.extensions = kModern;
  server.answer = [](const std::string& command) -> std::optional<std::string> {
    if (command.starts_with("RCPT TO:<no")) return "550 no";
    if (command == "DATA") return "354 anyway";
    if (command == "message") return std::nullopt;
    return std::nullopt;
  };
  const std::vector<Letter> letters = {make_letter("no", 1), make_letter("yes", 1)};
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(describe(result, letters), "2 550 5.0.0 no|;0 250 2.0.0 queued|;");
  ASSERT_EQ(server.promised.size(), 2U);
  EXPECT_EQ(server.promised[0].body, "");  // promised to nobody
  EXPECT_TRUE(server.promised[0].rcpts.empty());
}

TEST(SmtpClient, SizeIsComparedBeforeMail) {
  FakeServer server;
  server.extensions = {"SIZE 50", "PIPELINING"};
  const std::vector<Letter> letters = {make_letter("toolarge", 2)};
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(server.commands, (std::vector<std::string>{"EHLO us.example.org", "QUIT"}));
  const auto& outcome = result.outcomes.begin()->second[1];
  EXPECT_EQ(outcome.disposition, Disposition::failed);
  EXPECT_EQ(outcome.enhanced, "5.3.4");
  EXPECT_EQ(outcome.scope, Scope::message);
}

TEST(SmtpClient, EightBitBodies) {
  std::vector<Letter> letters = {make_letter("acht", 1)};
  letters[0].body = "\r\ncaf\xc3\xa9\r\n";
  letters[0].message.eight_bit = true;
  letters[0].message.size = letters[0].body.size();
  {
    FakeServer server;
    server.extensions = kModern;
    (void)play_one(server, letters);
    EXPECT_NE(server.commands[1].find(" BODY=8BITMIME"), std::string::npos);
    EXPECT_EQ(server.promised.at(0).body, letters[0].body);
  }
  {
    FakeServer server;
    server.extensions = {"SIZE"};
    RunOptions options;
    options.converted = "\r\ncaf=C3=A9\r\n";
    const RunResult result = play_one(server, letters, options);
    EXPECT_EQ(server.commands[1], "MAIL FROM:<acht@example.org> SIZE=13");
    EXPECT_EQ(server.promised.at(0).body, *options.converted);
    EXPECT_EQ(describe(result, letters), "0 250 2.0.0 queued|;");
  }
  {
    FakeServer server;
    const RunResult result = play_one(server, letters);
    EXPECT_EQ(server.commands.size(), 2U);
    EXPECT_EQ(result.outcomes.begin()->second[0].enhanced, "5.6.1");
  }
}

TEST(SmtpClient, SmtpUtf8) {
  std::vector<Letter> letters = {make_letter("u", 2)};
  letters[0].message.rcpts[0].address.local = "j\xc3\xb6rg";
  FakeServer with;
  with.extensions = {"SMTPUTF8", "8BITMIME"};
  (void)play_one(with, letters);
  EXPECT_TRUE(with.commands[1].ends_with(" SMTPUTF8"));
  EXPECT_EQ(with.promised.at(0).rcpts.size(), 2U);

  FakeServer without;
  without.extensions = kModern;
  const RunResult result = play_one(without, letters);
  EXPECT_EQ(result.outcomes.begin()->second[0].enhanced, "5.6.7");
  EXPECT_EQ(result.outcomes.begin()->second[1].disposition, Disposition::delivered);

  letters[0].message.utf8_header = true;
  FakeServer again;
  again.extensions = kModern;
  const RunResult all = play_one(again, letters);
  EXPECT_EQ(all.outcomes.begin()->second[1].enhanced, "5.6.7");
  EXPECT_EQ(again.commands.size(), 2U);
}

TEST(SmtpClient, BadAddressesAreNeverSent) {
  FakeServer server;
  std::vector<Letter> letters = {make_letter("bad", 2), make_letter("bad", 1)};
  letters[0].message.rcpts[0].address.local = "x>\r\nRSET";
  letters[1].message.reverse_path.local = "y\nz";
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(result.outcomes.at(&letters[0].message)[0].enhanced, "5.1.3");
  EXPECT_EQ(result.outcomes.at(&letters[0].message)[1].disposition, Disposition::delivered);
  EXPECT_EQ(result.outcomes.at(&letters[1].message)[0].enhanced, "5.1.7");
  EXPECT_EQ(server.commands.size(), 5U);
}

TEST(SmtpClient, GreetingsThatEndIt) {
  for (const char* const greeting : {"554 5.3.2 no service", "421 4.3.2 busy", "450 wait"}) {
    FakeServer server;
    server.greeting = greeting;
    const RunResult result = play_one(server, {make_letter("a", 1)});
    EXPECT_EQ(result.given, 0U);
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->phase, Phase::greeting);
    EXPECT_EQ(result.failure->scope, Scope::host);
    EXPECT_FALSE(result.failure->untried);
    EXPECT_EQ(result.failure->disposition,
              greeting[0] == '5' ? Disposition::failed : Disposition::deferred);
  }
}

TEST(SmtpClient, TlsPolicies) {
  struct Case {
    ClientTls policy;
    bool offered;
    bool refused;
    bool handshake;
    bool delivered;
    bool tls;
  };
  const Case cases[] = {
      {ClientTls::none, true, false, true, true, false},
      {ClientTls::may, true, false, true, true, true},
      {ClientTls::may, false, false, true, true, false},
      {ClientTls::may, true, true, true, true, false},
      {ClientTls::may, true, false, false, false, true},
      {ClientTls::require, true, false, true, true, true},
      {ClientTls::require, false, false, true, false, false},
      {ClientTls::require, true, true, true, false, false},
      {ClientTls::require, true, false, false, false, true},
  };
  for (const Case& c : cases) {
    FakeServer server;
    server.extensions = c.offered ? std::vector<std::string>{"STARTTLS", "8BITMIME"}
                                  : std::vector<std::string>{"8BITMIME"};
    server.answer = [&](const std::string& command) -> std::optional<std::string> {
      return c.refused && command == "STARTTLS" ? std::optional("454 4.7.0 not now") : std::nullopt;
    };
    SmtpClientConfig config = plain_config();
    config.tls = c.policy;
    RunOptions options;
    options.handshake_works = c.handshake;
    const RunResult result = play_one(server, {make_letter("t", 1)}, options, std::move(config));
    EXPECT_EQ(server.promised.size(), c.delivered ? 1U : 0U);
    EXPECT_EQ(server.tls, c.tls);
    EXPECT_EQ(result.failure.has_value(), !c.delivered);
    EXPECT_EQ(result.tls_failed, !c.handshake);
    if (result.failure) {
      EXPECT_EQ(result.failure->disposition, Disposition::deferred);
      EXPECT_EQ(result.failure->enhanced.substr(0, 3), "4.7");
    }
    if (c.delivered && c.tls) {
      EXPECT_EQ(server.commands[1], "STARTTLS");
      EXPECT_EQ(server.commands[2], "EHLO us.example.org");  // RFC 3207 4.2
    }
  }
}

TEST(SmtpClient, WordsBeforeTheHandshakeAreNotBelieved) {
  FakeServer server;
  server.extensions = {"STARTTLS"};
  server.answer = [](const std::string& command) -> std::optional<std::string> {
    return command == "STARTTLS" ? std::optional("220 go\r\n250 forged") : std::nullopt;
  };
  const RunResult result = play_one(server, {make_letter("t", 1)});
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->enhanced, "4.5.0");
  EXPECT_FALSE(server.tls);
}

TEST(SmtpClient, TheFirstDigitOfTheReplyRulesOverTheEnhancedCode) {
  FakeServer server;
  server.answer = [](const std::string& command) -> std::optional<std::string> {
    return command == "message" ? std::optional("451 5.7.1 confused") : std::nullopt;
  };
  const std::vector<Letter> letters = {make_letter("c", 1)};
  EXPECT_EQ(describe(play_one(server, letters), letters), "1 451 4.0.0 5.7.1 confused|;");
}

TEST(SmtpClient, ABodyThatCannotBeReadEndsNoOtherMessageBadly) {
  for (const auto& extensions : {kModern, kLockStep, kChunking}) {
    FakeServer server;
    server.extensions = extensions;
    RunOptions options;
    options.fail_body = 1;
    const std::vector<Letter> letters = {make_letter("a", 1), make_letter("b", 1),
                                         make_letter("c", 1)};
    const RunResult result = play_one(server, letters, options);
    EXPECT_EQ(result.outcomes.at(&letters[0].message)[0].disposition, Disposition::delivered);
    const RcptOutcome& broken = result.outcomes.at(&letters[1].message)[0];
    EXPECT_EQ(broken.disposition, Disposition::deferred);
    EXPECT_EQ(broken.enhanced, "4.3.0");
    EXPECT_FALSE(broken.perhaps_delivered);
    if (extensions == kChunking) {
      EXPECT_EQ(result.outcomes.at(&letters[2].message)[0].disposition, Disposition::delivered);
    } else {
      ASSERT_TRUE(result.failure);
      EXPECT_TRUE(result.failure->untried);
      EXPECT_EQ(result.given, 2U);
    }
    for (const auto& stored : server.promised) {
      EXPECT_EQ(stored.mail.find("<b@"), std::string::npos);
    }
  }
}

// The same server gives the same outcomes whether commands go one by one or in groups, and however
// its answers are cut.
TEST(SmtpClient, GroupsChangeNoOutcome) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    base::SeededRandom random(seed);
    std::vector<Letter> letters;
    const std::size_t count = 1 + random.below(4);
    std::map<std::string, std::string> replies;
    const auto judge = [&](const std::string& key) {
      const auto draw = random.below(10);
      if (draw < 2) replies[key] = draw == 0 ? "550 5.7.1 no" : "450 4.7.1 not now";
    };
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "m" + std::to_string(i) + "x";
      letters.push_back(make_letter(name, 1 + random.below(4)));
      for (const ClientRcpt& rcpt : letters.back().message.rcpts) {
        judge("RCPT TO:<" + rcpt.address.text() + ">");
      }
      judge("end " + std::to_string(i));
    }
    std::vector<std::string> seen;
    for (const auto& extensions : {kModern, kLockStep, kChunking, kChunkingLockStep}) {
      for (const std::size_t octets : {0U, 1U, 3U}) {
        FakeServer server;
        server.extensions = extensions;
        std::string mail;
        server.answer = [&](const std::string& command) -> std::optional<std::string> {
          const auto found = replies.find(command);
          if (found != replies.end()) return found->second;
          if (command == "message" || command == "BDAT LAST") {
            // Which message this is: the last MAIL that was answered.
            for (auto it = server.commands.rbegin(); it != server.commands.rend(); ++it) {
              if (it->starts_with("MAIL FROM:<m")) {
                const auto judged = replies.find("end " + it->substr(12, 1));
                if (judged != replies.end()) return judged->second;
                break;
              }
            }
          }
          return std::nullopt;
        };
        RunOptions options;
        options.read_octets = octets;
        options.body_octets = octets;
        seen.push_back(describe(play_one(server, letters, options), letters));
      }
    }
    for (const std::string& one : seen) {
      // A chunk for nobody is refused in other words; the outcomes are the same.
      ASSERT_EQ(one, seen.front()) << "seed " << seed;
    }
  }
}

struct TroubleCase {
  const char* name;
  FakeServer::Tamper tamper;
  bool understood = false;
};

// Every reply of a session replaced once by every kind of trouble: each recipient has exactly one
// outcome, and "delivered" is said of those, and only those, for whom the server answered 250.
TEST(SmtpClient, EachStepFailsOnce) {
  using Trouble = FakeServer::Trouble;
  const std::vector<TroubleCase> troubles = {
      {"4xx", {Trouble::reply, "451 4.3.0 trouble\r\n"}, true},
      {"5xx", {Trouble::reply, "554 5.3.0 trouble\r\n"}, true},
      {"421", {Trouble::reply, "421 4.3.2 closing\r\n"}},
      {"3xx", {Trouble::reply, "399 odd\r\n"}},
      {"garbage", {Trouble::reply, "HTTP/1.1 400 Bad Request\r\n\r\n"}},
      {"codes", {Trouble::reply, "250-one\r\n251 two\r\n"}},
      {"endless", {Trouble::reply, std::string(2 << 20, 'x')}},
      {"flood",
       {Trouble::reply,
        [] {
          std::string lines;
          for (int i = 0; i < 600; ++i) lines += "250-more\r\n";
          return lines + "250 end\r\n";
        }()}},
      {"cut", {Trouble::cut, ""}},
      {"stall", {Trouble::stall, ""}},
  };
  std::size_t perhaps_seen = 0;
  for (const auto& extensions : {kModern, kLockStep, kChunking, kChunkingLockStep}) {
    for (const TroubleCase& trouble : troubles) {
      for (std::size_t at = 0; at < 40; ++at) {
        FakeServer server;
        server.extensions = extensions;
        bool struck = false;
        server.tamper = [&](std::size_t index) {
          struck = struck || index == at;
          return index == at ? trouble.tamper : FakeServer::Tamper();
        };
        const std::vector<Letter> letters = {make_letter("a", 2), make_letter("b", 1),
                                             make_letter("c", 2)};
        RunOptions options;
        options.read_octets = at % 2 == 0 ? 0 : 1000;
        const RunResult result = play_one(server, letters, options);
        const std::string where = std::string(trouble.name) + " at " + std::to_string(at);
        ASSERT_EQ(result.results, result.given) << where;
        std::set<std::string> promised;
        for (const auto& stored : server.promised) {
          promised.insert(stored.rcpts.begin(), stored.rcpts.end());
        }
        std::set<std::string> delivered;
        std::set<std::string> delivered_or_perhaps;
        for (const auto& [message, outcomes] : result.outcomes) {
          for (std::size_t i = 0; i < outcomes.size(); ++i) {
            const RcptOutcome& outcome = outcomes[i];
            const char wanted = outcome.disposition == Disposition::delivered  ? '2'
                                : outcome.disposition == Disposition::deferred ? '4'
                                                                               : '5';
            ASSERT_FALSE(outcome.enhanced.empty()) << where;
            EXPECT_EQ(outcome.enhanced[0], wanted) << where;
            perhaps_seen += outcome.perhaps_delivered ? 1 : 0;
            const std::string rcpt = "RCPT TO:<" + message->rcpts[i].address.text() + ">";
            if (outcome.disposition == Disposition::delivered || outcome.perhaps_delivered) {
              delivered_or_perhaps.insert(rcpt);
            }
            if (outcome.disposition == Disposition::delivered) {
              delivered.insert(rcpt);
            } else {
              EXPECT_FALSE(outcome.text.empty()) << where;
            }
          }
        }
        // What the server promised in an answer that we could not read is "perhaps".
        EXPECT_TRUE(
            std::includes(promised.begin(), promised.end(), delivered.begin(), delivered.end()))
            << where;
        EXPECT_TRUE(std::includes(delivered_or_perhaps.begin(), delivered_or_perhaps.end(),
                                  promised.begin(), promised.end()))
            << where;
        // A refused RSET ends the session while the next message is under way.
        if (trouble.understood && !(result.failure && result.failure->phase == Phase::reset)) {
          EXPECT_EQ(delivered, promised) << where;
        }
        EXPECT_EQ(result.given < letters.size() || result.failure.has_value(),
                  result.failure.has_value())
            << where;
        if (!struck) {
          EXPECT_EQ(delivered.size(), 5U);
          EXPECT_FALSE(result.failure);
        }
      }
    }
  }
  EXPECT_GT(perhaps_seen, 0U);
}

TEST(SmtpClient, LostAfterTheFinalDotIsPerhapsDelivered) {
  for (const auto trouble : {FakeServer::Trouble::cut, FakeServer::Trouble::stall}) {
    FakeServer server;
    server.tamper = [&](std::size_t index) {
      return FakeServer::Tamper{index == 5 ? trouble : FakeServer::Trouble::none, ""};
    };
    const std::vector<Letter> letters = {make_letter("p", 1)};
    const RunResult result = play_one(server, letters);
    const RcptOutcome& outcome = result.outcomes.begin()->second[0];
    EXPECT_EQ(outcome.disposition, Disposition::deferred);
    EXPECT_TRUE(outcome.perhaps_delivered);
    EXPECT_FALSE(outcome.untried);
    EXPECT_EQ(outcome.phase, Phase::final_reply);
    EXPECT_EQ(outcome.enhanced, "4.4.2");
    EXPECT_NE(outcome.text.find("perhaps"), std::string::npos);
  }
}

TEST(SmtpClient, AReusedConnectionThatEndsCostsTheNextMessageNoAttempt) {
  FakeServer server;
  server.tamper = [](std::size_t index) {
    // greeting, EHLO, MAIL, RCPT, DATA, message, then the second MAIL
    return FakeServer::Tamper{index == 6 ? FakeServer::Trouble::reply : FakeServer::Trouble::none,
                              "421 4.3.2 enough for today\r\n"};
  };
  const std::vector<Letter> letters = {make_letter("a", 1), make_letter("b", 1)};
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(result.outcomes.at(&letters[0].message)[0].disposition, Disposition::delivered);
  const RcptOutcome& second = result.outcomes.at(&letters[1].message)[0];
  EXPECT_TRUE(second.untried);
  EXPECT_FALSE(second.perhaps_delivered);
  EXPECT_EQ(second.code, 421);
}

TEST(SmtpClient, TimeoutsAreThoseOfTheStandard) {
  FakeServer server;
  SmtpClient client(plain_config());
  server.connect();
  ClientStep step = client.start();
  const Letter letter = make_letter("t", 1);
  std::vector<std::int64_t> seen;
  const ClientMessage* next = &letter.message;
  while (step != ClientStep::close) {
    if (step == ClientStep::read) {
      server.feed(client.output());
      client.clear_output();
      seen.push_back(client.timeout().count());
      const std::string said = std::move(server.out);
      server.out.clear();
      step = client.on_bytes(said);
    } else if (step == ClientStep::next_message) {
      step = client.on_message(next);
      next = nullptr;
    } else if (step == ClientStep::need_body) {
      step = client.on_body(letter.body, true);
    } else {
      ASSERT_EQ(step, ClientStep::result);
      (void)client.take_result();
      step = client.proceed();
    }
  }
  // RFC 5321 4.5.3.2: greeting, EHLO, MAIL, RCPT, DATA, end of message, QUIT
  EXPECT_EQ(seen, (std::vector<std::int64_t>{300, 300, 300, 300, 120, 600, 10}));
}

TEST(SmtpClient, ManyRecipientsGoInSeveralGroups) {
  FakeServer server;
  server.extensions = kModern;
  const std::vector<Letter> letters = {make_letter("many", 1000)};
  const RunResult result = play_one(server, letters);
  EXPECT_EQ(server.promised.at(0).rcpts.size(), 1000U);
  EXPECT_LT(result.writes.size(), 12U);
  for (std::size_t i = 0; i + 2 < result.writes.size(); ++i) {
    EXPECT_LT(result.writes[i].size(), 9000U);
  }
}

TEST(SmtpClient, CapabilitiesAreReadAsTheyAreWritten) {
  const Capabilities c = parse_capabilities(
      "mx.example.net ready\npipelining\nSIZE=9\nSIZE 35882577\nAUTH PLAIN x-OTHER\n"
      "AUTH=LOGIN CRAM-MD5\nSTARTTLS\nDSN\nSMTPUTF8\nCHUNKING\nENHANCEDSTATUSCODES\n\nXFOO bar");
  EXPECT_EQ(c.name, "mx.example.net");
  EXPECT_TRUE(c.pipelining && c.size && c.start_tls && c.dsn && c.smtp_utf8 && c.chunking);
  EXPECT_TRUE(c.enhanced_codes && c.eight_bit_mime);
  EXPECT_EQ(c.max_size, 35882577U);
  EXPECT_TRUE(c.auth.has(net::SaslMechanism::plain) && c.auth.has(net::SaslMechanism::login) &&
              c.auth.has(net::SaslMechanism::cram_md5));
  EXPECT_FALSE(c.auth.has(net::SaslMechanism::scram_sha_256));
  EXPECT_EQ(parse_capabilities("x\nSIZE 99999999999999999999999").max_size, 0U);
  EXPECT_FALSE(parse_capabilities("PIPELINING").pipelining);  // the first line is the name
}

}  // namespace
}  // namespace posthouse::deliver
