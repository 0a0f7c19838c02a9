// The relay driver on the simulated network: connections, time-outs, TLS, second transactions, and
// a connection that breaks after any number of octets.
#include "deliver/relay.hpp"

#include <gtest/gtest.h>

#include "net/tls_engine.hpp"
#include "tests/sim/lib/sim_net.hpp"
#include "tests/sim/lib/world.hpp"
#include "tests/unit/deliver/smtp_client_rig.hpp"

namespace posthouse::deliver {
namespace {

const net::Endpoint kThere{*net::IpAddress::parse("192.0.2.25"), 25};
const net::Endpoint kHere{*net::IpAddress::parse("192.0.2.1"), 0};

// Serves one connection with a scripted server, which the test keeps.
net::Task<> serve(std::shared_ptr<sim::SimStream> stream, std::shared_ptr<FakeServer> server,
                  bool handshake) {
  server->connect();
  for (;;) {
    const bool secure_next = !server->commands.empty() && server->commands.back() == "STARTTLS" &&
                             !server->tls && server->out.starts_with("220");
    if (!server->out.empty()) {
      const std::string out = std::exchange(server->out, {});
      const auto written = co_await stream->write(out);
      if (!written) {
        co_return;
      }
    }
    if (server->closed) {
      stream->close();
      co_return;
    }
    if (secure_next) {
      if (!handshake) {
        stream->close();
        co_return;
      }
      auto certificate = std::make_shared<sim::SimTlsServer>();
      const auto secured = co_await stream->start_tls(certificate);
      if (!secured) {
        co_return;
      }
      server->secure();
    }
    const auto data = co_await stream->read();
    if (!data || data->empty()) {
      co_return;
    }
    server->feed(*data);
  }
}

// A greeting that comes one octet a minute.
net::Task<> trickle(std::shared_ptr<sim::SimStream> stream, sim::World* world) {
  for (;;) {
    const base::MonoTime until = world->now() + std::chrono::minutes(1);
    co_await world->timer().sleep_until(until);
    const auto written = co_await stream->write("2");
    if (!written) {
      co_return;
    }
  }
}

class RelayTest : public testing::Test {
 protected:
  explicit RelayTest(std::uint64_t seed = 1) : world(seed), network(world) {
    auto made = net::TlsClient::make(net::TlsClientOptions());
    tls = made.value();
    hop.host = "mx.example.net";
    hop.endpoint = kThere;
    options.helo_name = "us.example.org";
  }

  void listen() {
    network.listen(world.main(), kThere, [this](std::unique_ptr<sim::SimStream> stream) {
      auto server = std::make_shared<FakeServer>();
      prepare(*server, servers.size());
      servers.push_back(server);
      world.spawn(serve(std::move(stream), server, handshake), "server");
    });
  }

  RelayServices services() { return {dialer, world.timer(), world.random(), tls}; }

  std::vector<RelayItem> items(const std::vector<Letter>& letters) {
    std::vector<RelayItem> out;
    for (const Letter& letter : letters) {
      out.push_back(RelayItem{letter.message, std::make_shared<std::string>(letter.body)});
    }
    return out;
  }

  RelayListReport run_list(const std::vector<Letter>& letters) {
    RelayListArgs args(hop, options, services(), items(letters));
    auto report = world.run(relay_list(std::move(args)), std::chrono::hours(24));
    EXPECT_TRUE(report);
    EXPECT_TRUE(world.failures().empty());
    return report ? std::move(*report) : RelayListReport();
  }

  RelayReport run_work(RelayWork& work, RelayControl* control = nullptr) {
    RelayArgs args(hop, options, services(), work, control);
    auto report = world.run(relay(std::move(args)), std::chrono::hours(24));
    EXPECT_TRUE(report);
    return report ? std::move(*report) : RelayReport();
  }

  sim::World world;
  sim::SimNet network;
  sim::SimDialer dialer{world, network, kHere};
  std::shared_ptr<net::TlsClient> tls;
  RelayHop hop;
  RelayOptions options;
  bool handshake = true;
  std::function<void(FakeServer&, std::size_t)> prepare = [](FakeServer&, std::size_t) {};
  std::vector<std::shared_ptr<FakeServer>> servers;
};

TEST_F(RelayTest, SeveralMessagesGoOverOneConnection) {
  prepare = [](FakeServer& server, std::size_t) { server.extensions = {"PIPELINING", "DSN"}; };
  listen();
  const auto report = run_list({make_letter("a", 2), make_letter("b", 1), make_letter("c", 3)});
  ASSERT_EQ(servers.size(), 1U);
  EXPECT_EQ(servers[0]->promised.size(), 3U);
  EXPECT_EQ(report.connection.messages, 3U);
  EXPECT_TRUE(report.connection.connected && report.connection.ready);
  EXPECT_EQ(report.connection.peer_name, "mx.example.net");
  EXPECT_EQ(report.connection.local.address, kHere.address);
  EXPECT_FALSE(report.connection.failure);
  ASSERT_EQ(report.outcomes.size(), 3U);
  for (const auto& outcomes : report.outcomes) {
    for (const RcptOutcome& outcome : outcomes) {
      EXPECT_EQ(outcome.disposition, Disposition::delivered);
      EXPECT_TRUE(outcome.peer_does_dsn);
    }
  }
}

TEST_F(RelayTest, NobodyListens) {
  const auto report = run_list({make_letter("a", 2), make_letter("b", 1)});
  EXPECT_FALSE(report.connection.connected);
  ASSERT_EQ(report.outcomes.at(0).size(), 2U);
  EXPECT_EQ(report.outcomes[1][0].enhanced, "4.4.1");
  EXPECT_EQ(report.outcomes[1][0].phase, Phase::connect);
  EXPECT_FALSE(report.outcomes[1][0].untried);
  EXPECT_FALSE(report.outcomes[1][0].text.empty());
}

TEST_F(RelayTest, AHostThatDoesNotAnswerCostsTheConnectTimeout) {
  network.blackhole(kThere, true);
  const auto before = world.now();
  const auto report = run_list({make_letter("a", 1)});
  EXPECT_EQ(world.now() - before, std::chrono::seconds(30));
  EXPECT_EQ(report.outcomes[0][0].enhanced, "4.4.1");
}

TEST_F(RelayTest, APeerThatSpeaksOneOctetAMinuteIsGivenUpInTime) {
  network.listen(world.main(), kThere, [this](std::unique_ptr<sim::SimStream> stream) {
    std::shared_ptr<sim::SimStream> shared = std::move(stream);
    world.spawn(trickle(shared, &world), "trickle");
  });
  const auto before = world.now();
  const auto report = run_list({make_letter("a", 1)});
  const auto passed = world.now() - before;
  EXPECT_GE(passed, std::chrono::minutes(5));
  EXPECT_LT(passed, std::chrono::minutes(5) + std::chrono::seconds(5));
  EXPECT_EQ(report.outcomes[0][0].phase, Phase::greeting);
  EXPECT_EQ(report.outcomes[0][0].enhanced, "4.4.2");
}

TEST_F(RelayTest, TlsIsUsedWhenOffered) {
  prepare = [](FakeServer& server, std::size_t) { server.extensions = {"STARTTLS"}; };
  listen();
  const auto report = run_list({make_letter("a", 1)});
  EXPECT_TRUE(servers.at(0)->tls);
  EXPECT_TRUE(report.connection.tls);
  EXPECT_EQ(report.outcomes[0][0].disposition, Disposition::delivered);
}

TEST_F(RelayTest, AnOpportunisticHandshakeThatFailsIsFollowedByAConnectionWithout) {
  handshake = false;
  prepare = [](FakeServer& server, std::size_t) { server.extensions = {"STARTTLS"}; };
  listen();
  const auto report = run_list({make_letter("a", 1)});
  EXPECT_EQ(servers.size(), 2U);
  EXPECT_TRUE(report.connection.tls_given_up);
  EXPECT_FALSE(report.connection.failure);
  EXPECT_EQ(report.outcomes[0][0].disposition, Disposition::delivered);

  hop.tls = ClientTls::require;
  const auto required = run_list({make_letter("a", 1)});
  EXPECT_EQ(servers.size(), 3U);
  EXPECT_EQ(required.outcomes[0][0].disposition, Disposition::deferred);
  EXPECT_EQ(required.outcomes[0][0].enhanced, "4.7.5");
}

TEST_F(RelayTest, TooManyRecipientsGoInFurtherTransactions) {
  for (const bool enough : {true, false}) {
    servers.clear();
    prepare = [enough](FakeServer& server, std::size_t) {
      server.extensions = {"PIPELINING"};
      auto taken = std::make_shared<std::size_t>(0);
      server.answer = [taken, enough](const std::string& command) -> std::optional<std::string> {
        if (command == "MAIL" && enough) *taken = 0;
        if (command.starts_with("RCPT TO:<a1@")) return "550 5.1.1 nobody";
        if (command.starts_with("RCPT") && ++*taken > 2) return "452 4.5.3 too many";
        return std::nullopt;
      };
    };
    network.unlisten(kThere);
    listen();
    const auto report = run_list({make_letter("a", 7), make_letter("b", 1)});
    ASSERT_EQ(servers.size(), 1U);
    const auto& outcomes = report.outcomes.at(0);
    ASSERT_EQ(outcomes.size(), 7U);
    EXPECT_EQ(outcomes[1].disposition, Disposition::failed);
    for (const std::size_t i : {0U, 2U, 3U, 4U, 5U, 6U}) {
      const bool taken = enough || i == 0 || i == 2;
      EXPECT_EQ(outcomes[i].disposition, taken ? Disposition::delivered : Disposition::deferred)
          << i;
    }
    EXPECT_EQ(report.connection.messages, 2U);
    if (enough) {
      EXPECT_EQ(servers[0]->promised.size(), 4U);
      for (const auto& stored : servers[0]->promised) {
        EXPECT_LE(stored.rcpts.size(), 2U);
      }
    }
  }
}

// A body in pieces, from somewhere slow; ends early with an error when asked to.
class SlowBody final : public BodySource {
 public:
  SlowBody(std::string text, net::Timer& timer, std::size_t fail_at)
      : text_(std::move(text)), timer_(timer), fail_at_(fail_at) {}
  net::Task<base::Result<std::string_view>> read() override {
    const base::MonoTime until = timer_.clock().mono() + std::chrono::seconds(1);
    co_await timer_.sleep_until(until);
    if (at_ >= fail_at_) {
      co_return base::fail(std::errc::io_error, "read", "the spool");
    }
    const std::string_view piece = std::string_view(text_).substr(at_, 1000);
    at_ += piece.size();
    co_return piece;
  }

 private:
  std::string text_;
  net::Timer& timer_;
  std::size_t fail_at_;
  std::size_t at_ = 0;
};

class Work final : public RelayWork {
 public:
  Work(std::vector<Letter> all, net::Timer& t) : letters(std::move(all)), timer(t) {}
  const ClientMessage* next() override {
    return given < letters.size() ? &letters[given++].message : nullptr;
  }
  std::unique_ptr<BodySource> open_body(const ClientMessage& message) override {
    for (const Letter& letter : letters) {
      if (&letter.message == &message) {
        return std::make_unique<SlowBody>(letter.body, timer, fail_at);
      }
    }
    ADD_FAILURE() << "a body of no message";
    return nullptr;
  }
  void finished(MessageResult result) override {
    EXPECT_TRUE(outcomes.emplace(result.message, std::move(result.rcpts)).second);
    if (on_finished) on_finished();
  }
  net::Task<bool> wait_for_more() override {
    if (late.empty()) {
      co_return false;
    }
    const base::MonoTime until = timer.clock().mono() + std::chrono::minutes(1);
    co_await timer.sleep_until(until);
    letters.push_back(std::move(late.back()));
    late.pop_back();
    co_return true;
  }

  std::vector<Letter> letters;
  std::vector<Letter> late;  // come one a minute
  net::Timer& timer;
  std::size_t fail_at = ~std::size_t{0};
  std::size_t given = 0;
  std::function<void()> on_finished;
  std::map<const ClientMessage*, std::vector<RcptOutcome>> outcomes;
};

TEST_F(RelayTest, BodiesComeInPieces) {
  prepare = [](FakeServer& server, std::size_t) { server.extensions = {"PIPELINING"}; };
  listen();
  std::vector<Letter> letters = {make_letter("a", 1)};
  for (int i = 0; i < 500; ++i) letters[0].body += "line of a long body\r\n";
  letters[0].message.size = letters[0].body.size();
  Work work(letters, world.timer());
  const RelayReport report = run_work(work);
  EXPECT_EQ(servers.at(0)->promised.at(0).body, letters[0].body);
  EXPECT_FALSE(report.failure);

  Work broken(letters, world.timer());
  broken.fail_at = 5000;
  const RelayReport bad = run_work(broken);
  EXPECT_TRUE(servers.at(1)->promised.empty());
  ASSERT_EQ(broken.outcomes.size(), 1U);
  const RcptOutcome& outcome = broken.outcomes.begin()->second[0];
  EXPECT_EQ(outcome.disposition, Disposition::deferred);
  EXPECT_EQ(outcome.enhanced, "4.3.0");
  EXPECT_NE(outcome.text.find("the spool"), std::string::npos);
}

TEST_F(RelayTest, EightBitBodiesAreConvertedForAnOldPeer) {
  listen();
  std::vector<Letter> letters = {make_letter("a", 1), make_letter("b", 1), make_letter("c", 1)};
  letters[0].body = "Subject: x\r\n\r\nein Caf\xe9, bitte\r\n";
  letters[1].body = "Content-Type: multipart/mixed\r\n\r\n\xe9\r\n";
  for (Letter& letter : letters) letter.message.size = letter.body.size();
  letters[0].message.eight_bit = letters[1].message.eight_bit = true;
  Work work(letters, world.timer());
  (void)run_work(work);
  ASSERT_EQ(servers.at(0)->promised.size(), 2U);
  EXPECT_NE(servers[0]->promised[0].body.find("Caf=E9"), std::string::npos);
  EXPECT_EQ(servers[0]->promised[1].body, letters[2].body);
  EXPECT_EQ(work.outcomes.at(&work.letters[1].message)[0].enhanced, "5.6.1");

  options.max_convert = 10;
  const auto report = run_list({letters[0]});
  EXPECT_EQ(report.outcomes[0][0].enhanced, "5.6.1");
}

TEST_F(RelayTest, AnIdleConnectionIsUsedAgain) {
  listen();
  Work work({make_letter("a", 1)}, world.timer());
  work.letters.reserve(10);
  work.late = {make_letter("c", 1), make_letter("b", 1)};
  const RelayReport report = run_work(work);
  EXPECT_EQ(servers.size(), 1U);
  EXPECT_EQ(servers[0]->promised.size(), 3U);
  EXPECT_EQ(report.messages, 3U);
}

TEST_F(RelayTest, StopFinishesWhatWasBegunAndAbortEndsItNow) {
  listen();
  RelayControl stop;
  Work work({make_letter("a", 1), make_letter("b", 1)}, world.timer());
  work.on_finished = [&] { stop.stop(); };
  const RelayReport stopped = run_work(work, &stop);
  EXPECT_EQ(work.given, 1U);
  EXPECT_EQ(work.outcomes.size(), 1U);
  EXPECT_FALSE(stopped.failure);

  RelayControl abort;
  Work other({make_letter("a", 1), make_letter("b", 1)}, world.timer());
  world.after(std::chrono::milliseconds(500), [&] { abort.abort(); });  // the body takes 2 s
  const RelayReport aborted = run_work(other, &abort);
  EXPECT_EQ(other.given, 1U);
  EXPECT_EQ(other.outcomes.size(), 1U);
  EXPECT_TRUE(aborted.failure);
}

// Wherever the connection breaks or stalls: one outcome for each recipient, nothing delivered that
// the server did not promise, and nothing promised that is not delivered or "perhaps".
TEST(RelayFaults, TheConnectionBreaksAfterAnyNumberOfOctets) {
  std::size_t delivered_count = 0;
  std::size_t perhaps_count = 0;
  for (std::uint64_t at = 0; at < 900; at += 7) {
    for (int kind = 0; kind < 4; ++kind) {
      struct Fixture : RelayTest {
        explicit Fixture(std::uint64_t seed) : RelayTest(seed) {}
        void TestBody() override {}
        using RelayTest::listen;
        using RelayTest::network;
        using RelayTest::prepare;
        using RelayTest::run_list;
        using RelayTest::servers;
      };
      Fixture house(at * 4 + static_cast<std::uint64_t>(kind));
      house.prepare = [at](FakeServer& server, std::size_t) {
        if (at % 2 == 0) server.extensions = {"PIPELINING", "SIZE"};
        if (at % 3 == 0) server.extensions.push_back("CHUNKING");
      };
      house.listen();
      sim::LinkFaults faults;
      (kind == 0   ? faults.reset_to_server
       : kind == 1 ? faults.reset_to_client
       : kind == 2 ? faults.stall_to_server
                   : faults.stall_to_client) = at;
      house.network.set_next_faults(faults);
      const auto report =
          house.run_list({make_letter("a", 2), make_letter("b", 1), make_letter("c", 1)});
      std::set<std::string> delivered;
      std::set<std::string> known;
      ASSERT_EQ(report.outcomes.size(), 3U);
      const char* const names[] = {"a", "b", "c"};
      for (std::size_t m = 0; m < 3; ++m) {
        ASSERT_EQ(report.outcomes[m].size(), m == 0 ? 2U : 1U);
        for (std::size_t i = 0; i < report.outcomes[m].size(); ++i) {
          const RcptOutcome& outcome = report.outcomes[m][i];
          const std::string rcpt =
              "RCPT TO:<" + std::string(names[m]) + std::to_string(i) + "@example.net>";
          if (outcome.disposition == Disposition::delivered) {
            delivered.insert(rcpt);
            known.insert(rcpt);
            ++delivered_count;
          } else {
            EXPECT_EQ(outcome.disposition, Disposition::deferred);
            if (outcome.perhaps_delivered) {
              known.insert(rcpt);
              ++perhaps_count;
            }
          }
        }
      }
      std::set<std::string> promised;
      for (const auto& server : house.servers) {
        for (const auto& stored : server->promised) {
          promised.insert(stored.rcpts.begin(), stored.rcpts.end());
        }
      }
      EXPECT_TRUE(
          std::includes(promised.begin(), promised.end(), delivered.begin(), delivered.end()))
          << at << " " << kind;
      EXPECT_TRUE(std::includes(known.begin(), known.end(), promised.begin(), promised.end()))
          << at << " " << kind;
    }
  }
  EXPECT_GT(delivered_count, 100U);
  EXPECT_GT(perhaps_count, 10U);
}

}  // namespace
}  // namespace posthouse::deliver
