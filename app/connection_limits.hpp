// How many connections are open, in all and from each client: max_connections and
// max_connections_per_ip. Any thread; one short lock for each connection that comes or goes.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include "net/address.hpp"

namespace posthouse::app {

class ConnectionLimits {
 public:
  // Held while a connection lives; an empty slot means the connection was refused.
  class Slot {
   public:
    Slot() = default;
    Slot(ConnectionLimits& owner, const net::IpAddress& client) : owner_(&owner), client_(client) {}
    Slot(Slot&& other) noexcept : owner_(other.owner_), client_(other.client_) {
      other.owner_ = nullptr;
    }
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (owner_ != nullptr) owner_->release(client_);
    }
    [[nodiscard]] bool granted() const { return owner_ != nullptr; }

   private:
    ConnectionLimits* owner_ = nullptr;
    net::IpAddress client_;
  };

  void set(std::size_t total, std::size_t per_client);
  [[nodiscard]] Slot take(const net::IpAddress& client);
  [[nodiscard]] std::size_t open() const;

 private:
  void release(const net::IpAddress& client);

  mutable std::mutex mutex_;
  std::size_t total_ = 5000;
  std::size_t per_client_ = 50;
  std::size_t open_ = 0;
  std::map<net::IpAddress, std::size_t> clients_;  // bounded by the open connections
};

}  // namespace posthouse::app
