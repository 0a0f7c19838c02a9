// What clients do on the days of the crash laboratory. Coroutines of the world's main process.
#pragma once

#include "net/task.hpp"
#include "tests/crash/crash_lab.hpp"

namespace posthouse::crash {

// Sets `*over` when the clients have done, or given up, everything. Both pointers outlive it.
[[nodiscard]] net::Task<> day_of(Day day, sim::Outside* outside, bool* over);

}  // namespace posthouse::crash
