// queue/record and queue/segment: any octets are answered, what decodes encodes back to the same
// octets, and a scanner never leaves its segment.
#include <memory>

#include "base/assert.hpp"
#include "queue/record.hpp"
#include "queue/segment.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using namespace posthouse;
using namespace posthouse::queue;

namespace {

std::string payload_of(const EncodedRecord& record) {
  std::string payload = record.head.substr(kRecordHeaderSize);
  if (record.content) payload += *record.content;
  return payload;
}

void decode_as(std::uint8_t type, std::string_view payload) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::message:
      if (auto record = decode_message(payload)) {
        PH_ASSERT(record->states.size() == record->message.leaves.size(), "one state a leaf");
        record->message.content.text = std::make_shared<const std::string>(record->text);
        PH_ASSERT(
            payload_of(encode_message(record->message, record->states, record->copied)) == payload,
            "message round trip");
      }
      break;
    case RecordType::leaves_finished:
      if (const auto record = decode_leaves_finished(payload)) {
        PH_ASSERT(payload_of(encode_leaves_finished(*record)) == payload, "round trip");
      }
      break;
    case RecordType::box_delete:
      if (const auto record = decode_box_delete(payload)) {
        PH_ASSERT(payload_of(encode_box_delete(*record)) == payload, "round trip");
      }
      break;
    case RecordType::box_delete_done:
      if (const auto record = decode_box_delete_done(payload)) {
        PH_ASSERT(payload_of(encode_box_delete_done(*record)) == payload, "round trip");
      }
      break;
    case RecordType::seal:
      if (const auto record = decode_seal(payload)) {
        PH_ASSERT(payload_of(encode_seal(*record)) == payload, "round trip");
      }
      break;
  }
}

// The input as a segment file.
class InputFile final : public base::File {
 public:
  explicit InputFile(std::string_view octets) : octets_(octets) {}
  base::Result<> write_at(std::uint64_t, std::span<const iovec>) override { return {}; }
  base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
    if (offset >= octets_.size()) return std::size_t{0};
    return octets_.copy(out.data(), out.size(), static_cast<std::size_t>(offset));
  }
  base::Result<> sync_data() override { return {}; }
  base::Result<std::uint64_t> size() override { return octets_.size(); }
  base::Result<> truncate(std::uint64_t) override { return {}; }

 private:
  std::string_view octets_;
};

void scan(std::string_view octets, std::uint64_t end) {
  InputFile file(octets);
  SegmentScanner scanner(file, 3, end);
  std::uint64_t offset = 0;
  while (true) {
    const auto record = scanner.find(offset, 0);
    PH_ASSERT(record.has_value(), "reading never fails here");
    if (!*record) break;
    PH_ASSERT((*record)->offset >= offset && (*record)->end() <= octets.size(), "inside the file");
    decode_as((*record)->header.type, (*record)->payload);
    offset = (*record)->end();
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  scan(text, text.size());
  scan(text, 1 << 16);
  if (const auto header = decode_segment_header(text)) {
    PH_ASSERT(text.starts_with(encode_segment_header(*header).substr(0, 48)), "header round trip");
  }
  const std::uint8_t type = fuzz::take_octet(text);
  decode_as(type, text);
  return 0;
}
