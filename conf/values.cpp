// Parsing and formatting of single values. Pure; any thread; nothing survives a call.
#include "conf/values.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <array>
#include <filesystem>
#include <limits>
#include <optional>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace posthouse::conf {
namespace {

constexpr std::size_t kMaxShown = 80;
constexpr std::size_t kMaxPathOctets = 1024;
constexpr std::size_t kMaxUserName = 32;  // useradd(8)
constexpr std::uint64_t kMaxSize = 1ULL << 62;
constexpr std::uint64_t kMaxSeconds = 100ULL * 365 * 24 * 3600;

struct Scaled {
  std::uint64_t number = 0;
  char unit = 0;  // lower case, 0 when the word is digits alone
};

// Digits and at most one letter after them.
std::optional<Scaled> split_unit(std::string_view text) {
  Scaled result;
  if (!text.empty() && (text.back() < '0' || text.back() > '9')) {
    result.unit = base::ascii_lower(text.back());
    text.remove_suffix(1);
  }
  const auto number = base::parse_u64(text);
  if (!number) return std::nullopt;
  result.number = *number;
  return result;
}

std::optional<std::uint64_t> scale(std::uint64_t number, std::uint64_t factor, std::uint64_t most) {
  if (factor == 0 || number > most / factor) return std::nullopt;
  return number * factor;
}

std::uint64_t seconds_of_unit(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 24ULL * 3600;
    case 'w':
      return 7ULL * 24 * 3600;
    default:
      return 0;
  }
}

std::uint64_t octets_of_unit(char unit) {
  switch (unit) {
    case 'k':
      return kKilo;
    case 'm':
      return kMega;
    case 'g':
      return kGiga;
    default:
      return 0;
  }
}

bool is_ipv4(std::string_view text) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view text) {
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool is_octet(std::string_view text) {
  const auto value = base::parse_u64(text);
  return value && *value <= 255 && text.size() <= 3;
}

// 1.2.3.*, 1.2.*, 1.* and the same with more stars (1.2.*.*); returns the number of fixed octets.
std::optional<unsigned> pattern_octets(std::string_view text) {
  const auto parts = base::split(text, '.');
  if (parts.size() < 2 || parts.size() > 4) return std::nullopt;
  unsigned fixed = 0;
  bool stars = false;
  for (const auto part : parts) {
    if (part == "*") {
      stars = true;
    } else if (stars || !is_octet(part)) {
      return std::nullopt;  // a star in the middle fixes nothing that a prefix could express
    } else {
      ++fixed;
    }
  }
  if (!stars || fixed == 0) return std::nullopt;
  return fixed;
}

std::optional<unsigned> item_bits(std::string_view item) {
  const auto slash = item.find('/');
  const auto address = item.substr(0, slash);
  const bool v4 = is_ipv4(address);
  if (v4 || is_ipv6(address)) {
    const unsigned width = v4 ? 32 : 128;
    if (slash == std::string_view::npos) return width;
    const auto bits = base::parse_u64(item.substr(slash + 1));
    if (!bits || *bits > width) return std::nullopt;
    return static_cast<unsigned>(*bits);
  }
  const auto octets = pattern_octets(item);
  if (octets) return *octets * 8;
  return std::nullopt;
}

tl::unexpected<std::string> problem(std::string sentence) {
  return tl::unexpected<std::string>(std::move(sentence));
}

}  // namespace

std::string in_quotes(std::string_view text) {
  return fmt::format("`{}'", base::printable(text, kMaxShown));
}

Parsed<std::chrono::seconds> parse_duration(std::string_view text, std::chrono::seconds bare_unit) {
  const auto scaled = split_unit(text);
  if (scaled) {
    const auto factor = scaled->unit == 0 ? static_cast<std::uint64_t>(bare_unit.count())
                                          : seconds_of_unit(scaled->unit);
    const auto seconds = scale(scaled->number, factor, kMaxSeconds);
    if (seconds) return std::chrono::seconds(*seconds);
  }
  return problem(fmt::format(
      "{} is not a time; write a number with s, m, h, d or w, for example 15m", in_quotes(text)));
}

std::string format_duration(std::chrono::seconds value) {
  const auto seconds = static_cast<std::uint64_t>(value.count());
  if (seconds == 0) return "0";
  for (const char unit : {'w', 'd', 'h', 'm'}) {
    const auto factor = seconds_of_unit(unit);
    if (seconds % factor == 0) return fmt::format("{}{}", seconds / factor, unit);
  }
  return fmt::format("{}s", seconds);
}

Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t bare_unit) {
  const auto scaled = split_unit(text);
  if (scaled) {
    const auto factor = scaled->unit == 0 ? bare_unit : octets_of_unit(scaled->unit);
    const auto octets = scale(scaled->number, factor, kMaxSize);
    if (octets) return *octets;
  }
  return problem(fmt::format("{} is not a size; write a number with K, M or G, for example 25M",
                             in_quotes(text)));
}

std::string format_size(std::uint64_t octets, std::uint64_t bare_unit) {
  if (octets == 0) return "0";
  if (octets % kGiga == 0) return fmt::format("{}G", octets / kGiga);
  if (octets % kMega == 0) return fmt::format("{}M", octets / kMega);
  if (octets % kKilo == 0) return fmt::format("{}K", octets / kKilo);
  if (bare_unit == 1) return fmt::format("{}", octets);
  return fmt::format("{}K", octets / kKilo + 1);  // K is the smallest unit left; never below
}

Parsed<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on"}) {
    if (base::iequals(text, yes)) return true;
  }
  for (const std::string_view no : {"false", "no", "off"}) {
    if (base::iequals(text, no)) return false;
  }
  return problem(fmt::format("{} is neither true nor false; write true or false", in_quotes(text)));
}

std::string format_bool(const bool& value) { return value ? "true" : "false"; }

Parsed<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most) {
  const auto value = base::parse_u64(text);
  if (value && *value >= least && *value <= most) return *value;
  return problem(
      fmt::format("{} is not a number from {} to {}; write one", in_quotes(text), least, most));
}

Parsed<std::uint16_t> parse_port(std::string_view text) {
  const auto value = base::parse_u64(text);
  if (value && *value <= std::numeric_limits<std::uint16_t>::max()) {
    return static_cast<std::uint16_t>(*value);
  }
  return problem(
      fmt::format("{} is not a port; write a number from 1 to 65535, or 0 to turn the "
                  "port off",
                  in_quotes(text)));
}

Parsed<std::string> parse_domain(std::string_view text) {
  auto domain = mail::normalize_domain(text);
  if (domain && !mail::is_address_literal(*domain)) return *std::move(domain);
  return problem(
      fmt::format("{} is not a domain name; write a name like example.org", in_quotes(text)));
}

Parsed<std::string> parse_mail_address(std::string_view text) {
  // A local part alone is checked with a domain behind it: the grammar has no name for it.
  const bool bare = text.find('@') == std::string_view::npos;
  const auto address =
      mail::parse_address(bare ? fmt::format("{}@example.org", text) : std::string(text));
  if (address && bare) return std::string(text);
  if (address) return address->text();
  return problem(fmt::format(
      "{} is not a mail address; write an address like postmaster@example.org", in_quotes(text)));
}

Parsed<std::string> parse_user_name(std::string_view text) {
  bool good =
      !text.empty() && text.size() <= kMaxUserName && text.front() != '-' && text.front() != '.';
  for (const char c : text) {
    const bool letter = base::ascii_lower(c) >= 'a' && base::ascii_lower(c) <= 'z';
    good = good && (letter || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.');
  }
  if (good) return std::string(text);
  return problem(fmt::format("{} cannot be the name of a Unix user; write a name like posthouse",
                             in_quotes(text)));
}

Parsed<std::string> parse_listen_address(std::string_view text) {
  if (text == "*") return std::string(text);
  std::string_view inside = text;
  if (inside.size() > 2 && inside.front() == '[' && inside.back() == ']') {
    inside = inside.substr(1, inside.size() - 2);
    if (is_ipv6(inside)) return std::string(inside);
  } else if (is_ipv4(inside) || is_ipv6(inside)) {
    return std::string(inside);
  }
  return problem(fmt::format(
      "{} is not an IP address; write one like 127.0.0.1 or ::1 without a port, or * for all",
      in_quotes(text)));
}

Parsed<std::vector<std::string>> parse_address_list(std::string_view text) {
  std::vector<std::string> items;
  for (const auto part : base::split(text, ',')) {
    const auto item = base::trim(part);
    if (item.empty()) continue;  // "a, b" arrives as the words "a," and "b"
    if (!item_bits(item)) {
      return problem(
          fmt::format("{} is not an address or network; write items like 127.0.0.1, "
                      "10.0.0.0/8, 1.2.3.*, ::1 or 2001:db8::/32",
                      in_quotes(item)));
    }
    items.emplace_back(item);
  }
  return items;
}

unsigned address_item_bits(std::string_view item) { return item_bits(item).value_or(0); }

Parsed<std::string> parse_path(std::string_view text, std::string_view folder) {
  const bool beside = text.substr(0, 2) == "./" || text.substr(0, 3) == "../";
  if (text.empty() || (text.front() != '/' && !beside)) {
    return problem(
        fmt::format("{} is not an absolute path; write one that begins with /, or with "
                    "./ for the folder of this configuration file",
                    in_quotes(text)));
  }
  namespace fs = std::filesystem;
  fs::path path(text);
  if (beside) path = fs::path(folder) / path;
  std::string result = path.lexically_normal().string();
  while (result.size() > 1 && result.back() == '/') result.pop_back();
  if (result.size() > kMaxPathOctets) {
    return problem(
        fmt::format("the path is longer than {} octets; write a shorter one", kMaxPathOctets));
  }
  return result;
}

}  // namespace posthouse::conf
