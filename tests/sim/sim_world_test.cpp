// Virtual time, processes and their deaths, the event hash, and the small parts that live in a
// world: blocking pool, resolver, disk plug.
#include "tests/sim/lib/world.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "net/signal.hpp"
#include "tests/sim/lib/plug.hpp"
#include "tests/sim/lib/sim_blocking.hpp"
#include "tests/sim/lib/sim_disk.hpp"
#include "tests/sim/lib/sim_dns.hpp"

namespace posthouse::sim {
namespace {

using namespace std::chrono_literals;

// Counts live objects, to see frames destroyed.
struct Counted {
  explicit Counted(int& counter) : count(&counter) { ++*count; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*count; }
  int* count;
};

net::Task<> note_after(World* world, base::Duration delay, std::string name,
                       std::vector<std::string>* notes) {
  co_await world->timer().sleep_until(world->now() + delay);
  notes->push_back(fmt::format("{}@{}", name, world->now().time_since_epoch() / 1s - 86400));
}

net::Task<> hold(World* world, int* counter, base::Duration delay) {
  const Counted alive(*counter);
  co_await world->timer().sleep_until(world->now() + delay);
}

net::Task<> wait_signal(net::Signal* signal, int* counter) {
  const Counted alive(*counter);
  co_await signal->wait();
}

TEST(SimWorld, TimersFireInOrderAndMoveTimeExactly) {
  World world(1);
  std::vector<std::string> notes;
  world.spawn(note_after(&world, 3s, "c", &notes), "c");
  world.spawn(note_after(&world, 1s, "a", &notes), "a");
  world.spawn(note_after(&world, 2s, "b", &notes), "b");
  world.run_for(2s);
  EXPECT_EQ(notes, (std::vector<std::string>{"a@1", "b@2"}));
  EXPECT_EQ(base::format_rfc3339(world.clock().wall()), "2026-01-01T00:00:02.000Z");
  EXPECT_TRUE(world.run_until_idle());
  EXPECT_EQ(notes.back(), "c@3");
  EXPECT_TRUE(world.failures().empty());
}

TEST(SimWorld, IdleLimitAndDays) {
  World world(1);
  std::vector<std::string> notes;
  world.spawn(note_after(&world, std::chrono::hours(24 * 5), "late", &notes), "late");
  EXPECT_FALSE(world.run_until_idle(1h));
  EXPECT_TRUE(notes.empty());
  EXPECT_TRUE(world.run_until_idle(std::chrono::hours(24 * 6)));
  EXPECT_EQ(notes.size(), 1U);
}

TEST(SimWorld, SleepersOfOneMomentWakeInAnOrderBySeed) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    std::vector<std::string> notes;
    for (const char* name : {"a", "b", "c"}) {
      world.spawn(note_after(&world, 1s, name, &notes), name);
    }
    world.run_until_idle();
    orders.insert(notes.at(0) + notes.at(1) + notes.at(2));
  }
  EXPECT_GT(orders.size(), 1U);
}

TEST(SimWorld, WallClockSteps) {
  World world(1);
  world.step_wall_clock(-10s);
  EXPECT_EQ(base::format_rfc3339(world.clock().wall()), "2025-12-31T23:59:50.000Z");
}

net::Task<> throws() {
  throw std::runtime_error("broken");
  co_return;
}

net::Task<int> answer(World* world) {
  co_await world->timer().sleep_until(world->now() + 1min);
  co_return 42;
}

TEST(SimWorld, RunReturnsResultsAndKeepsExceptions) {
  World world(1);
  EXPECT_EQ(world.run(answer(&world)), 42);
  EXPECT_EQ(world.run(answer(&world), 10s), std::nullopt) << "the limit is shorter than the task";
  world.spawn(throws(), "thrower");
  world.run_until_idle();
  EXPECT_EQ(world.failures(), std::vector<std::string>{"task thrower: broken"});
  EXPECT_FALSE(world.run(throws()));
}

TEST(SimWorld, DestructionWithSuspendedCoroutinesFreesTheirFrames) {
  int alive = 0;
  {
    World world(1);
    auto signal = std::make_shared<net::Signal>(world.executor());
    world.main().keep(signal);
    for (int i = 0; i < 10; ++i) {
      world.spawn(hold(&world, &alive, 1h), "hold");
      world.spawn(wait_signal(signal.get(), &alive), "signal");
    }
    world.run_for(1s);
    EXPECT_EQ(alive, 20);
    world.spawn(hold(&world, &alive, 1h), "never started");
  }
  EXPECT_EQ(alive, 0);
}

TEST(SimWorld, KillEndsOneProcessAlone) {
  World world(1);
  int server = 0;
  int client = 0;
  Process& process = world.start_process("server");
  world.spawn(process, hold(&world, &server, 1h), "server");
  world.spawn(hold(&world, &client, 1h), "client");
  world.run_for(1s);
  world.kill(process);
  EXPECT_EQ(server, 0);
  EXPECT_EQ(client, 1);
  EXPECT_FALSE(process.alive());
  world.spawn(process, hold(&world, &server, 1s), "after death");
  EXPECT_TRUE(world.run_until_idle());
  EXPECT_EQ(server, 0);
  EXPECT_EQ(client, 0);
}

net::Task<> kill_self(World* world, Process* process, int* counter, bool* after) {
  const Counted alive(*counter);
  world->kill(*process, Death::power_cut);
  co_await world->timer().sleep_until(world->now() + 1s);
  *after = true;
}

TEST(SimWorld, AProcessThatDiesInItsOwnHandlerNeverContinues) {
  World world(1);
  int alive = 0;
  bool after = false;
  Process& process = world.start_process("server");
  world.spawn(process, kill_self(&world, &process, &alive, &after), "server");
  world.run_until_idle();
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(after);
}

struct WriteJob final : net::Job {
  explicit WriteJob(SimDisk& d) : disk(d) {}
  void execute() noexcept override {
    ++executed;
    auto file = disk.open("/f", base::OpenMode::create);
    ok = file && (*file)->write_at(0, "x") && (*file)->sync_data() && disk.sync_dir("/");
  }
  SimDisk& disk;
  int executed = 0;
  bool ok = false;
};

net::Task<> run_job(SimBlocking* pool, SimDisk* disk, int* ran, int* refused) {
  WriteJob job(*disk);
  const bool accepted = co_await pool->run(job);
  if (!accepted) ++*refused;
  if (accepted && job.ok) ++*ran;
}

TEST(SimBlocking, RunsJobsLaterAndRefusesWhenFull) {
  World world(1);
  SimDisk disk;
  SimBlockingOptions options;
  options.queue = 2;
  SimBlocking pool(world, options);
  int ran = 0;
  int refused = 0;
  for (int i = 0; i < 5; ++i) world.spawn(run_job(&pool, &disk, &ran, &refused), "job");
  world.run_until(world.now());
  EXPECT_EQ(ran, 0) << "a job takes time";
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(pool.unfinished(), 3U);
  world.run_until_idle();
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(pool.unfinished(), 0U);
}

TEST(SimBlocking, PowerCutInsideAJobEndsItsProcess) {
  World world(1);
  SimDisk disk;
  Process& process = world.start_process("server");
  plug(world, disk, process);
  SimBlocking pool(world);
  int ran = 0;
  int refused = 0;
  disk.cut_at(3);
  world.spawn(process, run_job(&pool, &disk, &ran, &refused), "job");
  world.run_until_idle();
  EXPECT_TRUE(disk.cut());
  EXPECT_FALSE(process.alive());
  EXPECT_EQ(ran + refused, 0);
  disk.crash(LossPolicy::none());
  EXPECT_FALSE(disk.stat("/f"));
  Process& next = world.start_process("server again");
  plug(world, disk, next);
  world.spawn(next, run_job(&pool, &disk, &ran, &refused), "job");
  world.run_until_idle();
  EXPECT_EQ(ran, 1);
}

TEST(SimDns, AnswersKeepTheirKindsApart) {
  World world(1);
  SimDns dns(world);
  dns.add_mx("Example.NET", 10, "mail.example.net");
  dns.add_address("mail.example.net", "192.0.2.7");
  dns.add_address("mail.example.net", "2001:db8::7");
  dns.set_trouble("lame.example", SimDns::Trouble::servfail);
  dns.set_trouble("slow.example", SimDns::Trouble::timeout);

  const auto mx = world.run(dns.mx("example.net."));
  ASSERT_TRUE(mx && *mx);
  ASSERT_EQ((*mx)->hosts.size(), 1U);
  EXPECT_EQ((*mx)->hosts[0].host, "mail.example.net");
  const auto none = world.run(dns.addresses("example.net"));
  ASSERT_TRUE(none && *none);
  EXPECT_TRUE((*none)->exists);
  EXPECT_TRUE((*none)->addresses.empty());
  const auto addresses = world.run(dns.addresses("mail.example.net"));
  ASSERT_TRUE(addresses && *addresses);
  EXPECT_EQ((*addresses)->addresses.size(), 2U);
  const auto unknown = world.run(dns.mx("nowhere.example"));
  ASSERT_TRUE(unknown && *unknown);
  EXPECT_FALSE((*unknown)->exists);
  const auto lame = world.run(dns.mx("lame.example"));
  ASSERT_TRUE(lame);
  EXPECT_EQ(lame->error().code, std::errc::io_error);
  const auto before = world.now();
  const auto slow = world.run(dns.addresses("slow.example"));
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->error().code, std::errc::timed_out);
  EXPECT_EQ(world.now() - before, 30s);
  EXPECT_EQ(dns.queries().size(), 6U);
}

}  // namespace
}  // namespace posthouse::sim
