// The way back from a name in a mailbox to the leaf it came from. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "queue/ports.hpp"

namespace posthouse::queue {

// The leaf whose leaf_uid() (queue/ports.hpp) this is; nullopt for names other programs gave.
[[nodiscard]] std::optional<LeafId> parse_leaf_uid(std::string_view uid);

}  // namespace posthouse::queue
