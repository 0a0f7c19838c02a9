// IP addresses, endpoints and address lists (CIDR and DMail's "1.2.3.*"), without sockets.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthouse::net {

// IPv4 is held as an IPv4-mapped IPv6 address, so that ::ffff:1.2.3.4 equals 1.2.3.4.
class IpAddress {
 public:
  IpAddress() = default;
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress from_bytes(const std::array<std::uint8_t, 16>& bytes);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] std::string text() const;  // "192.0.2.1", "2001:db8::1"
  [[nodiscard]] std::string smtp_literal()
      const;  // "[192.0.2.1]", "[IPv6:2001:db8::1]" RFC 5321 4.1.3
  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  [[nodiscard]] std::string text() const;  // "192.0.2.1:25", "[2001:db8::1]:25"
  auto operator<=>(const Endpoint&) const = default;
};

// A set of addresses: "127.0.0.1", "10.0.0.0/8", "1.2.3.*", "::1", comma-separated.
class AddressSet {
 public:
  // nullopt with the offending item in `*bad` when the text does not parse.
  static std::optional<AddressSet> parse(std::string_view list, std::string* bad);
  void merge(const AddressSet& other);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  struct Range {
    std::array<std::uint8_t, 16> prefix{};
    unsigned bits = 128;
  };
  std::vector<Range> ranges_;
};

}  // namespace posthouse::net
