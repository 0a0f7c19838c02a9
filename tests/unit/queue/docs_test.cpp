// docs/spool.md tells the truth: its hex examples decode to what the text says and encode back to
// the same octets.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "queue/segment.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

// The blocks "```hex NAME" of the page.
std::map<std::string, std::string> examples() {
  std::ifstream file(POSTHOUSE_SOURCE_DIR "/docs/spool.md");
  EXPECT_TRUE(file.is_open());
  std::map<std::string, std::string> blocks;
  std::string name;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```hex ")) {
      name = line.substr(7);
      EXPECT_FALSE(blocks.contains(name)) << name;
      blocks[name];
    } else if (line.starts_with("```")) {
      name.clear();
    } else if (!name.empty()) {
      std::istringstream words(line);
      for (std::string word; words >> word;) {
        blocks[name].push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
      }
    }
  }
  return blocks;
}

class SpoolDocs : public testing::Test {
 protected:
  // The payload of an example record, after its header has been checked.
  std::string_view payload(const std::string& name, RecordType type) {
    EXPECT_TRUE(blocks_.contains(name)) << name;
    const std::string& octets = blocks_[name];
    if (octets.size() < kRecordHeaderSize) return {};
    header_ = decode_header(octets);
    const std::string_view payload = std::string_view(octets).substr(kRecordHeaderSize);
    EXPECT_EQ(header_.type, static_cast<std::uint8_t>(type));
    EXPECT_EQ(header_.length, payload.size());
    EXPECT_EQ(header_.flags, kEndOfBatch);
    EXPECT_EQ(header_.epoch, 3u);
    EXPECT_EQ(header_.crc, record_crc(header_, payload)) << name;
    return payload;
  }
  void expect_same(const std::string& name, EncodedRecord record) {
    finish_record(record, header_.flags, header_.epoch, header_.lsn, header_.flushed);
    std::string octets = record.head;
    if (record.content) octets += *record.content;
    EXPECT_EQ(octets, blocks_[name]) << name;
  }

  std::map<std::string, std::string> blocks_ = examples();
  RecordHeader header_;
};

TEST_F(SpoolDocs, EveryExampleIsTested) { EXPECT_EQ(blocks_.size(), 7u); }

TEST_F(SpoolDocs, SegmentHeader) {
  const auto header = decode_segment_header(blocks_["segment header"]);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->number, 3u);
  EXPECT_EQ(header->previous, 2u);
  EXPECT_EQ(header->first_lsn, 41u);
  EXPECT_EQ(header->size, 64u * 1024 * 1024);
  EXPECT_EQ(encode_segment_header(*header), blocks_["segment header"]);
}

TEST_F(SpoolDocs, Messages) {
  for (const std::string name : {"message", "message copied large"}) {
    auto record = decode_message(payload(name, RecordType::message));
    ASSERT_TRUE(record.has_value()) << name;
    EXPECT_EQ(record->message.envelope.reverse_path.text(), "ann@example.net");
    EXPECT_EQ(record->message.leaves[0].target.text(), "bob@example.org");
    EXPECT_EQ(record->text, "Received: x\r\n\r\nHi\r\n");
    const bool large = name != "message";
    EXPECT_EQ(record->copied, large);
    EXPECT_EQ(record->message.content.large_file.empty(), !large);
    EXPECT_EQ(record->states[0], large ? LeafState::written : LeafState::waiting);
    record->message.content.text = std::make_shared<const std::string>(record->text);
    expect_same(name, encode_message(record->message, record->states, record->copied));
  }
}

TEST_F(SpoolDocs, LeavesFinished) {
  const auto record =
      decode_leaves_finished(payload("leaves finished", RecordType::leaves_finished));
  ASSERT_TRUE(record.has_value());
  ASSERT_EQ(record->items.size(), 1u);
  EXPECT_EQ(record->items[0].leaves, std::vector<std::uint32_t>{0});
  expect_same("leaves finished", encode_leaves_finished(*record));
}

TEST_F(SpoolDocs, BoxDelete) {
  const auto record = decode_box_delete(payload("box delete", RecordType::box_delete));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->number, 7u);
  EXPECT_EQ(record->box, "bob");
  ASSERT_EQ(record->uids.size(), 1u);
  const auto message = decode_message(payload("message", RecordType::message));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(record->uids[0], leaf_uid(message->message, message->message.leaves[0]));
  static_cast<void>(payload("box delete", RecordType::box_delete));
  expect_same("box delete", encode_box_delete(*record));
}

TEST_F(SpoolDocs, BoxDeleteDone) {
  const auto record =
      decode_box_delete_done(payload("box delete done", RecordType::box_delete_done));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->numbers, std::vector<std::uint64_t>{7});
  expect_same("box delete done", encode_box_delete_done(*record));
}

TEST_F(SpoolDocs, Seal) {
  const auto record = decode_seal(payload("seal", RecordType::seal));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->records, 5u);
  expect_same("seal", encode_seal(*record));
}

}  // namespace
}  // namespace posthouse::queue
