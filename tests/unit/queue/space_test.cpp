// The log when the disk is full or fails: refusals that are temporary, the reserve for what frees
// something, and the end after a failed flush.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::finished_batch;
using test::House;
using test::make_id;
using test::make_message;
using test::Seen;

class Full : public testing::Test {
 protected:
  // Room for the log with its spares and a little more.
  void fill() {
    spool_ = house_.make_spool();
    house_.open(*spool_);
    house_.world.run_for(std::chrono::seconds(1));
    disk_.set_capacity(7 * 16 * 1024);
    while (true) {
      RecordRef ref;
      const auto committed = house_.commit(*spool_, make_message(next_, 900), &ref);
      if (!committed) {
        EXPECT_TRUE(committed.error().code == std::errc::no_space_on_device);
        break;
      }
      refs_.push_back(ref);
      ++next_;
      ASSERT_LT(next_, 1000u) << "the disk never fills";
    }
  }
  ~Full() override { house_.world.shutdown(); }

  sim::SimDisk disk_;
  House house_{disk_};
  std::unique_ptr<LogSpool> spool_;
  std::vector<RecordRef> refs_;
  std::uint64_t next_ = 1;
};

TEST_F(Full, RefusesNewMailAndTakesWhatFrees) {
  fill();
  EXPECT_FALSE(spool_->accepting());
  EXPECT_EQ(spool_->counters().free_segments, 2u) << "accepting stops before the reserve";
  for (int i = 0; i < 20; ++i) {
    Batch ends = finished_batch({1});
    EXPECT_TRUE(house_.commit(*spool_, ends).has_value());
    const auto refused = house_.commit(*spool_, make_message(next_, 900));
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().code == std::errc::no_space_on_device);
  }
}

TEST_F(Full, AcceptsAgainWhenSegmentsAreFreed) {
  fill();
  Batch ends = finished_batch({1});
  ASSERT_TRUE(house_.commit(*spool_, ends).has_value());
  for (const RecordRef& ref : refs_) spool_->release(ref);
  house_.world.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(spool_->accepting());
  EXPECT_TRUE(house_.commit(*spool_, make_message(next_, 900)).has_value());
}

TEST_F(Full, AcceptsAgainWhenTheDiskGrows) {
  fill();
  disk_.set_capacity(64 * 16 * 1024);
  house_.world.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(spool_->accepting());
  EXPECT_TRUE(house_.commit(*spool_, make_message(next_, 900)).has_value());
}

TEST_F(Full, LazyBatchesWaitForSpace) {
  fill();
  // The reserve is used up as well.
  while (true) {
    Batch ends = finished_batch(std::vector<std::uint64_t>(200, 1));
    if (!house_.commit(*spool_, ends)) break;
  }
  spool_->append_lazy(finished_batch({2}));
  house_.world.run_for(std::chrono::seconds(5));
  disk_.set_capacity(64 * 16 * 1024);
  house_.world.run_for(std::chrono::seconds(10));
  house_.world.shutdown();
  disk_.crash(sim::LossPolicy::none());
  House next(disk_);
  auto spool = next.make_spool();
  const Seen seen = next.open(*spool);
  EXPECT_EQ(std::count(seen.ended_ids.begin(), seen.ended_ids.end(), make_id(2)), 1);
  next.world.shutdown();
}

TEST_F(Full, StartsOnAFullDisk) {
  fill();
  house_.world.shutdown();
  disk_.crash(sim::LossPolicy::none());
  House next(disk_);
  auto spool = next.make_spool();
  const Seen seen = next.open(*spool);
  EXPECT_EQ(seen.messages.size(), refs_.size());
  Batch ends = finished_batch({1});
  EXPECT_TRUE(next.commit(*spool, ends).has_value());
  next.world.shutdown();
}

TEST(Failure, ABatchLargerThanASegmentIsRefusedAlone) {
  sim::SimDisk disk;
  House house(disk);
  auto spool = house.make_spool();
  house.open(*spool);
  const auto refused = house.commit(*spool, make_message(1, 20'000));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().code == std::errc::message_size);
  EXPECT_TRUE(house.commit(*spool, make_message(2)).has_value());
  house.world.shutdown();
}

net::Task<> commit_expecting_error(Spool& spool, std::uint64_t n, int& errors) {
  Batch batch = test::message_batch(make_message(n));
  const auto result = co_await spool.commit(batch);
  if (!result) ++errors;
}

TEST(Failure, AFailedFlushIsFinal) {
  for (const bool reads_new : {true, false}) {
    sim::SimDisk disk;
    disk.set_sync_failure(reads_new ? sim::SyncFailure::reads_new : sim::SyncFailure::reads_old);
    House house(disk);
    auto spool = house.make_spool();
    house.open(*spool);
    ASSERT_TRUE(house.commit(*spool, make_message(1)).has_value());
    house.world.run_for(std::chrono::seconds(1));
    int fatal = 0;
    spool->set_on_fatal([&](const base::Error&) { ++fatal; });
    disk.set_fault_hook([](const sim::DiskOp& op) {
      sim::DiskFault fault;
      if (op.name == "sync_data") fault.error = EIO;
      return fault;
    });
    int errors = 0;
    for (std::uint64_t n = 2; n <= 6; ++n) {
      house.world.spawn(commit_expecting_error(*spool, n, errors), "commit");
    }
    house.world.run_for(std::chrono::seconds(1));
    disk.clear_faults();
    EXPECT_EQ(errors, 5);
    EXPECT_EQ(fatal, 1);
    EXPECT_FALSE(spool->accepting());
    EXPECT_FALSE(house.commit(*spool, make_message(7)).has_value()) << "it stays failed";
    EXPECT_EQ(fatal, 1);
    EXPECT_TRUE(house.world.run(spool->stop()));
    house.world.shutdown();

    // The process ends; its successor reads what the cache shows, and makes that durable first.
    disk.kill();
    Seen shown;
    {
      House next(disk);
      auto again = next.make_spool();
      shown = next.open(*again);
      next.world.shutdown();
    }
    EXPECT_TRUE(shown.has(1));
    disk.crash(sim::LossPolicy::none());
    House last(disk);
    auto again = last.make_spool();
    EXPECT_EQ(last.open(*again).messages, shown.messages) << "visited means durable";
    last.world.shutdown();
  }
}

TEST(Failure, AFailedWriteOtherThanSpaceIsFinal) {
  sim::SimDisk disk;
  House house(disk);
  auto spool = house.make_spool();
  house.open(*spool);
  house.world.run_for(std::chrono::seconds(1));
  int fatal = 0;
  spool->set_on_fatal([&](const base::Error&) { ++fatal; });
  disk.fail_at(disk.operations() + 1, EIO);
  EXPECT_FALSE(house.commit(*spool, make_message(1)).has_value());
  EXPECT_EQ(fatal, 1);
  house.world.shutdown();
}

// While three segments are filled, every operation fails once, by EIO or (but for syncs) by ENOSPC:
// a commit that was answered well is there after the crash, whatever failed.
TEST(Failure, EveryOperationFailsOnce) {
  for (const int error : {EIO, ENOSPC}) {
    bool failed = true;
    std::uint64_t n = 1;
    for (; failed; ++n) {
      failed = false;
      sim::SimDisk disk;
      House house(disk);
      auto spool = house.make_spool();
      house.open(*spool);
      house.world.run_for(std::chrono::seconds(1));
      std::uint64_t count = 0;
      disk.set_fault_hook([&](const sim::DiskOp& op) {
        sim::DiskFault fault;
        const bool sync = op.name.starts_with("sync");
        if (op.number == 0 || (sync && error == ENOSPC) || ++count != n) return fault;
        failed = true;
        fault.error = error;
        return fault;
      });
      std::vector<std::uint64_t> acknowledged;
      for (std::uint64_t m = 1; m <= 40; ++m) {
        if (house.commit(*spool, make_message(m, 900))) {
          acknowledged.push_back(m);
        } else {
          house.world.run_for(std::chrono::seconds(10));
        }
      }
      house.world.shutdown();
      disk.clear_faults();
      disk.crash(sim::LossPolicy::none());
      House next(disk);
      auto again = next.make_spool();
      const Seen seen = next.open(*again);
      for (const std::uint64_t m : acknowledged) ASSERT_TRUE(seen.has(m)) << "operation " << n;
      ASSERT_TRUE(seen.damages.empty());
      if (error == ENOSPC) {
        EXPECT_GE(acknowledged.size(), 39u) << "operation " << n;
      }
      next.world.shutdown();
    }
    EXPECT_GT(n, 40u);
  }
}

}  // namespace
}  // namespace posthouse::queue
