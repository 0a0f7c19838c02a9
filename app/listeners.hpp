// Which ports the server opens, from the settings, and binding them before rights are dropped.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "conf/settings.hpp"
#include "net/asio_listener.hpp"

namespace posthouse::app {

// What is spoken at a port.
enum class Service { smtp, submission, submissions, pop, pops };

struct BoundPort {
  Service service = Service::smtp;
  std::unique_ptr<net::Listener> listener;
};

// Binds every port that is not 0 on every `listen` address (all addresses: IPv6 and IPv4). Without
// a certificate the implicit-TLS ports stay closed. All or nothing: the first error is returned.
[[nodiscard]] base::Result<std::vector<BoundPort>> bind_ports(const conf::Settings& settings,
                                                              bool has_tls);

}  // namespace posthouse::app
