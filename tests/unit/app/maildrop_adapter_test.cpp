// Maildrops for POP3: reading ahead, deletions recorded before they are carried out, failures.
#include "app/maildrop_adapter.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "net/blocking_pool.hpp"
#include "tests/unit/mailbox/fault_disk.hpp"
#include "tests/unit/mailbox/temp_dir.hpp"

namespace posthouse::app {
namespace {

using mailbox::names_in;

// Runs jobs at once and counts them.
class CountingPool final : public net::Blocking {
 public:
  net::Task<bool> run(net::Job& job) override {
    ++jobs_;
    if (full_) co_return false;
    job.execute();
    co_return true;
  }
  int jobs_ = 0;
  bool full_ = false;
};

class FakeRemovals final : public Removals {
 public:
  explicit FakeRemovals(std::string new_dir) : new_dir_(std::move(new_dir)) {}
  net::Task<base::Result<std::uint64_t>> record(std::string box,
                                                std::vector<std::string> keys) override {
    box_ = std::move(box);
    keys_ = std::move(keys);
    there_at_record_ = names_in(new_dir_).size();
    if (fail_) co_return base::fail_errno(EIO, "record", box_);
    co_return std::uint64_t{42};
  }
  net::Task<> done(std::string box, std::uint64_t number) override {
    EXPECT_EQ(box, box_);
    done_ = number;
    there_at_done_ = names_in(new_dir_).size();
    co_return;
  }
  std::string new_dir_;
  std::string box_;
  std::vector<std::string> keys_;
  std::size_t there_at_record_ = 0;
  std::size_t there_at_done_ = 0;
  std::uint64_t done_ = 0;
  bool fail_ = false;
};

class MaildropAdapterTest : public ::testing::Test {
 protected:
  MaildropAdapterTest() : store_(disk_, mailbox::system_file_locks(), options(dir_.path())) {}
  static mailbox::StoreOptions options(const std::string& root) {
    mailbox::StoreOptions result;
    result.root = root;
    return result;
  }

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

  void deliver(int number, std::size_t body) {
    const std::string uid = std::to_string(1000 + number) + ".m-0";
    const auto stored = store_.deliver(mailbox::make_delivery(
        store_.path_of("bob"), uid, "Subject: x\r\n\r\n" + std::string(body, 'x') + "\r\n"));
    ASSERT_TRUE(stored);
  }
  std::unique_ptr<pop3d::Maildrop> open() {
    auto opened = run(open_maildrop(store_, pool_, removals_, "bob"));
    EXPECT_TRUE(opened) << opened.error().message();
    return opened ? std::move(*opened) : nullptr;
  }
  // Reads a message as the driver does, in pieces of `limit`.
  pop3d::DropStatus retr(pop3d::Maildrop& drop, std::size_t index, std::string* text,
                         std::size_t limit = 32768) {
    bool done = false;
    text->clear();
    while (!done) {
      const auto status = run(drop.read(index, text->size(), limit, text, &done));
      if (status != pop3d::DropStatus::ok) return status;
    }
    return pop3d::DropStatus::ok;
  }
  void expect_whole(pop3d::Maildrop& drop, std::size_t index, std::size_t limit = 32768) {
    std::string text;
    EXPECT_EQ(retr(drop, index, &text, limit), pop3d::DropStatus::ok);
    EXPECT_EQ(text.size(), drop.messages()[index].size) << index;
    EXPECT_TRUE(text.starts_with("Return-Path: <alice@example.net>\r\n"));
    EXPECT_TRUE(text.ends_with("x\r\n"));
  }

  mailbox::TempDir dir_;
  mailbox::FaultDisk disk_;
  mailbox::Store store_;
  CountingPool pool_;
  FakeRemovals removals_{dir_ / "bob/new"};
  net::asio::io_context context_{1};
};

TEST_F(MaildropAdapterTest, ListsUidsAndSizes) {
  deliver(1, 10);
  deliver(2, 20);
  const auto drop = open();
  ASSERT_EQ(drop->messages().size(), 2u);
  EXPECT_EQ(drop->messages()[0].uid, "1001.m-0");
  EXPECT_EQ(drop->messages()[1].size, drop->messages()[0].size + 10);
}

TEST_F(MaildropAdapterTest, ReadingInOrderTakesOneJobForManyMessages) {
  for (int i = 0; i < 64; ++i) deliver(i, 4000);
  const auto drop = open();
  pool_.jobs_ = 0;
  for (std::size_t i = 0; i < 64; ++i) expect_whole(*drop, i);
  EXPECT_LE(pool_.jobs_, 5);
}

TEST_F(MaildropAdapterTest, ReadingAtRandomReadsNothingAhead) {
  for (int i = 0; i < 20; ++i) deliver(i, 4000);
  const auto drop = open();
  const int opened = disk_.calls().at("open");
  pool_.jobs_ = 0;
  for (const std::size_t i : {std::size_t{7}, std::size_t{3}, std::size_t{15}}) {
    expect_whole(*drop, i);
  }
  EXPECT_EQ(pool_.jobs_, 3);
  EXPECT_EQ(disk_.calls().at("open"), opened + 3);
}

TEST_F(MaildropAdapterTest, PiecesRepeatsAndJumpsAreRight) {
  for (int i = 0; i < 12; ++i) deliver(i, 3000 + static_cast<std::size_t>(i) * 7);
  deliver(12, 200'000);
  deliver(13, 100);
  const auto drop = open();
  for (const std::size_t limit : {std::size_t{100}, std::size_t{1000}, std::size_t{70'000}}) {
    for (const std::size_t i : {0U, 1U, 2U, 2U, 5U, 4U, 11U, 12U, 13U, 12U, 0U, 1U}) {
      expect_whole(*drop, i, limit);
    }
  }
}

TEST_F(MaildropAdapterTest, MessageTakenByAnotherProgramIsGone) {
  for (int i = 0; i < 3; ++i) deliver(i, 10);
  const auto drop = open();
  const std::vector<std::string> uids = {"1001.m-0"};
  ASSERT_TRUE(store_.remove(store_.path_of("bob"), uids));
  expect_whole(*drop, 0);
  std::string text;
  EXPECT_EQ(retr(*drop, 1, &text), pop3d::DropStatus::gone);
  EXPECT_EQ(text, "");
  expect_whole(*drop, 2);
}

TEST_F(MaildropAdapterTest, DeletionIsRecordedThenCarriedOutThenReported) {
  for (int i = 0; i < 3; ++i) deliver(i, 10);
  const auto drop = open();
  std::vector<std::size_t> indexes = {0, 2};
  EXPECT_EQ(run(drop->remove(std::move(indexes))), pop3d::DropStatus::ok);
  EXPECT_EQ(removals_.box_, "bob");
  EXPECT_EQ(removals_.keys_, (std::vector<std::string>{"1000.m-0", "1002.m-0"}));
  EXPECT_EQ(removals_.there_at_record_, 3u);
  EXPECT_EQ(removals_.there_at_done_, 1u);
  EXPECT_EQ(removals_.done_, 42u);
}

TEST_F(MaildropAdapterTest, DeletionThatCannotBeRecordedChangesNothing) {
  deliver(1, 10);
  const auto drop = open();
  removals_.fail_ = true;
  std::vector<std::size_t> indexes = {0};
  EXPECT_EQ(run(drop->remove(std::move(indexes))), pop3d::DropStatus::unavailable);
  EXPECT_EQ(names_in(dir_ / "bob/new").size(), 1u);
  EXPECT_EQ(removals_.done_, 0u);
}

TEST_F(MaildropAdapterTest, NothingToDeleteAsksNobody) {
  deliver(1, 10);
  const auto drop = open();
  EXPECT_EQ(run(drop->remove({})), pop3d::DropStatus::ok);
  EXPECT_EQ(removals_.box_, "");
}

TEST_F(MaildropAdapterTest, SecondSessionIsInUseAndAFullPoolUnavailable) {
  deliver(1, 10);
  auto drop = open();
  const auto second = run(open_maildrop(store_, pool_, removals_, "bob"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::device_or_resource_busy);
  pool_.full_ = true;
  std::string text;
  EXPECT_EQ(retr(*drop, 0, &text), pop3d::DropStatus::unavailable);
  drop.reset();
  const auto third = run(open_maildrop(store_, pool_, removals_, "bob"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, std::errc::resource_unavailable_try_again);
  pool_.full_ = false;
  EXPECT_TRUE(open());
}

TEST_F(MaildropAdapterTest, WorksOnARealPool) {
  for (int i = 0; i < 40; ++i) deliver(i, 4000);
  net::BlockingPoolOptions options;
  options.name = "mailbox";
  net::BlockingPool pool(options);
  auto opened = run(open_maildrop(store_, pool, removals_, "bob"));
  ASSERT_TRUE(opened);
  for (std::size_t i = 0; i < 40; ++i) expect_whole(**opened, i);
}

}  // namespace
}  // namespace posthouse::app
