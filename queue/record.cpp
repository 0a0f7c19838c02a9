// Codecs of the log's records. See record.hpp for the contract; the layout of each payload is in
// docs/spool.md, whose hex examples are decoded and encoded again by a unit test.
#include "queue/record.hpp"

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "queue/bytes.hpp"

namespace posthouse::queue {
namespace {

constexpr std::uint8_t kVersion = 1;  // of every payload; a change of layout takes the next number
constexpr std::uint8_t kCopied = 0x01;
constexpr std::uint8_t kLarge = 0x02;
// Shortest encodings, to bound counts by what the payload can hold before anything is reserved.
constexpr std::size_t kMinLeaf = 4 + 1 + 1 + 5 * 2;
constexpr std::size_t kMinFinished = 16 + 4;

tl::unexpected<base::Error> malformed(std::string_view what) {
  return base::fail(std::errc::illegal_byte_sequence, "malformed record", what);
}

tl::unexpected<base::Error> unknown_version(std::string_view what) {
  return base::fail(std::errc::not_supported, "unknown record version", what);
}

EncodedRecord begin(RecordType type, std::size_t expected) {
  EncodedRecord record;
  record.type = type;
  record.head.reserve(kRecordHeaderSize + expected);
  record.head.resize(kRecordHeaderSize);
  return record;
}

EncodedRecord end(EncodedRecord record) {
  const std::string_view payload = std::string_view(record.head).substr(kRecordHeaderSize);
  record.payload_crc = base::crc32c(payload);
  if (record.content) record.payload_crc = base::crc32c(*record.content, record.payload_crc);
  PH_ASSERT(record.size() - kRecordHeaderSize <= kMaxPayload, "a record is at most 16 MiB");
  return record;
}

void write_address(ByteWriter& out, const mail::Address& address) {
  out.text(address.local);
  out.text(address.domain);
}

mail::Address read_address(ByteReader& in) {
  mail::Address address;
  address.local = in.text();
  address.domain = in.text();
  return address;
}

void write_id(ByteWriter& out, const base::MessageId& id) {
  out.u64(id.time_us);
  out.u64(id.random);
}

base::MessageId read_id(ByteReader& in) {
  base::MessageId id;
  id.time_us = in.u64();
  id.random = in.u64();
  return id;
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::size_t expected_size(const Message& message) {
  const mail::Envelope& envelope = message.envelope;
  std::size_t size = 96 + envelope.reverse_path.local.size() + envelope.reverse_path.domain.size() +
                     envelope.client.size() + envelope.helo.size() + envelope.auth_user.size();
  for (const Leaf& leaf : message.leaves) {
    size += kMinLeaf + leaf.rcpt.local.size() + leaf.rcpt.domain.size() + leaf.target.local.size() +
            leaf.target.domain.size() + leaf.box.size();
  }
  return size;
}

bool read_leaves(ByteReader& in, MessageRecord& record, bool* unknown_kind) {
  const std::uint32_t count = in.u32();
  if (count == 0 || count > in.remaining() / kMinLeaf) return false;
  record.message.leaves.reserve(count);
  record.states.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Leaf leaf;
    leaf.number = in.u32();
    const std::uint8_t kind = in.u8();
    const std::uint8_t state = in.u8();
    leaf.rcpt = read_address(in);
    leaf.target = read_address(in);
    leaf.box = in.text();
    if (!in.ok() || state > static_cast<std::uint8_t>(LeafState::finished)) return false;
    if (kind != static_cast<std::uint8_t>(LeafKind::local)) {
      *unknown_kind = true;
      return false;
    }
    record.states.push_back(static_cast<LeafState>(state));
    record.message.leaves.push_back(std::move(leaf));
  }
  return true;
}

}  // namespace

void encode_header(const RecordHeader& header, char* out) {
  const auto put = [&out](std::uint64_t value, int octets) {
    for (int i = 0; i < octets; ++i) *out++ = static_cast<char>((value >> (8 * i)) & 0xff);
  };
  put(header.crc, 4);
  put(header.length, 4);
  put(header.type, 1);
  put(header.flags, 1);
  put(header.reserved, 2);
  put(header.epoch, 4);
  put(header.lsn, 8);
  put(header.flushed, 8);
}

RecordHeader decode_header(std::string_view octets) {
  ByteReader in(octets);
  RecordHeader header;
  header.crc = in.u32();
  header.length = in.u32();
  header.type = in.u8();
  header.flags = in.u8();
  header.reserved = in.u16();
  header.epoch = in.u32();
  header.lsn = in.u64();
  header.flushed = in.u64();
  return header;
}

namespace {
// The payload comes first, so that its part can be computed before lsn and epoch are known.
std::uint32_t crc_with_header(const RecordHeader& header, std::uint32_t payload_crc) {
  char octets[kRecordHeaderSize];
  encode_header(header, octets);
  return base::crc32c(std::string_view(octets + 4, kRecordHeaderSize - 4), payload_crc);
}
}  // namespace

std::uint32_t record_crc(const RecordHeader& header, std::string_view payload) {
  return crc_with_header(header, base::crc32c(payload));
}

void finish_record(EncodedRecord& record, std::uint8_t flags, std::uint32_t epoch,
                   std::uint64_t lsn, std::uint64_t flushed) {
  RecordHeader header;
  header.length = static_cast<std::uint32_t>(record.size() - kRecordHeaderSize);
  header.type = static_cast<std::uint8_t>(record.type);
  header.flags = flags;
  header.epoch = epoch;
  header.lsn = lsn;
  header.flushed = flushed;
  header.crc = crc_with_header(header, record.payload_crc);
  encode_header(header, record.head.data());
}

EncodedRecord encode_message(const Message& message, std::span<const LeafState> states,
                             bool copied) {
  PH_ASSERT(states.empty() || states.size() == message.leaves.size(), "one state for each leaf");
  PH_ASSERT(!message.leaves.empty(), "a message in the log has a leaf");
  const bool large = !message.content.large_file.empty();
  EncodedRecord record = begin(RecordType::message, expected_size(message));
  record.content = message.content.text;
  const std::size_t text_size = record.content ? record.content->size() : 0;
  PH_ASSERT(large ? message.content.size >= text_size : message.content.size == text_size,
            "content.size counts trace and body");

  ByteWriter out(record.head);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>((copied ? kCopied : 0) | (large ? kLarge : 0)));
  write_id(out, message.id);
  out.u64(static_cast<std::uint64_t>(message.arrival.time_since_epoch().count()));
  out.u8(static_cast<std::uint8_t>(message.envelope.body));
  out.u8(static_cast<std::uint8_t>(message.envelope.arrival));
  write_address(out, message.envelope.reverse_path);
  out.text(message.envelope.client);
  out.text(message.envelope.helo);
  out.text(message.envelope.auth_user);
  out.u32(static_cast<std::uint32_t>(message.leaves.size()));
  for (std::size_t i = 0; i < message.leaves.size(); ++i) {
    const Leaf& leaf = message.leaves[i];
    out.u32(leaf.number);
    out.u8(static_cast<std::uint8_t>(leaf.kind));
    out.u8(static_cast<std::uint8_t>(states.empty() ? LeafState::waiting : states[i]));
    write_address(out, leaf.rcpt);
    write_address(out, leaf.target);
    out.text(leaf.box);
  }
  out.u64(message.content.size);
  if (large) out.text(base_name(message.content.large_file));
  out.u32(static_cast<std::uint32_t>(text_size));
  return end(std::move(record));
}

base::Result<MessageRecord> decode_message(std::string_view payload) {
  ByteReader in(payload);
  if (in.u8() != kVersion) return in.ok() ? unknown_version("message") : malformed("message");
  MessageRecord record;
  Message& message = record.message;
  const std::uint8_t flags = in.u8();
  if ((flags & ~(kCopied | kLarge)) != 0) return unknown_version("message flags");
  record.copied = (flags & kCopied) != 0;
  message.id = read_id(in);
  message.arrival = base::WallTime(base::Duration(static_cast<base::Duration::rep>(in.u64())));
  const std::uint8_t body = in.u8();
  const std::uint8_t arrival = in.u8();
  if (body > static_cast<std::uint8_t>(mail::BodyKind::eight_bit) ||
      arrival > static_cast<std::uint8_t>(mail::Arrival::local)) {
    return unknown_version("message envelope");
  }
  message.envelope.body = static_cast<mail::BodyKind>(body);
  message.envelope.arrival = static_cast<mail::Arrival>(arrival);
  message.envelope.reverse_path = read_address(in);
  message.envelope.client = in.text();
  message.envelope.helo = in.text();
  message.envelope.auth_user = in.text();
  bool unknown_kind = false;
  if (!read_leaves(in, record, &unknown_kind)) {
    return unknown_kind ? unknown_version("kind of leaf") : malformed("leaves of a message");
  }
  message.content.size = in.u64();
  if ((flags & kLarge) != 0) {
    message.content.large_file = in.text();
    // A name, never a path: it is joined to queue/large.
    if (message.content.large_file.empty() ||
        message.content.large_file.find('/') != std::string::npos ||
        message.content.large_file.front() == '.') {
      return malformed("name of a large body");
    }
  }
  record.text = in.octets(in.u32());
  if (!in.complete()) return malformed("message");
  const bool sizes_agree = (flags & kLarge) != 0 ? message.content.size >= record.text.size()
                                                 : message.content.size == record.text.size();
  if (!sizes_agree) return malformed("size of a message");
  return record;
}

EncodedRecord encode_leaves_finished(const LeavesFinished& value) {
  EncodedRecord record = begin(RecordType::leaves_finished, 5 + value.items.size() * 24);
  ByteWriter out(record.head);
  out.u8(kVersion);
  out.u32(static_cast<std::uint32_t>(value.items.size()));
  for (const LeavesFinished::Item& item : value.items) {
    write_id(out, item.id);
    out.u32(static_cast<std::uint32_t>(item.leaves.size()));
    for (const std::uint32_t leaf : item.leaves) out.u32(leaf);
  }
  return end(std::move(record));
}

base::Result<LeavesFinished> decode_leaves_finished(std::string_view payload) {
  ByteReader in(payload);
  if (in.u8() != kVersion) {
    return in.ok() ? unknown_version("leaves finished") : malformed("leaves finished");
  }
  LeavesFinished record;
  const std::uint32_t count = in.u32();
  if (count > in.remaining() / kMinFinished) return malformed("leaves finished");
  record.items.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    LeavesFinished::Item item;
    item.id = read_id(in);
    const std::uint32_t leaves = in.u32();
    if (leaves > in.remaining() / 4) return malformed("leaves finished");
    item.leaves.reserve(leaves);
    for (std::uint32_t j = 0; j < leaves; ++j) item.leaves.push_back(in.u32());
    record.items.push_back(std::move(item));
  }
  if (!in.complete()) return malformed("leaves finished");
  return record;
}

EncodedRecord encode_box_delete(const BoxDelete& value) {
  EncodedRecord record =
      begin(RecordType::box_delete, 16 + value.box.size() + value.uids.size() * 48);
  ByteWriter out(record.head);
  out.u8(kVersion);
  out.u64(value.number);
  out.text(value.box);
  out.u32(static_cast<std::uint32_t>(value.uids.size()));
  for (const std::string& uid : value.uids) out.text(uid);
  return end(std::move(record));
}

base::Result<BoxDelete> decode_box_delete(std::string_view payload) {
  ByteReader in(payload);
  if (in.u8() != kVersion) return in.ok() ? unknown_version("box delete") : malformed("box delete");
  BoxDelete record;
  record.number = in.u64();
  record.box = in.text();
  const std::uint32_t count = in.u32();
  if (count > in.remaining() / 2) return malformed("box delete");
  record.uids.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) record.uids.emplace_back(in.text());
  if (!in.complete()) return malformed("box delete");
  return record;
}

EncodedRecord encode_box_delete_done(const BoxDeleteDone& value) {
  EncodedRecord record = begin(RecordType::box_delete_done, 5 + value.numbers.size() * 8);
  ByteWriter out(record.head);
  out.u8(kVersion);
  out.u32(static_cast<std::uint32_t>(value.numbers.size()));
  for (const std::uint64_t number : value.numbers) out.u64(number);
  return end(std::move(record));
}

base::Result<BoxDeleteDone> decode_box_delete_done(std::string_view payload) {
  ByteReader in(payload);
  if (in.u8() != kVersion) {
    return in.ok() ? unknown_version("box delete done") : malformed("box delete done");
  }
  BoxDeleteDone record;
  const std::uint32_t count = in.u32();
  if (count > in.remaining() / 8) return malformed("box delete done");
  record.numbers.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) record.numbers.push_back(in.u64());
  if (!in.complete()) return malformed("box delete done");
  return record;
}

EncodedRecord encode_seal(const Seal& value) {
  EncodedRecord record = begin(RecordType::seal, 9);
  ByteWriter out(record.head);
  out.u8(kVersion);
  out.u64(value.records);
  return end(std::move(record));
}

base::Result<Seal> decode_seal(std::string_view payload) {
  ByteReader in(payload);
  if (in.u8() != kVersion) return in.ok() ? unknown_version("seal") : malformed("seal");
  Seal record;
  record.records = in.u64();
  if (!in.complete()) return malformed("seal");
  return record;
}

bool is_known_type(std::uint8_t type) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::message:
    case RecordType::leaves_finished:
    case RecordType::box_delete:
    case RecordType::box_delete_done:
    case RecordType::seal:
      return true;
  }
  return false;
}

}  // namespace posthouse::queue
