// The Stream port on a TCP socket, plain or TLS. An idle connection holds a socket, a timer and no
// buffers: octets are read into a buffer of the thread only when the kernel has some. Made by the
// listener or the dialer on the thread of its executor, and used on that thread alone. Destroying
// it closes the connection; an operation of another coroutine that is still suspended then ends by
// itself with operation_canceled and touches nothing that is gone.
#pragma once

#include <memory>

#include "net/ports.hpp"
#include "net/shard.hpp"
#include "net/socket_fd.hpp"

namespace posthouse::net {

class AsioStream final : public Stream {
 public:
  // Takes over `fd`, a connected non-blocking socket of `peer`.
  AsioStream(const Executor& executor, UniqueFd fd, const Endpoint& peer,
             ConnectionTicket ticket = {});
  ~AsioStream() override;
  AsioStream(const AsioStream&) = delete;
  AsioStream& operator=(const AsioStream&) = delete;

  [[nodiscard]] Task<base::Result<std::string_view>> read() override;
  [[nodiscard]] Task<base::Result<>> write(std::string_view data) override;
  // `server` must come from make_tls_server(). After an error only close() is left.
  [[nodiscard]] Task<base::Result<TlsInfo>> start_tls(std::shared_ptr<TlsServer> server) override;
  [[nodiscard]] Task<base::Result<TlsInfo>> start_tls_client(std::shared_ptr<TlsClient> client,
                                                             std::string name) override;
  void set_deadline(base::MonoTime when) override;
  // A write that is blocked at `when`, or blocks later without a new deadline, closes the stream.
  void set_soft_deadline(base::MonoTime when) override;
  void close() override;
  [[nodiscard]] const Endpoint& peer() const override;
  [[nodiscard]] const Endpoint& local() const override;

  struct Core;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace posthouse::net
