// The user file: reading, writing, and edits with a crash at every disk operation.
#include "accounts/user_file.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/sim/lib/loss_policy.hpp"
#include "tests/sim/lib/sim_disk.hpp"

namespace posthouse::accounts {
namespace {

constexpr const char* kPath = "/users";
constexpr const char* kHash = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

mail::Address address(std::string_view text) { return mail::parse_address(text).value(); }

UserEntry user(std::string_view text, std::vector<Label> labels = {}) {
  UserEntry entry;
  entry.address = address(text);
  entry.hash = kHash;
  entry.labels = std::move(labels);
  return entry;
}

void put(base::Disk& disk, std::string_view text) {
  ASSERT_TRUE(base::replace_file(disk, kPath, text));
}

std::string text_of(base::Disk& disk) {
  return base::read_file(disk, kPath, kMaxUserFile).value_or("(unreadable)");
}

TEST(UserFileFormat, ReadsEntriesCommentsAndLabels) {
  const UserFile file = parse_user_file(
      std::string("# users\n\n  # more\nbob@test.example:") + kHash +
      ":quota=\"20M\" fwd=\"a@b.example,c \\\"d\\\"\" x-y=1\r\n" + "Eve@Test.Example:" + kHash);
  EXPECT_TRUE(file.problems.empty());
  ASSERT_EQ(file.entries.size(), 2U);
  EXPECT_EQ(file.entries[0].address.text(), "bob@test.example");
  EXPECT_EQ(file.entries[0].hash, kHash);
  EXPECT_EQ(file.entries[0].line, 4U);
  const std::vector<Label> labels{{"quota", "20M"}, {"fwd", "a@b.example,c \"d\""}, {"x-y", "1"}};
  EXPECT_EQ(file.entries[0].labels, labels);
  EXPECT_EQ(file.entries[1].address.key(), "eve@test.example");
  EXPECT_TRUE(file.entries[1].labels.empty());
}

TEST(UserFileFormat, BrokenLinesAreReportedAndSkipped) {
  const std::string h = kHash;
  const UserFile file = parse_user_file(
      "no colon\nbob:" + h + ":\n@test.example:" + h + ":\n" +
      "a@test.example:has space:\nb@test.example:" + h + ":quota\nc@test.example:" + h +
      ":q=\"open\nd@test.example:" + h + ":\nD@test.example:" + h + ":\n");
  ASSERT_EQ(file.entries.size(), 1U);
  EXPECT_EQ(file.entries[0].address.text(), "d@test.example");
  ASSERT_EQ(file.problems.size(), 7U);
  const std::size_t lines[] = {1, 2, 3, 4, 5, 6, 8};
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(file.problems[i].line, lines[i]);
    EXPECT_TRUE(file.problems[i].skipped);
    EXPECT_FALSE(file.problems[i].text.empty());
  }
  EXPECT_NE(file.problems[6].text.find("line 7"), std::string::npos);
}

TEST(UserFileFormat, UsersWithoutUsableHashExistButAreReported) {
  const UserFile file =
      parse_user_file("a@test.example::\nb@test.example:$1$x$y:\nc@test.example:*clear\n");
  EXPECT_EQ(file.entries.size(), 3U);
  ASSERT_EQ(file.problems.size(), 3U);
  for (const UserProblem& problem : file.problems) EXPECT_FALSE(problem.skipped);
}

TEST(UserFileFormat, RefusesEntriesThatWouldNotReadBack) {
  EXPECT_TRUE(is_valid_user(user("bob@test.example", {{"quota", "a \\ \" b"}})));
  EXPECT_FALSE(is_valid_user(user("bob@test.example", {{"bad name", "x"}})));
  EXPECT_FALSE(is_valid_user(user("bob@test.example", {{"", "x"}})));
  EXPECT_FALSE(is_valid_user(user("bob@test.example", {{"quota", "a\nb"}})));
  EXPECT_FALSE(is_valid_user(user("\"b:ob\"@test.example")));
  EXPECT_FALSE(is_valid_user(user("#bob@test.example")));
  UserEntry entry = user("bob@test.example");
  entry.hash = "a:b";
  EXPECT_FALSE(is_valid_user(entry));
  entry.hash = kHash;
  entry.address.domain.clear();
  EXPECT_FALSE(is_valid_user(entry));
}

RC_GTEST_PROP(UserFileFormat, WhatIsWrittenReadsBack, ()) {
  const auto any_of = [](const char* set) {
    return rc::gen::container<std::string>(rc::gen::elementOf(std::string(set)));
  };
  UserEntry entry;
  entry.address.local = (*rc::gen::nonEmpty(any_of("abcXYZ019.-_+\"' (\\"))).substr(0, 30);
  entry.address.domain = "test.example";
  entry.hash = kHash;
  const auto values = *rc::gen::container<std::vector<std::string>>(any_of("ab \"\\=:#\xc3\xa9"));
  for (const std::string& value : values) entry.labels.push_back({"l", value});
  RC_ASSERT(is_valid_user(entry));
  const UserFile file = parse_user_file(format_user(entry));
  RC_ASSERT(file.problems.empty());
  RC_ASSERT(file.entries.size() == 1U);
  RC_ASSERT(file.entries[0].address == entry.address);
  RC_ASSERT(file.entries[0].hash == entry.hash);
  RC_ASSERT(file.entries[0].labels == entry.labels);
}

TEST(UserFileEdit, AddsToANewFile) {
  sim::SimDisk disk;
  EXPECT_TRUE(load_user_file(disk, kPath).value().entries.empty());
  EXPECT_EQ(add_user(disk, kPath, user("bob@test.example", {{"quota", "5M"}})).value(),
            UserEdit::done);
  EXPECT_EQ(text_of(disk), std::string("bob@test.example:") + kHash + ":quota=\"5M\"\n");
  EXPECT_EQ(add_user(disk, kPath, user("BOB@test.example")).value(), UserEdit::exists);
}

TEST(UserFileEdit, KeepsEveryOtherLine) {
  sim::SimDisk disk;
  const std::string before = "# head\n\nbroken line\n  spaced@test.example : x :  k=v  \n";
  const std::string bob = std::string("bob@test.example:") + kHash + ":later=\"kept\" quota=1\n";
  const std::string after = "# tail without line end";
  put(disk, before + bob + after);
  UserChange change;
  change.hash = "$6$new$hash";
  change.set = {{"quota", "2"}, {"fwd", "x@y.example"}};
  EXPECT_EQ(change_user(disk, kPath, address("bob@test.example"), change).value(), UserEdit::done);
  EXPECT_EQ(text_of(disk),
            before +
                "bob@test.example:$6$new$hash:later=\"kept\" quota=\"2\" fwd=\"x@y.example\"\n" +
                after);
  change = UserChange();
  change.remove = {"QUOTA", "fwd"};
  EXPECT_EQ(change_user(disk, kPath, address("bob@test.example"), change).value(), UserEdit::done);
  EXPECT_EQ(text_of(disk), before + "bob@test.example:$6$new$hash:later=\"kept\"\n" + after);
  EXPECT_EQ(add_user(disk, kPath, user("eve@test.example")).value(), UserEdit::done);
  EXPECT_EQ(remove_user(disk, kPath, address("bob@test.example")).value(), UserEdit::done);
  EXPECT_EQ(text_of(disk), before + after + "\neve@test.example:" + kHash + ":\n");
}

TEST(UserFileEdit, RemovesEveryLineOfTheUser) {
  sim::SimDisk disk;
  put(disk, "bob@test.example:a:\neve@test.example:b:\nBob@test.example:c:\n");
  EXPECT_EQ(remove_user(disk, kPath, address("bob@test.example")).value(), UserEdit::done);
  EXPECT_EQ(text_of(disk), "eve@test.example:b:\n");
  EXPECT_EQ(remove_user(disk, kPath, address("bob@test.example")).value(), UserEdit::missing);
}

TEST(UserFileEdit, RefusesBadValuesAndUnknownUsersWithoutWriting) {
  sim::SimDisk disk;
  put(disk, "bob@test.example:a:\n");
  UserChange change;
  change.hash = "new\nline";
  EXPECT_FALSE(change_user(disk, kPath, address("bob@test.example"), change));
  EXPECT_FALSE(add_user(disk, kPath, user("x@test.example", {{"quota", "\n"}})));
  change.hash = "fine";
  EXPECT_EQ(change_user(disk, kPath, address("eve@test.example"), change).value(),
            UserEdit::missing);
  EXPECT_EQ(text_of(disk), "bob@test.example:a:\n");
}

TEST(UserFileEdit, OneEditAtATime) {
  sim::SimDisk disk;
  const auto other = disk.lock(std::string(kPath) + ".lock");
  ASSERT_TRUE(other);
  const auto outcome = add_user(disk, kPath, user("bob@test.example"));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, std::errc::operation_would_block);
}

// Whatever the power takes, the file is the old or the new one, and the new one once the edit said
// done; an edit after the crash succeeds.
TEST(UserFileEdit, SurvivesACrashAtEveryOperation) {
  const std::string old_text = std::string("# c\nbob@test.example:") + kHash + ":\n";
  const std::string new_text = old_text + "eve@test.example:" + kHash + ":\n";
  std::uint64_t begin = 0, end = 0;
  {
    sim::SimDisk disk;
    put(disk, old_text);
    begin = disk.operations();
    ASSERT_TRUE(add_user(disk, kPath, user("eve@test.example")));
    end = disk.operations();
  }
  ASSERT_GT(end, begin + 3);
  std::size_t disks = 0;
  for (std::uint64_t n = begin + 1; n <= end + 1; ++n) {
    sim::SimDisk disk;
    put(disk, old_text);
    disk.cut_at(n);
    const bool done = add_user(disk, kPath, user("eve@test.example")).has_value();
    if (!disk.cut()) disk.cut_now();
    EXPECT_EQ(done, n > end);
    for (const sim::LossPolicy& policy : sim::loss_policies(disk.pending_items())) {
      const auto after = disk.after_crash(policy);
      ++disks;
      const std::string text = text_of(*after);
      EXPECT_TRUE(text == new_text || (!done && text == old_text))
          << "cut at " << n << ", " << policy.text() << ":\n"
          << text;
      EXPECT_EQ(remove_user(*after, kPath, address("bob@test.example")).value(), UserEdit::done);
      EXPECT_EQ(text_of(*after).find("bob@"), std::string::npos);
    }
  }
  EXPECT_GT(disks, 20U);
}

TEST(UserFileEdit, ReportsEveryFailingOperation) {
  sim::SimDisk probe;
  put(probe, "bob@test.example:a:\n");
  const std::uint64_t begin = probe.operations();
  ASSERT_TRUE(remove_user(probe, kPath, address("bob@test.example")));
  for (std::uint64_t n = begin + 1; n <= probe.operations(); ++n) {
    sim::SimDisk disk;
    put(disk, "bob@test.example:a:\n");
    disk.fail_at(n, EIO);
    const auto outcome = remove_user(disk, kPath, address("bob@test.example"));
    // Clearing away a leftover that does not exist is the one step whose failure may be harmless.
    const std::string text = text_of(disk);
    EXPECT_TRUE(!outcome || text.empty()) << "operation " << n;
    EXPECT_TRUE(text == "bob@test.example:a:\n" || text.empty()) << "operation " << n;
  }
}

}  // namespace
}  // namespace posthouse::accounts
