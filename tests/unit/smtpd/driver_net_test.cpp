// The driver over the simulated network: segments cut by seed, connections that break or end at
// every octet, readers that are slow or stop, TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "smtpd/driver.hpp"
#include "tests/sim/lib/line_client.hpp"
#include "tests/unit/smtpd/house.hpp"

namespace posthouse::smtpd::testing {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const net::Endpoint kServer{net::IpAddress::v4(0xc0000201), 25};
const net::Endpoint kClient{net::IpAddress::v4(0xc6336401), 40000};

constexpr std::string_view kScript =
    "EHLO client.test\r\n"
    "MAIL FROM:<a@client.test>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n"
    "Subject: x\r\n\r\n..dot\r\nbody\r\n.\r\n"
    "MAIL FROM:<b@client.test>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nhalf\r\n";
constexpr std::size_t kFirstEnd = kScript.find("\r\n.\r\n") + 5;

struct Scene {
  explicit Scene(std::uint64_t seed) : world(seed), net(world), house(world) {
    base::set_log_level(base::LogLevel::error);
    house.config->host_name = "mx.example.com";
    client_process = &world.start_process("client");
    net.listen(world.main(), kServer, [this](std::unique_ptr<sim::SimStream> stream) {
      ConnectionArgs args(std::move(stream), house.config, house.services());
      args.tls = std::make_shared<sim::SimTlsServer>();
      world.spawn(serve(std::move(args)), "session");
    });
  }
  ~Scene() {
    world.shutdown();
    base::set_log_level(base::LogLevel::info);
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // Sends `script`, then says no more, and reads what comes until the server closes.
  net::Task<> talk(std::string script, bool half_close) {
    auto stream = co_await net.connect(kServer, kClient);
    if (!stream) {
      co_return;
    }
    client = std::move(*stream);
    if (pause != base::Duration{0}) {
      client->read_slowly(100, pause);
    }
    world.spawn(*client_process, push(std::move(script), half_close), "client writes");
    for (;;) {
      const auto octets = co_await client->read();
      if (!octets || octets->empty()) {
        co_return;
      }
      received += *octets;
    }
  }
  net::Task<> push(std::string script, bool half_close) {
    const auto written = co_await client->write(script);
    if (written && half_close) {
      client->shutdown_write();
    }
  }
  void run(std::string_view script, bool half_close) {
    world.spawn(*client_process, talk(std::string(script), half_close), "client");
    world.run_for(hours(2));
    EXPECT_THAT(world.failures(), IsEmpty());
    EXPECT_EQ(house.sessions.size(), 0U);
    EXPECT_EQ(house.bodies, 0);
  }

  sim::World world;
  sim::SimNet net;
  House house;
  sim::Process* client_process = nullptr;
  std::unique_ptr<sim::SimStream> client;
  std::string received;
  base::Duration pause{0};
};

TEST(DriverNet, TheSameHoweverTheOctetsCome) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scene scene(seed);
    scene.run(kScript, true);
    ASSERT_THAT(scene.house.stored, SizeIs(1));
    EXPECT_EQ(scene.house.stored[0].body, "Subject: x\r\n\r\n.dot\r\nbody\r\n");
    EXPECT_THAT(scene.received,
                ::testing::EndsWith("250 ENHANCEDSTATUSCODES\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
                                    "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 queued\r\n"
                                    "250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
                                    "354 End data with <CR><LF>.<CR><LF>\r\n"));
  }
}

// The client says no more after octet n: what was complete is stored, once, and nothing else.
TEST(DriverNet, EndOfFileAtEveryOctet) {
  for (std::size_t n = 0; n <= kScript.size(); ++n) {
    SCOPED_TRACE("octet " + std::to_string(n));
    Scene scene(n + 1);
    scene.run(kScript.substr(0, n), true);
    EXPECT_THAT(scene.house.stored, SizeIs(n >= kFirstEnd ? 1 : 0));
  }
}

// The connection breaks when octet n was sent: nothing twice, nothing that was not complete.
TEST(DriverNet, ResetAtEveryOctet) {
  for (std::size_t n = 0; n < kScript.size(); ++n) {
    SCOPED_TRACE("octet " + std::to_string(n));
    Scene scene(n + 1);
    sim::LinkFaults faults;
    faults.reset_to_server = n;
    scene.net.set_next_faults(faults);
    scene.run(kScript, false);
    EXPECT_LE(scene.house.stored.size(), n >= kFirstEnd ? 1U : 0U);
  }
}

// The answers stop arriving or the way back breaks at octet n of what the server says.
TEST(DriverNet, ResetAtEveryOctetOfTheAnswers) {
  for (std::size_t n = 0; n < 400; n += 3) {
    SCOPED_TRACE("octet " + std::to_string(n));
    Scene scene(n + 1);
    sim::LinkFaults faults;
    faults.reset_to_client = n;
    scene.net.set_next_faults(faults);
    scene.run(kScript, false);
    EXPECT_LE(scene.house.stored.size(), 1U);
  }
}

// A client that vanishes without a word holds its session five minutes and no longer.
TEST(DriverNet, SilenceAtEveryOctetEndsByDeadline) {
  for (std::size_t n = 0; n < kScript.size(); n += 7) {
    SCOPED_TRACE("octet " + std::to_string(n));
    Scene scene(n + 1);
    sim::LinkFaults faults;
    faults.stall_to_server = n;
    scene.net.set_next_faults(faults);
    scene.run(kScript, false);
    EXPECT_LE(scene.house.stored.size(), n >= kFirstEnd ? 1U : 0U);
  }
}

TEST(DriverNet, ASlowReaderGetsEveryAnswer) {
  std::string script;
  for (int i = 0; i < 3000; ++i) {
    script += "NOOP\r\n";
  }
  Scene scene(5);
  sim::LinkProfile profile;
  profile.window = 1000;
  scene.net.set_profile(profile);
  scene.pause = milliseconds(50);
  scene.run(script + "QUIT\r\n", false);
  EXPECT_EQ(scene.received.size(), 36 + 3000 * 14 + 15U);
  EXPECT_THAT(scene.received, ::testing::EndsWith("221 2.0.0 Bye\r\n"));
}

// Somebody who never reads cannot hold more than a deadline and the output limit.
TEST(DriverNet, AReaderWhoStopsIsCutOff) {
  std::string script;
  for (int i = 0; i < 3000; ++i) {
    script += "NOOP\r\n";
  }
  Scene scene(6);
  sim::LinkProfile profile;
  profile.window = 1000;
  scene.net.set_profile(profile);
  scene.pause = hours(3);
  scene.run(script, false);
}

net::Task<> tls_client(Scene& scene, std::string* result) {
  auto stream = co_await scene.net.connect(kServer, kClient);
  sim::LineClient client(std::move(*stream));
  (void)co_await client.smtp_reply();
  (void)co_await client.smtp("EHLO client.test");
  (void)co_await client.smtp("STARTTLS");
  const auto secured = co_await client.start_tls();
  if (!secured) {
    co_return;
  }
  (void)co_await client.smtp("EHLO client.test");
  (void)co_await client.smtp("MAIL FROM:<a@client.test>");
  (void)co_await client.smtp("RCPT TO:<alice@example.com>");
  (void)co_await client.smtp("DATA");
  const auto reply = co_await client.smtp("text\r\n.");
  if (reply) {
    *result = *reply;
  }
  (void)co_await client.smtp("QUIT");
}

TEST(DriverNet, MailUnderStarttls) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scene scene(seed);
    scene.house.config->starttls = true;
    std::string result;
    scene.world.spawn(*scene.client_process, tls_client(scene, &result), "client");
    scene.world.run_for(minutes(1));
    EXPECT_EQ(result, "250 2.0.0 queued");
    ASSERT_THAT(scene.house.stored, SizeIs(1));
    EXPECT_THAT(scene.house.stored[0].trace, HasSubstr("ESMTPS"));
    EXPECT_EQ(scene.house.sessions.size(), 0U);
  }
}

// What is put behind STARTTLS in clear is never obeyed: it spoils the handshake or is dropped.
TEST(DriverNet, PlaintextBehindStarttls) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scene scene(seed);
    scene.house.config->starttls = true;
    scene.run("EHLO c\r\nSTARTTLS\r\n" + std::string(kScript), false);
    EXPECT_THAT(scene.house.stored, IsEmpty());
    EXPECT_THAT(scene.received, ::testing::EndsWith("220 2.0.0 Ready to start TLS\r\n"));
  }
}

}  // namespace
}  // namespace posthouse::smtpd::testing
