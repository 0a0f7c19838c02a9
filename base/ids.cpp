// Owns the making and the written form of queue ids. Pure; any thread (as far as `random` allows).
// Layout: 11 digits of 5 bits for the time (55 bits), then 13 for the random number (64 bits, so
// the first of them is below 16). The alphabet is base32hex in lower case (RFC 4648 section 7),
// whose order is that of ASCII: sorting the text sorts by time.
#include "base/ids.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthouse::base {

namespace {

constexpr std::size_t kTimeDigits = 11;
constexpr std::uint64_t kMaxTime = (std::uint64_t{1} << 55) - 1;
constexpr char kAlphabet[] = "0123456789abcdefghijklmnopqrstuv";

void put(std::string& out, std::size_t begin, std::size_t end, std::uint64_t value) {
  while (end > begin) {
    out[--end] = kAlphabet[value & 31];
    value >>= 5;
  }
}

std::optional<std::uint64_t> take(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char given : digits) {
    const char c = ascii_lower(given);
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'v') {
      digit = static_cast<std::uint64_t>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    if (value >> 59 != 0) {
      return std::nullopt;  // a 65th bit: no id is written so
    }
    value = value << 5 | digit;
  }
  return value;
}

}  // namespace

MessageId new_message_id(WallTime now, Random& random) {
  // A clock before 1970 or after the year 3111 is the machine's fault, not a reason to stop: the
  // random half alone keeps the id unique. Zero is left to the empty id.
  const auto micros = std::max<std::int64_t>(now.time_since_epoch().count(), 1);
  return {std::min(static_cast<std::uint64_t>(micros), kMaxTime), random.next_u64()};
}

std::string format_message_id(const MessageId& id) {
  std::string text(kMessageIdLength, '0');
  put(text, 0, kTimeDigits, id.time_us);
  put(text, kTimeDigits, kMessageIdLength, id.random);
  return text;
}

std::optional<MessageId> parse_message_id(std::string_view text) {
  if (text.size() != kMessageIdLength) {
    return std::nullopt;
  }
  const auto time = take(text.substr(0, kTimeDigits));
  const auto random = take(text.substr(kTimeDigits));
  if (!time || !random) {
    return std::nullopt;
  }
  return MessageId{*time, *random};
}

}  // namespace posthouse::base
