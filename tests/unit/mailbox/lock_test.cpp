// Locks: one POP3 session a mailbox; write locks among threads, against dot-locks and fcntl locks.
#include "mailbox/lock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "temp_dir.hpp"

namespace posthouse::mailbox {
namespace {

class MboxLockTest : public ::testing::Test {
 protected:
  TempDir dir_;
  std::string box_ = dir_ / "bob";
  MboxLocks locks_{base::system_disk(), system_file_locks(), std::chrono::milliseconds(60)};

  bool busy() {
    const auto held = locks_.lock(box_);
    return !held && held.error().code == std::errc::resource_unavailable_try_again;
  }
};

TEST_F(MboxLockTest, DotLockIsWrittenAndRemoved) {
  write_all(box_, "");
  {
    const auto held = locks_.lock(box_);
    ASSERT_TRUE(held);
    EXPECT_EQ(read_all(box_ + ".lock"), std::to_string(::getpid()) + "\n");
  }
  EXPECT_EQ(names_in(dir_.path()), (std::set<std::string>{"bob"}));
}

TEST_F(MboxLockTest, SecondHolderWaitsInVain) {
  const auto held = locks_.lock(box_);
  ASSERT_TRUE(held);
  EXPECT_TRUE(busy());
  EXPECT_TRUE(locks_.lock(dir_ / "carol"));
}

TEST_F(MboxLockTest, ThreadsExcludeEachOther) {
  MboxLocks patient(base::system_disk(), system_file_locks(), std::chrono::seconds(30));
  int inside = 0;
  int most = 0;
  int entered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        const auto held = patient.lock(box_);
        ASSERT_TRUE(held);
        most = std::max(most, ++inside);
        ++entered;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(entered, 400);
}

TEST_F(MboxLockTest, ForeignDotLockIsRespectedUntilStale) {
  // Of a living process (init), without a readable id, and then old.
  write_all(box_ + ".lock", "1\n");
  EXPECT_TRUE(busy());
  write_all(box_ + ".lock", "");
  EXPECT_TRUE(busy());
  std::filesystem::last_write_time(
      box_ + ".lock", std::filesystem::file_time_type::clock::now() - std::chrono::minutes(11));
  EXPECT_FALSE(busy());
  EXPECT_TRUE(names_in(dir_.path()).empty());
}

TEST_F(MboxLockTest, DotLockOfADeadProcessIsRemoved) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  write_all(box_ + ".lock", std::to_string(child) + "\n");
  EXPECT_FALSE(busy());
  // An earlier life of ours with the same id.
  write_all(box_ + ".lock", std::to_string(::getpid()) + "\n");
  EXPECT_FALSE(busy());
}

TEST_F(MboxLockTest, FcntlLockOfAnotherProcessIsRespected) {
  write_all(box_, "");
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(box_.c_str(), O_RDWR);
    struct flock request = {};
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    char c = ::fcntl(fd, F_SETLK, &request) == 0 ? 'y' : 'n';
    (void)!::write(ready[1], &c, 1);
    (void)!::read(done[0], &c, 1);
    ::_exit(0);
  }
  char c = 'n';
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  ASSERT_EQ(c, 'y');
  EXPECT_TRUE(busy());
  EXPECT_EQ(names_in(dir_.path()), (std::set<std::string>{"bob"}));  // no dot-lock left
  ASSERT_EQ(::write(done[1], &c, 1), 1);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(busy());
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
}

TEST_F(MboxLockTest, MissingDirectoryIsReported) {
  const auto held = locks_.lock(dir_ / "none/bob");
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, std::errc::no_such_file_or_directory);
}

TEST(BoxLocks, OneHolderAPath) {
  BoxLocks locks;
  auto held = locks.try_lock("/a");
  EXPECT_TRUE(held);
  EXPECT_FALSE(locks.try_lock("/a"));
  EXPECT_TRUE(locks.try_lock("/b"));
  held.reset();
  EXPECT_TRUE(locks.try_lock("/a"));
}

}  // namespace
}  // namespace posthouse::mailbox
