// Building queries and reading answers; see the header.
#include "net/dns_answer.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/text.hpp"

namespace posthouse::net {

namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kMaxLabel = 63;  // RFC 1035 2.3.4
constexpr std::size_t kMaxWireName = 255;
constexpr std::uint16_t kClassIn = 1;
constexpr unsigned kNameError = 3;

bool is_host_octet(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

void put_u16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8U);
  out += static_cast<char>(value & 0xffU);
}

// Takes values from the front of a packet. After the first failure everything fails.
class Reader {
 public:
  explicit Reader(std::string_view packet) : packet_(packet) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::uint8_t octet() { return skip(1) ? byte(at_ - 1) : std::uint8_t{0}; }
  [[nodiscard]] std::uint16_t u16() {
    if (!skip(2)) {
      return 0;
    }
    return static_cast<std::uint16_t>(byte(at_ - 2) << 8U | byte(at_ - 1));
  }
  [[nodiscard]] std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16U | u16();
  }
  bool skip(std::size_t count) {
    if (!ok_ || packet_.size() - at_ < count) {
      ok_ = false;
      return false;
    }
    at_ += count;
    return true;
  }
  [[nodiscard]] std::string_view octets(std::size_t count) {
    return skip(count) ? packet_.substr(at_ - count, count) : std::string_view();
  }
  // A name in text form; "." is the root.
  [[nodiscard]] std::string name();
  void move_to(std::size_t at) { at_ = std::min(at, packet_.size()); }

 private:
  [[nodiscard]] std::uint8_t byte(std::size_t index) const {
    return static_cast<std::uint8_t>(packet_[index]);
  }
  static void append_label(std::string_view label, std::string& out);

  std::string_view packet_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

void Reader::append_label(std::string_view label, std::string& out) {
  if (!out.empty()) {
    out += '.';
  }
  for (const char c : label) {
    const char lower = base::ascii_lower(c);
    if (is_host_octet(lower)) {
      out += lower;
    } else {
      // RFC 1035 5.1; a dot inside a label must not look like one between labels.
      out += fmt::format("\\{:03}", static_cast<unsigned char>(c));
    }
  }
}

std::string Reader::name() {
  std::string out;
  std::size_t wire = 1;            // with the root's octet
  std::size_t limit = at_;         // pointers must lead before here: RFC 1035 4.1.4 "prior"
  std::optional<std::size_t> end;  // behind the first pointer
  while (ok_) {
    const std::uint8_t length = octet();
    if (!ok_ || length == 0) {
      break;
    }
    if ((length & 0xc0U) == 0xc0U) {
      const std::size_t target = static_cast<std::size_t>(length & 0x3fU) << 8U | octet();
      if (!end) {
        end = at_;
      }
      // Each jump goes further back than the one before, so the walk ends.
      ok_ = ok_ && target < limit && target >= kHeaderSize;
      at_ = ok_ ? target : at_;
      limit = target;
      continue;
    }
    wire += length + std::size_t{1};
    ok_ = length <= kMaxLabel && wire <= kMaxWireName;
    append_label(octets(length), out);
  }
  if (end) {
    at_ = *end;
  }
  return out.empty() ? "." : out;
}

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::size_t data = 0;  // offset and length of RDATA
  std::size_t length = 0;
};

// Only class IN and the types of interest keep their place in `record`; false: malformed.
bool read_record(Reader& reader, Record& record, bool& interesting, DnsType wanted) {
  record.owner = reader.name();
  record.type = reader.u16();
  const std::uint16_t record_class = reader.u16();
  record.ttl = reader.u32();
  if (record.ttl > 0x7fffffffU) {
    record.ttl = 0;  // RFC 2181 8
  }
  record.length = reader.u16();
  record.data = reader.at();
  interesting =
      record_class == kClassIn && (record.type == static_cast<std::uint16_t>(wanted) ||
                                   record.type == static_cast<std::uint16_t>(DnsType::cname) ||
                                   record.type == static_cast<std::uint16_t>(DnsType::soa));
  return reader.skip(record.length);
}

struct Message {
  unsigned rcode = 0;
  bool recursion_available = false;
  std::vector<Record> records;     // of the wanted type, and aliases
  std::uint32_t negative_ttl = 0;  // RFC 2308 5
};

void read_negative_ttl(Reader reader, std::uint16_t count, Message& message) {
  for (; count > 0; --count) {
    Record record;
    bool interesting = false;
    if (!read_record(reader, record, interesting, DnsType::soa)) {
      return;  // the answer itself was sound
    }
    if (interesting && record.type == static_cast<std::uint16_t>(DnsType::soa) &&
        record.length >= 22) {
      reader.move_to(record.data + record.length - 4);
      const std::uint32_t minimum = reader.u32();
      message.negative_ttl = minimum > 0x7fffffffU ? 0 : std::min(minimum, record.ttl);
      return;
    }
  }
}

std::optional<Message> read_message(std::string_view packet, std::string_view name, DnsType type) {
  Reader reader(packet);
  Message message;
  static_cast<void>(reader.u16());  // the id: matched by who received it
  const std::uint16_t flags = reader.u16();
  const std::uint16_t questions = reader.u16();
  const std::uint16_t answers = reader.u16();
  const std::uint16_t authorities = reader.u16();
  static_cast<void>(reader.u16());
  constexpr std::uint16_t kResponse = 0x8000;
  constexpr std::uint16_t kOpcode = 0x7800;
  constexpr std::uint16_t kTruncated = 0x0200;
  constexpr std::uint16_t kRecursionAvailable = 0x0080;
  if ((flags & kResponse) == 0 || (flags & (kOpcode | kTruncated)) != 0 || questions != 1) {
    return std::nullopt;
  }
  message.rcode = flags & 0x000fU;
  message.recursion_available = (flags & kRecursionAvailable) != 0;
  const std::string asked = reader.name();
  const bool same =
      asked == name && reader.u16() == static_cast<std::uint16_t>(type) && reader.u16() == kClassIn;
  if (!same || !reader.ok()) {
    return std::nullopt;
  }
  for (std::uint16_t i = 0; i < answers; ++i) {
    Record record;
    bool interesting = false;
    if (!read_record(reader, record, interesting, type)) {
      return std::nullopt;
    }
    if (interesting && record.type != static_cast<std::uint16_t>(DnsType::soa)) {
      message.records.push_back(std::move(record));
    }
  }
  read_negative_ttl(reader, authorities, message);
  return message;
}

// The name inside RDATA that starts at `from`; nullopt when it does not fill RDATA exactly.
std::optional<std::string> data_name(std::string_view packet, const Record& record,
                                     std::size_t from) {
  Reader reader(packet);
  reader.move_to(record.data + from);
  std::string name = reader.name();
  if (!reader.ok() || reader.at() != record.data + record.length) {
    return std::nullopt;
  }
  return name;
}

// Adds the record's value to the answer; false: malformed.
bool take_value(std::string_view packet, const Record& record, DnsType type, DnsAnswer& answer) {
  Reader reader(packet);
  reader.move_to(record.data);
  if (type == DnsType::mx) {
    MxHost host;
    host.preference = reader.u16();
    auto name = data_name(packet, record, 2);
    if (record.length < 3 || !name) {
      return false;
    }
    host.host = std::move(*name);
    answer.hosts.push_back(std::move(host));
    return true;
  }
  const std::string_view octets = reader.octets(record.length);
  const std::size_t size = type == DnsType::a ? 4 : 16;
  if (octets.size() != size) {
    return false;
  }
  std::array<std::uint8_t, 16> bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::transform(octets.begin(), octets.end(), bytes.end() - static_cast<std::ptrdiff_t>(size),
                 [](char c) { return static_cast<std::uint8_t>(c); });
  if (answer.addresses.size() < kMaxAddresses) {
    answer.addresses.push_back(IpAddress::from_bytes(bytes));
  }
  return true;
}

void keep_best_hosts(std::vector<MxHost>& hosts) {
  if (hosts.size() > kMaxMxHosts) {
    std::sort(hosts.begin(), hosts.end(), [](const MxHost& a, const MxHost& b) {
      return std::tie(a.preference, a.host) < std::tie(b.preference, b.host);
    });
    hosts.resize(kMaxMxHosts);
  }
}

DnsAnswer failure(std::string reason) {
  DnsAnswer answer;
  answer.reason = std::move(reason);
  return answer;
}

DnsAnswer negative(DnsAnswer::Status status, std::uint32_t ttl) {
  DnsAnswer answer;
  answer.status = status;
  answer.ttl_s = ttl;
  return answer;
}

// Follows aliases from `name` to the records wanted. nullopt: malformed.
std::optional<DnsAnswer> follow(std::string_view packet, const Message& message, std::string name,
                                DnsType type) {
  std::uint32_t ttl = 0x7fffffffU;
  for (int aliases = 0; aliases <= kMaxAliases; ++aliases) {
    DnsAnswer answer;
    const Record* alias = nullptr;
    for (const Record& record : message.records) {
      if (record.owner != name) {
        continue;
      }
      if (record.type != static_cast<std::uint16_t>(type)) {
        alias = &record;
        continue;
      }
      ttl = std::min(ttl, record.ttl);
      if (!take_value(packet, record, type, answer)) {
        return std::nullopt;
      }
    }
    if (!answer.hosts.empty() || !answer.addresses.empty()) {
      answer.status = DnsAnswer::Status::records;
      answer.ttl_s = ttl;
      keep_best_hosts(answer.hosts);
      return answer;
    }
    if (alias == nullptr) {
      if (aliases > 0 && !message.recursion_available) {
        // The target may have records that this server does not know.
        return failure("alias without its target");
      }
      return negative(DnsAnswer::Status::no_data, std::min(ttl, message.negative_ttl));
    }
    ttl = std::min(ttl, alias->ttl);
    auto target = data_name(packet, *alias, 0);
    if (!target) {
      return std::nullopt;
    }
    name = std::move(*target);
  }
  return failure("alias loop");
}

}  // namespace

std::string_view to_text(DnsType type) {
  switch (type) {
    case DnsType::a:
      return "A";
    case DnsType::cname:
      return "CNAME";
    case DnsType::soa:
      return "SOA";
    case DnsType::mx:
      return "MX";
    case DnsType::aaaa:
      return "AAAA";
  }
  return "?";
}

std::string dns_rcode_text(unsigned rcode) {
  static constexpr std::array<std::string_view, 6> kNames{"NOERROR",  "FORMERR", "SERVFAIL",
                                                          "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return rcode < kNames.size() ? std::string(kNames[rcode]) : fmt::format("RCODE {}", rcode);
}

std::optional<std::string> normalize_dns_name(std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.empty() || name.size() + 2 > kMaxWireName) {
    return std::nullopt;
  }
  std::string out = base::to_lower(name);
  for (const std::string_view label : base::split(out, '.')) {
    if (label.empty() || label.size() > kMaxLabel ||
        !std::all_of(label.begin(), label.end(), is_host_octet)) {
      return std::nullopt;
    }
  }
  return out;
}

std::string build_dns_query(std::uint16_t id, std::string_view name, DnsType type) {
  constexpr std::uint16_t kRecursionDesired = 0x0100;
  std::string out;
  out.reserve(kHeaderSize + name.size() + 6);
  for (const std::uint16_t value : {id, kRecursionDesired, std::uint16_t{1}, std::uint16_t{0},
                                    std::uint16_t{0}, std::uint16_t{0}}) {
    put_u16(out, value);
  }
  for (const std::string_view label : base::split(name, '.')) {
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
  put_u16(out, static_cast<std::uint16_t>(type));
  put_u16(out, kClassIn);
  return out;
}

DnsAnswer parse_dns_answer(std::string_view packet, std::string_view name, DnsType type) {
  const auto message = read_message(packet, name, type);
  if (!message) {
    return failure("malformed answer");
  }
  if (message->rcode == kNameError) {
    return negative(DnsAnswer::Status::no_name, message->negative_ttl);
  }
  if (message->rcode != 0) {
    return failure(dns_rcode_text(message->rcode));
  }
  auto answer = follow(packet, *message, std::string(name), type);
  return answer ? std::move(*answer) : failure("malformed answer");
}

}  // namespace posthouse::net
