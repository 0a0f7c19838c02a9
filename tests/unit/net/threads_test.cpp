// Shards, run_on between them, the blocking pool and the timer.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "net/asio_timer.hpp"
#include "net/blocking_pool.hpp"
#include "net/signal.hpp"
#include "support.hpp"

namespace posthouse::net {
namespace {

using test::run_task;

Task<std::thread::id> this_thread() {
  co_await asio::this_coro::executor;
  co_return std::this_thread::get_id();
}

struct Hops {
  std::thread::id before, there, after;
};

Task<Hops> hop(Executor owner) {
  Hops hops;
  hops.before = std::this_thread::get_id();
  hops.there = co_await run_on(owner, this_thread());
  hops.after = std::this_thread::get_id();
  co_return hops;
}

TEST(RunOn, GoesToTheOwnerAndComesBack) {
  Shards shards(2);
  shards.run();
  const Hops hops = run_task(shards, 0, hop(shards.executor(1)));
  EXPECT_EQ(hops.before, hops.after);
  EXPECT_NE(hops.before, hops.there);
  EXPECT_EQ(hops.there, run_task(shards, 1, this_thread()));
}

TEST(RunOn, StaysWhenTheOwnerIsTheCaller) {
  Shards shards(2);
  shards.run();
  const Hops hops = run_task(shards, 0, hop(shards.executor(0)));
  EXPECT_EQ(hops.before, hops.there);
  EXPECT_EQ(hops.before, hops.after);
}

// No default constructor and not copyable.
class OnlyMovable {
 public:
  explicit OnlyMovable(int value) : value_(std::make_unique<int>(value)) {}
  [[nodiscard]] int value() const { return *value_; }

 private:
  std::unique_ptr<int> value_;
};

Task<OnlyMovable> make_value(int value) {
  co_await asio::this_coro::executor;
  co_return OnlyMovable(value);
}

Task<int> fetch_value(Executor owner) {
  const OnlyMovable got = co_await run_on(owner, make_value(7));
  co_return got.value();
}

Task<int> fail_there() {
  co_await asio::this_coro::executor;
  throw std::runtime_error("as planned");
}

Task<std::string> catch_here(Executor owner) {
  std::string what = "nothing";
  try {
    co_await run_on(owner, fail_there());
  } catch (const std::exception& e) {
    what = e.what();
  }
  co_return what;
}

TEST(RunOn, BringsBackValuesAndExceptions) {
  Shards shards(2);
  shards.run();
  EXPECT_EQ(run_task(shards, 0, fetch_value(shards.executor(1))), 7);
  EXPECT_EQ(run_task(shards, 0, fetch_value(shards.executor(0))), 7);
  EXPECT_EQ(run_task(shards, 0, catch_here(shards.executor(1))), "as planned");
}

Task<> count_up(int* plain) {
  ++*plain;
  co_await asio::this_coro::executor;
}

Task<> count_on_owner(Executor owner, int* plain, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    co_await run_on(owner, count_up(plain));
  }
}

TEST(RunOn, TheOwnersStateNeedsNoLock) {
  Shards shards(3);
  shards.run();
  int plain = 0;
  std::latch done(6);
  for (std::size_t i = 0; i < 6; ++i) {
    spawn(shards.executor(i % 3), count_on_owner(shards.executor(2), &plain, 500), "counter",
          [&done] { done.count_down(); });
  }
  done.wait();
  EXPECT_EQ(plain, 3000);
}

Task<> wait_for_ever(Executor owner, std::shared_ptr<int> held, std::latch* waiting) {
  Signal never(owner);
  waiting->count_down();
  co_await never.wait();
  *held = 1;
}

Task<> wait_elsewhere(Executor owner, std::shared_ptr<int> held, std::latch* waiting) {
  co_await run_on(owner, wait_for_ever(owner, held, waiting));
  *held = 2;
}

TEST(Shards, DestroyCoroutinesThatAreSuspendedInsideEachOther) {
  auto held = std::make_shared<int>(0);
  {
    Shards shards(2);
    shards.run();
    std::latch waiting(2);
    spawn(shards.executor(0), wait_elsewhere(shards.executor(1), held, &waiting), "first");
    spawn(shards.executor(1), wait_elsewhere(shards.executor(0), held, &waiting), "second");
    waiting.wait();
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST(Shards, SurviveAnExceptionOfAHandler) {
  Shards shards(1);
  shards.run();
  shards.post(0, [] { throw std::runtime_error("as planned"); });
  EXPECT_EQ(run_task(shards, 0, fetch_value(shards.executor(0))), 7);
}

TEST(Shards, ChooseTheLeastLoaded) {
  Shards shards(3);
  const auto a = shards.count_connection(0);
  const auto b = shards.count_connection(2);
  EXPECT_EQ(shards.least_loaded(), 1U);
  EXPECT_EQ(shards.least_loaded(), 1U);
  {
    const auto c = shards.count_connection(1);
    const auto d = shards.count_connection(1);
    EXPECT_EQ(shards.connections(1), 2U);
    EXPECT_NE(shards.least_loaded(), 1U);
  }
  EXPECT_EQ(shards.connections(1), 0U);
  EXPECT_EQ(shards.least_loaded(), 1U);
}

// Blocks until the test lets it go.
class GatedJob final : public Job {
 public:
  void execute() noexcept override {
    thread = std::this_thread::get_id();
    started.count_down();
    gate.wait();
    executed = true;
  }
  std::latch started{1};
  std::latch gate{1};
  std::thread::id thread;
  bool executed = false;
};

class CountingJob final : public Job {
 public:
  explicit CountingJob(std::atomic<int>* count) : count_(count) {}
  void execute() noexcept override { count_->fetch_add(1); }

 private:
  std::atomic<int>* count_;
};

struct Ran {
  bool accepted = false;
  bool same_thread = false;
};

Task<Ran> run_job(Blocking* pool, Job* job) {
  Ran ran;
  const auto before = std::this_thread::get_id();
  ran.accepted = co_await pool->run(*job);
  ran.same_thread = before == std::this_thread::get_id();
  co_return ran;
}

Task<> run_many(Blocking* pool, std::atomic<int>* count, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    CountingJob job(count);
    EXPECT_TRUE(co_await pool->run(job));
  }
}

BlockingPoolOptions pool_options(std::size_t threads, std::size_t max_waiting) {
  BlockingPoolOptions options;
  options.name = "test";
  options.threads = threads;
  options.max_waiting = max_waiting;
  return options;
}

TEST(BlockingPool, RunsElsewhereAndResumesHere) {
  Shards shards(1);
  shards.run();
  BlockingPool pool(pool_options(1, 1));
  GatedJob job;
  job.gate.count_down();
  const Ran ran = run_task(shards, 0, run_job(&pool, &job));
  EXPECT_TRUE(ran.accepted);
  EXPECT_TRUE(ran.same_thread);
  EXPECT_TRUE(job.executed);
  EXPECT_NE(job.thread, run_task(shards, 0, this_thread()));
}

Task<> keep_result(Blocking* pool, Job* job, std::atomic<int>* accepted) {
  const bool ran = co_await pool->run(*job);
  if (ran) {
    accepted->fetch_add(1);
  }
}

TEST(BlockingPool, RefusesWhatExceedsItsQueue) {
  Shards shards(1);
  shards.run();
  BlockingPool pool(pool_options(1, 2));
  std::atomic<int> accepted = 0;
  std::latch ended(3);
  const auto count = [&ended] { ended.count_down(); };
  GatedJob first;
  GatedJob second;
  GatedJob third;
  GatedJob refused;
  spawn(shards.executor(0), keep_result(&pool, &first, &accepted), "first", count);
  first.started.wait();
  spawn(shards.executor(0), keep_result(&pool, &second, &accepted), "second", count);
  spawn(shards.executor(0), keep_result(&pool, &third, &accepted), "third", count);
  // One shard, in order: both others are queued by now.
  EXPECT_FALSE(run_task(shards, 0, run_job(&pool, &refused)).accepted);
  EXPECT_FALSE(refused.executed);
  first.gate.count_down();
  second.gate.count_down();
  third.gate.count_down();
  ended.wait();
  EXPECT_EQ(accepted, 3);
  EXPECT_TRUE(second.executed && third.executed);
  // There is room again.
  refused.gate.count_down();
  EXPECT_TRUE(run_task(shards, 0, run_job(&pool, &refused)).accepted);
}

TEST(BlockingPool, APlaceIsFreeWhenTheCallerIsBack) {
  Shards shards(1);
  shards.run();
  BlockingPool pool(pool_options(1, 0));
  std::atomic<int> count = 0;
  run_task(shards, 0, run_many(&pool, &count, 1000));
  EXPECT_EQ(count, 1000);
}

TEST(BlockingPool, ServesManyCallersOfManyShards) {
  Shards shards(2);
  shards.run();
  BlockingPool pool(pool_options(3, 100));
  std::atomic<int> count = 0;
  std::latch done(20);
  for (std::size_t i = 0; i < 20; ++i) {
    spawn(shards.executor(i % 2), run_many(&pool, &count, 100), "caller",
          [&done] { done.count_down(); });
  }
  done.wait();
  EXPECT_EQ(count, 2000);
}

TEST(BlockingPool, ExecutesWhatIsQueuedWhenItEnds) {
  Shards shards(1);
  std::atomic<int> accepted = 0;
  std::atomic<int> count = 0;
  GatedJob first;
  CountingJob second(&count);
  {
    BlockingPool pool(pool_options(1, 5));
    shards.run();
    spawn(shards.executor(0), keep_result(&pool, &first, &accepted), "first");
    spawn(shards.executor(0), keep_result(&pool, &second, &accepted), "second");
    first.started.wait();
    EXPECT_EQ(run_task(shards, 0, fetch_value(shards.executor(0))), 7);  // both are queued
    shards.stop();
    first.gate.count_down();
  }
  EXPECT_TRUE(first.executed);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(accepted, 0);  // the callers' loop had ended
}

Task<bool> sleep_a_little(Timer* timer) {
  const auto until = timer->clock().mono() + std::chrono::milliseconds(20);
  co_await timer->sleep_until(until);
  co_return timer->clock().mono() >= until;
}

TEST(AsioTimer, SleepsUntilTheTimeHasCome) {
  Shards shards(1);
  shards.run();
  AsioTimer timer;
  EXPECT_TRUE(run_task(shards, 0, sleep_a_little(&timer)));
}

Task<> sleep_for_ever(Timer* timer, std::latch* sleeping) {
  sleeping->count_down();
  co_await timer->sleep_until(base::MonoTime::max());
  ADD_FAILURE() << "never came early";
}

TEST(AsioTimer, NeverIsNotNow) {
  AsioTimer timer;
  Shards shards(1);
  shards.run();
  std::latch sleeping(1);
  spawn(shards.executor(0), sleep_for_ever(&timer, &sleeping), "sleeper");
  sleeping.wait();
  EXPECT_TRUE(run_task(shards, 0, sleep_a_little(&timer)));
}

}  // namespace
}  // namespace posthouse::net
