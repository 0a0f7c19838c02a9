// How long a record that nobody waits for may stay in memory before it is flushed for its own sake.
#pragma once

#include <chrono>

#include "base/time.hpp"

namespace posthouse::queue {

// Losing such a record costs a repeated delivery, which replaces itself.
inline constexpr base::Duration kLazyDelay = std::chrono::milliseconds(50);

}  // namespace posthouse::queue
