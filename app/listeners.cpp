// Binding the ports; on the main thread, before rights are dropped.
#include "app/listeners.hpp"

#include <utility>

namespace posthouse::app {
namespace {

base::Result<std::unique_ptr<net::Listener>> bind_one(const net::IpAddress& address,
                                                      std::uint16_t port, bool v6_only) {
  net::ListenOptions options;
  options.endpoint.address = address;
  options.endpoint.port = port;
  options.v6_only = v6_only;
  return net::Listener::bind(options);
}

// All addresses: one dual-stack socket, or IPv4 alone where the kernel has no IPv6.
base::Result<std::unique_ptr<net::Listener>> bind_everywhere(std::uint16_t port) {
  auto both = bind_one(*net::IpAddress::parse("::"), port, false);
  if (both) return both;
  const bool no_ipv6 = both.error().code == std::errc::address_family_not_supported ||
                       both.error().code == std::errc::address_not_available;
  if (!no_ipv6) return both;
  return bind_one(net::IpAddress::v4(0), port, true);
}

}  // namespace

base::Result<std::vector<BoundPort>> bind_ports(const conf::Settings& settings, bool has_tls) {
  const std::pair<Service, std::uint16_t> wanted[] = {
      {Service::smtp, settings.smtp_port},
      {Service::submission, settings.submission_port},
      {Service::submissions, has_tls ? settings.submissions_port : std::uint16_t{0}},
      {Service::pop, settings.pop_port},
      {Service::pops, has_tls ? settings.pops_port : std::uint16_t{0}},
  };
  std::vector<BoundPort> bound;
  const auto keep = [&bound](Service service, auto listener) -> base::Result<> {
    if (!listener) return tl::unexpected(listener.error());
    BoundPort port;
    port.service = service;
    port.listener = *std::move(listener);
    bound.push_back(std::move(port));
    return {};
  };
  for (const auto& [service, port] : wanted) {
    if (port == 0) continue;
    if (settings.listen.empty()) {
      if (auto kept = keep(service, bind_everywhere(port)); !kept)
        return tl::unexpected(kept.error());
    }
    for (const auto& text : settings.listen) {
      const auto address = net::IpAddress::parse(text);
      if (!address) return base::fail(std::errc::invalid_argument, "listen", text);
      if (auto kept = keep(service, bind_one(*address, port, true)); !kept) {
        return tl::unexpected(kept.error());
      }
    }
  }
  return bound;
}

}  // namespace posthouse::app
