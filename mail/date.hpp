// Dates as mail writes them. Pure; any thread.
#pragma once

#include <chrono>
#include <string>

#include "base/time.hpp"

namespace posthouse::mail {

// RFC 5322 3.3: "Sun, 22 Nov 2026 03:24:14 +0000". `offset` from UTC, within a day, is both applied
// and named.
[[nodiscard]] std::string format_date(base::WallTime time,
                                      std::chrono::minutes offset = std::chrono::minutes(0));

// The asctime form in UTC for the "From " line of an mbox file (RFC 4155): the day is padded with a
// space, "Sun Nov  1 03:24:14 2026".
[[nodiscard]] std::string format_mbox_date(base::WallTime time);

}  // namespace posthouse::mail
