// The Resolver port on c-ares: one channel of one executor (a shard, or the queue's owner). c-ares
// sends, retries, falls back from UDP to TCP and changes servers; sockets and the timer are ours,
// and answers are read by dns_answer.cpp. All calls on the executor's thread. A lookup that fails
// leaves nothing behind.
//
// Not cached and not coalesced here: put a DnsCache in front.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/ports.hpp"

namespace posthouse::net {

struct CaresOptions {
  std::vector<Endpoint> servers;  // port 0 is 53; empty: the system's (/etc/resolv.conf)
  // For a whole lookup when no server answers: each try waits twice as long as the one before.
  base::Duration time_out = std::chrono::seconds(30);
  int tries = 4;  // rounds over the servers, 1 to 8
};

class CaresResolver final : public Resolver {
 public:
  // Reads the system's configuration (a short file) if `options` names no servers; a change of it
  // needs a new resolver.
  static base::Result<std::unique_ptr<CaresResolver>> make(const Executor& executor,
                                                           const CaresOptions& options);
  // Lookups in flight end with operation_canceled. On the executor's thread, or when its loop does
  // not run; before or after the io_context.
  ~CaresResolver() override;
  CaresResolver(const CaresResolver&) = delete;
  CaresResolver& operator=(const CaresResolver&) = delete;

  // Error details: "example.com: SERVFAIL", "example.com" for timed_out.
  [[nodiscard]] Task<base::Result<MxAnswer>> mx(std::string domain) override;
  // A and AAAA at the same time. With one of them failed the other's addresses are the answer,
  // for a short time; "localhost" is answered here (RFC 6761 6.3).
  [[nodiscard]] Task<base::Result<AddressAnswer>> addresses(std::string host) override;

  // Queries on the wire, for metrics.
  [[nodiscard]] std::size_t in_flight() const;

  class Channel;

 private:
  explicit CaresResolver(std::shared_ptr<Channel> channel);
  std::shared_ptr<Channel> channel_;
};

}  // namespace posthouse::net
