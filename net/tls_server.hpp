// The server's certificates. Files are read at start and again when they changed; connections keep
// the set they began with. Safe from any thread: each shard makes engines from the same object.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "net/ports.hpp"
#include "net/tls_engine.hpp"

namespace posthouse::net {

// A certificate with its chain, leaf first, and its private key; both PEM, maybe the same file.
struct TlsCertificateFiles {
  std::string certificate;
  std::string key;
};

enum class TlsVersion { v1_2, v1_3 };

struct TlsServerOptions {
  // The first answers clients that name no server or an unknown one.
  std::vector<TlsCertificateFiles> certificates;
  TlsVersion min_version = TlsVersion::v1_2;
  const base::Clock* clock = nullptr;  // null: the system's; times the look at the files
};

// What the stream needs from a TlsServer; the only TlsServer that AsioStream accepts.
class OpenSslServer : public TlsServer {
 public:
  // A new connection with the newest readable certificates.
  [[nodiscard]] virtual std::unique_ptr<TlsEngine> new_engine() = 0;
};

// Errors name the file and the reason: not readable, no certificate in it, encrypted key, key of
// another certificate, key that everybody can read.
//
// Looks at the files at most once a second, when a connection begins. A set that became bad is not
// taken: the old one stays in use and one error is logged for each change. The new files are read
// by the user that the server has become by then.
[[nodiscard]] base::Result<std::shared_ptr<OpenSslServer>> make_tls_server(
    TlsServerOptions options);

}  // namespace posthouse::net
