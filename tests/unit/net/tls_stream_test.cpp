// TLS streams over loopback against a client made of OpenSSL alone.
#include <gtest/gtest.h>

#include <openssl/ssl.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>
#include <vector>

#include "net/asio_stream.hpp"
#include "net/tls_server.hpp"
#include "support.hpp"

namespace posthouse::net {
namespace {

using test::run_task;

// A blocking client; each test runs it in a thread of its own.
class TlsClientSide {
 public:
  explicit TlsClientSide(int fd, int max_version = TLS1_3_VERSION)
      : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
    SSL_set_max_proto_version(ssl_, max_version);
    SSL_set_security_level(ssl_, 0);
    SSL_set_fd(ssl_, fd);
  }
  ~TlsClientSide() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClientSide(const TlsClientSide&) = delete;
  TlsClientSide& operator=(const TlsClientSide&) = delete;

  bool connect() { return SSL_connect(ssl_) == 1; }
  bool write(std::string_view text) {
    return text.empty() || SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0;
  }
  // Up to `size` octets; fewer at the end.
  std::string read(std::size_t size) {
    std::string all(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const int got = SSL_read(ssl_, all.data() + have, static_cast<int>(size - have));
      if (got <= 0) {
        closed_cleanly_ = SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;
        break;
      }
      have += static_cast<std::size_t>(got);
    }
    all.resize(have);
    return all;
  }
  // Asks for new keys on both sides; the server has to answer.
  void update_keys() {
    SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(ssl_);
  }
  void shut_down() { SSL_shutdown(ssl_); }
  [[nodiscard]] bool closed_cleanly() const { return closed_cleanly_; }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  bool closed_cleanly_ = false;
};

std::shared_ptr<OpenSslServer> make_server(const test::TempDir& dir) {
  const auto made = test::make_certificate({"mx.example.net"});
  TlsServerOptions options;
  TlsCertificateFiles files;
  files.certificate = dir.write("a.crt", made.certificate);
  files.key = dir.write("a.key", made.key);
  options.certificates.push_back(files);
  return make_tls_server(options).value();
}

struct TlsStreamTest : testing::Test {
  ~TlsStreamTest() override { close_stream(); }
  void close_stream() {
    if (stream) {
      std::latch gone(1);
      server.shards().post(0, [this, &gone] {
        stream.reset();
        gone.count_down();
      });
      gone.wait();
    }
  }
  template <class T>
  T run(Task<T> task) {
    return run_task(server.shards(), 0, std::move(task));
  }

  test::TempDir dir;
  std::shared_ptr<OpenSslServer> tls = make_server(dir);
  test::LoopbackServer server;
  UniqueFd client;
  std::unique_ptr<Stream> stream = server.accept(client);
};

Task<base::Result<TlsInfo>> start(Stream* stream, std::shared_ptr<TlsServer> tls) {
  co_return co_await stream->start_tls(tls);
}

// Handshake, then everything back until the end of file.
Task<base::Result<std::size_t>> serve_echo(Stream* stream, std::shared_ptr<TlsServer> tls) {
  const auto info = co_await stream->start_tls(tls);
  if (!info) {
    co_return tl::unexpected(info.error());
  }
  std::size_t total = 0;
  for (;;) {
    const auto got = co_await stream->read();
    if (!got) {
      co_return tl::unexpected(got.error());
    }
    if (got->empty()) {
      co_return total;
    }
    total += got->size();
    const std::string copy(*got);
    const auto sent = co_await stream->write(copy);
    if (!sent) {
      co_return tl::unexpected(sent.error());
    }
  }
}

// STARTTLS as a server does it: a plain line, a plain reply, then the handshake.
Task<base::Result<TlsInfo>> upgrade(Stream* stream, std::shared_ptr<TlsServer> tls) {
  const auto line = co_await stream->read();
  if (!line) {
    co_return tl::unexpected(line.error());
  }
  const auto sent = co_await stream->write("220 go ahead\r\n");
  if (!sent) {
    co_return tl::unexpected(sent.error());
  }
  co_return co_await stream->start_tls(tls);
}

TEST_F(TlsStreamTest, UpgradesAPlainConnection) {
  std::thread peer([this] {
    test::send_all(client.get(), "STARTTLS\r\n");
    EXPECT_EQ(test::receive(client.get(), 14), "220 go ahead\r\n");
    TlsClientSide side(client.get());
    EXPECT_TRUE(side.connect());
  });
  const auto info = run(upgrade(stream.get(), tls));
  peer.join();
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->version, "TLSv1.3");
  EXPECT_NE(info->cipher, "");
}

TEST_F(TlsStreamTest, EchoesSmallAndLargeTexts) {
  std::thread peer([this] {
    TlsClientSide side(client.get());
    ASSERT_TRUE(side.connect());
    for (const std::size_t size : {1U, 1000U, 16384U, 16385U, 200'000U}) {
      const std::string text(size, 'm');
      ASSERT_TRUE(side.write(text));
      EXPECT_EQ(side.read(size), text) << size;
    }
    side.shut_down();
  });
  const auto total = run(serve_echo(stream.get(), tls));
  peer.join();
  ASSERT_TRUE(total) << total.error().message();
  EXPECT_EQ(*total, 1U + 1000 + 16384 + 16385 + 200'000);
}

TEST_F(TlsStreamTest, AnswersKeyUpdatesBetweenData) {
  std::thread peer([this] {
    TlsClientSide side(client.get());
    ASSERT_TRUE(side.connect());
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(side.write("text"));
      side.update_keys();
      EXPECT_EQ(side.read(4), "text");
    }
    side.shut_down();
  });
  const auto total = run(serve_echo(stream.get(), tls));
  peer.join();
  ASSERT_TRUE(total) << total.error().message();
  EXPECT_EQ(*total, 40U);
}

Task<base::Result<>> serve_large(Stream* stream, std::shared_ptr<TlsServer> tls, std::string text) {
  const auto info = co_await stream->start_tls(tls);
  if (!info) {
    co_return tl::unexpected(info.error());
  }
  co_return co_await stream->write(text);
}

TEST_F(TlsStreamTest, ALargeWriteWaitsForASlowReader) {
  std::string text;
  for (int i = 0; text.size() < 10'000'000; ++i) {
    text += std::to_string(i);
  }
  std::thread peer([&] {
    TlsClientSide side(client.get());
    ASSERT_TRUE(side.connect());
    EXPECT_TRUE(side.read(text.size()) == text);
  });
  EXPECT_TRUE(run(serve_large(stream.get(), tls, text)));
  peer.join();
}

TEST_F(TlsStreamTest, CloseTellsThePeer) {
  TlsClientSide side(client.get());
  std::thread peer([&] {
    ASSERT_TRUE(side.connect());
    EXPECT_EQ(side.read(100), "bye");
  });
  EXPECT_TRUE(run(serve_large(stream.get(), tls, "bye")));
  close_stream();
  peer.join();
  EXPECT_TRUE(side.closed_cleanly());
}

TEST_F(TlsStreamTest, TheEndWithoutCloseNotifyReadsAsEndOfFile) {
  std::thread peer([this] {
    TlsClientSide side(client.get());
    ASSERT_TRUE(side.connect());
    ASSERT_TRUE(side.write("cut"));
    EXPECT_EQ(side.read(3), "cut");
    shutdown(client.get(), SHUT_WR);
  });
  const auto total = run(serve_echo(stream.get(), tls));
  peer.join();
  ASSERT_TRUE(total) << total.error().message();
  EXPECT_EQ(*total, 3U);
}

TEST_F(TlsStreamTest, AnOldProtocolFailsTheHandshake) {
  std::thread peer([this] {
    TlsClientSide side(client.get(), TLS1_1_VERSION);
    EXPECT_FALSE(side.connect());
  });
  const auto info = run(start(stream.get(), tls));
  peer.join();
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, std::errc::protocol_error);
  EXPECT_EQ(info.error().op, "TLS handshake");
  EXPECT_EQ(info.error().detail, stream->peer().text() + ", unsupported protocol");
}

TEST_F(TlsStreamTest, ThePeerMayLeaveDuringTheHandshake) {
  client = UniqueFd();
  const auto info = run(start(stream.get(), tls));
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, std::errc::connection_reset);
}

Task<base::Result<TlsInfo>> start_with_deadline(Stream* stream, std::shared_ptr<TlsServer> tls) {
  stream->set_deadline(base::system_clock().mono() + std::chrono::milliseconds(30));
  co_return co_await stream->start_tls(tls);
}

TEST_F(TlsStreamTest, TheDeadlineEndsAHandshakeThatStands) {
  const auto info = run(start_with_deadline(stream.get(), tls));
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, std::errc::timed_out);
}

Task<base::Result<std::size_t>> read_after_handshake(Stream* stream, std::shared_ptr<TlsServer> tls,
                                                     std::latch* ready) {
  const auto info = co_await stream->start_tls(tls);
  ready->count_down();
  if (!info) {
    co_return tl::unexpected(info.error());
  }
  const auto got = co_await stream->read();
  if (!got) {
    co_return tl::unexpected(got.error());
  }
  co_return got->size();
}

TEST_F(TlsStreamTest, CloseEndsTheReadOfAnotherCoroutine) {
  std::latch ready(1);
  std::promise<base::Result<std::size_t>> ended;
  std::thread peer([this] {
    TlsClientSide side(client.get());
    EXPECT_TRUE(side.connect());
    EXPECT_EQ(side.read(1), "");
    EXPECT_TRUE(side.closed_cleanly());
  });
  std::thread reading(
      [&] { ended.set_value(run(read_after_handshake(stream.get(), tls, &ready))); });
  ready.wait();
  server.shards().post(0, [this] { stream->close(); });
  const auto got = ended.get_future().get();
  reading.join();
  peer.join();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::operation_canceled);
}

TEST_F(TlsStreamTest, ManyConnectionsOfManyShardsShareOneServer) {
  test::LoopbackServer many(2);
  std::vector<UniqueFd> clients(8);
  std::vector<std::optional<Executor>> shards(8);
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::thread> peers;
  std::vector<std::thread> servers;
  std::atomic<int> good = 0;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    streams.push_back(many.accept(clients[i], &shards[i]));
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    peers.emplace_back([&, i] {
      TlsClientSide side(clients[i].get());
      if (side.connect() && side.write("hello") && side.read(5) == "hello") {
        ++good;
      }
      side.shut_down();
    });
    servers.emplace_back([&, i] {
      const auto total = run_task(*shards[i], serve_echo(streams[i].get(), tls));
      EXPECT_TRUE(total && *total == 5);
    });
  }
  for (auto& thread : peers) {
    thread.join();
  }
  for (auto& thread : servers) {
    thread.join();
  }
  EXPECT_EQ(good, 8);
  many.shards().stop();
}

}  // namespace
}  // namespace posthouse::net
