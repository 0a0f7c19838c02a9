// mbox drop files: format, listing, uids, foreign edits, removal, redo of torn messages.
#include "mailbox/mbox.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "fault_disk.hpp"
#include "mailbox/store.hpp"
#include "temp_dir.hpp"

namespace posthouse::mailbox {
namespace {

constexpr std::string_view kForeign =
    "From carol@example.com Thu Nov 12 01:02:03 2026\nSubject: foreign\n\nlocal text\n\n";

class MboxTest : public ::testing::Test {
 protected:
  MboxTest() : locks_(disk_, system_file_locks(), std::chrono::milliseconds(200)) {}

  Delivery delivery(const std::string& uid, const std::string& body = "hello\r\n") {
    return make_delivery(box_, uid, "Subject: " + uid + "\r\n\r\n" + body);
  }
  void deliver(const std::string& uid, const std::string& body = "hello\r\n") {
    const auto stored = mbox_.deliver(delivery(uid, body));
    ASSERT_TRUE(stored) << stored.error().message();
  }
  void redo(const std::vector<Delivery>& deliveries) {
    for (const auto& result : mbox_.redo(deliveries)) {
      EXPECT_TRUE(result) << result.error().message();
    }
  }
  std::vector<MboxMessage> list() {
    const auto listing = mbox_.list(box_);
    EXPECT_TRUE(listing);
    return listing ? listing->messages : std::vector<MboxMessage>{};
  }
  std::vector<std::string> uids() {
    std::vector<std::string> result;
    for (const MboxMessage& message : list()) result.push_back(message.uid);
    return result;
  }
  std::string content(const MboxMessage& message) {
    return read_all(box_).substr(message.content, message.content_end - message.content);
  }
  // What a single delivery looks like.
  std::string alone(const Delivery& delivery) {
    const TempDir other;
    Delivery copy = delivery;
    copy.path = other / "x";
    EXPECT_TRUE(mbox_.deliver(copy));
    return read_all(copy.path);
  }

  TempDir dir_;
  FaultDisk disk_;
  MboxLocks locks_;
  Mbox mbox_{disk_, locks_};
  std::string box_ = dir_ / "drop/bob";
};

TEST_F(MboxTest, WritesDmailForm) {
  deliver("1.a-0", "From x\r\nend");
  const std::string text = read_all(box_);
  EXPECT_EQ(text.substr(0, 46), "From alice@example.net Sat Nov 21 03:24:14 202");
  const std::size_t line = text.find('\n') + 1;
  EXPECT_EQ(text.substr(line, 35), "X-Posthouse-Uid: 1.a-0; size=000000");
  const std::size_t content = text.find('\n', line) + 1;
  EXPECT_EQ(text.substr(content),
            "Return-Path: <alice@example.net>\nDelivered-To: bob@example.org\n"
            "Subject: 1.a-0\n\n>From x\nend\n\n");
  const auto marker = parse_marker(text.substr(line, content - line));
  ASSERT_TRUE(marker);
  EXPECT_EQ(marker->uid, "1.a-0");
  EXPECT_EQ(marker->size, text.size() - content - 1);
  EXPECT_EQ(names_in(dir_ / "drop"), (std::set<std::string>{"bob"}));  // the dot-lock is gone
}

TEST_F(MboxTest, ListsOwnMessagesByMarkerAndExactSizes) {
  deliver("1.a-0", "From x\r\n\r\nend\r\n");
  deliver("1.b-1", "");
  const auto messages = list();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].uid, "1.a-0");
  EXPECT_EQ(messages[1].uid, "1.b-1");
  for (const MboxMessage& message : messages) {
    const std::string text = content(message);
    EXPECT_EQ(message.marker->size, text.size());
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    const std::size_t quoted = text.find("\n>From ") != std::string::npos ? 1 : 0;
    EXPECT_EQ(message.wire_octets, text.size() + lines - quoted);
  }
  EXPECT_EQ(messages[0].end, messages[1].start);
}

TEST_F(MboxTest, NullSenderAndOddSender) {
  Delivery null_sender = delivery("1.a-0");
  null_sender.reverse_path.clear();
  ASSERT_TRUE(mbox_.deliver(null_sender));
  Delivery odd = delivery("1.b-0");
  odd.reverse_path = "\"a b\"@example.org";
  ASSERT_TRUE(mbox_.deliver(odd));
  const std::string text = read_all(box_);
  EXPECT_TRUE(text.starts_with("From MAILER-DAEMON Sat Nov 21"));
  EXPECT_NE(text.find("\nReturn-Path: <>\n"), std::string::npos);
  EXPECT_NE(text.find("\nFrom \"a_b\"@example.org Sat"), std::string::npos);
}

TEST_F(MboxTest, LargeMessageEqualsSmallOne) {
  std::string body = "Subject: big\r\n\r\n";
  while (body.size() < 600'000) body += "From the middle of it\r\nand on\r\n";
  write_all(dir_ / "body", body);
  Delivery large = make_delivery(box_, "1.a-0", "Received: x\r\n");
  large.large_file = dir_ / "body";
  ASSERT_TRUE(mbox_.deliver(large));
  EXPECT_EQ(read_all(box_), alone(make_delivery(box_, "1.a-0", "Received: x\r\n" + body)));
  const auto messages = list();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].crc, messages[0].marker->crc);
}

TEST_F(MboxTest, ForgedMarkerCountsForNothing) {
  deliver("1.a-0", "hello\r\n\r\nX-Posthouse-Uid: 9.z-9; size=000000000001; crc=00000000\r\n");
  ASSERT_TRUE(mbox_.deliver(make_delivery(
      box_, "1.b-0", "X-Posthouse-Uid: 9.z-9; size=000000000001; crc=00000000\r\n\r\nx\r\n")));
  EXPECT_EQ(uids(), (std::vector<std::string>{"1.a-0", "1.b-0"}));
}

TEST_F(MboxTest, ForeignMessagesGetStableUids) {
  write_all(box_, std::string(kForeign) + std::string(kForeign));
  deliver("1.a-0");
  const auto before = uids();
  ASSERT_EQ(before.size(), 3u);
  EXPECT_EQ(before[0].size(), 64u);
  EXPECT_NE(before[0], before[1]);  // equal copies
  EXPECT_EQ(before[2], "1.a-0");
  // A mail reader marks the first message read and something arrives before it.
  std::string marked(kForeign);
  marked.insert(marked.find("Subject"), "Status: RO\nX-Keywords:\n folded\n");
  write_all(box_, "From x@y Thu Nov 12 01:02:03 2026\n\nother\n\n" + marked);
  const auto after = uids();
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[1], before[0]);
}

TEST_F(MboxTest, AppendsBehindAFileWithoutBlankLine) {
  write_all(box_, "From x@y Thu Nov 12 01:02:03 2026\nA: b\n\nno line end");
  deliver("1.a-0");
  const auto messages = list();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(content(messages[0]), "A: b\n\nno line end\n");
  EXPECT_EQ(messages[1].uid, "1.a-0");
}

TEST_F(MboxTest, FullDiskCutsTheFileBack) {
  deliver("1.a-0");
  const std::string before = read_all(box_);
  for (const std::uint64_t room : {0U, 1U, 40U, 120U}) {
    disk_.fail_write_after(room + 20, ENOSPC);  // 20: more than the dot-lock needs
    const auto stored = mbox_.deliver(delivery("1.b-0"));
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, std::errc::no_space_on_device);
    EXPECT_EQ(read_all(box_), before);
    disk_.heal();
  }
  deliver("1.b-0");
  EXPECT_EQ(uids(), (std::vector<std::string>{"1.a-0", "1.b-0"}));
}

TEST_F(MboxTest, RemovesByUidAndKeepsTheRestExactly) {
  write_all(box_, std::string(kForeign));
  deliver("1.a-0");
  const std::size_t a_from = kForeign.size();
  const std::size_t a_to = read_all(box_).size();
  deliver("1.b-0");
  std::string expected = read_all(box_);
  expected.erase(a_from, a_to - a_from);
  const std::vector<std::string> gone = {"1.a-0", "8.never-0"};
  EXPECT_TRUE(mbox_.remove(box_, gone));
  EXPECT_EQ(read_all(box_), expected);
  EXPECT_TRUE(mbox_.remove(box_, gone));
  EXPECT_EQ(read_all(box_), expected);
  EXPECT_TRUE(mbox_.remove(box_, uids()));
  EXPECT_EQ(read_all(box_), "");
  EXPECT_EQ(names_in(dir_ / "drop"), (std::set<std::string>{"bob"}));
  EXPECT_TRUE(mbox_.remove(dir_ / "nobody", gone));
}

TEST_F(MboxTest, RemovalThatCannotBeSyncedChangesNothing) {
  deliver("1.a-0");
  deliver("1.b-0");
  const std::string before = read_all(box_);
  disk_.fail_sync_of(".bob.tmp");
  const std::vector<std::string> gone = {"1.a-0"};
  EXPECT_FALSE(mbox_.remove(box_, gone));
  EXPECT_EQ(read_all(box_), before);
  EXPECT_EQ(names_in(dir_ / "drop"), (std::set<std::string>{"bob"}));
}

TEST_F(MboxTest, RedoIsIdempotent) {
  write_all(box_, std::string(kForeign));
  deliver("1.a-0");
  deliver("1.b-0");
  const std::vector<Delivery> deliveries = {delivery("1.a-0"), delivery("1.b-0"),
                                            delivery("1.c-0")};
  for (int round = 0; round < 3; ++round) {
    redo(deliveries);
    EXPECT_EQ(read_all(box_), std::string(kForeign) + alone(deliveries[0]) + alone(deliveries[1]) +
                                  alone(deliveries[2]));
  }
  EXPECT_EQ(names_in(dir_ / "drop"), (std::set<std::string>{"bob"}));
}

TEST_F(MboxTest, RedoMakesAMailboxThatIsMissing) {
  redo({delivery("1.a-0")});
  EXPECT_EQ(read_all(box_), alone(delivery("1.a-0")));
}

TEST_F(MboxTest, RedoKeepsAnEditedMailboxApart) {
  deliver("1.a-0");
  deliver("1.b-0");
  // A mail reader added a field to the first message, which is redone; carol's mail follows it.
  std::string text = read_all(box_);
  text.insert(text.find("Return-Path"), "Status: RO\n");
  text += kForeign;
  write_all(box_, text);
  const std::string b = alone(delivery("1.b-0"));
  redo({delivery("1.a-0")});
  EXPECT_EQ(read_all(box_), b + std::string(kForeign) + alone(delivery("1.a-0")));
}

// Every way the tail of the file can look when only some sectors of three messages survived.
TEST_F(MboxTest, RedoRepairsEveryTornState) {
  const std::string healthy = std::string(kForeign) + alone(delivery("0.z-0", "kept\r\n"));
  const std::vector<Delivery> lost = {
      delivery("1.a-0", std::string(700, 'a') + "\r\nFrom a\r\n\r\n"), delivery("1.b-0", ""),
      delivery("1.c-0", std::string(300, 'c') + "\r\n\r\n" + std::string(900, 'd') + "\r\n")};
  std::string full = healthy;
  for (const Delivery& one : lost) full += alone(one);
  std::string repaired = healthy;
  for (const Delivery& one : lost) repaired += alone(one);

  constexpr std::size_t kSector = 512;
  const std::size_t first = healthy.size() / kSector;
  const std::size_t sectors = (full.size() + kSector - 1) / kSector - first;
  ASSERT_LE(sectors, 12u);
  for (std::size_t kept = 0; kept < (std::size_t{1} << sectors); ++kept) {
    // A lost sector holds what was durable before: the healthy octets, else zeros.
    std::string torn = full;
    std::size_t end = healthy.size();
    for (std::size_t s = 0; s < sectors; ++s) {
      const std::size_t from = std::max((first + s) * kSector, healthy.size());
      const std::size_t to = std::min((first + s + 1) * kSector, full.size());
      if ((kept >> s & 1) != 0) {
        end = to;
      } else {
        std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from),
                  torn.begin() + static_cast<std::ptrdiff_t>(to), '\0');
      }
    }
    torn.resize(end);
    for (const bool padded : {false, true}) {  // the size may be durable without the data
      std::string file = torn;
      if (padded) file.resize(full.size(), '\0');
      write_all(box_, file);
      redo(lost);
      ASSERT_EQ(read_all(box_), repaired) << "sectors " << kept << " padded " << padded;
    }
  }
}

TEST_F(MboxTest, RedoKeepsForeignMailBehindATornMessage) {
  const std::string own = alone(delivery("1.a-0", std::string(2000, 'x') + "\r\n"));
  for (const std::size_t cut : {std::size_t{30}, own.size() / 2, own.size() - 1}) {
    // Cut short by the crash, then somebody appended, with and without the blank line before.
    for (const char* joint : {"\n\n", "\n"}) {
      write_all(box_, own.substr(0, cut) + joint + std::string(kForeign));
      redo({delivery("1.a-0", std::string(2000, 'x') + "\r\n")});
      const std::string text = read_all(box_);
      EXPECT_NE(text.find(kForeign), std::string::npos) << cut;
      EXPECT_TRUE(text.ends_with(own)) << cut;
      const auto found = uids();
      EXPECT_EQ(std::count(found.begin(), found.end(), "1.a-0"), 1) << cut;
    }
  }
}

TEST_F(MboxTest, RemovalCopiesWhatArrivesMeanwhile) {
  deliver("1.a-0");
  deliver("1.b-0");
  // Deliveries from other threads race with repeated removals; nothing may be lost.
  FaultDisk other_disk;
  std::thread writer([&] {
    Mbox other(other_disk, locks_);
    for (int i = 0; i < 40; ++i) {
      const auto stored = other.deliver(delivery("2.n" + std::to_string(i) + "-0"));
      EXPECT_TRUE(stored) << stored.error().message();
    }
  });
  const std::vector<std::string> first = {"1.a-0"};
  const std::vector<std::string> second = {"1.b-0"};
  EXPECT_TRUE(mbox_.remove(box_, first));
  EXPECT_TRUE(mbox_.remove(box_, second));
  writer.join();
  const auto left = uids();
  EXPECT_EQ(left.size(), 40u);
  EXPECT_EQ(std::set<std::string>(left.begin(), left.end()).size(), 40u);
}

TEST(MboxMarker, ParsesOnlyItsOwnForm) {
  MboxMarker marker;
  marker.uid = "1.a-0";
  marker.size = 42;
  marker.crc = 0xdeadbeef;
  EXPECT_EQ(format_marker(marker), "X-Posthouse-Uid: 1.a-0; size=000000000042; crc=deadbeef\n");
  const auto parsed = parse_marker(format_marker(marker));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->uid, "1.a-0");
  EXPECT_EQ(parsed->size, 42u);
  EXPECT_EQ(parsed->crc, 0xdeadbeef);
  for (const char* bad :
       {"X-Posthouse-Uid: 1.a-0\n", "X-Posthouse-Uid: ; size=1; crc=00000000\n",
        "X-Posthouse-Uid: a b; size=1; crc=00000000\n",
        "X-Posthouse-Uid: a; size=x; crc=00000000\n", "X-Posthouse-Uid: a; size=1; crc=0000000\n",
        "X-Posthouse-Uid: a; size=1; crc=0000000g\n", "X-Posthouse-Uid: a; crc=00000000; size=1\n",
        "X-Posthouse-Uid: a; size=1; crc=00000000", "x-posthouse-uid: a; size=1; crc=00000000\n"}) {
    EXPECT_FALSE(parse_marker(bad)) << bad;
  }
}

TEST(MboxScan, LineLongerThanTheBufferAndCrlfFiles) {
  const TempDir dir;
  const std::string longest(262'143, 'x');
  const std::string text = "From a@b Thu Nov 12 01:02:03 2026\r\nA: b\r\n\r\n" + longest +
                           "\r\nend\r\n\r\nFrom c@d Thu Nov 12 01:02:03 2026\r\nC: d\r\n\r\nx\r\n";
  write_all(dir / "box", text);
  auto file = base::system_disk().open(dir / "box", base::OpenMode::read);
  ASSERT_TRUE(file);
  const auto scan = scan_mbox(**file, 0, text.size());
  ASSERT_TRUE(scan);
  ASSERT_EQ(scan->messages.size(), 2u);
  EXPECT_EQ(scan->messages[0].wire_octets, 8 + longest.size() + 2 + 5);
  EXPECT_EQ(scan->messages[1].wire_octets, 6u + 2 + 3);
}

}  // namespace
}  // namespace posthouse::mailbox
