// The octets of DNS (RFC 1035): a query for one name and type, and what an answer to it says. No
// I/O. Answers are hostile: every length is checked, names are bounded, compression pointers only
// go backwards, alias chains end after kMaxAliases. Used by dns_cares.cpp; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/ports.hpp"

namespace posthouse::net {

enum class DnsType : std::uint16_t { a = 1, cname = 5, soa = 6, mx = 15, aaaa = 28 };
[[nodiscard]] std::string_view to_text(DnsType type);

// "NXDOMAIN"; "RCODE 23" for numbers without a name.
[[nodiscard]] std::string dns_rcode_text(unsigned rcode);

// LIMIT: what an answer may bring. More mail servers: those of the lowest preference are kept.
inline constexpr std::size_t kMaxMxHosts = 64;
inline constexpr std::size_t kMaxAddresses = 32;
inline constexpr int kMaxAliases = 16;

// Lower case, without final dot. nullopt when the text cannot be the name of a host or mail
// domain: empty, too long, or with octets other than letters, digits, hyphen and underscore.
[[nodiscard]] std::optional<std::string> normalize_dns_name(std::string_view name);

// A recursive query of class IN; `name` comes from normalize_dns_name().
[[nodiscard]] std::string build_dns_query(std::uint16_t id, std::string_view name, DnsType type);

struct DnsAnswer {
  enum class Status : std::uint8_t {
    records,  // hosts or addresses is not empty
    no_data,  // the name exists without records of this type
    no_name,  // NXDOMAIN
    failed,   // the server could not say; `reason` is "SERVFAIL" or the like
  };
  Status status = Status::failed;
  std::string reason;
  std::vector<MxHost> hosts;         // for mx; labels with other octets are in \DDD form
  std::vector<IpAddress> addresses;  // for a and aaaa
  std::uint32_t ttl_s = 0;           // the smallest on the way; without records from the SOA
};

// Reads the answer to build_dns_query(…, name, type). Octets that are no such answer are `failed`,
// "malformed answer"; so are alias loops and alias chains that a server without recursion left
// open.
[[nodiscard]] DnsAnswer parse_dns_answer(std::string_view packet, std::string_view name,
                                         DnsType type);

}  // namespace posthouse::net
