// Text and binary forms of IP addresses. Pure functions, any thread.
#include "net/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/text.hpp"

namespace posthouse::net {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

std::uint16_t group_at(const std::array<std::uint8_t, 16>& bytes, std::size_t index) {
  return static_cast<std::uint16_t>(bytes[2 * index] << 8 | bytes[2 * index + 1]);
}

// RFC 5952 4.2: the longest run of at least two zero groups, the first of equals.
struct ZeroRun {
  std::size_t start = 8;
  std::size_t length = 0;
};

ZeroRun longest_zero_run(const std::array<std::uint8_t, 16>& bytes) {
  ZeroRun best;
  ZeroRun run;
  for (std::size_t i = 0; i < 8; ++i) {
    if (group_at(bytes, i) != 0) {
      run = ZeroRun();
      continue;
    }
    if (run.length == 0) {
      run.start = i;
    }
    ++run.length;
    if (run.length > best.length) {
      best = run;
    }
  }
  return best.length >= 2 ? best : ZeroRun();
}

std::string format_v6(const std::array<std::uint8_t, 16>& bytes) {
  const ZeroRun run = longest_zero_run(bytes);
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == run.start) {
      out += "::";
      i += run.length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') {
      out += ':';
    }
    char hex[8];
    std::snprintf(hex, sizeof hex, "%x", static_cast<unsigned>(group_at(bytes, i)));
    out += hex;
  }
  return out;
}

// "1.2.3.*", "1.2.*" and "1.2.*.*": whole leading octets, then stars only.
std::optional<std::pair<IpAddress, unsigned>> parse_wildcard(std::string_view text) {
  std::uint32_t value = 0;
  unsigned octets = 0;
  bool starred = false;
  const auto parts = base::split(text, '.');
  if (parts.size() > 4) {
    return std::nullopt;
  }
  for (const std::string_view part : parts) {
    if (part == "*") {
      starred = true;
      continue;
    }
    const auto octet = base::parse_u64(part);
    if (starred || !octet || *octet > 255 || part.size() > 3) {
      return std::nullopt;
    }
    value |= static_cast<std::uint32_t>(*octet) << (24 - 8 * octets);
    ++octets;
  }
  if (!starred || octets == 0) {
    return std::nullopt;
  }
  return std::pair(IpAddress::v4(value), kMappedBits + 8 * octets);
}

std::optional<std::pair<IpAddress, unsigned>> parse_item(std::string_view item) {
  if (item.find('*') != std::string_view::npos) {
    return parse_wildcard(item);
  }
  const std::size_t slash = item.find('/');
  const auto address = IpAddress::parse(item.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) {
    return std::pair(*address, 128U);
  }
  // The width counts in the notation used: "::ffff:1.2.3.0/120" is an IPv6 prefix.
  const bool dotted = item.find(':') == std::string_view::npos;
  const auto width = base::parse_u64(item.substr(slash + 1));
  if (!width || *width > (dotted ? 32U : 128U)) {
    return std::nullopt;
  }
  return std::pair(*address, static_cast<unsigned>(*width) + (dotted ? kMappedBits : 0));
}

void clear_host_bits(std::array<std::uint8_t, 16>& bytes, unsigned bits) {
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned kept = std::clamp(bits, 8 * i, 8 * i + 8) - 8 * i;
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00U >> kept));
  }
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof terminated ||
      text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  IpAddress address;
  if (text.find(':') != std::string_view::npos) {
    if (inet_pton(AF_INET6, terminated, address.bytes_.data()) != 1) {
      return std::nullopt;
    }
    return address;
  }
  in_addr dotted{};
  if (inet_pton(AF_INET, terminated, &dotted) != 1) {
    return std::nullopt;
  }
  return v4(ntohl(dotted.s_addr));
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes_.begin());
  for (unsigned i = 0; i < 4; ++i) {
    address.bytes_[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return address;
}

IpAddress IpAddress::from_bytes(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

bool IpAddress::is_loopback() const {
  if (is_v4()) {
    return bytes_[12] == 127;
  }
  static constexpr std::array<std::uint8_t, 16> kOne{0, 0, 0, 0, 0, 0, 0, 0,
                                                     0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == kOne;
}

std::string IpAddress::text() const {
  if (!is_v4()) {
    return format_v6(bytes_);
  }
  std::string out;
  for (std::size_t i = 12; i < 16; ++i) {
    if (i > 12) {
      out += '.';
    }
    out += std::to_string(static_cast<unsigned>(bytes_[i]));
  }
  return out;
}

std::string IpAddress::smtp_literal() const { return (is_v4() ? "[" : "[IPv6:") + text() + "]"; }

std::string Endpoint::text() const {
  const std::string port_text = ":" + std::to_string(port);
  return address.is_v4() ? address.text() + port_text : "[" + address.text() + "]" + port_text;
}

std::optional<AddressSet> AddressSet::parse(std::string_view list, std::string* bad) {
  AddressSet set;
  for (std::string_view item : base::split(list, ',')) {
    item = base::trim(item);
    const auto parsed = parse_item(item);
    if (!parsed) {
      if (bad != nullptr) {
        *bad = std::string(item);
      }
      return std::nullopt;
    }
    Range range;
    range.prefix = parsed->first.bytes();
    range.bits = parsed->second;
    clear_host_bits(range.prefix, range.bits);
    set.ranges_.push_back(range);
  }
  return set;
}

void AddressSet::merge(const AddressSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
}

bool AddressSet::contains(const IpAddress& address) const {
  const bool is_v4 = address.is_v4();
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    // "::/0" means all of IPv6 and not, by way of the mapping, all of IPv4.
    if (is_v4 && range.bits < kMappedBits) {
      return false;
    }
    auto bytes = address.bytes();
    clear_host_bits(bytes, range.bits);
    return bytes == range.prefix;
  });
}

}  // namespace posthouse::net
