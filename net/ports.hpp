// The ports of the outside world: streams, listeners, name lookup, waiting and blocking work. The
// production implementations live beside this file (asio_*.cpp, tls_*.cpp, blocking_pool.cpp); the
// simulator in tests/sim implements the same interfaces in virtual time. Drivers know only these.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/address.hpp"
#include "net/task.hpp"

namespace posthouse::net {

// What is known about an established TLS layer, for trace fields and logs.
struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
};

// Server certificate store: picks a certificate by SNI and follows file changes. Opaque here; made
// by make_tls_server() (net/tls_server.hpp) or by the simulator.
class TlsServer {
 public:
  virtual ~TlsServer() = default;
};

// Settings of TLS towards servers: what is verified, and against what (net/tls_engine.hpp).
class TlsClient;

// A connected byte stream. All calls on its executor's thread, one read and one write at a time.
class Stream {
 public:
  virtual ~Stream() = default;

  // Next octets from the peer; an empty view is end of file. The view lives in a buffer shared by
  // the shard: use it up before the next co_await. Errors: timed_out (deadline passed),
  // operation_canceled (closed by us), or what the peer caused.
  [[nodiscard]] virtual Task<base::Result<std::string_view>> read() = 0;
  // Writes all of `data`, which must stay alive until the call returns.
  [[nodiscard]] virtual Task<base::Result<>> write(std::string_view data) = 0;
  // Server side handshake on this stream (STARTTLS or implicit TLS).
  [[nodiscard]] virtual Task<base::Result<TlsInfo>> start_tls(
      std::shared_ptr<TlsServer> server) = 0;
  // Client side handshake on this stream. `name` is sent as SNI and is what the certificate must
  // be for, if `client` verifies. The other side may not have sent anything yet that is unread.
  // After an error only close() is left. Without an implementation of its own it only fails.
  [[nodiscard]] virtual Task<base::Result<TlsInfo>> start_tls_client(
      std::shared_ptr<TlsClient> client, std::string name);
  // At `when` a pending or later operation fails with timed_out and the stream is closed.
  virtual void set_deadline(base::MonoTime when) = 0;
  // As set_deadline, but a read() that is pending at `when` or comes later only fails with
  // timed_out and the stream stays open, so that a last reply can be written under a new deadline.
  // Without an implementation of its own a stream is closed instead.
  virtual void set_soft_deadline(base::MonoTime when) { set_deadline(when); }
  // Ends the connection (TLS close_notify is attempted without waiting). Idempotent; a pending
  // operation of another coroutine ends with operation_canceled.
  virtual void close() = 0;

  [[nodiscard]] virtual const Endpoint& peer() const = 0;
  [[nodiscard]] virtual const Endpoint& local() const = 0;
};

// Connecting to another server. The stream lives on the executor of the caller.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // Errors: timed_out at `deadline`, else what the network says (connection_refused, …), with the
  // endpoint in the detail. `deadline` does not stay on the stream.
  [[nodiscard]] virtual Task<base::Result<std::unique_ptr<Stream>>> dial(
      Endpoint to, base::MonoTime deadline) = 0;
};

// Waiting in the executor's (real or virtual) time, and that time.
class Timer {
 public:
  virtual ~Timer() = default;
  [[nodiscard]] virtual Task<> sleep_until(base::MonoTime when) = 0;
  [[nodiscard]] virtual const base::Clock& clock() const = 0;
};

// A piece of blocking work. execute() runs on a pool thread; the caller keeps the job alive.
class Job {
 public:
  virtual ~Job() = default;
  virtual void execute() noexcept = 0;
};

// A bounded pool for one kind of blocking work (docs/architecture.md). run() suspends the caller
// and resumes it on its own executor after execute(). false: the pool's queue is full, nothing ran.
class Blocking {
 public:
  virtual ~Blocking() = default;
  [[nodiscard]] virtual Task<bool> run(Job& job) = 0;
};

struct MxHost {
  std::uint16_t preference = 0;
  std::string host;
};

// Name lookup. A name that does not exist is an empty answer with `exists` false; a server failure
// (io_error) or time-out (timed_out) is an Error, so that "permanent" and "try again" never mix.
// Names are in A-label form, with or without a final dot, in any case. A text that cannot be a name
// does not exist. Answers have names in lower case without final dot; the root is ".".
class Resolver {
 public:
  struct MxAnswer {
    bool exists = true;
    std::vector<MxHost> hosts;  // as received, not ordered
    std::uint32_t ttl_s = 0;    // of an empty answer too (RFC 2308 5)
  };
  struct AddressAnswer {
    bool exists = true;
    std::vector<IpAddress> addresses;
    std::uint32_t ttl_s = 0;
  };
  virtual ~Resolver() = default;
  [[nodiscard]] virtual Task<base::Result<MxAnswer>> mx(std::string domain) = 0;
  [[nodiscard]] virtual Task<base::Result<AddressAnswer>> addresses(std::string host) = 0;
};

}  // namespace posthouse::net
