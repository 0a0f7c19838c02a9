// Owns the end of the program after one of our own bugs: one sentence on standard error, then
// abort(). Called by PH_ASSERT on any thread, possibly with locks held, so it takes none itself.
#include "base/assert.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace posthouse::base {

void assertion_failed(const char* condition, const char* message, const char* file, int line) {
  char text[1024];
  const int length =
      std::snprintf(text, sizeof text, "posthouse: internal error: %s (%s) at %s:%d\n", message,
                    condition, file, line);
  if (length > 0) {
    const auto size = static_cast<std::size_t>(length);
    // The result is of no use here: there is no other place left to complain to.
    [[maybe_unused]] const auto ignored =
        ::write(STDERR_FILENO, text, size < sizeof text ? size : sizeof text - 1);
  }
  std::abort();
}

}  // namespace posthouse::base
