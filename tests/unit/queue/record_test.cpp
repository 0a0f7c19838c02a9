// Codecs of the records: round trips, refusals, and decoders that meet damaged octets.
#include "queue/record.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "queue/leaf_uid.hpp"
#include "queue/segment.hpp"
#include "tests/unit/queue/queue_house.hpp"

namespace posthouse::queue {
namespace {

using test::make_id;
using test::make_message;

std::string payload_of(const EncodedRecord& record) {
  std::string payload = record.head.substr(kRecordHeaderSize);
  if (record.content) payload += *record.content;
  return payload;
}

TEST(Record, HeaderRoundTrip) {
  RecordHeader header;
  header.crc = 0x01020304;
  header.length = 5;
  header.type = 6;
  header.flags = 7;
  header.reserved = 8;
  header.epoch = 9;
  header.lsn = 0x1122334455667788ULL;
  header.flushed = 10;
  char octets[kRecordHeaderSize];
  encode_header(header, octets);
  EXPECT_EQ(octets[0], 4);  // little endian
  const RecordHeader back = decode_header(std::string_view(octets, sizeof octets));
  EXPECT_EQ(back.crc, header.crc);
  EXPECT_EQ(back.length, header.length);
  EXPECT_EQ(back.type, header.type);
  EXPECT_EQ(back.flags, header.flags);
  EXPECT_EQ(back.reserved, header.reserved);
  EXPECT_EQ(back.epoch, header.epoch);
  EXPECT_EQ(back.lsn, header.lsn);
  EXPECT_EQ(back.flushed, header.flushed);
}

TEST(Record, MessageRoundTrip) {
  const Message message = make_message(7, 500, 3);
  const std::vector<LeafState> states = {LeafState::written, LeafState::removed,
                                         LeafState::finished};
  const EncodedRecord record = encode_message(message, states, true);
  EXPECT_EQ(record.content.get(), message.content.text.get()) << "the content is not copied";
  const std::string payload = payload_of(record);
  EXPECT_EQ(base::crc32c(payload), record.payload_crc);
  const auto back = decode_message(payload);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->message.id, message.id);
  EXPECT_EQ(back->message.arrival, message.arrival);
  EXPECT_EQ(back->message.envelope.reverse_path, message.envelope.reverse_path);
  EXPECT_EQ(back->message.envelope.client, message.envelope.client);
  EXPECT_EQ(back->message.envelope.helo, message.envelope.helo);
  ASSERT_EQ(back->message.leaves.size(), 3u);
  EXPECT_EQ(back->message.leaves[2].number, 2u);
  EXPECT_EQ(back->message.leaves[2].rcpt, message.leaves[2].rcpt);
  EXPECT_EQ(back->message.leaves[2].target, message.leaves[2].target);
  EXPECT_EQ(back->message.leaves[2].box, message.leaves[2].box);
  EXPECT_EQ(back->states, states);
  EXPECT_TRUE(back->copied);
  EXPECT_EQ(back->text, *message.content.text);
  EXPECT_EQ(back->message.content.size, message.content.size);
}

TEST(Record, LargeMessageKeepsTheBareName) {
  Message message = make_message(1, 50);
  message.content.size = message.content.text->size() + 1'000'000;
  message.content.large_file = "/spool/queue/large/abc";
  const std::string payload = payload_of(encode_message(message, {}, false));
  const auto back = decode_message(payload);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->message.content.large_file, "abc");
  EXPECT_EQ(back->message.content.size, message.content.size);
  EXPECT_EQ(back->text, *message.content.text);
}

TEST(Record, LargeNameNeverClimbs) {
  Message message = make_message(1, 50);
  message.content.large_file = "aXbcd";
  std::string payload = payload_of(encode_message(message, {}, false));
  ASSERT_TRUE(decode_message(payload).has_value());
  payload[payload.find("aXbcd") + 1] = '/';
  EXPECT_FALSE(decode_message(payload).has_value());
  payload = payload_of(encode_message(message, {}, false));
  payload[payload.find("aXbcd")] = '.';
  EXPECT_FALSE(decode_message(payload).has_value());
}

TEST(Record, SmallRecordsRoundTrip) {
  LeavesFinished leaves = test::finished({1, 2, 3});
  leaves.items[1].leaves = {4, 5, 6};
  const auto leaves_back = decode_leaves_finished(payload_of(encode_leaves_finished(leaves)));
  ASSERT_TRUE(leaves_back.has_value());
  ASSERT_EQ(leaves_back->items.size(), 3u);
  EXPECT_EQ(leaves_back->items[1].id, make_id(2));
  EXPECT_EQ(leaves_back->items[1].leaves, leaves.items[1].leaves);

  BoxDelete box;
  box.number = 77;
  box.box = "vdom/ann";
  box.uids = {"a", "", "c"};
  const auto box_back = decode_box_delete(payload_of(encode_box_delete(box)));
  ASSERT_TRUE(box_back.has_value());
  EXPECT_EQ(box_back->number, 77u);
  EXPECT_EQ(box_back->box, box.box);
  EXPECT_EQ(box_back->uids, box.uids);

  BoxDeleteDone done;
  done.numbers = {1, UINT64_MAX};
  const auto done_back = decode_box_delete_done(payload_of(encode_box_delete_done(done)));
  ASSERT_TRUE(done_back.has_value());
  EXPECT_EQ(done_back->numbers, done.numbers);

  Seal seal;
  seal.records = 9;
  const EncodedRecord sealed = encode_seal(seal);
  EXPECT_EQ(sealed.size(), kSealSize);
  const auto seal_back = decode_seal(payload_of(sealed));
  ASSERT_TRUE(seal_back.has_value());
  EXPECT_EQ(seal_back->records, 9u);
}

// Every decoder, on every truncation and with every octet changed: an answer, never a crash, and
// what is accepted encodes to the same octets again.
TEST(Record, DamagedPayloadsAreAnswered) {
  const std::string message = payload_of(encode_message(make_message(3, 60, 2), {}, false));
  for (std::size_t length = 0; length < message.size(); ++length) {
    EXPECT_FALSE(decode_message(std::string_view(message).substr(0, length)).has_value());
  }
  EXPECT_FALSE(decode_message(message + "x").has_value());
  for (std::size_t i = 0; i < message.size(); ++i) {
    for (const unsigned bit : {0u, 3u, 7u}) {
      std::string changed = message;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      auto back = decode_message(changed);
      if (!back) continue;
      back->message.content.text = std::make_shared<const std::string>(back->text);
      EXPECT_EQ(payload_of(encode_message(back->message, back->states, back->copied)), changed);
    }
  }
  const std::string leaves = payload_of(encode_leaves_finished(test::finished({1, 2})));
  for (std::size_t length = 0; length < leaves.size(); ++length) {
    EXPECT_FALSE(decode_leaves_finished(std::string_view(leaves).substr(0, length)).has_value());
  }
}

TEST(Record, UnknownVersionIsNotMalformed) {
  std::string payload = payload_of(encode_message(make_message(1), {}, false));
  payload[0] = 2;
  const auto back = decode_message(payload);
  ASSERT_FALSE(back.has_value());
  EXPECT_TRUE(back.error().code == std::errc::not_supported);
  EXPECT_EQ(back.error().op, "unknown record version");
  const auto empty = decode_message("");
  ASSERT_FALSE(empty.has_value());
  EXPECT_TRUE(empty.error().code == std::errc::illegal_byte_sequence);
}

TEST(Record, FinishedRecordVerifies) {
  EncodedRecord record = encode_message(make_message(5, 300), {}, false);
  finish_record(record, kEndOfBatch, 42, 1000, 999);
  const RecordHeader header = decode_header(record.head);
  EXPECT_EQ(header.epoch, 42u);
  EXPECT_EQ(header.lsn, 1000u);
  EXPECT_EQ(header.flushed, 999u);
  EXPECT_EQ(header.flags, kEndOfBatch);
  EXPECT_EQ(header.length + kRecordHeaderSize, record.size());
  EXPECT_EQ(header.crc, record_crc(header, payload_of(record)));
  RecordHeader other = header;
  other.epoch = 43;
  EXPECT_NE(header.crc, record_crc(other, payload_of(record)));
}

TEST(Record, LeafUidGoesBothWays) {
  const Message message = make_message(9, 10, 2);
  const std::string uid = leaf_uid(message, message.leaves[1]);
  EXPECT_EQ(uid, "1700000000." + base::format_message_id(message.id) + "-1");
  const auto leaf = parse_leaf_uid(uid);
  ASSERT_TRUE(leaf.has_value());
  EXPECT_EQ(leaf->id, message.id);
  EXPECT_EQ(leaf->leaf, 1u);
  for (const char* foreign : {"", ".", "1700000000.M1P2.host", "x.y-1", "1700000000.", "12",
                              "1700000000.aaaaaaaaaaaaaaaaaaaaaaaa-", "1.aaaa-1"}) {
    EXPECT_FALSE(parse_leaf_uid(foreign).has_value()) << foreign;
  }
  EXPECT_FALSE(parse_leaf_uid(uid + "x").has_value());
  EXPECT_FALSE(parse_leaf_uid("1700000000." + base::format_message_id(message.id) + "-4294967296"));
}

TEST(Segment, HeaderRoundTripAndDamage) {
  SegmentHeader header;
  header.number = 42;
  header.first_lsn = 1000;
  header.previous = 41;
  header.previous_end = 65000;
  header.replaces = 40;
  header.size = 1 << 20;
  const std::string octets = encode_segment_header(header);
  ASSERT_EQ(octets.size(), kSegmentHeaderSize);
  const auto back = decode_segment_header(octets);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, header);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    std::string changed = octets;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_FALSE(decode_segment_header(changed).has_value()) << "octet " << i;
    EXPECT_FALSE(decode_segment_header(std::string_view(octets).substr(0, i)).has_value());
  }
}

// A file with records of two lives: the scanner of one does not see the other's.
TEST(Segment, RecordsOfAnotherEpochDoNotVerify) {
  sim::SimDisk disk;
  auto file = disk.open("/segment", base::OpenMode::create_new);
  ASSERT_TRUE(file.has_value());
  std::string octets;
  for (const std::uint32_t epoch : {7u, 8u, 7u}) {
    EncodedRecord record = encode_message(make_message(1, 50), {}, false);
    finish_record(record, kEndOfBatch, epoch, 5, 4);
    octets += record.head + *record.content;
  }
  ASSERT_TRUE((*file)->write_at(0, octets).has_value());
  const std::uint64_t size = octets.size() / 3;
  SegmentScanner scanner(**file, 7, octets.size());
  EXPECT_TRUE(scanner.at(0)->has_value());
  EXPECT_FALSE(scanner.at(size)->has_value());
  EXPECT_FALSE(scanner.at(1)->has_value());
  const auto next = scanner.find(1, 4);
  ASSERT_TRUE(next->has_value());
  EXPECT_EQ((*next)->offset, 2 * size);
  EXPECT_FALSE(scanner.find(1, 5)->has_value()) << "only records after an lsn are asked for";
  EXPECT_FALSE(SegmentScanner(**file, 7, size - 1).at(0)->has_value()) << "cut short";
}

TEST(Segment, Names) {
  EXPECT_EQ(segment_name(42), "000000000042.seg");
  EXPECT_EQ(parse_segment_name("000000000042.seg"), 42u);
  for (const char* bad : {"42.seg", "000000000000.seg", "000000000042.tmp", "00000000004x.seg",
                          "999999999999.seg", ""}) {
    EXPECT_FALSE(parse_segment_name(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace posthouse::queue
