// Maildrops of both formats as POP3 uses them.
#include "mailbox/maildrop.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "fault_disk.hpp"
#include "temp_dir.hpp"

namespace posthouse::mailbox {
namespace {

class MaildropTest : public ::testing::TestWithParam<Format> {
 protected:
  MaildropTest() : store_(disk_, system_file_locks(), options(dir_.path())) {}

  static StoreOptions options(const std::string& root) {
    StoreOptions result;
    result.format = GetParam();
    result.root = root;
    result.lock_wait = std::chrono::milliseconds(200);
    return result;
  }
  void deliver(const std::string& uid, const std::string& body = "hello\r\n") {
    const auto stored = store_.deliver(make_delivery(path(), uid, header(uid) + body));
    ASSERT_TRUE(stored) << stored.error().message();
  }
  static std::string header(const std::string& uid) { return "Subject: " + uid + "\r\n\r\n"; }
  static std::string wire(const std::string& uid, const std::string& body = "hello\r\n") {
    return "Return-Path: <alice@example.net>\r\nDelivered-To: bob@example.org\r\n" + header(uid) +
           body;
  }
  std::string path() const { return store_.path_of("bob"); }
  std::unique_ptr<Maildrop> open() {
    auto drop = Maildrop::open(store_, path());
    EXPECT_TRUE(drop) << drop.error().message();
    return drop ? std::move(*drop) : nullptr;
  }
  std::string read(Maildrop& drop, std::size_t index, std::uint64_t body_lines = UINT64_MAX) {
    Maildrop::Request request;
    request.index = index;
    request.body_lines = body_lines;
    std::string text;
    const auto end = drop.read(request, &text);
    EXPECT_TRUE(end) << end.error().message();
    EXPECT_TRUE(end && *end);
    return text;
  }
  std::vector<std::string> uids(const Maildrop& drop) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < drop.count(); ++i) result.emplace_back(drop.uid(i));
    return result;
  }

  TempDir dir_;
  FaultDisk disk_;
  Store store_;
};

INSTANTIATE_TEST_SUITE_P(Formats, MaildropTest, ::testing::Values(Format::maildir, Format::mbox),
                         [](const auto& param) {
                           return param.param == Format::maildir ? "maildir" : "mbox";
                         });

TEST_P(MaildropTest, MissingMailboxIsEmpty) {
  EXPECT_EQ(open()->count(), 0u);
  EXPECT_TRUE(names_in(dir_.path()).empty());
}

TEST_P(MaildropTest, ListsAndReadsWithExactSizes) {
  const std::string quoted = "From x\r\n>From y\r\n\r\nend\r\n";
  deliver("1.a-0");
  deliver("2.b-0", quoted);
  const auto drop = open();
  EXPECT_EQ(uids(*drop), (std::vector<std::string>{"1.a-0", "2.b-0"}));
  EXPECT_EQ(read(*drop, 0), wire("1.a-0"));
  EXPECT_EQ(read(*drop, 1), wire("2.b-0", quoted));
  EXPECT_EQ(drop->size(0), wire("1.a-0").size());
  EXPECT_EQ(drop->size(1), wire("2.b-0", quoted).size());
  EXPECT_EQ(drop->removal_key(0), "1.a-0");
}

TEST_P(MaildropTest, LockIsExclusiveAndEndsWithTheSession) {
  auto first = open();
  const auto second = Maildrop::open(store_, path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::device_or_resource_busy);
  EXPECT_TRUE(Maildrop::open(store_, store_.path_of("carol")));
  first.reset();
  EXPECT_TRUE(Maildrop::open(store_, path()));
}

TEST_P(MaildropTest, TopGivesHeaderAndSomeLines) {
  deliver("1.a-0", "one\r\n\r\nthree\r\n");
  const auto drop = open();
  EXPECT_EQ(read(*drop, 0, 0), wire("1.a-0", ""));
  EXPECT_EQ(read(*drop, 0, 1), wire("1.a-0", "one\r\n"));
  EXPECT_EQ(read(*drop, 0, 2), wire("1.a-0", "one\r\n\r\n"));
  EXPECT_EQ(read(*drop, 0, 3), wire("1.a-0", "one\r\n\r\nthree\r\n"));
  EXPECT_EQ(read(*drop, 0, 99), wire("1.a-0", "one\r\n\r\nthree\r\n"));
}

TEST_P(MaildropTest, ReadsInPiecesForwardsAndBackwards) {
  std::string body;
  for (int i = 0; body.size() < 300'000; ++i) body += "From line " + std::to_string(i) + "\r\n";
  deliver("1.a-0", body);
  const std::string whole = wire("1.a-0", body);
  const auto drop = open();
  Maildrop::Request request;
  for (const std::size_t limit : {std::size_t{7001}, std::size_t{65536}, std::size_t{1'000'000}}) {
    std::string text;
    for (bool end = false; !end;) {
      request.offset = text.size();
      request.limit = limit;
      const std::size_t before = text.size();
      const auto result = drop->read(request, &text);
      ASSERT_TRUE(result);
      ASSERT_LE(text.size() - before, limit);
      end = *result;
    }
    EXPECT_EQ(text, whole);
  }
  request.limit = 10;
  for (const std::uint64_t offset :
       {std::uint64_t{200'000}, std::uint64_t{5}, whole.size() - 3, std::uint64_t{whole.size()}}) {
    request.offset = offset;
    std::string text;
    const auto result = drop->read(request, &text);
    ASSERT_TRUE(result);
    EXPECT_EQ(text, whole.substr(offset, 10));
    EXPECT_EQ(*result, offset + 10 >= whole.size());
  }
}

TEST_P(MaildropTest, DeliveryDuringASessionIsSeenByTheNext) {
  deliver("1.a-0");
  deliver("2.b-0");
  auto drop = open();
  deliver("0.early-0");
  deliver("3.c-0");
  EXPECT_EQ(drop->count(), 2u);
  EXPECT_EQ(read(*drop, 0), wire("1.a-0"));
  EXPECT_EQ(read(*drop, 1), wire("2.b-0"));
  const std::vector<std::size_t> first = {0};
  EXPECT_TRUE(drop->remove(first));
  drop.reset();
  drop = open();
  auto left = uids(*drop);
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"0.early-0", "2.b-0", "3.c-0"}));
}

TEST_P(MaildropTest, RemovedByAnotherProgramIsGone) {
  deliver("1.a-0");
  deliver("2.b-0");
  const auto drop = open();
  const std::vector<std::string> other = {"1.a-0"};
  ASSERT_TRUE(store_.remove(path(), other));
  Maildrop::Request request;
  std::string text;
  for (int i = 0; i < 2; ++i) {
    const auto result = drop->read(request, &text);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::no_such_file_or_directory);
  }
  EXPECT_EQ(read(*drop, 1), wire("2.b-0"));
  const std::vector<std::size_t> both = {0, 1};
  EXPECT_TRUE(drop->remove(both));
}

TEST_P(MaildropTest, RedoOverAnOpenSession) {
  deliver("1.a-0");
  deliver("2.b-0");
  const auto drop = open();
  const std::vector<Delivery> again = {
      make_delivery(path(), "1.a-0", header("1.a-0") + "hello\r\n")};
  ASSERT_TRUE(store_.redo(again)[0]);
  EXPECT_EQ(read(*drop, 0), wire("1.a-0"));
  EXPECT_EQ(read(*drop, 1), wire("2.b-0"));
}

class MaildirDropTest : public MaildropTest {};
INSTANTIATE_TEST_SUITE_P(Formats, MaildirDropTest, ::testing::Values(Format::maildir));

TEST_P(MaildirDropTest, ListingOpensAndStatsNothing) {
  for (int i = 0; i < 50; ++i) deliver(std::to_string(100 + i) + ".m-0");
  const auto before = disk_.calls();
  const auto drop = open();
  EXPECT_EQ(drop->count(), 50u);
  auto after = disk_.calls();
  for (const char* call : {"open", "stat", "read"}) {
    const auto was = before.find(call);
    EXPECT_EQ(after[call], was == before.end() ? 0 : was->second) << call;
  }
  EXPECT_EQ(after["list"], 2);
}

TEST_P(MaildirDropTest, MessageMovedAndFlaggedByAReaderIsFound) {
  for (const char* uid : {"1.a-0", "2.b-0", "3.c-0"}) deliver(uid);
  const auto drop = open();
  for (const std::string& name : names_in(path() + "/new")) {
    std::filesystem::rename(path() + "/new/" + name, path() + "/cur/" + name + ":2,RS");
  }
  const int lists = store_.options().format == Format::maildir ? disk_.calls().at("list") : 0;
  EXPECT_EQ(read(*drop, 1), wire("2.b-0"));
  EXPECT_EQ(read(*drop, 0), wire("1.a-0"));
  EXPECT_EQ(disk_.calls().at("list"), lists + 2);  // one new listing served both
  const std::vector<std::size_t> all = {0, 1, 2};
  EXPECT_TRUE(drop->remove(all));
  EXPECT_TRUE(names_in(path() + "/cur").empty());
}

TEST_P(MaildirDropTest, UidSurvivesFlagsAndMoves) {
  deliver("1.a-0");
  write_all(path() + "/new/123.M1P2.host", "A: b\n\nx\n");
  const auto before = uids(*open());
  EXPECT_EQ(before, (std::vector<std::string>{"1.a-0", "123.M1P2.host"}));
  for (const std::string& name : names_in(path() + "/new")) {
    std::filesystem::rename(path() + "/new/" + name, path() + "/cur/" + name + ":2,S");
  }
  EXPECT_EQ(uids(*open()), before);
}

TEST_P(MaildirDropTest, ForeignNamesAreCountedOnce) {
  write_all(path() + "/cur/1.foreign:2,S", "A: b\n\none\r\ntwo\n");
  write_all(path() + "/cur/2.sized,S=99:2,S", "A: b\n\n");
  write_all(path() + "/cur/3.known,W=77:2,S", "wrong on purpose\n");
  std::filesystem::create_directories(path() + "/cur/4.directory");
  write_all(path() + "/cur/.hidden", "x");
  for (int visit = 0; visit < 2; ++visit) {
    const auto reads = disk_.calls();
    const auto drop = open();
    ASSERT_EQ(drop->count(), 3u);
    EXPECT_EQ(drop->size(0), 6u + 2 + 5 + 5);
    EXPECT_EQ(read(*drop, 0).size(), drop->size(0));
    EXPECT_EQ(drop->size(1), 8u);
    EXPECT_EQ(drop->size(2), 77u);
    if (visit == 1) {
      const int opened = disk_.calls().at("open") - reads.at("open");
      EXPECT_LE(opened, 2);  // the message read above and the directory, which is tried again
    }
  }
}

TEST_P(MaildirDropTest, NamesThatAreNoUidlGetADigest) {
  const std::string longest(150, 'n');
  write_all(path() + "/cur/" + longest + ",W=3", "x\n");
  write_all(path() + "/cur/sp ace,W=3", "x\n");
  write_all(path() + "/cur/twin,A=1,W=3:2,S", "x\n");
  write_all(path() + "/cur/twin,A=2,W=3:2,S", "x\n");
  const auto drop = open();
  const auto list = uids(*drop);
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0].size(), 64u);
  EXPECT_EQ(list[1].size(), 64u);
  EXPECT_EQ(list[2], "twin");
  EXPECT_EQ(list[3].size(), 64u);
  EXPECT_EQ(drop->removal_key(0), longest);
  EXPECT_EQ(drop->removal_key(2), "twin,A=1,W=3");
  const std::vector<std::string> keys = {drop->removal_key(2), drop->removal_key(0)};
  ASSERT_TRUE(store_.remove(path(), keys));
  EXPECT_EQ(names_in(path() + "/cur"), (std::set<std::string>{"sp ace,W=3", "twin,A=2,W=3:2,S"}));
}

class MboxDropTest : public MaildropTest {};
INSTANTIATE_TEST_SUITE_P(Formats, MboxDropTest, ::testing::Values(Format::mbox));

TEST_P(MboxDropTest, ReadsOnAfterAForeignRewrite) {
  deliver("1.a-0");
  deliver("2.b-0");
  const auto drop = open();
  // A mail reader puts a message in front and drops the first one.
  std::string text = read_all(path());
  text.erase(0, text.find("\nFrom ", 1) + 1);
  write_all(path(), "From x@y Thu Nov 12 01:02:03 2026\nA: b\n\nforeign\n\n" + text);
  EXPECT_EQ(read(*drop, 1), wire("2.b-0"));
  Maildrop::Request request;
  std::string out;
  EXPECT_FALSE(drop->read(request, &out));
  const std::vector<std::size_t> all = {0, 1};
  EXPECT_TRUE(drop->remove(all));
  EXPECT_EQ(read_all(path()), "From x@y Thu Nov 12 01:02:03 2026\nA: b\n\nforeign\n\n");
}

}  // namespace
}  // namespace posthouse::mailbox
