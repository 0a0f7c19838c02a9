// Connecting over loopback: the stream, its source address, refusals, the deadline, client TLS.
#include "net/asio_dialer.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/assert.hpp"
#include "net/tls_server.hpp"
#include "support.hpp"
#include "tests/sim/lib/sim_net.hpp"

namespace posthouse::net {
namespace {

using namespace std::chrono_literals;
using DialResult = base::Result<std::unique_ptr<Stream>>;

base::MonoTime soon(base::Duration span = 60s) { return base::system_clock().mono() + span; }

Endpoint loopback(std::uint16_t port) {
  Endpoint out;
  out.address = IpAddress::v4(0x7f000001);
  out.port = port;
  return out;
}

// A listening socket; nullopt when the machine has no such address.
UniqueFd listen_on(Endpoint at, int backlog = 16) {
  SocketAddress address;
  const socklen_t length = to_socket_address(at, address);
  UniqueFd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(fd.get(), &address.any, length) != 0 || ::listen(fd.get(), backlog) != 0) {
    return {};
  }
  return fd;
}

UniqueFd accept_one(const UniqueFd& listener, Endpoint* peer = nullptr) {
  SocketAddress address;
  socklen_t length = sizeof address;
  UniqueFd fd(::accept4(listener.get(), &address.any, &length, SOCK_CLOEXEC));
  if (peer != nullptr) {
    *peer = from_socket_address(address);
  }
  return fd;
}

// Says hello and hears a line; closes.
Task<std::string> hello(std::unique_ptr<Stream> stream, base::MonoTime deadline = soon()) {
  stream->set_deadline(deadline);
  const auto written = co_await stream->write("hello\r\n");
  if (!written) {
    co_return written.error().message();
  }
  std::string line;
  while (!line.ends_with('\n')) {
    const auto got = co_await stream->read();
    if (!got || got->empty()) {
      co_return got ? "end of file" : got.error().message();
    }
    line += *got;
  }
  co_return line;
}

struct DialerTest : testing::Test {
  DialerTest() { shards.run(); }
  ~DialerTest() override { shards.stop(); }
  DialResult dial(Endpoint to, base::MonoTime deadline, const DialerOptions& options = {}) {
    AsioDialer dialer(options);
    return test::run_task(shards, 0, dialer.dial(to, deadline));
  }
  Shards shards{1};
};

TEST_F(DialerTest, ConnectsAndTalks) {
  const UniqueFd listener = listen_on(loopback(0));
  const Endpoint at = local_endpoint(listener.get());
  DialResult stream = dial(at, soon());
  ASSERT_TRUE(stream) << stream.error().message();
  Endpoint peer;
  const UniqueFd server = accept_one(listener, &peer);
  EXPECT_EQ((*stream)->peer(), at);
  EXPECT_EQ((*stream)->local(), peer);
  test::send_all(server.get(), "220 hi\r\n");
  EXPECT_EQ(test::run_task(shards, 0, hello(std::move(*stream))), "220 hi\r\n");
  EXPECT_EQ(test::receive_all(server.get()), "hello\r\n");
}

TEST_F(DialerTest, ConnectsByIpv6) {
  Endpoint at;
  at.address = IpAddress::parse("::1").value();
  const UniqueFd listener = listen_on(at);
  if (!listener) {
    GTEST_SKIP() << "no IPv6 here";
  }
  DialResult stream = dial(local_endpoint(listener.get()), soon());
  EXPECT_TRUE(stream) << stream.error().message();
}

TEST_F(DialerTest, TheSourceAddressIsOurChoice) {
  const UniqueFd listener = listen_on(loopback(0));
  DialerOptions options;
  options.source_v4 = IpAddress::parse("127.0.0.2");
  DialResult stream = dial(local_endpoint(listener.get()), soon(), options);
  ASSERT_TRUE(stream) << stream.error().message();
  Endpoint peer;
  const UniqueFd server = accept_one(listener, &peer);
  EXPECT_EQ(peer.address.text(), "127.0.0.2");
  EXPECT_EQ((*stream)->local(), peer);
}

TEST_F(DialerTest, ASourceThatIsNotOursSaysSo) {
  const UniqueFd listener = listen_on(loopback(0));
  const Endpoint at = local_endpoint(listener.get());
  DialerOptions options;
  options.source_v4 = IpAddress::parse("192.0.2.99");
  const DialResult stream = dial(at, soon(), options);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, std::errc::address_not_available);
  EXPECT_EQ(stream.error().detail, "from 192.0.2.99 to " + at.text());
}

TEST_F(DialerTest, ARefusalHasItsReason) {
  Endpoint at;
  {
    const UniqueFd listener = listen_on(loopback(0));
    at = local_endpoint(listener.get());
  }
  const DialResult stream = dial(at, soon());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, std::errc::connection_refused);
  EXPECT_EQ(stream.error().message(), "connect " + at.text() + ": Connection refused");
}

TEST_F(DialerTest, TheDeadlineEndsAConnectThatNobodyAnswers) {
  const UniqueFd listener = listen_on(loopback(0), 0);
  const Endpoint at = local_endpoint(listener.get());
  // The kernel takes one or two connections that nobody accepts, and ignores the next.
  std::vector<std::unique_ptr<Stream>> taken;
  for (int i = 0; i < 20; ++i) {
    DialResult stream = dial(at, soon(200ms));
    if (!stream) {
      EXPECT_EQ(stream.error().code, std::errc::timed_out);
      EXPECT_EQ(stream.error().detail, at.text());
      return;
    }
    taken.push_back(std::move(*stream));
  }
  FAIL() << "the kernel accepted them all";
}

TEST_F(DialerTest, ADeadlineInThePastConnectsToNobody) {
  const UniqueFd listener = listen_on(loopback(0));
  const DialResult stream = dial(local_endpoint(listener.get()), soon(-1s));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, std::errc::timed_out);
}

Task<> dial_forever(AsioDialer* dialer, Endpoint to, std::atomic<int>* failed) {
  std::vector<std::unique_ptr<Stream>> taken;
  while (true) {
    ++*failed;
    auto stream = co_await dialer->dial(to, base::MonoTime::max());
    if (!stream) {
      co_return;
    }
    taken.push_back(std::move(*stream));
  }
}

TEST(DialerEnd, TheLoopMayEndWhileConnecting) {
  const UniqueFd listener = listen_on(loopback(0), 0);
  AsioDialer dialer;
  std::atomic<int> attempts = 0;
  {
    Shards shards(1);
    spawn(shards.executor(0), dial_forever(&dialer, local_endpoint(listener.get()), &attempts),
          "dial");
    shards.run();
    while (attempts < 2) {
      std::this_thread::yield();
    }
    shards.stop();
  }
  EXPECT_GE(attempts, 2);
}

Task<> serve_tls(std::unique_ptr<Stream> stream, std::shared_ptr<TlsServer> tls,
                 base::MonoTime deadline = soon()) {
  stream->set_deadline(deadline);
  const auto info = co_await stream->start_tls(tls);
  while (info) {
    const auto got = co_await stream->read();
    if (!got || got->empty()) {
      co_return;
    }
    const std::string copy(*got);
    const auto written = co_await stream->write(copy);
    if (!written) {
      co_return;
    }
  }
}

struct ClientTlsTest : DialerTest {
  ClientTlsTest() {
    const auto made = test::make_certificate({"mx.example.net"});
    TlsServerOptions options;
    TlsCertificateFiles files;
    files.certificate = dir.write("a.crt", made.certificate);
    files.key = dir.write("a.key", made.key);
    options.certificates.push_back(files);
    auto tls = make_tls_server(options).value();
    ListenOptions at;
    at.endpoint = loopback(0);
    listener = std::move(Listener::bind(at).value());
    listener->serve(shards, [tls](const Executor& executor, std::unique_ptr<Stream> stream) {
      spawn(executor, serve_tls(std::move(stream), tls), "server");
    });
  }
  ~ClientTlsTest() override { listener->stop(); }

  std::shared_ptr<TlsClient> client(bool verify) {
    TlsClientOptions options;
    options.verify = verify;
    options.ca_file = verify ? dir.path("a.crt") : "";
    return TlsClient::make(options).value();
  }
  struct Outcome {
    std::string version;
    std::string error;
    std::string echo;
  };
  static Task<Outcome> talk(Endpoint to, std::shared_ptr<TlsClient> tls, std::string name) {
    Outcome out;
    AsioDialer dialer;
    auto stream = co_await dialer.dial(to, soon());
    if (!stream) {
      out.error = stream.error().message();
      co_return out;
    }
    (*stream)->set_deadline(soon());
    const auto info = co_await (*stream)->start_tls_client(std::move(tls), std::move(name));
    if (!info) {
      out.error = info.error().message();
      co_return out;
    }
    out.version = info->version;
    out.echo = co_await hello(std::move(*stream));
    co_return out;
  }
  Outcome talk(bool verify, const std::string& name) {
    return test::run_task(shards, 0, talk(listener->local(), client(verify), name));
  }

  test::TempDir dir;
  std::unique_ptr<Listener> listener;
};

TEST_F(ClientTlsTest, HandshakeThenData) {
  const Outcome out = talk(false, "mx.example.net");
  EXPECT_EQ(out.error, "");
  EXPECT_EQ(out.version, "TLSv1.3");
  EXPECT_EQ(out.echo, "hello\r\n");
}

TEST_F(ClientTlsTest, TheNameIsVerifiedIfAskedFor) {
  EXPECT_EQ(talk(true, "mx.example.net").echo, "hello\r\n");
  const Outcome wrong = talk(true, "other.example.net");
  EXPECT_NE(wrong.error.find("certificate verify failed"), std::string::npos) << wrong.error;
  EXPECT_EQ(talk(false, "other.example.net").error, "");
}

TEST_F(DialerTest, TlsWithAServerThatTalksGarbageFails) {
  const UniqueFd server = listen_on(loopback(0));
  std::thread garbage([&server] {
    const UniqueFd peer = accept_one(server);
    test::send_all(peer.get(), "220 this is no TLS\r\n");
    static_cast<void>(test::receive_all(peer.get()));
  });
  const auto tls = TlsClient::make(TlsClientOptions()).value();
  const auto out = test::run_task(
      shards, 0, ClientTlsTest::talk(local_endpoint(server.get()), tls, "mx.example.net"));
  garbage.join();
  EXPECT_NE(out.error.find("TLS handshake"), std::string::npos) << out.error;
}

// A stream that implements only what it must.
class PlainStream final : public Stream {
 public:
  Task<base::Result<std::string_view>> read() override { co_return std::string_view(); }
  Task<base::Result<>> write(std::string_view) override { co_return base::Result<>(); }
  Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<TlsServer>) override {
    co_return base::fail(std::errc::operation_not_supported, "TLS handshake");
  }
  void set_deadline(base::MonoTime) override {}
  void close() override {}
  [[nodiscard]] const Endpoint& peer() const override { return endpoint_; }
  [[nodiscard]] const Endpoint& local() const override { return endpoint_; }

 private:
  Endpoint endpoint_;
};

TEST_F(DialerTest, AStreamWithoutClientTlsSaysSo) {
  PlainStream stream;
  const auto info = test::run_task(shards, 0, stream.start_tls_client(nullptr, "x.test"));
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, std::errc::operation_not_supported);
}

// The simulator's dialer keeps the same contract.
Task<> serve_sim_tls(std::unique_ptr<Stream> stream) {
  const std::shared_ptr<TlsServer> tls = std::make_shared<sim::SimTlsServer>();
  co_await serve_tls(std::move(stream), tls, base::MonoTime::max());
}

TEST(SimDialer, ConnectsWithTlsAndKeepsDeadlines) {
  sim::World world(11);
  sim::SimNet network(world);
  const Endpoint at = loopback(25);
  network.listen(world.main(), at, [&world](std::unique_ptr<sim::SimStream> stream) {
    world.spawn(serve_sim_tls(std::move(stream)), "server");
  });
  sim::SimDialer dialer(world, network, loopback(0));
  const auto start = [&] { return world.run(dialer.dial(at, world.now() + 5s)).value(); };
  DialResult stream = start();
  ASSERT_TRUE(stream);
  const auto info = world.run((*stream)->start_tls_client(nullptr, "mx.test")).value();
  EXPECT_TRUE(info);
  EXPECT_EQ(world.run(hello(std::move(*stream), base::MonoTime::max())), "hello\r\n");

  network.refuse(at, true);
  EXPECT_EQ(start().error().code, std::errc::connection_refused);
  network.blackhole(at, true);
  const base::MonoTime before = world.now();
  EXPECT_EQ(start().error().code, std::errc::timed_out);
  EXPECT_EQ(world.now(), before + 5s);
  EXPECT_EQ(dialer.attempts().size(), 3U);
  world.shutdown();
}

TEST(OwnEndpoints, AreTheListenersAndForWildcardsTheMachine) {
  Endpoint exact = loopback(2525);
  const OwnEndpoints one({exact});
  EXPECT_TRUE(one.contains(exact));
  EXPECT_FALSE(one.contains(loopback(25)));
  Endpoint other = exact;
  other.address = IpAddress::parse("127.0.0.2").value();
  EXPECT_FALSE(one.contains(other));
  EXPECT_TRUE(one.uses_port(2525));
  EXPECT_FALSE(one.uses_port(25));

  Endpoint any;
  any.address = IpAddress::v4(0);
  any.port = 25;
  const OwnEndpoints all({any});
  EXPECT_TRUE(all.contains(loopback(25)));
  EXPECT_FALSE(all.contains(loopback(26)));
  Endpoint six = loopback(25);
  six.address = IpAddress::parse("::1").value();
  EXPECT_FALSE(all.contains(six));
  Endpoint foreign = loopback(25);
  foreign.address = IpAddress::parse("192.0.2.1").value();
  EXPECT_FALSE(all.contains(foreign));
  any.address = IpAddress();
  const OwnEndpoints both({any});
  EXPECT_TRUE(both.contains(six));
  EXPECT_TRUE(both.contains(loopback(25)));
  EXPECT_FALSE(OwnEndpoints().contains(loopback(25)));
}

}  // namespace
}  // namespace posthouse::net
