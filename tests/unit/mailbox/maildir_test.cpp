// Maildir delivery, redo and removal on the real file system.
#include "mailbox/maildir.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "fault_disk.hpp"
#include "mailbox/paths.hpp"
#include "temp_dir.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::string_view kText = "Subject: x\r\n\r\nhello\r\n";

std::string expected_file() {
  return "Return-Path: <alice@example.net>\nDelivered-To: bob@example.org\nSubject: x\n\nhello\n";
}

std::string expected_name(const std::string& uid) {
  const std::size_t octets = expected_file().size();
  return uid + ",S=" + std::to_string(octets) + ",W=" + std::to_string(octets + 5);
}

Delivery delivery_to(const std::string& box, const std::string& uid) {
  return make_delivery(box, uid, std::string(kText));
}

TEST(Maildir, DeliversIntoNewWithSizesInTheName) {
  const TempDir dir;
  const std::string box = dir / "in/b/o/bob";
  const auto stored = deliver_maildir(base::system_disk(), delivery_to(box, "17.abc-0"));
  ASSERT_TRUE(stored) << stored.error().message();
  EXPECT_EQ(names_in(box), (std::set<std::string>{"tmp", "new", "cur"}));
  EXPECT_EQ(names_in(box + "/new"), (std::set<std::string>{expected_name("17.abc-0")}));
  EXPECT_TRUE(names_in(box + "/tmp").empty());
  EXPECT_EQ(read_all(stored->name), expected_file());
  EXPECT_EQ(stored->octets, expected_file().size());
  EXPECT_TRUE(stored->file->sync_data());
}

TEST(Maildir, RepairsAHalfMadeMaildirAndALeftTemporary) {
  const TempDir dir;
  const std::string box = dir / "bob";
  write_all(box + "/tmp/17.abc-0", "left by a crash");
  const auto stored = deliver_maildir(base::system_disk(), delivery_to(box, "17.abc-0"));
  ASSERT_TRUE(stored) << stored.error().message();
  EXPECT_EQ(read_all(box + "/new/" + expected_name("17.abc-0")), expected_file());
  EXPECT_EQ(names_in(box), (std::set<std::string>{"tmp", "new", "cur"}));
}

TEST(Maildir, NamesAndSizes) {
  EXPECT_EQ(uid_of_name("17.abc-0,S=10,W=12:2,S"), "17.abc-0");
  EXPECT_EQ(uid_of_name("17.P1.host:2,S"), "17.P1.host");
  EXPECT_EQ(uid_of_name("plain"), "plain");
  EXPECT_EQ(base_name("a,S=1:2,RS"), "a,S=1");
  EXPECT_EQ(size_in_name("17.a,S=10,W=12:2,S", 'S'), 10u);
  EXPECT_EQ(size_in_name("17.a,S=10,W=12:2,S", 'W'), 12u);
  EXPECT_EQ(size_in_name("17.a:2,W=3", 'W'), std::nullopt);
  EXPECT_EQ(size_in_name("17.a,W=x", 'W'), std::nullopt);
  EXPECT_EQ(size_in_name("17.a", 'W'), std::nullopt);
}

TEST(Maildir, RedoReplacesWhatItFindsAndKeepsFlags) {
  const TempDir dir;
  const std::string box = dir / "bob";
  const std::string seen = box + "/cur/" + expected_name("1.a-0") + ":2,S";
  write_all(seen, std::string(expected_file().size(), '\0'));  // zeros after a crash
  write_all(box + "/new/" + expected_name("2.b-0"), "torn");
  write_all(box + "/cur/other,S=5,W=6:2,", "other");
  const std::vector<Delivery> deliveries = {delivery_to(box, "1.a-0"), delivery_to(box, "2.b-0"),
                                            delivery_to(box, "3.c-0")};
  for (int round = 0; round < 2; ++round) {
    for (const auto& result : redo_maildir(base::system_disk(), deliveries)) {
      EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(read_all(seen), expected_file());
    EXPECT_EQ(names_in(box + "/new"),
              (std::set<std::string>{expected_name("2.b-0"), expected_name("3.c-0")}));
    EXPECT_EQ(read_all(box + "/new/" + expected_name("2.b-0")), expected_file());
    EXPECT_EQ(names_in(box + "/cur").size(), 2u);
    EXPECT_EQ(read_all(box + "/cur/other,S=5,W=6:2,"), "other");
    EXPECT_TRUE(names_in(box + "/tmp").empty());
  }
}

TEST(Maildir, RedoLeavesOneNameWhenACrashKeptTwo) {
  const TempDir dir;
  const std::string box = dir / "bob";
  write_all(box + "/new/" + expected_name("1.a-0"), "old");
  write_all(box + "/cur/" + expected_name("1.a-0") + ":2,S", "old");
  const std::vector<Delivery> deliveries = {delivery_to(box, "1.a-0")};
  ASSERT_TRUE(redo_maildir(base::system_disk(), deliveries)[0]);
  EXPECT_TRUE(names_in(box + "/new").empty());
  EXPECT_EQ(read_all(box + "/cur/" + expected_name("1.a-0") + ":2,S"), expected_file());
}

TEST(Maildir, FullDiskLeavesNothingBehind) {
  const TempDir dir;
  const std::string box = dir / "bob";
  ASSERT_TRUE(deliver_maildir(base::system_disk(), delivery_to(box, "1.a-0")));
  FaultDisk disk;
  disk.fail_write_after(20, ENOSPC);
  const auto stored = deliver_maildir(disk, delivery_to(box, "2.b-0"));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, std::errc::no_space_on_device);
  EXPECT_TRUE(names_in(box + "/tmp").empty());
  EXPECT_EQ(names_in(box + "/new").size(), 1u);
}

TEST(Maildir, RemovesByUidWhereverTheMessageIs) {
  const TempDir dir;
  const std::string box = dir / "bob";
  ASSERT_TRUE(deliver_maildir(base::system_disk(), delivery_to(box, "1.a-0")));
  write_all(box + "/cur/2.b-0,S=1,W=1:2,FS", "x");
  write_all(box + "/cur/2.b-00,S=1,W=1:2,S", "longer uid");
  write_all(box + "/cur/t,A=1:2,S", "twin one");
  write_all(box + "/cur/t,A=2:2,S", "twin two");
  const std::vector<std::string> uids = {"1.a-0", "2.b-0", "9.gone-0", "t,A=2"};
  EXPECT_TRUE(remove_maildir(base::system_disk(), box, uids));
  EXPECT_TRUE(names_in(box + "/new").empty());
  EXPECT_EQ(names_in(box + "/cur"), (std::set<std::string>{"2.b-00,S=1,W=1:2,S", "t,A=1:2,S"}));
  EXPECT_TRUE(remove_maildir(base::system_disk(), dir / "nobody", uids));
}

TEST(Maildir, ManyThreadsDeliverToOneNewMailbox) {
  const TempDir dir;
  const std::string box = dir / "a/b/bob";
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string uid = "1.m" + std::to_string(t) + "x" + std::to_string(i) + "-0";
        const auto stored = deliver_maildir(base::system_disk(), delivery_to(box, uid));
        EXPECT_TRUE(stored) << stored.error().message();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(names_in(box + "/new").size(), 200u);
  EXPECT_TRUE(names_in(box + "/tmp").empty());
}

TEST(Paths, DirectoriesAbove) {
  using List = std::vector<std::string>;
  EXPECT_EQ(directories_above("/d/in/b/bob", "/d/in"), (List{"/d/in/b", "/d/in"}));
  EXPECT_EQ(directories_above("/d/in/bob", "/d/in"), (List{"/d/in"}));
  EXPECT_EQ(directories_above("/other/x/bob", "/d/in"), (List{"/other/x"}));
  EXPECT_EQ(directories_above("/d/inbox/bob", "/d/in"), (List{"/d/inbox"}));
  EXPECT_EQ(directories_above("/bob", "/"), (List{"/"}));
}

}  // namespace
}  // namespace posthouse::mailbox
