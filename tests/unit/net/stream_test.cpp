// Plain streams and the listener over loopback.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <thread>

#include "base/log.hpp"
#include "net/asio_stream.hpp"
#include "net/asio_timer.hpp"
#include "net/signal.hpp"
#include "support.hpp"

namespace posthouse::net {
namespace {

using test::LoopbackServer;
using test::receive;
using test::receive_all;
using test::run_task;
using test::send_all;

struct StreamTest : testing::Test {
  ~StreamTest() override { close_stream(); }
  // The stream belongs to its shard's thread, in its end too.
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

  LoopbackServer server;
  UniqueFd client;
  std::unique_ptr<Stream> stream = server.accept(client);
};

Task<base::Result<std::string>> read_once(Stream* stream) {
  const auto got = co_await stream->read();
  if (!got) {
    co_return tl::unexpected(got.error());
  }
  co_return std::string(*got);
}

Task<base::Result<std::string>> read_to_end(Stream* stream) {
  std::string all;
  for (;;) {
    const auto got = co_await stream->read();
    if (!got) {
      co_return tl::unexpected(got.error());
    }
    if (got->empty()) {
      co_return all;
    }
    all += *got;
  }
}

Task<base::Result<>> write_all(Stream* stream, std::string data) {
  co_return co_await stream->write(data);
}

Task<base::Result<>> echo(Stream* stream) {
  for (;;) {
    const auto got = co_await stream->read();
    if (!got) {
      co_return tl::unexpected(got.error());
    }
    if (got->empty()) {
      co_return base::Result<>();
    }
    const std::string copy(*got);
    const auto sent = co_await stream->write(copy);
    if (!sent) {
      co_return sent;
    }
  }
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  }
  return text;
}

TEST_F(StreamTest, KnowsBothEnds) {
  EXPECT_EQ(stream->peer().address.text(), "127.0.0.1");
  EXPECT_EQ(stream->peer().port, local_endpoint(client.get()).port);
  EXPECT_EQ(stream->local().text(), "127.0.0.1:" + std::to_string(server.port()));
}

TEST_F(StreamTest, DeliversWhatWasSent) {
  send_all(client.get(), "EHLO client\r\n");
  EXPECT_EQ(run(read_once(stream.get())).value(), "EHLO client\r\n");
  EXPECT_TRUE(run(write_all(stream.get(), "250 hello\r\n")));
  EXPECT_EQ(receive(client.get(), 11), "250 hello\r\n");
}

TEST_F(StreamTest, EchoesOctetsOfEverySize) {
  std::promise<base::Result<>> ended;
  std::thread echoing([&] { ended.set_value(run(echo(stream.get()))); });
  for (const std::size_t size : {1U, 255U, 256U, 257U, 65535U, 65536U, 65537U, 300000U}) {
    const std::string sent = pattern(size);
    std::thread sending([&] { send_all(client.get(), sent); });
    EXPECT_EQ(receive(client.get(), size), sent) << size;
    sending.join();
  }
  shutdown(client.get(), SHUT_WR);
  EXPECT_TRUE(ended.get_future().get());
  echoing.join();
}

TEST_F(StreamTest, ALargeWriteWaitsForASlowReader) {
  const std::string sent = pattern(20'000'000);
  std::promise<base::Result<>> written;
  std::thread writing([&] { written.set_value(run(write_all(stream.get(), sent))); });
  // 20 MB exceed what the kernel buffers, so the writer is suspended until we read.
  EXPECT_EQ(receive(client.get(), sent.size()), sent);
  EXPECT_TRUE(written.get_future().get());
  writing.join();
}

TEST_F(StreamTest, EndOfFileIsAnEmptyView) {
  send_all(client.get(), "last");
  shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(run(read_to_end(stream.get())).value(), "last");
  EXPECT_EQ(run(read_once(stream.get())).value(), "");
  EXPECT_TRUE(run(write_all(stream.get(), "still open")));  // only their half is closed
  EXPECT_EQ(receive(client.get(), 10), "still open");
}

TEST_F(StreamTest, AResetIsAnErrorThatNamesThePeer) {
  const linger now{1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  client = UniqueFd();
  const auto got = run(read_once(stream.get()));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::connection_reset);
  EXPECT_EQ(got.error().op, "read");
  EXPECT_EQ(got.error().detail, stream->peer().text());
}

Task<base::Result<std::string>> read_with_deadline(Stream* stream, base::Duration after) {
  stream->set_deadline(base::system_clock().mono() + after);
  co_return co_await read_once(stream);
}

TEST_F(StreamTest, ADeadlineEndsAPendingRead) {
  const auto got = run(read_with_deadline(stream.get(), std::chrono::milliseconds(30)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::timed_out);
  EXPECT_EQ(receive_all(client.get()), "");  // and closes the connection
  const auto later = run(write_all(stream.get(), "too late"));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, std::errc::timed_out);
}

TEST_F(StreamTest, ADeadlineInThePastEndsTheNextRead) {
  const auto got = run(read_with_deadline(stream.get(), std::chrono::hours(-1)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::timed_out);
}

Task<base::Result<>> write_with_deadline(Stream* stream, std::string data) {
  stream->set_deadline(base::system_clock().mono() + std::chrono::milliseconds(50));
  co_return co_await stream->write(data);
}

TEST_F(StreamTest, ADeadlineEndsAWriteToAPeerThatDoesNotRead) {
  const auto sent = run(write_with_deadline(stream.get(), pattern(50'000'000)));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, std::errc::timed_out);
}

Task<base::Result<std::string>> move_deadlines(Stream* stream) {
  using std::chrono::milliseconds;
  const auto now = base::system_clock().mono();
  stream->set_deadline(now + milliseconds(20));
  stream->set_deadline(base::MonoTime::max());  // the armed timer fires and must do nothing
  AsioTimer timer;
  co_await timer.sleep_until(now + milliseconds(60));
  const auto sent = co_await stream->write("alive");
  if (!sent) {
    co_return tl::unexpected(sent.error());
  }
  stream->set_deadline(base::system_clock().mono() + std::chrono::hours(1));
  stream->set_deadline(base::system_clock().mono() + milliseconds(20));  // earlier than armed
  co_return co_await read_once(stream);
}

TEST_F(StreamTest, DeadlinesMoveBothWays) {
  const auto got = run(move_deadlines(stream.get()));
  EXPECT_EQ(receive_all(client.get()), "alive");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::timed_out);
}

Task<base::Result<std::string>> read_softly(Stream* stream) {
  stream->set_soft_deadline(base::system_clock().mono() + std::chrono::milliseconds(20));
  const auto first = co_await stream->read();
  EXPECT_FALSE(first);
  EXPECT_EQ(first.error().code, std::errc::timed_out);
  const auto again = co_await stream->read();
  EXPECT_FALSE(again);
  EXPECT_EQ(again.error().code, std::errc::timed_out);
  stream->set_soft_deadline(base::system_clock().mono() + std::chrono::hours(1));
  const auto sent = co_await stream->write("421 too slow\r\n");
  EXPECT_TRUE(sent);
  co_return co_await read_once(stream);
}

TEST_F(StreamTest, AfterASoftDeadlineALastReplyIsPossible) {
  std::promise<base::Result<std::string>> ended;
  std::thread reading([&] { ended.set_value(run(read_softly(stream.get()))); });
  EXPECT_EQ(receive(client.get(), 14), "421 too slow\r\n");
  send_all(client.get(), "sorry");
  EXPECT_EQ(ended.get_future().get().value(), "sorry");
  reading.join();
}

Task<base::Result<>> write_softly(Stream* stream, std::string data) {
  stream->set_soft_deadline(base::system_clock().mono() + std::chrono::milliseconds(50));
  co_return co_await stream->write(data);
}

TEST_F(StreamTest, ASoftDeadlineClosesAConnectionWhoseWriteIsStuck) {
  const auto sent = run(write_softly(stream.get(), pattern(50'000'000)));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, std::errc::timed_out);
  const auto got = run(read_once(stream.get()));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::timed_out);
}

TEST_F(StreamTest, CloseEndsTheReadOfAnotherCoroutine) {
  std::promise<base::Result<std::string>> ended;
  std::thread reading([&] { ended.set_value(run(read_once(stream.get()))); });
  // The read is pending or not yet begun; both end in the same way.
  server.shards().post(0, [this] {
    stream->close();
    stream->close();
  });
  const auto got = ended.get_future().get();
  reading.join();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, std::errc::operation_canceled);
  EXPECT_EQ(receive_all(client.get()), "");
}

Task<> read_after_signal(Stream* stream, std::latch* began, std::promise<std::error_code>* ended) {
  began->count_down();
  const auto got = co_await stream->read();
  ended->set_value(got ? std::error_code() : got.error().code);
}

TEST_F(StreamTest, DestroyingTheStreamEndsAPendingRead) {
  std::latch began(1);
  std::promise<std::error_code> ended;
  spawn(server.shards().executor(0), read_after_signal(stream.get(), &began, &ended), "reader");
  began.wait();
  close_stream();
  EXPECT_EQ(ended.get_future().get(), std::errc::operation_canceled);
}

TEST_F(StreamTest, CloseDeliversWhatWasWrittenThoughThePeerIsStillTalking) {
  send_all(client.get(), pattern(50'000));
  EXPECT_TRUE(run(write_all(stream.get(), "554 go away\r\n")));
  EXPECT_EQ(run(read_once(stream.get())).has_value(), true);
  close_stream();
  EXPECT_EQ(receive_all(client.get()), "554 go away\r\n");
}

TEST_F(StreamTest, WriteToAClosedPeerFails) {
  client = UniqueFd();
  EXPECT_EQ(run(read_once(stream.get())).value(), "");
  base::Result<> sent;
  for (int i = 0; i < 100 && sent; ++i) {
    sent = run(write_all(stream.get(), pattern(100'000)));
  }
  EXPECT_FALSE(sent);
}

TEST(Stream, ConnectionsSuspendedAtTheEndAreDestroyedWithTheirShards) {
  Shards shards(1);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  UniqueFd other(ends[1]);
  auto stream = std::make_unique<AsioStream>(shards.executor(0), UniqueFd(ends[0]), Endpoint());
  std::latch began(1);
  std::promise<std::error_code> never;
  spawn(shards.executor(0), read_after_signal(stream.get(), &began, &never), "reader");
  shards.run();
  began.wait();
  shards.stop();
}

TEST(Listener, NamesAddressAndReasonWhenThePortIsTaken) {
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("127.0.0.1");
  const auto first = Listener::bind(options).value();
  options.endpoint = first->local();
  const auto second = Listener::bind(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message(),
            "listen " + options.endpoint.text() +
                ": Address already in use; another server holds this port");
  EXPECT_EQ(second.error().code, std::errc::address_in_use);
}

TEST(Listener, SaysThatAnAddressIsNotOurs) {
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("192.0.2.1");
  const auto bound = Listener::bind(options);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().message(),
            "listen 192.0.2.1:0: Cannot assign requested address; no interface of this machine has "
            "this address");
}

TEST(Listener, TakesItsPortBeforeItServes) {
  Shards shards(1);
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("127.0.0.1");
  const auto listener = Listener::bind(options).value();
  const UniqueFd early = test::connect_to(listener->local());  // waits in the backlog
  std::promise<Endpoint> peer;
  listener->serve(shards, [&peer](const Executor&, std::unique_ptr<Stream> stream) {
    peer.set_value(stream->peer());
  });
  shards.run();
  EXPECT_EQ(peer.get_future().get(), local_endpoint(early.get()));
  listener->stop();
  shards.stop();
}

TEST(Listener, ShowsIpv4PeersOfADualStackSocketAsIpv4) {
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("::");
  options.v6_only = false;
  auto bound = Listener::bind(options);
  if (!bound) {
    GTEST_SKIP() << bound.error().message();
  }
  Shards shards(1);
  std::promise<std::string> peer;
  (*bound)->serve(shards, [&peer](const Executor&, std::unique_ptr<Stream> stream) {
    peer.set_value(stream->peer().address.text() + " to " + stream->local().address.text());
  });
  shards.run();
  const UniqueFd client = test::connect_to((*bound)->local().port);
  EXPECT_EQ(peer.get_future().get(), "127.0.0.1 to 127.0.0.1");
  (*bound)->stop();
  shards.stop();
}

TEST(Listener, SpreadsConnectionsOverTheShards) {
  Shards shards(2);
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("127.0.0.1");
  const auto listener = Listener::bind(options).value();
  std::mutex mutex;
  std::vector<std::unique_ptr<Stream>> streams;
  std::latch accepted(10);
  listener->serve(shards, [&](const Executor&, std::unique_ptr<Stream> stream) {
    const std::lock_guard lock(mutex);
    streams.push_back(std::move(stream));
    accepted.count_down();
  });
  shards.run();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(test::connect_to(listener->local()));
  }
  accepted.wait();
  EXPECT_EQ(shards.connections(0), 5U);
  EXPECT_EQ(shards.connections(1), 5U);
  listener->stop();
  shards.stop();
  streams.clear();
  EXPECT_EQ(shards.connections(0) + shards.connections(1), 0U);
}

TEST(Listener, StoppedItFreesThePort) {
  Shards shards(1);
  shards.run();
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("127.0.0.1");
  auto listener = Listener::bind(options).value();
  options.endpoint = listener->local();
  listener->serve(shards, [](const Executor&, std::unique_ptr<Stream>) {});
  listener->stop();
  listener->stop();
  std::latch done(1);
  shards.post(0, [&done] { done.count_down(); });  // behind the posted close
  done.wait();
  EXPECT_TRUE(Listener::bind(options));
}

// Collects log lines that contain `part`.
class LogLines {
 public:
  explicit LogLines(std::string part) : part_(std::move(part)) {
    base::set_log_capture([this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      if (line.find(part_) != std::string_view::npos) {
        ++count_;
        changed_.notify_all();
      }
    });
  }
  ~LogLines() { base::set_log_capture({}); }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ > 0; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::string part_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

TEST(Listener, PausesWithoutDescriptorsAndGoesOn) {
  Shards shards(1);
  ListenOptions options;
  options.endpoint.address = *IpAddress::parse("127.0.0.1");
  const auto listener = Listener::bind(options).value();
  std::latch accepted(1);
  listener->serve(shards,
                  [&accepted](const Executor&, std::unique_ptr<Stream>) { accepted.count_down(); });
  LogLines lines("cannot accept connections");
  const UniqueFd client = test::connect_to(listener->local());

  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  {
    const UniqueFd lowest(dup(client.get()));
    none.rlim_cur = static_cast<rlim_t>(lowest.get());
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  shards.run();
  lines.wait();
  setrlimit(RLIMIT_NOFILE, &before);
  accepted.wait();
  EXPECT_EQ(lines.count(), 1);
  listener->stop();
  shards.stop();
}

}  // namespace
}  // namespace posthouse::net
