// The index and the fold of the log's records, in the orders that head cleaning and crashes make.
#include "queue/index.hpp"

#include <gtest/gtest.h>

#include "queue/mem_spool.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::make_id;
using test::make_message;

class FoldTest : public testing::Test {
 protected:
  ~FoldTest() override { house_.world.shutdown(); }

  void apply(const EncodedRecord& record) {
    std::string payload = record.head.substr(kRecordHeaderSize);
    if (record.content) payload += *record.content;
    RecordView view;
    view.type = record.type;
    view.ref.segment = 1;
    view.ref.offset = ++offset_;
    view.ref.length = static_cast<std::uint32_t>(record.size());
    view.payload = payload;
    const auto applied = fold_.on_record(view);
    ASSERT_TRUE(applied.has_value()) << applied.error().message();
  }
  void message(std::uint64_t n, std::vector<LeafState> states, bool copied) {
    const auto leaves = static_cast<std::uint32_t>(states.size());
    apply(encode_message(make_message(n, 50, leaves), states, copied));
  }
  void finished(std::uint64_t n, std::uint32_t leaf) {
    LeavesFinished record;
    LeavesFinished::Item item;
    item.id = make_id(n);
    item.leaves.push_back(leaf);
    record.items.push_back(item);
    apply(encode_leaves_finished(record));
  }
  void box_delete(std::uint64_t number, std::uint64_t n, std::uint32_t leaf) {
    const Message of = make_message(n, 50, leaf + 1);
    BoxDelete record;
    record.number = number;
    record.box = of.leaves[leaf].box;
    record.uids.push_back(leaf_uid(of, of.leaves[leaf]));
    apply(encode_box_delete(record));
  }
  void box_delete_done(std::uint64_t number) {
    BoxDeleteDone record;
    record.numbers.push_back(number);
    apply(encode_box_delete_done(record));
  }
  std::vector<LeafState> states(std::uint64_t n) {
    std::vector<LeafState> found;
    const Entry* entry = index_.find(make_id(n));
    if (entry == nullptr) return found;
    for (const LeafRun& leaf : entry->leaves) found.push_back(leaf.state);
    return found;
  }

  sim::SimDisk disk_;
  test::House house_{disk_};
  MemSpool spool_{house_.world.executor(), house_.world.timer(), std::make_shared<MemLog>()};
  Index index_;
  Fold fold_{index_, spool_};
  std::uint32_t offset_ = 0;
};

using States = std::vector<LeafState>;
constexpr LeafState kWaiting = LeafState::waiting;
constexpr LeafState kWritten = LeafState::written;
constexpr LeafState kRemoved = LeafState::removed;
constexpr LeafState kFinished = LeafState::finished;

TEST_F(FoldTest, MessageAndItsEnd) {
  message(1, {kWaiting, kWaiting}, false);
  EXPECT_EQ(states(1), (States{kWaiting, kWaiting}));
  EXPECT_EQ(index_.bytes(), index_.find(make_id(1))->message->content.size);
  finished(1, 1);
  EXPECT_EQ(states(1), (States{kWaiting, kFinished}));
  finished(1, 0);
  EXPECT_EQ(index_.size(), 0u);
  EXPECT_EQ(index_.bytes(), 0u);
  EXPECT_TRUE(fold_.live_records().empty());
}

TEST_F(FoldTest, EndsOfUnknownMessagesAreNothing) {
  finished(1, 0);
  box_delete_done(7);
  message(2, {kWaiting}, false);
  finished(2, 5);
  EXPECT_EQ(states(2), (States{kWaiting}));
}

TEST_F(FoldTest, ACopyTakesThePlaceOfItsOriginal) {
  message(1, {kWaiting, kWaiting}, false);
  message(1, {kWritten, kFinished}, true);
  EXPECT_EQ(states(1), (States{kWritten, kFinished}));
  ASSERT_EQ(fold_.live_records().size(), 1u);
  EXPECT_EQ(fold_.live_records()[0].offset, 2u);
  finished(1, 0);
  EXPECT_EQ(index_.size(), 0u);
}

TEST_F(FoldTest, ACopyWithoutItsOriginalStandsForItself) {
  message(1, {kRemoved, kWaiting}, true);
  EXPECT_EQ(states(1), (States{kRemoved, kWaiting}));
  message(2, {kFinished}, true);
  EXPECT_EQ(index_.size(), 1u);
}

// The state was taken, then something happened, then the copy was written.
TEST_F(FoldTest, ACopyNeverTurnsAStateBack) {
  message(1, {kWaiting, kWaiting}, false);
  finished(1, 0);
  box_delete(1, 1, 1);
  message(1, {kWritten, kWritten}, true);
  EXPECT_EQ(states(1), (States{kFinished, kRemoved}));
}

TEST_F(FoldTest, ADeletionCountsForACopyWhoseOriginalIsGone) {
  box_delete(3, 1, 0);
  message(1, {kWritten, kWritten}, true);
  fold_.complete();
  EXPECT_EQ(states(1), (States{kRemoved, kWritten}));
}

TEST_F(FoldTest, DeletionsLiveUntilTheyAreDone) {
  message(1, {kWaiting}, false);
  box_delete(4, 1, 0);
  EXPECT_EQ(states(1), (States{kRemoved}));
  EXPECT_EQ(fold_.live_records().size(), 2u);
  box_delete(4, 1, 0);  // copied forward
  EXPECT_EQ(fold_.live_records().size(), 2u);
  box_delete_done(4);
  EXPECT_EQ(fold_.live_records().size(), 1u);
  EXPECT_EQ(index_.new_deletion_number(), 5u);
}

TEST_F(FoldTest, ForeignNamesMeanNoLeaf) {
  message(1, {kWaiting}, false);
  const Message of = make_message(1);
  const std::string uid = leaf_uid(of, of.leaves[0]);
  EXPECT_NE(index_.find_uid(uid).entry, nullptr);
  for (const std::string& other : {std::string("x"), "1" + uid, uid + "1", uid.substr(1)}) {
    EXPECT_EQ(index_.find_uid(other).entry, nullptr) << other;
  }
}

TEST_F(FoldTest, MalformedRecordsStopTheFold) {
  RecordView view;
  for (const RecordType type : {RecordType::message, RecordType::leaves_finished,
                                RecordType::box_delete, RecordType::box_delete_done}) {
    view.type = type;
    view.payload = "\x01junk";
    EXPECT_FALSE(fold_.on_record(view).has_value());
    view.payload = "\x02";
    const auto newer = fold_.on_record(view);
    ASSERT_FALSE(newer.has_value());
    EXPECT_TRUE(newer.error().code == std::errc::not_supported);
  }
}

}  // namespace
}  // namespace posthouse::queue
