// The local agent with real pools and files: batches, checkpoints, failures, redo.
#include "deliver/local_agent.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "mailbox/maildrop.hpp"
#include "net/blocking_pool.hpp"
#include "tests/unit/mailbox/fault_disk.hpp"
#include "tests/unit/mailbox/temp_dir.hpp"

namespace posthouse::deliver {
namespace {

using mailbox::FaultDisk;
using mailbox::Format;
using mailbox::names_in;
using mailbox::TempDir;

class CountingBulk final : public mailbox::BulkSync {
 public:
  base::Result<> sync(std::span<const std::string> paths) override {
    ++calls_;
    paths_ = paths.size();
    if (fail_) return base::fail_errno(EIO, "syncfs", "");
    return {};
  }
  int calls_ = 0;
  std::size_t paths_ = 0;
  bool fail_ = false;
};

class FullPool final : public net::Blocking {
 public:
  net::Task<bool> run(net::Job&) override { co_return false; }
};

class LocalAgentTest : public ::testing::Test {
 protected:
  void make(Format format, LocalAgentOptions options) {
    mailbox::StoreOptions store;
    store.format = format;
    store.root = dir_.path();
    store_ = std::make_unique<mailbox::Store>(disk_, mailbox::system_file_locks(), store);
    LocalAgent::Parts parts{*store_, mailbox_pool_, sync_pool_, &bulk_};
    agent_ = std::make_unique<LocalAgent>(parts, options);
  }
  void SetUp() override { make(Format::maildir, LocalAgentOptions()); }

  template <class T>
  T run(net::Task<T> task) {
    std::optional<T> result;
    net::spawn(context_.get_executor(), keep(std::move(task), &result), "test");
    context_.restart();
    context_.run();
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
  }
  template <class T>
  static net::Task<> keep(net::Task<T> task, std::optional<T>* result) {
    *result = co_await std::move(task);
  }

  BoxDelivery delivery(std::uint64_t number, const std::string& box) {
    BoxDelivery one;
    one.id.time_us = number;
    one.leaf = static_cast<std::uint32_t>(number % 3);
    one.uid = std::to_string(number) + ".m-0";
    one.box = box;
    one.recipient = "bob@example.org";
    one.reverse_path = "alice@example.net";
    one.text = std::make_shared<const std::string>("Subject: x\r\n\r\nhello\r\n");
    return one;
  }
  std::vector<BoxResult> deliver(std::vector<BoxDelivery> list) {
    return run(agent_->deliver(std::move(list)));
  }
  std::size_t count(const std::string& box) { return names_in(dir_ / box + "/new").size(); }

  TempDir dir_;
  FaultDisk disk_;
  CountingBulk bulk_;
  net::asio::io_context context_{1};
  net::BlockingPool mailbox_pool_{[] {
    net::BlockingPoolOptions options;
    options.name = "mailbox";
    return options;
  }()};
  net::BlockingPool sync_pool_{[] {
    net::BlockingPoolOptions options;
    options.name = "sync";
    options.threads = 4;
    return options;
  }()};
  std::unique_ptr<mailbox::Store> store_;
  std::unique_ptr<LocalAgent> agent_;
};

TEST_F(LocalAgentTest, DeliversABatchAndCheckpointsByFile) {
  const auto results = deliver({delivery(1, "bob"), delivery(2, "carol"), delivery(3, "bob")});
  ASSERT_EQ(results.size(), 3u);
  for (const BoxResult& result : results) EXPECT_TRUE(result.written) << result.detail;
  EXPECT_EQ(count("bob"), 2u);
  EXPECT_EQ(count("carol"), 1u);
  EXPECT_EQ(agent_->dirty_files(), 3u);
  EXPECT_GT(agent_->dirty_bytes(), 200u);
  EXPECT_EQ(disk_.calls().count("sync"), 0u);
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  EXPECT_EQ(bulk_.calls_, 0);
  EXPECT_EQ(agent_->dirty_files(), 0u);
  EXPECT_EQ(agent_->dirty_bytes(), 0u);
  EXPECT_EQ(disk_.calls().at("sync"), 3 + 6 + 1);  // files, new/ cur/ and mailbox each, root
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  EXPECT_EQ(disk_.calls().at("sync"), 10);
}

TEST_F(LocalAgentTest, ManyFilesAreSyncedInBulk) {
  std::vector<BoxDelivery> list;
  for (std::uint64_t i = 0; i < 40; ++i) list.push_back(delivery(i, i % 2 == 0 ? "bob" : "carol"));
  deliver(std::move(list));
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  EXPECT_EQ(bulk_.calls_, 1);
  EXPECT_EQ(bulk_.paths_, 2u);
  EXPECT_EQ(disk_.calls().count("sync"), 0u);
}

TEST_F(LocalAgentTest, AfterAFailedBulkSyncEachFileIsAskedFor) {
  LocalAgentOptions options;
  options.bulk_from = 2;
  options.sync_jobs = 1;  // the fault disk is for one thread
  make(Format::maildir, options);
  deliver({delivery(1, "bob"), delivery(2, "bob"), delivery(3, "carol")});
  bulk_.fail_ = true;
  disk_.fail_sync_of("/2.m-0");
  const auto failed = run(agent_->checkpoint());
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].id.time_us, 2u);
  EXPECT_EQ(failed[0].leaf, 2u);
}

TEST_F(LocalAgentTest, WhatCouldNotBeHardenedIsRedoneEvenUnasked) {
  deliver({delivery(1, "bob"), delivery(2, "bob")});
  disk_.fail_sync_of("/2.m-0");
  ASSERT_EQ(run(agent_->checkpoint()).size(), 1u);
  // A reader moved it meanwhile: a plain delivery would make a second copy.
  for (const std::string& name : names_in(dir_ / "bob/new")) {
    if (name.starts_with("2.")) {
      std::filesystem::rename(dir_ / "bob/new/" + name, dir_ / "bob/cur/" + name + ":2,S");
    }
  }
  disk_.heal();
  EXPECT_TRUE(deliver({delivery(2, "bob")})[0].written);
  EXPECT_EQ(count("bob"), 1u);
  EXPECT_EQ(names_in(dir_ / "bob/cur").size(), 1u);
  EXPECT_EQ(agent_->dirty_files(), 0u);  // durable already
}

TEST_F(LocalAgentTest, RedoIsGroupedByMailboxAndDurable) {
  std::vector<BoxDelivery> list;
  for (std::uint64_t i = 0; i < 6; ++i) {
    list.push_back(delivery(i, i % 2 == 0 ? "bob" : "carol"));
    list.back().redo = i != 5;
  }
  for (const BoxResult& result : deliver(std::move(list))) EXPECT_TRUE(result.written);
  EXPECT_EQ(disk_.calls().at("list"), 4);  // new/ and cur/ of two mailboxes
  EXPECT_EQ(count("bob"), 3u);
  EXPECT_EQ(count("carol"), 3u);
  EXPECT_EQ(agent_->dirty_files(), 1u);
}

TEST_F(LocalAgentTest, SyncAlwaysLeavesNothingToTheCheckpoint) {
  LocalAgentOptions options;
  options.sync_always = true;
  for (const Format format : {Format::maildir, Format::mbox}) {
    make(format, options);
    const std::string box = format == Format::maildir ? "a/bob" : "a/carol";
    EXPECT_TRUE(deliver({delivery(1, box)})[0].written);
    EXPECT_EQ(agent_->dirty_files(), 0u);
    const auto& synced = disk_.synced();
    EXPECT_NE(std::find(synced.begin(), synced.end(), dir_ / "a"), synced.end());
    EXPECT_NE(std::find(synced.begin(), synced.end(), dir_.path()), synced.end());
  }
}

TEST_F(LocalAgentTest, SyncAlwaysFailureIsDeferredAndRedone) {
  LocalAgentOptions options;
  options.sync_always = true;
  for (const Format format : {Format::maildir, Format::mbox}) {
    make(format, options);
    const std::string box = format == Format::maildir ? "bob" : "carol";
    disk_.fail_sync_of("/" + box);
    const auto results = deliver({delivery(1, box)});
    EXPECT_FALSE(results[0].written);
    EXPECT_NE(results[0].detail.find("Input/output error"), std::string::npos);
    disk_.heal();
    EXPECT_TRUE(deliver({delivery(1, box)})[0].written);
    auto drop = mailbox::Maildrop::open(*store_, store_->path_of(box));
    ASSERT_TRUE(drop);
    EXPECT_EQ((*drop)->count(), 1u);
  }
}

TEST_F(LocalAgentTest, OneBadMailboxDoesNotStopTheOthers) {
  mailbox::write_all(dir_ / "bob", "a file where a directory should be");
  const auto results = deliver({delivery(1, "bob"), delivery(2, "carol")});
  EXPECT_FALSE(results[0].written);
  EXPECT_FALSE(results[0].detail.empty());
  EXPECT_TRUE(results[1].written);
  EXPECT_EQ(agent_->dirty_files(), 1u);
}

TEST_F(LocalAgentTest, LockedMailboxIsWaitedForOnceABatch) {
  make(Format::mbox, LocalAgentOptions());
  mailbox::write_all(dir_ / "bob", "");
  mailbox::write_all(dir_ / "bob.lock", "1\n");  // of a process that lives
  const auto results = deliver({delivery(1, "bob"), delivery(2, "bob"), delivery(3, "carol")});
  EXPECT_FALSE(results[0].written);
  EXPECT_FALSE(results[1].written);
  EXPECT_NE(results[1].detail.find("locked by another program"), std::string::npos);
  EXPECT_TRUE(results[2].written);
  std::filesystem::remove(dir_ / "bob.lock");
  EXPECT_TRUE(deliver({delivery(1, "bob")})[0].written);
}

TEST_F(LocalAgentTest, FullPoolDefers) {
  FullPool full;
  LocalAgent::Parts parts{*store_, full, full, nullptr};
  LocalAgent agent(parts, LocalAgentOptions());
  std::vector<BoxDelivery> list;
  list.push_back(delivery(1, "bob"));
  const auto results = run(agent.deliver(std::move(list)));
  EXPECT_FALSE(results[0].written);
  const auto removed = run(agent.remove("bob", {}));
  EXPECT_FALSE(removed);
}

TEST_F(LocalAgentTest, CheckpointThatCannotRunFailsForAll) {
  FullPool full;
  LocalAgent::Parts parts{*store_, mailbox_pool_, full, &bulk_};
  LocalAgent agent(parts, LocalAgentOptions());
  std::vector<BoxDelivery> list;
  list.push_back(delivery(1, "bob"));
  list.push_back(delivery(2, "carol"));
  (void)run(agent.deliver(std::move(list)));
  EXPECT_EQ(run(agent.checkpoint()).size(), 2u);
}

TEST_F(LocalAgentTest, RemovalIsDurableAfterTheNextCheckpoint) {
  deliver({delivery(1, "bob"), delivery(2, "bob")});
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  const auto syncs = disk_.calls().at("sync");
  std::vector<std::string> uids = {"1.m-0", "7.never-0"};
  EXPECT_TRUE(run(agent_->remove("bob", std::move(uids))));
  EXPECT_EQ(count("bob"), 1u);
  EXPECT_EQ(disk_.calls().at("sync"), syncs);
  // A failure is not forgotten.
  disk_.fail_sync_of("bob/new");
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  disk_.heal();
  const std::size_t before = disk_.synced().size();
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  const auto& synced = disk_.synced();
  EXPECT_EQ(std::count(synced.begin() + static_cast<long>(before), synced.end(), dir_ / "bob/new"),
            1);
  agent_->note_removal("bob");
  EXPECT_TRUE(run(agent_->checkpoint()).empty());
  EXPECT_EQ(std::count(synced.begin() + static_cast<long>(before), synced.end(), dir_ / "bob/new"),
            2);
}

}  // namespace
}  // namespace posthouse::deliver
