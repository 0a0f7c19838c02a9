// Owns the syntax of addresses and domains: RFC 5321 4.1.2 and 4.1.3 with the extensions of
// RFC 6531 3.3. Pure; any thread. Every function looks at each octet a bounded number of times.
#include "mail/address.hpp"

#include <arpa/inet.h>
#include <idn2.h>
#include <unicase.h>
#include <uninorm.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/text.hpp"

namespace posthouse::mail {

namespace {

constexpr std::size_t kMaxLabel = 63;  // RFC 1035 2.3.4

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool is_non_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) {
  const char lower = base::ascii_lower(c);
  return is_digit(c) || (lower >= 'a' && lower <= 'z');
}
// RFC 5322 3.2.3; RFC 6531 3.3 adds all UTF-8 beyond ASCII (checked as a whole afterwards).
bool is_atext(char c) {
  return is_alnum(c) || is_non_ascii(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}
// RFC 5321 4.1.2: qtextSMTP = %d32-33 / %d35-91 / %d93-126
bool is_qtext(char c) { return (c >= 32 && c <= 126 && c != '"' && c != '\\') || is_non_ascii(c); }

bool is_dot_string(std::string_view text) {
  bool atom_open = false;
  for (const char c : text) {
    if (c == '.' ? !atom_open : !is_atext(c)) {
      return false;
    }
    atom_open = c != '.';
  }
  return atom_open;
}

// Well-formed UTF-8 without the C1 controls (U+0080..9F): RFC 6531 admits them by its grammar
// alone, but an address that a terminal obeys helps nobody.
bool is_clean_utf8(std::string_view text) {
  if (is_ascii(text)) {
    return true;
  }
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\xc2' && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      return false;
    }
  }
  return base::is_utf8(text);
}

// A place in the text being parsed; the take_ functions move it past what they accept.
struct Cursor {
  std::string_view text;
  std::size_t at = 0;

  [[nodiscard]] bool end() const { return at == text.size(); }
  [[nodiscard]] bool see(char c) const { return !end() && text[at] == c; }
  bool take(char c) {
    if (!see(c)) {
      return false;
    }
    ++at;
    return true;
  }
};

// Quoted-string = DQUOTE *QcontentSMTP DQUOTE; the opening quote is at the cursor.
std::optional<std::string> take_quoted(Cursor& cursor) {
  std::string content;
  cursor.take('"');
  while (!cursor.end() && !cursor.see('"')) {
    char c = cursor.text[cursor.at];
    if (c == '\\') {
      ++cursor.at;  // quoted-pairSMTP = %d92 %d32-126
      if (cursor.end()) {
        return std::nullopt;
      }
      c = cursor.text[cursor.at];
      if (c < 32 || c > 126) {
        return std::nullopt;
      }
    } else if (!is_qtext(c)) {
      return std::nullopt;
    }
    content += c;
    ++cursor.at;
  }
  if (!cursor.take('"')) {
    return std::nullopt;
  }
  return content;
}

std::optional<std::string> take_local(Cursor& cursor) {
  const std::size_t begin = cursor.at;
  std::optional<std::string> local;
  if (cursor.see('"')) {
    local = take_quoted(cursor);
  } else {
    while (!cursor.end() && (is_atext(cursor.text[cursor.at]) || cursor.see('.'))) {
      ++cursor.at;
    }
    const auto spelled = cursor.text.substr(begin, cursor.at - begin);
    if (is_dot_string(spelled)) {
      local = std::string(spelled);
    }
  }
  // Measured as spelled, so that no form of the address we may write exceeds the limit.
  if (!local || cursor.at - begin > kMaxLocalPart || !is_clean_utf8(*local)) {
    return std::nullopt;
  }
  return local;
}

// Domain or address literal at the cursor, as normalize_domain() has it.
std::optional<std::string> take_domain(Cursor& cursor) {
  const std::size_t begin = cursor.at;
  if (cursor.take('[')) {
    while (!cursor.end() && !cursor.see(']')) {
      ++cursor.at;
    }
    if (!cursor.take(']')) {
      return std::nullopt;
    }
  } else {
    const auto belongs = [](char c) {
      return is_alnum(c) || is_non_ascii(c) || c == '-' || c == '.';
    };
    while (!cursor.end() && belongs(cursor.text[cursor.at])) {
      ++cursor.at;
    }
  }
  return normalize_domain(cursor.text.substr(begin, cursor.at - begin));
}

// A-d-l ":" of RFC 5321 4.1.2; the "@" is at the cursor.
bool take_source_route(Cursor& cursor) {
  do {
    if (!cursor.take('@') || !take_domain(cursor)) {
      return false;
    }
  } while (cursor.take(','));
  return cursor.take(':');
}

// sub-domain = Let-dig [Ldh-str], or a U-label that libidn2 checks later.
bool is_label(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') {
    return false;
  }
  return (label.size() <= kMaxLabel || !is_ascii(label)) &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alnum(c) || is_non_ascii(c) || c == '-'; });
}

bool is_name(std::string_view domain) {
  for (;;) {
    const auto dot = domain.find('.');
    if (!is_label(domain.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    domain.remove_prefix(dot + 1);
  }
}

std::optional<std::string> to_a_labels(const std::string& domain) {
  char* converted = nullptr;
  const int status =
      idn2_to_ascii_8z(domain.c_str(), &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, Free> owner(converted);
  if (status != IDN2_OK) {
    return std::nullopt;
  }
  // The mapping of UTS 46 may turn other characters into ASCII ones, so the result is checked anew.
  std::string ascii = base::to_lower(converted);
  if (ascii.size() > kMaxDomain || !is_ascii(ascii) || !is_name(ascii)) {
    return std::nullopt;
  }
  return ascii;
}

// Snum = 1*3DIGIT, 0 to 255; leading zeros are allowed, which inet_pton() refuses.
bool is_ipv4(std::string_view text) {
  const auto parts = base::split(text, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           const auto value = base::parse_u64(part);
           return part.size() <= 3 && value && *value <= 255;
         });
}

bool is_ipv6(std::string_view text) {
  constexpr std::size_t kLongest = 45;
  in6_addr ignored;
  if (text.size() > kLongest || text.find('\0') != std::string_view::npos ||
      ::inet_pton(AF_INET6, std::string(text).c_str(), &ignored) != 1) {
    return false;
  }
  const auto gap = text.find("::");
  if (gap == std::string_view::npos) {
    return true;
  }
  // RFC 5321 4.1.3: "::" stands for at least two groups, so six may remain, a dotted quad being
  // two.
  std::size_t groups = text.find('.') != std::string_view::npos ? 1 : 0;
  for (const auto part : base::split(text, ':')) {
    groups += part.empty() ? 0 : 1;
  }
  return groups <= 6;
}

// General-address-literal = Standardized-tag ":" 1*dcontent. An IPv6 address whose tag was
// forgotten would pass as one, its first group being the tag; nobody means that.
bool is_general_literal(std::string_view text) {
  in6_addr ignored;
  if (::inet_pton(AF_INET6, std::string(text).c_str(), &ignored) == 1) {
    return false;
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text[colon - 1] == '-') {
    return false;
  }
  const auto tag = text.substr(0, colon);
  const auto content = text.substr(colon + 1);
  const auto is_dcontent = [](char c) { return (c >= 33 && c <= 90) || (c >= 94 && c <= 126); };
  return !content.empty() && !base::iequals(tag, "IPv6") &&
         std::all_of(tag.begin(), tag.end(), [](char c) { return is_alnum(c) || c == '-'; }) &&
         std::all_of(content.begin(), content.end(), is_dcontent);
}

}  // namespace

bool is_address_literal(std::string_view domain) {
  if (domain.size() < 3 || domain.size() > kMaxDomain || domain.front() != '[' ||
      domain.back() != ']') {
    return false;
  }
  const auto inner = domain.substr(1, domain.size() - 2);
  if (base::istarts_with(inner, "IPv6:")) {
    return is_ipv6(inner.substr(5));
  }
  return is_ipv4(inner) || is_general_literal(inner);
}

std::optional<std::string> normalize_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > kMaxDomain) {
    return std::nullopt;
  }
  if (domain.front() == '[') {
    return is_address_literal(domain) ? std::optional(base::to_lower(domain)) : std::nullopt;
  }
  if (!is_name(domain)) {
    return std::nullopt;
  }
  if (is_ascii(domain)) {
    return base::to_lower(domain);
  }
  if (!base::is_utf8(domain)) {
    return std::nullopt;
  }
  return to_a_labels(std::string(domain));
}

bool is_valid_domain(std::string_view domain) { return normalize_domain(domain).has_value(); }

std::optional<Address> parse_address(std::string_view text) {
  Cursor cursor{text};
  auto local = take_local(cursor);
  if (!local || !cursor.take('@')) {
    return std::nullopt;
  }
  auto domain = take_domain(cursor);
  // The path limit less the two brackets that an address has on the wire.
  if (!domain || !cursor.end() || text.size() > kMaxPath - 2) {
    return std::nullopt;
  }
  return Address{std::move(*local), std::move(*domain)};
}

std::optional<ParsedPath> parse_path(std::string_view text, PathKind kind) {
  Cursor cursor{text};
  ParsedPath path;
  if (!cursor.take('<')) {
    return std::nullopt;
  }
  if (kind == PathKind::reverse && cursor.take('>')) {
    path.null = true;
    path.consumed = cursor.at;
    return path;
  }
  if (cursor.see('@')) {
    if (!take_source_route(cursor)) {
      return std::nullopt;
    }
    path.source_route = true;
  }
  auto local = take_local(cursor);
  if (!local) {
    return std::nullopt;
  }
  path.address.local = std::move(*local);
  if (cursor.take('@')) {
    auto domain = take_domain(cursor);
    if (!domain) {
      return std::nullopt;
    }
    path.address.domain = std::move(*domain);
  } else if (kind != PathKind::forward || path.source_route ||
             !base::iequals(path.address.local, "postmaster")) {
    return std::nullopt;  // RFC 5321 4.1.1.3: only "<Postmaster>" comes without a domain
  }
  if (!cursor.take('>') || cursor.at > kMaxPath) {
    return std::nullopt;
  }
  path.consumed = cursor.at;
  return path;
}

std::string Address::text() const {
  if (empty()) {
    return {};
  }
  std::string out;
  out.reserve(local.size() + domain.size() + 3);
  if (is_dot_string(local)) {
    out = local;
  } else {
    out += '"';
    for (const char c : local) {
      if (c == '"' || c == '\\') {
        out += '\\';
      }
      out += c;
    }
    out += '"';
  }
  if (!domain.empty()) {
    out += '@';
    out += domain;
  }
  return out;
}

std::string Address::local_key() const {
  if (is_ascii(local) || !base::is_utf8(local)) {
    return base::to_lower(local);
  }
  // Lower case can undo NFC, hence one call that does both.
  std::size_t size = 0;
  const std::unique_ptr<std::uint8_t, Free> lower(
      ::u8_tolower(reinterpret_cast<const std::uint8_t*>(local.data()), local.size(), nullptr,
                   UNINORM_NFC, nullptr, &size));
  return lower ? std::string(reinterpret_cast<const char*>(lower.get()), size)
               : base::to_lower(local);
}

std::string Address::key() const {
  std::string out = local_key();
  if (!domain.empty()) {
    out += '@';
    out += domain;
  }
  return out;
}

}  // namespace posthouse::mail
