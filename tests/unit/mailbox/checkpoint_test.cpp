// Checkpoints: what is synced, what failures are reported for whom.
#include "mailbox/checkpoint.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "fault_disk.hpp"
#include "mailbox/mbox.hpp"
#include "temp_dir.hpp"

namespace posthouse::mailbox {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  void deliver(std::uint64_t token, const std::string& box) {
    const std::string path = dir_ / box;
    auto stored =
        deliver_maildir(disk_, make_delivery(path, std::to_string(token) + ".m-0", "A: b\r\n\r\n"));
    ASSERT_TRUE(stored);
    dirty_.add(token, path, std::move(*stored));
  }
  CheckpointContext context() { return CheckpointContext{disk_, Format::maildir, dir_.path()}; }
  std::vector<std::uint64_t> run(Checkpoint& checkpoint) {
    checkpoint.run();
    return checkpoint.finish(hardened_);
  }
  std::vector<std::uint64_t> run() {
    Checkpoint checkpoint(context(), std::exchange(dirty_, {}), hardened_);
    return run(checkpoint);
  }
  long synced(const std::string& path) {
    return std::count(disk_.synced().begin(), disk_.synced().end(), path);
  }

  TempDir dir_;
  FaultDisk disk_;
  DirtySet dirty_;
  HardenedPaths hardened_;
};

TEST_F(CheckpointTest, SyncsFilesDirectoriesAndTheWayThere) {
  deliver(1, "v/bob");
  deliver(2, "v/bob");
  deliver(3, "w/carol");
  EXPECT_EQ(dirty_.deliveries(), 3u);
  EXPECT_GT(dirty_.octets(), 150u);
  EXPECT_TRUE(run().empty());
  for (const char* path :
       {"v/bob/new", "v/bob/cur", "v/bob", "v", "w/carol/new", "w/carol/cur", "w/carol", "w"}) {
    EXPECT_EQ(synced(dir_ / path), 1) << path;
  }
  EXPECT_EQ(synced(dir_.path()), 1);
  EXPECT_EQ(synced(dir_ / "v/bob/tmp/1.m-0"), 1);  // the name the file was opened by
  EXPECT_EQ(synced(dir_ / "v/bob/tmp/2.m-0"), 1);

  // The next one need not look above mailboxes hardened once.
  deliver(4, "v/bob");
  EXPECT_TRUE(run().empty());
  EXPECT_EQ(synced(dir_ / "v/bob/new"), 2);
  EXPECT_EQ(synced(dir_ / "v/bob"), 1);
  EXPECT_EQ(synced(dir_.path()), 1);
}

TEST_F(CheckpointTest, ReportsTheFileThatFailed) {
  deliver(1, "bob");
  deliver(2, "bob");
  deliver(3, "carol");
  disk_.fail_sync_of("/2.m-0");
  EXPECT_EQ(run(), (std::vector<std::uint64_t>{2}));
}

TEST_F(CheckpointTest, ReportsAllOfADirectoryThatFailed) {
  deliver(1, "bob");
  deliver(2, "bob");
  deliver(3, "carol");
  disk_.fail_sync_of("bob/cur");
  Checkpoint checkpoint(context(), std::exchange(dirty_, {}), hardened_);
  EXPECT_EQ(run(checkpoint), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(checkpoint.failed_mailboxes(), (std::vector<std::string>{dir_ / "bob"}));
  EXPECT_FALSE(hardened_.contains(dir_ / "bob"));
  EXPECT_TRUE(hardened_.contains(dir_ / "carol"));
}

TEST_F(CheckpointTest, WhatAReaderTookIsFinished) {
  deliver(1, "bob");
  deliver(2, "carol");
  for (const std::string& name : names_in(dir_ / "bob/new")) {
    std::filesystem::remove(dir_ / "bob/new/" + name);
  }
  std::filesystem::remove_all(dir_ / "carol");
  EXPECT_TRUE(run().empty());
}

TEST_F(CheckpointTest, RemovalSyncsTheDirectories) {
  deliver(1, "bob");
  EXPECT_TRUE(run().empty());
  dirty_.add_removal(dir_ / "bob");
  EXPECT_FALSE(dirty_.empty());
  EXPECT_EQ(dirty_.deliveries(), 0u);
  EXPECT_TRUE(run().empty());
  EXPECT_EQ(synced(dir_ / "bob/new"), 2);
  EXPECT_EQ(synced(dir_ / "bob/cur"), 2);
}

TEST_F(CheckpointTest, WhatNobodySyncedCountsAsFailed) {
  deliver(1, "bob");
  Checkpoint checkpoint(context(), std::exchange(dirty_, {}), hardened_);
  EXPECT_EQ(checkpoint.finish(hardened_), (std::vector<std::uint64_t>{1}));
}

TEST_F(CheckpointTest, SeveralThreadsShareTheWork) {
  MboxLocks locks(base::system_disk(), system_file_locks(), std::chrono::seconds(1));
  DirtySet dirty;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const std::string path = dir_ / ("box" + std::to_string(i % 7));
    auto stored = deliver_maildir(base::system_disk(),
                                  make_delivery(path, std::to_string(i) + ".m-0", "A: b\r\n\r\n"));
    ASSERT_TRUE(stored);
    dirty.add(i, path, std::move(*stored));
  }
  CheckpointContext real{base::system_disk(), Format::maildir, dir_.path()};
  Checkpoint checkpoint(real, std::move(dirty), hardened_);
  EXPECT_EQ(checkpoint.files(), 60u);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&] { checkpoint.run(); });
  for (std::thread& thread : threads) thread.join();
  checkpoint.close_files();
  EXPECT_TRUE(checkpoint.finish(hardened_).empty());
}

TEST_F(CheckpointTest, MboxDeliveriesShareAFileUntilItIsReplaced) {
  MboxLocks locks(disk_, system_file_locks(), std::chrono::seconds(1));
  Mbox mbox(disk_, locks);
  const std::string path = dir_ / "bob";
  const auto deliver_one = [&](std::uint64_t token) {
    auto stored = mbox.deliver(make_delivery(path, std::to_string(token) + ".m-0", "A: b\r\n\r\n"));
    ASSERT_TRUE(stored);
    dirty_.add(token, path, std::move(*stored));
  };
  deliver_one(1);
  deliver_one(2);
  const std::vector<std::string> gone = {"1.m-0"};
  ASSERT_TRUE(mbox.remove(path, gone));  // a new file takes the name
  deliver_one(3);
  CheckpointContext mbox_context{disk_, Format::mbox, dir_.path()};
  const long before = synced(path);
  Checkpoint checkpoint(mbox_context, std::exchange(dirty_, {}), hardened_);
  EXPECT_EQ(checkpoint.files(), 2u);
  EXPECT_TRUE(run(checkpoint).empty());
  EXPECT_EQ(synced(path), before + 2);
  EXPECT_EQ(synced(dir_.path()), 2);  // of the removal and of the checkpoint

  deliver_one(4);
  deliver_one(5);
  disk_.fail_sync_of("/bob");
  EXPECT_EQ(run(), (std::vector<std::uint64_t>{4, 5}));
}

class FakeBulk final : public BulkSync {
 public:
  base::Result<> sync(std::span<const std::string> paths) override {
    paths_.assign(paths.begin(), paths.end());
    if (fail_) return base::fail_errno(EIO, "syncfs", "");
    return {};
  }
  std::vector<std::string> paths_;
  bool fail_ = false;
};

TEST_F(CheckpointTest, BulkSyncHardensEverythingOrNothing) {
  FakeBulk bulk;
  deliver(1, "bob");
  Checkpoint checkpoint(context(), std::exchange(dirty_, {}), hardened_);
  bulk.fail_ = true;
  EXPECT_FALSE(checkpoint.run_bulk(bulk));
  EXPECT_EQ(checkpoint.finish(hardened_), (std::vector<std::uint64_t>{1}));
  EXPECT_FALSE(hardened_.contains(dir_ / "bob"));
  bulk.fail_ = false;
  EXPECT_TRUE(checkpoint.run_bulk(bulk));
  EXPECT_EQ(bulk.paths_, (std::vector<std::string>{dir_ / "bob"}));
  EXPECT_TRUE(checkpoint.finish(hardened_).empty());
  EXPECT_TRUE(hardened_.contains(dir_ / "bob"));
}

TEST_F(CheckpointTest, SystemBulkSyncTakesAnyPath) {
  const auto bulk = make_system_bulk_sync();
  write_all(dir_ / "bob", "x");
  const std::vector<std::string> paths = {dir_ / "bob", dir_.path(), dir_ / "missing", "/dev/shm"};
  const auto synced_all = bulk->sync(paths);
  EXPECT_TRUE(synced_all) << synced_all.error().message();
  EXPECT_TRUE(bulk->sync({}));
}

}  // namespace
}  // namespace posthouse::mailbox
