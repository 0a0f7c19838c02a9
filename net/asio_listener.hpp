// Listening TCP sockets. bind() works alone, so that ports are taken while the program is still
// privileged; serve() starts accepting later, when threads and users are as they shall be.
// Accepting runs on the first shard; connections go to the shard that has the fewest.
#pragma once

#include <functional>
#include <memory>

#include "base/result.hpp"
#include "net/address.hpp"
#include "net/ports.hpp"
#include "net/shard.hpp"
#include "net/socket_fd.hpp"

namespace posthouse::net {

struct ListenOptions {
  Endpoint endpoint;    // port 0: the kernel chooses
  bool v6_only = true;  // false: an IPv6 endpoint takes IPv4 peers too, shown as IPv4
  int backlog = 1024;
};

class Listener {
 public:
  // Called on the thread of the shard whose executor is given; it usually spawns a session there.
  using Handler = std::function<void(const Executor& shard, std::unique_ptr<Stream> stream)>;

  // Error: "listen 127.0.0.1:25: Address already in use; another server holds this port".
  static base::Result<std::unique_ptr<Listener>> bind(const ListenOptions& options);
  // Stops. May come before or after the end of the shards.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Once, not during the end of `shards`. Out of descriptors it pauses 100 ms at a time and logs
  // that once.
  void serve(Shards& shards, Handler handler);
  // No new connections, the port is free soon after. Idempotent, from any thread.
  void stop();

  [[nodiscard]] const Endpoint& local() const { return local_; }

  struct Serving;

 private:
  explicit Listener(UniqueFd fd);

  UniqueFd fd_;  // until serve()
  Endpoint local_;
  std::weak_ptr<Serving> serving_;  // belongs to the accept loop and ends with it or its shard
};

}  // namespace posthouse::net
