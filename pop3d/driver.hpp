// Runs one POP3 connection: performs the steps that the session core names, over a net::Stream and
// a Maildrop. Called by the listener in app/ for each accepted connection, on the thread of its
// executor. Whatever fails, the coroutine ends, the stream is closed and the maildrop released;
// messages are removed only by a QUIT that reached the core.
#pragma once

#include <memory>
#include <string>

#include "net/ports.hpp"
#include "pop3d/ports.hpp"

namespace posthouse::pop3d {

// RFC 1939 3: an autologout timer must be at least 10 minutes long.
inline constexpr base::Duration kIdleTimeout = std::chrono::minutes(10);
inline constexpr base::Duration kHandshakeTimeout = std::chrono::seconds(60);

// What one connection needs. The objects behind plain pointers outlive it.
struct ConnectionArgs {
  std::shared_ptr<net::Stream> stream;
  std::shared_ptr<net::TlsServer> tls;  // null: no STLS
  Maildrops* maildrops = nullptr;
  net::Timer* timer = nullptr;       // of the connection's executor
  bool implicit_tls = false;         // shake hands before the greeting; needs `tls`
  bool cleartext_passwords = false;  // pop_cleartext
  std::string id;                    // session id for the log

  ConnectionArgs() = default;
};

// Ends when the session is over. Another coroutine may end it by closing the stream.
[[nodiscard]] net::Task<> serve(ConnectionArgs args);

}  // namespace posthouse::pop3d
