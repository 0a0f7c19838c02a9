// Queue ids: 55 bits of arrival time in microseconds and 64 random bits, written as 24 characters
// of lower-case base32 that sort by time. Never repeated, even if the queue is wiped
// (docs/spool.md).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/time.hpp"

namespace posthouse::base {

struct MessageId {
  std::uint64_t time_us = 0;  // microseconds since 1970, below 2^55
  std::uint64_t random = 0;

  auto operator<=>(const MessageId&) const = default;
  [[nodiscard]] bool empty() const { return time_us == 0 && random == 0; }
};

inline constexpr std::size_t kMessageIdLength = 24;

[[nodiscard]] MessageId new_message_id(WallTime now, Random& random);
[[nodiscard]] std::string format_message_id(const MessageId& id);
// Accepts upper and lower case; anything but 24 characters of the alphabet is nullopt.
[[nodiscard]] std::optional<MessageId> parse_message_id(std::string_view text);

struct MessageIdHash {
  std::size_t operator()(const MessageId& id) const {
    return static_cast<std::size_t>(id.random ^ (id.time_us * 0x9e3779b97f4a7c15ULL));
  }
};

}  // namespace posthouse::base
