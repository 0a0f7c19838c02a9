// What the ports do where an implementation declares nothing of its own.
#include "net/ports.hpp"

namespace posthouse::net {

Task<base::Result<TlsInfo>> Stream::start_tls_client(std::shared_ptr<TlsClient>, std::string) {
  co_return base::fail(std::errc::operation_not_supported, "TLS handshake", peer().text());
}

}  // namespace posthouse::net
