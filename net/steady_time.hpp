// Private to net/: from our microsecond time to the clock of Asio's timers.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/time.hpp"

namespace posthouse::net {

// MonoTime::max() ("never") does not fit into nanoseconds; it becomes a year from now.
inline std::chrono::steady_clock::time_point to_steady(base::MonoTime when) {
  const base::MonoTime horizon = base::system_clock().mono() + std::chrono::hours(24 * 365);
  return std::chrono::steady_clock::time_point(std::min(when, horizon));
}

}  // namespace posthouse::net
