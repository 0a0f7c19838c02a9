// The TLS library's own version sentence, for `posthouse version`.
#pragma once

#include <string>

namespace posthouse::net {
[[nodiscard]] std::string tls_library_version();
}  // namespace posthouse::net
