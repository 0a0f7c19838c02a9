// The simulated network: octets, segments, back-pressure, ends, resets, deadlines, pretended TLS,
// faults, death of a process; and the determinism of all of it.
#include "tests/sim/lib/sim_net.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/sim/lib/line_client.hpp"

namespace posthouse::sim {
namespace {

using namespace std::chrono_literals;

using StreamPtr = std::unique_ptr<SimStream>;

net::Endpoint at(std::uint16_t port) {
  net::Endpoint out;
  out.address = net::IpAddress::v4(0xc0000202);
  out.port = port;
  return out;
}

// Reads to the end; notes the size of each piece and how it ended.
struct Reading {
  std::string text;
  std::vector<std::size_t> pieces;
  std::error_code end;
  bool done = false;
};

net::Task<> read_all(SimStream* stream, Reading* out) {
  while (true) {
    const base::Result<std::string_view> got = co_await stream->read();
    if (!got || got->empty()) {
      if (!got) out->end = got.error().code;
      out->done = true;
      co_return;
    }
    out->text += *got;
    out->pieces.push_back(got->size());
  }
}

struct Writing {
  std::error_code end;
  bool done = false;
};

net::Task<> write_all(SimStream* stream, std::string text, Writing* out, bool close) {
  const base::Result<> result = co_await stream->write(text);
  if (!result) out->end = result.error().code;
  out->done = true;
  if (close) stream->close();
}

std::string sample(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; out.size() < size; ++i) out += fmt::format("line {}\r\n", i);
  out.resize(size);
  return out;
}

TEST(SimNet, OctetsArriveInOrderInPiecesBySeed) {
  std::set<std::vector<std::size_t>> shapes;
  bool single = false;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    World world(seed);
    SimNet net(world);
    auto [client, server] = net.pair(world.main(), world.main());
    Reading reading;
    Writing writing;
    const std::string text = sample(3000);
    world.spawn(read_all(server.get(), &reading), "read");
    world.spawn(write_all(client.get(), text, &writing, true), "write");
    world.run_until_idle();
    EXPECT_EQ(reading.text, text);
    EXPECT_TRUE(reading.done);
    EXPECT_FALSE(reading.end);
    shapes.insert(reading.pieces);
    for (const std::size_t piece : reading.pieces) single = single || piece == 1;
  }
  EXPECT_GT(shapes.size(), 10U);
  EXPECT_TRUE(single) << "pieces of one octet happen";
}

TEST(SimNet, AFullWindowHoldsTheWriterBack) {
  World world(1);
  SimNet net(world);
  LinkProfile profile;
  profile.window = 1000;
  net.set_profile(profile);
  auto [client, server] = net.pair(world.main(), world.main());
  Writing writing;
  Reading reading;
  world.spawn(write_all(client.get(), sample(5000), &writing, true), "write");
  world.run_for(1h);
  EXPECT_FALSE(writing.done);
  server->read_slowly(100, 1s);
  world.spawn(read_all(server.get(), &reading), "read");
  world.run_for(20s);
  EXPECT_FALSE(writing.done) << "the reader takes at most 100 octets a second";
  world.run_until_idle();
  EXPECT_TRUE(writing.done);
  EXPECT_EQ(reading.text, sample(5000));
}

TEST(SimNet, HalfCloseLeavesTheOtherDirectionOpen) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading at_server, at_client;
  Writing writing;
  client->shutdown_write();
  world.spawn(read_all(server.get(), &at_server), "server");
  world.spawn(read_all(client.get(), &at_client), "client");
  world.run_for(1s);
  EXPECT_TRUE(at_server.done);
  EXPECT_FALSE(at_client.done);
  world.spawn(write_all(server.get(), "still here", &writing, true), "write");
  world.run_until_idle();
  EXPECT_EQ(at_client.text, "still here");
  EXPECT_FALSE(writing.end);
}

TEST(SimNet, ResetReachesReaderAndWriter) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading;
  Writing writing;
  world.spawn(read_all(server.get(), &reading), "read");
  world.run_for(1s);
  client->reset();
  world.run_until_idle();
  EXPECT_EQ(reading.end, std::errc::connection_reset);
  world.spawn(write_all(server.get(), "x", &writing, false), "write");
  world.run_until_idle();
  EXPECT_EQ(writing.end, std::errc::connection_reset);
}

TEST(SimNet, WritingToAClosedPeerFailsOnceItIsKnown) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Writing writing;
  server.reset();
  world.run_for(1s);
  world.spawn(write_all(client.get(), "x", &writing, false), "write");
  world.run_until_idle();
  EXPECT_EQ(writing.end, std::errc::connection_reset);
}

TEST(SimNet, CloseEndsThePendingReadOfAnotherCoroutine) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading;
  world.spawn(read_all(server.get(), &reading), "read");
  world.run_for(1s);
  server->close();
  server->close();
  world.run_until_idle();
  EXPECT_EQ(reading.end, std::errc::operation_canceled);
}

TEST(SimNet, DestroyingAStreamEndsItsPendingRead) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading, at_client;
  world.spawn(read_all(server.get(), &reading), "read");
  world.spawn(read_all(client.get(), &at_client), "client");
  world.run_for(1s);
  client.reset();  // at_client's coroutine reads once and returns
  world.run_until_idle();
  EXPECT_EQ(at_client.end, std::errc::operation_canceled);
  EXPECT_TRUE(reading.done);
  EXPECT_FALSE(reading.end);
}

TEST(SimNet, DeadlinesInVirtualTime) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading, at_client;
  const base::MonoTime start = world.now();
  server->set_deadline(start + 5min);
  server->set_deadline(start + 1min);
  server->set_deadline(start + 10min);  // moved away again
  world.spawn(read_all(server.get(), &reading), "read");
  world.spawn(read_all(client.get(), &at_client), "client");
  world.run_until(start + 10min - 1us);
  EXPECT_FALSE(reading.done);
  world.run_until(start + 10min);
  EXPECT_TRUE(reading.done);
  EXPECT_EQ(reading.end, std::errc::timed_out);
  EXPECT_TRUE(server->closed());
  world.run_until_idle();
  EXPECT_TRUE(at_client.done);
  EXPECT_FALSE(at_client.end) << "the peer reads end of file";
  Writing writing;
  world.spawn(write_all(server.get(), "x", &writing, false), "write");
  world.run_until_idle();
  EXPECT_EQ(writing.end, std::errc::timed_out) << "later operations fail the same way";
}

net::Task<> serve_tls(SimStream* stream, Reading* reading, std::error_code* result) {
  auto store = std::make_shared<SimTlsServer>();
  const base::Result<net::TlsInfo> info = co_await stream->start_tls(store);
  if (!info) {
    *result = info.error().code;
    stream->close();
    co_return;
  }
  co_await read_all(stream, reading);
}

net::Task<> talk_tls(SimStream* stream, std::string text, net::TlsInfo* out) {
  const base::Result<net::TlsInfo> info = co_await stream->start_tls_client();
  if (!info) co_return;
  *out = *info;
  const base::Result<> sent = co_await stream->write(text);
  if (sent) stream->close();
}

TEST(SimNet, TlsCarriesOctetsWhenBothWantIt) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    World world(seed);
    SimNet net(world);
    auto [client, server] = net.pair(world.main(), world.main());
    Reading reading;
    std::error_code failed;
    net::TlsInfo info;
    world.spawn(serve_tls(server.get(), &reading, &failed), "server");
    world.spawn(talk_tls(client.get(), sample(40'000), &info), "client");
    world.run_until_idle();
    EXPECT_FALSE(failed);
    EXPECT_FALSE(reading.end);
    EXPECT_EQ(reading.text, sample(40'000));
    EXPECT_EQ(info.version, "TLSv1.3");
  }
}

TEST(SimNet, PlaintextWhereTlsIsExpectedFails) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading, at_client;
  Writing writing;
  std::error_code failed;
  world.spawn(serve_tls(server.get(), &reading, &failed), "server");
  world.spawn(write_all(client.get(), "EHLO there\r\n", &writing, false), "client");
  world.run_until_idle();
  EXPECT_EQ(failed, std::errc::protocol_error);
}

TEST(SimNet, TlsWherePlaintextIsExpectedIsGarbage) {
  World world(1);
  SimNet net(world);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading;
  net::TlsInfo info;
  world.spawn(read_all(server.get(), &reading), "server");
  world.spawn(talk_tls(client.get(), "EHLO there\r\n", &info), "client");
  world.run_for(1min);
  EXPECT_EQ(reading.text.find("EHLO"), std::string::npos);
  EXPECT_EQ(reading.text.substr(0, 2), "\x16\x03");
  EXPECT_TRUE(info.version.empty());
}

net::Task<> dial(SimNet* net, net::Endpoint to, std::error_code* result, StreamPtr* out) {
  net::Endpoint from;
  from.address = net::IpAddress::v4(0xc0000201);
  base::Result<StreamPtr> stream = co_await net->connect(to, from, 30s);
  if (stream) {
    *out = std::move(*stream);
  } else {
    *result = stream.error().code;
  }
}

TEST(SimNet, ConnectingAcceptedRefusedAndLost) {
  World world(1);
  SimNet net(world);
  Process& server = world.start_process("server");
  StreamPtr accepted, connected;
  std::error_code failed;
  net.listen(server, at(25), [&](StreamPtr stream) { accepted = std::move(stream); });
  world.spawn(dial(&net, at(25), &failed, &connected), "dial");
  world.run_until_idle();
  ASSERT_TRUE(accepted && connected);
  EXPECT_EQ(accepted->local(), at(25));
  EXPECT_EQ(accepted->peer(), connected->local());
  EXPECT_NE(connected->local().port, 0);
  EXPECT_EQ(net.open_connections(), 1U);

  world.spawn(dial(&net, at(26), &failed, &connected), "nobody listens");
  world.run_until_idle();
  EXPECT_EQ(failed, std::errc::connection_refused);
  failed.clear();
  net.refuse(at(25), true);
  world.spawn(dial(&net, at(25), &failed, &connected), "refused");
  world.run_until_idle();
  EXPECT_EQ(failed, std::errc::connection_refused);
  net.refuse(at(25), false);
  failed.clear();
  net.blackhole(at(25), true);
  const base::MonoTime before = world.now();
  world.spawn(dial(&net, at(25), &failed, &connected), "lost");
  world.run_until_idle();
  EXPECT_EQ(failed, std::errc::timed_out);
  EXPECT_EQ(world.now() - before, 30s);
  net.blackhole(at(25), false);
  failed.clear();
  world.kill(server);
  world.spawn(dial(&net, at(25), &failed, &connected), "dead server");
  world.run_until_idle();
  EXPECT_EQ(failed, std::errc::connection_refused);
}

TEST(SimNet, CutAfterSoManyOctets) {
  World world(1);
  SimNet net(world);
  LinkFaults faults;
  faults.reset_to_server = 100;
  net.set_next_faults(faults);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading;
  Writing writing;
  world.spawn(read_all(server.get(), &reading), "read");
  world.spawn(write_all(client.get(), sample(5000), &writing, false), "write");
  world.run_until_idle();
  EXPECT_EQ(reading.text, sample(100));
  EXPECT_EQ(reading.end, std::errc::connection_reset);
}

TEST(SimNet, StallLetsOnlyTheDeadlineHelp) {
  World world(1);
  SimNet net(world);
  LinkFaults faults;
  faults.stall_to_server = 100;
  net.set_next_faults(faults);
  auto [client, server] = net.pair(world.main(), world.main());
  Reading reading;
  Writing writing;
  server->set_deadline(world.now() + 5min);
  world.spawn(read_all(server.get(), &reading), "read");
  world.spawn(write_all(client.get(), sample(500), &writing, true), "write");
  world.run_until_idle();
  EXPECT_EQ(reading.text, sample(100));
  EXPECT_EQ(reading.end, std::errc::timed_out);
}

net::Task<> echo(StreamPtr stream) {
  LineClient lines(std::move(stream));
  while (true) {
    const base::Result<std::string> line = co_await lines.line();
    if (!line) co_return;
    std::string reply = *line + "\r\n";
    const base::Result<> sent = co_await lines.send(std::move(reply));
    if (!sent) co_return;
  }
}

net::Task<> ask(World* world, SimNet* net, int lines, std::vector<std::string>* out) {
  net::Endpoint from;
  base::Result<StreamPtr> stream = co_await net->connect(at(7), from);
  if (!stream) co_return;
  LineClient client(std::move(*stream));
  for (int i = 0; i < lines; ++i) {
    std::string text = fmt::format("line {}", i);
    const base::Result<std::string> reply = co_await client.pop3(text);
    if (!reply) {
      out->push_back(reply.error().code.message());
      co_return;
    }
    out->push_back(*reply);
    co_await world->timer().sleep_until(world->now() + 1s);
  }
}

TEST(SimNet, PowerCutIsSilentThenAReset) {
  World world(5);
  SimNet net(world);
  Process& server = world.start_process("server");
  net.listen(server, at(7),
             [&](StreamPtr stream) { world.spawn(server, echo(std::move(stream)), "echo"); });
  std::vector<std::string> lines;
  world.spawn(ask(&world, &net, 1000, &lines), "client");
  world.run_for(10s);
  ASSERT_GT(lines.size(), 5U);
  const base::MonoTime before = world.now();
  world.kill(server, Death::power_cut);
  world.run_until_idle();
  EXPECT_EQ(lines.back(), std::make_error_code(std::errc::connection_reset).message());
  EXPECT_GE(world.now() - before, 1s);
}

std::pair<std::uint64_t, std::vector<std::string>> play(std::uint64_t seed) {
  World world(seed);
  SimNet net(world);
  net.listen(world.main(), at(7),
             [&](StreamPtr stream) { world.spawn(echo(std::move(stream)), "echo"); });
  std::vector<std::string> lines;
  for (int i = 0; i < 20; ++i) world.spawn(ask(&world, &net, 5, &lines), "client");
  world.run_until_idle();
  EXPECT_EQ(lines.size(), 100U);
  EXPECT_TRUE(world.failures().empty());
  return {world.hash(), lines};
}

TEST(SimNet, SameSeedSameHashAnotherSeedAnotherHash) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto first = play(seed);
    EXPECT_EQ(first, play(seed));
    EXPECT_NE(first.first, play(seed + 100).first);
  }
}

TEST(SimNet, DestroyedInTheMiddleOfEverything) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    SimNet net(world);
    net.listen(world.main(), at(7),
               [&](StreamPtr stream) { world.spawn(echo(std::move(stream)), "echo"); });
    std::vector<std::string> lines;
    for (int i = 0; i < 20; ++i) world.spawn(ask(&world, &net, 50, &lines), "client");
    world.run_for(base::Duration(seed * 7777));
  }
}

}  // namespace
}  // namespace posthouse::sim
