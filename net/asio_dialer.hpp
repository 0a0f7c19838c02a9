// The Dialer port on TCP, and what counts as an endpoint of our own. Stateless: one object serves
// the coroutines of every executor.
#pragma once

#include <optional>
#include <vector>

#include "net/ports.hpp"

namespace posthouse::net {

struct DialerOptions {
  // Local addresses to connect from (smtp_out_ip), one for each family; without one the kernel
  // chooses.
  std::optional<IpAddress> source_v4;
  std::optional<IpAddress> source_v6;
};

class AsioDialer final : public Dialer {
 public:
  explicit AsioDialer(const DialerOptions& options = {}) : options_(options) {}
  // The stream is an AsioStream. Error: "connect 192.0.2.1:25: Connection refused"; an address of
  // ours that does not exist: "connect from 192.0.2.9 to 192.0.2.1:25: Cannot assign …".
  [[nodiscard]] Task<base::Result<std::unique_ptr<Stream>>> dial(Endpoint to,
                                                                 base::MonoTime deadline) override;

 private:
  DialerOptions options_;
};

// What we listen on, for the detection of routing loops. A listener on all addresses (0.0.0.0, ::)
// stands for every address of this machine at the time of construction. Immutable afterwards.
class OwnEndpoints {
 public:
  OwnEndpoints() = default;
  explicit OwnEndpoints(const std::vector<Endpoint>& listening);
  [[nodiscard]] bool contains(const Endpoint& endpoint) const;
  // True when something listens on this port at all.
  [[nodiscard]] bool uses_port(std::uint16_t port) const;

 private:
  std::vector<Endpoint> listening_;
  std::vector<IpAddress> machine_;  // addresses of the interfaces
};

}  // namespace posthouse::net
