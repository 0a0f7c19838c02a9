// The words a setting is made of: numbers, sizes, times, ports, domains, paths, address lists.
// Pure functions; each failure is one sentence that names the bad word and says what to write
// instead. Called by the setters of the settings table and by command line options of app/.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace posthouse::conf {

// A value, or the sentence for the administrator.
template <class T>
using Parsed = tl::expected<T, std::string>;

inline constexpr std::uint64_t kKilo = 1024;
inline constexpr std::uint64_t kMega = kKilo * 1024;
inline constexpr std::uint64_t kGiga = kMega * 1024;

// "90", "90s", "15m", "2h", "3d", "1w" (either case); a number alone counts in `bare_unit`.
// At most 100 years.
[[nodiscard]] Parsed<std::chrono::seconds> parse_duration(
    std::string_view text, std::chrono::seconds bare_unit = std::chrono::seconds(1));
// The shortest spelling that parse_duration reads back: "0", "90s", "2h".
[[nodiscard]] std::string format_duration(std::chrono::seconds value);

// "1000", "64K", "25M", "2G" (either case, powers of 1024); a number alone counts in `bare_unit`
// octets. At most 2^62 octets.
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t bare_unit = 1);
// Read back by parse_size: "0", "25M"; a number alone only when bare_unit is 1.
[[nodiscard]] std::string format_size(std::uint64_t octets, std::uint64_t bare_unit = 1);

// true, yes, on, false, no, off in either case.
[[nodiscard]] Parsed<bool> parse_bool(std::string_view text);
[[nodiscard]] std::string format_bool(const bool& value);

// Decimal digits, `least` to `most`.
[[nodiscard]] Parsed<std::uint64_t> parse_count(std::string_view text, std::uint64_t least,
                                                std::uint64_t most);
// 0 to 65535.
[[nodiscard]] Parsed<std::uint16_t> parse_port(std::string_view text);

// A domain name in the form that mail/ compares (lower case, A-labels); no address literal.
[[nodiscard]] Parsed<std::string> parse_domain(std::string_view text);
// "user@domain", or a local part alone (the caller completes it). The domain in lower case.
[[nodiscard]] Parsed<std::string> parse_mail_address(std::string_view text);
// A login name of this machine: letters, digits, `_', `-', `.', not first `-' or `.', at most 32.
[[nodiscard]] Parsed<std::string> parse_user_name(std::string_view text);

// One IPv4 or IPv6 address, without brackets in the result; "*" (all addresses) gives "*".
[[nodiscard]] Parsed<std::string> parse_listen_address(std::string_view text);
// A comma-separated list of addresses, networks in CIDR form and patterns like 1.2.3.*; the items
// without empty ones. Syntax only: net/ turns the items into ranges.
[[nodiscard]] Parsed<std::vector<std::string>> parse_address_list(std::string_view text);
// How many leading bits an item of such a list fixes, counted in its own family (0 to 32 or 128).
[[nodiscard]] unsigned address_item_bits(std::string_view item);

// An absolute path without "." and ".." parts. A word that begins with "./" or "../" counts from
// `folder`, the folder of the file it was written in; any other relative path is refused, because
// it would depend on where the program was started. At most 1024 octets.
[[nodiscard]] Parsed<std::string> parse_path(std::string_view text, std::string_view folder);

// The word between quotes for messages: `text', unprintable octets escaped, cut at 80.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace posthouse::conf
