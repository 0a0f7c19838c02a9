// The only translation unit that holds the compiled part of Asio; every other one sees
// declarations (BOOST_ASIO_SEPARATE_COMPILATION). Asio's TLS part is left out on purpose: see
// docs/decisions/0010-tls-engine.md.
#include <boost/asio/impl/src.hpp>
