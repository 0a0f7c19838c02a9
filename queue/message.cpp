// Names derived from a message: the uid of a leaf and its way back. Pure; any thread.
#include "queue/message.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "queue/leaf_uid.hpp"
#include "queue/ports.hpp"

namespace posthouse::queue {

std::string leaf_uid(const Message& message, const Leaf& leaf) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(message.arrival.time_since_epoch()).count();
  return fmt::format("{}.{}-{}", seconds, base::format_message_id(message.id), leaf.number);
}

std::optional<LeafId> parse_leaf_uid(std::string_view uid) {
  const std::size_t dot = uid.find('.');
  if (dot == std::string_view::npos || !base::parse_u64(uid.substr(0, dot))) return std::nullopt;
  uid.remove_prefix(dot + 1);
  if (uid.size() < base::kMessageIdLength + 2 || uid[base::kMessageIdLength] != '-') {
    return std::nullopt;
  }
  const auto id = base::parse_message_id(uid.substr(0, base::kMessageIdLength));
  const auto number = base::parse_u64(uid.substr(base::kMessageIdLength + 1));
  if (!id || !number || *number > UINT32_MAX) return std::nullopt;
  LeafId leaf;
  leaf.id = *id;
  leaf.leaf = static_cast<std::uint32_t>(*number);
  return leaf;
}

}  // namespace posthouse::queue
