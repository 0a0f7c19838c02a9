// The log on the real file system with real threads: many commits at once, then a restart, and a
// second process that is kept out. What the simulator cannot show: data races (run under TSan).
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "net/asio_timer.hpp"
#include "net/blocking_pool.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::finished_batch;
using test::make_id;
using test::make_message;
using test::Seen;

net::BlockingPoolOptions pool_options(const char* name) {
  net::BlockingPoolOptions options;
  options.name = name;
  return options;
}

// One life of a program with the spool in `directory`.
class RealHouse {
 public:
  explicit RealHouse(const std::string& directory) {
    LogSpoolOptions options;
    options.directory = directory;
    options.segment_size = 256 * 1024;
    options.min_log = 4 * options.segment_size;
    options.inline_below = base::Duration(0);  // all through the pool
    const LogSpoolDeps deps{io_.get_executor(), base::system_disk(), timer_, log_pool_, file_pool_};
    spool_.emplace(deps, options);
  }

  void commit_all(std::uint64_t first, std::uint64_t last) {
    std::uint64_t left = 10;
    for (std::uint64_t client = 0; client < 10; ++client) {
      net::spawn(io_.get_executor(), client_task(first + client, last, left), "client");
    }
    io_.run();
    io_.restart();
  }
  void stop() {
    net::spawn(io_.get_executor(), spool_->stop(), "stop");
    io_.run();
    io_.restart();
  }
  LogSpool& spool() { return *spool_; }

 private:
  net::Task<> client_task(std::uint64_t n, std::uint64_t last, std::uint64_t& left) {
    for (; n <= last; n += 10) {
      Batch batch = test::message_batch(make_message(n, 4096));
      const auto committed = co_await spool_->commit(batch);
      EXPECT_TRUE(committed.has_value());
      const RecordRef& ref = batch.records.front().ref;
      const auto text = co_await spool_->read_text(ref);
      EXPECT_TRUE(text.has_value() && **text == *make_message(n, 4096).content.text);
      if (n % 2 == 0) {
        spool_->append_lazy(finished_batch({n}));
        spool_->release(ref);
      }
    }
    if (--left == 0) {
      const auto flushed = co_await spool_->flush();
      EXPECT_TRUE(flushed.has_value());
      io_.stop();
    }
  }

  net::asio::io_context io_;
  net::AsioTimer timer_;
  std::optional<LogSpool> spool_;
  net::BlockingPool log_pool_{pool_options("log")};
  net::BlockingPool file_pool_{pool_options("file")};
};

TEST(RealDisk, CommitsOfManySurviveARestart) {
  std::string directory = testing::TempDir() + "posthouse-queue-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string queue = directory + "/queue";
  for (std::uint64_t round = 0; round < 2; ++round) {
    RealHouse house(queue);
    Seen seen;
    ASSERT_TRUE(house.spool().recover(seen).has_value());
    ASSERT_TRUE(house.spool().begin(seen.live(), {}).has_value());
    EXPECT_EQ(seen.live().size(), round * 150);
    house.commit_all(round * 300 + 1, round * 300 + 300);

    RealHouse second(queue);
    Seen nothing;
    const auto refused = second.spool().recover(nothing);
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().code == std::errc::resource_unavailable_try_again);
    if (round == 0) house.stop();  // the other round ends as a crash does
  }
  {
    RealHouse house(queue);
    Seen seen;
    ASSERT_TRUE(house.spool().recover(seen).has_value());
    EXPECT_EQ(seen.live().size(), 300u);
    for (std::uint64_t n = 1; n <= 600; n += 2) EXPECT_TRUE(seen.refs.contains(make_id(n))) << n;
    EXPECT_TRUE(seen.damages.empty());
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace posthouse::queue
