// One segment file of the log: its name, its header, and reading the records in it. Pure except for
// reads through base::File; any thread, one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/result.hpp"
#include "queue/record.hpp"

namespace posthouse::queue {

// First octets of a segment; records follow at kSegmentHeaderSize.
struct SegmentHeader {
  std::uint32_t number = 0;  // also the epoch of its records
  std::uint64_t first_lsn = 0;
  std::uint32_t previous = 0;      // number of the segment before it, 0 for none
  std::uint64_t previous_end = 0;  // where that one's records end
  std::uint32_t replaces = 0;  // recovery copied that unsealed segment into this one, 0 for none
  std::uint64_t size = 0;      // of the file
  bool operator==(const SegmentHeader&) const = default;
};
inline constexpr std::size_t kSegmentHeaderSize = 64;

[[nodiscard]] std::string encode_segment_header(const SegmentHeader& header);
// Errors: not_supported for another version, illegal_byte_sequence when damaged.
[[nodiscard]] base::Result<SegmentHeader> decode_segment_header(std::string_view octets);

// "000000000042.seg"
[[nodiscard]] std::string segment_name(std::uint32_t number);
[[nodiscard]] std::optional<std::uint32_t> parse_segment_name(std::string_view name);

// An intact record found in a segment.
struct ScannedRecord {
  std::uint64_t offset = 0;
  RecordHeader header;
  std::string_view payload;  // valid until the scanner's next call

  [[nodiscard]] std::uint64_t end() const { return offset + kRecordHeaderSize + payload.size(); }
  [[nodiscard]] bool end_of_batch() const { return (header.flags & kEndOfBatch) != 0; }
};

// Reads records of one epoch from [0, end) of a file, through a window of about 1 MiB.
class SegmentScanner {
 public:
  SegmentScanner(base::File& file, std::uint32_t epoch, std::uint64_t end);

  // The record whose header begins at `offset`, nullopt when none of this epoch verifies there.
  [[nodiscard]] base::Result<std::optional<ScannedRecord>> at(std::uint64_t offset);
  // The first record that begins at `from` or later with an lsn above `after`.
  [[nodiscard]] base::Result<std::optional<ScannedRecord>> find(std::uint64_t from,
                                                                std::uint64_t after);
  [[nodiscard]] std::uint64_t end() const { return end_; }

 private:
  // Octets [offset, offset + length) as far as the file has them.
  base::Result<std::string_view> window(std::uint64_t offset, std::size_t length);

  base::File& file_;
  std::uint32_t epoch_;
  std::uint64_t end_;
  std::string buffer_;
  std::uint64_t buffer_offset_ = 0;
};

}  // namespace posthouse::queue
