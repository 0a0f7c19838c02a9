// The POP3 driver over the simulated network, in virtual time, with a maildrop in memory: whole
// sessions, TLS, delays, time-outs, and a connection that breaks at every octet.
#include "pop3d/driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "tests/sim/lib/line_client.hpp"
#include "tests/sim/lib/sim_net.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::pop3d {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One user "bob", password "secret"; every operation takes a little virtual time.
struct House final : Maildrops {
  explicit House(sim::World& w) : world(w) {}

  struct Drop final : Maildrop {
    explicit Drop(House& h) : house(h) {}
    ~Drop() override { house.locked = false; }
    [[nodiscard]] const std::vector<Listing>& messages() const override { return house.listing; }

    net::Task<DropStatus> read(std::size_t index, std::uint64_t offset, std::size_t limit,
                               std::string* out, bool* done) override {
      ++house.reads;
      co_await house.pause();
      const std::string& wire = house.wires[index];
      *out += wire.substr(offset, limit);
      *done = offset + limit >= wire.size();
      co_return DropStatus::ok;
    }
    net::Task<DropStatus> remove(std::vector<std::size_t> indexes) override {
      co_await house.pause();
      house.removed = std::move(indexes);
      co_return house.remove_status;
    }
    House& house;
  };

  net::Task<LoginOutcome> login(std::string user, base::Secret password,
                                std::unique_ptr<Maildrop>* drop) override {
    ++logins;
    co_await pause();
    if (user != "bob" || password.view() != "secret") co_return LoginOutcome::refused;
    if (locked) co_return LoginOutcome::in_use;
    locked = true;
    *drop = std::make_unique<Drop>(*this);
    co_return LoginOutcome::ok;
  }

  net::Task<> pause() {
    const base::MonoTime until = world.now() + milliseconds(3);
    co_await world.timer().sleep_until(until);
  }
  void add(std::string wire) {
    listing.push_back({wire.size(), "uid-" + std::to_string(listing.size() + 1)});
    wires.push_back(std::move(wire));
  }

  sim::World& world;
  std::vector<Listing> listing;
  std::vector<std::string> wires;
  std::vector<std::size_t> removed;
  DropStatus remove_status = DropStatus::ok;
  bool locked = false;
  int logins = 0;
  int reads = 0;
};

const net::Endpoint kServer{net::IpAddress::v4(0xc0000201), 110};
const net::Endpoint kLoopback{net::IpAddress::v4(0x7f000001), 110};
const net::Endpoint kClient{net::IpAddress::v4(0xc6336401), 40000};
const net::Endpoint kLocalClient{net::IpAddress::v4(0x7f000001), 40000};

// Passes everything on and notes whether the maildrop was locked when goodbye was written.
struct SpyStream final : net::Stream {
  SpyStream(std::unique_ptr<sim::SimStream> s, House& h, std::vector<bool>& n)
      : stream(std::move(s)), house(h), notes(n) {}
  net::Task<base::Result<std::string_view>> read() override { return stream->read(); }
  net::Task<base::Result<>> write(std::string_view data) override {
    if (data.find("+OK Goodbye") != std::string_view::npos) notes.push_back(house.locked);
    return stream->write(data);
  }
  net::Task<base::Result<net::TlsInfo>> start_tls(std::shared_ptr<net::TlsServer> s) override {
    return stream->start_tls(std::move(s));
  }
  void set_deadline(base::MonoTime when) override { stream->set_deadline(when); }
  void close() override { stream->close(); }
  [[nodiscard]] const net::Endpoint& peer() const override { return stream->peer(); }
  [[nodiscard]] const net::Endpoint& local() const override { return stream->local(); }

  std::unique_ptr<sim::SimStream> stream;
  House& house;
  std::vector<bool>& notes;
};

// Server and client in one world.
struct Scene {
  explicit Scene(std::uint64_t seed = 1) : world(seed), net(world), house(world) {
    house.add("Subject: one\r\n\r\nline\r\n.dot\r\n");
    house.add("Subject: two\r\n\r\n" + std::string(100000, 'x') + "\r\nend\r\n");
    base::set_log_level(base::LogLevel::error);  // thousands of sessions would fill the output
    client_process = &world.start_process("client");
    listen(kServer, false);
    listen(kLoopback, false);
  }
  ~Scene() { world.shutdown(); }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  void listen(const net::Endpoint& at, bool implicit) {
    net.listen(world.main(), at, [this, implicit](std::unique_ptr<sim::SimStream> stream) {
      ConnectionArgs args;
      args.stream = std::make_shared<SpyStream>(std::move(stream), house, locked_at_goodbye);
      args.tls = tls;
      args.maildrops = &house;
      args.timer = &world.timer();
      args.implicit_tls = implicit;
      args.id = "c1";
      last_stream = args.stream;
      world.spawn(supervise(std::move(args)), "pop3 session");
    });
  }
  net::Task<> supervise(ConnectionArgs args) {
    co_await serve(std::move(args));
    ++ended;
    ended_at = world.now();
  }

  // Runs `script` (all it sends) and collects the replies until the server closes.
  net::Task<> exchange(net::Endpoint from, net::Endpoint to, std::string script) {
    auto stream = co_await net.connect(to, from);
    if (!stream) co_return;
    client = std::move(*stream);
    (void)co_await client->write(script);
    for (;;) {
      const auto octets = co_await client->read();
      if (!octets) {
        client_failed = true;
        co_return;
      }
      if (octets->empty()) co_return;
      received += *octets;
    }
  }
  void converse(const net::Endpoint& from, const net::Endpoint& to, std::string script) {
    world.spawn(*client_process, exchange(from, to, std::move(script)), "client");
    EXPECT_TRUE(world.run_until_true([this] { return ended > 0; }, std::chrono::hours(2)));
    world.run_for(minutes(3));
    EXPECT_THAT(world.failures(), testing::IsEmpty());
  }

  sim::World world;
  sim::SimNet net;
  House house;
  sim::Process* client_process = nullptr;
  std::shared_ptr<net::TlsServer> tls = std::make_shared<sim::SimTlsServer>();
  std::unique_ptr<sim::SimStream> client;
  std::weak_ptr<net::Stream> last_stream;
  std::string received;
  bool client_failed = false;
  int ended = 0;
  base::MonoTime ended_at{};
  std::vector<bool> locked_at_goodbye;
};

class PopDriver : public testing::Test, public Scene {};

TEST_F(PopDriver, WholeSession) {
  converse(kLocalClient, kLoopback,
           "USER bob\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n");
  const std::string expected =
      "+OK Posthouse POP3 server ready\r\n+OK Send your password\r\n+OK Logged in\r\n"
      "+OK 2 100051\r\n+OK 28 octets\r\nSubject: one\r\n\r\nline\r\n..dot\r\n.\r\n"
      "+OK 100023 octets\r\nSubject: two\r\n\r\n" +
      std::string(100000, 'x') +
      "\r\nend\r\n.\r\n+OK Message is marked\r\n"
      "+OK Goodbye, marked messages are removed\r\n";
  EXPECT_TRUE(received == expected) << received.substr(0, 300);
  EXPECT_EQ(house.removed, std::vector<std::size_t>{0});
  EXPECT_FALSE(house.locked);
  client.reset();
  world.run_for(minutes(1));
  EXPECT_EQ(net.open_connections(), 0U);
  EXPECT_TRUE(last_stream.expired());
}

TEST_F(PopDriver, PasswordsFromAfarNeedTls) {
  converse(kClient, kServer, "USER bob\r\nPASS secret\r\nQUIT\r\n");
  EXPECT_EQ(house.logins, 0);
  EXPECT_THAT(received, HasSubstr("\r\n-ERR [SYS/PERM] Passwords"));
}

net::Task<> stls_session(sim::SimNet& net, std::string injected, std::string* log) {
  auto stream = co_await net.connect(kServer, kClient);
  PH_ASSERT(stream.has_value(), "no connection");
  sim::LineClient client(std::move(*stream));
  *log += (co_await client.line()).value_or("?") + '|';
  std::string command = "STLS\r\n" + injected;
  (void)co_await client.send(std::move(command));
  *log += (co_await client.line()).value_or("?") + '|';
  const auto info = co_await client.start_tls();
  *log += info ? "tls|" : "no tls|";
  for (const char* line : {"USER bob", "PASS secret", "STAT", "QUIT"}) {
    std::string text = line;
    *log += (co_await client.pop3(std::move(text))).value_or("?") + '|';
  }
}

constexpr char kStlsDialogue[] =
    "+OK Posthouse POP3 server ready|+OK Begin TLS negotiation|tls|"
    "+OK Send your password|+OK Logged in|+OK 2 100051|+OK Goodbye|";

TEST_F(PopDriver, Stls) {
  std::string log;
  world.spawn(*client_process, stls_session(net, "", &log), "client");
  world.run_for(minutes(1));
  EXPECT_EQ(log, kStlsDialogue);
}

// Injected octets are dropped when they arrive with the STLS line, and break the handshake when
// they come later; they are never obeyed.
TEST(PopDriverSeeds, CommandsInjectedBeforeTlsAreNeverObeyed) {
  int dropped = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scene scene(seed);
    std::string log;
    scene.world.spawn(*scene.client_process,
                      stls_session(scene.net, "USER mallory\r\nPASS x\r\n", &log), "client");
    scene.world.run_for(minutes(15));
    const bool shook_hands = log.find("|tls|") != std::string::npos;
    dropped += shook_hands ? 1 : 0;
    EXPECT_EQ(scene.house.logins, shook_hands ? 1 : 0);
    EXPECT_TRUE(!shook_hands || log == kStlsDialogue) << log;
    EXPECT_EQ(scene.ended, 1);
  }
  EXPECT_GT(dropped, 0);
}

net::Task<> tls_session(sim::SimNet& net, std::string* log) {
  net::Endpoint at = kServer;
  at.port = 995;
  auto stream = co_await net.connect(at, kClient);
  PH_ASSERT(stream.has_value(), "no connection");
  sim::LineClient client(std::move(*stream));
  const auto info = co_await client.start_tls();
  *log += info ? "tls|" : "no tls|";
  *log += (co_await client.line()).value_or("?") + '|';
  for (const char* line : {"STLS", "USER bob", "PASS secret", "QUIT"}) {
    std::string text = line;
    *log += (co_await client.pop3(std::move(text))).value_or("?") + '|';
  }
}

TEST_F(PopDriver, ImplicitTls) {
  net::Endpoint at = kServer;
  at.port = 995;
  listen(at, true);
  std::string log;
  world.spawn(*client_process, tls_session(net, &log), "client");
  world.run_for(minutes(1));
  EXPECT_EQ(log,
            "tls|+OK Posthouse POP3 server ready|-ERR TLS is already active|"
            "+OK Send your password|+OK Logged in|+OK Goodbye|");
}

TEST_F(PopDriver, PlaintextOnTheTlsPortEnds) {
  net::Endpoint at = kServer;
  at.port = 995;
  listen(at, true);
  converse(kClient, at, "USER bob\r\nPASS secret\r\n");
  EXPECT_EQ(house.logins, 0);
  EXPECT_THAT(received, Not(HasSubstr("+OK")));
}

TEST_F(PopDriver, ASilentHandshakeEndsAfterAMinute) {
  net::Endpoint at = kServer;
  at.port = 995;
  listen(at, true);
  const base::MonoTime begin = world.now();
  converse(kClient, at, "");
  EXPECT_GE(ended_at - begin, kHandshakeTimeout);
  EXPECT_LE(ended_at - begin, kHandshakeTimeout + seconds(2));
}

TEST_F(PopDriver, WrongPasswordsWaitLongerAndLonger) {
  std::string script;
  for (int i = 0; i < 5; ++i) script += "USER bob\r\nPASS wrong\r\n";
  const base::MonoTime begin = world.now();
  converse(kLocalClient, kLoopback, script + "USER bob\r\nPASS secret\r\nSTAT\r\n");
  EXPECT_EQ(house.logins, 5);
  EXPECT_GE(ended_at - begin, seconds(1 + 2 + 4 + 8 + 15));
  EXPECT_LE(ended_at - begin, seconds(1 + 2 + 4 + 8 + 15 + 1));
  EXPECT_THAT(received, HasSubstr("-ERR [AUTH] Authentication failed too often, closing\r\n"));
}

TEST_F(PopDriver, TheLockIsFreeWhenQuitIsAnswered) {
  converse(kLocalClient, kLoopback, "USER bob\r\nPASS secret\r\nDELE 2\r\nQUIT\r\n");
  EXPECT_EQ(house.removed, std::vector<std::size_t>{1});
  ASSERT_EQ(locked_at_goodbye.size(), 1U);
  EXPECT_FALSE(locked_at_goodbye[0]);
}

TEST_F(PopDriver, ASecondSessionIsToldInUse) {
  house.locked = true;
  converse(kLocalClient, kLoopback, "USER bob\r\nPASS secret\r\nQUIT\r\n");
  EXPECT_THAT(received, HasSubstr("\r\n-ERR [IN-USE] "));
  EXPECT_TRUE(house.locked) << "the other session's lock was taken away";
}

TEST_F(PopDriver, IdleSessionsEndAfterTenMinutes) {
  const base::MonoTime begin = world.now();
  converse(kLocalClient, kLoopback, "USER bob\r\nPASS secret\r\nDELE 1\r\n");
  EXPECT_GE(ended_at - begin, kIdleTimeout);
  EXPECT_LE(ended_at - begin, kIdleTimeout + seconds(15));
  EXPECT_FALSE(house.locked);
  EXPECT_TRUE(house.removed.empty());
}

net::Task<> trickle(sim::World& world, sim::SimNet& net, std::string piece) {
  auto stream = co_await net.connect(kLoopback, kLocalClient);
  PH_ASSERT(stream.has_value(), "no connection");
  (void)co_await (*stream)->write("USER bob\r\nPASS secret\r\n");
  for (int i = 0; i < 30; ++i) {
    const base::MonoTime next = world.now() + minutes(1);
    co_await world.timer().sleep_until(next);
    const auto written = co_await (*stream)->write(piece);
    if (!written) co_return;
  }
}

TEST_F(PopDriver, SingleOctetsDoNotKeepASessionAlive) {
  const base::MonoTime begin = world.now();
  world.spawn(trickle(world, net, "x"), "client");
  ASSERT_TRUE(world.run_until_true([this] { return ended > 0; }, minutes(60)));
  EXPECT_LE(ended_at - begin, kIdleTimeout + seconds(15));
}

TEST_F(PopDriver, CommandsDoKeepASessionAlive) {
  const base::MonoTime begin = world.now();
  world.spawn(trickle(world, net, "NOOP\r\n"), "client");
  ASSERT_TRUE(world.run_until_true([this] { return ended > 0; }, minutes(60)));
  EXPECT_GE(ended_at - begin, minutes(30));
}

TEST_F(PopDriver, ClosingTheStreamEndsTheSessionAndRemovesNothing) {
  world.spawn(*client_process,
              exchange(kLocalClient, kLoopback, "USER bob\r\nPASS secret\r\nDELE 1\r\n"), "client");
  world.run_for(seconds(10));
  EXPECT_TRUE(house.locked);
  last_stream.lock()->close();
  world.run_for(seconds(10));
  EXPECT_EQ(ended, 1);
  EXPECT_FALSE(house.locked);
  EXPECT_TRUE(house.removed.empty());
}

// A connection that breaks or falls silent at every octet, in each direction: the session ends, the
// lock is gone, and messages are removed only when the whole QUIT line arrived.
class PopDriverBreaks : public testing::TestWithParam<int> {};

const std::string kScript = "USER bob\r\nPASS secret\r\nUIDL\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";

void run_broken(Scene& scene, const sim::LinkFaults& faults) {
  scene.net.set_next_faults(faults);
  scene.converse(kLocalClient, kLoopback, kScript);
  EXPECT_FALSE(scene.house.locked);
  EXPECT_TRUE(scene.last_stream.expired());
}

TEST_P(PopDriverBreaks, OnTheWayToTheServer) {
  for (std::uint64_t at = 0; at < kScript.size(); ++at) {
    SCOPED_TRACE("octet " + std::to_string(at));
    sim::LinkFaults faults;
    (GetParam() == 0 ? faults.reset_to_server : faults.stall_to_server) = at;
    Scene scene(at + 1);
    run_broken(scene, faults);
    EXPECT_TRUE(scene.house.removed.empty());
    EXPECT_THAT(scene.received, Not(HasSubstr("marked messages are removed")));
  }
}

TEST_P(PopDriverBreaks, OnTheWayToTheClient) {
  for (std::uint64_t at = 0; at < 260; ++at) {
    SCOPED_TRACE("octet " + std::to_string(at));
    sim::LinkFaults faults;
    (GetParam() == 0 ? faults.reset_to_client : faults.stall_to_client) = at;
    Scene scene(at + 1);
    run_broken(scene, faults);
    const std::vector<std::size_t>& removed = scene.house.removed;
    EXPECT_TRUE(removed.empty() || removed == std::vector<std::size_t>{0});
    if (scene.received.find("marked messages are removed") != std::string::npos) {
      EXPECT_FALSE(removed.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ResetAndStall, PopDriverBreaks, testing::Values(0, 1),
                         [](const auto& p) { return p.param == 0 ? "Reset" : "Stall"; });

TEST(PopDriverSeeds, TheSameSeedGivesTheSameEvents) {
  std::uint64_t hashes[2];
  for (std::uint64_t& hash : hashes) {
    Scene scene(42);
    run_broken(scene, sim::LinkFaults());
    hash = scene.world.hash();
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

}  // namespace
}  // namespace posthouse::pop3d
