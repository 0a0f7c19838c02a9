// Segment headers and the record scanner; see segment.hpp.
#include "queue/segment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "queue/bytes.hpp"

namespace posthouse::queue {
namespace {
constexpr std::string_view kMagic =
    "PHLOG\r\n\x1a";  // eight octets that no text conversion survives
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kWindow = 1024 * 1024;
constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kDigits = 12;
}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(kMagic);
  ByteWriter writer(out);
  writer.u32(kVersion);
  writer.u32(header.number);
  writer.u64(header.first_lsn);
  writer.u64(header.previous_end);
  writer.u64(header.size);
  writer.u32(header.previous);
  writer.u32(header.replaces);
  writer.u64(0);
  writer.u32(0);
  writer.u32(base::crc32c(out));
  PH_ASSERT(out.size() == kSegmentHeaderSize, "segment header size");
  return out;
}

base::Result<SegmentHeader> decode_segment_header(std::string_view octets) {
  if (octets.size() < kSegmentHeaderSize || octets.substr(0, kMagic.size()) != kMagic) {
    return base::fail(std::errc::illegal_byte_sequence, "damaged segment header");
  }
  octets = octets.substr(0, kSegmentHeaderSize);
  ByteReader in(octets.substr(kMagic.size()));
  const std::uint32_t version = in.u32();
  SegmentHeader header;
  header.number = in.u32();
  header.first_lsn = in.u64();
  header.previous_end = in.u64();
  header.size = in.u64();
  header.previous = in.u32();
  header.replaces = in.u32();
  static_cast<void>(in.octets(12));
  if (in.u32() != base::crc32c(octets.substr(0, kSegmentHeaderSize - 4))) {
    return base::fail(std::errc::illegal_byte_sequence, "damaged segment header");
  }
  // Judged after the checksum, so that a flipped bit is damage and not a newer version.
  if (version != kVersion) return base::fail(std::errc::not_supported, "unknown segment version");
  return header;
}

std::string segment_name(std::uint32_t number) { return fmt::format("{:012}{}", number, kSuffix); }

std::optional<std::uint32_t> parse_segment_name(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  const auto number = base::parse_u64(name.substr(0, kDigits));
  if (!number || *number == 0 || *number > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

SegmentScanner::SegmentScanner(base::File& file, std::uint32_t epoch, std::uint64_t end)
    : file_(file), epoch_(epoch), end_(end) {}

base::Result<std::string_view> SegmentScanner::window(std::uint64_t offset, std::size_t length) {
  if (offset >= end_) return std::string_view();
  length = static_cast<std::size_t>(std::min<std::uint64_t>(length, end_ - offset));
  const bool inside = offset >= buffer_offset_ &&
                      offset + length <= buffer_offset_ + buffer_.size() && !buffer_.empty();
  if (!inside) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(length, kWindow), end_ - offset));
    buffer_.resize(wanted);
    const auto got = file_.read_at(offset, std::span<char>(buffer_.data(), wanted));
    if (!got) {
      buffer_.clear();
      return tl::unexpected(got.error());
    }
    buffer_.resize(*got);
    buffer_offset_ = offset;
    // A file shorter than it should be ends here for good.
    if (*got < wanted) end_ = std::min(end_, offset + *got);
  }
  return std::string_view(buffer_).substr(static_cast<std::size_t>(offset - buffer_offset_),
                                          length);
}

base::Result<std::optional<ScannedRecord>> SegmentScanner::at(std::uint64_t offset) {
  const auto head = window(offset, kRecordHeaderSize);
  if (!head) return tl::unexpected(head.error());
  if (head->size() < kRecordHeaderSize) return std::nullopt;
  ScannedRecord record;
  record.offset = offset;
  record.header = decode_header(*head);
  const RecordHeader& header = record.header;
  if (header.epoch != epoch_ || header.reserved != 0 || header.length > kMaxPayload ||
      offset + kRecordHeaderSize + header.length > end_) {
    return std::nullopt;
  }
  const std::size_t whole_size = kRecordHeaderSize + header.length;
  const auto whole = window(offset, whole_size);
  if (!whole) return tl::unexpected(whole.error());
  if (whole->size() < whole_size) return std::nullopt;
  record.payload = whole->substr(kRecordHeaderSize);
  if (record_crc(header, record.payload) != header.crc) return std::nullopt;
  return record;
}

base::Result<std::optional<ScannedRecord>> SegmentScanner::find(std::uint64_t from,
                                                                std::uint64_t after) {
  constexpr std::size_t kEpochAt = 12;  // of the epoch in a record header
  std::string wanted;
  ByteWriter writer(wanted);
  writer.u32(epoch_);
  for (std::uint64_t offset = from; offset + kRecordHeaderSize <= end_;) {
    const auto view = window(offset, kWindow);
    if (!view) return tl::unexpected(view.error());
    const std::size_t hit =
        view->size() > kEpochAt ? view->find(wanted, kEpochAt) : std::string_view::npos;
    if (hit == std::string_view::npos) {
      // The last header of this window may have its epoch in the next one.
      if (view->size() <= kRecordHeaderSize || offset + view->size() >= end_) return std::nullopt;
      offset += view->size() - kRecordHeaderSize;
      continue;
    }
    const std::uint64_t candidate = offset + hit - kEpochAt;
    auto record = at(candidate);
    if (!record) return tl::unexpected(record.error());
    if (*record && (*record)->header.lsn > after) return record;
    offset = candidate + 1;
  }
  return std::nullopt;
}

}  // namespace posthouse::queue
