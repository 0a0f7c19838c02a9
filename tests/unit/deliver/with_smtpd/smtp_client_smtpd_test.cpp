// The SMTP client core against our own SMTP server core, octets handed over in memory: what the
// client calls delivered is what the server stored, and the other way round.
#include <gtest/gtest.h>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "smtpd/session.hpp"
#include "tests/unit/deliver/smtp_client_rig.hpp"

namespace posthouse::deliver {
namespace {

using smtpd::Step;

// A house of one room around the server core: takes everybody but "nobody…", greylists "later…".
class RealServer {
 public:
  explicit RealServer(const smtpd::SessionConfig& config)
      : config_(config), session_(config_, smtpd::PeerInfo("192.0.2.7", false, true), nullptr) {}

  struct Stored {
    std::string sender;
    std::vector<std::string> rcpts;
    std::string body;
  };

  void connect() { perform(session_.start(false)); }
  void feed(std::string_view octets) {
    while (!octets.empty() && !closed) {
      const std::string_view part = octets.substr(0, cut == 0 ? octets.size() : cut);
      octets.remove_prefix(part.size());
      perform(session_.on_bytes(part));
    }
  }
  void secure() {
    PH_ASSERT(step_ == Step::start_tls, "no handshake is due");
    perform(session_.on_tls());
  }

  std::string out;
  bool closed = false;
  std::size_t cut = 0;  // octets given to the server at once
  std::vector<Stored> stored;

 private:
  void perform(Step step) {
    while (step != Step::read && step != Step::close && step != Step::start_tls) {
      step = one(step);
    }
    out += session_.output();
    session_.clear_output();
    step_ = step;
    closed = step == Step::close;
  }

  Step one(Step step) {
    switch (step) {
      case Step::write:
        out += session_.output();
        session_.clear_output();
        return session_.proceed();
      case Step::check_space:
      case Step::begin_body:
        return session_.on_space(mail::Reply(250, "2.0.0", "fine"));
      case Step::verify_rcpt: {
        const std::string local = session_.pending_rcpt().local;
        return session_.on_rcpt(local.starts_with("nobody")
                                    ? mail::Reply(550, "5.1.1", "no such user")
                                : local.starts_with("later") ? mail::Reply(451, "4.7.1", "not yet")
                                                             : mail::Reply(250, "2.1.5", "fine"));
      }
      case Step::authenticate: {
        const smtpd::Credentials credentials = session_.take_credentials();
        const bool good = credentials.user == "user" && credentials.password.view() == "pencil";
        return session_.on_auth(good ? smtpd::AuthOutcome::accepted : smtpd::AuthOutcome::refused,
                                "user@example.org");
      }
      case Step::body:
        body_ += session_.body_chunk();
        session_.body_chunk().clear();
        return session_.proceed();
      case Step::abort_body:
        body_.clear();
        return session_.proceed();
      case Step::commit:
        return commit();
      default:
        return session_.proceed();
    }
  }

  Step commit() {
    body_ += session_.body_chunk();
    session_.body_chunk().clear();
    const smtpd::Transaction transaction = session_.take_transaction();
    Stored one;
    one.sender = transaction.envelope.reverse_path.text();
    for (const auto& rcpt : transaction.rcpts) one.rcpts.push_back(rcpt.text());
    one.body = std::exchange(body_, {});
    stored.push_back(one);
    return session_.on_stored(mail::Reply(250, "2.0.0", "queued as X"));
  }

  smtpd::SessionConfig config_;
  smtpd::Session session_;
  Step step_ = Step::read;
  std::string body_;
};

smtpd::SessionConfig server_config() {
  smtpd::SessionConfig config;
  config.host_name = "mx.example.net";
  config.starttls = true;
  config.max_rcpts = 5;
  return config;
}

TEST(ClientAndServer, RandomSessions) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    base::SeededRandom random(seed);
    RealServer server(server_config());
    server.cut = random.below(3) == 0 ? 1 + random.below(40) : 0;
    std::vector<Letter> letters;
    for (std::uint64_t i = 1 + random.below(5); i > 0; --i) {
      Letter letter = make_letter("m" + std::to_string(i) + "x", 1 + random.below(7));
      for (ClientRcpt& rcpt : letter.message.rcpts) {
        const auto draw = random.below(6);
        if (draw == 0) rcpt.address.local = "nobody-" + rcpt.address.local;
        if (draw == 1) rcpt.address.local = "later-" + rcpt.address.local;
      }
      for (std::uint64_t lines = random.below(40); lines > 0; --lines) {
        letter.body +=
            std::string(random.below(3), '.') + std::string(random.below(90), 'y') + "\r\n";
      }
      letter.message.size = letter.body.size();
      letters.push_back(std::move(letter));
    }
    SmtpClientConfig config;
    config.use_pipelining = random.below(2) == 0;
    config.tls = random.below(2) == 0 ? ClientTls::may : ClientTls::none;
    SmtpClient client(std::move(config));
    RunOptions options;
    options.read_octets = random.below(3) == 0 ? 1 : 0;
    options.body_octets = random.below(2) == 0 ? 0 : 1 + random.below(50);
    const RunResult result = play(client, server, letters, options);
    EXPECT_FALSE(result.failure);
    ASSERT_EQ(result.results, letters.size());
    std::size_t at = 0;
    for (const Letter& letter : letters) {
      std::vector<std::string> delivered;
      const auto& outcomes = result.outcomes.at(&letter.message);
      for (std::size_t i = 0; i < outcomes.size(); ++i) {
        const std::string rcpt = letter.message.rcpts[i].address.text();
        if (outcomes[i].disposition == Disposition::delivered) {
          delivered.push_back(rcpt);
          EXPECT_EQ(outcomes[i].text, "queued as X");
        } else if (rcpt.starts_with("nobody")) {
          EXPECT_TRUE(outcomes[i].enhanced == "5.1.1" || outcomes[i].too_many);
        } else if (rcpt.starts_with("later")) {
          EXPECT_TRUE(outcomes[i].enhanced == "4.7.1" || outcomes[i].too_many);
        } else {
          EXPECT_TRUE(outcomes[i].too_many) << outcomes[i].text;
        }
      }
      if (delivered.empty()) {
        continue;
      }
      ASSERT_LT(at, server.stored.size());
      EXPECT_EQ(server.stored[at].sender, letter.message.reverse_path.text());
      EXPECT_EQ(server.stored[at].rcpts, delivered) << "seed " << seed;
      EXPECT_EQ(server.stored[at].body, letter.body);
      ++at;
    }
    EXPECT_EQ(at, server.stored.size());
  }
}

TEST(ClientAndServer, LoginThroughTls) {
  net::SaslCredentials login;
  login.user = "user";
  for (const bool right : {true, false}) {
    login.password = base::Secret(std::string_view(right ? "pencil" : "wrong"));
    smtpd::SessionConfig server_side = server_config();
    server_side.kind = smtpd::ListenerKind::submission;
    RealServer server(server_side);
    SmtpClientConfig config;
    config.credentials = &login;
    config.nonce = "abc";
    SmtpClient client(std::move(config));
    const std::vector<Letter> letters = {make_letter("a", 1)};
    const RunResult result = play(client, server, letters);
    EXPECT_TRUE(client.tls());
    EXPECT_EQ(server.stored.size(), right ? 1U : 0U);
    EXPECT_EQ(result.failure.has_value(), !right);
    if (result.failure) {
      EXPECT_EQ(result.failure->code, 535);
      EXPECT_EQ(result.failure->disposition, Disposition::deferred);
    }
  }
}

TEST(ClientAndServer, WhatTheServerRefusesIsSaidOfTheRightMessage) {
  smtpd::SessionConfig small = server_config();
  small.msg_max_size = 300;
  RealServer server(small);
  std::vector<Letter> letters = {make_letter("fits", 1), make_letter("large", 1),
                                 make_letter("smuggle", 1), make_letter("more", 1)};
  letters[1].body += std::string(400, 'x') + "\r\n";
  letters[1].message.size = 0;  // the client does not know, the server finds out
  letters[2].body = "Subject: x\r\n\r\nbare\rCR\r\n";
  SmtpClient client(SmtpClientConfig{});
  const RunResult result = play(client, server, letters);
  EXPECT_EQ(result.outcomes.at(&letters[0].message)[0].code, 250);
  EXPECT_EQ(result.outcomes.at(&letters[1].message)[0].code, 552);
  EXPECT_EQ(result.outcomes.at(&letters[2].message)[0].enhanced, "5.6.0");
  EXPECT_EQ(result.outcomes.at(&letters[3].message)[0].code, 250);
  EXPECT_EQ(server.stored.size(), 2U);
}

}  // namespace
}  // namespace posthouse::deliver
