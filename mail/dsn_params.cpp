// Owns the syntax of the parameters of RFC 3461 and the encodings of RFC 6533. Pure; any thread.
#include "mail/dsn_params.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthouse::mail {

namespace {

constexpr std::string_view kTwice = "501 5.5.4 A parameter may be given only once";
constexpr std::string_view kBadRet = "501 5.5.4 RET must be FULL or HDRS";
constexpr std::string_view kBadEnvid =
    "501 5.5.4 ENVID must be xtext of printable characters, at most 100 long";
constexpr std::string_view kBadNotify =
    "501 5.5.4 NOTIFY must be NEVER or a list of SUCCESS, FAILURE, DELAY";
constexpr std::string_view kBadOrcpt =
    "501 5.5.4 ORCPT must be an address type, \";\" and xtext, at most 500 long";

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 3461 4: xchar = any ASCII CHAR between "!" and "~" except "+" and "=".
bool is_xchar(char c) { return c >= '!' && c <= '~' && c != '+' && c != '='; }

// Printable: graphic characters and white space of ASCII (RFC 3461 4.2, 4.4). What is more, such a
// text cannot end a line of a report.
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

// RFC 5322 3.2.3 atom without comments, which is what addr-type is (RFC 3461 4.2).
bool is_atom(std::string_view text) {
  const auto is_atext = [](char c) {
    const char low = base::ascii_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_atext);
}

// RFC 6533 3: QCHAR = %x21-2a / %x2c-3c / %x3e-5b / %x5d-7e
bool is_qchar(char c) { return is_xchar(c) && c != '\\'; }

bool is_c1_control(char32_t point) { return point >= 0x80 && point < 0xa0; }

void append_utf8(char32_t point, std::string& out) {
  const auto put = [&out](char32_t octet) { out += static_cast<char>(octet); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | (point >> 6));
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3f));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

// The code point at `at` of well-formed UTF-8; moves `at` behind it.
char32_t next_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) {
    return lead;
  }
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  char32_t point = static_cast<char32_t>(lead) & static_cast<char32_t>(0x3f >> more);
  for (int i = 0; i < more; ++i) {
    point = (point << 6) | (static_cast<unsigned char>(text[at++]) & 0x3fU);
  }
  return point;
}

// HEXPOINT of RFC 6533 3: no leading zero, no surrogate, and of ASCII only the characters that
// cannot stand for themselves. The grammar lets controls be written too; an address that holds one
// is no Mailbox, so it counts as not of this syntax.
std::optional<char32_t> decode_hexpoint(std::string_view digits) {
  if (digits.size() < 2 || digits.size() > 6 || digits.front() == '0') {
    return std::nullopt;
  }
  char32_t point = 0;
  for (const char c : base::to_upper(digits)) {
    const auto value = kHexDigits.find(c);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    point = point * 16 + static_cast<char32_t>(value);
  }
  const bool ascii_allowed = point == ' ' || point == '+' || point == '=' || point == '\\';
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if ((point < 0x80 && !ascii_allowed) || is_c1_control(point) || surrogate || point > 0x10ffff) {
    return std::nullopt;
  }
  return point;
}

// utf-8-addr-xtext, utf-8-addr-unitext or utf-8-address, as far as ORCPT can hold it.
std::optional<std::string> decode_utf8_address(std::string_view text) {
  constexpr std::string_view kEscape = "\\x{";
  if (text.empty() || !base::is_utf8(text)) {
    return std::nullopt;
  }
  std::string out;
  while (!text.empty()) {
    if (text.substr(0, kEscape.size()) == kEscape) {
      const auto end = text.find('}');
      if (end == std::string_view::npos) {
        return std::nullopt;
      }
      const auto point = decode_hexpoint(text.substr(kEscape.size(), end - kEscape.size()));
      if (!point) {
        return std::nullopt;
      }
      append_utf8(*point, out);
      text.remove_prefix(end + 1);
      continue;
    }
    std::size_t size = 0;
    const char32_t point = next_point(text, size);
    if (point < 0x80 ? !is_qchar(text.front()) : is_c1_control(point)) {
      return std::nullopt;
    }
    out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out;
}

// The encoded address of an ORCPT of type utf-8 without 8-bit octets, whatever else it holds.
std::string to_seven_bit(std::string_view encoded) {
  std::string out;
  for (std::size_t at = 0; at < encoded.size();) {
    const std::size_t begin = at;
    const char32_t point = next_point(encoded, at);
    out += point < 0x80 ? std::string(encoded.substr(begin, 1))
                        : encode_utf8_address(encoded.substr(begin, at - begin));
  }
  return out;
}

std::string_view set_envid(std::string_view value, DsnMail& params) {
  if (!params.envid.empty()) {
    return kTwice;  // RFC 3461 4.5
  }
  const auto decoded = decode_xtext(value);
  if (value.empty() || value.size() > kMaxEnvid || !decoded || !is_printable(*decoded)) {
    return kBadEnvid;
  }
  params.envid = std::string(value);
  return {};
}

std::string_view set_ret(std::string_view value, DsnMail& params) {
  if (params.ret != Ret::none) {
    return kTwice;
  }
  const auto ret = parse_ret(value);
  params.ret = ret.value_or(Ret::none);
  return ret ? std::string_view() : kBadRet;
}

std::string_view set_notify(std::string_view value, DsnRcpt& params) {
  if (params.notify.given()) {
    return kTwice;
  }
  const auto notify = parse_notify(value);
  params.notify = notify.value_or(Notify());
  return notify ? std::string_view() : kBadNotify;
}

std::string_view set_orcpt(std::string_view value, bool smtputf8, DsnRcpt& params) {
  if (!params.orcpt.empty()) {
    return kTwice;
  }
  if (value.size() > kMaxOrcpt || (!smtputf8 && !is_ascii(value)) || !decode_orcpt(value)) {
    return kBadOrcpt;
  }
  params.orcpt = std::string(value);
  return {};
}

}  // namespace

std::string encode_xtext(std::string_view octets) {
  std::string out;
  out.reserve(octets.size());
  for (const char c : octets) {
    if (is_xchar(c)) {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += '+';
      out += kHexDigits[octet >> 4];
      out += kHexDigits[octet & 15];
    }
  }
  return out;
}

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_xchar(text[i])) {
      out += text[i];
      continue;
    }
    if (text[i] != '+' || text.size() - i < 3) {
      return std::nullopt;
    }
    const auto high = kHexDigits.find(text[i + 1]);
    const auto low = kHexDigits.find(text[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string encode_utf8_address(std::string_view address) {
  if (!base::is_utf8(address)) {
    return encode_xtext(address);
  }
  std::string out;
  for (std::size_t at = 0; at < address.size();) {
    const std::size_t begin = at;
    const char32_t point = next_point(address, at);
    if (point < 0x80 && is_qchar(address[begin])) {
      out += address[begin];
      continue;
    }
    std::string digits;
    for (char32_t rest = point; rest != 0 || digits.size() < 2; rest /= 16) {
      digits.insert(digits.begin(), kHexDigits[rest % 16]);
    }
    out += "\\x{" + digits + "}";
  }
  return out;
}

std::optional<OriginalRecipient> decode_orcpt(std::string_view orcpt) {
  const auto semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos || !is_atom(orcpt.substr(0, semicolon))) {
    return std::nullopt;
  }
  OriginalRecipient out;
  out.type = std::string(orcpt.substr(0, semicolon));
  const auto encoded = orcpt.substr(semicolon + 1);
  const bool utf8 = base::iequals(out.type, "utf-8");
  if (utf8) {
    if (auto address = decode_utf8_address(encoded)) {
      out.address = std::move(*address);
      return out;
    }
  }
  const auto decoded = decode_xtext(encoded);
  // RFC 3461 4.2: printable before it was encoded. An empty address names nobody.
  if (!decoded || decoded->empty() || !is_printable(*decoded)) {
    return std::nullopt;
  }
  out.address = utf8 ? std::string(encoded) : *decoded;
  return out;
}

std::string make_orcpt(const Address& rcpt) {
  const std::string text = rcpt.text();
  std::string out =
      is_ascii(text) ? "rfc822;" + encode_xtext(text) : "utf-8;" + encode_utf8_address(text);
  return text.empty() || out.size() > kMaxOrcpt ? std::string() : out;
}

std::optional<Notify> parse_notify(std::string_view value) {
  if (base::iequals(value, "NEVER")) {
    return Notify::never();
  }
  std::uint8_t bits = 0;
  for (const auto word : base::split(value, ',')) {
    if (base::iequals(word, "SUCCESS")) {
      bits |= Notify::kSuccess;
    } else if (base::iequals(word, "FAILURE")) {
      bits |= Notify::kFailure;
    } else if (base::iequals(word, "DELAY")) {
      bits |= Notify::kDelay;
    } else {
      return std::nullopt;  // RFC 3461 4.1 a: NEVER beside another word, too
    }
  }
  return Notify::from_bits(bits);
}

std::string format_notify(Notify notify) {
  if (notify == Notify::never()) {
    return "NEVER";
  }
  std::string out;
  const auto add = [&](std::uint8_t bit, std::string_view word) {
    if (notify.asks(bit)) {
      out += out.empty() ? "" : ",";
      out += word;
    }
  };
  add(Notify::kSuccess, "SUCCESS");
  add(Notify::kFailure, "FAILURE");
  add(Notify::kDelay, "DELAY");
  return out;
}

std::optional<Ret> parse_ret(std::string_view value) {
  if (base::iequals(value, "FULL")) {
    return Ret::full;
  }
  return base::iequals(value, "HDRS") ? std::optional(Ret::hdrs) : std::nullopt;
}

DsnParam take_dsn_param(std::string_view keyword, std::string_view value, DsnMail& params) {
  if (base::iequals(keyword, "RET")) {
    return {true, set_ret(value, params)};
  }
  if (base::iequals(keyword, "ENVID")) {
    return {true, set_envid(value, params)};
  }
  return {};
}

DsnParam take_dsn_param(std::string_view keyword, std::string_view value, bool smtputf8,
                        DsnRcpt& params) {
  if (base::iequals(keyword, "NOTIFY")) {
    return {true, set_notify(value, params)};
  }
  if (base::iequals(keyword, "ORCPT")) {
    return {true, set_orcpt(value, smtputf8, params)};
  }
  return {};
}

std::string format_dsn_params(const DsnMail& params) {
  std::string out;
  if (params.ret != Ret::none) {
    out += params.ret == Ret::full ? " RET=FULL" : " RET=HDRS";
  }
  if (!params.envid.empty()) {
    out += " ENVID=" + params.envid;
  }
  return out;
}

std::string format_dsn_params(const DsnRcpt& params, bool smtputf8) {
  std::string out;
  if (params.notify.given()) {
    out += " NOTIFY=" + format_notify(params.notify);
  }
  std::string orcpt = params.orcpt;
  if (!smtputf8 && !is_ascii(orcpt)) {
    // RFC 6533 3: the utf-8-address form must not go to a server without SMTPUTF8.
    orcpt = base::is_utf8(orcpt) ? to_seven_bit(orcpt) : std::string();
  }
  if (!orcpt.empty() && orcpt.size() <= kMaxOrcpt) {
    out += " ORCPT=" + orcpt;
  }
  return out;
}

}  // namespace posthouse::mail
