// Time types and the clock port. Wall time is for headers, logs and records; monotonic time is for
// deadlines and schedules. No module but the production clock reads the system's clock.
#pragma once

#include <chrono>
#include <string>

namespace posthouse::base {

using Duration = std::chrono::microseconds;
using WallTime = std::chrono::sys_time<Duration>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Source of time; implementations are safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const = 0;
  [[nodiscard]] virtual MonoTime mono() const = 0;
};

// The system's clocks; lives for the whole program.
[[nodiscard]] const Clock& system_clock();

// RFC 3339 in UTC with milliseconds: "2026-11-22T03:24:14.123Z".
[[nodiscard]] std::string format_rfc3339(WallTime time);

}  // namespace posthouse::base
