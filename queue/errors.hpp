// Which errors of the disk may pass and which are final (docs/spool.md). Pure; any thread.
#pragma once

#include <cerrno>
#include <utility>

#include "base/result.hpp"

namespace posthouse::queue {

// A full disk or quota: waiting may help. Everything else does not get better.
[[nodiscard]] inline bool is_no_space(const base::Error& error) {
  return error.code == std::errc::no_space_on_device ||
         error.code == std::error_code(EDQUOT, std::generic_category()) ||
         error.code == std::error_code(EDQUOT, std::system_category());
}

// The result of a sync. No failure of one is survivable, not even one that claims to be about
// space: the kernel may have dropped the pages already.
[[nodiscard]] inline base::Result<> final_if_failed(base::Result<> synced) {
  if (synced || !is_no_space(synced.error())) return synced;
  return base::fail(std::errc::io_error, synced.error().op, synced.error().message());
}

}  // namespace posthouse::queue
