// The records of the spool's log and their codecs (docs/spool.md has the tables and a hex example
// of each). Pure; any thread. Encoding never copies the content of a message: it stays in its own
// buffer. Decoders are bounded by their input and never crash on any octets (fuzzed); what they
// accept, the encoders turn back into the same octets.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "queue/message.hpp"
#include "queue/ports.hpp"

namespace posthouse::queue {

// Numbers are on disk for ever. 5 to 63 are reserved for attempt results, collected UIDLs, lane
// hints and holds. A type this program does not know makes it refuse to start.
enum class RecordType : std::uint8_t {
  message = 1,
  leaves_finished = 2,
  box_delete = 3,
  box_delete_done = 4,
  seal = 127,  // last record of a full segment; written by the log itself
};

// Whether the record keeps its segment alive until it is released (docs/spool.md).
[[nodiscard]] constexpr bool keeps_alive(RecordType type) {
  return type == RecordType::message || type == RecordType::box_delete;
}

inline constexpr std::uint8_t kEndOfBatch = 0x01;  // the only flag so far; others must be zero

// Stands before each payload, little endian in this order without gaps.
struct RecordHeader {
  std::uint32_t crc = 0;     // CRC-32C of the payload, continued over the header without this field
  std::uint32_t length = 0;  // octets of the payload
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint16_t reserved = 0;
  std::uint32_t epoch = 0;    // number of the segment: octets of a recycled file never verify
  std::uint64_t lsn = 0;      // one more than the record before it
  std::uint64_t flushed = 0;  // highest lsn known to be on disk when this record was written
};
inline constexpr std::size_t kRecordHeaderSize = 32;
static_assert(sizeof(RecordHeader) == kRecordHeaderSize, "written as it stands in docs/spool.md");

// LIMIT: longest payload. A message in memory is at most 128 KiB and its envelope a few more; the
// bound keeps a damaged length from asking for gigabytes.
inline constexpr std::uint32_t kMaxPayload = 16U * 1024 * 1024;

void encode_header(const RecordHeader& header, char* out);  // writes kRecordHeaderSize octets
[[nodiscard]] RecordHeader decode_header(std::string_view octets);  // at least kRecordHeaderSize

// Where a record stands in the log.
struct RecordRef {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0;  // of its header in the segment file
  std::uint32_t length = 0;  // header and payload
  bool operator==(const RecordRef&) const = default;
};

// A record ready to be written: `head` is room for the header and the payload up to the content.
struct EncodedRecord {
  RecordType type = RecordType::message;
  std::string head;
  std::shared_ptr<const std::string> content;  // the end of the payload; may be null
  std::uint32_t payload_crc = 0;
  RecordRef ref;  // filled in when the record has been written and flushed

  [[nodiscard]] std::size_t size() const { return head.size() + (content ? content->size() : 0); }
};

// Fills in the header of `record`, CRC included.
void finish_record(EncodedRecord& record, std::uint8_t flags, std::uint32_t epoch,
                   std::uint64_t lsn, std::uint64_t flushed);

// CRC that a record with this header (its crc field is ignored) and payload must carry.
[[nodiscard]] std::uint32_t record_crc(const RecordHeader& header, std::string_view payload);

// An accepted message with the state of each leaf; `copied` when head cleaning wrote it again.
struct MessageRecord {
  Message message;                // text is not set and large_file is the bare name in queue/large
  std::vector<LeafState> states;  // as many as leaves
  bool copied = false;
  std::string_view text;  // the content in the record; lives as long as the payload
};
// `states` may be empty: all waiting. Of content.large_file only the last component is written.
[[nodiscard]] EncodedRecord encode_message(const Message& message,
                                           std::span<const LeafState> states, bool copied);

// Leaves that are finished for good; for a message whose leaves are all finished it is the end.
struct LeavesFinished {
  struct Item {
    base::MessageId id;
    std::vector<std::uint32_t> leaves;  // leaf numbers
  };
  std::vector<Item> items;
};
[[nodiscard]] EncodedRecord encode_leaves_finished(const LeavesFinished& record);

// A POP3 deletion: the names are to vanish from the box and never to come back.
struct BoxDelete {
  std::uint64_t number = 0;  // names the deletion in BoxDeleteDone
  std::string box;
  std::vector<std::string> uids;
};
[[nodiscard]] EncodedRecord encode_box_delete(const BoxDelete& record);

// Deletions whose directories have been synced.
struct BoxDeleteDone {
  std::vector<std::uint64_t> numbers;
};
[[nodiscard]] EncodedRecord encode_box_delete_done(const BoxDeleteDone& record);

// The end of a segment that was filled; `records` counts those before it in the segment.
struct Seal {
  std::uint64_t records = 0;
};
[[nodiscard]] EncodedRecord encode_seal(const Seal& record);
inline constexpr std::size_t kSealSize = kRecordHeaderSize + 9;

// Errors: not_supported ("unknown record version …") when a newer program wrote the payload,
// illegal_byte_sequence when it is malformed.
[[nodiscard]] base::Result<MessageRecord> decode_message(std::string_view payload);
[[nodiscard]] base::Result<LeavesFinished> decode_leaves_finished(std::string_view payload);
[[nodiscard]] base::Result<BoxDelete> decode_box_delete(std::string_view payload);
[[nodiscard]] base::Result<BoxDeleteDone> decode_box_delete_done(std::string_view payload);
[[nodiscard]] base::Result<Seal> decode_seal(std::string_view payload);

[[nodiscard]] bool is_known_type(std::uint8_t type);

}  // namespace posthouse::queue
