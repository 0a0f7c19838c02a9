// The only use of the crypto library's version call.
#include "net/tls_version.hpp"

#include <openssl/crypto.h>

namespace posthouse::net {

std::string tls_library_version() { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace posthouse::net
