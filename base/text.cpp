// Owns the small text helpers declared in text.hpp. Pure functions on octets, any thread.
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

namespace posthouse::base {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> base64_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 64; ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = i;
  }
  return values;
}
constexpr auto kBase64Values = base64_values();

constexpr std::uint8_t octet(char c) { return static_cast<std::uint8_t>(c); }

// Length of the well-formed multi-octet sequence at the start of `text`, 0 if there is none.
// The ranges are those of RFC 3629 section 4 (UTF8-2, UTF8-3, UTF8-4).
std::size_t multibyte_length(std::string_view text) {
  const std::uint8_t lead = octet(text[0]);
  std::size_t length = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    low = lead == 0xe0 ? 0xa0 : 0x80;   // no overlong form
    high = lead == 0xed ? 0x9f : 0xbf;  // no surrogate
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    low = lead == 0xf0 ? 0x90 : 0x80;
    high = lead == 0xf4 ? 0x8f : 0xbf;  // nothing above U+10FFFF
  }
  if (length == 0 || text.size() < length || octet(text[1]) < low || octet(text[1]) > high) {
    return 0;
  }
  for (std::size_t i = 2; i < length; ++i) {
    if ((octet(text[i]) & 0xc0) != 0x80) {
      return 0;
    }
  }
  return length;
}

}  // namespace

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), ascii_lower);
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && istarts_with(a, b);
}

bool istarts_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return ascii_lower(a) == ascii_lower(b); });
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  std::size_t begin = 0;
  for (;;) {
    const auto end = text.find(separator, begin);
    fields.push_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos) {
      return fields;
    }
    begin = end + 1;
  }
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  auto begin = text.find_first_not_of(" \t");
  while (begin != std::string_view::npos) {
    const auto end = text.find_first_of(" \t", begin);
    words.push_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    begin = text.find_first_not_of(" \t", end);
  }
  return words;
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return value;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (const char c : text) {
    const bool plain = c >= 0x20 && c <= 0x7e;
    if (out.size() + (plain ? 1 : 4) > limit) {
      break;
    }
    if (plain) {
      out += c;
    } else {
      out += "\\x";
      out += kHexDigits[octet(c) >> 4];
      out += kHexDigits[octet(c) & 0xf];
    }
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = octet(text[0]) < 0x80 ? 1 : multibyte_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  volatile unsigned difference = 0;  // volatile: the compiler may not leave the loop early
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = difference | static_cast<unsigned>(octet(a[i]) ^ octet(b[i]));
  }
  return difference == 0;
}

unsigned edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongest = 64;
  if (a.size() > kLongest || b.size() > kLongest) {
    return std::numeric_limits<unsigned>::max();
  }
  std::array<unsigned, kLongest + 1> row{};
  for (unsigned j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    unsigned diagonal = row[0];
    row[0] = static_cast<unsigned>(i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const unsigned replaced = diagonal + (a[i] == b[j] ? 0U : 1U);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string base64_encode(std::string_view data) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= data.size(); i += 3) {
    const std::uint32_t bits = static_cast<std::uint32_t>(octet(data[i])) << 16 |
                               static_cast<std::uint32_t>(octet(data[i + 1])) << 8 |
                               octet(data[i + 2]);
    out += kBase64[bits >> 18];
    out += kBase64[bits >> 12 & 63];
    out += kBase64[bits >> 6 & 63];
    out += kBase64[bits & 63];
  }
  const std::size_t rest = data.size() - i;
  if (rest != 0) {
    const std::uint32_t bits =
        static_cast<std::uint32_t>(octet(data[i])) << 16 |
        (rest == 2 ? static_cast<std::uint32_t>(octet(data[i + 1])) << 8 : 0U);
    out += kBase64[bits >> 18];
    out += kBase64[bits >> 12 & 63];
    out += rest == 2 ? kBase64[bits >> 6 & 63] : '=';
    out += '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
    ++padding;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  const std::size_t digits = text.size() - padding;
  for (std::size_t i = 0; i < digits; ++i) {
    const std::uint8_t value = kBase64Values[octet(text[i])];
    if (value == kNoDigit) {
      return std::nullopt;
    }
    bits = bits << 6 | value;
    if (i % 4 != 0) {
      out += static_cast<char>(bits >> (6 - i % 4 * 2) & 0xff);
    }
  }
  // RFC 4648 3.5: bits that the padding leaves unused must be zero, so one meaning has one
  // spelling.
  if ((padding == 1 && (bits & 3) != 0) || (padding == 2 && (bits & 15) != 0)) {
    return std::nullopt;
  }
  return out;
}

}  // namespace posthouse::base
