// The error vocabulary of the whole program (docs/decisions/0005-errors.md).
// Result<T> carries failures of the environment (I/O, DNS, disk). A misbehaving peer is a reply or
// outcome value instead, bad configuration a list of diagnostics, our own bug PH_ASSERT.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

namespace posthouse::base {

// A failed operation of the environment. `op` names what was tried ("open", "fdatasync"), `detail`
// on what ("/var/spool/…"); both end up in one sentence for the administrator.
struct Error {
  std::error_code code;
  std::string op;
  std::string detail;

  Error() = default;
  Error(std::error_code c, std::string_view o, std::string_view d = {})
      : code(c), op(o), detail(d) {}

  // "open /path: Permission denied"
  [[nodiscard]] std::string message() const;
};

template <class T = void>
using Result = tl::expected<T, Error>;

// An Error from errno (or another errno-style value).
[[nodiscard]] tl::unexpected<Error> fail_errno(int errno_value, std::string_view op,
                                               std::string_view detail = {});
// An Error from a portable condition, e.g. std::errc::invalid_argument.
[[nodiscard]] tl::unexpected<Error> fail(std::errc condition, std::string_view op,
                                         std::string_view detail = {});

}  // namespace posthouse::base
