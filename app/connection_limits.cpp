// Counting connections; see connection_limits.hpp.
#include "app/connection_limits.hpp"

#include <array>

namespace posthouse::app {
namespace {

// One client of IPv6 has a whole /64 of addresses.
net::IpAddress client_key(const net::IpAddress& client) {
  if (client.is_v4()) return client;
  auto bytes = client.bytes();
  for (std::size_t i = 8; i < bytes.size(); ++i) bytes[i] = 0;
  return net::IpAddress::from_bytes(bytes);
}

}  // namespace

void ConnectionLimits::set(std::size_t total, std::size_t per_client) {
  const std::lock_guard lock(mutex_);
  total_ = total;
  per_client_ = per_client;
}

ConnectionLimits::Slot ConnectionLimits::take(const net::IpAddress& client) {
  const net::IpAddress key = client_key(client);
  const std::lock_guard lock(mutex_);
  if (open_ >= total_) return {};
  std::size_t& count = clients_[key];
  if (count >= per_client_) return {};  // count is positive here: the limits are at least 1
  ++count;
  ++open_;
  return Slot(*this, key);
}

std::size_t ConnectionLimits::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void ConnectionLimits::release(const net::IpAddress& client) {
  const std::lock_guard lock(mutex_);
  --open_;
  const auto it = clients_.find(client);
  if (--it->second == 0) clients_.erase(it);
}

}  // namespace posthouse::app
