// The simulated network: connected streams with latency, segments cut at random, bounded buffers,
// and faults. All of it on the world's thread, in virtual time; made by tests.
//
// What holds:
//  - Octets arrive in order, in segments of 1 octet up to everything, by seed; read() returns what
//    has arrived, or a part of it.
//  - A direction holds at most `window` octets on their way or unread; write() waits for room.
//  - read() hands out a view that is overwritten and freed at the next suspension of its caller, as
//    the Stream contract allows: keeping it is found by the address sanitizer.
//  - close() and destruction deliver what was written before, then end of file. Writing to a closed
//    peer fails with connection_reset once the news has come back.
//  - When a process dies: killed, its connections end or are reset, by seed; by a power cut, its
//    peers hear nothing for 1 to 60 seconds, then a reset. What was on its way may still arrive.
//  - TLS is pretended: three marker messages, then records with a header and scrambled octets.
//    Plaintext where TLS is expected fails with protocol_error; TLS where plaintext is expected
//    reads as garbage. There are no certificates: any TlsServer will do, SimTlsServer for one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/ports.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::sim {

struct SimLink;

class SimTlsServer final : public net::TlsServer {};

// How a connection behaves; by_seed() draws one.
struct LinkProfile {
  base::Duration latency_min = std::chrono::microseconds(50);
  base::Duration latency_max = std::chrono::milliseconds(2);
  std::size_t max_segment = 0;  // octets; 0: anything up to all that is ready, by seed
  std::size_t window = 64 * 1024;
  std::uint64_t octets_per_second = 0;  // 0: no limit
  static LinkProfile by_seed(base::Random& random);
};

// What goes wrong on a connection, counted in octets written to that direction (TLS: as sent).
struct LinkFaults {
  std::optional<std::uint64_t> reset_to_server, reset_to_client;  // connection reset there
  std::optional<std::uint64_t> stall_to_server, stall_to_client;  // nothing arrives any more
};

class SimStream final : public net::Stream {
 public:
  SimStream(std::shared_ptr<SimLink> link, int side);
  ~SimStream() override;
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;

  [[nodiscard]] net::Task<base::Result<std::string_view>> read() override;
  [[nodiscard]] net::Task<base::Result<>> write(std::string_view data) override;
  [[nodiscard]] net::Task<base::Result<net::TlsInfo>> start_tls(
      std::shared_ptr<net::TlsServer> server) override;
  // There are no certificates: `client` may be null and is not looked at.
  [[nodiscard]] net::Task<base::Result<net::TlsInfo>> start_tls_client(
      std::shared_ptr<net::TlsClient> client, std::string name) override;
  void set_deadline(base::MonoTime when) override;
  void close() override;
  [[nodiscard]] const net::Endpoint& peer() const override;
  [[nodiscard]] const net::Endpoint& local() const override;

  // For simulated clients.
  [[nodiscard]] net::Task<base::Result<net::TlsInfo>> start_tls_client();
  void shutdown_write();  // half-close: the peer reads end of file, we still read
  void reset();           // both directions are dropped; the peer gets connection_reset
  // Each read() waits `pause` first and takes at most `octets`.
  void read_slowly(std::size_t octets, base::Duration pause);
  [[nodiscard]] bool closed() const;

 private:
  std::shared_ptr<SimLink> link_;
  int side_;
};

using AcceptHandler = std::function<void(std::unique_ptr<SimStream>)>;

class SimNet {
 public:
  explicit SimNet(World& world);
  ~SimNet();
  SimNet(const SimNet&) = delete;
  SimNet& operator=(const SimNet&) = delete;

  // Calls `accept` for each connection to `at` (an address of all zeros: any) until unlisten() or
  // the death of `process`, whose streams they are. `accept` runs outside the process and spawns.
  void listen(Process& process, const net::Endpoint& at, AcceptHandler accept);
  void unlisten(const net::Endpoint& at);
  // From the process of the caller. Errors: connection_refused; timed_out after `patience`.
  [[nodiscard]] net::Task<base::Result<std::unique_ptr<SimStream>>> connect(
      net::Endpoint to, net::Endpoint from, base::Duration patience = std::chrono::minutes(2));
  // Two connected ends without a listener: first the client's, then the server's.
  std::pair<std::unique_ptr<SimStream>, std::unique_ptr<SimStream>> pair(Process& client,
                                                                         Process& server);

  // For connections made from now on. Without a profile each draws one by seed.
  void set_profile(const LinkProfile& profile);
  void set_faults(const LinkFaults& faults);         // every connection
  void set_next_faults(const LinkFaults& faults);    // the next one only
  void refuse(const net::Endpoint& at, bool on);     // connection_refused in spite of a listener
  void blackhole(const net::Endpoint& at, bool on);  // no answer at all
  void reset_all();                                  // every open connection
  [[nodiscard]] std::size_t open_connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The Dialer port: connections from `from` (port 0: any) in the caller's process. Every attempt is
// noted.
class SimDialer final : public net::Dialer {
 public:
  SimDialer(World& world, SimNet& network, const net::Endpoint& from)
      : world_(world), network_(network), from_(from) {}
  [[nodiscard]] net::Task<base::Result<std::unique_ptr<net::Stream>>> dial(
      net::Endpoint to, base::MonoTime deadline) override;

  struct Attempt {
    net::Endpoint to;
    base::MonoTime at;
  };
  [[nodiscard]] const std::vector<Attempt>& attempts() const { return attempts_; }

 private:
  World& world_;
  SimNet& network_;
  net::Endpoint from_;
  std::vector<Attempt> attempts_;
};

}  // namespace posthouse::sim
