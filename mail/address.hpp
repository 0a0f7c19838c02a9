// Mail addresses: RFC 5321 4.1.2 syntax (with RFC 6531 UTF-8 accepted in local parts and domains),
// kept as given and in a comparison form. Pure, bounded, no I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthouse::mail {

inline constexpr std::size_t kMaxLocalPart = 64;  // RFC 5321 4.5.3.1.1
inline constexpr std::size_t kMaxDomain = 255;    // RFC 5321 4.5.3.1.2
inline constexpr std::size_t kMaxPath = 256;      // RFC 5321 4.5.3.1.3, with the angle brackets

// A mailbox address. `local` is unquoted (the meaning, not the spelling); `domain` is as
// normalize_domain() returns it. An empty domain means a bare local part ("postmaster"). RFC 5321
// also allows an empty quoted local part (`""@example.org`), which no mailbox may bear.
struct Address {
  std::string local;
  std::string domain;

  [[nodiscard]] bool empty() const { return local.empty() && domain.empty(); }
  // "local@domain", the local part quoted again where it must be. Empty for the null path.
  [[nodiscard]] std::string text() const;
  // Key for comparing and naming mailboxes: local part in NFC and lower case, domain lower case.
  [[nodiscard]] std::string key() const;
  [[nodiscard]] std::string local_key() const;
  bool operator==(const Address&) const = default;
};

// "local@domain" without brackets, nothing else around it; nullopt when malformed or over a limit.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);

struct ParsedPath {
  Address address;
  bool null = false;          // "<>"
  bool source_route = false;  // "<@a,@b:c@d>" was given; the route is dropped (RFC 5321 3.6.1)
  std::size_t consumed = 0;   // octets of the input the path took
};

enum class PathKind { reverse, forward };

// A path in angle brackets at the start of `text`. reverse allows "<>"; forward allows
// "<postmaster>" without a domain (RFC 5321 4.5.1) and no other bare local part.
[[nodiscard]] std::optional<ParsedPath> parse_path(std::string_view text, PathKind kind);

// A domain name (letters, digits, hyphens, UTF-8; RFC 5321 4.1.2) or an address literal.
[[nodiscard]] bool is_valid_domain(std::string_view domain);
// The one form in which domains are kept and compared: lower case, each internationalised label as
// its A-label (RFC 5890), so that both spellings of a name are one key; an address literal in lower
// case with its brackets. nullopt when it is not a valid domain.
[[nodiscard]] std::optional<std::string> normalize_domain(std::string_view domain);
[[nodiscard]] bool is_address_literal(std::string_view domain);

}  // namespace posthouse::mail
