// Accounts from the user file, on a simulated disk in virtual time, with a pool that counts jobs.
#include "accounts/file_accounts.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "accounts/user_file.hpp"
#include "base/log.hpp"
#include "tests/sim/lib/sim_disk.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::accounts {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Hashes of "correct horse" and "battery" at low cost.
constexpr const char* kHorse = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
constexpr const char* kHorseSha =
    "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA"
    "4NOfU8BmqFPrpGqwA1";

class CountingPool final : public net::Blocking {
 public:
  net::Task<bool> run(net::Job& job) override {
    if (full) co_return false;
    ++jobs;
    job.execute();
    co_return true;
  }
  bool full = false;
  int jobs = 0;
};

class FileAccountsTest : public testing::Test {
 protected:
  void SetUp() override {
    disk.set_clock(&world.clock());
    base::set_log_capture([this](std::string_view line) { log += std::string(line) + '\n'; });
  }
  void TearDown() override {
    base::flush_log();
    base::set_log_capture({});
  }

  void replace(std::string_view text) { ASSERT_TRUE(base::replace_file(disk, "/users", text)); }
  // Like an editor that truncates and writes.
  void write_in_place(std::string_view text) {
    const auto file = disk.open("/users", base::OpenMode::create);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->truncate(0));
    ASSERT_TRUE((*file)->write_at(0, text));
  }
  void start() {
    FileAccounts::Ports ports;
    ports.disk = &disk;
    ports.clock = &world.clock();
    ports.random = &world.random();
    ports.hashing = &pool;
    accounts.emplace(ports, options);
  }
  Lookup lookup(std::string_view address) {
    return accounts->lookup(mail::parse_address(address).value());
  }
  Verdict verify(std::string_view address, std::string_view password) {
    auto verdict =
        world.run(accounts->verify(mail::parse_address(address).value(), base::Secret(password)));
    return verdict.value();
  }
  std::string captured() {
    base::flush_log();
    return log;
  }

  sim::World world{1};
  sim::SimDisk disk;
  CountingPool pool;
  FileAccounts::Options options{"/users"};
  std::string log;
  std::optional<FileAccounts> accounts;
};

const std::string kBob = std::string("bob@test.example:") + kHorse + ":\n";
const std::string kEve = std::string("eve@test.example:") + kHorse + ":\n";

TEST_F(FileAccountsTest, FindsAndVerifies) {
  replace(kBob + "sha@test.example:" + kHorseSha + ":\n");
  start();
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
  EXPECT_EQ(lookup("BOB@Test.example"), Lookup::exists);
  EXPECT_EQ(lookup("eve@test.example"), Lookup::missing);
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  EXPECT_EQ(verify("bob@test.example", "wrong"), Verdict::refused);
  EXPECT_EQ(verify("bob@test.example", ""), Verdict::refused);
  EXPECT_EQ(verify("Sha@test.example", "correct horse"), Verdict::accepted);
}

TEST_F(FileAccountsTest, UnknownAndLockedUsersCostAHashToo) {
  replace(kBob + "locked@test.example:correct horse:\nold@test.example:$1$x$y:\n");
  start();
  EXPECT_EQ(verify("nobody@test.example", "x"), Verdict::refused);
  EXPECT_EQ(pool.jobs, 1);
  EXPECT_EQ(verify("old@test.example", "x"), Verdict::refused);
  EXPECT_EQ(pool.jobs, 2);
  EXPECT_EQ(verify("bob@test.example", "wrong"), Verdict::refused);
  EXPECT_EQ(pool.jobs, 3);
  EXPECT_EQ(lookup("old@test.example"), Lookup::exists) << "mail for it is still taken";
}

TEST_F(FileAccountsTest, AFullPoolIsUnavailable) {
  replace(kBob);
  start();
  pool.full = true;
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::unavailable);
  EXPECT_EQ(verify("nobody@test.example", "x"), Verdict::unavailable);
}

TEST_F(FileAccountsTest, RemembersVerifiedLoginsFor300Seconds) {
  replace(kBob);
  start();
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  EXPECT_EQ(verify("Bob@test.example", "correct horse"), Verdict::accepted);
  EXPECT_EQ(pool.jobs, 1);
  EXPECT_EQ(verify("bob@test.example", "wrong"), Verdict::refused);
  EXPECT_EQ(pool.jobs, 2);
  world.run_for(seconds(299));
  pool.full = true;  // a remembered login needs no pool
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  pool.full = false;
  world.run_for(seconds(1));
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  EXPECT_EQ(pool.jobs, 3);
}

TEST_F(FileAccountsTest, CacheOfSizeZeroHashesEachTime) {
  replace(kBob);
  options.cache_entries = 0;
  start();
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  EXPECT_EQ(pool.jobs, 2);
}

TEST_F(FileAccountsTest, AChangedHashLineEndsTheRememberedLogin) {
  replace(kBob);
  start();
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::accepted);
  UserChange change;
  change.hash = "$2b$05$abcdefghijklmnopqrstuu0000000000000000000000000000000";
  ASSERT_TRUE(change_user(disk, "/users", mail::parse_address("bob@test.example").value(), change));
  world.run_for(milliseconds(10));
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::refused);
  EXPECT_EQ(pool.jobs, 2);
}

TEST_F(FileAccountsTest, NewUsersAreSeenAtOnceAndRemovedOnesWithinASecond) {
  replace(kBob);
  start();
  EXPECT_EQ(lookup("eve@test.example"), Lookup::missing);
  replace(kBob + kEve);
  world.run_for(milliseconds(10));
  EXPECT_EQ(lookup("eve@test.example"), Lookup::exists);
  replace(kBob);
  world.run_for(milliseconds(999));
  EXPECT_EQ(lookup("eve@test.example"), Lookup::exists);
  world.run_for(milliseconds(1));
  EXPECT_EQ(lookup("eve@test.example"), Lookup::missing);
}

TEST_F(FileAccountsTest, LooksAtTheFileAtMostOnceASecond) {
  replace(kBob);
  start();
  int stats = 0;
  disk.set_observer([&stats](const sim::DiskOp& op) { stats += op.name == "stat" ? 1 : 0; });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
  EXPECT_EQ(stats, 0);
  world.run_for(seconds(1));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
  EXPECT_EQ(stats, 1);
  disk.set_observer({});
}

TEST_F(FileAccountsTest, AFileWrittenInPlaceIsTakenWhenItStandsStill) {
  replace(kBob + kEve);
  start();
  world.run_for(seconds(5));
  write_in_place("");
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists) << "an editor has just emptied the file";
  world.run_for(milliseconds(900));
  write_in_place(kBob);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(lookup("nobody@test.example"), Lookup::missing);
    EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
    EXPECT_EQ(lookup("eve@test.example"), Lookup::exists);
    world.run_for(milliseconds(100));
  }
  world.run_for(seconds(2));
  EXPECT_EQ(lookup("eve@test.example"), Lookup::missing);
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
}

TEST_F(FileAccountsTest, ReloadTakesAnInPlaceChangeAtOnce) {
  replace(kBob + kEve);
  start();
  world.run_for(seconds(5));
  write_in_place(kEve);
  accounts->reload();
  EXPECT_EQ(lookup("bob@test.example"), Lookup::missing);
  EXPECT_EQ(lookup("eve@test.example"), Lookup::exists);
}

TEST_F(FileAccountsTest, AMissingFileHasNoUsersUntilItComes) {
  start();
  EXPECT_EQ(lookup("bob@test.example"), Lookup::missing);
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::refused);
  EXPECT_EQ(pool.jobs, 1);
  replace(kBob);
  world.run_for(milliseconds(10));
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
}

TEST_F(FileAccountsTest, AVanishedFileIsUnavailableAndComesBack) {
  replace(kBob);
  start();
  ASSERT_TRUE(disk.remove("/users"));
  world.run_for(seconds(1));
  EXPECT_EQ(lookup("bob@test.example"), Lookup::unavailable);
  EXPECT_EQ(lookup("nobody@test.example"), Lookup::unavailable);
  EXPECT_EQ(verify("bob@test.example", "correct horse"), Verdict::unavailable);
  EXPECT_EQ(pool.jobs, 0);
  EXPECT_NE(captured().find("user file cannot be read"), std::string::npos);
  replace(kBob);
  world.run_for(seconds(1));
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
}

TEST_F(FileAccountsTest, AnUnreadableFileIsUnavailable) {
  replace(kBob);
  disk.set_fault_hook([](const sim::DiskOp& op) {
    sim::DiskFault fault;
    if (op.path == "/users" && (op.name == "open" || op.name == "read")) fault.error = EACCES;
    return fault;
  });
  start();
  EXPECT_EQ(lookup("bob@test.example"), Lookup::unavailable);
  disk.clear_faults();
  world.run_for(seconds(1));
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
}

// Lookups from many threads while the file is replaced, on the real disk and clock.
TEST_F(FileAccountsTest, ManyThreadsWhileTheFileChanges) {
  const std::string path = testing::TempDir() + "posthouse_users_" + std::to_string(getpid());
  ASSERT_TRUE(base::replace_file(base::system_disk(), path, kBob));
  FileAccounts::Ports ports;
  ports.disk = &base::system_disk();
  ports.clock = &base::system_clock();
  ports.random = &base::system_random();
  ports.hashing = &pool;
  options.path = path;
  accounts.emplace(ports, options);
  std::atomic<int> wrong{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        wrong += lookup("bob@test.example") == Lookup::exists ? 0 : 1;
        wrong += lookup("eve@test.example") == Lookup::unavailable ? 1 : 0;
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(base::replace_file(base::system_disk(), path, i % 2 == 0 ? kBob + kEve : kBob));
    accounts->reload();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(lookup("eve@test.example"), Lookup::missing);
  EXPECT_TRUE(base::system_disk().remove(path));
}

TEST_F(FileAccountsTest, BrokenLinesAreLoggedAndTheRestServes) {
  replace("nonsense\n" + kBob);
  start();
  EXPECT_EQ(lookup("bob@test.example"), Lookup::exists);
  const std::string lines = captured();
  EXPECT_NE(lines.find("line of the user file skipped"), std::string::npos) << lines;
  EXPECT_EQ(lines.find(kHorse), std::string::npos) << "a hash is in the log";
}

}  // namespace
}  // namespace posthouse::accounts
