// The queue as a whole, on the simulated disk with mailboxes that forget: what is delivered, when
// it is finished, what comes back after a restart, and what never does.
#include "queue/manager.hpp"

#include <gtest/gtest.h>

#include "tests/unit/queue/fake_boxes.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::Boxes;
using test::FakeAgent;
using test::House;
using test::make_id;
using test::make_message;

// One life of a queue over a disk and mailboxes that outlive it.
struct Life {
  Life(sim::SimDisk& disk, Boxes& boxes, ManagerOptions options = {},
       LogSpoolOptions log = test::small_log())
      : house(disk),
        agent(house.world, boxes),
        spool(house.make_spool(std::move(log))),
        manager(QueueParts{house.world.executor(), *spool, agent, house.world.timer()}, options) {}
  ~Life() { house.world.shutdown(); }

  void recover() {
    const auto recovered = house.world.run(manager.recover());
    ASSERT_TRUE(recovered.has_value()) << "recovery did not end";
    ASSERT_TRUE(recovered->has_value()) << recovered->error().message();
  }
  base::Result<> submit(Message message) {
    auto result = house.world.run(manager.submit(std::move(message)));
    EXPECT_TRUE(result.has_value());
    return result ? *result : base::fail(std::errc::timed_out, "submit");
  }
  std::uint64_t remove(const std::string& box, const std::string& uid) {
    std::vector<std::string> uids = {uid};
    const auto result = house.world.run(manager.remove_from_box(box, std::move(uids)));
    EXPECT_TRUE(result.has_value() && result->has_value());
    return result && *result ? **result : 0;
  }
  void run(base::Duration time) { house.world.run_for(time); }

  House house;
  FakeAgent agent;
  std::unique_ptr<LogSpool> spool;
  Manager manager;
};

std::string uid_of(std::uint64_t n, std::uint32_t leaf = 0) {
  const Message message = make_message(n, 10, leaf + 1);
  return leaf_uid(message, message.leaves[leaf]);
}

class ManagerTest : public testing::Test {
 protected:
  void start(ManagerOptions options = {}, LogSpoolOptions log = test::small_log()) {
    life_.emplace(disk_, boxes_, options, std::move(log));
    life_->recover();
  }
  // A power cut that loses whatever was not hardened.
  void crash() {
    life_.reset();
    disk_.crash(sim::LossPolicy::none());
    boxes_.crash([](std::size_t) { return false; });
  }
  [[nodiscard]] bool has(std::uint64_t n, std::uint32_t leaf = 0) const {
    return boxes_.cache.contains({"user" + std::to_string(leaf), uid_of(n, leaf)});
  }

  sim::SimDisk disk_;
  Boxes boxes_;
  std::optional<Life> life_;
};

TEST_F(ManagerTest, DeliversAndFinishesAtTheCheckpoint) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1, 500, 3)));
  life_->run(std::chrono::milliseconds(100));
  for (std::uint32_t leaf = 0; leaf < 3; ++leaf) EXPECT_TRUE(has(1, leaf));
  EXPECT_EQ(boxes_.cache.begin()->second, *make_message(1, 500, 3).content.text);
  EXPECT_EQ(life_->manager.counters().messages, 1u) << "live until it is hardened";
  EXPECT_EQ(life_->manager.counters().content_bytes, 0u) << "its content is dropped";
  EXPECT_TRUE(boxes_.durable.empty());
  life_->run(std::chrono::seconds(3));
  EXPECT_EQ(boxes_.durable.size(), 3u);
  const ManagerCounters counters = life_->manager.counters();
  EXPECT_EQ(counters.messages, 0u);
  EXPECT_EQ(counters.spool.live_bytes, 0u);
  EXPECT_EQ(counters.accepted, 1u);
  EXPECT_EQ(counters.delivered, 3u);
}

TEST_F(ManagerTest, CrashBeforeTheCheckpointRedoes) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1, 500, 2)));
  life_->run(std::chrono::milliseconds(100));
  crash();
  EXPECT_FALSE(has(1));
  start();
  EXPECT_TRUE(has(1, 0)) << "before recover() returned";
  EXPECT_TRUE(has(1, 1));
  EXPECT_EQ(life_->agent.redone, 2u);
  life_->run(std::chrono::seconds(3));
  EXPECT_EQ(life_->manager.counters().messages, 0u);
}

TEST_F(ManagerTest, CrashAfterTheCheckpointDoesNothing) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1)));
  life_->run(std::chrono::seconds(4));
  crash();
  EXPECT_TRUE(has(1));
  start();
  EXPECT_EQ(life_->agent.redone, 0u);
  EXPECT_EQ(life_->manager.counters().messages, 0u);
}

TEST_F(ManagerTest, CheckpointComesEarlyWhenMuchIsDirty) {
  ManagerOptions options;
  options.checkpoint.files = 10;
  start(options);
  for (std::uint64_t n = 1; n <= 10; ++n) ASSERT_TRUE(life_->submit(make_message(n)));
  life_->run(std::chrono::milliseconds(200));
  EXPECT_GE(boxes_.durable.size(), 10u);
}

TEST_F(ManagerTest, UnhardenedLeavesAreWrittenAgain) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1, 100, 2)));
  LeafId failed;
  failed.id = make_id(1);
  failed.leaf = 1;
  life_->agent.fail_next.push_back(failed);
  life_->run(std::chrono::seconds(3));
  EXPECT_EQ(life_->agent.redone, 1u);
  life_->run(std::chrono::seconds(3));
  EXPECT_EQ(life_->manager.counters().messages, 0u);
  EXPECT_EQ(boxes_.durable.size(), 2u);
}

TEST_F(ManagerTest, DeferredLeavesAreRetriedWithBackOff) {
  start();
  int attempts = 0;
  life_->agent.defer = [&](const LocalDelivery& delivery) {
    return delivery.leaf == 1 && ++attempts < 4;
  };
  ASSERT_TRUE(life_->submit(make_message(1, 100, 2)));
  life_->run(std::chrono::seconds(10));
  EXPECT_EQ(attempts, 1);
  EXPECT_TRUE(has(1, 0)) << "the other leaf does not wait";
  const auto list = life_->manager.snapshot();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].id, make_id(1));
  EXPECT_EQ(list[0].leaves[0].state, LeafState::finished);
  EXPECT_EQ(list[0].leaves[1].state, LeafState::waiting);
  EXPECT_EQ(list[0].leaves[1].failures, 1u);
  life_->run(std::chrono::seconds(55));
  EXPECT_EQ(attempts, 2);
  life_->run(std::chrono::seconds(115));
  EXPECT_EQ(attempts, 2);
  life_->run(std::chrono::seconds(10));
  EXPECT_EQ(attempts, 3);
  life_->run(std::chrono::minutes(5));
  EXPECT_EQ(attempts, 4);
  EXPECT_TRUE(has(1, 1));
  EXPECT_EQ(life_->manager.counters().messages, 0u);
}

TEST_F(ManagerTest, DeliveriesGoInBatchesAtMostTwoAtOnce) {
  start();
  life_->agent.delay = std::chrono::milliseconds(200);
  std::size_t done = 0;
  for (std::uint64_t n = 1; n <= 300; ++n) {
    const auto submit_one = [](Manager& manager, std::uint64_t number,
                               std::size_t& count) -> net::Task<> {
      Message message = make_message(number);
      const auto result = co_await manager.submit(std::move(message));
      EXPECT_TRUE(result.has_value());
      ++count;
    };
    life_->house.world.spawn(submit_one(life_->manager, n, done), "submit");
  }
  life_->run(std::chrono::seconds(5));
  EXPECT_EQ(done, 300u);
  EXPECT_EQ(life_->manager.counters().delivered, 300u);
  EXPECT_LE(life_->agent.largest, 64u);
  EXPECT_EQ(life_->agent.concurrent, 2u);
}

TEST_F(ManagerTest, ContentBeyondTheBudgetIsReadFromTheLog) {
  ManagerOptions options;
  options.delivery.content_memory = 3000;
  start(options);
  life_->agent.delay = std::chrono::milliseconds(50);
  life_->agent.defer = [](const LocalDelivery&) { return true; };
  for (std::uint64_t n = 1; n <= 8; ++n) ASSERT_TRUE(life_->submit(make_message(n, 1000)));
  life_->run(std::chrono::seconds(1));
  EXPECT_EQ(life_->manager.counters().content_bytes, 0u) << "deferred mail holds no memory";
  life_->agent.defer = nullptr;
  life_->run(std::chrono::minutes(2));
  for (std::uint64_t n = 1; n <= 8; ++n) {
    const auto found = boxes_.cache.find({"user0", uid_of(n)});
    ASSERT_NE(found, boxes_.cache.end());
    EXPECT_EQ(found->second, *make_message(n, 1000).content.text);
  }
}

TEST_F(ManagerTest, DeletedMailNeverReturns) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1)));
  ASSERT_TRUE(life_->submit(make_message(2)));
  life_->run(std::chrono::milliseconds(100));
  life_->remove("user0", uid_of(1));
  // The process dies before anybody unlinked anything.
  crash();
  start();
  EXPECT_FALSE(has(1));
  EXPECT_TRUE(has(2));
  life_->run(std::chrono::seconds(3));
  EXPECT_EQ(life_->manager.counters().messages, 0u);
  EXPECT_EQ(life_->manager.counters().spool.live_bytes, 0u) << "the deletion is done, too";
}

TEST_F(ManagerTest, DeletionOfHardenedMailIsCarriedOutAgain) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1)));
  life_->run(std::chrono::seconds(3));
  const std::uint64_t number = life_->remove("user0", uid_of(1));
  boxes_.change({"user0", uid_of(1)}, true, "");
  life_->manager.removal_done(number);
  crash();  // the unlink is lost
  EXPECT_TRUE(has(1));
  start();
  EXPECT_FALSE(has(1));
}

TEST_F(ManagerTest, DoneDeletionsAreForgotten) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1)));
  life_->run(std::chrono::milliseconds(100));
  const std::uint64_t number = life_->remove("user0", uid_of(1));
  boxes_.change({"user0", uid_of(1)}, true, "");
  EXPECT_GT(life_->manager.counters().spool.live_bytes, 0u);
  life_->manager.removal_done(number);
  life_->run(std::chrono::seconds(4));
  EXPECT_EQ(life_->manager.counters().spool.live_bytes, 0u);
  EXPECT_EQ(life_->manager.counters().messages, 0u);
  crash();
  start();
  EXPECT_FALSE(has(1));
  EXPECT_NE(life_->remove("user0", uid_of(2)), number) << "numbers are not given twice";
}

// POP3 deletes a name that is being written anew because it could not be hardened.
TEST_F(ManagerTest, DeletionDuringARedoWins) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1)));
  LeafId failed;
  failed.id = make_id(1);
  life_->agent.fail_next.push_back(failed);
  life_->run(std::chrono::milliseconds(100));
  life_->agent.delay = std::chrono::seconds(5);
  life_->run(std::chrono::seconds(8));  // the checkpoint has failed, the redo is under way
  const std::uint64_t number = life_->remove("user0", uid_of(1));
  boxes_.change({"user0", uid_of(1)}, true, "");
  life_->manager.removal_done(number);
  life_->run(std::chrono::seconds(60));
  EXPECT_EQ(life_->agent.redone, 1u);
  EXPECT_FALSE(has(1));
  EXPECT_EQ(life_->manager.counters().messages, 0u);
  EXPECT_EQ(life_->manager.counters().spool.live_bytes, 0u);
  crash();
  start();
  EXPECT_FALSE(has(1));
}

TEST_F(ManagerTest, ABrokenBoxDoesNotKeepTheQueueFromStarting) {
  start();
  ASSERT_TRUE(life_->submit(make_message(1)));
  life_->run(std::chrono::seconds(3));
  life_->remove("user0", uid_of(1));
  crash();
  life_.emplace(disk_, boxes_);
  life_->agent.refuse_removals = true;
  life_->recover();
  EXPECT_TRUE(has(1));
  ASSERT_TRUE(life_->submit(make_message(2)));
  life_->agent.refuse_removals = false;
  life_->run(std::chrono::minutes(3));
  EXPECT_FALSE(has(1));
  EXPECT_EQ(life_->manager.counters().spool.live_bytes, 0u);
}

TEST_F(ManagerTest, HeadCleaningKeepsWhatIsLive) {
  start();
  life_->agent.defer = [](const LocalDelivery& delivery) {
    return delivery.message->id == make_id(1) && delivery.leaf == 1;
  };
  ASSERT_TRUE(life_->submit(make_message(1, 300, 2)));
  life_->run(std::chrono::seconds(3));
  for (std::uint64_t n = 2; n <= 200; ++n) {
    ASSERT_TRUE(life_->submit(make_message(n, 1000))) << n;
    life_->run(std::chrono::milliseconds(100));
  }
  life_->run(std::chrono::seconds(5));
  EXPECT_GT(life_->manager.counters().spool.recycled, 4u);
  EXPECT_LE(life_->manager.counters().spool.segments, 6u);
  crash();
  start();
  EXPECT_TRUE(has(1, 1)) << "copied forward and delivered";
  EXPECT_LE(life_->agent.redone, 1u) << "with the state of its other leaf";
}

TEST_F(ManagerTest, DrainFinishesEverything) {
  start();
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(life_->submit(make_message(n)));
  ASSERT_TRUE(life_->house.world.run(life_->manager.drain()));
  EXPECT_EQ(boxes_.durable.size(), 5u);
  EXPECT_EQ(life_->manager.counters().messages, 0u);
  EXPECT_FALSE(life_->submit(make_message(6)).has_value()) << "closed";
  EXPECT_EQ(life_->manager.may_accept(0), Admission::no_space);
  ASSERT_TRUE(life_->house.world.run(life_->spool->stop()));
  crash();
  start();
  EXPECT_EQ(life_->agent.redone, 0u);
}

TEST_F(ManagerTest, WatchesTheSpace) {
  start();
  EXPECT_EQ(life_->manager.may_accept(1000), Admission::ok);
  disk_.set_capacity(120 * 1024);
  life_->run(std::chrono::seconds(2));
  EXPECT_EQ(life_->manager.may_accept(0), Admission::no_space) << "below min_space";
  disk_.set_capacity(std::uint64_t{1} << 40);
  life_->run(std::chrono::seconds(2));
  EXPECT_EQ(life_->manager.may_accept(0), Admission::ok);
}

TEST_F(ManagerTest, LargeBodiesGoWithTheirMessage) {
  start();
  const std::string path = life_->spool->large_path("body1");
  auto file = disk_.open(path, base::OpenMode::create_new);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->write_at(0, "large body").has_value());
  ASSERT_TRUE((*file)->sync_data().has_value());
  file->reset();
  ASSERT_TRUE(disk_.sync_dir("/spool/queue/large").has_value());
  Message message = make_message(1);
  message.content.large_file = path;
  message.content.size += 10;
  life_->agent.defer = [](const LocalDelivery&) { return true; };
  ASSERT_TRUE(life_->submit(std::move(message)));
  life_->run(std::chrono::milliseconds(100));
  crash();
  ASSERT_TRUE(disk_.stat(path).has_value());
  std::string seen;
  life_.emplace(disk_, boxes_);
  life_->agent.defer = [&](const LocalDelivery& delivery) {
    const bool first = seen.empty();
    seen = delivery.message->content.large_file;
    return first;  // delivered a minute later, when the queue runs
  };
  life_->recover();
  EXPECT_EQ(seen, path);
  life_->run(std::chrono::seconds(61));
  // Its message ends first in memory, then on disk, and only then may the body go.
  const auto ended = [&] { return life_->manager.counters().messages == 0; };
  ASSERT_TRUE(life_->house.world.run_until_true(ended, std::chrono::seconds(5)));
  life_->run(std::chrono::milliseconds(20));
  EXPECT_TRUE(disk_.stat(path).has_value());
  life_->run(std::chrono::seconds(1));
  EXPECT_FALSE(disk_.stat(path).has_value()) << "removed after the end of its message is on disk";
}

}  // namespace
}  // namespace posthouse::queue
