// The queue and its log, cut at every disk operation of a small working day, with the losses of a
// power failure and with the mere death of the process: what was acknowledged is there exactly
// once, what was deleted stays away, and with the faults stopped everything finishes.
#include <gtest/gtest.h>

#include <set>

#include "queue/manager.hpp"
#include "tests/unit/queue/fake_boxes.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::Boxes;
using test::FakeAgent;
using test::make_id;
using test::make_message;

// With and without the commits that run on the owner's thread.
LogSpoolOptions tiny_log(bool inline_commits) {
  LogSpoolOptions options;
  if (!inline_commits) options.inline_below = base::Duration(0);
  options.directory = "/spool/queue";
  options.segment_size = 4096;  // so that segments roll over, are cleaned and recycled on the way
  options.min_log = 3 * 4096;
  return options;
}

std::string uid_of(std::uint64_t n, std::uint32_t leaf) {
  const Message message = make_message(n, 10, leaf + 1);
  return leaf_uid(message, message.leaves[leaf]);
}

// What the outside world was told.
struct Ledger {
  std::set<Boxes::Key> acknowledged;
  std::set<Boxes::Key> deleting;  // a deletion was asked for: may be there or not
  std::set<Boxes::Key> deleted;   // a deletion was acknowledged: never again
};

struct Life {
  Life(sim::SimDisk& d, Boxes& b, std::uint64_t seed, bool inline_commits = true)
      : disk(d),
        world(seed),
        log_pool(world),
        file_pool(world),
        agent(world, b),
        boxes(b),
        spool(LogSpoolDeps{world.executor(), disk, world.timer(), log_pool, file_pool},
              tiny_log(inline_commits)),
        manager(QueueParts{world.executor(), spool, agent, world.timer()}, ManagerOptions{}) {}
  ~Life() { world.shutdown(); }

  sim::SimDisk& disk;
  sim::World world;
  sim::SimBlocking log_pool;
  sim::SimBlocking file_pool;
  FakeAgent agent;
  Boxes& boxes;
  LogSpool spool;
  Manager manager;
};

net::Task<> submit(Life& life, Ledger& ledger, std::uint64_t n, std::uint32_t leaves) {
  Message message = make_message(n, 400, leaves);
  const auto accepted = co_await life.manager.submit(std::move(message));
  if (!accepted) co_return;
  for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
    ledger.acknowledged.insert({"user" + std::to_string(leaf), uid_of(n, leaf)});
  }
}

net::Task<> remove(Life& life, Ledger& ledger, std::uint64_t n) {
  const Boxes::Key key("user0", uid_of(n, 0));
  if (!life.boxes.cache.contains(key)) co_return;
  ledger.deleting.insert(key);
  std::vector<std::string> uids = {key.second};
  const auto number = co_await life.manager.remove_from_box(key.first, std::move(uids));
  if (!number) co_return;
  ledger.deleted.insert(key);
  life.boxes.change(key, true, "");
  life.manager.removal_done(*number);
}

net::Task<> pause(Life& life, base::Duration time) {
  co_await life.world.timer().sleep_until(life.world.now() + time);
}

// `base` is added to the numbers of messages: ids are never repeated.
net::Task<> working_day(Life& life, Ledger& ledger, std::uint64_t base) {
  const auto started = co_await life.manager.recover();
  if (!started) co_return;
  life.agent.defer = [base](const LocalDelivery& delivery) {
    return delivery.message->id == make_id(base + 2) && delivery.leaf == 1;
  };
  co_await submit(life, ledger, base + 1, 1);
  co_await submit(life, ledger, base + 2, 2);
  life.world.spawn(submit(life, ledger, base + 3, 1), "submit");
  life.world.spawn(submit(life, ledger, base + 4, 1), "submit");
  co_await pause(life, std::chrono::milliseconds(500));
  co_await remove(life, ledger, base + 1);  // not yet hardened
  co_await pause(life, std::chrono::seconds(3));
  co_await remove(life, ledger, base + 3);  // hardened
  for (std::uint64_t n = 5; n <= 24; ++n) {
    co_await submit(life, ledger, base + n, 1);
    co_await pause(life, std::chrono::milliseconds(700));
  }
  co_await remove(life, ledger, base + 20);
  co_await pause(life, std::chrono::seconds(1));
}

// Recovers on `disk`, checks the ledger, lets everything finish, and checks that nothing is left.
void check(sim::SimDisk& disk, Boxes boxes, const Ledger& ledger, const std::string& what) {
  SCOPED_TRACE(what);
  {
    Life life(disk, boxes, 7);
    const auto recovered = life.world.run(life.manager.recover());
    ASSERT_TRUE(recovered.has_value() && recovered->has_value());
    for (const Boxes::Key& key : ledger.acknowledged) {
      if (ledger.deleting.contains(key)) continue;
      ASSERT_TRUE(boxes.cache.contains(key)) << "lost " << key.second;
      ASSERT_FALSE(boxes.cache.at(key).empty());
    }
    for (const Boxes::Key& key : ledger.deleted) {
      ASSERT_FALSE(boxes.cache.contains(key)) << "back " << key.second;
    }
    life.world.run_for(std::chrono::seconds(5));
    ASSERT_EQ(life.manager.counters().messages, 0u) << "everything finishes";
    ASSERT_EQ(life.manager.counters().spool.live_bytes, 0u);
    ASSERT_TRUE(life.world.run(life.manager.drain()));
    ASSERT_TRUE(life.world.run(life.spool.stop()));
    ASSERT_TRUE(life.world.failures().empty());
  }
  disk.kill();
  ASSERT_TRUE(disk.list("/spool/queue/corrupt")->empty());
  Life again(disk, boxes, 8);
  const auto recovered = again.world.run(again.manager.recover());
  ASSERT_TRUE(recovered.has_value() && recovered->has_value());
  ASSERT_EQ(again.agent.redone, 0u) << "what is finished is not done again";
}

struct Day {
  std::uint64_t base = 0;
  bool inline_commits = true;
};

// The day until it is over or the disk is cut.
void run_day(sim::SimDisk& disk, Boxes& boxes, Ledger& ledger, const Day& day) {
  Life life(disk, boxes, 3, day.inline_commits);
  // A log that is slower than everything else around it.
  life.log_pool.set_delay(std::chrono::milliseconds(5), std::chrono::milliseconds(30));
  disk.on_cut([&life] { life.world.kill(life.world.main()); });
  life.world.spawn(working_day(life, ledger, day.base), "day");
  life.world.run_for(std::chrono::minutes(2));
  EXPECT_TRUE(life.world.failures().empty());
  disk.on_cut({});
}

TEST(QueueCrash, TheDayIsWorthCutting) {
  sim::SimDisk disk;
  Boxes boxes;
  Ledger ledger;
  Life life(disk, boxes, 3);
  life.world.spawn(working_day(life, ledger, 0), "day");
  life.world.run_for(std::chrono::seconds(30));
  EXPECT_EQ(ledger.acknowledged.size(), 25u);
  EXPECT_EQ(ledger.deleted.size(), 3u);
  EXPECT_GT(life.manager.counters().spool.recycled, 2u);
  EXPECT_GT(disk.operations(), 100u);
}

void cut_at_every_operation(bool inline_commits) {
  Day day;
  day.inline_commits = inline_commits;
  std::uint64_t n = 1;
  for (;; ++n) {
    sim::SimDisk disk;
    Boxes boxes;
    Ledger ledger;
    disk.cut_at(n);
    run_day(disk, boxes, ledger, day);
    if (!disk.cut()) break;
    sim::LossPlan plan;
    plan.random_subsets = 16;
    plan.each_limit = 8;
    plan.exhaustive = 4;
    plan.seed = n;
    for (const sim::LossPolicy& policy : sim::loss_policies(disk.pending_items(), plan)) {
      const auto after = disk.after_crash(policy);
      for (const int kept : {0, 1, 2}) {  // none, all, every second change of the mailboxes
        Boxes left = boxes;
        left.crash([&](std::size_t i) { return kept == 1 || (kept == 2 && i % 2 == 0); });
        const auto copy = after->after_crash(sim::LossPolicy::all());
        check(*copy, left, ledger, "cut at " + std::to_string(n) + ", " + policy.text());
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(n, 100u);
}

TEST(QueueCrash, CutAtEveryOperation) { cut_at_every_operation(true); }

TEST(QueueCrash, CutAtEveryOperationWithASlowLog) { cut_at_every_operation(false); }

// The process dies (the cache survives), and while its successor recovers the power fails.
TEST(QueueCrash, KilledThenCutDuringRecovery) {
  for (std::uint64_t n = 5; n < 200; n += 13) {
    sim::SimDisk disk;
    Boxes boxes;
    Ledger ledger;
    disk.cut_at(n);
    run_day(disk, boxes, ledger, Day());
    if (!disk.cut()) break;
    for (std::uint64_t m = 1; m < 40; m += 3) {
      const auto copy = disk.after_crash(sim::LossPolicy::random(n * 1000 + m));
      Boxes left = boxes;
      copy->cut_at(m);
      Ledger second = ledger;
      Day next;
      next.base = 100;
      run_day(*copy, left, second, next);
      if (!copy->cut()) break;
      left.crash([](std::size_t i) { return i % 2 == 0; });
      copy->crash(sim::LossPolicy::random(m));
      check(*copy, left, second, "cut at " + std::to_string(n) + " and " + std::to_string(m));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace posthouse::queue
